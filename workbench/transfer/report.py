"""What an import says about itself: counts for each table, problems, notes, progress."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, field, fields
from typing import Any

from workbench import markup
from workbench.errors import InvalidRows, Problem

_KEPT_PROBLEMS = 10_000
_VALUE_CHARACTERS = 1_000
_SHOWN_PROBLEMS = 20


@dataclass(slots=True)
class TableCounts:
    """Rows of one table: how many were read, and what became (or would become) of them."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: rows `done` of `total` in one stage of one table."""

    stage: str
    table: str
    done: int
    total: int


Watcher = Callable[[Progress], None]


@dataclass(repr=False)
class LoadReport:
    """What an import did; with `written` false, what it would have done, or why it did not.

    Attributes
    ----------
    tables
        Counts by the plural of the table, in the order in which tables are written.
    problems
        Every bad cell, row and file, up to 10,000; a note tells if there were more.
    notes
        What was done with columns and files that do not speak for themselves.
    """

    tables: dict[str, TableCounts] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    written: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return tables, problems and notes as plain values, for `json.dumps`."""
        return {
            "tables": {plural: asdict(counts) for plural, counts in self.tables.items()},
            "problems": [
                {
                    "file": problem.file,
                    "row": problem.row,
                    "column": problem.column,
                    "value": problem.value,
                    "message": problem.message,
                }
                for problem in self.problems
            ],
            "notes": list(self.notes),
        }

    def raise_for_problems(self) -> None:
        """Raise InvalidRows if there are problems."""
        if self.problems:
            raise InvalidRows(self.problems)

    def __str__(self) -> str:
        lines = [
            f"{plural}: {counts.read:,} read, {counts.inserted:,} inserted, "
            f"{counts.updated:,} updated, {counts.unchanged:,} unchanged"
            + (f", {counts.rejected:,} rejected" if counts.rejected else "")
            for plural, counts in self.tables.items()
        ]
        lines += [str(problem) for problem in self.problems[:_SHOWN_PROBLEMS]]
        if len(self.problems) > _SHOWN_PROBLEMS:
            lines.append(f"… and {len(self.problems) - _SHOWN_PROBLEMS:,} more problems.")
        lines += self.notes
        lines.append(self._outcome)
        return "\n".join(lines)

    __repr__ = __str__

    @property
    def _outcome(self) -> str:
        return "Everything is written." if self.written else "Nothing was written."

    def _repr_html_(self) -> str:
        """Return what a notebook shows: counts, problems and notes."""
        kinds = [field.name for field in fields(TableCounts)]
        rows = [[plural, *astuple(counts)] for plural, counts in self.tables.items()]
        parts = [markup.table(["", *kinds], rows)]
        if self.problems:
            where = ("file", "row", "column", "value", "message")
            bad = [[getattr(problem, name) for name in where] for problem in self.problems]
            parts.append(markup.table(where, bad, more="All are in `.problems`."))
        parts += [markup.paragraph(text) for text in (*self.notes, self._outcome)]
        return "".join(parts)


class Findings:
    """Collects problems and notes, and counts the rows that have a problem, by table."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.broken: set[str] = set()
        """Plurals of tables of which a whole file could not be used: names that are not
        found there are no problem of the rows that use them."""
        self._rejected: dict[str, set[tuple[str, object]]] = {}
        self._more = 0

    @property
    def any(self) -> bool:
        """Whether there are problems."""
        return bool(self.problems)

    def file(self, file: str, message: str, *, column: str | None = None) -> None:
        """Add a problem of a whole file."""
        self._add(Problem(file, None, column, None, message))

    def cell(
        self,
        file: str,
        plural: str,
        row: object,
        message: str,
        *,
        column: str | None = None,
        value: object = None,
    ) -> None:
        """Add a problem of a cell, or of a row."""
        self.reject(file, plural, row)
        found = None if value is None else str(value)
        if found is not None and len(found) > _VALUE_CHARACTERS:
            found = found[:_VALUE_CHARACTERS] + "…"
        self._add(Problem(file, row, column, found, message))

    def reject(self, file: str, plural: str, row: object) -> None:
        """Count a row as one that cannot be written."""
        self._rejected.setdefault(plural, set()).add((file, row))

    def note(self, text: str) -> None:
        """Add something worth knowing that is no problem."""
        if text not in self.notes:
            self.notes.append(text)

    def rejected(self, plural: str) -> int:
        """Return how many rows of a table have a problem."""
        return len(self._rejected.get(plural, ()))

    def fork(self) -> Findings:
        """Return a copy to add to, for work that may have to be done again."""
        return copy.deepcopy(self)

    def report(self, tables: dict[str, TableCounts], *, written: bool) -> LoadReport:
        """Return the report of it all."""
        notes = list(self.notes)
        if self._more:
            notes.append(f"There are {self._more:,} more problems than the ones listed.")
        return LoadReport(tables, list(self.problems), notes, written)

    def _add(self, problem: Problem) -> None:
        if len(self.problems) < _KEPT_PROBLEMS:
            self.problems.append(problem)
        else:
            self._more += 1
