"""Rows of one table, or of a frame, as one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import pyarrow as pa

from workbench.database import columnar
from workbench.database.columnar import Stream
from workbench.database.engine import Database
from workbench.database.threads import in_thread
from workbench.database.translate import translated
from workbench.entities import Stored
from workbench.store.columns import Which, chosen, literal, selection
from workbench.transfer.export_columns import Written, columns_of, count_of
from workbench.transfer.export_file import whole_file
from workbench.transfer.export_formats import BY_BATCH, format_of, writer_of
from workbench.transfer.report import Watcher
from workbench.transfer.telling import Telling

__all__ = ["export_rows", "write_table"]


async def export_rows(
    database: Database,
    stored: Stored[Any, Any],
    path: Path,
    *,
    columns: Sequence[str] | None = None,
    names: bool = True,
    overwrite: bool = False,
    progress: Watcher | None = None,
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
    format = format_of(path)
    write = writer_of(format)
    tables, wanted = chosen(stored, columns, names=names)
    statement = selection(tables, wanted, **which)
    written = columns_of(wanted)
    tell = Telling(progress)

    def work(stream: Stream) -> int:
        with whole_file(path, overwrite=overwrite) as unfinished:
            total = 0
            if tell.watched:
                with stream(literal(count_of(statement))) as batches:
                    [total] = [n for batch in batches for n in batch.column("rows").to_pylist()]
            with stream(literal(statement)) as batches:
                whole = format in BY_BATCH
                told = tell.rows(stored.plural, total, batches, whole=whole)
                return write(unfinished, written, told)

    with translated(stored.name):
        rows = await columnar.snapshot(database, work)
    tell.check()
    return rows


async def write_table(
    path: Path, table: pa.Table, *, overwrite: bool = False, progress: Watcher | None = None
) -> int:
    """Write an Arrow table of the types that frames have to the file at `path`."""
    format = format_of(path)
    write = writer_of(format)
    tell = Telling(progress)
    columns = [Written(field.name, _type(field.type)) for field in table.schema]

    def work() -> int:
        with whole_file(path, overwrite=overwrite) as unfinished:
            batches, whole = table.to_batches(), format in BY_BATCH
            told = tell.rows(path.name, table.num_rows, batches, whole=whole)
            return write(unfinished, columns, told)

    rows = await in_thread(work)
    tell.check()
    return rows


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
