"""Parquet and Arrow files: typed columns, read batch by batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.errors import UnreadableFile
from workbench.transfer.findings import Findings
from workbench.transfer.headers import named
from workbench.transfer.source import Feed, Opening, Rows

_PIECE_ROWS = 20_000
_PIECE_BYTES = 2**24
_ARROW_MARK = b"ARROW1"
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")

Batches = Callable[[], Iterator[pa.RecordBatch]]


def open_parquet(opening: Opening) -> Feed:
    """Return a Parquet file, open."""
    from pyarrow import parquet

    def batches() -> Iterator[pa.RecordBatch]:
        # Without a buffer for whole column chunks, no more of a file is in memory than a batch.
        with parquet.ParquetFile(opening.path, pre_buffer=False, buffer_size=2**20) as file:
            yield from file.iter_batches(_batch_rows(file.metadata))

    def schema() -> pa.Schema:
        with parquet.ParquetFile(opening.path) as file:
            return file.schema_arrow

    def total() -> int:
        with parquet.ParquetFile(opening.path) as file:
            return int(file.metadata.num_rows)

    return _feed(opening, "a Parquet file", schema, batches, total)


def _batch_rows(metadata: Any) -> int:
    """Return how many rows to read at once: fewer where they are large, as pictures are."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    row_bytes = max((g.total_byte_size // max(g.num_rows, 1) for g in groups), default=0)
    return max(1, min(_PIECE_ROWS, _PIECE_BYTES // max(row_bytes, 1)))


def open_arrow(opening: Opening) -> Feed:
    """Return an Arrow file (also called Feather) or stream, open."""

    def batches() -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(opening.path)) as source:
            if _starts(opening.path, _ARROW_MARK):
                file = pa.ipc.open_file(source)
                whole: Iterator[pa.RecordBatch] = map(
                    file.get_batch, range(file.num_record_batches)
                )
            else:
                whole = iter(pa.ipc.open_stream(source))
            for batch in whole:
                batch.validate(full=True)  # what is wrong inside would else crash the process
                for start in range(0, batch.num_rows, _PIECE_ROWS):
                    yield batch.slice(start, _PIECE_ROWS)

    def schema() -> pa.Schema:
        with pa.OSFile(str(opening.path)) as source:
            is_file = _starts(opening.path, _ARROW_MARK)
            return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(source).schema

    return _feed(opening, "an Arrow file", schema, batches, lambda: 0)


def _starts(path: Path, mark: bytes) -> bool:
    with path.open("rb") as handle:
        return handle.read(len(mark)) == mark


def _feed(
    opening: Opening,
    what: str,
    schema: Callable[[], pa.Schema],
    batches: Batches,
    total: Callable[[], int],
) -> Feed:
    def refused(error: Exception) -> UnreadableFile:
        said = str(error).splitlines()[0].rstrip(".")
        return UnreadableFile(opening.file, f"This is not {what}, or not all of one: {said}.")

    try:
        header = schema().names
    except (pa.ArrowException, OSError) as error:
        raise refused(error) from None
    index = {place for place, name in enumerate(header) if _PANDAS_INDEX.fullmatch(name)}
    shown = ["" if place in index else name for place, name in enumerate(header)]
    names = named(shown, index, opening.file, opening.findings)

    def rows(_: Findings) -> Iterator[Rows]:
        done, whole = 0, total()
        try:
            for batch in batches():
                count = batch.num_rows
                labels = pa.array(range(done + 1, done + count + 1), pa.int64())
                done += count
                yield Rows(_named(batch, names), labels, count, done / whole if whole else None)
        except (pa.ArrowException, OSError) as error:
            raise refused(error) from None

    return opening.feed([name for name in names if name is not None], rows, written=False)


def _named(batch: pa.RecordBatch, names: list[str | None]) -> pa.Table:
    kept = {
        name: _plain(column)
        for name, column in zip(names, batch.columns, strict=True)
        if name is not None
    }
    return pa.table(kept)


def _plain(column: pa.Array) -> pa.Array:
    """Return `column` as one that checks know: no views, no dictionaries."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string_view(column.type):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(column.type):
        return column.cast(pa.large_binary())
    return column
