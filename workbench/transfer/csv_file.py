"""One CSV file as rows of texts, a piece at a time, and what is wrong with its rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.transfer import csv_form
from workbench.transfer.csv_form import Form, form_of
from workbench.transfer.dialect import utf8_blocks
from workbench.transfer.findings import Findings
from workbench.transfer.formulas import rearmed
from workbench.transfer.headers import named
from workbench.transfer.options import Reading
from workbench.transfer.source import Feed, Opening, Rows

_SHOWN_LINES = 100  # of those that lie in a quote that never closes


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
        if len(data) > csv_form.LARGEST_ROW_BYTES:
            what += f" for {csv_form.LARGEST_ROW_BYTES // 2**20} MB, so what follows is not read"
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
