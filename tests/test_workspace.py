"""The public object: frames in and out, worlds by whatever tells them, one server for many."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

import workbench
from workbench.errors import (
    Ambiguous,
    InvalidDraft,
    InvalidRows,
    NotAllowed,
    NotFound,
    UnknownField,
)
from workbench.store.names import world_id
from workbench.workspace import Workspace


@pytest.fixture
async def denmark(wb: Workspace):
    return await wb.worlds.add(name="Denmark")


async def test_a_workspace_shows_what_it_has(wb):
    assert repr(wb).startswith("<Workspace: users, worlds, books, stories,")
    assert repr(wb.as_of("2026-01-31")).startswith("<Workspace as of 2026-01-31 00:00:00 UTC: ")


async def test_add_many_takes_a_frame_with_names_or_ids(wb, denmark):
    by_name = pd.DataFrame({"name": ["HAMLET", "HORATIO"], "world": "Denmark", "sex": "m"})
    assert await wb.personas.add_many(by_name) == 2
    by_id = pd.DataFrame({"name": ["OPHELIA"], "worldid": [str(denmark.id)], "tags": [["court"]]})
    assert await wb.personas.add_many(by_id) == 1
    ophelia = await wb.personas.get(name="OPHELIA")
    assert (ophelia.worldid, ophelia.tags) == (denmark.id, ["court"])
    assert (await wb.personas.get(name="HAMLET")).attributes == {"sex": "m"}


async def test_add_many_of_a_link_takes_a_frame(wb, denmark):
    story = await wb.stories.add(name="Hamlet", worldid=denmark.id)
    act = await wb.acts.add(name="Act I", storyid=story.id)
    await wb.scenes.add(name="Scene I", actid=act.id)
    await wb.personas.add(name="HAMLET", worldid=denmark.id)
    cast = pd.DataFrame(
        {
            "world": ["Denmark"],
            "story": ["Hamlet"],
            "act": ["Act I"],
            "scene": ["Scene I"],
            "persona": ["HAMLET"],
            "words": [7],
        }
    )
    assert await wb.scene_personas.add_many(cast) == 1
    assert (await wb.scene_personas.find())[0].words == 7


async def test_bad_rows_of_a_frame_are_all_told_by_their_labels_and_none_is_written(wb, denmark):
    await wb.personas.add(name="HAMLET", worldid=denmark.id)
    frame = pd.DataFrame(
        {"name": ["HAMLET", " ", "OPHELIA"], "world": ["Denmark", "Denmark", "Norway"]},
        index=["a", "b", "c"],
    )
    with pytest.raises(InvalidRows) as caught:
        await wb.personas.add_many(frame)
    assert sorted((str(p.row), p.column) for p in caught.value.problems) == [
        ("a", "name"),
        ("b", "name"),
        ("c", "world"),
    ]
    assert await wb.personas.count() == 1


async def test_a_frame_loads_again_as_it_is(wb, denmark):
    await wb.personas.add_many(
        [{"name": n, "worldid": denmark.id, "attributes": {"age": 14}} for n in ("A", "B")]
    )
    frame = await wb.personas.frame(world="Denmark", names=True)
    report = await wb.load({"personas": frame})
    assert (report.tables["personas"].unchanged, report.problems) == (2, [])
    frame.loc[frame["name"] == "A", "kind"] = "prince"
    report = await wb.load({"personas": frame})
    assert (report.tables["personas"].updated, report.tables["personas"].unchanged) == (1, 1)
    assert (await wb.personas.get(name="A")).kind == "prince"


async def test_a_world_is_told_by_record_id_name_or_owner_and_name(wb, denmark):
    await wb.personas.add(name="HAMLET", worldid=denmark.id)
    for told in (denmark, denmark.id, "Denmark", "tester@localhost/Denmark"):
        assert len(await wb.personas.frame(world=told)) == 1
    with pytest.raises(NotFound, match="Did you mean 'Denmark'"):
        await wb.personas.frame(world="Denmarc")


async def test_a_world_of_two_owners_is_ambiguous(owned, denmark):
    """Where one is a member of both; else it is one's own that is meant."""
    other = await owned.users.add(email="other@localhost")
    theirs = await owned.worlds.add(name="Denmark", ownerid=other.id)
    assert await world_id(owned.database, "Denmark") == denmark.id
    await owned.world_members.add(worldid=theirs.id, userid=owned.database.userid, role="viewer")
    with pytest.raises(Ambiguous, match="Write its owner"):
        await owned.outline("Denmark")
    assert (await owned.outline("other@localhost/Denmark")).roots == []


