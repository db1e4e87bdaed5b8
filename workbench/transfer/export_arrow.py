"""Rows as Parquet and Arrow files: typed columns, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.transfer.export_columns import Written, types

__all__ = ["write_arrow", "write_parquet", "write_parquet_into"]


def write_parquet(path: Path, columns: Sequence[Written], batches: Iterable[pa.RecordBatch]) -> int:
    """Write `batches` to `path`; return how many rows there were."""
    with path.open("wb") as out:
        return write_parquet_into(out, columns, batches)


def write_parquet_into(
    out: Any, columns: Sequence[Written], batches: Iterable[pa.RecordBatch]
) -> int:
    """Write `batches` into `out`, which need only take bytes in a row; return the rows."""
    from pyarrow import parquet

    schema = types(columns)
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        return _write(writer, schema, batches)


def write_arrow(path: Path, columns: Sequence[Written], batches: Iterable[pa.RecordBatch]) -> int:
    """Write `batches` to `path`; return how many rows there were."""
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with path.open("wb") as out, pa.ipc.new_file(out, types(columns), options=options) as writer:
        return _write(writer, types(columns), batches)


def _write(writer: Any, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    rows = 0
    for batch in _typed(batches, schema):
        writer.write_batch(batch)
        rows += batch.num_rows
    return rows


def _typed(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        columns = [c.cast(f.type) for c, f in zip(batch.columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
