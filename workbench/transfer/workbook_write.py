"""A workbook of Excel that is written row after row, straight into the zip file.

Written here and not by a library: those at hand take a text such as `<r>…</r>` for XML, cut numbers
to 16 digits, or refuse control characters; and each sheet would go to the disk twice. A cell here
is its XML without the beginning, `<c r="A1"`; nothing for one that is empty.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from xml.sax.saxutils import escape, quoteattr

__all__ = ["HEADER", "TEXT_MARKED", "TIME", "Sheet", "WorkbookFile", "escaped", "text_cell"]

HEADER, TEXT_MARKED, TIME = 1, 2, 3
"""Styles of cells: bold, with Excel's own mark for text, a time; by their place in `_STYLES`."""

_SHEET_CHARACTERS = 31

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

    @contextmanager
    def sheet(self, wanted: str, headers: Sequence[str]) -> Iterator[Sheet]:
        """Add a sheet, to which the block adds rows; the first, the `headers`, is always in sight.

        It is called `wanted`, or something like it where Excel does not take that.
        """
        name = self._sheet_name(wanted)
        part = f"xl/worksheets/sheet{len(self._names)}.xml"
        with self._zip.open(part, "w", force_zip64=True) as raw:
            out = TextIOWrapper(raw, encoding="utf-8", newline="", write_through=False)
            out.write(_start(headers))
            sheet = Sheet(name, out)
            yield sheet
            last = f"{_letters(max(1, len(headers)) - 1)}{sheet.rows}"
            out.write(f'</sheetData><autoFilter ref="A1:{last}"/></worksheet>')
            out.flush()
            out.detach()

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


class Sheet:
    """A sheet that is being written: its name, and how many rows it has, the header too."""

    def __init__(self, name: str, out: TextIOWrapper) -> None:
        self.name = name
        self.rows = 0
        self._out = out
        self._letters: list[str] = []

    def add(self, cells: Sequence[str]) -> None:
        """Write the next row."""
        self.rows += 1
        self._letters += [_letters(place) for place in range(len(self._letters), len(cells))]
        places = zip(self._letters, cells, strict=False)  # rows before may have been wider
        found = "".join(f'<c r="{place}{self.rows}"{cell}' for place, cell in places if cell)
        self._out.write(f'<row r="{self.rows}">{found}</row>')


def text_cell(text: str, style: int | None = None) -> str:
    """Return a cell that holds `text` as such, so that nothing in it is a formula or a number."""
    said = "" if style is None else f' s="{style}"'
    return f'{said} t="inlineStr"><is><t xml:space="preserve">{escaped(text)}</t></is></c>'


def escaped(text: str) -> str:
    """Return `text` as the XML of a workbook holds it."""
    return escape(_UNWRITABLE.sub(lambda found: f"_x{ord(found[0]):04X}_", text))


def _relations(targets: Iterable[tuple[str, str]]) -> str:
    found = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for n, (target, kind) in enumerate(targets, start=1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{found}</Relationships>'


def _start(headers: Sequence[str]) -> str:
    widths = "".join(
        f'<col min="{n}" max="{n}" width="{min(40, max(12, len(header) + 4))}" customWidth="1"/>'
        for n, header in enumerate(headers, start=1)
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
