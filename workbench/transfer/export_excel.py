"""Rows as sheets of a workbook of Excel.

Cells hold texts as such, so nothing is a formula; what looks like one has Excel's own mark for
text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.entities.composite import Labels
from workbench.errors import Refused, shown
from workbench.transfer.export_columns import Written, moment, parts, refuse_bytes
from workbench.transfer.formulas import disarmed, is_formula
from workbench.transfer.workbook_write import HEADER, TEXT_MARKED, TIME, WorkbookFile, text_cell
from workbench.transfer.workbook_xml import COLUMNS

__all__ = ["write_excel", "write_sheet"]

MAXIMUM_ROWS = 1_048_576
MAXIMUM_CELL = 32_767
"""What Excel holds: rows of a sheet, UTF-16 units in a cell."""

_WAY_OUT = "Write CSV, JSON lines, Parquet or Arrow instead, or fewer of them."
_EXACT_WHOLE = 10**15  # Excel keeps 15 digits
_FIRST_DAY = datetime(1900, 3, 1, tzinfo=UTC)  # before it Excel counts a day too many
_DAY_ZERO = datetime(1899, 12, 30, tzinfo=UTC)


def write_excel(path: Path, columns: Sequence[Written], batches: Iterable[pa.RecordBatch]) -> int:
    """Write `batches` to `path` as a workbook of one sheet; return how many rows there were."""
    with WorkbookFile(path) as workbook:
        return write_sheet(workbook, path.stem, columns, batches)


def write_sheet(
    workbook: WorkbookFile,
    wanted: str,
    columns: Sequence[Written],
    batches: Iterable[pa.RecordBatch],
) -> int:
    """Add a sheet of `batches`; return how many rows there were.

    Raises
    ------
    Refused
        There are more rows or columns, or longer texts, than Excel takes.
    """
    refuse_bytes(columns)
    if len(columns) > COLUMNS:
        raise Refused(
            f"{wanted}: Excel takes {COLUMNS:,} columns; these are {len(columns):,}. {_WAY_OUT}"
        )
    headers = [column.name for column in columns]
    with workbook.sheet(wanted, headers) as sheet:
        sheet.add(_texts(sheet.name, "a header", headers, 1, style=HEADER))
        for batch in parts(batches):
            if sheet.rows + batch.num_rows > MAXIMUM_ROWS:
                raise Refused(
                    f"{sheet.name}: a sheet of Excel takes {MAXIMUM_ROWS - 1:,} rows below its "
                    f"header, and there are more. {_WAY_OUT}"
                )
            cells = [
                _cells(sheet.name, column, batch.column(place), sheet.rows + 1)
                for place, column in enumerate(columns)
            ]
            for row in zip(*cells, strict=True):
                sheet.add(row)
        return sheet.rows - 1


def _cells(sheet: str, column: Written, values: pa.Array, first: int) -> list[str]:
    """Return cells as `workbook_write` takes them; nothing for null."""
    write = _NUMBERS.get(column.type)
    if write is not None:
        return ["" if v is None else write(v) for v in values.to_pylist()]
    texts = values.to_pylist()
    if column.type == "labels":
        texts = [None if v is None else Labels().write(v) for v in texts]
    return _texts(sheet, column.name, texts, first)


def _texts(
    sheet: str, column: str, texts: Sequence[str | None], first: int, style: int | None = None
) -> list[str]:
    array = disarmed(pa.array(texts, pa.string()), marked_only=True)
    marked = is_formula(array).to_pylist()
    cells = []
    for number, (text, is_marked) in enumerate(zip(array.to_pylist(), marked, strict=True)):
        if text is None:
            cells.append("")
            continue
        if len(text) > MAXIMUM_CELL // 2 and _units(text) > MAXIMUM_CELL:
            raise Refused(
                f"{sheet}, row {first + number - 1:,}: the text in {shown(column)} has "
                f"{_units(text):,} characters; a cell of Excel takes {MAXIMUM_CELL:,}. {_WAY_OUT}"
            )
        cells.append(text_cell(text, style or (TEXT_MARKED if is_marked else None)))
    return cells


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _whole(value: int) -> str:
    if abs(value) >= _EXACT_WHOLE:
        return f' t="inlineStr"><is><t>{value}</t></is></c>'
    return f"><v>{value}</v></c>"


def _number(value: float) -> str:
    return f"><v>{value!r}</v></c>" if value - value == 0 else ""  # Excel has no infinity


def _flag(value: bool) -> str:
    return f' t="b"><v>{int(value)}</v></c>'


def _time(value: datetime) -> str:
    if value < _FIRST_DAY:
        return f' t="inlineStr"><is><t>{moment(value)}</t></is></c>'
    days = (value - _DAY_ZERO).total_seconds() / 86_400
    return f' s="{TIME}"><v>{days!r}</v></c>'


_NUMBERS: dict[str, Callable[[Any], str]] = {
    "integer": _whole,
    "number": _number,
    "boolean": _flag,
    "time": _time,
}
