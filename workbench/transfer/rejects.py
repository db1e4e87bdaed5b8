"""Files of rejected rows: what an import left out, with its problems, to be mended and imported.

Each has the format of its source, whose cells stand there as they were; the first column says
what is wrong with a row, and an import does not look at it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from workbench.errors import UnreadableFile
from workbench.transfer.checks import is_text
from workbench.transfer.columns import REJECTED_FOR
from workbench.transfer.export_columns import Written
from workbench.transfer.export_formats import writer_of
from workbench.transfer.findings import Findings
from workbench.transfer.found_files import ARROW, JSON, PARQUET, WORKBOOKS
from workbench.transfer.named_pictures import home_for, keep, pictures_of
from workbench.transfer.options import HOW_IT_IS, REJECTS, beside, remember
from workbench.transfer.readers import ROW_LABELS, names_pictures, reopened, unchanged
from workbench.transfer.rejects_text import Problems, write_csv, write_json
from workbench.transfer.source import Feed, Opening, Rows
from workbench.transfer.workbook import Workbook
from workbench.transfer.workbook_write import WorkbookFile, escaped, text_cell
from workbench.transfer.workbook_xml import Cell

Writer: TypeAlias = Callable[[Path], None]

_PROBLEM_CHARACTERS = 2_000
_AT_ONCE_ROWS = 20_000
_AT_ONCE_BYTES = 2**24


@dataclass
class Rejects:
    """The files of rejected rows that one import writes.

    Attributes
    ----------
    folder
        Where they go, with the pictures that their rows name; None for beside their sources.
    written
        Their places, or for frames Arrow tables, by what messages call the source.
    """

    folder: Path | None
    written: dict[str, Any] = field(default_factory=dict)
    _made: list[Path] = field(default_factory=list)

    def write(self, feeds: Sequence[Feed], findings: Findings) -> None:
        """Write the rejected rows of `feeds`; UnreadableFile if a place cannot be written."""
        told = _told(findings)
        for kept in feeds:
            feed = kept
            if self.folder is not None and kept.origin is not None and unchanged(kept.origin):
                feed = kept.origin
            labels = findings.rejects(feed.file, feed.stored.plural)
            if not labels or findings.refused(feed.file):
                continue  # what is refused as a whole is itself what is to be mended
            problems = Problems(labels, told.get(feed.file, {}))
            if feed.path is None and (
                self.folder is None
                or not feed.written
                or not any(table.num_rows for table in _tables(feed, problems))
            ):
                self.written[feed.file] = _table(feed, problems)
                continue
            # Rows that a plan has kept are of no file any more, whose name could tell their table.
            several = feed.path is None or _times(feed, feeds) > 1
            self.written[feed.file] = self._write(feed, problems, several=several)

    def discard(self) -> None:
        """Remove what was written, as the import it belongs to is undone."""
        for place in reversed(self._made):
            if place.is_dir():
                with suppress(OSError):  # somebody has put something into it
                    place.rmdir()
            else:
                place.unlink(missing_ok=True)
        self._made.clear()
        self.written.clear()

    def _write(self, feed: Feed, problems: Problems, *, several: bool) -> Path:
        path = feed.path or Path(feed.file)
        folder = self.folder or path.parent
        pictures: dict[str, Path] = {}
        stem = REJECTS.sub("", path.stem)
        if several and stem.casefold() != feed.stored.plural:
            stem = f"{stem}.{feed.stored.plural}"
        write, ending = _writer(feed, problems)
        try:
            if feed.path is None or not folder.exists() or not folder.samefile(path.parent):
                pictures = _pictures(feed, problems)
                folder = home_for(pictures, folder)
            folder.mkdir(parents=True, exist_ok=True)
            self._made += keep(pictures, folder)
            place = self._free(folder, stem, ending)
            write(place)
            with place.open("rb") as handle:
                os.fsync(handle.fileno())  # these rows are nowhere else once the import is done
            how = replace(feed.how, header_row=None)
            if ending == ".jsonl" or how.sheet is not None:
                how = replace(how, encoding=None, sheet=None)
            if several:
                how = replace(how, table=feed.stored.plural)
            if how != HOW_IT_IS:
                self._made.append(remember(place, how))
        except OSError as error:
            raise UnreadableFile(
                str(folder),
                f"The rejected rows of {feed.file} cannot be written there ({error.strerror}), "
                "so nothing is. Give another folder for them.",
            ) from None
        return place

    def _free(self, folder: Path, stem: str, ending: str) -> Path:
        """Return a new empty file: what lies there already may be somebody's work."""
        number = 1
        while True:
            more = f"-{number}" if number > 1 else ""
            place = folder / f"{stem}.rejects{more}{ending}"
            if not beside(place).exists():
                try:
                    place.open("xb").close()
                except FileExistsError:
                    pass
                else:
                    self._made.append(place)
                    return place
            number += 1


