"""Undoing what was done, weeks later."""

from __future__ import annotations

import asyncio

import pytest

from workbench.errors import DuplicateName, InvalidDraft, NotFound, StaleRecord, WorkbenchError


async def last(wb, **which):
    return (await wb.changes(limit=1, **which))["changeset"].iloc[0]


def stand(kept):
    return [(r.entity, r.name, r.column, r.was, r.now) for r in kept.itertuples()]


async def test_cells_get_their_old_values_and_later_edits_stay(wb, denmark):
    async with wb.transaction(reason="casting"):
        one = await wb.personas.update(
            denmark.hamlet, {"kind": "king", "tags": ["x"], "attributes": {"age": 31}}
        )
        one = await wb.personas.update(one, kind="mad")
        await wb.scenes.update(
            denmark.scene, {"text": None, "locationid": denmark.hall.id, "story_time": 1.5}
        )
        await wb.scene_personas.update(denmark.cast, words=9)
    done = await last(wb)
    await wb.personas.update(one, kind="sane", display_name="The Prince", reason="mine")
    report = await wb.undo(done)
    hamlet = await wb.personas.get(denmark.hamlet.id)
    assert (hamlet.kind, hamlet.display_name, hamlet.tags, hamlet.attributes) == (
        "sane",
        "The Prince",
        ["prince"],
        {"age": 30},
    )
    scene = await wb.scenes.get(denmark.scene.id)
    assert (scene.text, scene.locationid, scene.story_time) == ("Who's there?", None, None)
    cast = await wb.scene_personas.get(sceneid=scene.id, personaid=hamlet.id)
    assert cast.words == 7
    assert dict(report.changed) == {"persona": 1, "scene": 1, "scene_persona": 1}
    row = report.kept.iloc[0]
    assert len(report.kept) == 1
    assert (row["name"], row["column"], row["now"], row["by"]) == (
        "HAMLET",
        "kind",
        "sane",
        "tester@localhost",
    )
    assert (await wb.changes(changeset=row["changeset"]))["reason"].iloc[0] == "mine"
    assert "1 persona" in str(report)
    assert "<table" in report._repr_html_()


async def test_an_undo_is_a_changeset_that_can_be_undone(wb, denmark):
    await wb.personas.update(denmark.hamlet, kind="mad", reason="act 2")
    report = await wb.undo(await last(wb))
    changes = await wb.changes(changeset=report.changeset)
    assert set(changes["reason"]) == {"undo of act 2"}
    assert (await wb.personas.get(denmark.hamlet.id)).kind is None
    again = await wb.undo(report.changeset)
    assert (await wb.personas.get(denmark.hamlet.id)).kind == "mad"
    assert len(again.kept) == 0
    nothing = await wb.undo(report.changeset)
    assert (nothing.changeset, nothing.changed, len(nothing.kept)) == (None, {}, 0)
    assert str(nothing) == "Nothing was left to undo."


async def test_what_was_added_goes_to_the_trash_unless_it_was_changed_later(wb, denmark):
    async with wb.transaction():
        story = await wb.stories.add(name="Macbeth", worldid=denmark.world.id)
        kept, gone = [await wb.acts.add(name=f"Act {n}", storyid=story.id) for n in (1, 2)]
        edited = await wb.personas.add(name="MACBETH", worldid=denmark.world.id)
        plain = await wb.personas.add(name="BANQUO", worldid=denmark.world.id)
        link = await wb.persona_relations.add(
            personaid=edited.id, otherid=denmark.hamlet.id, kind="peer"
        )
    done = await last(wb)
    await wb.scenes.add(name="Heath", actid=kept.id)  # something of another changeset
    await wb.personas.update(edited, kind="thane")
    report = await wb.undo(done)
    assert dict(report.removed) == {"act": 1, "persona": 1, "persona_relation": 1}
    assert {(e, n) for e, n, *_ in stand(report.kept)} == {
        ("story", "Macbeth"),
        ("act", "Act 1"),
        ("persona", "MACBETH"),
    }
    for record in (gone, plain):
        entity = "acts" if record is gone else "personas"
        with pytest.raises(NotFound, match="in the trash"):
            await getattr(wb, entity).get(record.id)
    with pytest.raises(NotFound):
        await wb.persona_relations.get(personaid=link.personaid, otherid=link.otherid, kind="peer")
    assert await wb.scenes.count(name="Heath") == 1


async def test_an_import_is_undone_and_redone_whole(wb, now):
    async with wb.transaction(reason="import"):
        world = await wb.worlds.add(name="Scotland")
        story = await wb.stories.add(name="Macbeth", worldid=world.id)
        act = await wb.acts.add(name="Act 1", storyid=story.id)
        scene = await wb.scenes.add(name="Heath", actid=act.id)
        witch = await wb.personas.add(name="WITCH", worldid=world.id)
        await wb.scene_personas.add(sceneid=scene.id, personaid=witch.id)
    report = await wb.undo(await last(wb))
    assert dict(report.removed) == {"world": 1, "story": 1, "act": 1, "scene": 1, "persona": 1}
    assert len(report.kept) == 0
    assert await wb.worlds.count() == await wb.scene_personas.count() == 0
    await wb.undo(report.changeset)
    assert await wb.worlds.count() == await wb.scene_personas.count() == 1
    assert len(await wb.personas.find(world="Scotland")) == 1


