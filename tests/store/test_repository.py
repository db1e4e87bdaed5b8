from __future__ import annotations

import asyncio
import subprocess
import sys
from uuid import uuid4

import pytest

from workbench.entities.persona import PersonaDraft
from workbench.errors import (
    Ambiguous,
    Conflict,
    DuplicateName,
    InTheTrash,
    InvalidDraft,
    MissingReference,
    NotFound,
    Refused,
    StaleRecord,
    StillInUse,
    UnknownField,
    WorkbenchError,
)
from workbench.workspace import Workspace


@pytest.fixture
async def denmark(wb: Workspace):
    return await wb.worlds.add(name="Denmark")


@pytest.fixture
async def hamlet(wb: Workspace, denmark):
    return await wb.personas.add(name="HAMLET", worldid=denmark.id, kind="individual")


async def test_added_record_has_what_the_server_sets(wb, denmark):
    persona = await wb.personas.add(name="OPHELIA", worldid=denmark.id, tags=["Court"])
    assert persona.version == 1
    assert persona.created_at == persona.updated_at
    assert persona.created_at.utcoffset().total_seconds() == 0
    assert persona.ownerid == wb.database.userid
    assert persona.deleted_at is None
    assert persona.tags == ["Court"]
    assert persona.attributes == {}


async def test_add_takes_a_draft_or_fields_or_readable_twins(wb, denmark):
    by_draft = await wb.personas.add(PersonaDraft(name="A", worldid=denmark.id))
    by_twin = await wb.personas.add(name="B", world="Denmark")
    by_record = await wb.personas.add(name="C", world=denmark)
    assert by_draft.worldid == by_twin.worldid == by_record.worldid == denmark.id


async def test_get_by_id_and_by_name_under_its_parent(wb, denmark, hamlet):
    assert await wb.personas.get(hamlet.id) == hamlet
    assert await wb.personas.get(str(hamlet.id)) == hamlet
    assert await wb.personas.get(name="HAMLET", world="Denmark") == hamlet
    assert (await wb.users.get(email="tester@localhost")).id == wb.database.userid


async def test_get_of_what_does_not_exist_suggests_near_names(wb, hamlet):
    with pytest.raises(NotFound, match="Did you mean 'HAMLET'"):
        await wb.personas.get(name="HAMLETT", world="Denmark")
    with pytest.raises(NotFound, match="No persona"):
        await wb.personas.get(uuid4())
    with pytest.raises(NotFound, match="An id is a UUID"):
        await wb.personas.get("HAMLET")


async def test_a_name_that_several_records_have_is_suggested_once(wb, denmark):
    for title in ("Hamlet", "Amleth", "The Mousetrap"):
        story = await wb.stories.add(name=title, world=denmark)
        await wb.acts.add(name="Act I", story=story)
    with pytest.raises(NotFound) as told:
        await wb.acts.get(name="ACT I")
    assert str(told.value) == "No act 'ACT I'. Did you mean 'Act I'?"


async def test_a_name_of_several_records_is_ambiguous(wb, denmark):
    story = await wb.stories.add(name="Hamlet", worldid=denmark.id)
    other = await wb.stories.add(name="Amleth", worldid=denmark.id)
    for parent in (story, other):
        await wb.acts.add(name="Act I", storyid=parent.id)
    with pytest.raises(Ambiguous, match="Say also its world or story"):
        await wb.acts.get(name="Act I")
    assert (await wb.acts.get(name="Act I", story="Amleth")).storyid == other.id


async def test_update_changes_only_named_fields(wb, hamlet):
    after = await wb.personas.update(hamlet, display_name="Prince Hamlet")
    assert (after.name, after.display_name, after.kind) == ("HAMLET", "Prince Hamlet", "individual")
    assert after.version == 2
    assert after.updated_at > hamlet.updated_at
    assert after.created_at == hamlet.created_at


async def test_update_by_id_needs_the_expected_version(wb, hamlet):
    after = await wb.personas.update(hamlet.id, {"kind": "prince"}, version=1)
    assert after.kind == "prince"
    with pytest.raises(InvalidDraft, match="Say which version"):
        await wb.personas.update(hamlet.id, kind="king")


async def test_update_with_what_is_there_already_is_no_change(wb, hamlet):
    after = await wb.personas.update(hamlet, name="HAMLET")
    assert after.version == 1


