"""Imports: what is written, what is left alone, and that it is all or nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow as pa
import pytest

from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.errors import InvalidRows, UnreadableFile
from workbench.transfer import apply
from workbench.transfer.load import load
from workbench.transfer.report import LoadReport, Progress
from workbench.workspace import Workspace

Write = Callable[..., Path]

WORLD = "name\nElsinore\n"
STORIES = "world,name\nElsinore,Hamlet\n"
ACTS = "world,story,name,position\nElsinore,Hamlet,Act I,1\nElsinore,Hamlet,Act II,2\n"
SCENES = (
    "world,story,act,name,title,setting\n"
    "Elsinore,Hamlet,Act I,Scene I,A platform,Night\n"
    "Elsinore,Hamlet,Act II,Scene I,A room,\n"
)


@pytest.fixture
async def play(database: Database, write: Write) -> Path:
    """A world with one story, two acts and two scenes; the folder it came from."""
    folder = write(worlds=WORLD, stories=STORIES, acts=ACTS, scenes=SCENES)
    (await load(database, folder)).raise_for_problems()
    return folder


def counts(report: LoadReport, plural: str) -> tuple[int, int, int, int, int]:
    c = report.tables[plural]
    return (c.read, c.inserted, c.updated, c.unchanged, c.rejected)


async def changes(sql: asyncpg.Connection) -> int:
    return int(await sql.fetchval("SELECT count(*) FROM history.change"))


async def test_shakespeare_is_imported_whole(
    database: Database, sql: asyncpg.Connection, shared: Path
) -> None:
    facts = json.loads((shared / "shakespeare" / "facts.json").read_text())
    report = await load(database, shared / "shakespeare")
    assert report.problems == []
    assert report.written
    for plural, table in {"scenes": 771, "personas": 1517, "scene_personas": 3977}.items():
        assert counts(report, plural) == (table, table, 0, 0, 0)
    assert await sql.fetchval("SELECT sum(words) FROM scene_persona") == facts["sum_persona_words"]
    assert (
        await sql.fetchval("SELECT sum((attributes ->> 'words')::int) FROM scene")
        == facts["sum_scene_words"]
    )
    assert (
        await sql.fetchval("SELECT count(*) FROM scene WHERE locationid IS NULL")
        == facts["scenes_without_location"]
    )
    assert (
        await sql.fetchval("SELECT display_name FROM act WHERE name = 'Act I' LIMIT 1")
    ) is not None
    notes = "\n".join(report.notes)
    assert "scenes.csv: kept in attributes: setting, speeches, words, derived." in notes

    before = await changes(sql)
    again = await load(database, shared / "shakespeare")
    assert {(c.inserted, c.updated, c.rejected) for c in again.tables.values()} == {(0, 0, 0)}
    assert counts(again, "scene_personas") == (3977, 0, 0, 3977, 0)
    assert await changes(sql) == before


@pytest.mark.parametrize("corpus", ["gerdracor", "rusdracor"])
async def test_other_corpora_are_imported_whole_and_once(
    database: Database, shared: Path, corpus: str
) -> None:
    files = [
        shared / corpus / f"{plural}.csv"
        for plural in (
            "worlds",
            "books",
            "stories",
            "acts",
            "locations",
            "personas",
            "persona_relations",
        )
    ]
    report = await load(database, files)
    report.raise_for_problems()
    again = await load(database, files)
    for plural, table in again.tables.items():
        assert (table.inserted, table.updated, table.unchanged) == (0, 0, table.read), plural
    twice = [note for note in report.notes if "keeps its story too" in note]
    assert len(twice) == (corpus == "gerdracor")  # Medea's father, in two plays


async def test_rows_are_imported_without_a_limit_of_time(
    database: Database, database_url: str, write: Callable[..., Path]
) -> None:
    limitless = Database(
        Address.parse(database_url), userid=database.userid, statement_timeout_seconds=0
    )
    try:
        report = await load(limitless, write(worlds="name\nElsinore\n"))
        assert counts(report, "worlds") == (1, 1, 0, 0, 0)
    finally:
        await limitless.close()


async def test_the_demo_world_has_its_pictures(database: Database, sql: asyncpg.Connection) -> None:
    folder = Path(str(resources.files("workbench") / "demo" / "world"))
    (await load(database, folder)).raise_for_problems()
    row = await sql.fetchrow(
        "SELECT count(*) AS pictures, min(width) AS width, max(octet_length(thumbnail)) AS small "
        "FROM image WHERE content IS NOT NULL AND media_type = 'image/png' AND sha256 IS NOT NULL"
    )
    assert row["pictures"] == await sql.fetchval("SELECT count(*) FROM image")
    assert row["width"] > 1
    assert row["small"] <= 256 * 1024
    assert await sql.fetchval("SELECT imageid FROM world") is not None
    again = await load(database, folder)
    assert {(c.inserted, c.updated) for c in again.tables.values()} == {(0, 0)}


async def test_a_dry_run_counts_and_writes_nothing(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(worlds=WORLD, stories=STORIES, acts=ACTS, scenes=SCENES)
    report = await load(database, folder, dry_run=True)
    assert counts(report, "scenes") == (2, 2, 0, 0, 0)
    assert not report.written
    assert await sql.fetchval("SELECT count(*) FROM world") == 0
    assert await changes(sql) == await sql.fetchval(
        "SELECT count(*) FROM history.change WHERE entity = 'user'"
    )


async def test_only_what_a_file_speaks_of_is_changed(
    database: Database, sql: asyncpg.Connection, play: Path, write: Write
) -> None:
    await sql.execute("UPDATE scene SET description = 'kept', tags = '{kept}'")
    folder = write(
        scenes="world,story,act,name,title,mood\n"
        "Elsinore,Hamlet,Act I,Scene I,The platform,dark\n"
        "Elsinore,Hamlet,Act II,Scene I,A room,\n"
    )
    report = await load(database, folder / "scenes.csv")
    assert counts(report, "scenes") == (2, 0, 1, 1, 0)
    row = await sql.fetchrow("SELECT * FROM scene WHERE display_name = 'The platform'")
    assert row["description"] == "kept"
    assert row["tags"] == ["kept"]
    assert json.loads(row["attributes"]) == {"setting": "Night", "mood": "dark"}


async def test_an_empty_cell_clears_its_field(
    database: Database, sql: asyncpg.Connection, play: Path, write: Write
) -> None:
    await sql.execute("UPDATE scene SET tags = '{a}'")
    folder = write(
        scenes="world,story,act,name,title,setting,tags\n"
        "Elsinore,Hamlet,Act I,Scene I,,,\n"
        "Elsinore,Hamlet,Act II,Scene I,A room,,a\n"
    )
    report = await load(database, folder / "scenes.csv")
    assert counts(report, "scenes") == (2, 0, 1, 1, 0)
    row = await sql.fetchrow("SELECT * FROM scene WHERE display_name IS NULL")
    assert (row["tags"], row["attributes"]) == ([], "{}")


async def test_attributes_may_be_given_as_json_too(
    database: Database, sql: asyncpg.Connection, play: Path, write: Write
) -> None:
    folder = write(
        scenes="world,story,act,name,attributes,mood\n"
        'Elsinore,Hamlet,Act I,Scene I,"{""n"": [1, 2.5], ""x"": null}","say ""ho""\n\tback\\"\n'
        "Elsinore,Hamlet,Act II,Scene I,,\n"
    )
    (await load(database, folder / "scenes.csv")).raise_for_problems()
    row = await sql.fetchval("SELECT attributes FROM scene ORDER BY id LIMIT 1")
    assert json.loads(row) == {
        "setting": "Night",
        "n": [1, 2.5],
        "x": None,
        "mood": 'say "ho"\n\tback\\',
    }
    again = await load(database, folder / "scenes.csv")
    assert counts(again, "scenes") == (2, 0, 0, 2, 0)


async def test_a_parent_may_come_after_its_child(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(
        worlds=WORLD,
        locations="world,name,parent\nElsinore,Hall,Castle\nElsinore,Castle,\n",
    )
    (await load(database, folder)).raise_for_problems()
    assert (
        await sql.fetchval(
            "SELECT p.name FROM location c JOIN location p ON p.id = c.parentid "
            "WHERE c.name = 'Hall'"
        )
        == "Castle"
    )


async def test_a_world_and_its_picture_come_together(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(
        worlds="name,image\nElsinore,Map\n", images="world,name,url\nElsinore,Map,https://a.test\n"
    )
    (await load(database, folder)).raise_for_problems()
    row = await sql.fetchrow(
        "SELECT i.name, i.source_url FROM world w JOIN image i ON i.id = w.imageid"
    )
    assert tuple(row) == ("Map", "https://a.test")


async def test_rows_of_several_files_make_one_table(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(
        worlds=WORLD,
        personas_1="world,name,kind\nElsinore,Hamlet,prince\n",
        personas_2="world,name,description\nElsinore,Yorick,a skull\nElsinore,Osric,\n",
    )
    report = await load(database, folder)
    assert counts(report, "personas") == (3, 3, 0, 0, 0)
    await sql.execute("UPDATE persona SET kind = 'jester' WHERE name = 'Yorick'")
    again = await load(database, folder)
    assert counts(again, "personas") == (3, 0, 0, 3, 0)


async def test_records_may_be_named_by_id(
    database: Database, sql: asyncpg.Connection, play: Path
) -> None:
    act = await sql.fetchval("SELECT id::text FROM act WHERE name = 'Act I'")
    table = pa.table({"actid": [act], "name": ["Scene II"], "position": [2]})
    report = await load(database, {"scenes": table})
    report.raise_for_problems()
    assert (
        await sql.fetchval(
            "SELECT a.name FROM scene s JOIN act a ON a.id = s.actid AND a.worldid = s.worldid "
            "WHERE s.name = 'Scene II'"
        )
        == "Act I"
    )
    gone = pa.table({"actid": ["3f2504e0-4f89-11d3-9a0c-0305e82c3301"], "name": ["X"]})
    report = await load(database, {"scenes": gone})
    assert [(p.row, p.column) for p in report.problems] == [(1, "actid")]


async def test_a_name_must_agree_with_an_id_beside_it(
    database: Database, sql: asyncpg.Connection, play: Path
) -> None:
    ids = await sql.fetchrow("SELECT worldid::text, id::text FROM act WHERE name = 'Act I'")
    row = {
        "worldid": [ids["worldid"]],
        "world": ["Elsinore"],
        "story": ["Hamlet"],
        "actid": [ids["id"]],
        "act": ["Act I"],
        "name": ["Scene I"],
    }
    report = await load(database, {"scenes": pa.table(row)})
    assert counts(report, "scenes") == (1, 0, 0, 1, 0)
    report = await load(database, {"scenes": pa.table({**row, "act": ["Act II"]})})
    assert [(p.column, p.value) for p in report.problems] == [("act", "Act II")]
    (await load(database, {"worlds": pa.table({"name": ["Thebes"]})})).raise_for_problems()
    report = await load(database, {"scenes": pa.table({**row, "world": ["Thebes"]})})
    assert ("world", "Thebes") in [(p.column, p.value) for p in report.problems]


@pytest.mark.parametrize("names", [False, True])
async def test_frames_as_they_are_read_change_nothing(wb: Workspace, names: bool) -> None:
    (await wb.load(Path(str(resources.files("workbench") / "demo" / "world")))).raise_for_problems()
    for plural in ("worlds", "images", "stories", "scenes", "locations", "things"):
        frame = await getattr(wb, plural).frame(names=names)
        report = await wb.load({plural: frame})
        assert report.problems == []
        assert counts(report, plural) == (len(frame), 0, 0, len(frame), 0)
    frame = await wb.scenes.frame(columns=["name", "actid", "position"])
    frame["act"] = "a name without the path to it"
    report = await wb.load({"scenes": frame})
    assert report.tables["scenes"].unchanged == len(frame)
    assert "scenes: act is not looked at beside actid." in report.notes


async def test_the_picture_of_a_world_may_be_given_by_id(
    database: Database, sql: asyncpg.Connection, play: Path
) -> None:
    image = await sql.fetchval(
        "INSERT INTO image (worldid, name) SELECT id, 'Map' FROM world RETURNING id::text"
    )
    table = pa.table({"name": ["Elsinore"], "imageid": [image]})
    (await load(database, {"worlds": table})).raise_for_problems()
    assert await sql.fetchval("SELECT imageid::text FROM world") == image


async def test_an_id_of_another_world_is_refused(
    database: Database, sql: asyncpg.Connection, play: Path, write: Write
) -> None:
    (await load(database, write(worlds="name\nThebes\n") / "worlds.csv")).raise_for_problems()
    place = await sql.fetchval(
        "INSERT INTO location (worldid, name) SELECT id, 'Gate' FROM world WHERE name = 'Thebes' "
        "RETURNING id::text"
    )
    table = pa.table(
        {
            "world": ["Elsinore"],
            "story": ["Hamlet"],
            "act": ["Act I"],
            "name": ["Scene I"],
            "locationid": [place],
        }
    )
    report = await load(database, {"scenes": table})
    assert [p.column for p in report.problems] == ["locationid"]


async def test_a_frame_that_only_adds_refuses_what_is_there(database: Database, play: Path) -> None:
    table = pa.table(
        {
            "world": ["Elsinore", "Elsinore"],
            "name": ["Hamlet", "Macbeth"],
            "score": [1.5, 2.0],
            "__row__": ["first", "second"],
        }
    )
    report = await load(database, {"stories": table}, add_only=True)
    assert [(p.row, p.value) for p in report.problems] == [("first", "Hamlet")]
    assert not report.written
    with pytest.raises(InvalidRows, match="already"):
        report.raise_for_problems()
    report = await load(database, {"stories": table.slice(1)}, add_only=True)
    assert counts(report, "stories") == (1, 1, 0, 0, 0)


async def test_users_come_from_frames(owned: Workspace, sql: asyncpg.Connection) -> None:
    table = pa.table(
        {"email": ["New@example.org", "TESTER@localhost"], "role": ["editor", "admin"]}
    )
    report = await load(owned.database, {"users": table}, add_only=True)
    assert [(p.row, p.column) for p in report.problems] == [(2, "email")]
    report = await load(owned.database, {"users": table})
    report.raise_for_problems()
    assert counts(report, "users")[:2] == (2, 1)
    assert await sql.fetchval("SELECT role::text FROM \"user\" WHERE email LIKE 'New%'") == "editor"


async def test_a_table_that_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(UnreadableFile, match="no such table"):
        await load(database, {"plays": pa.table({"name": ["x"]})})


async def test_world_fills_in_and_refuses_others(
    database: Database, sql: asyncpg.Connection, play: Path, write: Write
) -> None:
    folder = write(personas="name\nOphelia\n", things="world,name\n,Skull\nElsinore,Cup\n")
    files = [folder / "personas.csv", folder / "things.csv"]
    report = await load(database, files, world="Elsinore")
    report.raise_for_problems()
    assert await sql.fetchval("SELECT count(*) FROM thing") == 2
    report = await load(database, files, world="tester@localhost/Elsinore")
    assert counts(report, "things") == (2, 0, 0, 2, 0)
    report = await load(
        database, write(personas="world,name\nThebes,X\n") / "personas.csv", world="Elsinore"
    )
    assert [p.message for p in report.problems] == [
        "This row names another world than the one to import into."
    ]


async def test_two_worlds_of_one_name_are_told_apart_by_owner(
    owned: Workspace, sql: asyncpg.Connection, write: Write
) -> None:
    for email in ("a@example.org", "b@example.org"):
        await sql.execute(
            """WITH u AS (INSERT INTO "user" (email) VALUES ($1) RETURNING id)
            INSERT INTO world (name, ownerid) SELECT 'Shared', id FROM u""",
            email,
        )
    folder = write(personas="world,name\nShared,X\n")
    report = await load(owned.database, folder)
    assert "a@example.org/Shared, b@example.org/Shared" in report.problems[0].message
    write(personas="world,name\nB@example.org/Shared,X\n")
    (await load(owned.database, folder)).raise_for_problems()
    assert (
        await sql.fetchval(
            "SELECT u.email FROM persona p JOIN world w ON w.id = p.worldid "
            'JOIN "user" u ON u.id = w.ownerid'
        )
        == "b@example.org"
    )


async def test_owner_is_an_address(owned: Workspace, sql: asyncpg.Connection, write: Write) -> None:
    await sql.execute("""INSERT INTO "user" (email) VALUES ('Other@example.org')""")
    folder = write(
        worlds="name,owner\nElsinore,other@example.org\n",
        personas="world,name,owner\nElsinore,X,\nElsinore,Y,nobody@example.org\n",
    )
    report = await load(owned.database, folder)
    assert [(p.row, p.column) for p in report.problems] == [(2, "owner")]
    write(personas="world,name,owner\nElsinore,X,\n")
    (await load(owned.database, folder)).raise_for_problems()
    assert (
        await sql.fetchval('SELECT u.email FROM world w JOIN "user" u ON u.id = w.ownerid')
        == "Other@example.org"
    )
    assert await sql.fetchval("SELECT ownerid FROM persona") == owned.database.userid


async def test_members_are_imported(
    database: Database, sql: asyncpg.Connection, play: Path, write: Write
) -> None:
    folder = write(world_members="world,user,role\nElsinore,tester@localhost,manager\n")
    report = await load(database, folder / "world_members.csv")
    assert counts(report, "world_members") == (1, 1, 0, 0, 0)
    assert await sql.fetchval("SELECT role::text FROM world_member") == "manager"
    again = await load(database, folder / "world_members.csv")
    assert counts(again, "world_members") == (1, 0, 0, 1, 0)


async def test_an_import_is_one_changeset_with_its_reason(
    database: Database, sql: asyncpg.Connection, play: Path, write: Write
) -> None:
    assert await sql.fetch("SELECT reason FROM history.changeset ORDER BY started_at DESC LIMIT 1")
    reasons = [r["reason"] for r in await sql.fetch("SELECT reason FROM history.changeset")]
    assert "import of acts.csv, scenes.csv, stories.csv, worlds.csv" in {
        ", ".join(sorted((r or "").removeprefix("import of ").split(", "))).join(["import of ", ""])
        for r in reasons
    }
    folder = write(personas="world,name\nElsinore,Osric\n")
    await load(database, folder / "personas.csv", reason="the fop")
    reasons = [r["reason"] for r in await sql.fetch("SELECT reason FROM history.changeset")]
    assert "the fop" in reasons


async def test_an_import_inside_a_transaction_is_undone_with_it(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(worlds=WORLD, stories=STORIES)

    async def work() -> None:
        async with database.transaction():
            (await load(database, folder)).raise_for_problems()
            assert (await load(database, folder)).tables["stories"].unchanged == 1
            assert (await load(database, folder, dry_run=True)).tables["worlds"].unchanged == 1
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await work()
    assert await sql.fetchval("SELECT count(*) FROM world") == 0


async def test_a_failed_import_leaves_the_transaction_around_it_alive(
    database: Database, sql: asyncpg.Connection, play: Path, write: Write
) -> None:
    bad = write(personas="world,name\nElsinore,\n")
    async with database.transaction():
        assert (await load(database, bad / "personas.csv")).problems
        good = write(personas="world,name\nElsinore,Osric\n")
        (await load(database, good / "personas.csv")).raise_for_problems()
    assert await sql.fetchval("SELECT name FROM persona") == "Osric"


async def test_two_imports_at_once_both_end_well(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    rows = "".join(f"Elsinore,Persona {n}\n" for n in range(300))
    folder = write(worlds=WORLD, personas=f"world,name\n{rows}")
    reports = await asyncio.gather(*(load(database, folder) for _ in range(3)))
    assert [report.problems for report in reports] == [[], [], []]
    assert sum(report.tables["personas"].inserted for report in reports) == 300
    assert await sql.fetchval("SELECT count(*) FROM persona") == 300


async def test_an_import_that_a_change_overtakes_is_planned_anew(
    database: Database,
    sql: asyncpg.Connection,
    play: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = apply.count
    attempts = 0

    async def counted(*arguments: Any) -> None:
        nonlocal attempts
        await count(*arguments)
        attempts += 1
        if attempts == 1:  # planned, not yet applied
            await sql.execute("UPDATE scene SET display_name = 'A hall', description = 'Theirs'")

    monkeypatch.setattr(apply, "count", counted)
    folder = write(scenes=SCENES.replace("A platform", "The platform"))
    report = await load(database, folder / "scenes.csv")
    assert attempts == 2
    assert counts(report, "scenes") == (2, 0, 2, 0, 0)
    rows = await sql.fetch("SELECT display_name, description FROM scene ORDER BY id")
    assert [tuple(row) for row in rows] == [("The platform", "Theirs"), ("A room", "Theirs")]


async def test_progress_ends_at_its_total(database: Database, write: Write) -> None:
    seen: list[Progress] = []
    await load(database, write(worlds=WORLD, stories=STORIES), progress=seen.append)
    assert {p.stage for p in seen} == {"check", "send", "plan", "write"}
    last = {(p.stage, p.table): p for p in seen}
    assert all(p.done == p.total for p in last.values())


async def test_the_report_as_json_has_just_what_was_asked(database: Database, write: Write) -> None:
    report = await load(database, write(worlds="name\n" + "x" * 256 + "\n"))
    told = json.loads(json.dumps(report.as_json()))
    assert set(told) == {"tables", "problems", "notes"}
    assert told["tables"] == {
        "worlds": {"read": 1, "inserted": 0, "updated": 0, "unchanged": 0, "rejected": 1}
    }
    assert told["problems"] == [
        {
            "file": "worlds.csv",
            "row": 1,
            "column": "name",
            "value": "x" * 256,
            "message": "This has 256 characters; at most 255 fit.",
        }
    ]
    assert "256 characters" in str(report)
    assert "Nothing was written." in str(report)
