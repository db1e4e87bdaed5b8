"""A world as files: complete, readable, safe to write, and the same when imported again."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from workbench.database import columnar
from workbench.database.engine import Database
from workbench.entities.world import World
from workbench.errors import NotFound, Refused, WorkbenchError
from workbench.transfer.dates import CERTAIN_DATE, is_date
from workbench.transfer.export import export
from workbench.transfer.export_folder import prepared
from workbench.transfer.load import load
from workbench.workspace import Workspace

FILES = {
    "worlds.csv",
    "images.csv",
    "books.csv",
    "stories.csv",
    "acts.csv",
    "locations.csv",
    "personas.csv",
    "things.csv",
    "scenes.csv",
    "scene_personas.csv",
    "scene_things.csv",
    "persona_relations.csv",
}


def picture(format: str, colour: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (3, 2), colour).save(out, format)
    return out.getvalue()


def rows(folder: Path, plural: str) -> list[dict[str, str]]:
    with (folder / f"{plural}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
async def elsinore(wb: Workspace) -> World:
    """A world that uses everything, with values that are hard to write."""
    world = await wb.worlds.add(name="Elsinore; Kronborg", attributes={"year": "1601"})
    image = await wb.images.add(
        worldid=world.id, name="Ghost, at night: «Hø»", content=picture("PNG", 7)
    )
    await wb.images.add(worldid=world.id, name="A picture elsewhere", source_url="http://a/b?c=d")
    await wb.worlds.update(world, imageid=image.id)
    book = await wb.books.add(worldid=world.id, name="Folio", position=1)
    story = await wb.stories.add(worldid=world.id, name="Hamlet", bookid=book.id)
    second = await wb.acts.add(storyid=story.id, name="Act I", position=2)
    first = await wb.acts.add(storyid=story.id, name="Act II", position=1)
    castle = await wb.locations.add(worldid=world.id, name="Castle", x=0.1, y=1 / 3)
    hall = await wb.locations.add(worldid=world.id, name="A hall", parentid=castle.id)
    late = await wb.scenes.add(
        actid=second.id,
        name='He said, "Ay"',
        description="one\rtwo\nthree\r\nfour",
        text="  kept as it is  ",
        story_time=-1.25e-7,
        locationid=hall.id,
        tags=["a;b", "[c"],
        attributes={"mood": "dark", "note": "", "seen": 3, "name": "clash", "a,b": "x"},
    )
    await wb.scenes.add(actid=first.id, name="Prologue", attributes={"mood": "light, airy"})
    persona = await wb.personas.add(
        worldid=world.id, name="Ophelia", aliases=["Fée", "O'F"], imageid=image.id, tags=["x", "y"]
    )
    other = await wb.personas.add(worldid=world.id, name="Hamlet % \\ $1 :x")
    thing = await wb.things.add(worldid=world.id, name="Skull", personaid=other.id)
    await wb.scene_personas.add(
        sceneid=late.id, personaid=persona.id, words=3, attributes={"guise": "mad"}
    )
    await wb.scene_things.add(sceneid=late.id, thingid=thing.id, note="=1+1")
    await wb.persona_relations.add(
        personaid=persona.id, otherid=other.id, kind="loves", mutual=True
    )
    return world


async def test_an_export_writes_a_file_for_every_table(
    database: Database, elsinore: World, tmp_path: Path
) -> None:
    report = await export(database, elsinore.id, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").glob("*.csv")} == FILES
    assert {f"{plural}.csv" for plural in report.tables} == FILES
    assert report.tables["scenes"] == len(rows(tmp_path / "out", "scenes")) == 2
    assert report.pictures == 1
    assert not report.notes
    assert json.loads(json.dumps(report.as_json()))["tables"]["acts"] == 2


async def test_files_name_rows_by_words_in_order_of_position(
    database: Database, elsinore: World, tmp_path: Path
) -> None:
    await export(database, elsinore.id, tmp_path)
    prologue, late = rows(tmp_path, "scenes")
    assert list(late)[:4] == ["world", "story", "act", "name"]
    assert (prologue["act"], prologue["name"]) == ("Act II", "Prologue")
    assert late["name"] == 'He said, "Ay"'
    assert late["world"] == "Elsinore; Kronborg"
    assert late["location"] == "A hall"
    assert late["owner"] == "tester@localhost"
    assert float(late["story_time"]) == -1.25e-7
    assert late["description"] == "one\rtwo\nthree\r\nfour"
    assert late["text"] == "  kept as it is  "
    assert json.loads(late["tags"]) == ["a;b", "[c"]
    assert not {"id", "worldid", "actid", "version", "created_at", "deleted_at"} & set(late)
    (cast,) = rows(tmp_path, "scene_personas")
    assert list(cast)[:5] == ["world", "story", "act", "scene", "persona"]
    assert cast["guise"] == "mad"
    (relation,) = rows(tmp_path, "persona_relations")
    assert (relation["persona"], relation["other"]) == ("Ophelia", "Hamlet % \\ $1 :x")
    assert relation["mutual"] == "true"
    (world,) = rows(tmp_path, "worlds")
    assert (world["image"], world["year"]) == ("Ghost, at night: «Hø»", "1601")
    assert rows(tmp_path, "personas")[1]["aliases"] == "Fée; O'F"


async def test_only_keys_that_always_hold_plain_text_become_columns(
    database: Database, elsinore: World, tmp_path: Path
) -> None:
    await export(database, elsinore.id, tmp_path)
    prologue, late = rows(tmp_path, "scenes")
    assert (prologue["mood"], late["mood"]) == ("light, airy", "dark")
    assert prologue["attributes"] == ""
    assert json.loads(late["attributes"]) == {
        "note": "",
        "seen": 3,
        "name": "clash",
        "a,b": "x",
    }


async def test_a_table_without_rows_has_its_header(
    database: Database, wb: Workspace, tmp_path: Path
) -> None:
    world = await wb.worlds.add(name="Empty")
    await export(database, world.id, tmp_path)
    assert (tmp_path / "acts.csv").read_text(encoding="utf-8") == (
        "world,story,name,display_name,description,position,owner,tags\n"
    )
    assert not (tmp_path / "pictures").exists()


async def test_pictures_lie_beside_the_files_under_safe_names(
    database: Database, wb: Workspace, elsinore: World, tmp_path: Path
) -> None:
    more = {"../../etc/passwd": "PNG", "GHOST at night h": "PNG", "NUL": "JPEG", "絵": "GIF"}
    for colour, (name, format) in enumerate(more.items()):
        await wb.images.add(worldid=elsinore.id, name=name, content=picture(format, colour))
    await wb.images.add(worldid=elsinore.id, name="no picture", content=b"<svg/>")
    report = await export(database, elsinore.id, tmp_path)
    files = {row["name"]: row["file"] for row in rows(tmp_path, "images")}
    assert files["GHOST at night h"] == "pictures/ghost_at_night_h.png"
    assert files["Ghost, at night: «Hø»"] == "pictures/ghost_at_night_h_2.png"
    assert files["../../etc/passwd"] == "pictures/etc_passwd.png"
    assert files["NUL"] == "pictures/nul_.jpg"
    assert files["絵"] == "pictures/picture.gif"
    assert files["A picture elsewhere"] == ""
    assert (tmp_path / files["../../etc/passwd"]).read_bytes() == picture("PNG", 0)
    assert len({name.casefold() for name in files.values() if name}) == 6
    assert "no_picture.bin" in files["no picture"]
    assert [note.split(":")[0] for note in report.notes] == ["pictures"]


async def test_what_is_in_the_trash_is_left_out_and_told(
    database: Database, wb: Workspace, elsinore: World, tmp_path: Path
) -> None:
    await wb.personas.remove(await wb.personas.get(name="Ophelia", worldid=elsinore.id))
    await wb.locations.remove(await wb.locations.get(name="A hall", worldid=elsinore.id))
    report = await export(database, elsinore.id, tmp_path)
    assert [row["name"] for row in rows(tmp_path, "personas")] == ["Hamlet % \\ $1 :x"]
    assert rows(tmp_path, "scene_personas") == []
    assert rows(tmp_path, "persona_relations") == []
    assert rows(tmp_path, "scenes")[1]["location"] == ""
    # A relation whose own persona is in the trash is there along with it: nothing is lost.
    assert [note.split(":")[0] for note in report.notes] == ["scenes", "scene_personas"]


async def test_a_folder_with_other_files_is_refused(
    database: Database, elsinore: World, tmp_path: Path
) -> None:
    (tmp_path / "acts.csv").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine too")
    with pytest.raises(Refused, match="overwrite=True"):
        await export(database, elsinore.id, tmp_path)
    assert (tmp_path / "acts.csv").read_text() == "mine"
    await export(database, elsinore.id, tmp_path, overwrite=True)
    assert len(rows(tmp_path, "acts")) == 2
    assert (tmp_path / "notes.txt").read_text() == "mine too"


async def test_a_failure_leaves_nothing_half_done(
    database: Database, elsinore: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.transfer import export as module

    written: list[str] = []
    real = module.layout

    def full(stored: Any, *rest: Any) -> Any:
        if len(written) == 3:
            raise OSError(28, "No space left on device", stored.plural)
        written.append(stored.plural)
        return real(stored, *rest)

    monkeypatch.setattr(module, "layout", full)
    with pytest.raises(WorkbenchError, match="No space left"):
        await export(database, elsinore.id, tmp_path / "deep" / "out")
    assert names(tmp_path) == []
    monkeypatch.undo()
    report = await export(database, elsinore.id, tmp_path / "deep" / "out")
    assert report.tables["scenes"] == 2


async def test_a_failure_leaves_an_earlier_export_whole(
    database: Database, wb: Workspace, elsinore: World, tmp_path: Path
) -> None:
    await export(database, elsinore.id, tmp_path)
    (tmp_path / "scenes.csv").unlink()
    (tmp_path / "scenes.csv").mkdir()
    before = sorted(names(tmp_path))
    acts = (tmp_path / "acts.csv").read_bytes()
    await wb.acts.add(storyid=(await wb.stories.find()).records[0].id, name="Act IX")
    with pytest.raises(WorkbenchError, match=r"scenes.csv: this .*it is a folder.*Nothing is exp"):
        await export(database, elsinore.id, tmp_path, overwrite=True)
    assert sorted(names(tmp_path)) == before
    assert (tmp_path / "acts.csv").read_bytes() == acts


@pytest.mark.parametrize("moved", [0, 1, 4])
async def test_an_export_that_is_cut_off_is_whole_after_the_next(
    database: Database,
    wb: Workspace,
    elsinore: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moved: int,
) -> None:
    from workbench.transfer import export_folder

    out = tmp_path / "out"

    class PowerCut(BaseException):
        pass

    left = [None] * moved
    real = os.replace

    def replace(*paths: Any) -> None:
        if not left:
            raise PowerCut
        left.pop()
        real(*paths)

    await export(database, elsinore.id, out)
    (out / "notes.txt").write_text("mine")
    await wb.acts.add(storyid=(await wb.stories.find()).records[0].id, name="Act IX")
    monkeypatch.setattr(export_folder.os, "replace", replace)
    with pytest.raises(PowerCut):
        await export(database, elsinore.id, out, overwrite=True)
    monkeypatch.undo()
    for source in (out, out / "acts.csv"):
        report = await load(database, source)
        assert [p.file for p in report.problems] == [str(out)]
        assert "was cut off" in report.problems[0].message

    with pytest.raises(Refused, match="overwrite=True"):
        await export(database, elsinore.id, out)
    assert ".workbench-export" not in names(out)
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    await export(database, elsinore.id, tmp_path / "fresh")
    assert files(out) == files(tmp_path / "fresh")


KILLED = """
import os, signal, sys
from pathlib import Path
from workbench.transfer.export_folder import prepared
with prepared(Path(sys.argv[1]), overwrite=False) as unfinished:
    (unfinished / "acts.csv").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no locks of this kind")
