"""A canvas for flat pictures: drawn three times too large, then reduced for smooth edges."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

__all__ = ["Canvas", "Point", "rounded"]

Point = tuple[float, float]

_OVERSAMPLING = 3
_PALETTE_COLOURS = 192


def rounded(points: Sequence[Point], *, closed: bool = True, times: int = 2) -> list[Point]:
    """Return `points` with their corners cut (Chaikin's algorithm), which never overshoots."""
    line = list(points)
    for _ in range(times):
        following = [*line[1:], line[0]] if closed else line[1:]
        cut: list[Point] = [] if closed else [line[0]]
        for (ax, ay), (bx, by) in zip(line, following, strict=False):
            cut.append((0.75 * ax + 0.25 * bx, 0.75 * ay + 0.25 * by))
            cut.append((0.25 * ax + 0.75 * bx, 0.25 * ay + 0.75 * by))
        line = cut if closed else [*cut, line[-1]]
    return line


class Canvas:
    """Shapes in pixels of the finished picture; colours as `#rrggbb` or `#rrggbbaa`."""

    def __init__(self, width: int, height: int, background: str) -> None:
        from PIL import Image

        self.width, self.height = width, height
        size = (width * _OVERSAMPLING, height * _OVERSAMPLING)
        self._image: Any = Image.new("RGB", size, background)

    def _draw(self) -> Any:
        from PIL import ImageDraw

        return ImageDraw.Draw(self._image, "RGBA")  # RGBA: colours with alpha are blended

    def polygon(self, points: Iterable[Point], colour: str) -> None:
        self._draw().polygon(_large(points), fill=colour)

    def blob(self, points: Sequence[Point], colour: str, times: int = 3) -> None:
        """Fill the polygon with its corners rounded."""
        self.polygon(rounded(points, times=times), colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: str) -> None:
        corners = _large([(x - rx, y - ry), (x + rx, y + ry)])
        self._draw().ellipse(corners, fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: str) -> None:
        self.ellipse(x, y, radius, radius, colour)

    def line(self, points: Iterable[Point], colour: str, width: float = 2) -> None:
        self._draw().line(
            _large(points), fill=colour, width=round(width * _OVERSAMPLING), joint="curve"
        )

    def dashes(
        self,
        points: Sequence[Point],
        colour: str,
        width: float = 2,
        dash: float = 7,
        gap: float = 5,
    ) -> None:
        for piece in _dashes(points, dash, gap):
            self.line(piece, colour, width)

    def bands(self, colours: Sequence[str], top: float, bottom: float) -> None:
        """Fill from `top` to `bottom` with stripes of equal height, a gradient of flat colours."""
        height = (bottom - top) / len(colours)
        for index, colour in enumerate(colours):
            start = top + index * height
            self.box(0, start, self.width, start + height + 0.5, colour)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float,
        colour: str,
        *,
        anchor: str = "lm",
        halo: str | None = None,
    ) -> None:
        """Write in the font that Pillow carries itself, so that every machine draws the same."""
        from PIL import ImageFont

        self._draw().text(
            (x * _OVERSAMPLING, y * _OVERSAMPLING),
            words,
            fill=colour,
            anchor=anchor,
            font=ImageFont.load_default(size * _OVERSAMPLING),
            stroke_width=2 * _OVERSAMPLING if halo else 0,
            stroke_fill=halo,
        )

    def finish(self) -> Any:
        """Return the finished picture, in palette mode."""
        from PIL import Image

        small = self._image.resize((self.width, self.height), Image.Resampling.LANCZOS)
        return small.quantize(
            _PALETTE_COLOURS, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE
        )


def _large(points: Iterable[Point]) -> list[Point]:
    return [(x * _OVERSAMPLING, y * _OVERSAMPLING) for x, y in points]


def _dashes(points: Sequence[Point], dash: float, gap: float) -> Iterator[list[Point]]:
    drawn, left, piece = True, dash, [points[0]]
    for start, end in itertools.pairwise(points):
        (x, y), length = start, math.dist(start, end)
        if length == 0:
            continue
        dx, dy = (end[0] - x) / length, (end[1] - y) / length
        while length > left:
            x, y, length = x + dx * left, y + dy * left, length - left
            if drawn:
                yield [*piece, (x, y)]
            drawn = not drawn
            left, piece = (dash if drawn else gap), [(x, y)]
        left -= length
        piece.append(end)
    if drawn and len(piece) > 1:
        yield piece
