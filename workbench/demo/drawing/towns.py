"""Maps of two towns and a castle: their pins are the x and y of `locations.csv`."""

from __future__ import annotations

import math
from typing import Any

from workbench.demo.drawing.canvas import Canvas, rounded
from workbench.demo.drawing.coast import Frame
from workbench.demo.drawing.marks import (
    BLUE,
    EDGE,
    GOLD,
    GREEN,
    INK,
    LAND_COLOUR,
    SEA,
    draw_compass,
    draw_frame,
    draw_tree,
    draw_waves,
    mark_places,
)

__all__ = ["castle_plan", "london", "whitby"]

# Coordinates stand in rows here, which the formatter would set one to a line.
# fmt: off


def whitby() -> Any:
    canvas = Canvas(640, 480, LAND_COLOUR)
    canvas.polygon(
        [
            (0, 0), (640, 0), (640, 130), (560, 128), (480, 150), (415, 158), (350, 176),
            (300, 176), (250, 150), (170, 132), (80, 128), (0, 140),
        ],
        SEA,
    )
    draw_waves(canvas, [(90, 80), (330, 60), (520, 90), (210, 100), (430, 110), (580, 40)])
    for offset, colour in ((0, "#b7a581"), (7, "#cdbd98")):
        canvas.line(
            [(0, 143 + offset), (80, 131 + offset), (170, 135 + offset), (262, 158 + offset)],
            colour, 6,
        )
        canvas.line(
            [(640, 133 + offset), (560, 131 + offset), (480, 153 + offset), (392, 168 + offset)],
            colour, 6,
        )
    canvas.blob(
        [
            (292, 160), (352, 160), (345, 225), (325, 275), (322, 330), (345, 390), (340, 490),
            (285, 490), (290, 400), (268, 340), (270, 280), (290, 225),
        ],
        SEA,
    )
    for pier in ([(285, 172), (292, 130), (302, 96)], [(358, 172), (350, 130), (336, 100)]):
        canvas.line(pier, "#7b6d55", 8)
        canvas.disc(*pier[-1], 6, GOLD)
    canvas.line([(362, 226), (318, 221)], "#7b6d55", 7)  # Tate Hill Pier points into the harbour
    canvas.box(262, 316, 336, 325, "#7b6d55")
    canvas.text(344, 321, "bridge", 12, INK)
    for x, y, columns, rows in (
        (150, 230, 5, 4), (150, 372, 3, 4), (356, 250, 3, 3), (352, 340, 3, 3),
    ):
        for column in range(columns):
            for row in range(rows):
                left, top = x + column * 20 + (row % 2) * 4, y + row * 19
                canvas.box(
                    left, top, left + 13, top + 10, "#c58b6a" if (row + column) % 3 else "#a8664e"
                )
    canvas.line(
        rounded([(380, 214), (394, 202), (404, 190), (418, 178)], closed=False), "#fbf5e6", 4
    )
    canvas.blob([(404, 152), (520, 150), (510, 205), (420, 205)], GREEN)
    canvas.blob([(440, 200), (620, 195), (620, 275), (450, 270)], GREEN)
    for x, y in ((436, 190), (448, 186), (462, 191), (476, 186), (488, 192)):
        canvas.box(x, y, x + 5, y + 8, "#8f8a7c")
    for x in range(492, 536, 11):
        canvas.box(x, 205, x + 5, 220, "#8f8a7c")
    canvas.text(80, 180, "WEST CLIFF", 14, INK)
    canvas.text(505, 300, "EAST CLIFF", 14, INK)
    canvas.dashes([(262, 470), (258, 430), (245, 395), (240, 350)], INK, 1.8, 6, 4)
    canvas.box(230, 336, 250, 348, "#7b6d55")
    canvas.text(222, 342, "station", 12, INK, anchor="rm", halo="#f6efdc")
    canvas.blob([(30, 300), (120, 330), (140, 440), (40, 450)], "#dfd9ae")
    canvas.blob([(430, 370), (560, 340), (600, 390), (540, 455), (430, 450)], "#dfd9ae")
    for x, y in (
        (60, 340), (84, 372), (70, 420), (106, 408), (470, 400), (500, 430), (490, 385),
        (452, 430),
    ):
        draw_tree(canvas, x, y, 14)
    canvas.text(300, 440, "Esk", 14, BLUE, halo="#d2e0d9")
    mark_places(canvas, "Map of Whitby")
    draw_compass(canvas, 590, 425)
    draw_frame(canvas, "Whitby")
    return canvas.finish()


