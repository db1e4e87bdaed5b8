"""A world as one archive: whole, checked, the same when restored; hostile ones are refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from workbench.database.engine import Database
from workbench.entities.world import World
from workbench.errors import NotFound, Refused, UnreadableFile, WorkbenchError
from workbench.transfer.export import WORLD_TABLES
from workbench.transfer.restore import restore
from workbench.workspace import Workspace

Change = Callable[[dict[str, bytes]], None]


@pytest.fixture
async def elsinore(wb: Workspace) -> World:
    world = await wb.worlds.add(name="Elsinore", attributes={"year": 1601})
    out = io.BytesIO()
    Image.new("L", (3, 2), 7).save(out, "PNG")
    image = await wb.images.add(worldid=world.id, name="Ghost", content=out.getvalue())
    await wb.worlds.update(world, imageid=image.id)
    book = await wb.books.add(worldid=world.id, name="Folio", position=1)
    story = await wb.stories.add(worldid=world.id, name="Hamlet", bookid=book.id)
    act = await wb.acts.add(storyid=story.id, name="Act I", position=1)
    castle = await wb.locations.add(worldid=world.id, name="Castle", x=0.1, y=1 / 3)
    hall = await wb.locations.add(worldid=world.id, name="A hall", parentid=castle.id)
    scene = await wb.scenes.add(
        actid=act.id,
        name="=1+1",
        text="  kept\r\nas it is  ",
        locationid=hall.id,
        tags=["a;b", "[c"],
        attributes={"deep": [1, {"a": None}], "huge": 10**30, "no key": ""},
    )
    persona = await wb.personas.add(
        worldid=world.id, name="Ophelia", aliases=["Fée"], imageid=image.id
    )
    other = await wb.personas.add(worldid=world.id, name="Hamlet")
    thing = await wb.things.add(worldid=world.id, name="Skull", personaid=other.id)
    await wb.scene_personas.add(sceneid=scene.id, personaid=persona.id, words=3)
    await wb.scene_things.add(sceneid=scene.id, thingid=thing.id, note="'=x")
    await wb.persona_relations.add(
        personaid=persona.id, otherid=other.id, kind="loves", mutual=True
    )
    return world


@pytest.fixture
async def file(wb: Workspace, elsinore: World, tmp_path: Path) -> Path:
    path = tmp_path / "elsinore.zip"
    await wb.archive(elsinore, path)
    return path


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def summed(members: dict[str, bytes]) -> None:
    """Make the manifest say what is there."""
    manifest = json.loads(members["manifest.json"])
    manifest["members"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in members.items()
        if name != "manifest.json"
    }
    members["manifest.json"] = json.dumps(manifest).encode()


def changed(path: Path, change: Change) -> Path:
    """Return an archive like that at `path`, but changed."""
    members = members_of(path)
    change(members)
    made = path.with_name("changed.zip")
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return made


async def counted(database: Database) -> int:
    async with database.reading() as connection:
        rows = await connection.exec_driver_sql("SELECT count(*) FROM world")
        return int(rows.scalar_one())


async def test_an_archive_restores_to_an_equal_world_in_another_database(
    wb: Workspace, elsinore: World, empty: Database, content_of: Any, tmp_path: Path
) -> None:
    first = await wb.archive(elsinore, tmp_path / "one.zip")
    report = await wb.restore(tmp_path / "one.zip", merge=True)  # makes the thumbnail known
    assert not report.problems
    other = Workspace(empty)
    report = await other.restore(tmp_path / "one.zip")
    assert not report.problems
    assert {p: c.inserted for p, c in report.tables.items()} == first.tables
    copy = await other.worlds.get(name="Elsinore")
    assert copy.ownerid == empty.userid
    assert await content_of(wb.database, elsinore.id) == await content_of(empty, copy.id)
    await wb.archive(elsinore, tmp_path / "two.zip")
    await other.archive(copy, tmp_path / "three.zip")
    two, three = members_of(tmp_path / "two.zip"), members_of(tmp_path / "three.zip")
    for name in set(two) - {"manifest.json", "README.txt"}:
        same = two[name] == three[name]
        if name.endswith(".parquet"):  # that of the other may be in other groups of rows
            tables = [pq.read_table(pa.BufferReader(d)) for d in (two[name], three[name])]
            same = tables[0].equals(tables[1])
        assert same, name


async def test_an_archive_merges_into_a_world_only_when_asked(
    wb: Workspace, elsinore: World, file: Path
) -> None:
    hamlet = await wb.personas.get(name="Hamlet", worldid=elsinore.id)
    await wb.personas.update(hamlet, kind="prince")
    await wb.personas.add(worldid=elsinore.id, name="Osric")
    await wb.locations.remove(await wb.locations.get(name="A hall", worldid=elsinore.id))
    with pytest.raises(Refused, match="merge=True"):
        await wb.restore(file)
    report = await wb.restore(file, merge=True, dry_run=True)
    assert (report.written, report.tables["personas"].updated) == (False, 1)
    report = await wb.restore(file, merge=True)
    assert not report.problems
    assert report.tables["locations"].inserted == 1
    assert (await wb.personas.get(hamlet.id)).kind is None
    assert (await wb.personas.find(name="Osric")).records  # nothing is removed
    assert await wb.worlds.count() == 1


async def test_a_world_of_somebody_else_becomes_ones_own(
    wb: Workspace, owned: Workspace, content_of: Any, tmp_path: Path
) -> None:
    other = await owned.users.add(email="other@example.org", role="editor")
    foreign = await owned.worlds.add(name="Foreign", ownerid=other.id)
    await owned.personas.add(worldid=foreign.id, name="Osric", ownerid=other.id)
    with pytest.raises(NotFound):
        await wb.archive(foreign, tmp_path / "foreign.zip")
    await owned.worlds.update(foreign, is_public=True)
    await wb.archive(foreign, tmp_path / "foreign.zip")
    assert b"other@example.org" not in bytes_of(tmp_path / "foreign.zip")
    report = await wb.restore(tmp_path / "foreign.zip")
    assert not report.problems
    mine = (await wb.worlds.find(ownerid=wb.database.userid)).records
    assert [one.name for one in mine] == ["Foreign"]
    assert [p.ownerid for p in await wb.personas.find(world=mine[0])] == [wb.database.userid]


async def test_the_manifest_says_what_is_in_it(wb: Workspace, elsinore: World, file: Path) -> None:
    members = members_of(file)
    manifest = json.loads(members["manifest.json"])
    assert (manifest["format"], manifest["version"]) == ("workbench archive", 1)
    assert manifest["world"] == "Elsinore"
    assert manifest["tables"]["scenes"] == 1
    assert set(manifest["members"]) == set(members) - {"manifest.json"}
    for name, said in manifest["members"].items():
        assert said["sha256"] == hashlib.sha256(members[name]).hexdigest()
    assert members["pictures/ghost.png"].startswith(b"\x89PNG")
    assert b"workbench restore elsinore.zip" in members["README.txt"]
    assert not [name for name in members if name.startswith("history/")]


async def test_an_archive_reads_its_own_world_alone_and_each_table_once(
    wb: Workspace, elsinore: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.database import columnar

    asked: list[str] = []
    batches = columnar._batches

    def noted(connection: Any, statement: str) -> Any:
        asked.append(statement)
        return batches(connection, statement)

    monkeypatch.setattr(columnar, "_batches", noted)
    await wb.archive(elsinore, tmp_path / "one.zip")
    # The tables, the pictures, the name, and whether anything is in the trash.
    assert len(asked) == len(WORLD_TABLES) + 3
    [cast] = [one for one in asked if "FROM scene_persona" in one]
    assert cast.count(f"worldid = '{elsinore.id}'") == 5  # its own, and that of all it refers to
    asked.clear()
    await wb.personas.remove(await wb.personas.get(name="Ophelia", worldid=elsinore.id))
    report = await wb.archive(elsinore, tmp_path / "two.zip")
    assert len(asked) > len(WORLD_TABLES) + 3
    assert [note for note in report.notes if "1 rows refer to a persona in the trash" in note]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the database is asked from now on."""
    statements: list[str] = []

    def noting(method: Any) -> Any:
        async def ask(self: Any, query: str, *arguments: Any, **options: Any) -> Any:
            statements.append(query)
            return await method(self, query, *arguments, **options)

        return ask

    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        monkeypatch.setattr(asyncpg.Connection, name, noting(getattr(asyncpg.Connection, name)))
    return statements