@pytest.mark.parametrize("by_id", [False, True])
async def test_update_of_a_stale_record_is_refused_and_carries_the_current_one(wb, hamlet, by_id):
    theirs = await wb.personas.update(hamlet, kind="theirs")
    mine = {"version": 1} if by_id else {}
    with pytest.raises(StaleRecord) as caught:
        await wb.personas.update(hamlet.id if by_id else hamlet, kind="mine", **mine)
    assert caught.value.current == theirs
    assert (await wb.personas.get(hamlet.id)).kind == "theirs"


async def test_update_of_a_record_that_is_gone_says_so(wb, hamlet):
    await wb.personas.remove(hamlet)
    with pytest.raises(NotFound, match="in the trash"):
        await wb.personas.update(hamlet, kind="ghost")
    await wb.personas.purge(hamlet)
    with pytest.raises(NotFound):
        await wb.personas.update(hamlet, kind="ghost")


async def test_a_name_that_is_in_the_trash_alone_is_found_there(wb, hamlet):
    await wb.personas.remove(hamlet)
    with pytest.raises(NotFound, match="It is in the trash; `restore` brings it back"):
        await wb.personas.get(name="HAMLET", world="Denmark")
    again = await wb.personas.add(world="Denmark", name="HAMLET")
    assert await wb.personas.get(name="HAMLET", world="Denmark") == again


async def test_twenty_writers_of_one_record_lose_nothing(wb, hamlet):
    async def writer(number: int) -> int:
        refused = 0
        while True:
            current = await wb.personas.get(hamlet.id)
            try:
                await wb.personas.update(current, tags=[*current.tags, f"w{number}"])
            except StaleRecord:
                refused += 1
            else:
                return refused

    await asyncio.gather(*(writer(number) for number in range(20)))
    after = await wb.personas.get(hamlet.id)
    assert sorted(after.tags) == sorted(f"w{number}" for number in range(20))
    assert after.version == 21


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "x" * 256}, "name"),
        ({"name": "   "}, "name"),
        ({"name": ""}, "name"),
        ({"name": "Mac\x00beth"}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": None}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"kind": "\x00"}, "kind"),
        ({"tags": "not a list"}, "tags"),
        ({"tags": [""]}, "tags"),
        ({"attributes": {"a": "\x00"}}, "attributes"),
        ({"attributes": {"a": float("nan")}}, "attributes"),
        ({"attributes": []}, "attributes"),
        ({"imageid": "not a uuid"}, "imageid"),
        ({"description": "a\x00b"}, "description"),
    ],
)
async def test_a_value_that_breaks_a_rule_names_its_field(wb, denmark, fields, field):
    with pytest.raises(InvalidDraft) as caught:
        await wb.personas.add(**{"name": "X", "worldid": denmark.id, **fields})
    assert set(caught.value.problems) == {field}
    assert await wb.personas.count() == 0


async def test_all_bad_fields_are_named_at_once(wb):
    with pytest.raises(InvalidDraft) as caught:
        await wb.scenes.add(name=" ", position=0, story_time=float("inf"))
    assert set(caught.value.problems) == {"name", "position", "story_time", "actid"}


async def test_unknown_fields_are_named_with_the_nearest(wb, denmark, hamlet):
    with pytest.raises(UnknownField, match="Did you mean 'description'"):
        await wb.personas.add(name="X", worldid=denmark.id, descripton="typo")
    with pytest.raises(UnknownField):
        await wb.personas.update(hamlet, version_=2)
    with pytest.raises(UnknownField):
        await wb.personas.find(knd="individual")
    with pytest.raises(UnknownField):
        await wb.personas.find(order=["nme"])


async def test_a_name_means_what_lies_in_the_world_of_the_record(wb, denmark):
    """However the world is known: by the record that changes, or one that is given along."""
    norway = await wb.worlds.add(name="Norway")
    castles = [await wb.locations.add(name="Castle", world=w) for w in (norway, denmark)]
    story = await wb.stories.add(name="Hamlet", world=denmark)
    act = await wb.acts.add(name="Act I", story=story)
    scene = await wb.scenes.add(name="Scene 1", act=act, location="Castle")
    assert scene.locationid == castles[1].id
    scene = await wb.scenes.update(scene, location=None)
    scene = await wb.scenes.update(scene, location="Castle")
    assert scene.locationid == castles[1].id


