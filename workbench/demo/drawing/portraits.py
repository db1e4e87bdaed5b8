"""Five people, flat and simple, each with a sign of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from workbench.demo.drawing.canvas import Canvas, Point
from workbench.demo.drawing.places import draw_bat

__all__ = ["dracula", "jonathan", "lucy", "mina", "van_helsing"]

# Coordinates stand in rows here, which the formatter would set one to a line.
# fmt: off

WIDTH, HEIGHT, MIDDLE = 480, 560, 240


def _mirrored(half: Sequence[Point]) -> list[Point]:
    """Complete an outline given, from the top down, as distances right of the middle line."""
    right = [(MIDDLE + dx, y) for dx, y in half]
    return [*right, *[(MIDDLE - dx, y) for dx, y in reversed(half)]]


def _ground(wall: str, ring: str, disc: str) -> Canvas:
    canvas = Canvas(WIDTH, HEIGHT, wall)
    canvas.disc(MIDDLE, 250, 205, ring)
    canvas.disc(MIDDLE, 250, 192, disc)
    return canvas


def _head(canvas: Canvas, skin: str, shade: str, *, jaw: float = 0, length: float = 0) -> None:
    canvas.blob(_mirrored([(34, 290), (36, 345), (52, 392), (0, 410)]), shade, 2)
    face = [
        (0, 150), (58, 158), (80, 210), (76, 268), (52 + jaw, 318 + length),
        (18 + jaw, 344 + length),
    ]
    canvas.blob(_mirrored(face), skin)
    for side in (-1, 1):
        canvas.ellipse(MIDDLE + side * 77, 248, 11, 19, skin)


def _eyes(canvas: Canvas, iris: str, brow: str, *, slant: float = 0, thick: float = 5) -> None:
    for side in (-1, 1):
        x = MIDDLE + side * 33
        canvas.ellipse(x, 242, 15, 8.5, "#fbf6ec")
        canvas.disc(x, 242, 7.5, iris)
        canvas.disc(x, 242, 3.4, "#1a1414")
        canvas.disc(x + 2.4, 239.6, 1.6, "#ffffff")
        canvas.line(
            [(x - side * 19, 221 + slant), (x + side * 3, 217), (x + side * 22, 225 - slant)],
            brow, thick,
        )


def _nose_mouth(
    canvas: Canvas, shade: str, lips: str, *, smile: float = 3, wide: float = 20
) -> None:
    canvas.line([(MIDDLE, 250), (MIDDLE + 9, 281), (MIDDLE - 4, 284)], shade, 4)
    canvas.line(
        [(MIDDLE - wide, 306 - smile), (MIDDLE, 309 + smile * 0.6), (MIDDLE + wide, 306 - smile)],
        lips, 5.5,
    )


def _shoulders(canvas: Canvas, colour: str, *, width: float = 165, slope: float = 0) -> None:
    canvas.blob(
        _mirrored([(40, 372), (110, 398 + slope), (width, 440), (width + 22, 600)]), colour, 2
    )


def _name(canvas: Canvas, name: str, ink: str) -> None:
    canvas.box(0, 506, WIDTH, HEIGHT, ink)
    canvas.text(MIDDLE, 533, name, 26, "#f3ead8", anchor="mm")


def dracula() -> Any:
    canvas = _ground("#1d1823", "#7d1f28", "#3a1c2b")
    canvas.disc(330, 150, 58, "#e9dcc0")
    canvas.blob(_mirrored([(20, 330), (92, 306), (128, 372), (176, 430), (205, 600)]), "#0f0d14", 2)
    canvas.polygon(
        _mirrored([(0, 430), (66, 330), (118, 286), (128, 372), (70, 470), (30, 600)]), "#8b1e27"
    )
    canvas.polygon(_mirrored([(0, 400), (52, 396), (40, 600)]), "#17141d")
    canvas.polygon(_mirrored([(0, 395), (24, 388), (16, 440), (0, 470)]), "#efe8da")
    _head(canvas, "#e4ddd0", "#c3b8ab", jaw=-6, length=8)
    hair = [(0, 196), (26, 170), (52, 182), (78, 240), (90, 236), (88, 176), (52, 130), (0, 120)]
    canvas.blob(_mirrored(hair), "#d9d6d2", 2)
    _eyes(canvas, "#c22a2a", "#c9c5c0", slant=9, thick=8)
    canvas.line([(MIDDLE, 248), (MIDDLE + 11, 284), (MIDDLE - 5, 287)], "#b5a99c", 4)
    canvas.line([(MIDDLE - 22, 309), (MIDDLE, 312), (MIDDLE + 22, 309)], "#a3232c", 6)
    for side in (-1, 1):
        canvas.polygon(
            [(MIDDLE + side * 9, 311), (MIDDLE + side * 16, 311), (MIDDLE + side * 12.5, 324)],
            "#fffaf0",
        )
    canvas.blob(
        _mirrored([(0, 292), (30, 294), (54, 322), (40, 318), (16, 303), (0, 302)]), "#d9d6d2", 2
    )
    for x, y, size in ((118, 130, 26), (92, 190, 15)):
        draw_bat(canvas, x, y, size)
    _name(canvas, "Count Dracula", "#0f0d14")
    return canvas.finish()


def jonathan() -> Any:
    canvas = _ground("#cfd6cf", "#5d7466", "#a9b9a6")
    _shoulders(canvas, "#3d4a45")
    canvas.polygon(_mirrored([(0, 392), (44, 380), (52, 420), (0, 500)]), "#f5f0e4")
    for side in (-1, 1):
        canvas.polygon(
            [
                (MIDDLE + side * 36, 376), (MIDDLE + side * 84, 402), (MIDDLE + side * 60, 440),
                (MIDDLE + side * 8, 506),
            ],
            "#2f3a36",
        )
    _head(canvas, "#eccdb0", "#d3ab8b", jaw=4)
    canvas.polygon(_mirrored([(0, 412), (36, 372), (46, 392), (20, 424)]), "#fffaf0")
    canvas.polygon(_mirrored([(0, 412), (11, 406), (8, 422), (16, 500), (0, 512)]), "#8a2f35")
    hair = [(0, 186), (40, 176), (70, 200), (80, 242), (92, 232), (90, 168), (54, 126), (0, 118)]
    canvas.blob(_mirrored(hair), "#5a3d2b", 2)
    canvas.blob(
        [(170, 190), (200, 140), (290, 128), (322, 190), (290, 182), (240, 190)], "#6b4a35", 2
    )
    _eyes(canvas, "#5f7d8c", "#4c3324")
    _nose_mouth(canvas, "#c8987a", "#b0685c")
    _book(canvas, 356, 436, "#7a3b2e")
    _name(canvas, "Jonathan Harker", "#2b3531")
    return canvas.finish()


def _book(canvas: Canvas, x: float, y: float, colour: str) -> None:
    canvas.polygon([(x - 46, y - 52), (x + 38, y - 62), (x + 46, y + 48), (x - 38, y + 60)], colour)
    canvas.polygon(
        [(x + 38, y - 62), (x + 46, y - 56), (x + 53, y + 52), (x + 46, y + 48)], "#f1e7cf"
    )
    canvas.line([(x - 30, y - 53), (x - 22, y + 57)], "#c99a3b", 3)
    canvas.polygon([(x - 8, y - 28), (x + 22, y - 32), (x + 24, y - 10), (x - 6, y - 6)], "#f1e7cf")
    for step in (0, 7):
        canvas.line([(x - 3, y - 23 + step), (x + 17, y - 26 + step)], "#8a7a5d", 1.6)


def mina() -> Any:
    canvas = _ground("#dfe3ea", "#3f5878", "#b7c4d6")
    hair = [(0, 112), (62, 124), (98, 180), (100, 250), (84, 300), (52, 330), (0, 330)]
    canvas.blob(_mirrored(hair), "#4a2f22", 2)
    canvas.blob(_mirrored([(0, 76), (36, 84), (46, 112), (30, 140), (0, 146)]), "#553828", 2)
    _shoulders(canvas, "#31507a", width=140, slope=10)
    _head(canvas, "#f0d3b8", "#dcb494", jaw=-8)
    canvas.blob(_mirrored([(0, 372), (40, 366), (46, 404), (0, 412)]), "#f7f2e8", 2)
    canvas.disc(MIDDLE, 410, 11, "#c99a3b")
    canvas.disc(MIDDLE, 410, 7, "#31507a")
    for y in (446, 474, 502):
        canvas.disc(MIDDLE, y, 4.5, "#e8dcc0")
    fringe = [(0, 178), (34, 190), (68, 226), (82, 252), (90, 210), (74, 150), (0, 122)]
    canvas.blob(_mirrored(fringe), "#5d3d2b", 2)
    _eyes(canvas, "#5b7a4a", "#3f281d", thick=4)
    _nose_mouth(canvas, "#cf9f80", "#b4524f", smile=4, wide=17)
    canvas.polygon([(330, 408), (412, 398), (420, 492), (338, 500)], "#fbf7ec")
    for row in range(7):
        y = 416 + row * 11
        canvas.line([(342 + row, y), (404 - (row * 17 % 26) + row, y - 7)], "#6f7683", 2)
    _name(canvas, "Mina Harker", "#253a58")
    return canvas.finish()


def lucy() -> Any:
    canvas = _ground("#efdfd8", "#b56a6f", "#e6c3bb")
    hair = [
        (0, 108), (70, 122), (112, 186), (120, 290), (138, 390), (120, 470), (60, 440), (0, 420),
    ]
    canvas.blob(_mirrored(hair), "#c9963f", 2)
    for side in (-1, 1):
        for step in range(4):
            canvas.disc(MIDDLE + side * (112 + 6 * (step % 2)), 300 + step * 44, 27, "#d3a34d")
    _shoulders(canvas, "#f8f1e6", width=135, slope=14)
    _head(canvas, "#f7e3d4", "#e6c5b3", jaw=-10)
    fringe = [(0, 176), (22, 176), (62, 214), (84, 262), (94, 210), (76, 146), (0, 118)]
    canvas.blob(_mirrored(fringe), "#dbad57", 2)
    _eyes(canvas, "#4f86a6", "#a8752f", thick=3.6)
    _nose_mouth(canvas, "#dba991", "#c0444c", smile=4, wide=16)
    for dx, dy in ((-7, 362), (7, 362)):
        canvas.disc(MIDDLE + dx, dy, 2.6, "#a3232c")
    for step in range(11):
        angle = math.pi * (0.08 + 0.84 * step / 10)
        x, y = MIDDLE + 92 * math.cos(angle), 380 + 72 * math.sin(angle)
        for petal in range(5):
            turn = petal * 2 * math.pi / 5 + step
            canvas.disc(x + 8 * math.cos(turn), y + 8 * math.sin(turn), 6.4, "#fffdf6")
        canvas.disc(x, y, 4.2, "#b9c58a")
    _name(canvas, "Lucy Westenra", "#7c3f46")
    return canvas.finish()


def van_helsing() -> Any:
    canvas = _ground("#d8ccb4", "#6d5334", "#bfa77f")
    _shoulders(canvas, "#2d2a2c", width=185)
    canvas.polygon(_mirrored([(0, 388), (46, 380), (40, 430), (0, 520)]), "#f2ecdd")
    for side in (-1, 1):
        canvas.polygon(
            [
                (MIDDLE + side * 40, 374), (MIDDLE + side * 96, 404), (MIDDLE + side * 66, 452),
                (MIDDLE + side * 6, 520),
            ],
            "#1f1d1f",
        )
    _head(canvas, "#ebc6a4", "#cfa07d", jaw=12, length=2)
    hair = [(0, 158), (40, 160), (70, 186), (80, 240), (94, 240), (96, 176), (62, 128), (0, 116)]
    canvas.blob(_mirrored(hair), "#a4552c", 2)
    canvas.line([(MIDDLE - 44, 196), (MIDDLE + 44, 196)], "#d7ac89", 3)
    canvas.line([(MIDDLE - 36, 184), (MIDDLE + 36, 184)], "#d7ac89", 3)
    _eyes(canvas, "#3f5f9a", "#8a4420", slant=5, thick=10)
    _nose_mouth(canvas, "#bf8a66", "#a65a4c", smile=1, wide=24)
    canvas.line(
        [
            (MIDDLE - 44, 380), (MIDDLE - 22, 430), (MIDDLE, 452), (MIDDLE + 22, 430),
            (MIDDLE + 44, 380),
        ],
        "#c99a3b", 2.4,
    )
    canvas.box(MIDDLE - 4, 450, MIDDLE + 4, 500, "#d7aa48")
    canvas.box(MIDDLE - 17, 464, MIDDLE + 17, 472, "#d7aa48")
    _name(canvas, "Abraham Van Helsing", "#2d2420")
    return canvas.finish()
