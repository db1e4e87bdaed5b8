"""Rows as CSV: UTF-8, LF, quotes where they are needed, nothing for null."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench.entities.fields import Flag, Labels, Number
from workbench.store.columns import Column
from workbench.transfer.export_layout import FILE

__all__ = ["write_csv"]

# Python's csv module leaves a lone carriage return bare when lines end in LF.
_QUOTED = re.compile('[",\r\n]')

_ROWS_AT_ONCE = 5_000

_WRITE: dict[str, Callable[[Any], str]] = {
    "integer": str,
    "number": Number().write,
    "boolean": Flag().write,
    "labels": Labels().write,
}


def write_csv(
    path: Path, columns: list[Column], batches: Iterable[Any], files: Mapping[str, str]
) -> int:
    """Write the Arrow `batches` to `path`; return how many rows there were.

    Parameters
    ----------
    files
        The file of each picture, by the picture's id.
    """
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write(",".join(_cell(column.name) for column in columns) + "\n")
        for batch in batches:
            # A batch has 16 MB; as Python's strings, all at once, it would have ten times that.
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                part = batch.slice(start, _ROWS_AT_ONCE)
                cells = [
                    _cells(column, part.column(place).to_pylist(), files)
                    for place, column in enumerate(columns)
                ]
                out.writelines(",".join(row) + "\n" for row in zip(*cells, strict=True))
            rows += batch.num_rows
    return rows


def _cells(column: Column, values: list[Any], files: Mapping[str, str]) -> list[str]:
    if column.name == FILE and column.source == "content":
        return ["" if v is None else _cell(files[v]) for v in values]
    write = _WRITE.get(column.type)
    if write is None:
        return ["" if v is None else _cell(v) for v in values]
    return ["" if v is None else _cell(write(v)) for v in values]


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
