"""Rows as JSON: one list of objects, or an object on each line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.transfer.export_columns import Written, moment, parts, refuse_bytes

__all__ = ["write_json", "write_lines"]


def write_json(path: Path, columns: Sequence[Written], batches: Iterable[pa.RecordBatch]) -> int:
    """Write `batches` to `path` as one list; return how many rows there were."""
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write("[")
        for row in _objects(columns, batches):
            out.write(",\n" if rows else "\n")
            out.write(row)
            rows += 1
        out.write("\n]\n")
    return rows


def write_lines(path: Path, columns: Sequence[Written], batches: Iterable[pa.RecordBatch]) -> int:
    """Write `batches` to `path`, a row on each line; return how many rows there were."""
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        for row in _objects(columns, batches):
            out.write(row + "\n")
            rows += 1
    return rows


def _objects(columns: Sequence[Written], batches: Iterable[pa.RecordBatch]) -> Iterator[str]:
    refuse_bytes(columns)
    for part in parts(batches):
        cells = [
            _values(column, part.column(place).to_pylist()) for place, column in enumerate(columns)
        ]
        for row in zip(*cells, strict=True):
            yield "{" + ", ".join(row) + "}"


def _values(column: Written, values: list[Any]) -> list[str]:
    name = _text(column.name) + ": "
    write = _WRITE.get(column.type, _text)
    return [name + ("null" if value is None else write(value)) for value in values]


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    return repr(value) if value - value == 0 else "null"  # JSON has no infinity


def _as_it_is(value: str) -> str:
    return value


_WRITE: dict[str, Callable[[Any], str]] = {
    "json": _as_it_is,
    "integer": str,
    "number": _number,
    "time": lambda value: _text(moment(value)),
}
