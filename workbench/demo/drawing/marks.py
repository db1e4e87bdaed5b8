"""What all maps are drawn with: colours, pins, frame, compass, waves, mountains, trees."""

from __future__ import annotations

import csv
import math

from workbench.demo import demo_folder
from workbench.demo.drawing.canvas import Canvas, Point, rounded
from workbench.demo.drawing.coast import Frame

__all__ = [
    "BLUE",
    "EDGE",
    "GOLD",
    "GREEN",
    "INK",
    "LAND_COLOUR",
    "RED",
    "SEA",
    "SEA_LINE",
    "draw_coasts",
    "draw_compass",
    "draw_frame",
    "draw_legend",
    "draw_peak",
    "draw_tree",
    "draw_waves",
    "mark_places",
]

SEA = "#b9cfcd"
SEA_LINE = "#a3bfbe"
LAND_COLOUR = "#efe3c6"
EDGE = "#8d7a55"
INK = "#3a3128"
RED = "#9d2a2f"
GOLD = "#b9832c"
BLUE = "#2f5d73"
GREEN = "#c9cf9f"


def mark_places(
    canvas: Canvas,
    image: str,
    left: frozenset[str] = frozenset(),
    above: frozenset[str] = frozenset(),
) -> None:
    """Mark every location whose parent is shown by `image`; `left` and `above` place some names."""
    with (demo_folder() / "locations.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parents = {row["name"] for row in rows if row["image"] == image}
    for row in rows:
        if row["parent"] not in parents or not row["x"]:
            continue
        x, y = float(row["x"]) * canvas.width, float(row["y"]) * canvas.height
        if row["kind"] in ("country", "region", "sea"):
            canvas.text(
                x,
                y,
                row["name"].upper(),
                13,
                BLUE if row["kind"] == "sea" else INK,
                anchor="mm",
                halo="#f4ecd8aa",
            )
            continue
        canvas.disc(x, y, 6, "#fbf5e6")
        canvas.disc(x, y, 4.2, RED)
        dx, dy, anchor = 10, 0, "lm"
        if row["name"] in left:
            dx, anchor = -10, "rm"
        if row["name"] in above:
            dx, dy, anchor = 0, -16, "mm"
        canvas.text(x + dx, y + dy, row["name"], 15, INK, anchor=anchor, halo="#f6efdc")


def draw_frame(canvas: Canvas, title: str, *, right: bool = False) -> None:
    width, height = canvas.width, canvas.height
    for inset, thickness in ((5.0, 3.0), (11.0, 1.0)):
        corners = [
            (inset, inset),
            (width - inset, inset),
            (width - inset, height - inset),
            (inset, height - inset),
            (inset, inset),
        ]
        canvas.line(corners, INK, thickness)
    x = width - 26 if right else 26
    canvas.text(x, 34, title, 24, INK, anchor="rm" if right else "lm", halo="#f6efdc")


def draw_compass(canvas: Canvas, x: float, y: float) -> None:
    size = 26
    canvas.disc(x, y, size * 0.62, "#f6efdccc")
    for turn in range(4):
        angle = turn * math.pi / 2
        tip = (x + size * math.sin(angle), y - size * math.cos(angle))
        for side, colour in ((-1, INK), (1, "#fbf5e6")):
            flank = angle + side * math.pi / 4
            foot = (x + size * 0.3 * math.sin(flank), y - size * 0.3 * math.cos(flank))
            canvas.polygon([(x, y), tip, foot], colour)
            canvas.line([tip, foot], INK, 0.8)
    canvas.text(x, y - size - 8, "N", 13, INK, anchor="mm", halo="#f6efdc")


def draw_waves(canvas: Canvas, spots: list[Point]) -> None:
    for x, y in spots:
        for step in (0, 9):
            crest = [(x + dx, y + step + (3 if dx % 16 else 0)) for dx in range(0, 41, 8)]
            canvas.line(rounded(crest, closed=False), SEA_LINE, 1.6)


def draw_peak(canvas: Canvas, x: float, y: float, size: float, snow: bool = True) -> None:
    canvas.polygon([(x - size, y), (x, y - size * 1.25), (x + size, y)], "#b7a581")
    canvas.polygon([(x, y - size * 1.25), (x + size, y), (x + size * 0.15, y)], "#94835f")
    if snow:
        canvas.polygon(
            [
                (x - size * 0.28, y - size * 0.9),
                (x, y - size * 1.25),
                (x + size * 0.28, y - size * 0.9),
                (x, y - size * 0.78),
            ],
            "#fbf5e6",
        )


def draw_tree(canvas: Canvas, x: float, y: float, size: float) -> None:
    canvas.polygon([(x - size * 0.5, y), (x, y - size * 1.6), (x + size * 0.5, y)], "#6f8257")
    canvas.polygon([(x, y - size * 1.6), (x + size * 0.5, y), (x, y)], "#5b6e48")


def draw_coasts(canvas: Canvas, frame: Frame, lands: list[list[Point]]) -> None:
    shapes = [rounded(frame(land), times=2) for land in lands]
    for width, colour in ((16, "#c6d8d4"), (9, "#d2e0d9")):
        for shape in shapes:
            canvas.line([*shape, shape[0]], colour, width)
    for shape in shapes:
        canvas.polygon(shape, LAND_COLOUR)
        canvas.line([*shape, shape[0]], EDGE, 1.4)


def draw_legend(canvas: Canvas, entries: list[tuple[str, str]]) -> None:
    left, top = 408, 54
    canvas.box(left, top - 4, left + 206, top + 18 * len(entries) + 4, "#f6efdcb0")
    for index, (colour, words) in enumerate(entries):
        y = top + 9 + index * 18
        canvas.line([(left + 8, y), (left + 32, y)], colour, 3)
        canvas.text(left + 40, y, words, 12, INK)
