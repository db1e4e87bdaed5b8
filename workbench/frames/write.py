"""Frames as rows to be written: whatever dtypes pandas has, Arrow columns of few types."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workbench.entities import Stored
from workbench.entities.fields import Kind
from workbench.errors import InvalidRows, Problem

__all__ = ["ROW", "array", "arrow_from_frame", "rejected_rows"]

ROW = "__row__"
"""The column that holds each row's label in the frame's index, for messages."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_HALF = "This holds half a character (a lone surrogate). Take it out."
_TIME = pa.timestamp("us", tz="UTC")
_LABELS = pa.list_(pa.field("item", pa.string()))


def arrow_from_frame(stored: Stored[Any, Any], frame: pd.DataFrame) -> pa.Table:
    """Return the rows of `frame` as an import takes them.

    Every column becomes text, `int64`, `float64`, `bool`, `timestamp[us, tz=UTC]`,
    `list<string>` (tags, aliases) or `binary` (pictures), whatever its dtype was: ids (UUID,
    16 bytes, text) become text; dicts become JSON text; NaN, NaT, NA and None become null. A
    column of mixed values becomes text, so that the import can say which cells are wrong. No
    value is checked here. Columns that `stored` does not have are kept.

    Parameters
    ----------
    frame
        Shape (n, k). Its index is kept in `__row__`: whole numbers as they are, other labels
        as text.

    Raises
    ------
    InvalidRows
        Two columns have one name, or a column's name is no text; a text is none in Unicode.
    """
    problems = [
        Problem(None, None, str(name), None, "Two columns have this name. Rename or drop one.")
        for name in frame.columns[frame.columns.duplicated()]
    ] + [
        Problem(None, None, str(name), None, "The name of a column must be text.")
        for name in frame.columns
        if not isinstance(name, str)
    ]
    if problems:
        raise InvalidRows(problems)
    arrays = {
        name: array(stored.kinds.get(name), frame[name]) for name in frame.columns if name != ROW
    }
    return pa.table({**arrays, ROW: _labels(frame.index)})


def rejected_rows(frame: pd.DataFrame, rows: pa.Table) -> pd.DataFrame:
    """Return the rows of `frame` that an import rejected, each with its problem in front.

    Parameters
    ----------
    rows
        What was rejected of `arrow_from_frame`.
    """
    left_out = pc.is_in(_labels(frame.index), value_set=rows.column(ROW).combine_chunks())
    kept: pd.DataFrame = frame.loc[left_out.to_numpy(zero_copy_only=False)].copy()
    if list(kept.columns[:1]) == ["problem"]:  # of an earlier import
        kept = kept.drop(columns="problem")
    kept.insert(0, "problem", rows.column("problem").to_pylist())
    return kept


def _labels(index: pd.Index[Any]) -> pa.Array:
    if pd.api.types.is_integer_dtype(index.dtype):
        return pa.array(index.to_numpy(), type=pa.int64())
    return pa.array([str(label) for label in index], type=pa.string())


def array(kind: Kind | None, series: pd.Series[Any]) -> pa.Array | pa.ChunkedArray:
    """Return a column of `kind` as one of the few types; None for one of no field."""
    word = kind.word if kind is not None else "text"
    try:
        found = pa.array(_unmasked(series), from_pandas=True)
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        OverflowError,
        UnicodeEncodeError,
    ):
        return _one_by_one(series, word)
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    simple = _simple(found, word)
    return _one_by_one(series, word) if simple is None else simple


def _unmasked(series: pd.Series[Any]) -> Any:
    """Return the values; categories as the values that they stand for."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.astype(series.cat.categories.dtype)
    return series


def _simple(found: pa.Array, word: str) -> pa.Array | None:
    """Return `found` as one of the few types; None if its values have to be looked at."""
    kind = found.type
    if pa.types.is_null(kind):
        return found.cast(_LABELS if word == "tags" else pa.string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return found.cast(pa.string())
    if pa.types.is_boolean(kind):
        return found
    if pa.types.is_integer(kind):
        return found.cast(pa.int64()) if kind != pa.uint64() else None
    if pa.types.is_floating(kind):
        return _whole(found.cast(pa.float64()), word)
    if pa.types.is_timestamp(kind):
        aware = found if kind.tz else pc.assume_timezone(found, "UTC")
        return aware.cast(_TIME, safe=False)
    if word == "bytes" and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return found.cast(pa.binary())
    if word == "tags" and _is_list(kind):
        inner = kind.value_type
        if pa.types.is_string(inner) or pa.types.is_large_string(inner):
            return found.cast(_LABELS)
    return None


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _whole(found: pa.Array, word: str) -> pa.Array:
    """Return floats as whole numbers where those are wanted: pandas' way to write a gap."""
    found = pc.if_else(pc.is_nan(found), None, found)
    if word not in ("integer", "text"):
        return found
    fits = pc.all(pc.and_(pc.equal(found, pc.floor(found)), pc.less(pc.abs(found), 2.0**53)))
    return found.cast(pa.int64()) if fits.as_py() in (True, None) else found


def _one_by_one(series: pd.Series[Any], word: str) -> pa.Array:
    """Return values that no single Arrow type holds: as lists, as bytes, or else as text."""
    values = [None if _is_missing(value) else value for value in series.array]
    if word == "bytes" and all(v is None or isinstance(v, bytes) for v in values):
        return pa.array(values, type=pa.binary())
    if word == "tags" and all(v is None or _is_labels(v) for v in values):
        return pa.array([None if v is None else list(v) for v in values], type=_LABELS)
    write = _reference_text if word == "reference" else _text
    texts = [None if v is None else write(v) for v in values]
    try:
        return pa.array(texts, type=pa.string())
    except UnicodeEncodeError:
        halves = [n for n, text in enumerate(texts) if text and _SURROGATE.search(text)]
        raise InvalidRows(
            [Problem(None, series.index[n], str(series.name), None, _HALF) for n in halves]
        ) from None


def _is_missing(value: Any) -> bool:
    missing = pd.isna(value) if not isinstance(value, list | tuple | dict | set) else False
    return missing is True or (isinstance(missing, np.bool_) and bool(missing))


def _is_labels(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray) and all(isinstance(v, str) for v in value)


def _reference_text(value: Any) -> str:
    if isinstance(value, bytes) and len(value) == 16:
        return str(UUID(bytes=value))
    return _text(value)


def _text(value: Any) -> str:
    """Return the text that an import reads as `value`."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, Mapping | list | tuple | set | np.ndarray):
        return json.dumps(_json(value), ensure_ascii=False)
    return str(value)


def _json(value: Any) -> Any:
    """Return `value` as JSON has it; what it has no word for as text."""
    if isinstance(value, Mapping):
        return {str(name): _json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | np.ndarray):
        return [_json(inner) for inner in value]
    plain: Callable[[], Any] | None = getattr(value, "item", None)
    if plain is not None and not isinstance(value, bytes):
        value = plain()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
