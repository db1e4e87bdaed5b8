"""Sheets of a workbook as tables: which are read, where their headers are, and their rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pyarrow as pa

from workbench.entities import Stored
from workbench.errors import UnreadableFile, shown
from workbench.transfer.findings import Findings
from workbench.transfer.formulas import rearmed, texts_rearmed
from workbench.transfer.headers import known_columns, meaning, named
from workbench.transfer.in_pieces import in_pieces
from workbench.transfer.options import Reading
from workbench.transfer.source import Feed, Opening, Rows
from workbench.transfer.tables import table_of
from workbench.transfer.workbook import Sheet, Workbook
from workbench.transfer.workbook_xml import Cell

_HEADER_WITHIN_ROWS = 50


def open_workbook(opening: Opening, told: Stored[Any, Any] | None) -> list[Feed]:
    """Return the sheets of a workbook that are tables, open.

    Parameters
    ----------
    told
        The table that the file's name tells, or the caller: of its one sheet, if its sheets
        are not called as tables are.
    """
    workbook = Workbook(opening.path, opening.file)
    try:
        chosen = _chosen(workbook, opening, told)
        return [_feed(workbook, sheet, part) for sheet, part in chosen]
    finally:
        workbook.close()


def _chosen(
    workbook: Workbook, opening: Opening, told: Stored[Any, Any] | None
) -> list[tuple[Sheet, Opening]]:
    file, wanted = opening.file, opening.reading.sheet
    names = ", ".join(shown(sheet.name) for sheet in workbook.sheets)
    if wanted is not None:
        found = [s for s in workbook.sheets if s.name.casefold() == wanted.casefold()]
        if not found:
            raise UnreadableFile(file, f"It has no sheet {shown(wanted)}. It has {names}.")
        stored = (told if opening.reading.table else None) or table_of(wanted) or told
        return [_part(opening, found[0], stored)]
    visible = [sheet for sheet in workbook.sheets if not sheet.hidden]
    tables = [(sheet, stored) for sheet in visible if (stored := table_of(sheet.name))]
    if tables and (opening.reading.table is None or told is None):
        chosen = [_part(opening, sheet, stored) for sheet, stored in tables]
    else:
        full = [s for s in visible if next(workbook.rows(s), None) is not None]
        if len(full) != 1:
            raise UnreadableFile(
                file,
                f"Its sheets are {names}, and none of them is called as a table is. "
                "Say which sheet to read.",
            )
        chosen = [_part(opening, full[0], told)]
    left = [s.name for s in workbook.sheets if s not in [sheet for sheet, _ in chosen]]
    if left:
        opening.findings.note(f"{file}: sheets that are not read: {', '.join(left)}.")
    return chosen


def _part(opening: Opening, sheet: Sheet, stored: Stored[Any, Any] | None) -> tuple[Sheet, Opening]:
    if stored is None:
        raise UnreadableFile(
            opening.file,
            f"Neither its name nor that of its sheet {shown(sheet.name)} tells a table.",
        )
    return sheet, replace(opening, file=f"{opening.file}, sheet {sheet.name}", stored=stored)


def _feed(workbook: Workbook, sheet: Sheet, opening: Opening) -> Feed:
    number, header = _header(workbook, sheet, opening)
    width = max(header) + 1
    cells = texts_rearmed(header[place].text if place in header else "" for place in range(width))
    empty = {place for place in range(width) if place not in header}
    names = named(cells, empty, opening.file, opening.findings)

    def rows(findings: Findings) -> Iterator[Rows]:
        return _Reader(opening.telling(findings), sheet, number, names).rows()

    found = Reading(sheet=sheet.name, header_row=number)
    return opening.feed([name for name in names if name is not None], rows, found=found)


def _header(workbook: Workbook, sheet: Sheet, opening: Opening) -> tuple[int, dict[int, Cell]]:
    """Return the row that has the names of the columns: given, or the one that knows most."""
    file, given = opening.file, opening.reading.header_row
    first = list(islice(workbook.rows(sheet), max(_HEADER_WITHIN_ROWS, given or 0)))
    if given is not None:
        for number, cells in first:
            if number == given:
                return number, cells
        raise UnreadableFile(file, f"Row {given} is empty: it is no header.")
    if not first:
        raise UnreadableFile(file, "This sheet is empty.")
    meant = {header.casefold() for header in opening.reading.columns}
    known = known_columns(opening.stored)

    def names(row: tuple[int, dict[int, Cell]]) -> int:
        headers = [cell.text.strip() for cell in row[1].values()]
        return sum(meaning(h, known) in known or h.casefold() in meant for h in headers)

    best = max(first, key=names)
    if not names(best):
        raise UnreadableFile(
            file,
            f"None of its first {_HEADER_WITHIN_ROWS} rows has the name of a column of "
            f"{opening.stored.plural}. Say which row is the header.",
        )
    if best != first[0]:
        opening.findings.note(f"{file}: the header is row {best[0]}.")
    return best


def _length(row: dict[int, Cell]) -> int:
    return sum(len(cell.text) for cell in row.values())


@dataclass
class _Reader:
    """Reads the rows below the header of a sheet."""

    opening: Opening
    sheet: Sheet
    header: int
    names: list[str | None]

    def rows(self) -> Iterator[Rows]:
        """Give the rows, a bounded number of them at a time; those without cells do not count."""
        workbook = Workbook(self.opening.path, self.opening.file)
        try:
            below = (cells for n, cells in workbook.rows(self.sheet) if n > self.header)
            done = 0
            for piece in in_pieces(below, _length):
                yield replace(self._piece(piece, done), share=workbook.share)
                done += len(piece)
        finally:
            workbook.close()

    def _piece(self, rows: list[dict[int, Cell]], done: int) -> Rows:
        columns: dict[str, pa.Array] = {}
        places = {place: name for place, name in enumerate(self.names) if name is not None}
        for place, name in places.items():
            cells = [row.get(place) for row in rows]
            columns[name] = rearmed(pa.array([cell and cell.text for cell in cells], pa.string()))
        for number, row in enumerate(rows, start=done + 1):
            for place, cell in row.items():
                if cell.problem is not None and place in places:
                    self._refuse(number, cell.problem, places[place], cell.text)
                elif place not in places:
                    message = "This cell stands in a column that has no name."
                    self._refuse(number, message, None, cell.text)
        labels = pa.array(range(done + 1, done + len(rows) + 1), pa.int64())
        return Rows(pa.table(columns), labels, len(rows))

    def _refuse(self, row: int, message: str, column: str | None, value: str) -> None:
        opening = self.opening
        opening.findings.cell(
            opening.file, opening.stored.plural, row, message, column=column, value=value
        )
