"""A workbook with one sheet of texts, as small as Excel still opens it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from workbench.transfer.workbook_xml import Cell

_TYPES = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">\
<Default Extension="rels" \
ContentType="application/vnd.openxmlformats-package.relationships+xml"/>\
<Default Extension="xml" ContentType="application/xml"/>\
<Override PartName="/xl/workbook.xml" ContentType=\
"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>\
<Override PartName="/xl/worksheets/sheet1.xml" ContentType=\
"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>\
</Types>"""
_RELATIONS = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">\
<Relationship Id="rId1" Target="{target}" \
Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{type}"/>\
</Relationships>"""
_WORKBOOK = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" \
xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">\
<sheets><sheet name={name} sheetId="1" r:id="rId1"/></sheets></workbook>"""
_SHEET = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"""
_SHEET_END = "</sheetData></worksheet>"
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def write_sheet(place: Path, name: str, rows: Iterable[Sequence[Cell | None]]) -> None:
    """Write a workbook of one sheet.

    Every cell is text, whatever it looks like, but for those that had no value where they were
    read: formulas and errors stay what they are.
    """
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("[Content_Types].xml", _TYPES)
        relation = _RELATIONS.format(target="xl/workbook.xml", type="officeDocument")
        out.writestr("_rels/.rels", relation)
        relation = _RELATIONS.format(target="worksheets/sheet1.xml", type="worksheet")
        out.writestr("xl/_rels/workbook.xml.rels", relation)
        out.writestr("xl/workbook.xml", _WORKBOOK.format(name=quoteattr(name)))
        with out.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(_SHEET.encode())
            for number, row in enumerate(rows, start=1):
                cells = "".join(
                    _cell(f"{_letters(place)}{number}", cell)
                    for place, cell in enumerate(row)
                    if cell is not None
                )
                sheet.write(f'<row r="{number}">{cells}</row>'.encode())
            sheet.write(_SHEET_END.encode())


def _cell(at: str, cell: Cell) -> str:
    # Excel's own escape for what XML cannot hold; an underscore that looks like one is escaped.
    text = re.sub(r"_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", cell.text)
    text = _NOT_IN_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    text = escape(text).replace("\r", "&#13;")
    if cell.problem is not None and text.startswith("="):
        return f'<c r="{at}"><f>{text[1:]}</f></c>'
    if cell.problem is not None:
        return f'<c r="{at}" t="e"><v>{text}</v></c>'
    return f'<c r="{at}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _letters(place: int) -> str:
    """Return how Excel calls a column.

    >>> _letters(0), _letters(26)
    ('A', 'AA')
    """
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
