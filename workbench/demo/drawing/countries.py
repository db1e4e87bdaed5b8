"""Maps of lands: their pins are the x and y of `locations.csv`, so that both agree."""

from __future__ import annotations

from typing import Any

from workbench.demo.drawing.canvas import Canvas, rounded
from workbench.demo.drawing.coast import DANUBE, ISLANDS, LAND, SERETH, Frame
from workbench.demo.drawing.marks import (
    BLUE,
    GOLD,
    INK,
    LAND_COLOUR,
    RED,
    SEA,
    draw_coasts,
    draw_compass,
    draw_frame,
    draw_legend,
    draw_peak,
    draw_tree,
    draw_waves,
    mark_places,
)

__all__ = ["england", "europe", "transylvania"]

# Coordinates stand in rows here, which the formatter would set one to a line.
# fmt: off


def europe() -> Any:
    canvas = Canvas(640, 480, SEA)
    frame = Frame(west=-12, east=32, north=58.5, south=35.2)
    draw_waves(canvas, [(40, 330), (60, 120), (160, 420), (590, 330), (330, 420), (20, 215)])
    draw_coasts(canvas, frame, LAND)
    for river in (DANUBE, SERETH):
        canvas.line(rounded(frame(river), closed=False), "#7fa6ab", 2.2)
    alps = [(6.8, 45.2), (8.0, 46.1), (9.6, 46.4), (11.4, 46.8), (13.2, 46.9)]
    carpathians = [
        (19.6, 49.1), (21.2, 49.0), (22.9, 48.6), (24.3, 47.9), (25.7, 47.8), (27.0, 47.4),
        (25.9, 45.3), (24.4, 45.2), (22.8, 45.2),
    ]
    for x, y in frame([*alps, *carpathians]):
        draw_peak(canvas, x, y + 4, 8)
    rail = [(11.58, 48.14), (16.37, 48.21), (19.04, 47.5), (23.6, 46.8), (24.5, 47.1)]
    express = [
        (-0.12, 51.5), (2.35, 48.86), (7.7, 48.6), (11.58, 48.0), (16.3, 48.0), (18.9, 47.3),
        (20.1, 46.2), (22.4, 44.8), (26.1, 44.4), (26.0, 43.8), (27.9, 43.2),
    ]
    demeter = [
        (27.95, 43.1), (28.9, 42.2), (29.15, 41.2), (28.3, 40.75), (26.8, 40.4), (25.6, 39.6),
        (24.8, 38.0), (23.6, 36.3), (22.0, 35.9), (18.0, 36.0), (13.0, 36.4), (11.4, 37.6),
        (8.0, 38.1), (3.0, 37.7), (-2.0, 36.2), (-5.5, 35.9), (-8.0, 36.2), (-10.2, 37.5),
        (-10.4, 41.0), (-9.6, 44.4), (-6.2, 48.4), (-3.0, 49.6), (0.2, 50.3), (1.6, 51.0),
        (2.3, 51.8), (2.4, 53.2), (1.2, 54.2), (-0.5, 54.55),
    ]
    canvas.dashes(rounded(frame(demeter), closed=False), BLUE, 2.2)
    canvas.dashes(frame(express), GOLD, 2.2)
    canvas.line(frame(rail), RED, 2.2)
    ((paris_x, paris_y), (london_x, london_y), (whitby_x, whitby_y)) = frame(
        [(2.35, 48.86), (-0.12, 51.5), (-0.6, 54.5)]
    )
    for x, y, name in (
        (paris_x, paris_y, "Paris"), (london_x, london_y, "London"),
        (whitby_x, whitby_y, "Whitby"),
    ):
        canvas.disc(x, y, 3, INK)
        canvas.text(
            x + (8 if name == "Paris" else -8),
            y, name, 13, INK,
            anchor="lm" if name == "Paris" else "rm",
            halo="#f6efdc",
        )
    mark_places(
        canvas, "Map of Europe", frozenset({"Varna", "Galatz"}), frozenset({"Munich", "Buda-Pesth"})
    )
    draw_legend(
        canvas,
        [
            (RED, "Harker, 1-4 May"), (BLUE, "The Demeter, July-August"),
            (GOLD, "The Orient Express, October"),
        ],
    )
    draw_frame(canvas, "Dracula's Europe", right=True)
    return canvas.finish()


