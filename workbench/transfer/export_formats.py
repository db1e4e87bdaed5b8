"""The formats that files are written in, and which one the name of a file tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from workbench.errors import Refused, shown
from workbench.transfer.export_arrow import write_arrow, write_parquet
from workbench.transfer.export_columns import Written
from workbench.transfer.export_csv import write_csv
from workbench.transfer.export_excel import write_excel, write_sheet
from workbench.transfer.export_json import write_json, write_lines
from workbench.transfer.workbook_write import WorkbookFile

__all__ = [
    "BY_BATCH",
    "FORMATS",
    "TYPED",
    "WORKBOOK",
    "file_name",
    "format_of",
    "tables",
    "writer_of",
]

Write: TypeAlias = Callable[[Path, Sequence[Written], Iterable[Any]], int]
WriteTable: TypeAlias = Callable[[str, Sequence[Written], Iterable[Any]], int]

_WRITERS: dict[str, Write] = {
    "csv": write_csv,
    "xlsx": write_excel,
    "json": write_json,
    "jsonl": write_lines,
    "parquet": write_parquet,
    "arrow": write_arrow,
}
FORMATS = tuple(_WRITERS)
TYPED = frozenset({"json", "jsonl", "parquet", "arrow"})
"""Formats whose files say of what type a value is, so that `attributes` can stay one column."""

BY_BATCH = frozenset({"parquet", "arrow"})
"""Formats that are the better the larger the batches are that they get."""

WORKBOOK = "world.xlsx"
"""The one file with all tables of a world, as sheets."""

_SUFFIXES = {".ndjson": "jsonl", ".feather": "arrow", ".pq": "parquet"} | {
    f".{format}": format for format in FORMATS
}


def format_of(path: Path) -> str:
    """Return the format that the name of a file tells."""
    found = _SUFFIXES.get(path.suffix.casefold())
    if found is None:
        raise Refused(
            f"{path.name}: the name tells no format. End it with one of "
            f"{', '.join(f'.{format}' for format in FORMATS)}.",
            field="path",
        )
    return found


def writer_of(format: str) -> Write:
    """Return what writes a file of `format`."""
    if format not in _WRITERS:
        raise Refused(
            f"A world cannot be exported as {shown(format)}. Use {', '.join(FORMATS)}.",
            field="format",
        )
    return _WRITERS[format]


def file_name(plural: str, format: str) -> str:
    """Return the file that the rows of a table go to."""
    return WORKBOOK if format == "xlsx" else f"{plural}.{format}"


@contextmanager
def tables(folder: Path, format: str) -> Iterator[WriteTable]:
    """Give what writes one table after another into `folder`, each into its file or sheet."""
    if format == "xlsx":
        with WorkbookFile(folder / WORKBOOK) as workbook:
            yield partial(write_sheet, workbook)
        return
    write = writer_of(format)
    yield lambda plural, columns, batches: write(
        folder / file_name(plural, format), columns, batches
    )