async def test_a_taken_name_is_refused_by_name(wb, denmark, hamlet):
    with pytest.raises(DuplicateName, match="'HAMLET'") as caught:
        await wb.personas.add(name="HAMLET", worldid=denmark.id)
    assert caught.value.field == "name"
    other = await wb.personas.add(name="YORICK", worldid=denmark.id)
    with pytest.raises(DuplicateName):
        await wb.personas.update(other, name="HAMLET")


async def test_the_same_e_mail_in_other_letters_is_taken(owned):
    with pytest.raises(DuplicateName) as caught:
        await owned.users.add(email="Tester@Localhost")
    assert caught.value.field == "email"


async def test_references_must_exist_in_the_same_world(wb, denmark, hamlet):
    elsewhere = await wb.worlds.add(name="Scotland")
    heath = await wb.locations.add(name="A heath", worldid=elsewhere.id)
    with pytest.raises(MissingReference) as caught:
        await wb.things.add(name="Skull", worldid=denmark.id, locationid=heath.id)
    assert caught.value.field == "locationid"
    with pytest.raises(MissingReference) as caught:
        await wb.acts.add(name="Act I", storyid=uuid4())
    assert caught.value.field == "storyid"
    with pytest.raises(MissingReference, match="There is no location 'A heath'"):
        await wb.things.add(name="Skull", world=denmark, location="A heath")


async def test_remove_takes_the_contents_along_and_restore_brings_them_back(wb, denmark):
    story = await wb.stories.add(name="Hamlet", worldid=denmark.id)
    act = await wb.acts.add(name="Act I", storyid=story.id)
    early = await wb.scenes.add(name="Scene I", actid=act.id)
    late = await wb.scenes.add(name="Scene II", actid=act.id)
    await wb.scenes.remove(early)
    await wb.stories.remove(story)
    assert await wb.acts.count(world="Denmark") == 0
    assert await wb.scenes.count(trashed=True) == 2
    with pytest.raises(InTheTrash):
        await wb.scenes.restore(late)
    with pytest.raises(InTheTrash):
        await wb.scenes.add(name="Scene III", actid=act.id)
    await wb.stories.restore(story)
    assert [s.name for s in await wb.scenes.find()] == ["Scene II"]


async def test_what_is_in_the_trash_does_not_hold_its_name(wb, denmark, hamlet):
    await wb.personas.remove(hamlet)
    await wb.personas.add(name="HAMLET", worldid=denmark.id)
    with pytest.raises(DuplicateName):
        await wb.personas.restore(hamlet)
    with pytest.raises(NotFound, match="in the trash"):
        await wb.personas.get(hamlet.id)
    assert (await wb.personas.get(hamlet.id, trashed=True)).name == "HAMLET"


async def test_purge_is_only_from_the_trash(wb, hamlet):
    with pytest.raises(InTheTrash):
        await wb.personas.purge(hamlet)
    await wb.personas.remove(hamlet)
    await wb.personas.purge(hamlet)
    with pytest.raises(NotFound):
        await wb.personas.get(hamlet.id, trashed=True)


async def test_purge_of_a_user_who_owns_something_is_refused(owned, denmark):
    user = await owned.users.get(owned.database.userid)
    await owned.users.remove(user)
    with pytest.raises(StillInUse, match="world"):
        await owned.users.purge(user)


async def test_add_many_is_all_or_none_and_keeps_the_order(wb, denmark):
    names = [f"Courtier {n:04}" for n in range(1500)]
    made = await wb.personas.add_many({"name": n, "worldid": denmark.id} for n in names)
    assert [p.name for p in made] == names
    assert [p.id for p in made] == sorted(p.id for p in made)
    with pytest.raises(DuplicateName):
        await wb.personas.add_many(
            [{"name": "New", "worldid": denmark.id}, {"name": names[7], "worldid": denmark.id}]
        )
    assert await wb.personas.count() == 1500
    assert await wb.personas.add_many([]) == []
    by_twin = await wb.personas.add_many(
        [{"name": f"T{n}", "world": "tester@localhost/Denmark"} for n in range(3)]
    )
    assert {p.worldid for p in by_twin} == {denmark.id}
    with pytest.raises(MissingReference, match="Add it first"):
        await wb.personas.add_many([{"name": "X", "world": "Norway"}])


