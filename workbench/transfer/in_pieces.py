"""Rows of a file a piece at a time: so many as fit in little memory, however long they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_ROWS = 20_000
_CHARACTERS = 2**23

_Row = TypeVar("_Row")


def in_pieces(rows: Iterable[_Row], length: Callable[[_Row], int]) -> Iterator[list[_Row]]:
    """Give `rows` in lists that are full by their number or their `length` in characters."""
    piece: list[_Row] = []
    characters = 0
    for row in rows:
        piece.append(row)
        characters += length(row)
        if len(piece) >= _ROWS or characters >= _CHARACTERS:
            yield piece
            piece, characters = [], 0
    if piece:
        yield piece
