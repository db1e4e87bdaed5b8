"""The columns of a file that is written, whatever its format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from workbench.errors import Refused, shown
from workbench.store.columns import Column

__all__ = [
    "Written",
    "columns_of",
    "count_of",
    "moment",
    "parts",
    "refuse_bytes",
    "types",
    "with_files",
]

_ROWS_AT_ONCE = 5_000
_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "json": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "labels": pa.list_(pa.field("item", pa.string())),
    "bytes": pa.binary(),
}


@dataclass(frozen=True)
class Written:
    """A column of a file.

    Attributes
    ----------
    type
        That of a `Column`; or "json", a text that is JSON already.
    """

    name: str
    type: str


def columns_of(columns: Iterable[Column]) -> list[Written]:
    """Return the columns of a query as those of a file."""
    return [Written(c.name, "json" if c.name == "attributes" else c.type) for c in columns]


def count_of(statement: sa.Select[Any]) -> sa.Select[Any]:
    """Return the statement for how many rows another one gives."""
    return sa.select(sa.func.count().label("rows")).select_from(statement.order_by(None).subquery())


def types(columns: Iterable[Written]) -> pa.Schema:
    """Return the schema of typed files with these columns."""
    return pa.schema([pa.field(column.name, _TYPES[column.type]) for column in columns])


def parts(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give the rows of `batches` some thousands at a time.

    A batch has 16 MB; as Python's texts, all at once, it would have ten times that.
    """
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
            yield batch.slice(start, _ROWS_AT_ONCE)


def with_files(
    batches: Iterable[pa.RecordBatch], place: int, files: Mapping[str, str | None]
) -> Iterator[pa.RecordBatch]:
    """Give `batches` with the files of pictures in a column that had the pictures' ids."""
    for batch in batches:
        ids = batch.column(place).to_pylist()
        named = pa.array([None if one is None else files[one] for one in ids], pa.string())
        yield batch.set_column(place, batch.schema.names[place], named)


def moment(value: datetime) -> str:
    """Return a time, in UTC, as files of text have it."""
    return value.replace(tzinfo=None).isoformat() + "Z"


def refuse_bytes(columns: Iterable[Written]) -> None:
    """Raise Refused if one of `columns` holds bytes, which a file of text cannot."""
    for column in columns:
        if column.type == "bytes":
            raise Refused(
                f"The column {shown(column.name)} holds bytes. Leave it out, or write a Parquet "
                "or an Arrow file.",
                field=column.name,
            )