async def test_a_world_may_have_a_name_that_looks_like_owner_and_name(owned):
    odd = await owned.worlds.add(name="a@b/c")
    for told in ("a@b/c", "tester@localhost/a@b/c"):
        assert (await owned.outline(told)).roots == []
        assert await owned.personas.count(world=told) == 0
    owner = await owned.users.add(email="a@b")
    proper = await owned.worlds.add(name="c", ownerid=owner.id)
    assert await world_id(owned.database, "a@b/c") == proper.id, "owner and name come first"
    assert await world_id(owned.database, "tester@localhost/a@b/c") == odd.id
    await owned.worlds.add(name="Denmark")
    with pytest.raises(NotFound, match="Did you mean 'Denmark'"):
        await owned.outline("tester@localhost/Denmarc")


async def test_an_entity_that_is_none_is_told_with_the_nearest(wb):
    with pytest.raises(UnknownField, match="Did you mean 'personas'"):
        await wb.near_names("persons", "HAMLET")


@pytest.mark.parametrize("drafts", ["abc", 5, None, {"name": "HAMLET"}, ["HAMLET"]])
async def test_add_many_of_what_is_no_list_of_drafts_says_what_to_give(wb, drafts):
    for collection in (wb.personas, wb.scene_personas):
        with pytest.raises(InvalidDraft, match="Give a list of drafts") as told:
            await collection.add_many(drafts)
        assert told.value.entity == collection.stored.name


async def test_frames_inside_a_transaction_see_what_it_wrote(wb, denmark):
    async with wb.transaction():
        await wb.personas.add(name="HAMLET", worldid=denmark.id)
        assert len(await wb.personas.frame(world=denmark)) == 1


async def test_loading_inside_a_transaction_is_undone_with_it(wb, denmark):
    async def work():
        async with wb.transaction():
            await wb.load({"personas": pd.DataFrame({"name": ["A"], "world": ["Denmark"]})})
            raise KeyError

    with pytest.raises(KeyError):
        await work()
    assert await wb.personas.count() == 0


async def test_connect_starts_migrates_and_knows_its_user(home):
    async with await workbench.connect(home=home / "own", user="ann@example.org") as wb:
        world = await wb.worlds.add(name="Mine")
        owner = await wb.users.get(world.ownerid)
        assert owner.email == "ann@example.org"
        async with await workbench.connect(home=home / "own", user="ANN@example.org") as again:
            assert again.database.userid == wb.database.userid
            assert await again.worlds.count() == 1


def test_connect_stays_a_function_whatever_is_imported():
    code = "import workbench.cli, workbench.serving, workbench.wiring as w, workbench as b;"
    code += "assert b.connect is w.connect and b.connect is w.connect; assert callable(b.Workspace)"
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_a_world_is_shared_by_e_mail_and_what_is_not_allowed_says_whom_to_ask(
    wb, denmark, sign_in
):
    hers = await sign_in("eve")
    await wb.personas.add(name="HAMLET", worldid=denmark.id)
    with pytest.raises(NotFound):
        await hers.personas.find(world="Denmark")
    await wb.share("Denmark", "Eve@example.org")
    (hamlet,) = await hers.personas.find(world="Denmark")
    for refused in (
        hers.personas.update(hamlet, kind="prince"),
        hers.personas.remove(hamlet),
    ):
        with pytest.raises(NotAllowed, match="Ask tester@localhost"):
            await refused
    for refused in (
        hers.personas.add(name="YORICK", worldid=denmark.id),
        hers.share("Denmark", "x@example.org"),
        hers.worlds.update(await hers.worlds.get(denmark.id), is_public=True),
    ):
        with pytest.raises(NotAllowed):
            await refused
    await wb.share(denmark, "eve@example.org", role="editor")
    await hers.personas.update(hamlet, kind="prince")
    with pytest.raises(InvalidDraft):
        await wb.share(denmark, "eve@example.org", role="king")