LOOKS = ("SET changed = true", "SELECT DISTINCT world", "history.note_rows")
"""What tells statements that look for changed rows, missing rights, and rows of files."""


async def test_of_a_new_world_nothing_is_asked_that_goes_without_saying(
    wb: Workspace, elsinore: World, file: Path, asked: list[str]
) -> None:
    await wb.worlds.update(await wb.worlds.get(elsinore.id), name="Helsingør")
    asked.clear()
    assert not (await wb.restore(file)).problems
    once = len(asked)
    # Only of the world itself is there anything to compare, or a right to ask for.
    counts = [sum(part in statement for statement in asked) for part in LOOKS]
    assert counts == [1, 2, 0]
    asked.clear()
    assert not (await wb.restore(file, merge=True)).problems
    counts = [sum(part in statement for statement in asked) for part in LOOKS]
    assert counts[0] > 5
    assert counts[1] > 5
    assert once < 110


async def test_several_archives_take_as_many_statements_as_one(
    two: list[Path], empty: Database, asked: list[str]
) -> None:
    await restore(empty, two[0], dry_run=True)
    once = len(asked)
    asked.clear()
    await restore(empty, two, dry_run=True)
    assert len(asked) < once + 10


@pytest.fixture
async def two(wb: Workspace, file: Path) -> list[Path]:
    """Archives of two worlds, both with a persona called Hamlet."""
    other = await wb.worlds.add(name="Wittenberg")
    await wb.personas.add(worldid=other.id, name="Hamlet", kind="student")
    out = io.BytesIO()
    Image.new("L", (2, 3), 9).save(out, "PNG")
    await wb.images.add(worldid=other.id, name="Ghost", content=out.getvalue())
    await wb.archive(other, file.with_name("wittenberg.zip"))
    return [file, file.with_name("wittenberg.zip")]


