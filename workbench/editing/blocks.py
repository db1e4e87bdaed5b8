"""Blocks of rows by keyset: what is known of a question, and from where a block is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import Select

from workbench.store.keyset import Step, after
from workbench.widgets.source import Sort

__all__ = ["Look", "Looks"]

_LOOKS_KEPT = 8  # one for each view of the grid, and for looking where a row lies

_Question: TypeAlias = tuple[tuple[Sort, ...], str, str | None]
"""The order, the filters (as text: their values may be lists), the search."""


@dataclass
class Look:
    """What is known of one question: how many rows fit, and where some blocks begin.

    Blocks may be asked for side by side, so each keeps to the look that it began with.
    """

    marks: dict[int, str] = field(default_factory=dict)
    total: int | None = None

    def block(
        self, fitting: Select[Any], order: Sequence[Step], start: int, count: int
    ) -> Select[Any]:
        """Return the statement for a block, from the nearest known place: a mark, or the end."""
        mark = max((m for m in self.marks if m <= start), default=0)
        behind = None if self.total is None else self.total - start - count
        if behind is not None and behind < start - mark:
            clauses = (Step(step.column, not step.descending).clause for step in order)
            return (
                fitting.order_by(*clauses).limit(count + min(behind, 0)).offset(max(behind, 0))
                if count + behind > 0
                else fitting.limit(0)
            )
        block = fitting.order_by(*(step.clause for step in order)).limit(count)
        if mark:
            block = block.where(after(order, self.marks[mark]))
        return block.offset(start - mark)


class Looks:
    """The looks of the latest questions."""

    def __init__(self) -> None:
        self._kept: dict[_Question, Look] = {}

    def at(self, question: _Question, *, afresh: bool) -> Look:
        """Return what is known of a question; nothing, to begin with or `afresh`."""
        look = self._kept.pop(question, None)
        if look is None or afresh:
            look = Look()
        self._kept[question] = look
        while len(self._kept) > _LOOKS_KEPT:
            del self._kept[next(iter(self._kept))]
        return look

    def counted(self, filters: str, search: str | None, total: int) -> None:
        """Note how many rows fit, whatever their order."""
        for (_, *asked), look in self._kept.items():
            if asked == [filters, search]:
                look.total = total

    def forget(self) -> None:
        """Forget all, when rows have come or gone."""
        self._kept.clear()
