"""Excel workbooks: which sheets and rows are read, what cells say, and what is refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from workbench.transfer import workbook
from workbench.transfer.options import Reading

Rows = Callable[..., Any]

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATED = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
DATES = (
    f'<styleSheet {MAIN}><numFmts><numFmt numFmtId="164" formatCode="dd\\.mm\\.yyyy hh:mm"/>'
    '<numFmt numFmtId="165" formatCode="0.0 &quot;days&quot;"/></numFmts><cellXfs>'
    '<xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs>'
    "</styleSheet>"
)


def row(number: int, *cells: str | None) -> str:
    """Return a row of texts as a sheet has it."""
    made = "".join(
        f'<c r="{chr(65 + place)}{number}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
        for place, cell in enumerate(cells)
        if cell is not None
    )
    return f'<row r="{number}">{made}</row>'


def book(
    path: Path,
    sheets: Mapping[str, str],
    *,
    hidden: str = "",
    below: str = "",
    texts: str | None = None,
    prefix: str = "",
    epoch: str = "0",
) -> Path:
    """Write a workbook whose sheets have these rows."""
    names = list(sheets)
    entries = "".join(
        f'<sheet name="{name}" sheetId="{i}" r:id="rId{i}" '
        f'state="{"hidden" if name == hidden else "visible"}"/>'
        for i, name in enumerate(names)
    )
    relations = "".join(
        f'<Relationship Id="rId{i}" Target="worksheets/sheet{i}.xml"/>' for i in range(len(names))
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(
            "xl/workbook.xml",
            f'<workbook {MAIN} {RELATED}><workbookPr date1904="{epoch}"/><sheets>{entries}</sheets>'
            "</workbook>",
        )
        out.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{relations}</Relationships>")
        out.writestr("xl/styles.xml", DATES)
        if texts is not None:
            out.writestr("xl/sharedStrings.xml", texts)
        for i, rows in enumerate(sheets.values()):
            out.writestr(
                f"xl/worksheets/sheet{i}.xml",
                f"{prefix}<worksheet {MAIN}><sheetData>{rows}</sheetData>{below}</worksheet>",
            )
    return path


HEADER = row(1, "world", "name")
OSRIC = HEADER + row(2, "Elsinore", "Osric")


def test_a_workbook_with_a_sheet_for_each_table_is_like_a_folder(
    tmp_path: Path, rows_of: Rows
) -> None:
    path = book(
        tmp_path / "elsinore.xlsx",
        {"Cover": row(1, "Denmark"), "personas": OSRIC, "Things": OSRIC, "acts": HEADER},
        hidden="acts",
    )
    rows, findings, _ = rows_of(path)
    assert rows == [{"world": "Elsinore", "name": "Osric"}] * 2
    assert findings.notes == ["elsinore.xlsx: sheets that are not read: Cover, acts."]


def test_the_one_sheet_of_a_file_is_of_the_table_that_its_name_tells(
    tmp_path: Path, rows_of: Rows
) -> None:
    path = book(tmp_path / "personas.xlsx", {"Sheet1": OSRIC, "Sheet2": ""})
    assert rows_of(path)[0] == [{"world": "Elsinore", "name": "Osric"}]
    path = book(tmp_path / "personas.xlsx", {"Sheet1": OSRIC, "Sheet2": OSRIC})
    _, findings, _ = rows_of(path)
    assert "Its sheets are 'Sheet1', 'Sheet2', and none" in findings.problems[0].message
    assert rows_of(path, Reading(sheet="sheet2"))[0] == [{"world": "Elsinore", "name": "Osric"}]
    _, findings, _ = rows_of(path, Reading(sheet="Sheet3"))
    assert "It has no sheet 'Sheet3'. It has 'Sheet1', 'Sheet2'." in findings.problems[0].message


def test_a_hidden_sheet_is_read_only_when_asked_for(tmp_path: Path, rows_of: Rows) -> None:
    path = book(tmp_path / "personas.xlsx", {"A": OSRIC, "B": OSRIC}, hidden="B")
    assert len(rows_of(path)[0]) == 1
    assert len(rows_of(path, Reading(sheet="B"))[0]) == 1


def test_a_header_is_found_below_a_title_or_chosen(tmp_path: Path, rows_of: Rows) -> None:
    sheet = (
        row(1, "My world")
        + row(3, "world", None, "Display Name", "name")
        + row(4, "Elsinore", None, "Lord", "Osric")
        + row(7, "name", None, "world", None)
    )
    path = book(tmp_path / "personas.xlsx", {"A": sheet})
    rows, findings, labels = rows_of(path)
    assert rows[0] == {"world": "Elsinore", "Display Name": "Lord", "name": "Osric"}
    assert labels == [1, 2]
    assert "personas.xlsx, sheet A: the header is row 3." in findings.notes
    assert rows_of(path, Reading(header_row=7))[0] == []
    _, findings, _ = rows_of(path, Reading(header_row=2))
    assert "Row 2 is empty: it is no header." in findings.problems[0].message


def test_a_sheet_without_a_header_is_refused(tmp_path: Path, rows_of: Rows) -> None:
    path = book(tmp_path / "personas.xlsx", {"A": row(1, "Elsinore", "Osric")})
    _, findings, _ = rows_of(path)
    assert "has the name of a column of personas" in findings.problems[0].message


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c r="B2"><v>1984</v></c>', "1984"),
        ('<c r="B2"><v>0.10000000000000001</v></c>', "0.1"),
        ('<c r="B2" t="b"><v>1</v></c>', "TRUE"),
        ('<c r="B2" s="1"><v>36525</v></c>', "1999-12-31"),
        ('<c r="B2" s="2"><v>36525.75</v></c>', "1999-12-31T18:00:00"),
        ('<c r="B2" s="3"><v>36525</v></c>', "36525"),
        ('<c r="B2" t="d"><v>1801-06-14</v></c>', "1801-06-14"),
        ('<c r="B2" t="str"><f>A1&amp;A1</f><v>worldworld</v></c>', "worldworld"),
        ('<c r="B2"><f>1+1</f><v>2</v></c>', "2"),
        ('<c r="B2" t="str"><f>""</f><v></v></c>', None),
        ('<c r="B2" t="s"><v>1</v></c>', "Rosencrantz & Guildenstern"),
        ('<c r="B2" t="inlineStr"><is><r><t>Os</t></r><r><t>ric</t></r></is></c>', "Osric"),
        (
            '<c r="B2" t="inlineStr"><is><t>a_x000A_b_xD83D_</t></is></c>',
            "a\nb\N{REPLACEMENT CHARACTER}",
        ),
    ],
)
def test_cells_are_read_as_people_mean_them(
    tmp_path: Path, rows_of: Rows, cell: str, text: str | None
) -> None:
    texts = (
        f"<sst {MAIN}><si><t>none</t></si><si><r><t>Rosencrantz</t></r><r><t> &amp; Guildenstern"
        "</t></r><rPh><t>phonetic</t></rPh></si></sst>"
    )
    world = '<c r="A2" t="inlineStr"><is><t>Elsinore</t></is></c>'
    sheet = f'{HEADER}<row r="2">{world}{cell}</row>'
    rows, findings, _ = rows_of(book(tmp_path / "personas.xlsx", {"A": sheet}, texts=texts))
    assert rows == [{"world": "Elsinore", "name": text}]
    assert findings.problems == []


def test_days_may_be_counted_from_1904(tmp_path: Path, rows_of: Rows) -> None:
    sheet = HEADER + '<row r="2"><c r="B2" s="1"><v>0</v></c></row>'
    path = book(tmp_path / "personas.xlsx", {"A": sheet}, epoch="1")
    assert rows_of(path)[0][0]["name"] == "00:00:00"
    sheet = HEADER + '<row r="2"><c r="B2" s="1"><v>1</v></c></row>'
    path = book(tmp_path / "personas.xlsx", {"A": sheet}, epoch="1")
    assert rows_of(path)[0][0]["name"] == "1904-01-02"


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ('<c r="B2"><f>A1</f></c>', "This formula has no value yet"),
        ('<c r="B2" t="e"><v>#REF!</v></c>', "This cell is an error in the workbook"),
        ('<c r="B2" s="1"><v>1e300</v></c>', "This is no date that Excel can show"),
        ('<c r="C2"><v>1</v></c>', "in a column that has no name"),
    ],
)
def test_cells_that_say_nothing_are_refused(
    tmp_path: Path, rows_of: Rows, cell: str, words: str
) -> None:
    sheet = f'{HEADER}<row r="2">{cell}</row>'
    _, findings, _ = rows_of(book(tmp_path / "personas.xlsx", {"A": sheet}))
    assert [(p.row, words in p.message) for p in findings.problems] == [(1, True)]


def test_cells_that_are_merged_downwards_count_for_each_row(tmp_path: Path, rows_of: Rows) -> None:
    sheet = HEADER + row(2, "Elsinore", "Osric") + row(3, None, "Yorick") + row(4, None, "Lear")
    merged = '<mergeCells><mergeCell ref="A2:A3"/><mergeCell ref="A1:B1"/></mergeCells>'
    rows, _, _ = rows_of(book(tmp_path / "personas.xlsx", {"A": sheet}, below=merged))
    assert [row["world"] for row in rows] == ["Elsinore", "Elsinore", None]


def test_pieces_are_small_and_numbered_on(
    tmp_path: Path, rows_of: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.transfer import in_pieces

    sheet = HEADER + "".join(row(n, "Elsinore", f"Osric {n}") for n in range(2, 12))
    path = book(tmp_path / "personas.xlsx", {"A": sheet})
    whole = rows_of(path)
    monkeypatch.setattr(in_pieces, "_ROWS", 3)
    monkeypatch.setattr(workbook, "_CHUNK_BYTES", 50)
    assert rows_of(path)[0] == whole[0]
    assert rows_of(path)[2] == whole[2] == list(range(1, 11))


BOMB = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
REMOTE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("prefix", [BOMB, REMOTE])
def test_entities_are_refused(tmp_path: Path, rows_of: Rows, prefix: str) -> None:
    path = book(tmp_path / "personas.xlsx", {"A": OSRIC}, prefix=prefix)
    rows, findings, _ = rows_of(path)
    assert rows == []
    assert "declares entities" in findings.problems[0].message


def test_a_zip_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, rows_of: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = book(tmp_path / "personas.xlsx", {"A": OSRIC + " " * 100_000_000})
    assert path.stat().st_size < 200_000
    monkeypatch.delattr(zipfile.ZipFile, "open")
    _, findings, _ = rows_of(path)
    assert "it is taken for a zip bomb" in findings.problems[0].message


def test_a_cell_without_end_is_refused(
    tmp_path: Path, rows_of: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "_MAXIMUM_RATIO", 10_000)
    path = book(tmp_path / "personas.xlsx", {"A": HEADER + row(2, "Elsinore", "x" * 30_000_000)})
    _, findings, _ = rows_of(path)
    assert "far larger than Excel would make one" in findings.problems[0].message


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        (HEADER + '<row r="2"><c r="AAAA2"><v>1</v></c></row>', "which Excel has not"),
        (HEADER + '<row r="2"><c r="A2" t="s"><v>9</v></c></row>', "a text that is not there"),
        (HEADER + '<row r="x"/>', "is damaged"),
        (HEADER + "</row>", "is damaged"),
    ],
)
def test_a_damaged_sheet_is_refused(tmp_path: Path, rows_of: Rows, sheet: str, words: str) -> None:
    rows, findings, _ = rows_of(book(tmp_path / "personas.xlsx", {"A": sheet}))
    assert rows == []
    assert words in findings.problems[0].message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"name\nOsric\n", "This is not an Excel file, whatever its name says."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook, or one with a password"),
    ],
)
def test_what_is_no_workbook_is_refused(
    tmp_path: Path, rows_of: Rows, data: bytes, words: str
) -> None:
    (tmp_path / "personas.xlsx").write_bytes(data)
    assert words in rows_of(tmp_path / "personas.xlsx")[1].problems[0].message


def test_another_zip_file_is_no_workbook(tmp_path: Path, rows_of: Rows) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("../../outside.txt", "x")
    (tmp_path / "personas.xlsx").write_bytes(packed.getvalue())
    _, findings, _ = rows_of(tmp_path / "personas.xlsx")
    assert "This is not an Excel workbook" in findings.problems[0].message
    assert not (tmp_path.parent.parent / "outside.txt").exists()


@pytest.mark.parametrize("target", ["../../outside/worksheets/a.xml", "/etc/worksheets/a.xml"])
def test_a_workbook_leads_to_its_own_parts_only(tmp_path: Path, rows_of: Rows, target: str) -> None:
    outside = tmp_path / "outside" / "worksheets"
    outside.mkdir(parents=True)
    (outside / "a.xml").write_text(f"<worksheet {MAIN}><sheetData>{OSRIC}</sheetData></worksheet>")
    (tmp_path / "in").mkdir()
    path = book(tmp_path / "in" / "personas.xlsx", {"A": OSRIC})
    with zipfile.ZipFile(path, "a") as out, pytest.warns(UserWarning, match="Duplicate"):
        out.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships><Relationship Id="rId0" Target="{target}"/></Relationships>',
        )
    rows, findings, _ = rows_of(path)
    assert rows == []
    assert findings.problems


@pytest.mark.parametrize("name", ["../../outside.xml", "/tmp/outside.xml", "xl/worksheets/../x"])
def test_parts_of_a_workbook_are_written_nowhere(
    tmp_path: Path, rows_of: Rows, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = book(tmp_path / "personas.xlsx", {"A": OSRIC})
    with zipfile.ZipFile(path, "a") as out:
        out.writestr(name, "x")
    for way in ("extract", "extractall"):
        monkeypatch.delattr(zipfile.ZipFile, way)
    assert rows_of(path)[0] == [{"world": "Elsinore", "name": "Osric"}]


def test_a_cut_off_workbook_is_refused(tmp_path: Path, rows_of: Rows, shared: Path) -> None:
    whole = (shared / "formats" / "personas.xlsx").read_bytes()
    (tmp_path / "personas.xlsx").write_bytes(whole[: len(whole) // 2])
    assert "This is not an Excel file" in rows_of(tmp_path / "personas.xlsx")[1].problems[0].message


def test_a_real_workbook_reads_as_its_csv_files(rows_of: Rows, shared: Path) -> None:
    rows, findings, _ = rows_of(shared / "formats" / "personas.xlsx")
    plain, _, _ = rows_of(shared / "shakespeare" / "personas.csv")
    assert findings.problems == []
    assert rows == plain