def _times(feed: Feed, feeds: Sequence[Feed]) -> int:
    """Return how many of `feeds` are from the same file."""
    return sum((other.origin or other).path == feed.path for other in feeds)


def _pictures(feed: Feed, problems: Problems) -> dict[str, Path]:
    """Return the pictures that rejected rows name: they go where the rows go."""
    found: dict[str, Path] = {}
    if any(names_pictures(feed.stored, feed.how.columns.get(h, h)) for h in feed.headers):
        for rows in feed.rows(Findings()):
            table, labels = _kept(rows, problems)
            found |= pictures_of(feed.source(table, labels))
    return found


def _told(findings: Findings) -> dict[str, dict[object, str]]:
    """Return what is wrong with each row, by file and by what messages call it."""
    told: dict[str, dict[object, str]] = {}
    for problem in findings.problems:
        if problem.file is None or problem.row is None:
            continue
        rows = told.setdefault(problem.file, {})
        said = f"{problem.column}: {problem.message}" if problem.column else problem.message
        before = rows.get(problem.row)
        if before is None or len(before) < _PROBLEM_CHARACTERS:
            rows[problem.row] = said if before is None else f"{before} {said}"
    return told


def _table(feed: Feed, problems: Problems) -> pa.Table:
    """Return the rejected rows of a table in memory."""
    kept = [_kept(rows, problems) for rows in feed.rows(Findings())]
    tables = [table.append_column(ROW_LABELS, labels) for table, labels in kept]
    return pa.concat_tables(tables)


def _tables(feed: Feed, problems: Problems) -> Iterator[pa.Table]:
    """Give the rejected rows a bounded number of them at a time; perhaps a table without any."""
    waiting: list[pa.Table] = []
    rows = size = 0
    for piece in feed.rows(Findings()):
        table, _ = _kept(piece, problems)
        if table.num_rows or not waiting:
            waiting.append(table)
            rows, size = rows + table.num_rows, size + table.nbytes
        if rows >= _AT_ONCE_ROWS or size >= _AT_ONCE_BYTES:
            yield pa.concat_tables(waiting)
            waiting, rows, size = [table.slice(0, 0)], 0, 0
    yield pa.concat_tables(waiting)


def _kept(rows: Rows, problems: Problems) -> tuple[pa.Table, pa.Array]:
    """Return those of `rows` that have problems, with these, and what messages call them."""
    told = pa.array([problems.of(label) for label in rows.labels.to_pylist()], pa.string())
    at = pc.indices_nonzero(told.is_valid())
    labels, table = rows.labels.take(at), rows.cells.take(at)
    if REJECTED_FOR in table.column_names[:1]:  # of an earlier import
        table = table.remove_column(0)
    return table.add_column(0, REJECTED_FOR, told.take(at)), labels


