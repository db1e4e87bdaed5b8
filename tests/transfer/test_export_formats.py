"""A world in every format: hostile texts come back as they were, and no cell is a formula."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from workbench.database.engine import Database
from workbench.entities.world import World
from workbench.errors import Refused
from workbench.transfer.export import export
from workbench.transfer.export_formats import FORMATS
from workbench.transfer.load import load
from workbench.workspace import Workspace

HOSTILE = {
    "formula": '=HYPERLINK("http://example.org/?"&A1)',
    "plus": "+1+cmd|' /C calc'!A0",
    "at": "@SUM(1;2)",
    "blank": "  =1+1",
    "invisible": "\u200b=1+1",
    "tab": "\t=1+1",
    "break": "\r=1+1",
    "minus": "-1+2",
    "bullet": "- a list\n- of two",
    "negative": "-5",
    "negative fraction": "-1.5e-7",
    "apostrophe": "'=1+1",
    "two apostrophes": "''@x",
    "a word": "'tis",
    "breaks": "one\rtwo\nthree\r\nfour\n",
    "quotes": 'He said, "Ay, ""ay"""; a\tb',
    "bidi": "abc\u202edcba\u2066x\u2069",
    "controls": "bell\x07 escape\x1b vertical\x0b unit\x1f delete\x7f\x85",
    "no characters": "\ufffe and \uffff",
    "escape of Excel": "_x000D_ and _x005F_x0041_",
    "markup": "<r><t>bold</t></r>",
    "cdata": "]]><script>alert(1)</script>&amp;",
    "zeros": "007",
    "date": "1001-12-31",
    "true": "TRUE",
    "null": "null",
    "number": "1e5",
    "huge": "123456789012345678901234567890",
    "emoji": "👩🏽‍🚀 and 🏳️‍🌈",
    "combined": "Zalgo̷̡͗ e\u0301",
    "separator": "a\u2028b\u2029c",
    "long": "x" * 32_767,
}
ATTRIBUTES = {
    "=cmd": "a key that is a formula",
    "born": "1170",
    "died": "0099",
    "empty": "",
    "nothing": None,
    "huge": 123456789012345678901234567890,
    "deep": {"list": [1, 2.5, {"text": "=1+1\n"}], "null": None, "ü": True},
    "motto": "=1+1",
}


@pytest.fixture
async def hostile(wb: Workspace) -> World:
    """A world of values that are hard to write."""
    world = await wb.worlds.add(name="=Elsinore", attributes={"year": "1601"})
    out = io.BytesIO()
    Image.new("L", (3, 2), 7).save(out, "PNG")
    image = await wb.images.add(worldid=world.id, name="@Ghost", content=out.getvalue())
    story = await wb.stories.add(worldid=world.id, name="-Hamlet-")
    act = await wb.acts.add(storyid=story.id, name="<r>Act</r>", position=1)
    for number, (name, text) in enumerate(HOSTILE.items()):
        await wb.scenes.add(
            actid=act.id,
            name=name,
            text=text,
            description=text,
            position=number + 1,
            story_time=-number / 3,
            tags=["=x", "a;b", "[c", "-1"] if number % 2 else [],
        )
    persona = await wb.personas.add(
        worldid=world.id,
        name="+Ophelia",
        aliases=["'@Fée"],
        attributes=ATTRIBUTES,
        imageid=image.id,
    )
    other = await wb.personas.add(worldid=world.id, name="'=Hamlet", attributes={"born": "-1150"})
    await wb.locations.add(worldid=world.id, name="0010", x=0.1 + 0.2, y=1 / 3)
    await wb.persona_relations.add(
        personaid=persona.id, otherid=other.id, kind="=loves", mutual=True
    )
    return world


@pytest.mark.parametrize("format", FORMATS)
async def test_every_text_comes_back_in_every_format(
    format: str,
    wb: Workspace,
    hostile: World,
    empty: Database,
    content_of: Any,
    tmp_path: Path,
) -> None:
    written = await wb.export(tmp_path, world=hostile, format=format)
    report = await wb.load(tmp_path)  # the picture's size and thumbnail become known
    assert not report.problems
    report = await wb.load(tmp_path)
    full = {plural: rows for plural, rows in written.tables.items() if rows}
    assert {p: c.unchanged for p, c in report.tables.items() if c.read} == full
    report = await load(empty, tmp_path)
    assert not report.problems
    copy = await Workspace(empty).worlds.get(name="=Elsinore")
    assert await content_of(wb.database, hostile.id) == await content_of(empty, copy.id)


