"""Rows of one table, or of a frame, as one file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import pyarrow as pa

from workbench.database import columnar
from workbench.database.columnar import Stream
from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities import Stored
from workbench.store.columns import Which, chosen, literal, selection
from workbench.transfer.export_columns import Written, columns_of
from workbench.transfer.export_file import whole_file
from workbench.transfer.export_formats import format_of, writer_of

__all__ = ["export_rows", "write_table"]


async def export_rows(
    database: Database,
    stored: Stored[Any, Any],
    path: Path,
    *,
    columns: Sequence[str] | None = None,
    names: bool = True,
    overwrite: bool = False,
    **which: Unpack[Which],
) -> int:
    """Write the rows that fit to the file at `path`, a batch at a time; return how many.

    The file appears when it is whole; its name tells the format.

    Raises
    ------
    Refused
        The name tells no format, the file is there already, or this is inside a transaction.
    WorkbenchError
        It cannot be written to.
    """
    write = writer_of(format_of(path))
    tables, wanted = chosen(stored, columns, names=names)
    statement = literal(selection(tables, wanted, **which))
    written = columns_of(wanted)

    def work(stream: Stream) -> int:
        with (
            whole_file(path, overwrite=overwrite) as unfinished,
            stream(statement) as batches,
        ):
            return write(unfinished, written, batches)

    with translated(stored.name):
        return await columnar.snapshot(database, work)


async def write_table(path: Path, table: pa.Table, *, overwrite: bool = False) -> int:
    """Write an Arrow table of the types that frames have to the file at `path`."""
    write = writer_of(format_of(path))
    columns = [Written(field.name, _type(field.type)) for field in table.schema]

    def work() -> int:
        with whole_file(path, overwrite=overwrite) as unfinished:
            return write(unfinished, columns, table.to_batches())

    return await asyncio.to_thread(work)


def _type(kind: pa.DataType) -> str:
    """Return the type of a column of a file; everything that is none of them is text."""
    tests = {
        "integer": pa.types.is_integer,
        "number": pa.types.is_floating,
        "boolean": pa.types.is_boolean,
        "time": pa.types.is_timestamp,
        "labels": pa.types.is_list,
        "bytes": pa.types.is_binary,
    }
    return next((word for word, fits in tests.items() if fits(kind)), "text")
