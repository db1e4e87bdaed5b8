"""How a CSV file is written: its encoding, its delimiter, where its rows and cells end."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import csv as arrow_csv

from workbench.errors import UnreadableFile
from workbench.transfer.dialect import (
    HEAD_BYTES,
    Encoding,
    delimiter_of,
    encoding_of,
    utf8_blocks,
)
from workbench.transfer.findings import Findings
from workbench.transfer.formulas import texts_rearmed
from workbench.transfer.headers import known_columns
from workbench.transfer.source import Opening

__all__ = ["LARGEST_ROW_BYTES", "Form", "form_of"]

_BINARY_MARKS = {
    b"PK\x03\x04": "an Excel workbook or another zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"%PDF": "a PDF file",
    b"\x1f\x8b": "a gzip file",
}
LARGEST_ROW_BYTES = 2**26
_SAMPLE_BYTES = 2**17  # that tell the delimiter
_SEPARATOR_LINE = re.compile(rb'"?sep=(.)"?\r?\n', re.IGNORECASE)  # Excel writes and obeys it


def form_of(opening: Opening) -> tuple[Form, bytes, bool]:
    """Return how a file is written, its beginning as UTF-8, and whether its delimiter is a guess.

    UnreadableFile where there is nothing to go on with.
    """
    file, reading = opening.file, opening.reading
    with opening.path.open("rb") as handle:
        head = handle.read(HEAD_BYTES)
        for mark, what in _BINARY_MARKS.items():
            if head.startswith(mark):
                raise UnreadableFile(
                    file, f"This is {what}, not a CSV file. Save it as CSV (UTF-8)."
                )
        encoding = encoding_of(head, reading.encoding)
        handle.seek(0)
        # Whoever reads the rows is told of a guess, so here nobody is.
        head = b""
        for block in utf8_blocks(handle, encoding, file, Findings(), HEAD_BYTES):
            head = (head + block)[:HEAD_BYTES]
            if len(head) == HEAD_BYTES:
                break
    start = len(head) - len(head.lstrip(b"\r\n"))
    if start == len(head):
        raise UnreadableFile(file, "This file has only blank lines: there is no header.")
    line = _SEPARATOR_LINE.match(head, start)
    start = line.end() if line else start
    delimiter = reading.delimiter or (line[1].decode() if line else None)
    if delimiter is None and opening.path.suffix.casefold() in (".tsv", ".tab"):
        delimiter = "\t"
    guessed = delimiter is None
    if delimiter is None:
        text = head[start : start + _SAMPLE_BYTES].decode(errors="ignore")
        known = {name.casefold() for name in (*known_columns(opening.stored), *reading.columns)}
        delimiter = delimiter_of(text, known)
    return Form(encoding, delimiter, start), head, guessed


@dataclass(frozen=True)
class Form:
    """How a file is written, and by which byte (as UTF-8) it begins."""

    encoding: Encoding
    delimiter: str
    start: int

    @property
    def _stop(self) -> bytes:
        return re.escape(self.delimiter.encode())

    def _field(self) -> bytes:
        """Return the pattern of a cell; pyarrow takes what follows a closed quote literally."""
        pattern = rb'(?:"[^"]*+(?:""[^"]*+)*+"[^%b\r\n]*+|[^"%b\r\n][^%b\r\n]*+|)'
        return pattern % (self._stop, self._stop, self._stop)

    def _row(self) -> bytes:
        cells = rb"(?:%b%b)*+%b" % (self._field(), self._stop, self._field())
        return cells + rb"(?:\r\n|\n|\r)"

    def whole_rows(self, data: bytes) -> int:
        """Return where the last row that is whole ends in `data`, which begins with one."""
        if b'"' not in data:
            return max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        found = re.match(rb"(?:%b)*+" % self._row(), data)
        return found.end() if found else 0

    def whole_cells(self, data: bytes) -> int:
        """Return where the last cell that is whole ends in `data`, a row that is not."""
        found = re.match(rb"(?:%b%b)*+" % (self._field(), self._stop), data)
        return found.end() if found else 0

    def pieces(self, blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Give whole rows; at the end perhaps what begins a row that does not end."""
        left = b""
        skip = self.start
        for block in blocks:
            left += block[skip:]
            skip = max(0, skip - len(block))
            end = self.whole_rows(left)
            if end:
                yield left[:end], b""
                left = left[end:]
            if len(left) > LARGEST_ROW_BYTES:
                break
        else:
            left += b"\n"
            end = self.whole_rows(left)
            yield left[:end], b""
            left = left[end:]
        if left:
            yield b"", left

    def rows(self, data: bytes) -> Iterator[bytes]:
        """Give each of the rows in `data`, which are whole, with its line end."""
        return (found[0] for found in re.finditer(self._row(), data))

    def first_cell(self, row: bytes) -> int:
        """Return where the second cell of a row begins; 0 if there is none."""
        found = re.match(self._field() + self._stop, row)
        return found.end() if found else 0

    def header(self, head: bytes, file: str) -> tuple[list[str], bytes]:
        """Return the cells of the first row, and what follows it."""
        data = head[self.start :]
        found = re.match(self._row(), data if len(head) == HEAD_BYTES else data + b"\n")
        if found is None:
            raise UnreadableFile(
                file, "The header cannot be read: a quote opens in it and never closes."
            )
        text = found[0].decode(errors="replace")
        try:
            header = next(csv.reader([text], delimiter=self.delimiter))
        except csv.Error as error:
            raise UnreadableFile(file, f"The header cannot be read ({error}).") from None
        if not any(cell.strip() for cell in header):
            raise UnreadableFile(file, "The first line has no column names: there is no header.")
        return texts_rearmed(header), data[found.end() :]

    def empty_columns(self, data: bytes, width: int) -> set[int]:
        """Return the columns, by place, that have no values in the whole rows of `data`."""
        data = data[: self.whole_rows(data)]
        if not data.strip(b"\r\n"):
            return set(range(width))
        table, _ = self.table(data, width)
        return {place for place, c in enumerate(table.columns) if c.null_count == len(c)}

    def table(self, data: bytes, width: int) -> tuple[pa.Table, list[arrow_csv.InvalidRow]]:
        """Return the rows in `data`, and those left out, which are not `width` cells wide."""
        names = [f"c{i}" for i in range(width)]
        wrong: list[arrow_csv.InvalidRow] = []

        def note(row: arrow_csv.InvalidRow) -> str:
            wrong.append(row)
            return "skip"

        def read(*, careful: bool) -> pa.Table:
            return arrow_csv.read_csv(
                pa.BufferReader(data),
                # One block: a line break within quotes, or a huge cell, can then not be cut.
                # Rows are numbered only by a single thread, so that comes second.
                read_options=arrow_csv.ReadOptions(
                    column_names=names, block_size=len(data) + 1, use_threads=not careful
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.delimiter, invalid_row_handler=note if careful else None
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    strings_can_be_null=True,
                    null_values=[""],
                    check_utf8=False,
                ),
            )

        try:
            return read(careful=False), []
        except pa.ArrowInvalid:
            return read(careful=True), wrong