def london() -> Any:
    canvas = Canvas(640, 480, LAND_COLOUR)
    frame = Frame(west=-0.28, east=0.30, north=51.66, south=51.40)
    canvas.blob(
        [(20, 330), (60, 200), (190, 150), (330, 190), (380, 300), (330, 400), (130, 430)],
        "#e3cfa8",
    )
    canvas.blob(
        [(80, 310), (120, 240), (210, 215), (290, 250), (300, 330), (210, 370), (110, 360)],
        "#d9bd94",
    )
    thames = [
        (-0.30, 51.465), (-0.26, 51.485), (-0.23, 51.465), (-0.19, 51.47), (-0.13, 51.485),
        (-0.122, 51.508), (-0.08, 51.506), (-0.045, 51.502), (-0.03, 51.485), (-0.005, 51.482),
        (0.003, 51.505), (0.03, 51.495), (0.08, 51.51), (0.13, 51.51), (0.18, 51.488),
        (0.22, 51.47), (0.25, 51.472), (0.31, 51.455),
    ]
    water = rounded(frame(thames), closed=False, times=3)
    canvas.line(water, EDGE, 15)
    canvas.line(water, SEA, 12)
    canvas.blob([(105, 158), (160, 150), (170, 190), (125, 205)], GREEN)
    canvas.blob([(128, 217), (158, 217), (158, 245), (128, 242)], GREEN)
    canvas.blob([(100, 275), (140, 275), (138, 298), (98, 296)], GREEN)
    for x, y in (
        (112, 172), (142, 160), (150, 190), (575, 300), (590, 292), (560, 288), (612, 318),
    ):
        draw_tree(canvas, x, y, 10)
    for left, top in frame(
        [
            (-0.1, 51.52), (-0.09, 51.53), (-0.11, 51.515), (-0.07, 51.52), (-0.08, 51.512),
            (-0.1, 51.495), (-0.05, 51.525), (-0.06, 51.51), (-0.07, 51.49),
        ]
    ):
        canvas.box(left - 5, top - 4, left + 6, top + 4, "#b58a68")
        canvas.box(left + 8, top - 3, left + 15, top + 5, "#a27453")
    canvas.dashes(
        frame(
            [
                (-0.08, 51.515), (-0.02, 51.515), (0.08, 51.535), (0.16, 51.525), (0.23, 51.495),
                (0.30, 51.48),
            ]
        ),
        INK, 1.8, 6, 4,
    )
    canvas.text(262, 264, "City", 14, INK, anchor="mm", halo="#e3cfa8")
    canvas.text(395, 296, "Thames", 14, BLUE, anchor="mm", halo="#f6efdc")
    for x, y, county in ((470, 190, "ESSEX"), (470, 410, "KENT"), (190, 440, "SURREY")):
        canvas.text(x, y, county, 14, "#8d7a55", anchor="mm")
    for x, y in (
        (400, 150), (416, 162), (540, 150), (380, 400), (396, 412), (560, 420), (300, 100),
    ):
        draw_tree(canvas, x, y, 12)
    canvas.text(606, 252, "PURFLEET", 13, INK, anchor="rm", halo="#f4ecd8aa")
    mark_places(canvas, "Map of London", frozenset({"Carfax", "Dr. Seward's asylum"}))
    draw_compass(canvas, 60, 425)
    draw_frame(canvas, "London and the Thames", right=True)
    return canvas.finish()


def castle_plan() -> Any:
    canvas = Canvas(640, 480, "#d8cdb4")
    cliff = [
        (20, 60), (60, 34), (330, 42), (580, 36), (620, 70), (612, 250), (622, 430), (580, 470),
        (320, 462), (50, 472), (16, 420), (26, 240),
    ]
    for grow, colour in ((1.1, "#b8ab90"), (1.05, "#c9bda2"), (1.0, "#e5dbc2")):
        canvas.blob([(320 + (x - 320) * grow, 250 + (y - 250) * grow) for x, y in cliff], colour, 2)
    stone, floor = "#6d6455", "#f3ecd9"
    rooms = [
        (60, 75, 170, 215), (170, 75, 300, 160), (170, 160, 300, 225), (60, 225, 170, 320),
        (170, 225, 300, 320), (445, 140, 580, 300), (300, 75, 400, 160),
    ]
    canvas.box(54, 69, 586, 432, stone)
    canvas.box(190, 330, 576, 424, "#d6c9a8")
    canvas.box(306, 166, 440, 424, "#d6c9a8")
    canvas.box(60, 326, 190, 424, "#847a68")
    for left, top, right, bottom in rooms:
        canvas.box(left + 4, top + 4, right - 4, bottom - 4, floor)
    for door in (
        (164, 262, 176, 284), (226, 219, 246, 231), (226, 154, 246, 166), (294, 262, 312, 284),
        (436, 236, 451, 262), (164, 130, 176, 148), (290, 110, 308, 128),
    ):
        canvas.box(*door, floor)
    octagon = [
        (
            235 + 38 * math.cos(step * math.pi / 4 + 0.393),
            192 + 26 * math.sin(step * math.pi / 4 + 0.393),
        )
        for step in range(8)
    ]
    canvas.polygon(octagon, "#e0d0a5")
    canvas.text(235, 192, "octagon", 11, INK, anchor="mm")
    for x, y in ((52, 66), (588, 66), (52, 434), (588, 434), (372, 434), (268, 434)):
        canvas.disc(x, y, 20, stone)
        canvas.disc(x, y, 12, "#8d8371")
    canvas.box(288, 424, 352, 442, "#a77b4f")  # the great door
    canvas.text(320, 452, "great door", 12, INK, anchor="mm", halo="#e5dbc2")
    for column in range(3):
        for row in range(2):
            left, top = 462 + column * 38, 250 + row * 22
            canvas.box(left, top, left + 26, top + 13, "#9b6f47")
            canvas.line([(left, top + 6.5), (left + 26, top + 6.5)], "#7d5636", 1)
    canvas.box(498, 152, 528, 184, "#b9b3a5")
    canvas.text(513, 194, "great tomb", 11, INK, anchor="mm")
    canvas.text(352, 118, "the Count", 11, INK, anchor="mm")
    canvas.text(125, 375, "ruined", 12, "#e5dbc2", anchor="mm")
    mark_places(canvas, "Plan of Castle Dracula", above=frozenset({"South rooms"}))
    canvas.text(320, 24, "Plan of Castle Dracula", 22, INK, anchor="mm", halo="#d8cdb4")
    return canvas.finish()
