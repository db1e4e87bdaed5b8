"""What is found wrong with the rows of an import, and worth a note, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from workbench.errors import Problem, UnreadableFile
from workbench.transfer.report import LoadReport, TableCounts

__all__ = ["Findings"]

_KEPT_PROBLEMS = 250_000  # a million of them took 0.3 GB, and more with long values
_KEPT_NOTES = 10_000
_NAMED_ROWS = 10  # in a note
_LABEL_BITS = 12  # this many numbers of rows, as a power of 2, are kept together
_VALUE_CHARACTERS = 1_000


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

    def __contains__(self, label: object) -> bool:
        if isinstance(label, int):
            bit = 1 << (label & (1 << _LABEL_BITS) - 1)
            return bool(self._bits.get(label >> _LABEL_BITS, 0) & bit)
        return label in self._others

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

    def file(
        self, file: str, message: str, *, column: str | None = None, refused: bool = False
    ) -> None:
        """Add a problem of a whole file."""
        self._refused.add(file)
        self._add(Problem(file, None, column, None, message, refused))

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
        refused: bool = False,
    ) -> None:
        """Add a problem of a cell, or of a row; `refused` if it is that a right is missing."""
        self.reject(file, plural, row)
        found = None if value is None else str(value)
        if found is not None and len(found) > _VALUE_CHARACTERS:
            found = found[:_VALUE_CHARACTERS] + "…"
        self._add(Problem(file, row, column, found, message, refused))

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

    def rejects(self, file: str, plural: str) -> Collection[object]:
        """Return what messages call the rows of a file that have a problem."""
        return self._rejected.get((plural, file), _Labels())

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
