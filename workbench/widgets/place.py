"""Where among the rows of a source one row lies: for jumping to a row that was just added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from workbench.widgets.source import Filter, Sort, Source

_BLOCK_ROWS = 1_000
# A block of a real source takes some 20 ms: half a second at most for one jump.
_MOST_BLOCKS = 20


async def fits(source: Source, id: str, filters: Sequence[Filter], search: str | None) -> bool:
    """Return whether the row is among those that meet `filters` and `search`."""
    found = await source.page(
        0, 1, sort=(), filters=[*filters, Filter("id", "equals", id)], search=search
    )
    return bool(found.rows)


async def index_of(
    source: Source,
    id: str,
    *,
    sort: Sequence[Sort],
    filters: Sequence[Filter],
    search: str | None,
) -> int | None:
    """Return the number of rows before the one with `id`; None if it lies too far from both ends.

    Only the source knows its order, so the rows are read: from both ends, where new ones mostly
    are, with a name early in the alphabet or without a position.
    """
    asked: dict[str, Any] = {"sort": sort, "filters": filters, "search": search}
    first = await source.page(0, _BLOCK_ROWS, **asked)
    total = first.total if first.total is not None else first.last or len(first.rows)
    for start in _from_both_ends(total):
        block = first if start == 0 else await source.page(start, _BLOCK_ROWS, **asked)
        for index, row in enumerate(block.rows, start):
            if row["id"] == id:
                return index
    return None


def _from_both_ends(total: int) -> Iterator[int]:
    starts = list(range(0, max(total, 1), _BLOCK_ROWS))
    for _ in range(min(_MOST_BLOCKS, len(starts))):
        yield starts.pop(0)
        starts.reverse()