async def test_two_of_many_with_the_same_name_are_refused_by_name(wb, denmark):
    names = ["YORICK", "OSRIC", "YORICK"]
    with pytest.raises(DuplicateName, match="'YORICK'") as caught:
        await wb.personas.add_many({"name": n, "worldid": denmark.id} for n in names)
    assert caught.value.field == "name"
    assert await wb.personas.count() == 0


async def test_find_filters_searches_and_counts(wb, denmark):
    await wb.personas.add_many(
        [
            {"name": "GERTRUDE", "kind": "queen", "tags": ["court"], "worldid": denmark.id},
            {"name": "CLAUDIUS", "kind": "king", "worldid": denmark.id},
            {"name": "GHOST", "display_name": "The old king", "worldid": denmark.id},
            {"name": "100% true", "worldid": denmark.id},
        ]
    )

    async def names(**said):
        return sorted(p.name for p in await wb.personas.find(**said))

    assert await names(kind="queen") == ["GERTRUDE"]
    assert await names(kind=["queen", "king"]) == ["CLAUDIUS", "GERTRUDE"]
    assert await names(kind=[]) == []
    assert await names(kind=None) == ["100% true", "GHOST"]
    assert await names(kind__ne="queen") == ["100% true", "CLAUDIUS", "GHOST"]
    assert await names(kind__empty=False) == ["CLAUDIUS", "GERTRUDE"]
    assert await names(name__contains="%") == ["100% true"]
    assert await names(name__starts="g") == ["GERTRUDE", "GHOST"]
    assert await names(tags__has="court") == ["GERTRUDE"]
    assert await names(search="old king") == ["GHOST"]
    assert await names(search="_") == []
    assert await names(world="Denmark", search="ghost") == ["GHOST"]
    for told in (denmark, denmark.id, str(denmark.id), "tester@localhost/Denmark"):
        assert await names(world=told, search="ghost") == ["GHOST"]
    with pytest.raises(NotFound, match="Did you mean 'Denmark'"):
        await names(world="Denmarc")
    with pytest.raises(NotFound):
        await wb.personas.count(world="Denmarc")
    page = await wb.personas.find(limit=2, total=True)
    assert (len(page), page.total) == (2, 4)
    assert await wb.personas.count(version__ge=1) == 4
    with pytest.raises(InvalidDraft, match="worldid"):
        await wb.personas.find(worldid="Denmark")
    with pytest.raises(InvalidDraft):
        await wb.personas.find(limit=0)
    with pytest.raises(InvalidDraft):
        await wb.personas.find(limit=10**9)
    with pytest.raises(InvalidDraft):
        await wb.personas.find(version__contains="1")


@pytest.mark.parametrize("order", [[], ["name"], ["-name"], ["kind", "-name"], ["-kind"], ["kind"]])
async def test_pages_hold_every_row_once_in_order(wb, denmark, order):
    await wb.personas.add_many(
        {"name": f"P{n:02}", "kind": [None, "b", "a"][n % 3], "worldid": denmark.id}
        for n in range(23)
    )
    whole = [p.id for p in await wb.personas.find(order=order, limit=100)]
    paged, after = [], None
    while True:
        page = await wb.personas.find(order=order, limit=5, after=after)
        paged += [p.id for p in page]
        after = page.next
        if after is None:
            break
    assert paged == whole
    assert len(set(paged)) == 23


async def test_lists_can_be_paged_by(wb, denmark):
    for number, tags in enumerate([["b"], [], ["a", "b"], ["a"], []]):
        await wb.personas.add(name=f"P{number}", worldid=denmark.id, tags=tags)
    found, token = [], None
    while True:
        page = await wb.personas.find(order=["tags", "name"], limit=2, after=token)
        found += [persona.name for persona in page]
        token = page.next
        if token is None:
            break
    assert found == ["P1", "P4", "P3", "P2", "P0"]


@pytest.mark.parametrize("column", ["attributes", "content"])
async def test_what_has_no_order_is_refused_at_once(wb, column):
    with pytest.raises(InvalidDraft, match=f"{column} has no order"):
        await wb.images.find(order=[f"-{column}"])


async def test_a_cursor_of_another_order_is_refused(wb, denmark):
    await wb.personas.add_many({"name": f"P{n}", "worldid": denmark.id} for n in range(3))
    page = await wb.personas.find(order=["name"], limit=1)
    for token in (page.next, "rubbish", "W10="):
        with pytest.raises(InvalidDraft, match="cursor"):
            await wb.personas.find(order=["-name"], after=token)


