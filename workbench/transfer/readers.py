"""Where rows come from: a folder, files, or tables that are in memory already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from workbench.entities import STORED, Stored
from workbench.errors import UnreadableFile
from workbench.transfer.csv_file import headers, parse
from workbench.transfer.report import Findings, TableCounts

ROW_LABELS = "__row__"
"""The column of a table in memory that tells what its rows are called in messages."""

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
        return [_given(plural, table, counts) for plural, table in sources.items()]
    paths = [sources] if isinstance(sources, str | Path) else sources
    found = []
    for path in _files(paths, findings):
        source = _file(path, findings, counts)
        if source is not None:
            found.append(source)
    return found


def _given(plural: str, table: pa.Table, counts: dict[str, TableCounts]) -> Source:
    stored = _PLURALS.get(plural)
    if stored is None:
        raise UnreadableFile(plural, f"There is no such table. There are {', '.join(_PLURALS)}.")
    if ROW_LABELS in table.column_names:
        labels = table.column(ROW_LABELS).combine_chunks()
        table = table.drop_columns([ROW_LABELS])
    else:
        labels = pa.array(np.arange(1, table.num_rows + 1))
    counts.setdefault(plural, TableCounts()).read += table.num_rows
    return Source(plural, stored, table, labels, written=False)


def _files(paths: Iterable[Path | str], findings: Findings) -> list[Path]:
    """Return the files to read, each once, folders opened."""
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            found.setdefault(path.resolve(), path)
            continue
        ignored = []
        try:
            inside = sorted(path.iterdir())
        except OSError as error:
            findings.file(path.name, f"This folder cannot be read ({error.strerror}).")
            continue
        for entry in inside:
            if entry.name.startswith("."):
                continue
            if entry.is_file() and entry.suffix.casefold() == ".csv":
                found.setdefault(entry.resolve(), entry)
            elif entry.suffix.casefold() not in _PICTURES:
                ignored.append(entry.name)
        if ignored:
            findings.note(f"{path.name}: ignored {', '.join(ignored)} (no CSV files).")
        if len(ignored) == len(inside):
            findings.file(path.name, "There are no CSV files in this folder.")
    return list(found.values())


def _file(path: Path, findings: Findings, counts: dict[str, TableCounts]) -> Source | None:
    file = path.name
    stored = table_of(path.stem)
    try:
        data = _bytes(path)
        if stored is None:
            raise UnreadableFile(
                file,
                f"The name of this file tells no table. Name it after one of {', '.join(TABLES)}.",
            )
        counts.setdefault(stored.plural, TableCounts())
        cells = parse(data, file, stored.plural, findings)
    except UnreadableFile as error:
        findings.file(file, str(error).removeprefix(f"{file}: "))
        if stored is not None:
            findings.broken.add(stored.plural)
        return None
    counts[stored.plural].read += cells.read
    if not cells.read:
        findings.note(f"{file}: there is a header and no rows.")
    names = headers(cells, file, findings)
    kept = [(name, cells.table.column(i)) for i, name in enumerate(names) if name is not None]
    table = pa.table([column for _, column in kept], names=[name for name, _ in kept])
    return Source(file, stored, table, cells.labels, written=True, folder=path.parent)


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UnreadableFile(path.name, "There is no such file.") from None
    except PermissionError:
        raise UnreadableFile(path.name, "You may not read this file.") from None
    except OSError as error:
        raise UnreadableFile(path.name, f"This cannot be read ({error.strerror}).") from None
    if not data:
        raise UnreadableFile(path.name, "This file is empty.")
    if not data.strip(b"\r\n"):
        raise UnreadableFile(path.name, "This file has only blank lines: there is no header.")
    return data


def table_of(stem: str) -> Stored[Any, Any] | None:
    """Return the table that the name of a file tells, `01_personas_old` for example."""
    words = "_".join(re.findall(r"[^\W_]+", stem.casefold()))
    for stored in TABLES.values():
        if words in (stored.plural, stored.name):
            return stored
    told = [plural for plural in TABLES if f"_{plural}_" in f"_{words}_"]
    return TABLES[max(told, key=len)] if told else None