def _writer(feed: Feed, problems: Problems) -> tuple[Writer, str]:
    """Return what writes rows as the file of `feed` has them, and the ending of its name.

    Rows that a plan has kept are written as CSV, or as lines of JSON if some are more than texts.
    """
    flat: Writer = partial(_write_flat, feed, problems)
    if feed.path is None:
        texts = all(is_text(column) for column in next(_tables(feed, problems)).columns)
        return (partial(_write_texts, feed, problems), ".csv") if texts else (flat, ".jsonl")
    opening = reopened(feed)
    ending = opening.path.suffix
    kind = ending.casefold()
    if kind in WORKBOOKS:
        return partial(_write_workbook, opening, feed, problems), ".xlsx"
    if kind in JSON and feed.file != opening.file:
        return flat, ".jsonl"
    if kind in JSON:
        return partial(write_json, opening, feed, problems), ending
    if kind in PARQUET or kind in ARROW:
        return partial(_write_columns, opening, feed, problems), ending
    return partial(write_csv, opening, feed, problems), ending


def _write_texts(feed: Feed, problems: Problems, place: Path) -> None:
    tables = _tables(feed, problems)
    first = next(tables)
    columns = [Written(name, "text") for name in first.column_names]
    batches = (batch for table in chain([first], tables) for batch in table.to_batches())
    writer_of("csv")(place, columns, batches)


def _write_columns(opening: Opening, feed: Feed, problems: Problems, place: Path) -> None:
    tables = _tables(feed, problems)
    first = next(tables)
    with place.open("wb") as out:
        if opening.path.suffix.casefold() in PARQUET:
            from pyarrow import parquet

            made = parquet.ParquetWriter(out, first.schema)
        else:
            made = pa.ipc.new_file(out, first.schema)
        with made:
            for table in chain([first], tables):
                made.write_table(table)


def _write_flat(feed: Feed, problems: Problems, place: Path) -> None:
    """Write rows that stood in other records: a line for each, with all that it says."""
    with place.open("w", encoding="utf-8") as out:
        for rows in feed.rows(Findings()):
            table, _ = _kept(rows, problems)
            mixed = [field.name for field in table.schema if field.type == pa.json_()]
            for row in table.to_pylist():
                said = {name: value for name, value in row.items() if value is not None}
                said |= {name: json.loads(said[name]) for name in mixed if name in said}
                out.write(json.dumps(said, ensure_ascii=False) + "\n")


def _write_workbook(opening: Opening, feed: Feed, problems: Problems, place: Path) -> None:
    workbook = Workbook(opening.path, opening.file)
    header_row = feed.how.header_row or 1
    try:
        source = next(sheet for sheet in workbook.sheets if sheet.name == feed.how.sheet)
        rows = ((n, cells) for n, cells in workbook.rows(source) if n >= header_row)
        _, cells = next(rows)
        header = _listed(cells)
        again = header[0] is not None and header[0].text.strip().casefold() == REJECTED_FOR
        header = [Cell(REJECTED_FOR), *header[again:]]
        names = [cell.text if cell else "" for cell in header]
        with WorkbookFile(place) as made, made.sheet(source.name, names) as sheet:
            sheet.add([_cell(cell) for cell in header])
            for number, (_, cells) in enumerate(rows, start=1):
                if (problem := problems.of(number)) is not None:
                    row = [Cell(problem), *_listed(cells)[again:]]
                    sheet.add([_cell(cell) for cell in row])
    finally:
        workbook.close()


def _listed(cells: dict[int, Cell]) -> list[Cell | None]:
    return [cells.get(place) for place in range(max(cells) + 1)]


def _cell(cell: Cell | None) -> str:
    """Return a cell as text, whatever it looks like; formulas and errors stay what they are."""
    if cell is None:
        return ""
    if cell.problem is None:
        return text_cell(cell.text)
    if cell.text.startswith("="):
        return f"><f>{escaped(cell.text[1:])}</f></c>"
    return f' t="e"><v>{escaped(cell.text)}</v></c>'
