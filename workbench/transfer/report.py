"""What an import says about itself: counts for each table, problems, notes, progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from workbench import markup
from workbench.errors import Problem, error_of, problem_lines

_SHOWN_PROBLEMS = 20
_NAMED = 5


def counted(number: int, thing: str) -> str:
    """Return how many of a thing there are.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def several(names: Sequence[str]) -> str:
    """Return the first of `names`, and how many more there are.

    >>> several(["a", "b", "c", "d", "e", "f"])
    'a, b, c, d, e and 1 more'
    """
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


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
    """How far an import is: rows `done` of `total` in one stage of one table.

    Attributes
    ----------
    total
        While a file is read an estimate; 0 where there is none.
    rate
        Rows a second; 0 until it is known.
    seconds_left
        Of this stage; None where the total is not known.
    """

    stage: str
    table: str
    done: int
    total: int
    rate: float = 0.0
    seconds_left: float | None = None

    def __str__(self) -> str:
        of = f" of {self.total:,}" if self.total else ""
        parts = [f"{self.stage} {self.table}: {self.done:,}{of} rows".strip()]
        if self.rate:
            parts.append(f"{self.rate:,.0f} a second")
        if self.seconds_left:
            minutes, seconds = divmod(round(self.seconds_left), 60)
            parts.append(f"{minutes}:{seconds:02} left")
        return ", ".join(parts)


Watcher = Callable[[Progress], None]


class Paced:
    """Tells a watcher of each step how fast it goes, and how long it is going to be."""

    def __init__(self, watch: Watcher, clock: Callable[[], float] = monotonic) -> None:
        self._watch = watch
        self._clock = clock
        self._began: dict[tuple[str, str], float] = {}

    def __call__(self, step: Progress) -> None:
        now = self._clock()
        took = now - self._began.setdefault((step.stage, step.table), now)
        rate = step.done / took if took > 0 else 0.0
        left = (step.total - step.done) / rate if rate and step.total else None
        self._watch(replace(step, rate=rate, seconds_left=left))


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
        Every bad cell, row and file, up to 250,000, in the order of the files, their rows and
        their columns; a note tells if there were more.
    notes
        What was done with columns and files that do not speak for themselves.
    written
        Whether something was written: all rows, or with `on_problem="skip"` the good ones.
    rejects
        What was left out, by the file (or the frame's table) it is of: the path of a file with
        these rows and their problems, or a frame of them.
    changeset
        What the history has of it as one set of changes, if something was changed.
    """

    tables: dict[str, TableCounts] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    written: bool = False
    dry_run: bool = False
    unreadable: dict[str, int] = field(default_factory=dict)
    rejects: dict[str, Any] = field(default_factory=dict)
    changeset: UUID | None = None

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

    @property
    def refused(self) -> bool:
        """Whether there are problems, and all of them are that rights are missing."""
        return bool(self.problems) and all(problem.refused for problem in self.problems)

    def raise_for_problems(self) -> None:
        """Raise InvalidRows if there are problems, or NotAllowed if all are missing rights."""
        if self.problems:
            raise error_of(self.problems)

    def __str__(self) -> str:
        return "\n".join([*self.lines(), *self._left_out, self._outcome])

    def lines(self, *, problems: int = _SHOWN_PROBLEMS) -> list[str]:
        """Return counts, the first problems and the notes, a line each."""
        inserted, updated = self._done
        lines = [
            f"{plural}: {counts.read:,} read, {counts.inserted:,} {inserted}, "
            f"{counts.updated:,} {updated}, {counts.unchanged:,} unchanged"
            + (f", {counts.rejected:,} rejected" if counts.rejected else "")
            for plural, counts in self.tables.items()
        ]
        lines += self._unreadable
        lines += problem_lines(self.problems, problems, "problems")
        return [*lines, *self.notes]

    __repr__ = __str__

    @property
    def _outcome(self) -> str:
        if self.written:
            left_out = any(counts.rejected for counts in self.tables.values())
            if left_out or self.problems:
                return "What has no problem is written."
            if not any(counts.inserted or counts.updated for counts in self.tables.values()):
                return "Nothing had to be written: all of it is there."
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
            f"{plural}: {counted(files, 'file')} unreadable"
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
