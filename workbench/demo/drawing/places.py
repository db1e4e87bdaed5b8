"""The castle, the abbey and the ship."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from workbench.demo.drawing.canvas import Canvas, Point

__all__ = ["abbey", "castle", "demeter", "draw_bat"]

# Coordinates stand in rows here, which the formatter would set one to a line.
# fmt: off


def _stars(canvas: Canvas, count: int, bottom: float, colour: str = "#e9e4d4") -> None:
    for index in range(count):  # two irrational steps spread the stars evenly without chance
        x = (index * 0.618034 % 1) * canvas.width
        y = (index * 0.754878 % 1) * bottom
        canvas.disc(x, y, 0.8 + (index % 4) * 0.35, colour)


def _moon(canvas: Canvas, x: float, y: float, radius: float, halo: str, face: str) -> None:
    for ring in (2.4, 1.9, 1.45):
        canvas.disc(x, y, radius * ring, halo)
    canvas.disc(x, y, radius, face)
    for dx, dy, size in ((-0.3, -0.2, 0.2), (0.35, 0.1, 0.14), (-0.05, 0.45, 0.12)):
        canvas.disc(x + dx * radius, y + dy * radius, radius * size, "#00000014")


def _tower(canvas: Canvas, x: float, top: float, width: float, bottom: float, roof: float) -> None:
    """A tower with a pointed roof, or with battlements where `roof` is zero."""
    body, shade = "#1c1f35", "#14162a"
    canvas.box(x, top, x + width, bottom, body)
    canvas.box(x + width * 0.6, top, x + width, bottom, shade)
    if roof:
        canvas.polygon([(x - 5, top), (x + width / 2, top - roof), (x + width + 5, top)], "#10111f")
        return
    tooth = width / 5
    for index in range(0, 5, 2):
        canvas.box(x + index * tooth, top - 8, x + (index + 1) * tooth, top + 1, body)


def _window(canvas: Canvas, x: float, y: float, colour: str = "#f0b44c") -> None:
    canvas.box(x, y, x + 6, y + 11, colour)
    canvas.disc(x + 3, y, 3, colour)


def draw_bat(canvas: Canvas, x: float, y: float, size: float) -> None:
    half = [
        (0, 0.1), (0.12, -0.15), (0.45, -0.35), (1.0, -0.1), (0.75, 0.02), (0.5, 0.2),
        (0.28, 0.12), (0, 0.35),
    ]
    wings = [*half, *[(-dx, dy) for dx, dy in reversed(half)]]
    canvas.polygon([(x + dx * size, y + dy * size) for dx, dy in wings], "#0d0e1a")


def castle() -> Any:
    canvas = Canvas(640, 480, "#131830")
    canvas.bands(
        ["#11152b", "#161b36", "#1c2342", "#232c50", "#2c375e", "#37446d", "#44527b", "#53618a"],
        0, 400,
    )
    _stars(canvas, 90, 300)
    _moon(canvas, 455, 130, 58, "#f3ead012", "#f3ead0")
    far: list[Point] = [
        (0, 330), (70, 270), (130, 310), (220, 235), (300, 300), (390, 250), (470, 310),
        (560, 255), (640, 310), (640, 480), (0, 480),
    ]
    canvas.polygon(far, "#3b4669")
    canvas.polygon(
        [(0, 390), (90, 340), (200, 385), (460, 360), (560, 320), (640, 360), (640, 480), (0, 480)],
        "#2b3453",
    )
    rock: list[Point] = [
        (150, 480), (176, 420), (196, 350), (232, 318), (262, 292), (420, 286), (452, 312),
        (470, 372), (500, 420), (520, 480),
    ]
    canvas.polygon(rock, "#1a1d33")
    canvas.polygon(
        [
            (352, 289), (420, 286), (452, 312), (470, 372), (500, 420), (520, 480), (400, 480),
            (376, 380),
        ],
        "#13152a",
    )
    for line in (
        [(214, 360), (240, 400), (230, 470)],
        [(300, 330), (312, 400), (296, 470)],
        [(420, 330), (436, 400), (450, 470)],
    ):
        canvas.line(line, "#262b47", 2)
    for x, top, width, roof in (
        (252, 196, 40, 62), (292, 232, 88, 0), (330, 150, 36, 0), (376, 178, 34, 56),
        (404, 240, 32, 0), (228, 250, 26, 34), (310, 186, 22, 36),
    ):
        _tower(canvas, x, top, width, 322, roof)
    for x, y in ((268, 222), (312, 262), (344, 176), (389, 206)):
        _window(canvas, x, y)
    for x, y in ((268, 262), (356, 262), (344, 212), (389, 250), (416, 266), (236, 276)):
        _window(canvas, x, y, "#2c3150")
    for x, y, size in ((470, 110, 24), (520, 186, 15), (422, 84, 12), (180, 150, 16)):
        draw_bat(canvas, x, y, size)
    for index in range(24):
        x, height = index * 28 - 6, 26 + (index * 37 % 23)
        base = 486 - 10 * math.sin(index * 0.9)
        canvas.polygon([(x, base), (x + 14, base - height - 18), (x + 28, base)], "#0d1020")
    return canvas.finish()


def abbey() -> Any:
    canvas = Canvas(640, 480, "#3c3558")
    canvas.bands(
        ["#39345a", "#4c3e66", "#66496f", "#855672", "#a56672", "#c47c71", "#dd9a76", "#eebb85"],
        0, 350,
    )
    _stars(canvas, 26, 110, "#e9e4d480")
    canvas.disc(132, 318, 42, "#f9dd9c")
    canvas.box(0, 318, 640, 480, "#6f6a8c")
    for index in range(9):
        y = 324 + index * 5
        canvas.box(132 - 40 + index * 3, y, 132 + 40 - index * 3, y + 2, "#e9c48f80")
    canvas.polygon([(180, 345), (300, 318), (640, 300), (640, 480), (0, 480), (0, 410)], "#2e3344")
    canvas.polygon([(0, 430), (220, 372), (640, 330), (640, 480), (0, 480)], "#252a3a")
    stone, dark = "#1f2132", "#171927"
    canvas.polygon([(300, 352), (300, 168), (322, 118), (334, 168), (334, 352)], stone)
    canvas.polygon([(590, 344), (590, 150), (600, 122), (612, 150), (616, 344)], stone)
    canvas.polygon([(334, 350), (334, 190), (390, 100), (446, 190), (446, 350)], stone)
    _arches(canvas, [(346, 274, 24), (378, 274, 24), (410, 274, 24)], 332, "#d98f75")
    _arches(canvas, [(352, 190, 18), (380, 176, 20), (410, 190, 18)], 236, "#b56f72")
    canvas.polygon(
        [
            (446, 350), (446, 206), (520, 200), (526, 216), (560, 210), (570, 232), (592, 236),
            (592, 348),
        ],
        stone,
    )
    _arches(
        canvas, [(458, 298, 26), (496, 298, 26), (534, 298, 26), (566, 296, 18)], 334, "#dd9a76"
    )
    _arches(
        canvas, [(462, 226, 12), (486, 226, 12), (510, 226, 12), (534, 232, 12)], 258, "#c47c71"
    )
    canvas.line([(334, 246), (446, 246)], dark, 3)
    canvas.line([(446, 268), (592, 268)], dark, 3)
    for x, y, height in (
        (70, 430, 26), (110, 418, 20), (160, 424, 30), (215, 404, 22), (262, 412, 26),
        (30, 452, 30), (196, 446, 34),
    ):
        canvas.box(x, y - height, x + 16, y + 4, "#151826")
        canvas.disc(x + 8, y - height, 8, "#151826")
    canvas.box(86, 392, 132, 396, "#11131f")
    for x in (90, 124):
        canvas.box(x, 394, x + 4, 412, "#11131f")
    canvas.blob([(102, 392), (104, 366), (112, 360), (120, 366), (124, 392)], "#efe6d8", 2)
    canvas.disc(112, 358, 6, "#efe6d8")
    for x, y in ((220, 120), (246, 108), (196, 140)):
        canvas.line([(x - 9, y - 4), (x, y), (x + 9, y - 4)], "#2a2540", 2)
    return canvas.finish()


def _arches(
    canvas: Canvas, openings: list[tuple[float, float, float]], foot: float, sky: str
) -> None:
    """Cut pointed windows at (x, y of the spring, width) through which the sky shows."""
    for x, y, width in openings:
        point = y - width * 0.9
        outline = [
            (x, foot), (x, y), (x + width * 0.12, y - width * 0.45), (x + width / 2, point),
            (x + width * 0.88, y - width * 0.45), (x + width, y), (x + width, foot),
        ]
        canvas.polygon(outline, sky)


def _sea(canvas: Canvas, y: float, height: float, shift: float, colour: str, foam: str) -> None:
    crest = [
        (x, y + height * math.sin((x + shift) / 47) + height * 0.6 * math.sin((x + shift) / 19))
        for x in range(-10, 660, 6)
    ]
    canvas.polygon([*crest, (660, 490), (-10, 490)], colour)
    canvas.line(crest, foam, 2.4)


def demeter() -> Any:
    canvas = Canvas(640, 480, "#202a38")
    canvas.bands(
        ["#161d29", "#1b2431", "#212c3b", "#283546", "#304052", "#3a4b5e", "#46596c"], 0, 330
    )
    for x, y, size in (
        (60, 60, 70), (170, 40, 80), (300, 58, 90), (430, 36, 78), (560, 62, 88), (630, 30, 60),
    ):
        canvas.ellipse(x, y, size, size * 0.42, "#11172199")
        canvas.ellipse(x + 30, y + 22, size * 0.8, size * 0.3, "#1a2230aa")
    canvas.polygon(
        [(640, 196), (640, 480), (560, 480), (540, 330), (560, 240), (600, 205)], "#12161f"
    )
    canvas.polygon([(612, 203), (-10, 150), (-10, 340), (612, 208)], "#f3e9c324")  # the searchlight
    canvas.disc(612, 205, 6, "#fff4cf")
    bolt = [(118, 84), (96, 140), (116, 142), (84, 206), (138, 128), (116, 126), (140, 84)]
    canvas.polygon(bolt, "#fdf3c4")
    _sea(canvas, 318, 9, 0, "#2c4454", "#6f8b98")
    _ship(canvas)
    _sea(canvas, 358, 13, 60, "#243a49", "#8fa8b1")
    _sea(canvas, 402, 14, 150, "#1b2e3b", "#718c98")
    _sea(canvas, 444, 12, 20, "#14222d", "#4f6b78")
    for index in range(70):
        left, top = (index * 0.618034 % 1) * 680, (index * 0.754878 % 1) * 470
        canvas.line([(left, top), (left - 9, top + 20)], "#cfdbe238", 1.2)
    return canvas.finish()


def _filled(corners: list[Point]) -> list[Point]:
    """Return the outline of a sail whose edges the wind bellies outwards."""
    middle_x = sum(x for x, _ in corners) / len(corners)
    middle_y = sum(y for _, y in corners) / len(corners)
    outline: list[Point] = []
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        pull_x, pull_y = (ax + bx) / 2 - middle_x, (ay + by) / 2 - middle_y
        for step in range(8):
            part = step / 8
            belly = 0.2 * 4 * part * (1 - part) * 0.6
            outline.append(
                (ax + (bx - ax) * part + pull_x * belly, ay + (by - ay) * part + pull_y * belly)
            )
    return outline


def _ship(canvas: Canvas) -> None:
    tilt, cx, cy = -0.12, 300.0, 330.0

    def lean(points: Sequence[Point]) -> list[Point]:
        return [
            (
                cx + (x - cx) * math.cos(tilt) - (y - cy) * math.sin(tilt),
                cy + (x - cx) * math.sin(tilt) + (y - cy) * math.cos(tilt),
            )
            for x, y in points
        ]

    sail, shade, wood = "#d9d2bd", "#b8b09a", "#1a1512"
    for x, top in ((250, 132), (350, 120)):
        canvas.line(lean([(x, 322), (x, top)]), wood, 5)
    canvas.line(lean([(408, 318), (474, 286)]), wood, 4)
    for outline, colour in (
        ([(254, 300), (254, 190), (330, 176), (342, 300)], sail),
        ([(254, 184), (254, 140), (318, 172)], shade),
        ([(246, 300), (246, 186), (186, 204), (176, 296)], shade),
        ([(354, 298), (354, 172), (412, 196), (422, 294)], sail),
        ([(354, 166), (354, 126), (402, 190)], shade),
        ([(424, 300), (404, 196), (472, 284)], sail),
    ):
        canvas.polygon(_filled(lean(outline)), colour)
    hull = [(164, 312), (176, 352), (210, 372), (380, 372), (412, 346), (424, 310)]
    canvas.polygon(lean(hull), "#2b211b")
    canvas.polygon(lean([(164, 312), (424, 310), (422, 318), (167, 320)]), "#8a5a35")
    canvas.line(lean([(190, 312), (190, 292)]), wood, 3)  # the wheel, and the dead man at it
    canvas.disc(*lean([(190, 290)])[0], 7, "#6b4a30")
    canvas.blob(lean([(176, 312), (176, 288), (182, 280), (188, 288), (188, 312)]), "#11100f", 2)
    canvas.disc(*lean([(186, 278)])[0], 5.5, "#c7b49a")
