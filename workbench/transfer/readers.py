"""Where rows come from: a folder, files, or tables that are in memory already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.database.elsewhere import Elsewhere
from workbench.entities import STORED, Stored
from workbench.entities.fields import Bytes
from workbench.errors import BadSettings, UnreadableFile
from workbench.transfer.arrow_file import open_arrow, open_parquet
from workbench.transfer.csv_file import open_csv
from workbench.transfer.excel import open_workbook
from workbench.transfer.findings import Findings
from workbench.transfer.found_files import (
    ARROW,
    JSON,
    LINES,
    PARQUET,
    WORKBOOKS,
    files_at,
    open_regular,
)
from workbench.transfer.json_file import open_json
from workbench.transfer.options import (
    HOW_IT_IS,
    Handed,
    Reading,
    beside,
    remember,
    said,
)
from workbench.transfer.query import open_query
from workbench.transfer.source import Feed, Opening, Rows, Source
from workbench.transfer.tables import TABLES, given_table, table_of

ROW_LABELS = "__row__"
"""The column of a table in memory that tells what its rows are called in messages."""

PICTURE_FILE = "file"
"""The column that names a picture beside the CSV file, for tables that hold bytes."""

Sources: TypeAlias = (
    "Path | str | Sequence[Path | str | Handed] | Mapping[str, pa.Table | Elsewhere | Path | str]"
)

_PLURALS = {stored.plural: stored for stored in STORED.values()}
_LOOK_BYTES = 2**10
_PIECE_ROWS = 100_000
_PIECE_BYTES = 2**24


@dataclass
class Opened:
    """What there is to import, open, and what was found out so far.

    Attributes
    ----------
    beside
        What else is in the folders, by folder.
    """

    feeds: list[Feed]
    findings: Findings
    beside: dict[Path, list[str]] = field(default_factory=dict)


def open_all(sources: Sources, reading: Reading = HOW_IT_IS, *, keep: bool = False) -> Opened:
    """Open files, or tables in memory.

    With `keep`, how each file is read is written beside it, for the next time.
    """
    findings = Findings()
    if isinstance(sources, Mapping):
        given: list[Feed] = []
        for plural, one in sources.items():
            if isinstance(one, str | Path):
                told = replace(reading, table=reading.table or plural)
                given += feeds(one, findings, told, keep=keep)
            else:
                given.append(_given(plural, one, findings, reading))
        return Opened(given, findings)
    several = [sources] if isinstance(sources, str | Path) else sources
    handed = [one for one in several if isinstance(one, Handed)]
    paths = [one for one in several if not isinstance(one, Handed)]
    found = [*_feeds(handed, findings, keep=keep), *feeds(paths, findings, reading, keep=keep)]
    return Opened(found, findings, files_at(paths, Findings())[1])


def open_named(files: Iterable[Handed]) -> Opened:
    """Open files that messages are to call by the names given here."""
    findings = Findings()
    return Opened(list(_feeds(files, findings, keep=False)), findings)


def note_unused(opened: Opened, used: set[Path], findings: Findings) -> None:
    """Note what lies in the folders and was neither read nor named."""
    for folder, entries in opened.beside.items():
        ignored = [entry for entry in entries if folder / entry not in used]
        if ignored:
            findings.note(f"{folder}: ignored {', '.join(ignored)} (no tables).")


def feeds(
    paths: Path | str | Sequence[Path | str],
    findings: Findings,
    reading: Reading = HOW_IT_IS,
    *,
    keep: bool = False,
) -> Iterator[Feed]:
    """Open the files at `paths` one by one; what cannot be read goes to `findings`."""
    given = {header.strip().casefold(): header for header in reading.columns}
    paths = [paths] if isinstance(paths, str | Path) else paths
    found = files_at(paths, findings)[0]
    handed = [Handed(path, name, reading) for path, name in found.items()]
    for feed in _feeds(handed, findings, keep=keep):
        for header in feed.headers:
            given.pop(header.strip().casefold(), None)
        yield feed
    for header in given.values():
        findings.note(f"There is no column {header!r} in what was read.")


def _feeds(files: Iterable[Handed], findings: Findings, *, keep: bool) -> Iterator[Feed]:
    for handed in files:
        path, file = handed.path, handed.name
        findings.learn(file)
        told, stamp = table_of(path.stem), _stamp(path)
        try:
            how = said(path, handed.reading)
            told = _told(path, how)
            opened = _open(path, file, told, how, findings)
            if keep:
                remember(path, opened[0].how if len(opened) == 1 else how)
                findings.note(f"{beside(path)} says how {file} was read, for the next time.")
        except UnreadableFile as error:
            findings.unread(error, file, told.plural if told else None)
            continue
        except BadSettings as error:
            findings.unread(UnreadableFile(file, str(error)), file, told.plural if told else None)
            continue
        for feed in opened:
            findings.learn(feed.file, feed.headers)
            feed.stamp = stamp
            yield feed


def pieces(feed: Feed, findings: Findings) -> Iterator[tuple[Source, Rows]]:
    """Give the rows of what is open, a bounded number of them at a time.

    Raises
    ------
    UnreadableFile
        It cannot be read to its end, or is another file by now.
    """
    count = 0
    for rows in feed.rows(findings):
        count += rows.read
        yield feed.source(rows.cells, rows.labels), rows
    _check_unchanged(feed)
    if count == 0 and feed.path is not None:
        findings.note(f"{feed.file}: there is a header and no rows.")


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what tells the file at `path` from another, and from itself once it is changed."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def reopened(feed: Feed) -> Opening:
    """Return the file of `feed` to be opened once more, as it was; nothing is told of it again.

    UnreadableFile if it is another by now.
    """
    path, file = feed.path, feed.file
    if path is None:
        raise ValueError("a table in memory is no file")
    _check_unchanged(feed)
    # What is in a workbook or in JSON is called by the file and what it is there.
    if path.suffix.casefold() in WORKBOOKS:
        file = file.removesuffix(f", sheet {feed.how.sheet}")
    elif path.suffix.casefold() in JSON:
        file = file.removesuffix(f", {feed.stored.plural}")
    return Opening(path, file, feed.stored, feed.how, Findings())


def unchanged(feed: Feed) -> bool:
    """Return whether the file of `feed` is there as it was when it was opened."""
    return feed.path is None or _stamp(feed.path) == feed.stamp


def _check_unchanged(feed: Feed) -> None:
    if not unchanged(feed):
        raise UnreadableFile(
            feed.file, "This file was changed while it was read. Import it again when it is whole."
        )


def _told(path: Path, reading: Reading) -> Stored[Any, Any] | None:
    return given_table(reading.table) if reading.table else table_of(path.stem)


def _open(
    path: Path, file: str, told: Stored[Any, Any] | None, reading: Reading, findings: Findings
) -> list[Feed]:
    suffix = path.suffix.casefold()
    if not _look_at(path, file) and suffix not in LINES:
        raise UnreadableFile(file, "This file is empty.")
    # Workbooks and JSON may tell by themselves, and replace this then.
    opening = Opening(path, file, told or next(iter(TABLES.values())), reading, findings)
    if suffix in WORKBOOKS:
        return open_workbook(opening, told)
    if suffix in JSON:
        return open_json(opening, told)
    if suffix in PARQUET:
        feed = open_parquet(opening)
    elif suffix in ARROW:
        feed = open_arrow(opening)
    else:
        feed = open_csv(opening)
    if told is None:
        raise UnreadableFile(
            file,
            "The name of this file tells no table. Say which one it is, or name it after one of "
            f"{', '.join(TABLES)}.",
        )
    return [feed]


def _look_at(path: Path, file: str) -> bool:
    """Return whether there is anything in the file; UnreadableFile if it cannot be read."""
    try:
        with open_regular(path) as handle:
            start = handle.read(_LOOK_BYTES)
    except FileNotFoundError:
        raise UnreadableFile(file, "There is no such file.") from None
    except PermissionError:
        raise UnreadableFile(file, "You may not read this file.") from None
    except OSError as error:
        raise UnreadableFile(file, f"This cannot be read ({error.strerror}).") from None
    if start and len(start) < _LOOK_BYTES and not start.strip(b"\r\n"):
        raise UnreadableFile(file, "This file has only blank lines: there is no header.")
    return bool(start)


def _given(plural: str, table: pa.Table | Elsewhere, findings: Findings, reading: Reading) -> Feed:
    stored = _PLURALS.get(plural)
    if stored is None:
        there = get_close_matches(plural, TABLES, n=1)
        hint = f"Did you mean {there[0]!r}?" if there else f"There are {', '.join(TABLES)}."
        raise UnreadableFile(plural, f"There is no such table. {hint}")
    if isinstance(table, Elsewhere):
        feed = open_query(table, stored, findings, reading)
        findings.learn(feed.file, feed.headers)
        return feed
    if ROW_LABELS in table.column_names:
        labels = table.column(ROW_LABELS).combine_chunks()
        table = table.drop_columns([ROW_LABELS])
    else:
        labels = pa.array(np.arange(1, table.num_rows + 1))
    findings.learn(plural, table.column_names, labels)
    rows_at_once = max(1, min(_PIECE_ROWS, _PIECE_BYTES * table.num_rows // max(table.nbytes, 1)))

    def rows(_: Findings) -> Iterator[Rows]:
        for start in range(0, table.num_rows, rows_at_once):
            cells = table.slice(start, rows_at_once)
            done = start + cells.num_rows
            here = labels.slice(start, rows_at_once)
            yield Rows(cells, here, cells.num_rows, done / table.num_rows)

    return Feed(plural, stored, table.column_names, rows, reading, written=False)


def names_pictures(stored: Stored[Any, Any], header: str) -> bool:
    """Whether the column `header` of a file names pictures that lie beside it."""
    has_bytes = any(isinstance(kind, Bytes) for kind in stored.kinds.values())
    return has_bytes and header.casefold() == PICTURE_FILE


def picture_places(source: Source) -> Iterator[Path]:
    """Give what lies beside the file of `source` and holds the pictures that it names."""
    for header in source.cells.column_names:
        if source.folder is not None and names_pictures(source.stored, header):
            for name in pc.unique(source.cells.column(header)).to_pylist():
                yield from (source.folder / part for part in PurePath(name or "").parts[:1])