def england() -> Any:
    canvas = Canvas(640, 480, SEA)
    frame = Frame(west=-8.5, east=4, north=55.4, south=49.6)
    draw_waves(
        canvas, [(520, 120), (470, 60), (60, 330), (150, 420), (560, 300), (250, 440), (110, 250)]
    )
    draw_coasts(canvas, frame, [land for land in LAND if land not in ISLANDS])
    for x, y in frame(
        [
            (-3.2, 54.55), (-2.9, 54.4), (-2.2, 54.3), (-1.9, 53.6), (-3.9, 53.1), (-3.6, 52.7),
            (-3.5, 52.1), (-3.8, 50.65),
        ]
    ):
        draw_peak(canvas, x, y, 11, snow=False)
    for x, y in frame(
        [
            (-1.5, 53.1), (-0.9, 52.9), (-2.6, 51.8), (-1.5, 50.95), (-1.2, 51.0), (0.5, 51.1),
            (0.1, 51.05), (0.6, 52.4), (1.0, 52.6), (-2.5, 52.5),
        ]
    ):
        draw_tree(canvas, x, y, 11)
    thames = [(-2.0, 51.7), (-1.2, 51.7), (-1.0, 51.5), (-0.6, 51.48), (-0.1, 51.5), (0.5, 51.48)]
    canvas.line(rounded(frame(thames), closed=False), "#7fa6ab", 2.4)
    rail = [
        (-0.61, 54.49), (-1.1, 53.96), (-0.6, 52.9), (-0.12, 51.5), (-1.9, 51.2), (-3.53, 50.72),
    ]
    canvas.dashes(frame(rail), INK, 1.6, 5, 4)
    ((x, y),) = frame([(-3.53, 50.72)])
    canvas.disc(x, y, 3, INK)
    canvas.text(x + 9, y - 4, "Exeter", 13, INK, halo="#f6efdc")
    mark_places(canvas, "Map of England")
    draw_compass(canvas, 580, 420)
    draw_frame(canvas, "England", right=True)
    return canvas.finish()


def transylvania() -> Any:
    canvas = Canvas(640, 480, LAND_COLOUR)
    frame = Frame(west=22.6, east=27.0, north=48.1, south=45.8)
    canvas.blob(
        [
            (60, 480), (40, 330), (110, 200), (250, 130), (360, 170), (430, 280), (420, 400),
            (360, 500),
        ],
        "#e6dfb4",
    )
    canvas.blob([(110, 460), (100, 330), (180, 240), (300, 210), (370, 290), (350, 420)], "#dfdca8")
    somes = [(25.1, 47.5), (24.7, 47.2), (24.2, 47.2), (23.9, 47.25), (23.4, 47.4), (22.9, 47.8)]
    bistritza = [(25.0, 47.7), (25.5, 47.45), (25.9, 47.1), (26.35, 46.9), (26.9, 46.5)]
    sereth = [(26.0, 48.1), (26.5, 47.3), (26.9, 46.5), (27.1, 46.0)]
    for river in (somes, bistritza, sereth):
        canvas.line(rounded(frame(river), closed=False, times=3), "#7fa6ab", 3)
    ridge = [
        (24.0, 47.85), (24.4, 47.75), (24.75, 47.65), (25.05, 47.55), (25.3, 47.4), (25.2, 47.1),
        (25.6, 47.2), (25.75, 46.85), (25.4, 46.75), (25.85, 46.6), (25.7, 46.35), (26.1, 46.4),
        (25.95, 46.1), (25.4, 46.0), (24.8, 45.95), (24.2, 45.9),
    ]
    for x, y in sorted(frame(ridge), key=lambda point: point[1]):
        draw_peak(canvas, x, y + 10, 25)
    for x, y in frame(
        [
            (23.0, 46.4), (23.2, 46.3), (23.1, 46.15), (24.2, 46.9), (24.35, 46.8), (24.6, 46.6),
            (24.8, 46.7), (26.4, 47.6), (26.6, 47.8), (26.3, 46.7),
        ]
    ):
        draw_tree(canvas, x, y, 14)
    road = [
        (22.6, 46.9), (23.6, 46.77), (24.1, 47.1), (24.5, 47.13), (24.98, 47.27), (25.6, 47.55),
        (26.3, 47.75),
    ]
    canvas.line(frame(road), RED, 2.4)
    canvas.dashes(frame([(24.98, 47.27), (25.15, 47.2), (25.3, 47.02), (25.55, 46.98)]), RED, 2.4)
    ((x, y),) = frame([(23.6, 46.77)])
    canvas.disc(x, y, 3, INK)
    canvas.text(x + 4, y + 14, "Klausenburg", 13, INK, halo="#f6efdc")
    canvas.text(548, 160, "BUKOVINA", 13, INK, anchor="mm", halo="#f4ecd8aa")
    canvas.text(570, 400, "MOLDAVIA", 13, INK, anchor="mm", halo="#f4ecd8aa")
    canvas.text(536, 258, "Bistritza", 12, BLUE, anchor="lm", halo="#f6efdc")
    mark_places(canvas, "Map of Transylvania", frozenset({"Bistritz"}))
    draw_compass(canvas, 60, 425)
    draw_frame(canvas, "Transylvania")
    return canvas.finish()
