"""Which files are read: those that are given, and tables in folders; told by their names."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from workbench.transfer.export_folder import WHOLE
from workbench.transfer.findings import Findings
from workbench.transfer.options import FOLDER_FILE, REJECTS, beside
from workbench.transfer.tables import table_of

__all__ = [
    "ARROW",
    "JSON",
    "LINES",
    "PARQUET",
    "WORKBOOKS",
    "files_at",
    "open_regular",
]

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})
_TEXTS = frozenset({".csv", ".tsv", ".tab"})
WORKBOOKS = frozenset({".xlsx", ".xlsm"})
LINES = frozenset({".jsonl", ".ndjson"})
"""Rows without a header: there may be none."""

JSON = frozenset({".json"}) | LINES
PARQUET = frozenset({".parquet", ".pq"})
ARROW = frozenset({".arrow", ".arrows", ".feather"})
_READ = _TEXTS | WORKBOOKS | JSON | PARQUET | ARROW


def files_at(
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
        files = [entry for entry in inside if _is_table(entry)]
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


def _is_table(path: Path) -> bool:
    """Whether a file in a folder is read: JSON may be anything, so its name must tell a table.

    Rows rejected before are not: they lie beside the files that they are from.
    """
    suffix = path.suffix.casefold()
    if suffix not in _READ or path.name.startswith((".", "~$")):
        return False
    if not path.is_file() and (path.exists() or not path.is_symlink()):
        return False  # of a link that leads nowhere, reading it tells
    if REJECTS.search(path.stem):
        return False
    return suffix != ".json" or table_of(path.stem) is not None


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # `resolve` raises RuntimeError for links in a circle


def open_regular(path: Path) -> BinaryIO:
    """Return a file, open; OSError for anything else: a pipe, say, might never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device")
    return path.open("rb")
