"""One CSV file as rows of texts, a piece at a time, and all that can be wrong with its form."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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
from workbench.transfer.formulas import rearmed, texts_rearmed
from workbench.transfer.headers import known_columns, named
from workbench.transfer.options import Reading
from workbench.transfer.source import Feed, Opening, Rows

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
_LARGEST_ROW_BYTES = 2**26
_SAMPLE_BYTES = 2**17  # that tell the delimiter
_SHOWN_LINES = 100  # of those that lie in a quote that never closes
_SEPARATOR_LINE = re.compile(rb'"?sep=(.)"?\r?\n', re.IGNORECASE)  # Excel writes and obeys it


def open_csv(opening: Opening) -> Feed:
    """Return a CSV file, open; UnreadableFile where there is nothing to go on with.

    Rows with too few or too many cells, and an unclosed quote, go to the findings as they are
    come upon.
    """
    file = opening.file
    form, head, guessed = form_of(opening)
    header, rest = form.header(head, file)
    blank = any(not cell.strip() for cell in header)
    empty = form.empty_columns(rest, len(header)) if blank else set()
    names = named(header, empty, file, opening.findings)
    nameless = {place for place in empty if names[place] is None}
    lines = head.count(b"\n", 0, form.start)

    def rows(findings: Findings) -> Iterator[Rows]:
        return _Reader(opening.telling(findings), form, names, set(nameless), lines).rows()

    found = Reading(
        encoding=form.encoding.name if form.encoding.sure_percent else None,
        delimiter=form.delimiter if guessed and form.delimiter != "," else None,
    )
    return opening.feed([name for name in names if name is not None], rows, found=found)


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
            if len(left) > _LARGEST_ROW_BYTES:
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


@dataclass
class _Reader:
    """Reads the rows of a file whose form and header are known.

    Attributes
    ----------
    nameless
        Columns, by place, that are left out, as they have neither a name nor values.
    lines
        How many there are before the header.
    """

    opening: Opening
    form: Form
    names: list[str | None]
    nameless: set[int]
    lines: int

    def rows(self) -> Iterator[Rows]:
        """Give the rows, some megabytes of them at a time."""
        file, findings = self.opening.file, self.opening.findings
        lines, done, blank = self.lines, 0, 0
        first = True
        with self.opening.path.open("rb") as handle:
            size = max(os.fstat(handle.fileno()).st_size, 1)
            blocks = utf8_blocks(handle, self.form.encoding, file, findings)
            for whole, rest in self.form.pieces(blocks):
                if rest:
                    yield self._open_quote(rest, done + 1, lines)
                elif whole.strip(b"\r\n"):
                    piece, gone = self._piece(whole, done, first=first)
                    first = False
                    done, blank = done + piece.read, blank + gone
                    yield replace(piece, share=handle.tell() / size)
                lines += whole.count(b"\n") or whole.count(b"\r")
        if blank:
            findings.note(f"{file}: rows without any value are skipped ({blank}).")

    def _piece(self, data: bytes, done: int, *, first: bool) -> tuple[Rows, int]:
        """Return the rows in `data`, `done` being those before, and how many are blank."""
        opening, width = self.opening, len(self.names)
        table, wrong = self.form.table(data, width)
        read = table.num_rows + len(wrong)
        places = np.setdiff1d(
            np.arange(1, read + 1, dtype=np.int64),
            np.array([row.number for row in wrong], dtype=np.int64),
            assume_unique=True,
        )
        if first:  # the header is the first of them
            table, places, done, read = table.slice(1), places[1:], done - 1, read - 1
        empty = np.asarray(_all_empty(table).to_numpy(zero_copy_only=False), dtype=bool)
        gone = places[empty]  # not counted, as blank lines are not
        if len(gone):
            table, places = table.filter(pa.array(~empty)), places[~empty]
            places = places - np.searchsorted(gone, places)
        for row in wrong:
            label = done + row.number - int(np.searchsorted(gone, row.number))
            message = f"This row has {row.actual_columns} cells; the header has {width}."
            if lines := row.text.strip("\r\n").count("\n"):
                message += f" It goes over {lines + 1} lines: one of its quotes may not be closed."
            opening.findings.cell(opening.file, opening.stored.plural, label, message)
        cells = self._named(table, done + 1)
        return Rows(cells, pa.array(places + done), read - len(gone)), len(gone)

    def _named(self, table: pa.Table, first: int) -> pa.Table:
        pairs = zip(self.names, table.columns, strict=True)
        kept = [(name, rearmed(column)) for name, column in pairs if name]
        for place in sorted(self.nameless):
            if table.column(place).null_count < table.num_rows:
                self.nameless.remove(place)  # said once
                self.opening.findings.file(
                    self.opening.file,
                    f"Column {place + 1} has no name, but it has values below row {first:,}. "
                    "Give it a name, or take them out.",
                )
        return pa.table([column for _, column in kept], names=[name for name, _ in kept])

    def _open_quote(self, data: bytes, row: int, lines: int) -> Rows:
        """Report the quote in the row that `data` begins with and that does not end.

        pyarrow would take the rest of the file for one cell without a word.
        """
        opening = self.opening
        at = self.form.whole_cells(data)
        line = lines + data.count(b"\n", 0, at) + 1
        what = f"A quote opens on line {line:,} and never closes"
        if len(data) > _LARGEST_ROW_BYTES:
            what += f" for {_LARGEST_ROW_BYTES // 2**20} MB, so what follows is not read"
        first, *below = [part for part in data[at:].split(b"\n", _SHOWN_LINES) if part.strip(b"\r")]
        for number, part in enumerate((first, *below[: _SHOWN_LINES - 1])):
            message = f"{what}. Close it, or take it out."
            if number:
                message = f"This lies in a quote that opens on line {line:,} and never closes."
            value = part[:200].decode(errors="ignore").strip("\r")
            opening.findings.cell(
                opening.file, opening.stored.plural, row + number, message, value=value
            )
        read = 1 + data.rstrip(b"\r\n").count(b"\n", at)
        empty = {name: pa.array([], pa.string()) for name in self.names if name is not None}
        return Rows(pa.table(empty), pa.array([], pa.int64()), read)


def _all_empty(table: pa.Table) -> pa.Array:
    mask = pc.is_null(table.column(0))
    for column in table.columns[1:]:
        if not pc.any(mask).as_py():
            break
        mask = pc.and_(mask, pc.is_null(column))
    return mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask
