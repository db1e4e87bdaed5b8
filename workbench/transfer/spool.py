"""The rows of an import as they were read, kept in a folder of our own until it is done.

What becomes of the files that they are from does not matter any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from workbench.database.threads import still_wanted
from workbench.errors import Problem, UnreadableFile
from workbench.transfer.findings import Findings
from workbench.transfer.named_pictures import keep, pictures_of
from workbench.transfer.options import Reading
from workbench.transfer.readers import Opened, pieces
from workbench.transfer.source import Feed, Rows, Source
from workbench.transfer.tables import TABLES

_LABELS = "label"


class Strict(BaseModel):
    """What is written as JSON: no more than is said, of the types that are said."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(Strict):
    """A problem that was found as a file was read."""

    file: str | None
    row: int | str | None
    column: str | None
    value: str | None
    message: str
    refused: bool = False

    @classmethod
    def of(cls, problem: Problem) -> Told:
        """Return a problem as it is written."""
        row = problem.row if isinstance(problem.row, int | None) else str(problem.row)
        return cls(
            file=problem.file,
            row=row,
            column=problem.column,
            value=problem.value,
            message=problem.message,
            refused=problem.refused,
        )

    def problem(self) -> Problem:
        """Return the problem."""
        return Problem(self.file, self.row, self.column, self.value, self.message, self.refused)


class OpenedFiles(Strict):
    """What was found out as files were opened, of those that could not be."""

    problems: list[Told]
    notes: list[str]
    broken: list[str]
    unreadable: dict[str, int]


class Spooled(Strict):
    """A source, but for its rows, which are in `sources/<number>.arrow`.

    Attributes
    ----------
    refused
        How many rows were read that are not among those kept; `problems` says why.
    unreadable
        Why it cannot be read to its end, if so.
    """

    number: int
    file: str
    table: str
    written: bool
    headers: list[str]
    meant: dict[str, str]
    refused: int
    problems: list[Told]
    notes: list[str]
    unreadable: str | None = None


@dataclass(frozen=True)
class Spool:
    """Sources whose rows lie in a folder; it stands for them in an import.

    Attributes
    ----------
    origins
        The files that the sources are from, as far as they are known.
    """

    folder: Path
    opened: OpenedFiles
    sources: list[Spooled]
    origins: Mapping[int, Feed] = field(default_factory=dict)

    def open(self) -> Opened:
        """Return the sources, open; what was found before is told once more."""
        findings = Findings()
        for told in self.opened.problems:
            findings.file(told.file or "", told.message, column=told.column)
        for note in self.opened.notes:
            findings.note(note)
        findings.broken.update(self.opened.broken)
        findings.unreadable.update(self.opened.unreadable)
        feeds = []
        for spooled in self.sources:
            findings.learn(spooled.file, spooled.headers)
            feeds.append(
                Feed(
                    spooled.file,
                    TABLES[spooled.table],
                    spooled.headers,
                    partial(self._rows, spooled),
                    Reading(columns=spooled.meant),
                    written=spooled.written,
                    folder=self.folder / "pictures" / str(spooled.number),
                    origin=self.origins.get(spooled.number),
                )
            )
        return Opened(feeds, findings)

    def _rows(self, source: Spooled, findings: Findings) -> Iterator[Rows]:
        for told in source.problems:
            if told.row is None:
                findings.file(source.file, told.message, column=told.column)
                continue
            findings.cell(
                source.file,
                source.table,
                told.row,
                told.message,
                column=told.column,
                value=told.value,
            )
        for note in source.notes:
            findings.note(note)
        if source.unreadable is not None:
            raise UnreadableFile(source.file, source.unreadable)
        refused = source.refused
        for batch in batches(data_of(self.folder, source.number)):
            table = pa.Table.from_batches([batch])
            labels, cells = table.column(0).combine_chunks(), table.remove_column(0)
            yield Rows(cells, labels, cells.num_rows + refused)
            refused = 0


def data_of(folder: Path, number: int) -> Path:
    """Return where the rows of a source lie."""
    return folder / "sources" / f"{number}.arrow"


def batches(place: Path) -> Iterator[pa.RecordBatch]:
    """Give what lies in an Arrow file, batch by batch, none of which can do harm."""
    with pa.OSFile(str(place)) as source:
        file = pa.ipc.open_file(source)
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            batch.validate(full=True)  # what is wrong inside would else crash the process
            yield batch


def spool(opened: Opened, folder: Path) -> Spool:
    """Put all rows of what is open into `folder`."""
    (folder / "sources").mkdir(parents=True)
    found = opened.findings
    before = OpenedFiles(
        problems=[Told.of(problem) for problem in found.problems],
        notes=list(found.notes),
        broken=sorted(found.broken),
        unreadable=dict(found.unreadable),
    )
    sources = [_spooled(feed, number, folder) for number, feed in enumerate(opened.feeds)]
    origins = {number: feed for number, feed in enumerate(opened.feeds) if feed.path is not None}
    return Spool(folder, before, sources, origins)


def _spooled(feed: Feed, number: int, folder: Path) -> Spooled:
    findings = Findings()
    out = _Out(folder, number, feed.headers)
    unreadable = None
    try:
        for source, rows in pieces(feed, findings):
            still_wanted()
            out.read += rows.read
            out.add(source)
    except UnreadableFile as error:
        unreadable = str(error).removeprefix(f"{feed.file}: ")
    out.close()
    return Spooled(
        number=number,
        file=feed.file,
        table=feed.stored.plural,
        written=feed.written,
        headers=feed.headers,
        meant=dict(feed.how.columns),
        refused=out.read - out.kept,
        problems=[Told.of(problem) for problem in findings.problems],
        notes=list(findings.notes),
        unreadable=unreadable,
    )


class _Out:
    """The rows of one source on their way into the folder."""

    def __init__(self, folder: Path, number: int, headers: list[str]) -> None:
        self._folder, self._number, self._headers = folder, number, headers
        self._file: pa.RecordBatchFileWriter | None = None
        self._schema: pa.Schema | None = None
        self.read = self.kept = 0

    def add(self, source: Source) -> None:
        """Write some rows, and keep the pictures that they name."""
        if not source.cells.num_rows:
            return
        self.kept += source.cells.num_rows
        table = source.cells.add_column(0, _LABELS, source.labels)
        if self._file is None:
            self._schema = table.schema
            self._file = pa.ipc.new_file(str(data_of(self._folder, self._number)), table.schema)
        self._file.write_table(table.cast(self._schema))
        keep(pictures_of(source), self._folder / "pictures" / str(self._number))

    def close(self) -> None:
        """End the file, which has a batch though there be no rows."""
        if self._file is None:
            texts = [(name, pa.string()) for name in self._headers]
            schema = pa.schema([(_LABELS, pa.int64()), *texts])
            self._file = pa.ipc.new_file(str(data_of(self._folder, self._number)), schema)
            self._file.write_batch(pa.RecordBatch.from_pylist([], schema=schema))
        self._file.close()
