"""Rows as a workbook of Excel, one sheet after another, straight into the zip file.

Written here and not by a library: those at hand take a text such as `<r>…</r>` for XML, cut numbers
to 16 digits, or refuse control characters; and each sheet would go to the disk twice. Cells
hold texts as such, so nothing is a formula; what looks like one has Excel's own mark for text.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa

from workbench.entities.fields import Labels
from workbench.errors import Refused, shown
from workbench.transfer.export_columns import Written, moment, parts, refuse_bytes
from workbench.transfer.formulas import disarmed, is_formula

__all__ = ["WorkbookFile", "write_excel"]

MAXIMUM_ROWS = 1_048_576
MAXIMUM_COLUMNS = 16_384
MAXIMUM_CELL = 32_767
"""What Excel holds: rows of a sheet, columns of it, UTF-16 units in a cell."""

_WAY_OUT = "Write CSV, JSON lines, Parquet or Arrow instead, or fewer of them."
_SHEET_CHARACTERS = 31
_EXACT_WHOLE = 10**15  # Excel keeps 15 digits
_FIRST_DAY = datetime(1900, 3, 1, tzinfo=UTC)  # before it Excel counts a day too many
_DAY_ZERO = datetime(1899, 12, 30, tzinfo=UTC)
_HEADER, _TEXT_MARKED, _TIME = 1, 2, 3  # styles, by their place in _STYLES

# Excel writes these as _x000D_, and what looks like that already with its first _ as _x005F_.
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_STYLES = f"""{_XML}<styleSheet xmlns="{_MAIN}">\
<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>\
<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>\
<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>\
<fills count="2"><fill><patternFill patternType="none"/></fill>\
<fill><patternFill patternType="gray125"/></fill></fills>\
<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>\
<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>\
<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>\
<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>\
<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1"/>\
<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>\
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>"""


def write_excel(path: Path, columns: Sequence[Written], batches: Iterable[pa.RecordBatch]) -> int:
    """Write `batches` to `path` as a workbook of one sheet; return how many rows there were."""
    with WorkbookFile(path) as workbook:
        return workbook.sheet(path.stem, columns, batches)