async def test_links_are_added_found_changed_and_removed(wb, denmark, hamlet):
    story = await wb.stories.add(name="Hamlet", worldid=denmark.id)
    act = await wb.acts.add(name="Act I", storyid=story.id)
    scene = await wb.scenes.add(name="Scene II", actid=act.id)
    link = await wb.scene_personas.add(sceneid=scene.id, personaid=hamlet.id, words=10)
    assert (link.worldid, link.version) == (denmark.id, 1)
    assert await wb.scene_personas.get(scene=scene, persona=hamlet) == link
    changed = await wb.scene_personas.update(link, words=11)
    assert (changed.words, changed.version) == (11, 2)
    with pytest.raises(StaleRecord) as caught:
        await wb.scene_personas.update(link, words=12)
    assert caught.value.current == changed
    with pytest.raises(DuplicateName):
        await wb.scene_personas.add(sceneid=scene.id, personaid=hamlet.id)
    with pytest.raises(Refused):
        await wb.scene_personas.update(changed, sceneid=uuid4())
    assert [a.story for a in await wb.appearances(persona=hamlet)] == ["Hamlet"]
    assert [a.persona for a in await wb.appearances(scene=scene)] == ["HAMLET"]
    with pytest.raises(InvalidDraft, match="give persona=… or scene=…"):
        await wb.appearances()
    await wb.scenes.remove(scene)
    assert await wb.scene_personas.count() == 0
    await wb.scenes.restore(scene)
    await wb.scene_personas.remove(changed)
    with pytest.raises(NotFound):
        await wb.scene_personas.remove(changed)


async def test_a_persona_is_not_related_to_itself(wb, hamlet):
    with pytest.raises(InvalidDraft, match="cannot be related to itself") as caught:
        await wb.persona_relations.add(personaid=hamlet.id, otherid=hamlet.id, kind="foe")
    assert caught.value.field == "otherid"


async def test_a_transaction_is_all_or_nothing(wb, denmark):
    async def work():
        async with wb.transaction(reason="casting"):
            await wb.personas.add(name="A", worldid=denmark.id)
            await wb.personas.add(name="A", worldid=denmark.id)

    with pytest.raises(DuplicateName):
        await work()
    assert await wb.personas.count() == 0


async def test_a_block_within_a_block_is_undone_alone(wb, denmark):
    async with wb.transaction():
        await wb.personas.add(name="A", worldid=denmark.id)
        with pytest.raises(DuplicateName):
            async with wb.transaction():
                await wb.personas.add(name="A", worldid=denmark.id)
        await wb.personas.add(name="B", worldid=denmark.id)
    assert await wb.personas.count() == 2


async def test_parallel_work_in_a_transaction_takes_turns(wb, denmark):
    async with wb.transaction():
        await asyncio.gather(
            *(wb.personas.add(name=f"P{n}", worldid=denmark.id) for n in range(10))
        )
    assert await wb.personas.count() == 10


async def test_a_failed_transaction_says_how_to_go_on(wb, denmark):
    async def work():
        async with wb.transaction():
            with pytest.raises(DuplicateName):
                await wb.worlds.add(name="Denmark")
            await wb.worlds.add(name="Norway")

    with pytest.raises(WorkbenchError, match="failed at an earlier statement") as caught:
        await wb.atomically(work)
    assert not isinstance(caught.value, Conflict)  # which would be repeated


async def test_a_failed_transaction_does_not_end_as_if_it_had_written(wb, denmark):
    """PostgreSQL answers its COMMIT with a silent ROLLBACK."""

    async def work():
        async with wb.transaction():
            await wb.worlds.add(name="Norway")
            with pytest.raises(DuplicateName):
                await wb.worlds.add(name="Denmark")

    with pytest.raises(WorkbenchError, match="failed at an earlier statement") as caught:
        await wb.atomically(work)
    assert not isinstance(caught.value, Conflict)  # which would be repeated
    assert await wb.worlds.count() == 1


async def test_a_mistake_that_never_reached_the_database_does_not_end_a_transaction(wb, denmark):
    async with wb.transaction():
        await wb.worlds.add(name="Norway")
        with pytest.raises(NotFound):
            await wb.worlds.get(name="Sweden")
        with pytest.raises(InvalidDraft):
            await wb.worlds.add(name="")
    assert await wb.worlds.count() == 2


