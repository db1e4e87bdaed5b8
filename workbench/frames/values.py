"""Cells as values that compare: what a frame has beside what the database has.

A list of texts is compared as one text, its length and its labels with a separator that no
label can hold; all else as it is. A cell whose type does not fit its column differs from
whatever is stored, until the rules of its field have read it.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["SEPARATOR", "WIRE", "differs", "from_json", "plain", "told"]

SEPARATOR = "\x1f"

WIRE: dict[str, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "labels": pa.string(),
}
"""What a column of the database is compared as, by `Column.type`."""


def plain(kind: str, cells: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return the cells of a frame as they compare; lists of texts stay lists."""
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    if kind == "number" and pa.types.is_integer(cells.type):
        return cells.cast(pa.float64(), safe=False)
    if pa.types.is_null(cells.type):
        return cells.cast(pa.string())
    return cells


def differs(one: pa.Array, other: pa.Array, kind: str) -> npt.NDArray[np.bool_]:
    """Return where two columns hold different values; nothing is like nothing."""
    one, other = _joined(one), _joined(other)
    if one.type != other.type:
        return np.asarray(pc.or_(pc.is_valid(one), pc.is_valid(other)))
    unlike = pc.fill_null(pc.not_equal(one, other), False)
    if kind == "time" and pc.any(unlike).as_py():
        for unit in ("second", "millisecond"):  # to which a dtype in between may have cut them
            cut = pc.floor_temporal(other, unit=unit)
            unlike = pc.and_(unlike, pc.fill_null(pc.not_equal(one, cut), True))
    return np.asarray(pc.or_(unlike, pc.xor(pc.is_null(one), pc.is_null(other))))


def _joined(cells: pa.Array) -> pa.Array:
    if not pa.types.is_list(cells.type):
        return cells
    count = pc.list_value_length(cells).cast(pa.string())
    labels = pc.binary_join(cells, SEPARATOR)
    return pc.binary_join_element_wise(count, labels, SEPARATOR)


def told(kind: str, cells: pa.Array) -> pa.Array:
    """Return stored cells as a frame has them: lists of texts as such."""
    if kind != "labels" or pa.types.is_list(cells.type):
        return cells
    lists = [None if text is None else _split(text) for text in cells.to_pylist()]
    return pa.array(lists, pa.list_(pa.field("item", pa.string())))


def _split(text: str) -> list[str]:
    count, _, labels = text.partition(SEPARATOR)
    return labels.split(SEPARATOR) if count != "0" else []


def from_json(kind: str, text: str | None) -> Any:
    """Return a value of the history, JSON text, as it compares."""
    if text is None or text == "null":
        return None
    value = json.loads(text)
    if kind == "labels":
        return f"{len(value)}{SEPARATOR}{SEPARATOR.join(value)}"
    if kind == "text":
        return value if isinstance(value, str) else text
    return float(value) if kind == "number" else value