class WorkbookFile:
    """A workbook that is being written; it is whole when its block ends without an error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: list[str] = []

    def __enter__(self) -> WorkbookFile:
        self._zip = zipfile.ZipFile(self._path, "w", zipfile.ZIP_DEFLATED, compresslevel=4)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()
        self._zip.close()

    def sheet(
        self, name: str, columns: Sequence[Written], batches: Iterable[pa.RecordBatch]
    ) -> int:
        """Add a sheet of `batches`; return how many rows there were.

        Raises
        ------
        Refused
            There are more rows or columns, or longer texts, than Excel takes.
        """
        refuse_bytes(columns)
        if len(columns) > MAXIMUM_COLUMNS:
            raise Refused(
                f"{name}: Excel takes {MAXIMUM_COLUMNS:,} columns; these are {len(columns):,}. "
                f"{_WAY_OUT}"
            )
        name = self._sheet_name(name)
        letters = [_letters(place) for place in range(len(columns))]
        rows = 0
        part = f"xl/worksheets/sheet{len(self._names)}.xml"
        with self._zip.open(part, "w", force_zip64=True) as raw:
            out = TextIOWrapper(raw, encoding="utf-8", newline="", write_through=False)
            out.write(_start(columns))
            header = _texts(name, "a header", [c.name for c in columns], 1, style=_HEADER)
            out.write(_row(1, letters, header))
            for batch in parts(batches):
                if rows + batch.num_rows >= MAXIMUM_ROWS:
                    raise Refused(
                        f"{name}: a sheet of Excel takes {MAXIMUM_ROWS - 1:,} rows below its "
                        f"header, and there are more. {_WAY_OUT}"
                    )
                first = rows + 2
                cells = [
                    _cells(name, column, batch.column(place), first)
                    for place, column in enumerate(columns)
                ]
                for number, row in enumerate(zip(*cells, strict=True), start=first):
                    out.write(_row(number, letters, row))
                rows += batch.num_rows
            last = f"{letters[-1] if letters else 'A'}{rows + 1}"
            out.write(f'</sheetData><autoFilter ref="A1:{last}"/></worksheet>')
            out.flush()
            out.detach()
        return rows

    def _sheet_name(self, wanted: str) -> str:
        """Return a name that Excel takes, unlike those of the other sheets in any case."""
        plain = re.sub(r"[\x00-\x1f\[\]:*?/\\]", "_", wanted).strip("' ")[:_SHEET_CHARACTERS]
        plain = plain or "Sheet"
        name, number = plain, 1
        while name.casefold() in {one.casefold() for one in self._names}:
            number += 1
            name = f"{plain[: _SHEET_CHARACTERS - 4]} {number}"
        self._names.append(name)
        return name

    def _finish(self) -> None:
        numbers = range(1, len(self._names) + 1)
        sheets = "".join(
            f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"/>'
            for n, name in zip(numbers, self._names, strict=True)
        )
        targets = [(f"worksheets/sheet{n}.xml", "worksheet") for n in numbers]
        types = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" '
            f'ContentType="{_KIND}.worksheet+xml"/>'
            for n in numbers
        )
        self._zip.writestr(
            "xl/workbook.xml",
            f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets>'
            "</workbook>",
        )
        self._zip.writestr("xl/styles.xml", _STYLES)
        self._zip.writestr(
            "xl/_rels/workbook.xml.rels", _relations([*targets, ("styles.xml", "styles")])
        )
        self._zip.writestr("_rels/.rels", _relations([("xl/workbook.xml", "officeDocument")]))
        self._zip.writestr(
            "[Content_Types].xml",
            f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_KIND}.styles+xml"/>'
            f"{types}</Types>",
        )


def _relations(targets: Iterable[tuple[str, str]]) -> str:
    found = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for n, (target, kind) in enumerate(targets, start=1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{found}</Relationships>'


def _start(columns: Sequence[Written]) -> str:
    widths = "".join(
        f'<col min="{n}" max="{n}" width="{min(40, max(12, len(column.name) + 4))}" '
        'customWidth="1"/>'
        for n, column in enumerate(columns, start=1)
    )
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        f"</sheetView></sheetViews>{f'<cols>{widths}</cols>' if widths else ''}<sheetData>"
    )


def _letters(place: int) -> str:
    """Return how Excel calls a column, counted from 0.

    >>> _letters(0), _letters(26), _letters(16_383)
    ('A', 'AA', 'XFD')
    """
    letters, number = "", place + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _row(number: int, letters: list[str], cells: Sequence[str]) -> str:
    found = (f'<c r="{a}{number}"{cell}' for a, cell in zip(letters, cells, strict=True) if cell)
    return f'<row r="{number}">{"".join(found)}</row>'


def _cells(sheet: str, column: Written, values: pa.Array, first: int) -> list[str]:
    """Return cells without their beginnings, `<c r="A1"`; nothing for null."""
    write = _NUMBERS.get(column.type)
    if write is not None:
        return ["" if v is None else write(v) for v in values.to_pylist()]
    texts = values.to_pylist()
    if column.type == "labels":
        texts = [None if v is None else Labels().write(v) for v in texts]
    return _texts(sheet, column.name, texts, first)


def _texts(
    sheet: str, column: str, texts: list[str | None], first: int, style: int | None = None
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
        chosen = style if style is not None else _TEXT_MARKED if is_marked else None
        said = "" if chosen is None else f' s="{chosen}"'
        safe = _UNWRITABLE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
        cells.append(
            f'{said} t="inlineStr"><is><t xml:space="preserve">{escape(safe)}</t></is></c>'
        )
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
    return f' s="{_TIME}"><v>{days!r}</v></c>'


_NUMBERS: dict[str, Callable[[Any], str]] = {
    "integer": _whole,
    "number": _number,
    "boolean": _flag,
    "time": _time,
}
