"""What an import says about itself: counts for each table, problems, notes, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import Any

import pyarrow as pa

from workbench import markup
from workbench.errors import InvalidRows, Problem, UnreadableFile

_KEPT_PROBLEMS = 250_000  # a million of them took 0.3 GB, and more with long values
_KEPT_NOTES = 10_000
_NAMED_ROWS = 10  # in a note
_LABEL_BITS = 12  # this many numbers of rows, as a power of 2, are kept together
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
        lines += [str(problem) for problem in self.problems[:problems]]
        if len(self.problems) > problems:
            lines.append(f"… and {len(self.problems) - problems:,} more problems.")
        return [*lines, *self.notes]

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


class _Labels:
    """What rows are called, each once: numbers as bits, for there may be millions of them."""

    def __init__(self) -> None:
        self._bits: dict[int, int] = {}
        self._others: set[object] = set()

    def __len__(self) -> int:
        return len(self._others) + sum(bits.bit_count() for bits in self._bits.values())

    def __iter__(self) -> Iterator[object]:
        yield from self._others
        for place, bits in self._bits.items():
            for label in range(place << _LABEL_BITS, (place + 1) << _LABEL_BITS):
                if bits & 1:
                    yield label
                bits >>= 1

    def add(self, label: object) -> None:
        if isinstance(label, int):
            place = label >> _LABEL_BITS
            bit = 1 << (label & (1 << _LABEL_BITS) - 1)
            self._bits[place] = self._bits.get(place, 0) | bit
        else:
            self._others.add(label)

    def update(self, other: _Labels) -> None:
        for place, bits in other._bits.items():
            self._bits[place] = self._bits.get(place, 0) | bits
        self._others |= other._others


class Findings:
    """Collects problems and notes, and counts the rows that have a problem, by table."""

    def __init__(self, *, skips: bool = False) -> None:
        self.problems: list[Problem] = []
        self.skips = skips
        """Whether rows with problems are left out, so that the others can be written."""
        self.broken: set[str] = set()
        """Plurals of tables of which a whole file could not be used."""
        self.unreadable: dict[str, int] = {}
        self._notes: dict[str, list[object]] = {}
        self._places: dict[str, _Places] = {}
        self._rejected: dict[tuple[str, str], _Labels] = {}
        self._whole: dict[tuple[str, str], int] = {}
        self._refused: set[str] = set()
        self._more = self._more_notes = 0

    @property
    def any(self) -> bool:
        """Whether there are problems."""
        return bool(self.problems)

    @property
    def full(self) -> bool:
        """Whether no more problems are listed, only counted."""
        return len(self.problems) >= _KEPT_PROBLEMS

    @property
    def notes(self) -> list[str]:
        """What is worth knowing and no problem."""
        told = []
        for text, rows in self._notes.items():
            named = ", ".join(map(str, rows[:_NAMED_ROWS]))
            more = ", …" if len(rows) > _NAMED_ROWS else ""
            told.append(f"{text} (row {named}{more})." if rows else text)
        if self._more_notes:
            told.append(f"There are {self._more_notes:,} more notes than the ones listed.")
        return told

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

    def unread(self, error: UnreadableFile, file: str, plural: str | None) -> None:
        """Add the problem of a file that cannot be read, of the table `plural` if that is known."""
        self.file(file, str(error).removeprefix(f"{file}: "))
        if plural is not None:
            self.broken.add(plural)
            self.unreadable[plural] = self.unreadable.get(plural, 0) + 1

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
        self._rejected.setdefault((plural, file), _Labels()).add(row)

    def reject_all(self, file: str, plural: str, rows: int) -> None:
        """Count `rows` as all the rows of a file, none of which can be written."""
        self._whole[plural, file] = self._whole.get((plural, file), 0) + rows

    def note(self, text: str, rows: Sequence[object] = ()) -> None:
        """Add something worth knowing that is no problem, once; perhaps the `rows` it is about."""
        if text not in self._notes and len(self._notes) >= _KEPT_NOTES:
            self._more_notes += 1
            return
        known = self._notes.setdefault(text, [])
        known += rows[: _NAMED_ROWS + 1 - len(known)]

    def rejected(self, plural: str) -> int:
        """Return how many rows of a table have a problem."""
        some = {file: len(rows) for (of, file), rows in self._rejected.items() if of == plural}
        whole = {file: rows for (of, file), rows in self._whole.items() if of == plural}
        return sum((some | whole).values())

    def rejects(self, file: str, plural: str) -> set[object]:
        """Return what messages call the rows of a file that have a problem."""
        return set(self._rejected.get((plural, file), ()))

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
        copy._places = dict(self._places)
        copy.merge(self)
        return copy

    def merge(self, other: Findings) -> None:
        """Add all that `other` has found, after what is here."""
        for problem in other.problems:
            self._add(problem)
        for text, rows in other._notes.items():
            self.note(text, rows)
        self.broken |= other.broken
        self._refused |= other._refused
        for plural, files in other.unreadable.items():
            self.unreadable[plural] = self.unreadable.get(plural, 0) + files
        for key, labels in other._rejected.items():
            self._rejected.setdefault(key, _Labels()).update(labels)
        for (plural, file), count in other._whole.items():
            self.reject_all(file, plural, count)
        self._more += other._more
        self._more_notes += other._more_notes

    def taken(self) -> Findings:
        """Return all that was found so far, and forget it."""
        found = self.fork()
        self.problems, self.broken, self.unreadable = [], set(), {}
        self._notes, self._rejected, self._whole, self._refused = {}, {}, {}, set()
        self._more = self._more_notes = 0
        return found

    def report(
        self, tables: dict[str, TableCounts], *, written: bool, dry_run: bool = False
    ) -> LoadReport:
        """Return the report of it all."""
        notes = self.notes
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
