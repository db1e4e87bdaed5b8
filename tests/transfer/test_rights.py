"""An import knows the rights of its user before it writes anything, and so does its plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.errors import InvalidRows, NotAllowed, PlanMoved, Problem, error_of
from workbench.transfer import apply
from workbench.transfer.report import LoadReport
from workbench.workspace import Workspace

Write = Callable[..., Path]
SignIn = Callable[[str], Awaitable[Workspace]]

CHANGE = (
    "You may read the world 'Denmark', but not change its personas: that takes an editor's "
    "rights in it, and an account that may edit. Ask tester@localhost."
)
ADD = CHANGE.replace("change its personas", "add personas to it")


@pytest.fixture
async def eve(wb: Workspace, sign_in: SignIn) -> Workspace:
    """A viewer of Denmark, an editor of Norway."""
    eve = await sign_in("eve")
    for name, role in (("Denmark", "viewer"), ("Norway", "editor")):
        world = await wb.worlds.add(name=name)
        await wb.personas.add(worldid=world.id, name=f"King of {name}", kind="king")
        await wb.share(world, "eve@example.org", role=role)
    return eve


@pytest.fixture
def kings(write: Write) -> Path:
    rows = [f"{world},King of {world},ghost\n{world},Guest,\n" for world in ("Denmark", "Norway")]
    return write(personas="world,name,kind\n" + "".join(rows))


def told(report: LoadReport) -> list[tuple[Any, str | None, str | None, str]]:
    return [(p.row, p.column, p.value, p.message) for p in report.problems]


async def kinds(wb: Workspace) -> dict[str, str | None]:
    return {persona.name: persona.kind for persona in await wb.personas.find()}


async def test_a_plan_of_a_viewer_lists_what_the_import_would(
    wb: Workspace, eve: Workspace, kings: Path
) -> None:
    before = await kinds(wb)
    expected = [(1, "world", "Denmark", CHANGE), (2, "world", "Denmark", ADD)]
    plan = await eve.plan(kings)
    dry = await eve.load(kings, dry_run=True)
    done = await eve.load(kings)
    for report in (plan.report, dry, done):
        assert told(report) == expected
        assert report.refused
        assert not report.written
        counts = report.tables["personas"]
        assert (counts.inserted, counts.updated, counts.rejected) == (0, 0, 2)
        with pytest.raises(NotAllowed) as refused:
            report.raise_for_problems()
        assert str(refused.value) == f"{CHANGE}\n{ADD}"
    assert str(plan).endswith("It takes rights that you do not have, so it cannot be applied.")
    with pytest.raises(NotAllowed, match="Ask tester@localhost"):
        await plan.apply()
    assert await kinds(wb) == before


async def test_an_editor_of_one_of_two_worlds_imports_what_is_of_that_one_if_rows_are_skipped(
    wb: Workspace, eve: Workspace, kings: Path
) -> None:
    plan = await eve.plan(kings, on_problem="skip")
    assert plan.report.tables["personas"].good == 2
    report = await plan.apply()
    assert report.written
    assert told(report) == told(plan.report)
    assert (await kinds(wb)) == {
        "King of Denmark": "king", "King of Norway": "ghost", "Guest": None,
    }  # fmt: skip
    report = await eve.load(kings, on_problem="skip")
    assert CHANGE in report.rejects["personas.csv"].read_text()


async def test_an_owner_and_an_editor_are_told_nothing(
    wb: Workspace, eve: Workspace, kings: Path
) -> None:
    await wb.share("Denmark", "eve@example.org", role="editor")
    for one in (eve, wb):
        assert (await one.plan(kings)).problems == []
    assert (await eve.load(kings)).problems == []
    await wb.share("Denmark", "eve@example.org", role="viewer")
    assert (await eve.load(kings)).written  # which changes nothing any more


async def test_what_an_import_makes_itself_is_its_users(eve: Workspace, write: Write) -> None:
    """A world of the same name as one that is shared, and what is in it."""
    folder = write(
        worlds="name\nDenmark\n", stories="world,name\nDenmark,Hamlet\n",
        acts="world,story,name\nDenmark,Hamlet,Act I\n",
    )  # fmt: skip
    for report in (await eve.load(folder, dry_run=True), await eve.load(folder)):
        assert report.problems == []
        assert report.tables["acts"].inserted == 1


async def test_rows_that_tell_their_world_by_ids_are_judged_too(
    wb: Workspace, eve: Workspace
) -> None:
    world = await wb.worlds.get(name="Denmark")
    story = await wb.stories.add(worldid=world.id, name="Hamlet")
    frame = pd.DataFrame({"storyid": [str(story.id)], "name": ["Act I"]})
    report = await eve.load({"acts": frame}, dry_run=True)
    (problem,) = report.problems
    assert problem.message == ADD.replace("personas", "acts")


async def test_to_publish_or_to_share_takes_a_manager(
    wb: Workspace, eve: Workspace, write: Write
) -> None:
    worlds = await eve.worlds.frame(columns=["id", "name", "owner", "is_public", "description"])
    worlds = worlds.assign(is_public=True, description="x").sort_values("name")
    report = await eve.load({"worlds": worlds}, dry_run=True)
    assert [p.message.partition(": that takes ")[::2] for p in report.problems] == [
        (
            "You may read the world 'Denmark', but not change it",
            "an editor's rights in it, and an account that may edit. Ask tester@localhost.",
        ),
        (
            "You may read the world 'Norway', but not change whether it is public",
            "a manager's rights in it, and an account that may edit. Ask tester@localhost.",
        ),
    ]
    assert [p.column for p in report.problems] == ["name", "is_public"]
    members = (await eve.world_members.frame(names=True)).assign(role="manager")
    report = await eve.load({"world_members": members[members["world"] == "Norway"]})
    (problem,) = report.problems
    assert "not change its world_members: that takes a manager's rights" in problem.message
    with pytest.raises(NotAllowed, match="takes a manager's rights"):
        await eve.world_members.update((await eve.world_members.find())[0], role="manager")
    assert not await wb.worlds.count(is_public=True)


async def test_an_owner_is_not_given_by_an_import(wb: Workspace, eve: Workspace) -> None:
    rows = {"name": ["Sweden", "Iceland"], "owner": ["tester@localhost", "eve@example.org"]}
    report = await eve.load({"worlds": pd.DataFrame(rows)})
    assert [(p.row, p.column, p.value) for p in report.problems] == [
        (0, "owner", "tester@localhost")
    ]
    assert "`hand_over`" in report.problems[0].message
    kings = await eve.personas.frame(world="Norway", names=True)
    mine = kings.drop(columns="ownerid").assign(owner="eve@example.org", kind="x")
    theirs = mine.drop(columns="id").assign(name="New", owner="tester@localhost")
    for frame in (mine, theirs):
        report = await eve.load({"personas": frame}, dry_run=True)
        assert [p.column for p in report.problems] == ["owner"]
        assert report.refused
    assert (await eve.load({"personas": mine.assign(owner=kings["owner"])})).written


async def test_users_are_the_administrators_to_change(wb: Workspace, eve: Workspace) -> None:
    rows = {"email": ["tester@localhost", "eve@example.org", "new@example.org"]}
    users = pd.DataFrame(rows).assign(display_name="x")
    report = await eve.load({"users": users}, dry_run=True)
    assert [p.row for p in report.problems] == [0, 2]
    with pytest.raises(NotAllowed, match="An administrator adds and changes them"):
        report.raise_for_problems()
    assert (await eve.load({"users": users.iloc[1:2]})).written
    assert (await eve.load({"users": users.iloc[1:2].assign(role="admin")})).refused


async def test_with_other_problems_all_are_told_together(eve: Workspace, write: Write) -> None:
    folder = write(personas="world,name,born\nDenmark,King of Denmark,\nNorway,,\n")
    report = await eve.load(folder / "personas.csv")
    assert not report.refused
    with pytest.raises(InvalidRows):
        report.raise_for_problems()


def test_many_refusals_are_told_in_few_lines() -> None:
    problems = [Problem("a.csv", n, None, None, f"No {n % 7}.", refused=True) for n in range(99)]
    error = error_of(problems)
    assert isinstance(error, NotAllowed)
    assert str(error).splitlines() == [
        "No 0.", "No 1.", "No 2.", "No 3.", "No 4.", "… and 2 more like these.",
    ]  # fmt: skip


@pytest.mark.parametrize("on_problem", ["stop", "skip"])
async def test_a_plan_of_an_editor_is_not_applied_by_a_viewer(
    wb: Workspace, eve: Workspace, kings: Path, on_problem: Any, tmp_path: Path
) -> None:
    (await wb.plan(kings, on_problem=on_problem)).save(tmp_path / "a.plan")
    theirs = eve.open_plan(tmp_path / "a.plan")
    before = await kinds(wb)
    with pytest.raises(NotAllowed, match=r"not change its personas.* Ask tester@localhost"):
        await theirs.apply()
    assert await kinds(wb) == before
    await wb.personas.update(await wb.personas.get(name="King of Norway"), kind="x")
    if on_problem == "skip":
        with pytest.raises(PlanMoved):
            await theirs.apply()


async def test_what_a_viewer_saved_says_the_same_when_it_is_opened(
    eve: Workspace, kings: Path, tmp_path: Path
) -> None:
    plan = await eve.plan(kings)
    plan.save(tmp_path / "a.plan")
    opened = eve.open_plan(tmp_path / "a.plan")
    assert str(opened) == str(plan)
    with pytest.raises(NotAllowed):
        await opened.apply()


async def test_a_right_that_is_lost_during_an_import_is_told(
    wb: Workspace, eve: Workspace, kings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await wb.share("Denmark", "eve@example.org", role="editor")
    real = apply.count

    async def late(*arguments: Any) -> None:
        await real(*arguments)
        await wb.share("Denmark", "eve@example.org", role="viewer")

    monkeypatch.setattr(apply, "count", late)
    report = await eve.load(kings)
    assert not report.written
    with pytest.raises(NotAllowed):
        report.raise_for_problems()
    assert (await kinds(wb))["King of Norway"] == "king"


async def test_rights_are_asked_for_tables_not_for_rows(eve: Workspace) -> None:
    counts = []
    for count in (10, 10, 400):  # the first learns of types
        rows = {"world": ["Norway"] * count, "name": [f"p{n}" for n in range(count)]}
        said: list[object] = []
        async with eve.transaction():
            async with eve.database.writing() as connection:
                raw = await eve.database.driver(connection)
            with raw.query_logger(said.append):
                report = await eve.load({"personas": pd.DataFrame(rows)}, dry_run=True)
        assert report.problems == []
        counts.append(len(said))
    assert counts[1] == counts[2]
