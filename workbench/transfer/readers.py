"""Where rows come from: a folder, files, or tables that are in memory already."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.entities import STORED, Stored
from workbench.entities.fields import Bytes
from workbench.errors import UnreadableFile
from workbench.transfer.csv_file import headers, parse
from workbench.transfer.export_folder import WHOLE
from workbench.transfer.report import Findings, TableCounts

ROW_LABELS = "__row__"
"""The column of a table in memory that tells what its rows are called in messages."""

PICTURE_FILE = "file"
"""The column that names a picture beside the CSV file, for tables that hold bytes."""

Sources: TypeAlias = "Path | str | Sequence[Path | str] | Mapping[str, pa.Table]"

TABLES = {
    stored.plural: stored
    for stored in STORED.values()
    if stored.name == "world" or "worldid" in stored.table.columns
}
"""What can be imported: worlds and all that lies in one. Users are not made by files."""

_PLURALS = {stored.plural: stored for stored in STORED.values()}
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})


@dataclass
class Source:
    """Rows of one table, from one file or frame.

    Attributes
    ----------
    file
        What messages call it.
    cells
        Strings where `written` is true, values of any type otherwise; columns by header.
    labels
        What messages call each row.
    written
        Whether the cells are text as written in a file.
    folder
        Where files that the cells name lie.
    """

    file: str
    stored: Stored[Any, Any]
    cells: pa.Table
    labels: pa.Array
    written: bool
    folder: Path | None = None


def read(sources: Sources, findings: Findings, counts: dict[str, TableCounts]) -> list[Source]:
    """Return everything there is to import; what cannot be read goes to `findings`."""
    if isinstance(sources, Mapping):
        return [_given(plural, table, findings, counts) for plural, table in sources.items()]
    paths = [sources] if isinstance(sources, str | Path) else sources
    files, others = _files(paths, findings)
    found = []
    for path, name in files.items():
        findings.learn(name)
        source = _file(path, name, findings, counts)
        if source is not None:
            found.append(source)
    used = {place for source in found for place in _picture_places(source)}
    for folder, entries in others.items():
        ignored = [entry for entry in entries if folder / entry not in used]
        if ignored:
            findings.note(f"{folder}: ignored {', '.join(ignored)} (no CSV files).")
    return found


def _given(
    plural: str, table: pa.Table, findings: Findings, counts: dict[str, TableCounts]
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
    return Source(plural, stored, table, labels, written=False)


def _files(
    paths: Iterable[Path | str], findings: Findings
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
        files = [e for e in inside if e.suffix.casefold() == ".csv" and e.is_file()]
        files = [entry for entry in files if not entry.name.startswith(".")]
        for entry in files:
            found.setdefault(_real(entry), entry)
        others[path] = [
            entry.name
            for entry in inside
            if entry not in files and not entry.name.startswith(".")
            if entry.suffix.casefold() not in _PICTURES
        ]
        if not files:
            findings.file(str(path), "There are no CSV files in this folder.")
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


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # `resolve` raises RuntimeError for links in a circle


def _file(
    path: Path, file: str, findings: Findings, counts: dict[str, TableCounts]
) -> Source | None:
    stored = table_of(path.stem)
    try:
        data = _bytes(path, file)
        if stored is None:
            raise UnreadableFile(
                file,
                f"The name of this file tells no table. Name it after one of {', '.join(TABLES)}.",
            )
        cells = parse(data, file, stored.plural, findings)
    except UnreadableFile as error:
        findings.file(file, str(error).removeprefix(f"{file}: "))
        if stored is not None:
            findings.broken.add(stored.plural)
            findings.unreadable[stored.plural] = findings.unreadable.get(stored.plural, 0) + 1
        return None
    counts.setdefault(stored.plural, TableCounts()).read += cells.read
    if not cells.read:
        findings.note(f"{file}: there is a header and no rows.")
    names = headers(cells, file, findings)
    findings.learn(file, [name or "" for name in names])
    kept = [(name, cells.table.column(i)) for i, name in enumerate(names) if name is not None]
    table = pa.table([column for _, column in kept], names=[name for name, _ in kept])
    return Source(file, stored, table, cells.labels, written=True, folder=path.parent)


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


def read_regular(path: Path) -> bytes:
    """Return what is in a file; OSError for anything else: a pipe, say, might never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device")
    return path.read_bytes()


def _bytes(path: Path, file: str) -> bytes:
    try:
        data = read_regular(path)
    except FileNotFoundError:
        raise UnreadableFile(file, "There is no such file.") from None
    except PermissionError:
        raise UnreadableFile(file, "You may not read this file.") from None
    except OSError as error:
        raise UnreadableFile(file, f"This cannot be read ({error.strerror}).") from None
    if not data:
        raise UnreadableFile(file, "This file is empty.")
    if not data.strip(b"\r\n"):
        raise UnreadableFile(file, "This file has only blank lines: there is no header.")
    return data


def table_of(stem: str) -> Stored[Any, Any] | None:
    """Return the table that the name of a file tells, `01_personas_old` for example."""
    words = "_".join(re.findall(r"[^\W_]+", stem.casefold()))
    for stored in TABLES.values():
        if words in (stored.plural, stored.name):
            return stored
    told = [plural for plural in TABLES if f"_{plural}_" in f"_{words}_"]
    return TABLES[max(told, key=len)] if told else None