async def test_what_was_trashed_is_restored_and_what_was_restored_is_trashed(wb, denmark):
    await wb.stories.remove(denmark.story, reason="cut")
    cut = await last(wb)
    report = await wb.undo(cut)
    assert await wb.scenes.count() == 1
    assert report.changed["story"] == 1
    assert len(report.kept) == 0
    await wb.undo(report.changeset)
    assert await wb.scenes.count() == await wb.stories.count() == 0
    await wb.stories.restore(denmark.story)
    later = await wb.scenes.add(name="Later", actid=denmark.act.id)
    restored = (await wb.changes(entity="story", limit=1))["changeset"].iloc[0]
    kept = stand((await wb.undo(restored)).kept)
    assert {(e, n, c) for e, n, c, *_ in kept} == {
        ("story", "Hamlet", "deleted_at"),
        ("act", "Act I", "deleted_at"),
    }
    assert (await wb.scenes.get(later.id)).deleted_at is None


async def test_what_was_purged_comes_back_into_the_trash_with_its_ids(wb, denmark):
    image = await wb.images.add(name="Map", worldid=denmark.world.id, content=b"bytes")
    await wb.locations.update(denmark.castle, imageid=image.id)
    for record, things in ((denmark.story, wb.stories), (denmark.castle, wb.locations)):
        await things.remove(record)
    await wb.locations.remove(denmark.hall)
    await wb.images.remove(image)
    async with wb.transaction(reason="purge"):
        await wb.stories.purge(denmark.story)
        await wb.locations.purge(denmark.castle)
        await wb.locations.purge(denmark.hall)
        await wb.images.purge(image)
    purge = await last(wb)
    assert len(await wb.trash("Denmark")) == 0
    report = await wb.undo(purge)
    assert dict(report.returned) == {
        "image": 1,
        "story": 1,
        "act": 1,
        "location": 2,
        "scene": 1,
        "scene_persona": 1,
    }
    trash = await wb.trash("Denmark")
    assert len(trash) == 6
    story = await wb.stories.restore(denmark.story.id)
    assert (story.id, story.name, story.ownerid) == (
        denmark.story.id,
        "Hamlet",
        denmark.story.ownerid,
    )
    scene = await wb.scenes.get(denmark.scene.id)  # what went to the trash together comes back so
    assert scene.text == "Who's there?"
    assert (await wb.scene_personas.get(sceneid=scene.id, personaid=denmark.hamlet.id)).words == 7
    await wb.locations.restore(denmark.castle.id)
    hall = await wb.locations.restore(denmark.hall.id)
    assert hall.parentid == denmark.castle.id
    map_ = await wb.images.restore(image.id)
    assert map_.sha256 == image.sha256
    assert await wb.picture(map_) is None


async def test_a_picture_that_was_replaced_is_told_and_not_lied_about(wb, denmark):
    image = await wb.images.add(name="Map", worldid=denmark.world.id, content=b"old", width=3)
    await wb.images.update(image, content=b"newer", width=4, description="redrawn")
    report = await wb.undo(await last(wb))
    now = await wb.images.get(image.id)
    assert (now.description, now.width, now.byte_size) == (None, 4, 5)
    assert await wb.picture(now) == b"newer"
    assert {row[2] for row in stand(report.kept)} == {"sha256", "byte_size", "width"}


async def test_a_dry_run_finds_the_same_and_writes_nothing(wb, denmark):
    await wb.personas.update(denmark.hamlet, kind="mad")
    done = await last(wb)
    report = await wb.undo(done, dry_run=True)
    assert (report.written, report.changeset, dict(report.changed)) == (False, None, {"persona": 1})
    assert (await wb.personas.get(denmark.hamlet.id)).kind == "mad"
    assert "Would be" in str(report)
    with pytest.raises(WorkbenchError, match="dry run"):
        async with wb.transaction():
            await wb.undo(done, dry_run=True)


async def test_an_undo_that_a_rule_refuses_undoes_nothing(wb, denmark):
    async with wb.transaction():
        one = await wb.personas.update(denmark.hamlet, name="GHOST")
        await wb.personas.update(denmark.ophelia, kind="mad")
    done = await last(wb)
    await wb.personas.add(name="HAMLET", worldid=denmark.world.id)
    with pytest.raises(DuplicateName):
        await wb.undo(done)
    assert (await wb.personas.get(denmark.ophelia.id)).kind == "mad"
    assert (await wb.personas.get(one.id)).name == "GHOST"


async def test_a_reference_to_what_was_purged_stays_as_it_is(wb, denmark):
    scene = await wb.scenes.update(denmark.scene, locationid=denmark.hall.id)
    await wb.scenes.update(scene, locationid=denmark.castle.id, text="…")
    done = await last(wb)
    await wb.locations.remove(denmark.hall)
    await wb.locations.purge(denmark.hall)
    report = await wb.undo(done)
    now = await wb.scenes.get(scene.id)
    assert (now.text, now.locationid) == ("Who's there?", denmark.castle.id)
    assert [row[2] for row in stand(report.kept)] == ["locationid"]


async def test_what_is_no_changeset_is_said(wb, denmark):
    with pytest.raises(NotFound, match="changeset"):
        await wb.undo(denmark.world.id)
    with pytest.raises(InvalidDraft, match="told by its id"):
        await wb.undo("the last one")


async def test_undo_while_others_write_loses_nothing(wb, denmark):
    await wb.personas.add_many([{"name": f"p{n}", "world": "Denmark"} for n in range(40)])
    async with wb.transaction():
        for one in (await wb.personas.find(search="p", limit=100)).records:
            await wb.personas.update(one, kind="given")
    done = await last(wb)
    ones = (await wb.personas.find(kind="given", limit=100)).records

    async def change(one):
        while True:
            try:
                return await wb.personas.update(await wb.personas.get(one.id), kind="later")
            except StaleRecord:  # the undo came between reading and writing
                continue

    async def write():
        for one in ones[::4]:
            await change(one)

    await asyncio.gather(write(), wb.undo(done))
    left = {p.kind for p in await wb.personas.find(limit=100)}
    assert "given" not in left
    assert await wb.personas.count(kind="later") == len(ones[::4])