async def test_several_archives_are_restored_as_one_import(
    wb: Workspace, elsinore: World, two: list[Path], empty: Database, content_of: Any
) -> None:
    await wb.restore(two[0], merge=True)  # makes the thumbnail known
    other = Workspace(empty)
    report = await other.restore(two)
    assert not report.problems
    assert report.tables["worlds"].inserted == 2
    assert report.tables["personas"].inserted == 3
    [changeset] = (await other.changesets()).to_dict("records")
    assert changeset["reason"] == "restored from elsinore.zip, wittenberg.zip"
    copy = await other.worlds.get(name="Elsinore")
    assert await content_of(wb.database, elsinore.id) == await content_of(empty, copy.id)
    second = await other.worlds.get(name="Wittenberg")
    [ghost] = (await other.images.find(worldid=second.id)).records
    assert (ghost.width, ghost.height) == (2, 3)
    with pytest.raises(Refused, match="a world 'Elsinore' already"):
        await other.restore(two)
    report = await other.restore(two, merge=True)
    assert {(c.inserted, c.updated) for c in report.tables.values()} == {(0, 0)}


def nameless(members: dict[str, bytes]) -> None:
    """Take a name out of a table, so that everything fits and its row is none."""
    table("personas", {"world": ["Wittenberg"], "name": [""]})(members)


async def test_of_several_archives_all_are_restored_or_none(
    two: list[Path], empty: Database
) -> None:
    report = await restore(empty, [two[0], changed(two[1], nameless)])
    [problem] = report.problems
    assert (problem.file, problem.row, problem.column) == (
        "changed.zip: personas.parquet",
        1,
        "name",
    )
    assert not report.written
    with pytest.raises(UnreadableFile, match="its checksum is another"):
        await restore(empty, [two[0], changed(two[1], another_byte)])
    assert await counted(empty) == 0


