"""One CSV file as a table of strings, and everything that can be wrong with its form."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from workbench.errors import UnreadableFile, shown
from workbench.transfer.report import Findings

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_BINARY_MARKS = {
    b"PK\x03\x04": "an Excel workbook or another zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"%PDF": "a PDF file",
    b"\x1f\x8b": "a gzip file",
}
_DELIMITERS = ",;\t"
_LARGEST_BLOCK_BYTES = 2**31 - 2  # pyarrow's block_size is a 32-bit number


@dataclass
class Cells:
    """The cells of a file.

    Attributes
    ----------
    header
        The header's cells as they are written.
    table
        Strings, one column for each cell of the header (`c0`, `c1`, …); empty cells are null.
    labels
        The number of each row, from 1, not counting blank lines; refused rows are left out.
    read
        How many rows there are, with those that are refused.
    """

    header: list[str]
    table: pa.Table
    labels: pa.Array
    read: int


def parse(data: bytes, file: str, plural: str, findings: Findings) -> Cells:
    """Return the cells of a CSV file; UnreadableFile where there is nothing to go on with.

    Rows with too few or too many cells, and an unclosed quote, are added to `findings`.
    """
    data = _utf8(data, file)
    delimiter, header = _header(data, file)
    data = _without_open_quote(data, delimiter, file, plural, findings)
    table, wrong = _table(data, delimiter, len(header))
    positions = np.setdiff1d(
        np.arange(1, table.num_rows + len(wrong) + 1, dtype=np.int64),
        np.array([number for number, _ in wrong], dtype=np.int64),
        assume_unique=True,
    )
    table, positions = table.slice(1), positions[1:] - 1
    empty = np.asarray(_all_empty(table).to_numpy(zero_copy_only=False), dtype=bool)
    gone = positions[empty]  # not counted, as blank lines are not
    if len(gone):
        findings.note(f"{file}: rows without any value are skipped ({len(gone)}).")
        table, positions = table.filter(pa.array(~empty)), positions[~empty]
        positions = positions - np.searchsorted(gone, positions)
    for number, found in wrong:
        label = int(number - 1 - np.searchsorted(gone, number - 1))
        message = f"This row has {found} cells; the header has {len(header)}."
        findings.cell(file, plural, label, message)
    return Cells(header, table, pa.array(positions), table.num_rows + len(wrong))


def _utf8(data: bytes, file: str) -> bytes:
    """Return `data` as UTF-8 without a byte order mark."""
    for mark, what in _BINARY_MARKS.items():
        if data.startswith(mark):
            raise UnreadableFile(file, f"This is {what}, not a CSV file. Save it as CSV (UTF-8).")
    if not data:
        raise UnreadableFile(file, "This file is empty.")
    try:
        if data.startswith(_UTF16_MARKS):
            return data.decode("utf-16").encode()
        data = data.removeprefix(_UTF8_MARK)
        data.decode()
    except UnicodeDecodeError as error:
        at = error.start
        line = data.count(b"\n", 0, at) + 1
        raise UnreadableFile(
            file,
            f"This is not UTF-8: byte 0x{data[at]:02x} at offset {at:,}, on line {line:,}. "
            "Save the file as CSV with the encoding UTF-8.",
        ) from None
    return data


def _header(data: bytes, file: str) -> tuple[str, list[str]]:
    """Return the delimiter and the cells of the first line that is not blank."""
    start = len(data) - len(data.lstrip(b"\r\n"))
    if start == len(data):
        raise UnreadableFile(file, "This file has only blank lines: there is no header.")
    head = data[start : start + 2**17].decode(errors="ignore")
    line = head.splitlines()[0]
    delimiter = max(_DELIMITERS, key=line.count)  # of equals the first: the comma
    try:
        header = next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise UnreadableFile(file, f"The header cannot be read ({error}).") from None
    if not any(cell.strip() for cell in header):
        raise UnreadableFile(file, "The first line has no column names: there is no header.")
    return delimiter, header


def _table(data: bytes, delimiter: str, width: int) -> tuple[pa.Table, list[tuple[int, int]]]:
    """Return all rows, the header among them, and number and width of those left out."""
    names = [f"c{i}" for i in range(width)]
    wrong: list[tuple[int, int]] = []

    def note(row: arrow_csv.InvalidRow) -> str:
        wrong.append((row.number or 0, row.actual_columns))
        return "skip"

    def read(*, careful: bool) -> pa.Table:
        return arrow_csv.read_csv(
            pa.BufferReader(data),
            # One block: a line break within quotes, or a huge cell, can then not be cut.
            # Rows are numbered only by a single thread, so that comes second.
            read_options=arrow_csv.ReadOptions(
                column_names=names,
                block_size=min(len(data) + 1, _LARGEST_BLOCK_BYTES),
                use_threads=not careful,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=len(data) >= _LARGEST_BLOCK_BYTES,
                invalid_row_handler=note if careful else None,
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


def _without_open_quote(
    data: bytes, delimiter: str, file: str, plural: str, findings: Findings
) -> bytes:
    """Return `data` up to the row in which a quote opens that never closes, if one does.

    pyarrow takes the rest of the file for one cell without a word. Closed quotes, and
    doubled ones within, come in pairs: an even number is in order.
    """
    if data.count(b'"') % 2 == 0:
        return data
    stop = re.escape(delimiter.encode())
    field = re.compile(
        rb'(?:"(?:[^"]|"")*+"[^%b\r\n]*+|[^"%b\r\n][^%b\r\n]*+|)(%b|\r\n|\n|\r|\Z)'
        % (stop, stop, stop, stop)
    )
    at = row_start = 0
    row = 0  # 0 is the header
    while at < len(data):
        found = field.match(data, at)
        if found is None:
            line = data.count(b"\n", 0, at) + 1
            findings.cell(
                file,
                plural,
                max(row, 0),
                f"A quote opens on line {line:,} and never closes; what follows cannot be read. "
                "Close it, or take it out.",
                value=data[at : at + 200].decode(errors="ignore").splitlines()[0],
            )
            return data[:row_start]
        if found[1] not in (stop, delimiter.encode()):
            blank = found.start() == row_start and found.start(1) == row_start
            row += not blank
            row_start = found.end()
        at = found.end()
    return data


def _all_empty(table: pa.Table) -> pa.Array:
    mask = pc.is_null(table.column(0))
    for column in table.columns[1:]:
        if not pc.any(mask).as_py():
            break
        mask = pc.and_(mask, pc.is_null(column))
    return mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask


def headers(cells: Cells, file: str, findings: Findings) -> list[str | None]:
    """Return the names of the columns, trimmed and each only once; None for a column to drop.

    The same name again, or none, is pointed out; its cells are kept under a name of its own.
    """
    names: list[str | None] = []
    seen: set[str] = set()
    for number, cell in enumerate(cells.header, start=1):
        name = cell.strip()
        column = cells.table.column(number - 1)
        if "\x00" in name:
            findings.file(file, f"The name of column {number} holds a NUL character.")
            names.append(None)
            continue
        if not name:
            if column.null_count == len(column):
                names.append(None)
                continue
            name = f"column {number}"
            findings.note(f"{file}: column {number} has no name and is kept as {shown(name)}.")
        if name.casefold() in seen:
            again = f"{name} ({number})"
            findings.note(
                f"{file}: the column {shown(name)} is there twice; the second one is kept as "
                f"{shown(again)}."
            )
            name = again
        seen.add(name.casefold())
        names.append(name)
    return names
