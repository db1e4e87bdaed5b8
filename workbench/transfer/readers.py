"""Where rows come from: a folder, files, or tables that are in memory already."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.entities import STORED, Stored
from workbench.entities.fields import Bytes
from workbench.errors import BadSettings, UnreadableFile
from workbench.transfer.arrow_file import open_arrow, open_parquet
from workbench.transfer.csv_file import open_csv
from workbench.transfer.excel import open_workbook
from workbench.transfer.export_folder import WHOLE
from workbench.transfer.json_file import open_json
from workbench.transfer.options import (
    FOLDER_FILE,
    HOW_IT_IS,
    REJECTS,
    Reading,
    beside,
    remember,
    said,
)
from workbench.transfer.report import Findings, TableCounts
from workbench.transfer.source import Feed, Opening, Source
from workbench.transfer.tables import TABLES, given_table, table_of

ROW_LABELS = "__row__"
"""The column of a table in memory that tells what its rows are called in messages."""

PICTURE_FILE = "file"
"""The column that names a picture beside the CSV file, for tables that hold bytes."""

Sources: TypeAlias = "Path | str | Sequence[Path | str] | Mapping[str, pa.Table]"

_PLURALS = {stored.plural: stored for stored in STORED.values()}
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})
_TEXTS = frozenset({".csv", ".tsv", ".tab"})
WORKBOOKS = frozenset({".xlsx", ".xlsm"})
LINES = frozenset({".jsonl", ".ndjson"})
"""Rows without a header: there may be none."""

JSON = frozenset({".json"}) | LINES
PARQUET = frozenset({".parquet", ".pq"})
ARROW = frozenset({".arrow", ".arrows", ".feather"})
_LOOK_BYTES = 2**10
_READ = _TEXTS | WORKBOOKS | JSON | PARQUET | ARROW


def read(
    sources: Sources,
    findings: Findings,
    counts: dict[str, TableCounts],
    reading: Reading = HOW_IT_IS,
    *,
    keep: bool = False,
) -> list[Source]:
    """Return everything there is to import; what cannot be read goes to `findings`.

    With `keep`, how each file is read is written beside it, for the next time.
    """
    if isinstance(sources, Mapping):
        return [
            _given(plural, table, findings, counts, reading) for plural, table in sources.items()
        ]
    found = []
    for feed in feeds(sources, findings, reading, keep=keep):
        source = _whole(feed, findings, counts)
        if source is not None:
            found.append(source)
    paths = [sources] if isinstance(sources, str | Path) else sources
    used = {place for source in found for place in _picture_places(source)}
    for folder, entries in _files(paths, Findings(), reading)[1].items():
        ignored = [entry for entry in entries if folder / entry not in used]
        if ignored:
            findings.note(f"{folder}: ignored {', '.join(ignored)} (no tables).")
    return found


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
    for path, file in _files(paths, findings, reading)[0].items():
        findings.learn(file)
        told = table_of(path.stem)
        try:
            how = said(path, reading)
            told = _told(path, how)
            opened = _open(path, file, told, how, findings)
            if keep:
                remember(path, opened[0].how if len(opened) == 1 else how)
                findings.note(f"{beside(path)} says how {file} was read, for the next time.")
        except UnreadableFile as error:
            _unreadable(error, file, told, findings)
            continue
        except BadSettings as error:
            _unreadable(UnreadableFile(file, str(error)), file, told, findings)
            continue
        for feed in opened:
            findings.learn(feed.file, feed.headers)
            for header in feed.headers:
                given.pop(header.strip().casefold(), None)
            yield feed
    for header in given.values():
        findings.note(f"There is no column {header!r} in what was read.")


def pieces(feed: Feed, findings: Findings, counts: dict[str, TableCounts]) -> Iterator[Source]:
    """Give the rows of an open file, a bounded number of them at a time, and count them."""
    counted = counts.setdefault(feed.stored.plural, TableCounts())
    before = counted.read
    try:
        for rows in feed.rows():
            counted.read += rows.read
            yield feed.source(rows.cells, rows.labels)
    except UnreadableFile as error:
        _unreadable(error, feed.file, feed.stored, findings)
    if counted.read == before:
        findings.note(f"{feed.file}: there is a header and no rows.")


def reopened(source: Source) -> tuple[Opening, Feed]:
    """Return the file of `source` open once more, read as it was; nothing is told of it again."""
    path, how = source.path, source.how
    if path is None:
        raise ValueError("a table in memory is no file")
    # What is in a workbook or in JSON is called by the file and what it is there.
    file = source.file
    if path.suffix.casefold() in WORKBOOKS:
        file = file.removesuffix(f", sheet {how.sheet}")
    elif path.suffix.casefold() in JSON:
        file = file.removesuffix(f", {source.stored.plural}")
    opening = Opening(path, file, source.stored, how, Findings())
    feeds = _open(path, file, _told(path, how), how, opening.findings)
    return opening, next(feed for feed in feeds if feed.file == source.file)


def _whole(feed: Feed, findings: Findings, counts: dict[str, TableCounts]) -> Source | None:
    """Return all rows of an open file at once; None if it cannot be read to its end."""
    unreadable = findings.unreadable.get(feed.stored.plural, 0)
    mine: dict[str, TableCounts] = {}
    parts = list(pieces(feed, findings, mine))
    if findings.unreadable.get(feed.stored.plural, 0) > unreadable:
        return None
    counts.setdefault(feed.stored.plural, TableCounts()).read += mine[feed.stored.plural].read
    if not parts:
        empty = {name: pa.array([], pa.string()) for name in feed.headers}
        return feed.source(pa.table(empty), pa.array([], pa.int64()))
    full = [part.labels for part in parts if len(part.labels)]
    labels = pa.concat_arrays(full) if full else pa.array([], pa.int64())
    return feed.source(pa.concat_tables([part.cells for part in parts]), labels)


def _unreadable(
    error: UnreadableFile, file: str, stored: Stored[Any, Any] | None, findings: Findings
) -> None:
    findings.file(file, str(error).removeprefix(f"{file}: "))
    if stored is not None:
        findings.broken.add(stored.plural)
        findings.unreadable[stored.plural] = findings.unreadable.get(stored.plural, 0) + 1


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


def _given(
    plural: str,
    table: pa.Table,
    findings: Findings,
    counts: dict[str, TableCounts],
    reading: Reading,
) -> Source:
    stored = _PLURALS.get(plural)
    if stored is None:
        raise UnreadableFile(plural, f"There is no such table. There are {', '.join(_PLURALS)}.")
    if ROW_LABELS in table.column_names:
        labels = table.column(ROW_LABELS).combine_chunks()
        table = table.drop_columns([ROW_LABELS])
    else:
        labels = pa.array(np.arange(1, table.num_rows + 1))
    counts.setdefault(plural, TableCounts()).read += table.num_rows
    findings.learn(plural, table.column_names, labels)
    return Source(plural, stored, table, labels, written=False, meant=reading.columns)


def _files(
    paths: Iterable[Path | str], findings: Findings, reading: Reading
) -> tuple[dict[Path, str], dict[Path, list[str]]]:
    """Return the files to read, each once, with their names; and what else is in folders."""
    found: dict[Path, Path] = {}
    others: dict[Path, list[str]] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            found.setdefault(_real(path), path)
            continue
        try:
            inside = sorted(path.iterdir())
        except OSError as error:
            findings.file(str(path), f"This folder cannot be read ({error.strerror}).")
            continue
        files = [entry for entry in inside if _is_table(entry, reading)]
        for entry in files:
            found.setdefault(_real(entry), entry)
        rejects = (entry for entry in inside if REJECTS.search(entry.stem))
        options = {FOLDER_FILE, *(beside(entry).name for entry in (*files, *rejects))}
        others[path] = [
            entry.name
            for entry in inside
            if entry not in files and not entry.name.startswith(".")
            if entry.suffix.casefold() not in _PICTURES and entry.name not in options
        ]
        if not files:
            findings.file(str(path), "There are no tables in this folder, such as CSV files.")
    for folder in dict.fromkeys(path.parent for path in found.values()):
        if (folder / WHOLE).is_dir():
            findings.file(
                str(folder),
                "An export into this folder was cut off as its files were put in their places. "
                f"Export again, or move all that is in {WHOLE} into the folder.",
            )
    times = Counter(path.name for path in found.values())
    plain = {path for path in found.values() if times[path.name] == 1 and os.path.exists(path)}
    return {path: path.name if path in plain else str(path) for path in found.values()}, others


def _is_table(path: Path, reading: Reading) -> bool:
    """Whether a file in a folder is read: JSON may be anything, so its name must tell a table.

    Rows rejected before are not: they lie beside the files that they are from.
    """
    suffix = path.suffix.casefold()
    if suffix not in _READ or path.name.startswith((".", "~$")) or not path.is_file():
        return False
    if REJECTS.search(path.stem):
        return False
    return suffix != ".json" or table_of(path.stem) is not None


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # `resolve` raises RuntimeError for links in a circle


def names_pictures(stored: Stored[Any, Any], header: str) -> bool:
    """Whether the column `header` of a file names pictures that lie beside it."""
    has_bytes = any(isinstance(kind, Bytes) for kind in stored.kinds.values())
    return has_bytes and header.casefold() == PICTURE_FILE


def _picture_places(source: Source) -> Iterator[Path]:
    """Give what lies beside the file of `source` and holds the pictures that it names."""
    for header in source.cells.column_names:
        if source.folder is not None and names_pictures(source.stored, header):
            for name in pc.unique(source.cells.column(header)).to_pylist():
                yield from (source.folder / part for part in PurePath(name or "").parts[:1])


def open_regular(path: Path) -> BinaryIO:
    """Return a file, open; OSError for anything else: a pipe, say, might never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device")
    return path.open("rb")
