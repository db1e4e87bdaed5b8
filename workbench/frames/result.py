"""What a save did, and what it left for somebody to decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pandas as pd

from workbench import markup
from workbench.database.translate import whom_to_ask
from workbench.errors import shown
from workbench.frames.conflicts import Decisions

__all__ = ["SaveResult"]

_SHOWN = 10
_WHY = {
    "changed": "changed by somebody else meanwhile",
    "trashed": "in the trash",
    "gone": "gone: purged, or no longer yours to read",
    "rights": "not yours to change",
}


@dataclass(repr=False)
class SaveResult:
    """What a save did.

    Attributes
    ----------
    changed, unchanged, added, trashed
        How many records; those in `conflicts` are none of them.
    trashed_before
        How many of the records that were to be trashed were in the trash already.
    cells
        How many cells were written in the changed records.
    conflicts
        The cells that were not written, with all else of their records: `record` (its id),
        `name`, `column`, `base` (what was read), `mine`, `theirs`, `author` and `at` of the last
        change of theirs, and `why`: changed, trashed, gone or rights.
    managers
        Of conflicts that are for want of a right: the names of whom to ask.
    written
        False where conflicts stopped the whole save.
    """

    plural: str
    conflicts: pd.DataFrame
    changed: int = 0
    unchanged: int = 0
    added: int = 0
    trashed: int = 0
    trashed_before: int = 0
    cells: int = 0
    managers: tuple[str, ...] = ()
    written: bool = True
    _settle: Callable[[Decisions, str | None], Awaitable[SaveResult]] | None = field(default=None)

    async def resolve(self, keep: Decisions, *, reason: str | None = None) -> SaveResult:
        """Settle conflicts, and save what then has none; checked against what is current now.

        Parameters
        ----------
        keep
            `"mine"` or `"theirs"` for all; values by conflict, `{(record, column): value}`; or a
            frame with the columns `record`, `column` and `keep`, such as `conflicts` with that
            column added: mine, theirs, or value, which then is in the column `value`. What is
            not decided stays a conflict of the result.

        Raises
        ------
        InvalidDraft
            `keep` decides something that is no conflict, or in no known word.
        InvalidRows
            A value breaks a rule. Nothing was written.
        """
        if self._settle is None:
            return self
        return await self._settle(keep, reason)

    @property
    def _summary(self) -> str:
        if not self.written:
            return f"{self.plural}: nothing was written, because of {self._in_conflict}."
        cells = f" ({self.cells:,} {'cell' if self.cells == 1 else 'cells'})"
        parts = [f"{self.changed:,} changed{cells if self.changed else ''}"]
        parts += [f"{self.unchanged:,} unchanged"]
        parts += [f"{self.added:,} added"] if self.added else []
        parts += [f"{self.trashed:,} trashed"] if self.trashed else []
        parts += [f"{self.trashed_before:,} in the trash already"] if self.trashed_before else []
        said = f"{self.plural}: {', '.join(parts)}."
        return said + (f" Not written: {self._in_conflict}." if len(self.conflicts) else "")

    @property
    def _in_conflict(self) -> str:
        count = self.conflicts["record"].nunique()
        return f"{count:,} {'record' if count == 1 else 'records'} in conflict"

    @property
    def _ways_on(self) -> list[str]:
        """What can be done about conflicts: what is gone, or not one's own, nobody settles here."""
        ways = []
        if {"changed", "trashed"} & set(self.conflicts["why"]):
            ways.append('`await result.resolve("mine")`, "theirs" or values settle them.')
        if self.managers:
            ways.append(f"What is not yours to change: {whom_to_ask(self.managers)}")
        return ways

    def __repr__(self) -> str:
        lines = [self._summary]
        for row in self.conflicts.head(_SHOWN).to_dict("records"):
            about = f"  {row['name'] or row['record']}"
            about += f", {row['column']}" if row["column"] else ""
            who = f" ({row['author']})" if row["author"] else ""
            if row["why"] == "changed":
                values = ", ".join(f"{name} {shown(row[name])}" for name in ("base", "mine"))
                lines.append(f"{about}: {values}, theirs {shown(row['theirs'])}{who}")
            else:
                lines.append(f"{about}: {_WHY[row['why']]}{who}")
        if len(self.conflicts) > _SHOWN:
            lines.append(f"  … and {len(self.conflicts) - _SHOWN:,} more in `.conflicts`.")
        return "\n".join([*lines, *self._ways_on])

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the counts, and the conflicts as a table."""
        parts = [markup.paragraph(self._summary)]
        if len(self.conflicts):
            columns = ["name", "column", "base", "mine", "theirs", "author", "at", "why"]
            shown_rows = [
                [None if _missing(row[name]) else row[name] for name in columns]
                for row in self.conflicts.to_dict("records")
            ]
            parts.append(markup.table(columns, shown_rows, more="All are in `.conflicts`."))
            parts += [markup.paragraph(way) for way in self._ways_on]
        return "".join(parts)


def _missing(value: object) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and value != value)
