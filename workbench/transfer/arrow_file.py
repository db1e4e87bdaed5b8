"""Parquet and Arrow files: typed columns, read batch by batch."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from workbench.errors import UnreadableFile
from workbench.transfer.arrow_parts import MARK, parts_of
from workbench.transfer.findings import Findings
from workbench.transfer.headers import named
from workbench.transfer.source import Feed, Opening, Rows

_PIECE_ROWS = 20_000
_PIECE_BYTES = 2**24
_LARGEST_BATCH_BYTES = 2**26  # to be read whole
_LARGEST_UNPACKED_BYTES = 2**28  # of what can only be in memory whole
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")

Batches = Callable[[], Iterator[pa.RecordBatch]]


def open_parquet(opening: Opening) -> Feed:
    """Return a Parquet file, open."""
    from pyarrow import parquet

    def batches() -> Iterator[pa.RecordBatch]:
        # Without a buffer for whole column chunks, no more of a file is in memory than a batch.
        with parquet.ParquetFile(opening.path, pre_buffer=False, buffer_size=2**20) as file:
            many = file.metadata.num_rows > _PIECE_ROWS  # else threads take longer than they save
            yield from file.iter_batches(_batch_rows(file.metadata), use_threads=many)

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
        if _is_large(opening):
            return _mapped(opening)
        return _whole(opening.path)

    def schema() -> pa.Schema:
        with pa.OSFile(str(opening.path)) as source:
            return _reader(source, opening.path).schema

    return _feed(opening, "an Arrow file", schema, batches, lambda: 0)


def _is_large(opening: Opening) -> bool:
    """Whether a part of the file is too large to be read whole.

    UnreadableFile if there is no other way.
    """
    parts = list(parts_of(opening.path))
    largest = max((part.size_bytes for part in parts), default=0)
    shared = sum(part.size_bytes for part in parts if part.shared)
    packed = any(part.packed for part in parts)
    whole = max(largest, shared) if packed else shared
    if whole > _LARGEST_UNPACKED_BYTES:
        raise UnreadableFile(
            opening.file,
            f"A batch of it takes {whole // 2**20:,} MB at once, unpacked. Write it with "
            "smaller batches (100,000 rows each), without compression, or as Parquet.",
        )
    return largest > _LARGEST_BATCH_BYTES and not packed


def _whole(path: Path) -> Iterator[pa.RecordBatch]:
    """Give the rows of batches, each of which is read whole."""
    with pa.OSFile(str(path)) as source:
        reader = _reader(source, path)
        if isinstance(reader, pa.RecordBatchFileReader):
            batches: Iterator[pa.RecordBatch] = map(
                reader.get_batch, range(reader.num_record_batches)
            )
        else:
            batches = iter(reader)
        for batch in batches:
            batch.validate(full=True)  # what is wrong inside would else crash the process
            rows = _rows_at_once(batch)
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows)


def _mapped(opening: Opening) -> Iterator[pa.RecordBatch]:
    """Give the rows of batches that are too large to be read whole.

    The file is mapped into memory anew for each piece, so that what was read is let go. It is a
    copy that is mapped: where a mapped file is cut short, the whole process is killed.
    """
    with TemporaryDirectory(prefix="workbench-") as folder:
        copy = Path(folder) / "copy.arrow"
        try:
            shutil.copyfile(opening.path, copy)
        except OSError as error:
            raise UnreadableFile(
                opening.file,
                f"This has large batches, so it must be copied to the folder for temporary files "
                f"first, and cannot be ({error.strerror}).",
            ) from None
        number = start = 0
        while True:
            with pa.memory_map(str(copy)) as source:
                batch = _batch(_reader(source, copy), number)
                if batch is None:
                    return
                piece = batch.slice(start, _rows_at_once(batch))
                start += piece.num_rows
                if start >= batch.num_rows:
                    number, start = number + 1, 0
                del batch
            piece.validate(full=True)
            yield piece
            del piece


def _batch(reader: Any, number: int) -> pa.RecordBatch | None:
    if isinstance(reader, pa.RecordBatchFileReader):
        return reader.get_batch(number) if number < reader.num_record_batches else None
    return next(islice(reader, number, None), None)


def _rows_at_once(batch: pa.RecordBatch) -> int:
    row_bytes: int = batch.get_total_buffer_size() // max(batch.num_rows, 1)
    return max(1, min(_PIECE_ROWS, _PIECE_BYTES // max(row_bytes, 1)))


def _reader(source: pa.NativeFile, path: Path) -> Any:
    with path.open("rb") as handle:
        is_file = handle.read(len(MARK)) == MARK
    return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(source)


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
