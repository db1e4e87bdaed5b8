"""What a column is in a frame.

=====================================  ===========================  ==========================
in PostgreSQL                          Arrow                        pandas (all may hold NA)
=====================================  ===========================  ==========================
`uuid`: ids and foreign keys           `string`                     `string[pyarrow]`
`text`, `varchar`                      `string`                     `string[pyarrow]`
an enum, such as `role`                `string`                     `string[pyarrow]`
`integer`                              `int32`                      `int32[pyarrow]`
`double precision`                     `float64`                    `double[pyarrow]`
`boolean`                              `bool`                       `bool[pyarrow]`
`timestamptz`                          `timestamp[us, tz=UTC]`      `timestamp[us, tz=UTC][pyarrow]`
`text[]`: tags, aliases                `list<string>`               `list<item: string>[pyarrow]`
`jsonb`: attributes                    `string`, JSON text          `string[pyarrow]`
`bytea`, only on request               `binary`                     `binary[pyarrow]`
=====================================  ===========================  ==========================

Ids are text: they print, compare with what a page or a file shows, and join with each other;
16-byte binary would save 20 bytes a cell and little time, and serve nobody who types one.
Attributes are JSON text: a million dicts cost seconds and hundreds of megabytes before
anybody looks into one. `expand_attributes` turns the keys that are asked for into columns.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from workbench.store.columns import Column

__all__ = ["TYPES", "schema"]

TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int32(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "labels": pa.list_(pa.field("item", pa.string())),
    "bytes": pa.binary(),
}


def schema(columns: Iterable[Column]) -> pa.Schema:
    """Return the schema of a table of `columns`."""
    return pa.schema([pa.field(column.name, TYPES[column.type]) for column in columns])