async def test_what_a_killed_export_has_left_goes_with_the_next(
    database: Database, elsinore: World, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(out))
    assert await killed.wait() == -signal.SIGKILL
    (left,) = names(out)
    assert left.startswith(".workbench-export-")
    with prepared(out, overwrite=False) as unfinished:  # one that is at work
        await export(database, elsinore.id, out)
        assert unfinished.is_dir()
    assert not [name for name in names(out) if name.startswith(".")]
    await export(database, elsinore.id, tmp_path / "fresh")
    assert files(out) == files(tmp_path / "fresh")


async def test_pictures_are_not_written_through_a_link(
    database: Database, elsinore: World, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "pictures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WorkbenchError, match="Nothing is exported"):
        await export(database, elsinore.id, tmp_path / "out", overwrite=True)
    assert names(tmp_path / "elsewhere") == []
    assert names(tmp_path / "out") == ["pictures"]


async def test_a_path_that_is_a_file_is_refused(
    database: Database, elsinore: World, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(Refused, match="is a file"):
        await export(database, elsinore.id, tmp_path / "out")


async def test_a_world_in_the_trash_is_not_exported(
    database: Database, wb: Workspace, elsinore: World, tmp_path: Path
) -> None:
    await wb.worlds.remove(await wb.worlds.get(elsinore.id))
    with pytest.raises(NotFound):
        await export(database, elsinore.id, tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_an_export_inside_a_transaction_is_refused(
    database: Database, elsinore: World, tmp_path: Path
) -> None:
    async with database.transaction():
        with pytest.raises(Refused, match="transaction"):
            await export(database, elsinore.id, tmp_path)


async def test_an_unknown_format_is_refused(
    database: Database, elsinore: World, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="csv"):
        await export(database, elsinore.id, tmp_path, format="docx")


async def test_importing_an_export_again_changes_nothing(
    database: Database, elsinore: World, tmp_path: Path
) -> None:
    await export(database, elsinore.id, tmp_path)
    await load(database, tmp_path)  # the picture's size and thumbnail become known
    first = await export(database, elsinore.id, tmp_path, overwrite=True)
    report = await load(database, tmp_path)
    assert not report.problems
    assert {plural: (c.read, c.unchanged) for plural, c in report.tables.items()} == {
        plural: (count, count) for plural, count in first.tables.items()
    }


async def test_an_export_makes_the_same_world_in_another_database(
    database: Database, elsinore: World, empty: Database, content_of: Any, tmp_path: Path
) -> None:
    await export(database, elsinore.id, tmp_path / "one")
    report = await load(empty, tmp_path / "one")
    assert not report.problems
    copy = await Workspace(empty).worlds.get(name="Elsinore; Kronborg")
    await load(database, tmp_path / "one")
    assert await content_of(database, elsinore.id) == await content_of(empty, copy.id)
    await export(database, elsinore.id, tmp_path / "two")
    await export(empty, copy.id, tmp_path / "three")
    assert files(tmp_path / "two") == files(tmp_path / "three")
    columnar.close(empty)


@pytest.mark.parametrize("source", ["demo", "shakespeare"])
async def test_real_worlds_come_back_as_they_were(
    source: str, database: Database, wb: Workspace, request: Any, tmp_path: Path
) -> None:
    folder = Path(str(resources.files("workbench.demo") / "world"))
    if source == "shakespeare":
        folder = request.getfixturevalue("shared") / "shakespeare"
    (await load(database, folder)).raise_for_problems()
    for world in (await wb.worlds.find()).records:
        written = await export(database, world.id, tmp_path / str(world.id))
        again = await load(database, tmp_path / str(world.id))
        assert not again.problems
        assert {p: c.unchanged for p, c in again.tables.items()} == written.tables


async def test_what_is_called_a_date_and_is_none_comes_back_too(wb: Workspace, tmp_path: Path):
    world = await wb.worlds.add(name="Elsinore")
    for number, premiered in enumerate(["um 1800", "1801-06-14"]):
        await wb.stories.add(
            worldid=world.id,
            name=f"Story {number}",
            attributes={"date_premiered": premiered, "date_written": "1801-02"},
        )
    await wb.export(tmp_path / "out", world=world)
    header = (tmp_path / "out" / "stories.csv").read_text("utf-8").splitlines()[0]
    assert "date_written" in header
    assert "date_premiered" not in header
    report = await wb.load(tmp_path / "out")
    assert not report.problems, report
    kept = [one.attributes["date_premiered"] for one in await wb.stories.find(world=world)]
    assert sorted(kept) == ["1801-06-14", "um 1800"]


async def test_every_date_that_an_export_makes_a_column_of_is_one(sql: Any):
    texts = [f"{y:04}-{m:02}-{d:02}" for y in (1600, 1999) for m in range(14) for d in range(33)]
    texts += ["1801", "1801-06", "1801-13", "801", "1801-6", "1801?", "10000-01-01"]
    rows = await sql.fetch(
        "SELECT t, t ~ $2 AS fits FROM unnest($1::text[]) AS t", texts, CERTAIN_DATE
    )
    fits = {row["t"] for row in rows if row["fits"]}
    assert fits <= {text for text in texts if is_date(text)}
    assert {text for text in texts if is_date(text)} - fits <= {"1600-02-29"}
