"""What an import says about itself: counts for each table, problems, notes, progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench import markup
from workbench.errors import InvalidRows, Problem

_KEPT_PROBLEMS = 1_000_000  # a process with 300,000 of them took 0.3 GB
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

    @property
    def good(self) -> int:
        """How many rows are, or would be, in the database as they were read."""
        return self.inserted + self.updated + self.unchanged


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
    unreadable
        How many files of a table could not be read, by its plural.
    problems
        Every bad cell, row and file, up to a million, in the order of the files, their rows and
        their columns; a note tells if there were more.
    notes
        What was done with columns and files that do not speak for themselves.
    written
        Whether something was written: all rows, or with `on_problem="skip"` the good ones.
    rejects
        What was left out, by the file (or the frame's table) it is of: the path of a file with
        these rows and their problems, or a frame of them.
    """

    tables: dict[str, TableCounts] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    written: bool = False
    dry_run: bool = False
    unreadable: dict[str, int] = field(default_factory=dict)
    rejects: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return tables, problems and notes as plain values, for `json.dumps`.

        And where rejected rows are, by file, if some were left out.
        """
        rejects = {file: str(at) for file, at in self.rejects.items() if isinstance(at, Path)}
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
            **({"rejects": rejects} if rejects else {}),
        }

    @property
    def failed(self) -> bool:
        """Whether nothing was written because of problems, or a file could not be used at all."""
        return bool(self.problems) and (
            not self.written or any(problem.row is None for problem in self.problems)
        )

    def raise_for_problems(self) -> None:
        """Raise InvalidRows if there are problems."""
        if self.problems:
            raise InvalidRows(self.problems)

    def __str__(self) -> str:
        inserted, updated = self._done
        lines = [
            f"{plural}: {counts.read:,} read, {counts.inserted:,} {inserted}, "
            f"{counts.updated:,} {updated}, {counts.unchanged:,} unchanged"
            + (f", {counts.rejected:,} rejected" if counts.rejected else "")
            for plural, counts in self.tables.items()
        ]
        lines += self._unreadable
        lines += [str(problem) for problem in self.problems[:_SHOWN_PROBLEMS]]
        if len(self.problems) > _SHOWN_PROBLEMS:
            lines.append(f"… and {len(self.problems) - _SHOWN_PROBLEMS:,} more problems.")
        lines += [*self.notes, *self._left_out, self._outcome]
        return "\n".join(lines)

    __repr__ = __str__

    @property
    def _outcome(self) -> str:
        if self.written:
            left_out = any(counts.rejected for counts in self.tables.values())
            if left_out or self.problems:
                return "What has no problem is written."
            return "Everything is written."
        return f"{'This was a dry run. ' if self.dry_run else ''}Nothing was written."

    @property
    def _left_out(self) -> list[str]:
        return [
            f"{file}: the rejected rows, with their problems, are in "
            + (f"{where}." if isinstance(where, Path) else "`.rejects`.")
            for file, where in self.rejects.items()
        ]

    @property
    def _done(self) -> tuple[str, str]:
        return ("to insert", "to update") if self.dry_run else ("inserted", "updated")

    @property
    def _unreadable(self) -> list[str]:
        return [
            f"{plural}: {files:,} file{'' if files == 1 else 's'} unreadable"
            for plural, files in self.unreadable.items()
        ]

    def _repr_html_(self) -> str:
        """Return what a notebook shows: counts, problems and notes."""
        inserted, updated = self._done
        kinds = ["read", inserted, updated, "unchanged", "rejected"]
        rows = [[plural, *astuple(counts)] for plural, counts in self.tables.items()]
        parts = [markup.table(["", *kinds], rows)]
        if self.problems:
            where = ("file", "row", "column", "value", "message")
            bad = [[getattr(problem, name) for name in where] for problem in self.problems]
            parts.append(markup.table(where, bad, more="All are in `.problems`."))
        said = (*self._unreadable, *self.notes, *self._left_out, self._outcome)
        parts += [markup.paragraph(text) for text in said]
        return "".join(parts)


@dataclass
class _Places:
    """Where problems belong: the number of a file, and those of its columns and rows."""

    number: int
    columns: list[str]
    labels: pa.Array | None = None

    def column(self, name: str) -> int:
        return self.columns.index(name) if name in self.columns else len(self.columns)

    def row(self, label: object) -> int:
        if self.labels is not None:
            return self._rows.get(label, 0)
        return label if isinstance(label, int) else 0

    @cached_property
    def _rows(self) -> dict[object, int]:  # may be large, so it is made when it is asked for
        labels = [] if self.labels is None else self.labels.to_pylist()
        return {label: place for place, label in enumerate(labels)}


class Findings:
    """Collects problems and notes, and counts the rows that have a problem, by table."""

    def __init__(self, *, skips: bool = False) -> None:
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.skips = skips
        """Whether rows with problems are left out, so that the others can be written."""
        self.broken: set[str] = set()
        """Plurals of tables of which a whole file could not be used."""
        self.unreadable: dict[str, int] = {}
        self._places: dict[str, _Places] = {}
        self._rejected: dict[str, set[tuple[str, object]]] = {}
        self._refused: set[str] = set()
        self._more = 0

    @property
    def any(self) -> bool:
        """Whether there are problems."""
        return bool(self.problems)

    def learn(self, file: str, columns: Sequence[str] = (), labels: pa.Array | None = None) -> None:
        """Learn of a file, in the order in which problems are to come, and of its columns.

        Its rows come in the order of `labels`, without these in that of their numbers.
        """
        number = self._places[file].number if file in self._places else len(self._places)
        self._places[file] = _Places(number, list(columns), labels)

    def file(self, file: str, message: str, *, column: str | None = None) -> None:
        """Add a problem of a whole file."""
        self._refused.add(file)
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

    def rejects(self, file: str, plural: str) -> set[object]:
        """Return what messages call the rows of a file that have a problem."""
        return {label for name, label in self._rejected.get(plural, ()) if name == file}

    def refused(self, file: str) -> bool:
        """Whether a file has a problem that concerns all of its rows."""
        return file in self._refused

    def excuses(self, plural: str) -> bool:
        """Whether names that are not found in a table are no problem of the rows that use them.

        They may stand in a file that could not be used: when that is mended, all is well. Rows
        that are to be written without it are not well.
        """
        return plural in self.broken and not self.skips

    def fork(self) -> Findings:
        """Return a copy to add to, for work that may have to be done again."""
        copy = Findings(skips=self.skips)
        copy.problems, copy.notes = list(self.problems), list(self.notes)
        copy.broken, copy.unreadable = set(self.broken), dict(self.unreadable)
        copy._places, copy._more = dict(self._places), self._more
        copy._refused = set(self._refused)
        copy._rejected = {plural: set(rows) for plural, rows in self._rejected.items()}
        return copy

    def report(
        self, tables: dict[str, TableCounts], *, written: bool, dry_run: bool = False
    ) -> LoadReport:
        """Return the report of it all."""
        notes = list(self.notes)
        if self._more:
            notes.append(f"There are {self._more:,} more problems than the ones listed.")
        problems = sorted(self.problems, key=self._place)
        return LoadReport(tables, problems, notes, written, dry_run, dict(self.unreadable))

    def _place(self, problem: Problem) -> tuple[int, int, int]:
        """Return what problems are ordered by; what concerns a whole file, or row, is first."""
        places = self._places.get(problem.file or "", _Places(-1, []))
        column = -1 if problem.column is None else places.column(problem.column)
        return places.number, -1 if problem.row is None else places.row(problem.row), column

    def _add(self, problem: Problem) -> None:
        if len(self.problems) < _KEPT_PROBLEMS:
            self.problems.append(problem)
        else:
            self._more += 1