@pytest.mark.parametrize("failing", ["the first", "the last"])
async def test_blocks_in_parallel_within_a_block_are_undone_each_alone(wb, denmark, failing):
    async def block(name):
        async with wb.transaction():
            await wb.personas.add(name=f"{name} 1", worldid=denmark.id)
            await wb.personas.add(name=f"{name} 2", worldid=denmark.id)
            if name == failing:
                raise LookupError(name)

    async with wb.transaction():
        done = await asyncio.gather(block("the first"), block("the last"), return_exceptions=True)
    assert sorted(map(type, done), key=str) == sorted([type(None), LookupError], key=str)
    kept = {"the first", "the last"} - {failing}
    assert {p.name[:-2] for p in await wb.personas.find()} == kept


@pytest.mark.parametrize("within", [False, True])
async def test_work_that_outlives_its_block_is_refused(wb, denmark, within):
    go = asyncio.Event()

    async def late():
        await go.wait()
        await wb.personas.add(name="Late", worldid=denmark.id)

    async def block():
        async with wb.transaction():
            return asyncio.ensure_future(late())

    if within:
        async with wb.transaction():
            task = await block()
            go.set()
            with pytest.raises(WorkbenchError, match="has ended"):
                await task
            await wb.personas.add(name="In time", worldid=denmark.id)
    else:
        task = await block()
        go.set()
        with pytest.raises(WorkbenchError, match="has ended"):
            await task
    assert await wb.personas.count() == within


async def test_deadlocks_are_repeated_until_both_are_done(wb, denmark):
    one = await wb.personas.add(name="One", worldid=denmark.id)
    two = await wb.personas.add(name="Two", worldid=denmark.id)
    met = asyncio.Barrier(2)
    tries = []

    async def swap(first, second, word):
        async def work():
            tries.append(word)
            await wb.personas.update(await wb.personas.get(first.id), kind=word)
            if len(tries) <= 2:
                await met.wait()
            await wb.personas.update(await wb.personas.get(second.id), kind=word)

        await wb.atomically(work)

    await asyncio.gather(swap(one, two, "x"), swap(two, one, "y"))
    assert len(tries) > 2
    assert (await wb.personas.get(one.id)).version == 3


async def test_other_errors_are_not_repeated(wb, denmark):
    tries = 0

    async def work():
        nonlocal tries
        tries += 1
        await wb.worlds.add(name="Denmark")

    with pytest.raises(DuplicateName):
        await wb.atomically(work)
    assert tries == 1


async def test_every_write_is_one_changeset_with_author_and_reason(wb, sql, denmark, hamlet):
    await wb.personas.update(hamlet, kind="prince", reason="casting notes")
    rows = await sql.fetch(
        "SELECT c.entity, c.operation, c.old, c.new, s.userid, s.reason, s.source"
        " FROM history.change c JOIN history.changeset s ON s.id = c.changesetid ORDER BY c.id"
    )
    assert [(r["entity"], r["operation"]) for r in rows][-3:] == [
        ("world", "insert"),
        ("persona", "insert"),
        ("persona", "update"),
    ]
    assert rows[-1]["userid"] == wb.database.userid
    assert (rows[-1]["reason"], rows[-1]["source"]) == ("casting notes", "tests")
    assert '"kind": "prince"' in rows[-1]["new"]
    changes = await wb.latest_changes(denmark)
    assert (changes[0].operation, changes[0].names, changes[0].author) == (
        "update",
        ("HAMLET",),
        "tester@localhost",
    )


@pytest.mark.parametrize("reason", ["a\x00b", "a\ud800b"])
async def test_a_reason_that_cannot_be_stored_is_refused_by_name(wb, hamlet, reason):
    with pytest.raises(InvalidDraft) as refused:
        await wb.personas.update(hamlet, kind="prince", reason=reason)
    assert list(refused.value.problems) == ["reason"]
    with pytest.raises(InvalidDraft):
        async with wb.transaction():
            await wb.personas.remove(hamlet, reason=reason)
    assert (await wb.personas.get(hamlet.id)).version == 1


