"""Rows that are added and trashed, twins that are looked up, names that are taken, links."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.frames.test_save import one, put
from workbench.entities.world import World
from workbench.errors import InvalidDraft, InvalidRows, NotAllowed
from workbench.frames import attempt
from workbench.workspace import Workspace


def added(frame: pd.DataFrame, *rows: dict[str, Any]) -> pd.DataFrame:
    return pd.concat([frame, pd.DataFrame(list(rows))], ignore_index=True)


async def test_rows_without_an_id_are_added_when_asked(wb: Workspace, denmark: World) -> None:
    frame = added(await wb.personas.frame(world=denmark), {"name": "Laertes"}, {"name": "Osric"})
    with pytest.raises(InvalidRows, match="add=True") as error:
        await wb.personas.save(frame)
    assert [p.row for p in error.value.problems] == [5, 6]
    put(frame, "Hamlet", kind="ghost")
    result = await wb.personas.save(frame, add=True, reason="the court")
    assert (result.added, result.changed, result.unchanged) == (2, 1, 4)
    laertes = await one(wb, "Laertes")
    assert (laertes.worldid, laertes.version) == (denmark.id, 1)


async def test_added_rows_have_their_ids_afterwards(wb: Workspace, denmark: World) -> None:
    frame = added(
        await wb.personas.frame(world=denmark, names=True), {"name": "Laertes"}, {"name": "Osric"}
    )
    await wb.personas.save(frame, add=True)
    put(frame, "Osric", kind="courtier")
    put(frame, "Laertes", kind="brother")
    result = await wb.personas.save(frame)
    assert (result.changed, result.added) == (2, 0)
    assert (await one(wb, "Osric")).kind == "courtier"
    assert (await one(wb, "Laertes")).kind == "brother"
    again = await wb.personas.frame(world=denmark, names=True)
    assert frame["id"].tolist() == again["id"].tolist()


async def test_added_rows_name_what_they_refer_to(wb: Workspace, denmark: World) -> None:
    frame = await wb.scenes.frame(world=denmark, names=True)
    frame = added(
        frame,
        {"world": "Denmark", "story": "Hamlet", "act": "Act V", "name": "Graves", "location": "Graveyard"},
    )  # fmt: skip
    assert (await wb.scenes.save(frame, add=True)).added == 1
    scene = await wb.scenes.get(name="Graves", story="Hamlet")
    place = await wb.locations.get(name="Graveyard", world="Denmark")
    assert scene.locationid == place.id


async def test_problems_of_old_and_new_rows_are_told_together(
    wb: Workspace, denmark: World
) -> None:
    frame = added(await wb.locations.frame(world=denmark), {"name": "Sea", "x": 5.0})
    put(frame, "Castle", y=7)
    with pytest.raises(InvalidRows) as error:
        await wb.locations.save(frame, add=True)
    assert [(p.row, p.column) for p in error.value.problems] == [(0, "y"), (2, "x")]
    assert await wb.locations.count() == 2


async def test_a_new_row_that_is_there_already_is_refused_and_nothing_is_written(
    wb: Workspace, denmark: World
) -> None:
    frame = added(await wb.personas.frame(world=denmark), {"name": "Yorick"})
    put(frame, "Hamlet", kind="ghost")
    with pytest.raises(InvalidRows) as error:
        await wb.personas.save(frame, add=True)
    assert [p.row for p in error.value.problems] == [5]
    assert (await one(wb, "Hamlet")).kind == "prince"


async def test_rows_go_to_the_trash_only_when_asked_and_what_was_read_is_known(
    wb: Workspace, denmark: World
) -> None:
    read = await wb.personas.frame(world=denmark)
    frame = read[read["name"] != "Yorick"].copy()
    assert (await wb.personas.save(frame)).trashed == 0
    with pytest.raises(InvalidDraft, match="based_on"):
        await wb.personas.save(frame, trash=True)
    assert await wb.personas.count() == 5
    result = await wb.personas.save(frame, trash=True, based_on=read, reason="dead already")
    assert (result.trashed, result.unchanged) == (1, 4)
    assert await wb.personas.count() == 4
    assert (await wb.personas.find(trashed=True))[0].name == "Yorick"
    again = await wb.personas.save(frame, trash=True, based_on=read)
    assert (again.trashed, again.trashed_before, len(again.conflicts)) == (0, 1, 0)
    assert "1 in the trash already" in str(again)


async def test_what_was_purged_before_it_could_be_trashed_is_told(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    read = await eve.personas.frame(world=denmark)
    await wb.personas.purge(await wb.personas.remove(await one(wb, "Yorick")))
    frame = read[read["name"] == "Hamlet"].copy()
    put(frame, "Hamlet", kind="ghost")
    stopped = await eve.personas.save(frame, trash=True, based_on=read, on_conflict="stop")
    assert not stopped.written
    result = await stopped.resolve("mine")
    assert (result.changed, result.trashed) == (1, 3)
    for told in (stopped, result, await result.resolve("mine")):
        (row,) = told.conflicts.to_dict("records")
        assert (row["name"], row["column"], row["why"]) == ("Yorick", "deleted_at", "gone")
        assert row["mine"] == "trash"
        assert "gone: purged, or no longer yours to read" in str(told)


async def test_what_one_may_no_longer_read_is_not_said_to_be_trashed(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    norway = await eve.worlds.add(name="Norway")
    await eve.personas.add(worldid=norway.id, name="Fortinbras")
    read = await eve.personas.frame()
    await wb.unshare(denmark, "eve@example.org")
    result = await eve.personas.save(read.iloc[:0].copy(), trash=True, based_on=read)
    assert (result.changed, result.trashed) == (0, 1)
    assert set(result.conflicts["record"]) == {
        id_ for id_, name in zip(read["id"], read["name"], strict=True) if name != "Fortinbras"
    }
    assert set(result.conflicts["why"]) == {"gone"}
    assert await wb.personas.count() == 5


async def test_a_right_that_is_lost_while_rows_are_trashed_leaves_none_behind(
    wb: Workspace, denmark: World, eve: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = await eve.personas.frame(world=denmark)
    real, times = attempt.trash, []

    async def late(*arguments: Any) -> int:
        if not times:
            await wb.share(denmark, "eve@example.org", role="viewer")
        times.append(1)
        return await real(*arguments)

    monkeypatch.setattr(attempt, "trash", late)
    result = await eve.personas.save(read.iloc[:0].copy(), trash=True, based_on=read)
    assert (result.trashed, set(result.conflicts["why"])) == (0, {"rights"})
    assert len(result.conflicts) == 5
    assert await wb.personas.count() == 5


async def test_new_rows_for_a_world_of_which_one_is_no_editor_any_more_are_not_allowed(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = added(await eve.personas.frame(world=denmark), {"name": "Laertes"})
    await wb.share(denmark, "eve@example.org", role="viewer")
    with pytest.raises(NotAllowed, match=r"'Denmark', but not add personas .* Ask tester@localh"):
        await eve.personas.save(frame, add=True)
    with pytest.raises(NotAllowed, match="Ask tester@localhost"):
        await eve.personas.add_many(pd.DataFrame({"name": ["Osric"], "world": ["Denmark"]}))
    assert await wb.personas.count() == 5


async def test_what_others_changed_is_not_trashed_unasked(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    read = await wb.personas.frame(world=denmark)
    await eve.personas.update(await one(eve, "Yorick"), kind="jester")
    await eve.personas.remove(await one(eve, "Claudius"))
    frame = read[read["name"] == "Hamlet"]
    result = await wb.personas.save(frame, trash=True, based_on=read)
    assert result.trashed == 2
    (row,) = result.conflicts.to_dict("records")
    assert (row["name"], row["column"], row["mine"]) == ("Yorick", "deleted_at", "trash")
    assert row["author"] == "eve@example.org"
    assert (await result.resolve("theirs")).trashed == 0
    assert (await one(wb, "Yorick")).kind == "jester"
    assert (await result.resolve("mine")).trashed == 1
    assert [p.name for p in await wb.personas.find()] == ["Hamlet"]


async def test_a_changed_twin_is_looked_up_by_name(wb: Workspace, denmark: World) -> None:
    frame = await wb.scenes.frame(world=denmark, names=True)
    put(frame, "Scene II", location="Graveyard")
    put(frame, "Scene I", location=None, act="Act V")
    result = await wb.scenes.save(frame)
    assert (result.changed, result.cells) == (2, 3)
    place = await wb.locations.get(name="Graveyard", world="Denmark")
    act = await wb.acts.get(name="Act V", story="Hamlet")
    assert (await wb.scenes.get(name="Scene II", story="Hamlet")).locationid == place.id
    first = await wb.scenes.get(name="Scene I", story="Hamlet")
    assert (first.locationid, first.actid) == (None, act.id)
    assert (await wb.scenes.save(frame)).changed == 0
    again = await wb.scenes.frame(world=denmark, names=True)
    assert frame["locationid"].tolist() == again["locationid"].tolist()


async def test_a_twin_is_looked_up_without_its_foreign_key_too(
    wb: Workspace, denmark: World
) -> None:
    frame = await wb.scenes.frame(columns=["id", "version", "name", "location"])
    put(frame, "Scene II", location=" Graveyard ")
    assert (await wb.scenes.save(frame)).cells == 1
    assert await wb.scenes.count(location="Graveyard") == 1
    assert await wb.scenes.count(location="Castle") == 1


async def test_a_changed_foreign_key_wins_over_the_name_that_was_read(
    wb: Workspace, denmark: World
) -> None:
    place = await wb.locations.get(name="Graveyard", world="Denmark")
    frame = await wb.scenes.frame(world=denmark, names=True)
    put(frame, "Scene I", locationid=str(place.id).upper())
    assert (await wb.scenes.save(frame)).cells == 1
    assert frame["location"].tolist()[0] == "Graveyard"
    assert (await wb.scenes.save(frame)).changed == 0
    assert await wb.scenes.count(location="Graveyard") == 1


async def test_a_twin_and_its_key_that_disagree_are_refused(wb: Workspace, denmark: World) -> None:
    place = await wb.locations.get(name="Graveyard", world="Denmark")
    sea = await wb.locations.add(worldid=denmark.id, name="Sea")
    frame = await wb.scenes.frame(world=denmark, names=True)
    put(frame, "Scene I", locationid=str(place.id), location="Sea")
    with pytest.raises(InvalidRows, match="another record than locationid"):
        await wb.scenes.save(frame)
    put(frame, "Scene I", locationid=str(sea.id))
    assert (await wb.scenes.save(frame)).changed == 1


async def test_a_twin_that_names_nothing_is_refused_with_the_nearest(
    wb: Workspace, denmark: World
) -> None:
    frame = await wb.scenes.frame(world=denmark, names=True)
    put(frame, "Scene I", location="Graveyrd")
    put(frame, "Scene II", act="Act IX")
    with pytest.raises(InvalidRows) as error:
        await wb.scenes.save(frame)
    told = {p.column: p.message for p in error.value.problems}
    assert told["location"].endswith("Did you mean 'Graveyard'?")
    assert told["act"].startswith("There is no act 'Act IX' in the world of this scene.")


async def test_what_was_renamed_since_is_no_change_of_a_twin(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = await wb.scenes.frame(world=denmark, names=True)
    castle = await eve.locations.get(name="Castle", world="Denmark")
    await eve.locations.update(castle, name="Kronborg")
    await eve.stories.update(await eve.stories.get(name="Hamlet"), name="The Tragedy")
    await wb.worlds.update(denmark, name="Danmark")
    put(frame, "Scene I", text="Who's there?")
    result = await wb.scenes.save(frame)
    assert (result.changed, result.cells) == (1, 1)
    assert await wb.scenes.count(location="Kronborg") == 1


async def test_a_name_that_is_anothers_by_now_is_asked_about(wb: Workspace, denmark: World) -> None:
    frame = await wb.scenes.frame(world=denmark, names=True)
    castle = await wb.locations.get(name="Castle", world="Denmark")
    await wb.locations.update(castle, name="Kronborg")
    await wb.locations.add(worldid=denmark.id, name="Castle")
    with pytest.raises(InvalidRows, match="Say locationid instead"):
        await wb.scenes.save(frame)
    assert (await wb.scenes.save(frame.drop(columns="location"))).changed == 0


@pytest.mark.parametrize(("column", "value"), [("world", "Norway"), ("owner", "eve@example.org")])
async def test_a_record_keeps_its_world_and_its_owner(
    wb: Workspace, denmark: World, eve: Workspace, column: str, value: str
) -> None:
    await wb.worlds.add(name="Norway")
    frame = await wb.personas.frame(world=denmark, names=True)
    put(frame, "Hamlet", **{column: value})
    with pytest.raises(InvalidRows) as error:
        await wb.personas.save(frame)
    assert [p.column for p in error.value.problems] == [column]


async def test_references_into_other_worlds_are_refused(wb: Workspace, denmark: World) -> None:
    norway = await wb.worlds.add(name="Norway")
    oslo = await wb.locations.add(worldid=norway.id, name="Oslo")
    frame = await wb.scenes.frame(world=denmark)
    put(frame, "Scene I", locationid=str(oslo.id))
    put(frame, "Scene II", locationid="nowhere")
    with pytest.raises(InvalidRows) as error:
        await wb.scenes.save(frame)
    assert [p.message for p in error.value.problems] == ["This is not an id (a UUID)."]
    put(frame, "Scene II", locationid=None)
    with pytest.raises(InvalidRows, match="no location with this id in the world of this scene"):
        await wb.scenes.save(frame)


async def test_a_name_that_is_taken_is_told_by_its_row(wb: Workspace, denmark: World) -> None:
    frame = await wb.personas.frame(world=denmark)
    put(frame, "Hamlet", name="Yorick")
    put(frame, "Ophelia", name="Nymph")
    put(frame, "Gertrude", name="Nymph")
    with pytest.raises(InvalidRows) as error:
        await wb.personas.save(frame)
    assert [p.row for p in error.value.problems] == [0, 3]
    assert "in the same place has this name" in error.value.problems[0].message
    assert await wb.personas.count(name="Nymph") == 0


async def test_names_are_swapped_through_a_third_one(wb: Workspace, denmark: World) -> None:
    frame = await wb.personas.frame(world=denmark)
    before = dict(zip(frame["name"], frame["id"], strict=True))
    put(frame, "Hamlet", name="Third")
    put(frame, "Ophelia", name="Hamlet")
    put(frame, "Third", name="Ophelia")
    with pytest.raises(InvalidRows) as error:
        await wb.personas.save(frame)
    rows = [frame.index[frame["name"] == name][0] for name in ("Ophelia", "Hamlet")]
    assert {p.row: p.message for p in error.value.problems} == {
        row: f"The persona of row {other} has this name until it is saved, and a save writes all "
        "rows at once. Save that row alone first; if the two swap names, give one of them a third "
        "name before."
        for row, other in (rows, reversed(rows))
    }
    put(frame, "Ophelia", name="Third")
    await wb.personas.save(frame[frame["name"] == "Third"])
    await wb.personas.save(frame[frame["name"] == "Hamlet"])
    frame = await wb.personas.frame(world=denmark)
    put(frame, "Third", name="Ophelia")
    await wb.personas.save(frame)
    after = await wb.personas.frame(world=denmark)
    now = dict(zip(after["name"], after["id"], strict=True))
    assert (now["Hamlet"], now["Ophelia"]) == (before["Ophelia"], before["Hamlet"])


async def test_a_location_does_not_come_to_lie_in_itself(wb: Workspace, denmark: World) -> None:
    frame = await wb.locations.frame(world=denmark, names=True)
    put(frame, "Castle", parent="Graveyard")
    with pytest.raises(InvalidDraft, match="cannot lie in itself"):
        await wb.locations.save(frame)


@pytest.fixture
async def cast(wb: Workspace, denmark: World) -> World:
    scene = await wb.scenes.get(name="Scene I", story="Hamlet")
    for name in ("Hamlet", "Ophelia"):
        persona = await one(wb, name)
        await wb.scene_personas.add(sceneid=scene.id, personaid=persona.id, words=3)
    return denmark


async def test_links_are_told_by_their_key(wb: Workspace, cast: World, eve: Workspace) -> None:
    frame = await wb.scene_personas.frame(names=True)
    theirs = await eve.scene_personas.find()
    first = next(row for row in theirs if str(row.personaid) == frame["personaid"][0])
    await eve.scene_personas.update(first, words=5)
    frame["words"] = [7, 8]
    frame["speeches"] = 1
    result = await wb.scene_personas.save(frame.sort_values("words", ascending=False))
    assert result.changed == 1
    (row,) = result.conflicts.to_dict("records")
    assert row["record"] == tuple(frame.loc[0, ["worldid", "sceneid", "personaid"]])
    assert (row["column"], row["base"], row["mine"], row["theirs"]) == ("words", 3, 7, 5)
    assert row["author"] == "eve@example.org"
    assert (await result.resolve({(row["record"], "words"): 9})).changed == 1
    assert sorted(r.words or 0 for r in await wb.scene_personas.find()) == [8, 9]


async def test_links_are_added_but_not_trashed(wb: Workspace, cast: World) -> None:
    read = await wb.scene_personas.frame(names=True)
    frame = added(
        read,
        {"world": "Denmark", "story": "Hamlet", "act": "Act I", "scene": "Scene II", "persona": "Yorick"},
    )  # fmt: skip
    assert (await wb.scene_personas.save(frame, add=True)).added == 1
    with pytest.raises(InvalidDraft, match="Links have no trash"):
        await wb.scene_personas.save(read, trash=True, based_on=read)


async def test_a_frame_from_elsewhere_comes_in_by_its_names(wb: Workspace, denmark: World) -> None:
    frame = pd.DataFrame({"name": ["Hamlet", "Laertes"], "kind": ["ghost", "brother"]})
    with pytest.raises(InvalidDraft, match=r"wb\.load\(\{\"personas\": frame\}\)"):
        await wb.personas.save(frame)
    report = await wb.load({"personas": frame}, world=denmark)
    assert (report.tables["personas"].updated, report.tables["personas"].inserted) == (1, 1)


async def test_users_and_members_are_saved_as_their_rights_allow(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = await wb.users.frame()
    frame["display_name"] = "Me"
    result = await wb.users.save(frame)
    assert result.changed == 1
    assert list(result.conflicts["why"]) == ["rights"]
    assert result.managers == ()
    theirs = (await eve.world_members.frame(names=True)).assign(role="manager")
    assert (await eve.world_members.save(theirs)).managers == ("Me",)
    worlds = (await eve.worlds.frame()).assign(description="x")
    await wb.share(denmark, "eve@example.org", role="viewer")
    assert (await eve.worlds.save(worlds)).managers == ("Me",)
    members = await wb.world_members.frame(names=True)
    members["role"] = "manager"
    assert (await wb.world_members.save(members)).changed == 1
    assert await eve.role_in(denmark) == "manager"


async def test_to_publish_or_to_trash_a_world_by_a_frame_names_whom_to_ask(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    own = await eve.worlds.add(name="Norway")
    read = await eve.worlds.frame()
    frame = read.assign(is_public=True, description="x")
    ask = "that takes a manager's rights in it, and an account that may edit. Ask tester@localhost."
    with pytest.raises(NotAllowed) as refused:
        await eve.worlds.save(frame)
    assert str(refused.value) == (
        f"You may read the world 'Denmark', but not change whether it is public: {ask}"
    )
    with pytest.raises(NotAllowed) as refused:
        await eve.worlds.save(read.iloc[:0].copy(), trash=True, based_on=read)
    assert str(refused.value) == (
        f"You may read the world 'Denmark', but not put it into the trash: {ask}"
    )
    assert await wb.worlds.count(is_public=True) == 0
    assert await eve.worlds.count() == 2
    mine = read[read["name"] == "Norway"]
    assert (await eve.worlds.save(mine.assign(is_public=True))).changed == 1
    left = await eve.worlds.frame()
    rest = left[left["name"] != "Norway"].copy()
    assert (await eve.worlds.save(rest, trash=True, based_on=left)).trashed == 1
    assert (await eve.worlds.save(rest.assign(description="x"))).changed == 1
    await wb.share(denmark, "eve@example.org", role="manager")
    assert (await eve.worlds.save(rest.assign(is_public=True))).changed == 1
    assert (await wb.worlds.get(denmark.id)).is_public
    assert own.id not in {world.id for world in await eve.worlds.find()}
