"""Rows of the history as frames."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pandas as pd
import pyarrow as pa

from workbench.frames.dtypes import TYPES

__all__ = ["told"]

_KINDS = {
    "at": TYPES["time"],
    "deleted_at": TYPES["time"],
    "columns": TYPES["labels"],
    "entities": TYPES["labels"],
    "version": TYPES["integer"],
    "change": pa.int64(),
    **dict.fromkeys(("inserted", "updated", "trashed", "restored", "deleted"), pa.int64()),
}


def told(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return `columns` of `rows` as a frame, Arrow-backed as all are; ids are text."""
    fields = [pa.field(name, _KINDS.get(name, TYPES["text"])) for name in columns]
    values = [
        pa.array([_plain(row[field.name]) for row in rows], type=field.type) for field in fields
    ]
    table = pa.table(values, schema=pa.schema(fields))
    made: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return json.dumps(value) if isinstance(value, dict) else value
