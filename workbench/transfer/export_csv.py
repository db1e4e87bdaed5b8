"""Rows as CSV: UTF-8, LF, quotes where they are needed, nothing for null, no formulas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.entities.composite import Labels
from workbench.entities.fields import Flag, Number
from workbench.transfer.export_columns import Written, moment, parts, refuse_bytes
from workbench.transfer.formulas import disarmed

__all__ = ["write_csv"]

# Python's csv module leaves a lone carriage return bare when lines end in LF.
_QUOTED = re.compile('[",\r\n]')

_NUMBERS: dict[str, Callable[[Any], str]] = {
    "integer": str,
    "number": Number().write,
    "boolean": Flag().write,
    "time": moment,
}


def write_csv(path: Path, columns: Sequence[Written], batches: Iterable[pa.RecordBatch]) -> int:
    """Write `batches` to `path`; return how many rows there were."""
    refuse_bytes(columns)
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write(",".join(_texts([column.name for column in columns])) + "\n")
        for part in parts(batches):
            cells = [
                _cells(column, part.column(place).to_pylist())
                for place, column in enumerate(columns)
            ]
            out.writelines(",".join(row) + "\n" for row in zip(*cells, strict=True))
            rows += part.num_rows
    return rows


def _cells(column: Written, values: list[Any]) -> list[str]:
    write = _NUMBERS.get(column.type)
    if write is not None:
        return ["" if v is None else write(v) for v in values]
    if column.type == "labels":
        return _texts([None if v is None else Labels().write(v) for v in values])
    return _texts(values)


def _texts(texts: list[str | None]) -> list[str]:
    safe = disarmed(pa.array(texts, pa.string())).to_pylist()
    return ["" if text is None else _cell(text) for text in safe]


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
