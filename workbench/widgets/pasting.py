"""Cells of a spreadsheet on their way into a grid: how many may come, and what they lie over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from workbench.errors import InvalidDraft
from workbench.widgets.source import Row, Source

__all__ = ["SHOWN", "lines_of", "rows_under"]

SHOWN = (
    "added", "changed", "unchanged", "cells", "shown", "names", "problems", "more_problems",
)  # fmt: skip
"""What of `Pasted` a browser is told."""

_MOST_LINES = 10_000
_MOST_COLUMNS = 200


def lines_of(said: Sequence[Sequence[Any]]) -> list[list[str]]:
    """Return cells as lines of one width; InvalidDraft if they are too many, or none."""
    width = max(map(len, said), default=0)
    if width == 0:
        raise InvalidDraft({"*": "There is nothing to paste."})
    if len(said) > _MOST_LINES or width > _MOST_COLUMNS:
        raise InvalidDraft(
            {
                "*": f"At most {_MOST_LINES:,} lines of {_MOST_COLUMNS} cells are pasted at once. "
                "Import them as a file."
            }
        )
    return [[*map(str, line), *[""] * (width - len(line))] for line in said]


async def rows_under(
    source: Source,
    ids: Sequence[str],
    count: int,
    following: Callable[[int, int], Awaitable[Sequence[Row]]],
) -> list[Row]:
    """Return `count` rows: those that were in sight, and those that follow; fewer at the end.

    Parameters
    ----------
    following
        Gives some rows from a place on, counted from the first of `ids`; none at the end.

    Raises
    ------
    InvalidDraft
        The rows are not any more as they were in sight.
    """
    stored = {row["id"]: row for row in await source.stored(ids)}
    rows = [stored[id] for id in ids if id in stored]
    moved = len(rows) < len(ids)
    while not moved and len(rows) < count and (more := await following(len(rows), count)):
        moved = any(row["id"] in stored for row in more)
        rows += more
    if moved:
        raise InvalidDraft({"*": "The rows have moved meanwhile. Refresh, and paste again."})
    return rows[:count]