async def test_a_reason_given_inside_a_transaction_is_kept(wb, denmark):
    async with wb.transaction():
        await wb.personas.add(name="YORICK", worldid=denmark.id, reason="casting")
        await wb.personas.add(name="OSRIC", worldid=denmark.id, reason="too late")
    assert (await wb.latest_changes(denmark))[0].reason == "casting"


async def test_the_latest_changes_name_the_first_records_of_many(wb, denmark):
    async with wb.transaction():
        for number in range(8):
            await wb.personas.add(name=f"Player {number}", worldid=denmark.id)
    latest = (await wb.latest_changes(denmark))[0]
    assert (latest.count, latest.names) == (8, ("Player 0", "Player 1", "Player 2"))


async def test_outline_is_a_tree_in_order(wb, denmark):
    book = await wb.books.add(name="Plays", worldid=denmark.id)
    second = await wb.stories.add(name="Z first", worldid=denmark.id, bookid=book.id, position=1)
    await wb.stories.add(name="A second", worldid=denmark.id, bookid=book.id, position=2)
    await wb.stories.add(name="Loose", worldid=denmark.id)
    act = await wb.acts.add(name="Act I", storyid=second.id)
    for number in (2, 10, 1):
        await wb.scenes.add(name=f"Scene {number}", actid=act.id, position=number)
    tree = await wb.outline(denmark)
    assert [n.label for n in tree.roots] == ["Loose", "Plays"]
    plays = tree.roots[1]
    assert [n.label for n in plays.children] == ["Z first", "A second"]
    scenes = plays.children[0].children[0].children
    assert [n.label for n in scenes] == ["Scene 1", "Scene 2", "Scene 10"]


async def test_outline_of_a_large_world_says_what_it_leaves_out(wb, denmark):
    from workbench.store.outline import outline

    story = await wb.stories.add(name="S", worldid=denmark.id)
    act = await wb.acts.add(name="A", storyid=story.id)
    await wb.scenes.add_many({"name": f"{n}", "actid": act.id} for n in range(7))
    tree = await outline(wb.database, denmark.id, scenes=5)
    assert (len(tree.roots[0].children[0].children), tree.left_out) == (5, 2)


async def test_subtree_of_a_location(wb, denmark):
    castle = await wb.locations.add(name="Elsinore", worldid=denmark.id)
    hall = await wb.locations.add(name="Hall", worldid=denmark.id, parentid=castle.id)
    await wb.locations.add(name="Throne", worldid=denmark.id, parentid=hall.id)
    await wb.locations.add(name="Elsewhere", worldid=denmark.id)
    places = await wb.subtree(castle)
    assert [(p.name, p.depth) for p in places] == [("Elsinore", 0), ("Hall", 1), ("Throne", 2)]
    assert places[2].path == ("Elsinore", "Hall", "Throne")
    await wb.locations.remove(castle)
    for gone in (castle, uuid4()):
        with pytest.raises(NotFound, match="No location"):
            await wb.subtree(gone)


async def test_near_names_come_likest_first(wb, denmark, hamlet):
    await wb.personas.add(name="HAMLETS GHOST", worldid=denmark.id)
    near = await wb.near_names("persona", "HAMLET", world=denmark)
    assert [n.name for n in near] == ["HAMLET", "HAMLETS GHOST"]
    assert near[0].likeness == 1


async def test_errors_of_other_peoples_code_pass_through_a_transaction_as_they_are(wb, tmp_path):
    async def work():
        async with wb.transaction():
            await wb.worlds.add(name="Denmark")
            async with wb.transaction():
                raise FileNotFoundError(tmp_path / "missing")

    with pytest.raises(FileNotFoundError):
        await work()
    assert await wb.worlds.count() == 0


async def test_a_workspace_is_refused_on_a_second_event_loop(wb):
    await wb.worlds.count()
    with pytest.raises(WorkbenchError, match="another event loop"):
        await asyncio.to_thread(lambda: asyncio.run(wb.worlds.count()))
    assert await wb.worlds.count() == 0


ANOTHER_LOOP = """
import asyncio, sys
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.workspace import Workspace
wb = Workspace(Database(Address.parse(sys.argv[1])))
print([asyncio.run(wb.worlds.count()) for _ in range(2)])
"""


def test_a_workspace_goes_on_when_its_event_loop_has_ended(server):
    url = server.url(server.new_database("template_workbench"))
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_LOOP, url], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[0, 0]\n"