async def test_two_archives_of_one_world_are_not_restored_together(
    file: Path, empty: Database, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.zip"
    copy.write_bytes(bytes_of(file))
    with pytest.raises(Refused, match="both have a world 'Elsinore'"):
        await restore(empty, [file, copy], merge=True)
    assert await counted(empty) == 0


async def test_history_goes_along_to_be_read(
    wb: Workspace, elsinore: World, empty: Database, tmp_path: Path
) -> None:
    hamlet = await wb.personas.get(name="Hamlet", worldid=elsinore.id)
    await wb.personas.update(hamlet, kind="prince", reason="because")
    report = await wb.archive(elsinore, tmp_path / "all.zip", history=True)
    members = members_of(tmp_path / "all.zip")
    changes = pq.read_table(pa.BufferReader(members["history/changes.parquet"])).to_pylist()
    assert report.changes == len(changes) > 10
    assert [c["operation"] for c in changes if c["recordid"] == str(hamlet.id)] == [
        "insert",
        "update",
    ]
    assert (changes[-1]["reason"], changes[-1]["user"]) == ("because", "tester@localhost")
    personas = pq.read_table(pa.BufferReader(members["history/records_personas.parquet"]))
    [record] = [r for r in personas.to_pylist() if r["name"] == "Hamlet"]
    assert (record["id"], record["version"]) == (str(hamlet.id), 2)
    assert record["owner"] == "tester@localhost"
    told = await restore(empty, tmp_path / "all.zip")
    assert not told.problems
    assert "is not restored" in told.notes[-1]


async def test_a_picture_that_an_import_does_not_take_is_kept_and_told(
    wb: Workspace, elsinore: World, empty: Database, tmp_path: Path
) -> None:
    await wb.images.add(worldid=elsinore.id, name="Sketch", content=b"<svg/>")
    report = await wb.archive(elsinore, tmp_path / "one.zip")
    assert [note.split(":")[0] for note in report.notes] == ["pictures"]
    assert members_of(tmp_path / "one.zip")["pictures/sketch.bin"] == b"<svg/>"
    assert not (await restore(empty, tmp_path / "one.zip")).problems


async def test_an_archive_is_whole_or_not_there(
    wb: Workspace, elsinore: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.transfer import archive as module

    before = bytes_of(file)
    with pytest.raises(Refused, match="overwrite=True"):
        await wb.archive(elsinore, file)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_parquet_into", full)
    with pytest.raises(WorkbenchError, match="No space left"):
        await wb.archive(elsinore, file, overwrite=True)
    assert bytes_of(file) == before
    assert os.listdir(file.parent) == [file.name]


def no_manifest(members: dict[str, bytes]) -> None:
    del members["manifest.json"]


def another_byte(members: dict[str, bytes]) -> None:
    data = bytearray(members["personas.parquet"])
    data[len(data) // 2] ^= 1
    members["personas.parquet"] = bytes(data)


def another_picture(members: dict[str, bytes]) -> None:
    members["pictures/ghost.png"] = members["pictures/ghost.png"][:-1]


def said(**values: Any) -> Change:
    def change(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"]) | values
        members["manifest.json"] = json.dumps(manifest).encode()

    return change


def added(name: str) -> Change:
    def change(members: dict[str, bytes]) -> None:
        members[name] = b"x"
        summed(members)

    return change


def a_table_less(members: dict[str, bytes]) -> None:
    del members["acts.parquet"]
    summed(members)


def table(plural: str, columns: dict[str, Any]) -> Change:
    def change(members: dict[str, bytes]) -> None:
        made = pa.table(columns)
        out = io.BytesIO()
        pq.write_table(made, out, compression="zstd", store_schema=False)
        members[f"{plural}.parquet"] = out.getvalue()
        manifest = json.loads(members["manifest.json"])
        manifest["tables"][plural] = made.num_rows
        members["manifest.json"] = json.dumps(manifest).encode()
        summed(members)

    return change


BOMB = pa.DictionaryArray.from_arrays(
    pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 100_000])
)


HOSTILE: list[tuple[Change, str]] = [
    (no_manifest, "no manifest.json"),
    (another_byte, "its checksum is another"),
    (another_picture, "not the size"),
    (said(version=2), "newer Workbench"),
    (said(version="1"), "not as Workbench writes it"),
    (said(format="other"), "no archive of Workbench"),
    (said(tables={}), "not as Workbench writes it"),
    (said(members={}), "do not agree"),
    (said(world="Another"), "the one world"),
    (lambda m: m.update({"manifest.json": b"{"}), "cannot be read"),
    (lambda m: m.update({"manifest.json": b"[" * 100_000}), "cannot be read"),
    (added("../outside.parquet"), "no part of an archive"),
    (added("/etc/outside"), "no part of an archive"),
    (added("pictures/../../outside.png"), "no part of an archive"),
    (added("pictures\\outside.png"), "no part of an archive"),
    (added("workbench.toml"), "no part of an archive"),
    (added("personas.csv"), "no part of an archive"),
    (lambda m: m.update({"notes.parquet": b"x"}), "no part of an archive"),
    (a_table_less, "do not agree"),
    (lambda m: m.update({"acts.parquet": b"x" * 400}) or summed(m), "no Parquet file"),
    (table("books", {"name": [["a"]]}), "columns that Workbench never"),
    (table("personas", {"world": BOMB, "name": BOMB}), "taken for a bomb"),
    (lambda m: m.update({"README.txt": bytes(2**27)}) or summed(m), "zip bomb"),
]


async def test_a_hostile_archive_is_refused_and_nothing_is_written(
    file: Path, empty: Database
) -> None:
    outside = sorted(os.listdir(file.parent.parent))
    for change, message in HOSTILE:  # in one database: twenty would take minutes
        with pytest.raises(UnreadableFile, match=message):
            await restore(empty, changed(file, change))
    assert await counted(empty) == 0
    assert sorted(os.listdir(file.parent.parent)) == outside


@pytest.mark.filterwarnings("ignore:Duplicate name")
async def test_members_of_the_same_name_are_refused(file: Path, empty: Database) -> None:
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("personas.parquet", b"another")
    with pytest.raises(UnreadableFile, match="more than once"):
        await restore(empty, file)
    assert await counted(empty) == 0


async def test_an_archive_that_is_cut_off_or_none_is_refused(
    file: Path, empty: Database, tmp_path: Path
) -> None:
    whole = bytes_of(file)
    cut = tmp_path / "cut.zip"
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:size])
        with pytest.raises(UnreadableFile, match="no archive, or not all of one"):
            await restore(empty, cut)
    with pytest.raises(UnreadableFile, match="no such file"):
        await restore(empty, tmp_path / "nowhere.zip")
    with pytest.raises(UnreadableFile, match="a folder"):
        await restore(empty, tmp_path)
    assert await counted(empty) == 0
