"""Plans of imports: what they show, and that this and nothing else is done."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pandas as pd
import pytest

from workbench.errors import InvalidRows, PlanMoved, UnreadableFile
from workbench.transfer.proposal import Plan
from workbench.workspace import Workspace

SignIn = Callable[[str], Awaitable[Workspace]]
Write = Callable[..., Path]

WORLD = "name\nElsinore\n"
PERSONAS = "world,name,kind\nElsinore,Osric,courtier\nElsinore,Yorick,jester\n"


@pytest.fixture
async def court(wb: Workspace, write: Write) -> Path:
    """A world with two personas; a folder that changes one, adds one and leaves one alone."""
    folder = write(worlds=WORLD, personas=PERSONAS)
    (await wb.load(folder)).raise_for_problems()
    changed = "world,name,kind,play\nElsinore,Osric,fop,Hamlet\nElsinore,Yorick,jester,\n"
    return write(worlds=WORLD, personas=f"{changed}Elsinore,Fortinbras,prince,Hamlet\n")


async def kinds(sql: asyncpg.Connection) -> dict[str, str]:
    rows = await sql.fetch("SELECT name, kind FROM persona WHERE deleted_at IS NULL")
    return {row["name"]: row["kind"] for row in rows}


async def moved(plan: Plan) -> list[tuple[str | None, object, str]]:
    with pytest.raises(PlanMoved, match="The world has moved since this plan was made") as caught:
        await plan.apply()
    return [(p.file, p.row, p.message) for p in caught.value.differences]


async def test_a_plan_shows_each_cell_and_writes_nothing(
    wb: Workspace, sql: asyncpg.Connection, court: Path
) -> None:
    plan = await wb.plan(court)
    changes = await sql.fetchval("SELECT count(*) FROM history.change")
    updates = plan.updates.to_pylist()
    osric = await wb.personas.get(name="Osric", world="Elsinore")
    assert updates == [
        {
            "table": "personas",
            "file": "personas.csv",
            "row": "1",
            "id": str(osric.id),
            "name": "Osric",
            "column": column,
            "old": old,
            "new": new,
        }
        for column, old, new in (
            ("attributes.play", None, "Hamlet"),
            ("kind", "courtier", "fop"),
        )
    ]
    assert plan.inserts.to_pylist() == [
        {"table": "personas", "file": "personas.csv", "row": "3", "name": "Fortinbras"}
    ]
    said = str(plan)
    for line in (
        "Plan of an import: nothing is written yet.",
        "personas: 3 read, 1 to insert, 1 to update, 1 unchanged",
        "  personas 'Osric', kind: 'courtier' → 'fop'",
        "  personas 'Osric', attributes.play: (empty) → 'Hamlet'",
        "  personas: 'Fortinbras'",
        "`await plan.apply()` does just this, or nothing.",
    ):
        assert line in said.splitlines()
    assert await sql.fetchval("SELECT count(*) FROM history.change") == changes


async def test_a_plan_is_applied_as_it_shows(
    wb: Workspace, sql: asyncpg.Connection, court: Path, write: Write
) -> None:
    plan = await wb.plan(court)
    write(worlds="what was planned", personas="is not here any more")
    report = await plan.apply(reason="the new court")
    assert report.written
    assert await kinds(sql) == {"Osric": "fop", "Yorick": "jester", "Fortinbras": "prince"}
    reason = "SELECT reason FROM history.changeset ORDER BY id DESC LIMIT 1"
    assert await sql.fetchval(reason) == "the new court"
    assert len(await moved(plan)) == 2  # it is done


async def test_a_plan_is_refused_once_a_row_was_changed(
    wb: Workspace, sql: asyncpg.Connection, court: Path
) -> None:
    plan = await wb.plan(court)
    await sql.execute("UPDATE persona SET description = 'A fop' WHERE name = 'Osric'")
    assert await moved(plan) == [("personas.csv", 1, "The persona 'Osric' was changed meanwhile.")]
    assert await kinds(sql) == {"Osric": "courtier", "Yorick": "jester"}


async def test_a_change_of_a_row_that_the_plan_leaves_alone_does_no_harm(
    wb: Workspace, sql: asyncpg.Connection, court: Path
) -> None:
    plan = await wb.plan(court)
    await sql.execute("UPDATE persona SET description = 'Alas' WHERE name = 'Yorick'")
    assert (await plan.apply()).written


@pytest.mark.parametrize(
    ("change", "row", "message"),
    [
        (
            "UPDATE persona SET kind = 'skull' WHERE name = 'Yorick'",
            2,
            "The persona 'Yorick' was changed meanwhile.",
        ),
        (
            "UPDATE persona SET deleted_at = now() WHERE name = 'Yorick'",
            2,
            "The persona 'Yorick' was there, and is gone: "
            "renamed, in the trash, or not to be seen.",
        ),
        (
            "UPDATE persona SET name = 'Fortinbras' WHERE name = 'Yorick'",
            2,
            "The persona 'Yorick' was there, and is gone: "
            "renamed, in the trash, or not to be seen.",
        ),
    ],
)
async def test_a_plan_is_refused_with_the_difference(
    wb: Workspace, sql: asyncpg.Connection, court: Path, change: str, row: int, message: str
) -> None:
    plan = await wb.plan(court)
    await sql.execute(change)
    assert ("personas.csv", row, message) in await moved(plan)


async def test_a_plan_is_refused_once_its_new_row_is_there(
    wb: Workspace, sql: asyncpg.Connection, court: Path
) -> None:
    plan = await wb.plan(court)
    await wb.personas.add(world="Elsinore", name="Fortinbras")
    message = "The persona 'Fortinbras' was to be added; somebody has added it meanwhile."
    assert await moved(plan) == [("personas.csv", 3, message)]


async def test_a_plan_is_refused_once_a_name_means_another_record(
    wb: Workspace, sql: asyncpg.Connection, write: Write
) -> None:
    places = "world,name\nElsinore,Castle\n"
    (await wb.load(write(worlds=WORLD, locations=places))).raise_for_problems()
    folder = write(
        worlds=WORLD, locations=places, things="world,name,location\nElsinore,Skull,Castle\n"
    )
    (folder / "locations.csv").unlink()
    plan = await wb.plan(folder)
    await sql.execute("UPDATE location SET name = 'Old castle'")
    await wb.locations.add(world="Elsinore", name="Castle")
    message = "What the thing 'Skull' refers to is another record now."
    assert await moved(plan) == [("things.csv", 1, message)]
    await sql.execute("UPDATE location SET deleted_at = now()")
    [(_, _, message)] = await moved(plan)
    assert message.startswith("There is no location 'Castle' in the world 'Elsinore'.")


async def test_new_records_may_refer_to_new_ones(
    wb: Workspace, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(
        worlds=WORLD,
        stories="world,name\nElsinore,Hamlet\n",
        acts="world,story,name\nElsinore,Hamlet,Act I\n",
        locations="world,name,parent\nElsinore,Hall,Castle\nElsinore,Castle,\n",
    )
    plan = await wb.plan(folder)
    assert plan.inserts.column("name").to_pylist() == [
        *("Elsinore", "Hamlet", "Act I", "Hall", "Castle")
    ]
    assert (await plan.apply()).written
    assert await sql.fetchval("SELECT count(*) FROM location WHERE parentid IS NOT NULL") == 1


async def test_references_are_shown_by_name(
    wb: Workspace, sql: asyncpg.Connection, write: Write
) -> None:
    things = "world,name,location\nElsinore,Skull,Castle\n"
    places = "world,name\nElsinore,Castle\n"
    (await wb.load(write(worlds=WORLD, locations=places, things=things))).raise_for_problems()
    plan = await wb.plan(
        write(locations=f"{places}Elsinore,Grave\n", things=things.replace("Castle", "Grave"))
    )
    [row] = plan.updates.to_pylist()
    assert (row["column"], row["old"], row["new"]) == ("location", "Castle", "Grave")


async def test_cells_are_shown_as_people_write_them(
    wb: Workspace, sql: asyncpg.Connection, write: Write
) -> None:
    before = "world,name,aliases,born\nElsinore,Osric,the fop; Ostrick,1590\n"
    (await wb.load(write(worlds=WORLD, personas=before))).raise_for_problems()
    frame = pd.DataFrame({"name": ["Osric"], "aliases": [["the fop"]], "born": [1590]})
    plan = await wb.plan({"personas": frame}, world="Elsinore")
    assert [(row["column"], row["old"], row["new"]) for row in plan.updates.to_pylist()] == [
        ("aliases", "the fop; Ostrick", "the fop"),
        ("attributes.born", '"1590"', "1590"),  # a text, and a number
    ]


async def test_links_that_are_given_by_ids_are_shown_by_names(
    wb: Workspace, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(
        worlds=WORLD,
        personas=PERSONAS,
        persona_relations="world,persona,other,kind\nElsinore,Osric,Yorick,mourns\n",
    )
    (await wb.load(folder)).raise_for_problems()
    frame = await wb.persona_relations.frame(world="Elsinore")
    frame["description"] = "alas"
    [row] = (await wb.plan({"persona_relations": frame})).updates.to_pylist()
    assert (row["name"], row["column"], row["new"]) == ("Osric – Yorick", "description", "alas")


async def test_a_plan_with_problems_is_applied_only_if_rows_may_be_skipped(
    wb: Workspace, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(worlds=WORLD, personas="world,name\nElsinore,Osric\nElsinore,\nElsinore,a,b\n")
    plan = await wb.plan(folder)
    assert "It has problems, so it cannot be applied." in str(plan)
    with pytest.raises(InvalidRows):
        await plan.apply()
    plan = await wb.plan(folder, on_problem="skip")
    assert [problem.row for problem in plan.problems] == [2, 3]
    report = await plan.apply()
    assert report.written
    assert report.tables["personas"].rejected == 2
    assert await kinds(sql) == {"Osric": None}
    assert sorted(path.name for path in folder.iterdir()) == ["personas.csv", "worlds.csv"]


async def test_rows_that_a_plan_leaves_out_go_to_files_to_be_mended_and_imported(
    wb: Workspace, sql: asyncpg.Connection, tmp_path: Path, shared: Path
) -> None:
    folder = tmp_path / "court"
    folder.mkdir()
    shutil.copy(shared / "messy" / "27_pictures" / "png_called.jpg", folder / "a.jpg")
    (folder / "worlds.csv").write_text(WORLD)
    (folder / "images.csv").write_text("world,name,file\nElsinor,=Map,a.jpg\nElsinore,b,a,jpg\n")
    people = [{"world": "Elsinore", "name": name, "age": [1]} for name in ("Osric", "")]
    (folder / "personas.json").write_text(json.dumps(people))
    place = (await wb.plan(folder, on_problem="skip")).save(tmp_path / "all.plan")
    shutil.rmtree(folder)
    rejects = tmp_path / "rejects"
    report = await wb.open_plan(place).apply(rejects=rejects)
    assert report.rejects == {
        "images.csv": rejects / "images.rejects.csv",
        "personas.json": rejects / "personas.rejects.jsonl",
    }
    assert f"are in {rejects / 'images.rejects.csv'}" in str(report)
    for path, wrong, right in (
        (rejects / "images.rejects.csv", "Elsinor,", "Elsinore,"),
        (rejects / "personas.rejects.jsonl", '"name": ""', '"name": "Yorick"'),
    ):
        said = path.read_text()
        assert said.count(wrong) == 1
        path.write_text(said.replace(wrong, right))
    (await wb.load(list(report.rejects.values()))).raise_for_problems()
    assert await sql.fetchval("SELECT array_agg(name) FROM image") == ["=Map"]
    assert await sql.fetchval("SELECT array_agg(name ORDER BY name) FROM persona") == [
        "Osric",
        "Yorick",
    ]


async def test_a_saved_plan_is_applied_by_somebody_else_with_their_rights(
    wb: Workspace, sql: asyncpg.Connection, court: Path, tmp_path: Path, sign_in: SignIn
) -> None:
    (await wb.plan(court / "personas.csv")).save(tmp_path / "court.plan")
    eve = await sign_in("eve")
    theirs = eve.open_plan(tmp_path / "court.plan")
    assert "kind: 'courtier' → 'fop'" in str(theirs)
    assert (await moved(theirs))[0][2].startswith("There is no world 'Elsinore'.")
    await wb.share("Elsinore", "eve@example.org", role="editor")
    assert (await theirs.apply()).written
    assert (await kinds(sql))["Osric"] == "fop"


async def test_frames_pictures_and_json_survive_in_a_saved_plan(
    wb: Workspace, sql: asyncpg.Connection, tmp_path: Path, shared: Path
) -> None:
    folder = tmp_path / "pictures"
    (folder / "maps").mkdir(parents=True)
    shutil.copy(shared / "messy" / "27_pictures" / "png_called.jpg", folder / "maps" / "a.jpg")
    (folder / "worlds.csv").write_text(WORLD)
    (folder / "images.csv").write_text("world,name,file\nElsinore,Map,maps/a.jpg\n")
    people = [{"world": "Elsinore", "name": "Osric", "age": 1}, {"name": "Yorick", "age": ["?"]}]
    people[1]["world"] = "Elsinore"
    (folder / "personas.json").write_text(json.dumps(people))
    place = (await wb.plan(folder)).save(tmp_path / "all.plan")
    shutil.rmtree(folder)
    assert (await wb.open_plan(place).apply()).problems == []
    assert await sql.fetchval("SELECT media_type FROM image") == "image/png"
    ages = await sql.fetch("SELECT attributes -> 'age' AS age FROM persona ORDER BY name")
    assert [row["age"] for row in ages] == ["1", '["?"]']

    frame = pd.DataFrame({"world": "Elsinore", "name": ["Osric"], "tags": [["fop"]]}, index=["a"])
    plan = await wb.plan({"personas": frame})
    assert plan.updates.column("new").to_pylist() == ["fop"]
    assert plan.updates.column("row").to_pylist() == ["a"]
    assert (await wb.open_plan(plan.save(tmp_path / "frame.plan")).apply()).written


async def test_texts_of_a_plan_are_escaped_and_bounded_in_a_notebook(
    wb: Workspace, write: Write
) -> None:
    rows = "".join(f"Elsinore,<script>{n}</script>\n" for n in range(3_000))
    plan = await wb.plan(write(worlds=WORLD, personas=f"world,name\n{rows}Elsinore,\n"))
    shown = plan._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert len(shown) < 20_000
    assert len(str(plan)) < 10_000


async def test_a_plan_that_shows_something_else_than_it_does_is_refused(
    wb: Workspace, sql: asyncpg.Connection, court: Path, tmp_path: Path
) -> None:
    harmless = await wb.plan(court)
    other = (court / "personas.csv").read_text().replace("fop", "king of Denmark")
    (court / "personas.csv").write_text(other)
    plan = await wb.plan(court)
    shutil.copy(harmless._folder / "updates.arrow", plan._folder / "updates.arrow")
    place = plan.save(tmp_path / "lie.plan")
    [(_, _, message)] = await moved(wb.open_plan(place))
    assert message == "What this plan shows is not what it would do. Make it again."
    assert (await kinds(sql))["Osric"] == "courtier"


def rewritten(place: Path, **parts: bytes | None) -> Path:
    """Write the plan anew with other parts; None leaves one out."""
    made = place.with_name("damaged.plan")
    with zipfile.ZipFile(place) as old, zipfile.ZipFile(made, "w") as new:
        for info in old.infolist():
            data = parts.pop(info.filename, old.read(info)) if parts else old.read(info)
            if data is not None:
                new.writestr(info.filename, data)
        for name, data in parts.items():
            new.writestr(name, data or b"")
    return made


async def test_damaged_and_hostile_plans_are_refused(
    wb: Workspace, court: Path, tmp_path: Path
) -> None:
    place = (await wb.plan(court)).save(tmp_path / "good.plan")
    with zipfile.ZipFile(place) as parts:
        about = json.loads(parts.read("plan.json"))
        rows = parts.read("sources/0.arrow")
    cases: list[tuple[dict[str, bytes | None], str]] = [
        ({"plan.json": b"{"}, "What this plan says of itself is damaged"),
        ({"plan.json": None}, "a part of it is missing"),
        ({"plan.json": b"[" * 100_000}, "What this plan says of itself is damaged"),
        ({"plan.json": json.dumps({**about, "version": 2}).encode()}, "has the form 2"),
        ({"plan.json": json.dumps({**about, "more": 1}).encode()}, "is damaged"),
        ({"sources/0.arrow": rows[:-100]}, "damaged"),
        ({"sources/0.arrow": b""}, "damaged"),
        ({"sources/1.arrow": rows}, "are not what they should be"),
        ({"updates.arrow": rows}, "is not what it should be"),
        ({"rows/password.arrow": rows}, "is not what it should be"),
        ({"../outside": b"x"}, "No plan has a part"),
        ({"pictures/0/../../../outside": b"x"}, "leads elsewhere"),
    ]
    for parts_, message in cases:
        with pytest.raises(UnreadableFile, match=message):
            wb.open_plan(rewritten(place, **parts_))
    damaged = bytearray(place.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (tmp_path / "bits.plan").write_bytes(bytes(damaged))
    (tmp_path / "empty.plan").write_bytes(b"")
    for name in ("bits.plan", "empty.plan", "none.plan", "."):
        with pytest.raises(UnreadableFile):
            wb.open_plan(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "bomb.plan", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("plan.json", b" " * 10_000_000)
    with pytest.raises(UnreadableFile, match="is packed"):
        wb.open_plan(tmp_path / "bomb.plan")