def cells_of(file: Path) -> list[str]:
    with file.open(encoding="utf-8", newline="") as lines:
        return [cell for row in csv.reader(lines) for cell in row]


async def test_no_cell_of_a_csv_file_is_a_formula(wb: Workspace, hostile: World, tmp_path: Path):
    report = await wb.export(tmp_path, world=hostile)
    for plural in report.tables:
        cells = cells_of(tmp_path / f"{plural}.csv")
        armed = [c for c in cells if c.strip("\u200b ")[:1] in tuple("=+-@\t\r") and c.strip()]
        assert all(float(cell) < 0 for cell in armed), armed


def part_of(path: Path, part: str) -> ElementTree.Element:
    with zipfile.ZipFile(path) as book:
        return ElementTree.fromstring(book.read(part))


async def test_a_workbook_has_texts_that_are_marked_as_such_and_no_formulas(
    wb: Workspace, hostile: World, tmp_path: Path
) -> None:
    report = await wb.export(tmp_path, world=hostile, format="xlsx")
    book = part_of(tmp_path / "world.xlsx", "xl/workbook.xml")
    sheets = [s.get("name") for s in book.iter() if s.tag.endswith("}sheet")]
    assert sheets == list(report.tables)
    styles = part_of(tmp_path / "world.xlsx", "xl/styles.xml")
    marked = [
        number
        for number, style in enumerate(
            [one for group in styles if group.tag.endswith("cellXfs") for one in group]
        )
        if style.get("quotePrefix") == "1"
    ]
    for number, _ in enumerate(sheets, start=1):
        sheet = part_of(tmp_path / "world.xlsx", f"xl/worksheets/sheet{number}.xml")
        for cell in (one for one in sheet.iter() if one.tag.endswith("}c")):
            assert not [one for one in cell if one.tag.endswith("}f")]
            text = "".join(one.text or "" for one in cell.iter() if one.tag.endswith("}t"))
            if text.lstrip("\u200b \t")[:1] in tuple("=+@"):
                assert int(cell.get("s", "0")) in marked, text


async def test_json_keeps_attributes_as_they_are(wb: Workspace, hostile: World, tmp_path: Path):
    await wb.export(tmp_path / "one", world=hostile, format="json")
    await wb.export(tmp_path / "two", world=hostile, format="jsonl")
    [other, persona] = json.loads((tmp_path / "one" / "personas.json").read_text("utf-8"))
    lines = (tmp_path / "two" / "personas.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [other, persona]
    assert persona["attributes"] == ATTRIBUTES
    assert persona["aliases"] == ["'@Fée"]
    assert persona["image"] == "@Ghost"


async def test_typed_files_have_types(wb: Workspace, hostile: World, tmp_path: Path) -> None:
    await wb.export(tmp_path, world=hostile, format="parquet")
    schema = pq.read_schema(tmp_path / "scenes.parquet")
    assert schema.field("position").type == pa.int64()
    assert schema.field("story_time").type == pa.float64()
    assert schema.field("tags").type == pa.list_(pa.string())
    [image] = pq.read_table(tmp_path / "images.parquet").to_pylist()
    assert (tmp_path / image["file"]).read_bytes().startswith(b"\x89PNG")


async def test_a_text_that_no_cell_of_excel_holds_is_refused_by_its_row(
    wb: Workspace, hostile: World, tmp_path: Path
) -> None:
    scene = (await wb.scenes.find(name="long")).records[0]
    await wb.scenes.update(scene, text="😀" * 16_384)  # two units each
    with pytest.raises(Refused, match=r"scenes, row 32: the text in 'text' has 32,768 .*Parquet"):
        await wb.export(tmp_path / "out", world=hostile, format="xlsx")
    assert not (tmp_path / "out").exists()


async def test_a_sheet_that_is_too_long_for_excel_is_refused(
    database: Database, hostile: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.transfer import export_excel

    rows = len(HOSTILE)
    monkeypatch.setattr(export_excel, "MAXIMUM_ROWS", rows + 1)
    await export(database, hostile.id, tmp_path / "fits", format="xlsx")
    monkeypatch.setattr(export_excel, "MAXIMUM_ROWS", rows)
    with pytest.raises(Refused, match=f"scenes: a sheet of Excel takes {rows - 1} rows"):
        await export(database, hostile.id, tmp_path / "out", format="xlsx")
    assert not (tmp_path / "out").exists()
