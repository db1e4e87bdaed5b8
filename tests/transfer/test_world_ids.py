"""A world is renamed by its id, as other records are, with all else that an import says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pandas as pd
import pytest

from workbench.entities.world import World
from workbench.errors import NotAllowed
from workbench.transfer.report import LoadReport
from workbench.workspace import Workspace

Write = Callable[..., Path]
SignIn = Callable[[str], Awaitable[Workspace]]


@pytest.fixture
async def denmark(wb: Workspace) -> World:
    world = await wb.worlds.add(name="Denmark", description="A prison.")
    await wb.personas.add(worldid=world.id, name="Hamlet")
    return world


async def stored(sql: asyncpg.Connection) -> dict[str, str]:
    rows = await sql.fetch("SELECT id, name FROM world WHERE deleted_at IS NULL")
    return {row["name"]: str(row["id"]) for row in rows}


async def people(sql: asyncpg.Connection) -> set[tuple[str, str]]:
    rows = await sql.fetch(
        "SELECT w.name AS world, p.name FROM persona AS p JOIN world AS w ON w.id = p.worldid"
    )
    return {(row["world"], row["name"]) for row in rows}


def told(report: LoadReport) -> list[tuple[Any, str | None, str | None, str]]:
    return [(p.row, p.column, p.value, p.message) for p in report.problems]


async def test_a_row_with_its_id_renames_its_world(
    wb: Workspace, sql: asyncpg.Connection, write: Write, denmark: World, tmp_path: Path
) -> None:
    file = write(worlds=f"id,name\n{str(denmark.id).upper()},Jutland\n") / "worlds.csv"
    dry = await wb.load(file, dry_run=True)
    assert (dry.tables["worlds"].updated, dry.tables["worlds"].inserted) == (1, 0)
    plan = await wb.plan(file)
    [cell] = plan.updates.to_pylist()
    assert (cell["id"], cell["column"], cell["old"], cell["new"]) == (
        str(denmark.id),
        "name",
        "Denmark",
        "Jutland",
    )
    assert plan.inserts.num_rows == 0
    assert await stored(sql) == {"Denmark": str(denmark.id)}
    plan.save(tmp_path / "a.plan")
    assert (await wb.open_plan(tmp_path / "a.plan").apply()).written
    world = await wb.worlds.get(denmark.id)
    assert (world.name, world.description) == ("Jutland", "A prison.")
    assert world.ownerid == denmark.ownerid
    newest = (await wb.history(world.id)).iloc[0]
    assert newest["source"].endswith(": worlds.csv, row 1")
    assert (await wb.load(file)).tables["worlds"].unchanged == 1
    assert await stored(sql) == {"Jutland": str(denmark.id)}


async def test_a_frame_renames_worlds_whatever_else_it_has(
    wb: Workspace, sql: asyncpg.Connection, denmark: World
) -> None:
    read = await wb.worlds.frame(names=True)
    frame = read.assign(name="Jutland")
    report = await wb.load({"worlds": frame.drop(columns="version")})
    assert report.tables["worlds"].updated == 1
    assert await stored(sql) == {"Jutland": str(denmark.id)}
    saved = (await wb.worlds.frame()).assign(name="Zealand")
    assert (await wb.worlds.save(saved)).changed == 1
    assert await stored(sql) == {"Zealand": str(denmark.id)}


@pytest.mark.parametrize("world", ["Denmark", "Jutland", "tester@localhost/Jutland"])
async def test_other_rows_name_a_renamed_world_by_either_name(
    wb: Workspace, sql: asyncpg.Connection, write: Write, denmark: World, world: str
) -> None:
    folder = write(
        worlds=f"id,name\n{denmark.id},Jutland\n",
        personas=f"world,name,kind\n{world},Hamlet,prince\n{world},Yorick,jester\n",
        acts=f"world,story,name\n{world},Hamlet,Act I\n",
        stories=f"world,name\n{world},Hamlet\n",
    )
    report = await wb.load(folder)
    report.raise_for_problems()
    counts = report.tables["personas"]
    assert (counts.inserted, counts.updated) == (1, 1)
    assert await stored(sql) == {"Jutland": str(denmark.id)}
    assert await people(sql) == {("Jutland", "Hamlet"), ("Jutland", "Yorick")}


async def test_the_old_name_of_a_world_may_be_that_of_a_new_one(
    wb: Workspace, sql: asyncpg.Connection, write: Write, denmark: World
) -> None:
    """It is then taken until the rename is written, as for all that is renamed."""
    folder = write(worlds=f"id,name\n{denmark.id},Jutland\n,Denmark\n")
    report = await wb.load(folder / "worlds.csv")
    assert not report.written
    [(row, column, value, message)] = told(report)
    assert (row, column, value) == (2, "name", "Denmark")
    assert message == "An earlier row is about the same world. Take one out."
    assert await stored(sql) == {"Denmark": str(denmark.id)}


async def test_a_name_of_another_world_of_the_same_owner_is_refused(
    wb: Workspace, sql: asyncpg.Connection, write: Write, denmark: World
) -> None:
    norway = await wb.worlds.add(name="Norway")
    before = await stored(sql)
    folder = write(
        worlds=f"id,name\n{denmark.id},Norway\n", personas="world,name\nNorway,Fortinbras\n"
    )
    said = "Another world is called so already. Choose a name."
    for report in (await wb.load(folder, dry_run=True), await wb.load(folder)):
        assert told(report) == [(1, "name", "Norway", said)]
    swap = write(worlds=f"id,name\n{denmark.id},Norway\n{norway.id},Denmark\n") / "worlds.csv"
    report = await wb.load(swap)
    assert [problem.row for problem in report.problems] == [1, 2]
    for problem, other in zip(report.problems, (2, 1), strict=True):
        assert problem.message.startswith(f"The world of row {other} of worlds.csv is called so")
    assert await stored(sql) == before


async def test_what_is_of_a_world_whose_rename_is_rejected_waits_for_it(
    wb: Workspace, sql: asyncpg.Connection, write: Write, denmark: World
) -> None:
    """By its new name a row may mean either world; by no name does it go to the wrong one."""
    norway = await wb.worlds.add(name="Norway")
    folder = write(
        worlds=f"id,name\n{denmark.id},Norway\n", personas="world,name\nNorway,Fortinbras\n"
    )
    report = await wb.load(folder, on_problem="skip")
    assert [problem.file for problem in report.problems] == ["personas.csv", "worlds.csv"]
    assert report.problems[0].message == "This waits for row 1 of worlds.csv, which is rejected."
    assert await people(sql) == {("Denmark", "Hamlet")}
    assert await stored(sql) == {"Denmark": str(denmark.id), "Norway": str(norway.id)}


async def test_what_is_in_a_record_whose_rename_is_rejected_waits_for_it(
    wb: Workspace, write: Write, denmark: World
) -> None:
    one, other = await wb.stories.add_many(
        [{"worldid": denmark.id, "name": name} for name in ("Hamlet", "Mousetrap")]
    )
    folder = write(
        stories=f"id,world,name\n{one.id},Denmark,Mousetrap\n{other.id},Denmark,Mousetrap II\n",
        acts="world,story,name\nDenmark,Mousetrap,Act I\nDenmark,Mousetrap II,Act II\n",
    )
    report = await wb.load(folder, on_problem="skip")
    assert [(p.file, p.row) for p in report.problems] == [("acts.csv", 1), ("stories.csv", 1)]
    assert [(act.name, act.storyid) for act in await wb.acts.find()] == [("Act II", other.id)]


async def test_a_manager_renames_a_world_that_stays_its_owners(
    wb: Workspace, sign_in: SignIn, denmark: World
) -> None:
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="manager")
    frame = pd.DataFrame({"id": [str(denmark.id)], "name": ["Jutland"], "owner": [None]})
    (await eve.load({"worlds": frame})).raise_for_problems()
    assert (await wb.worlds.get(denmark.id)).ownerid == denmark.ownerid
    await wb.worlds.add(name="Norway")  # which eve does not see
    report = await eve.load({"worlds": frame.assign(name="Norway")})
    assert not report.written
    [problem] = report.problems
    assert (problem.row, problem.column) == (0, "name")
    assert problem.message.startswith("Another world in the same place has the name")
    assert (await wb.worlds.get(denmark.id)).name == "Jutland"


async def test_a_viewer_renames_no_world_and_is_told_whom_to_ask(
    wb: Workspace, sign_in: SignIn, write: Write, denmark: World
) -> None:
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="viewer")
    file = write(worlds=f"id,name\n{denmark.id},Jutland\n") / "worlds.csv"
    said = (
        "You may read the world 'Denmark', but not change it: that takes an editor's rights in "
        "it, and an account that may edit. Ask tester@localhost."
    )
    plan = await eve.plan(file)
    for report in (plan.report, await eve.load(file)):
        assert told(report) == [(1, "name", "Jutland", said)]
        assert report.refused
    with pytest.raises(NotAllowed, match=r"Ask tester@localhost\.$"):
        await plan.apply()
    assert (await wb.worlds.get(denmark.id)).name == "Denmark"
    await wb.share(denmark, "eve@example.org", role="editor")
    assert (await eve.load(file)).written
    assert (await wb.worlds.get(denmark.id)).name == "Jutland"


async def test_an_id_of_a_world_that_one_does_not_see_is_nobody_s(
    wb: Workspace, sign_in: SignIn, write: Write, denmark: World
) -> None:
    eve = await sign_in("eve")
    gone = await eve.worlds.add(name="Norway")
    await eve.worlds.remove(gone)
    folder = write(worlds=f"id,name\n{denmark.id},Jutland\n{gone.id},Iceland\n17,Sweden\n")
    report = await eve.load(folder / "worlds.csv")
    report.raise_for_problems()
    assert report.tables["worlds"].inserted == 3
    assert report.notes == [
        "worlds.csv: what 'id' holds is no id of ours, and is not kept (row 3)."
    ]
    assert (await wb.worlds.get(denmark.id)).name == "Denmark"
    made = {world.name: world.id for world in await eve.worlds.find()}
    assert set(made) == {"Jutland", "Iceland", "Sweden"}
    assert not {denmark.id, gone.id} & set(made.values())
