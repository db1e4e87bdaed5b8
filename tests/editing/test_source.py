"""Rows of a real repository as a grid asks for them."""

from __future__ import annotations

import asyncio

import pytest

from workbench.editing import RepositorySource
from workbench.editing import source as source_module
from workbench.errors import (
    DuplicateName,
    InvalidDraft,
    NotFound,
    Refused,
    StaleRecord,
    UnknownField,
)
from workbench.widgets.source import Edit, Filter, Sort


@pytest.fixture
async def denmark(wb):
    return await wb.worlds.add(name="Denmark")


@pytest.fixture
async def personas(wb, denmark):
    await wb.personas.add_many(
        {"name": f"P{n:03}", "kind": [None, "b", "a"][n % 3], "worldid": denmark.id}
        for n in range(250)
    )
    other = await wb.worlds.add(name="Elsewhere")
    await wb.personas.add(name="Foreign", worldid=other.id)
    return RepositorySource(wb.personas, "Denmark")


async def page(source, start=0, count=100, *, sort=(), filters=(), search=None):
    return await source.page(start, count, sort=sort, filters=filters, search=search)


@pytest.mark.parametrize("sort", [(), (Sort("name", True),), (Sort("kind"), Sort("name", True))])
async def test_blocks_hold_every_row_once_in_whatever_order_they_are_asked(personas, sort):
    whole = [row["name"] for row in (await page(personas, 0, 300, sort=sort)).rows]
    assert len(whole) == len(set(whole)) == 250
    assert (await page(personas, 260, 50, sort=sort)).rows == []
    for start in (0, 249, 100, 200, 150, 50, 240):
        block = await page(personas, start, 50, sort=sort)
        assert [row["name"] for row in block.rows] == whole[start : start + 50]
        assert block.total == 250


async def test_another_question_begins_anew(personas):
    await page(personas, 0, 100)
    await page(personas, 100, 100)
    found = await page(personas, 0, 100, filters=[Filter("kind", "equals", "b")])
    assert found.total == 83
    found = await page(personas, 50, 100, filters=[Filter("kind", "empty")])
    assert (found.total, len(found.rows)) == (84, 34)
    found = await page(personas, filters=[Filter("name", "contains", "p00")], search="7")
    assert [row["name"] for row in found.rows] == ["P007"]
    with pytest.raises(UnknownField):
        await page(personas, filters=[Filter("nme", "contains", "x")])


async def test_two_questions_at_once_do_not_get_each_others_answers(personas):
    few, all_ = await asyncio.gather(
        page(personas, filters=[Filter("kind", "equals", "b")]),
        page(personas, sort=[Sort("name", True)]),
    )
    assert (few.total, all_.total) == (83, 250)
    rest = await page(personas, 100, sort=[Sort("name", True)])
    assert rest.rows[0]["name"] == "P149"


@pytest.fixture
def counts(monkeypatch):
    """A list to which every statement that counts adds itself."""
    made = []
    counted = source_module.counted
    monkeypatch.setattr(source_module, "counted", lambda s: made.append(s) or counted(s))
    return made


async def test_a_block_that_ends_the_rows_tells_how_many_there_are(personas, counts):
    assert (await page(personas, 0, 300)).total == 250
    assert (await page(personas, search="P00")).total == 10
    assert (await page(personas, search="nobody")).total == 0
    assert counts == []
    assert (await page(personas, 0, 250)).total == 250  # there might be more
    assert len(counts) == 1


async def test_rows_can_be_had_before_they_are_counted(personas, counts):
    asked = {"sort": (), "filters": [Filter("kind", "not_empty")], "search": None}
    first = await personas.page(0, 100, **asked, total=False)
    assert (len(first.rows), first.total, len(counts)) == (100, None, 0)
    assert await personas.total(filters=asked["filters"], search=None) == 166
    second = await personas.page(50, 100, **asked, total=False)
    assert (second.total, len(counts)) == (166, 1)
    other = await personas.page(0, 100, **{**asked, "filters": []}, total=False)
    assert other.total is None


async def test_a_question_in_between_makes_no_block_forget_where_it_begins(personas, counts):
    await page(personas, 0, 100)
    await page(personas, 0, 1, filters=[Filter("name", "equals", "P007")])
    assert (await page(personas, 100, 100)).total == 250
    assert len(counts) == 2


async def test_what_has_no_tags_is_filtered_as_empty(wb, denmark):
    await wb.personas.add(name="Tagged", tags=["ghost"], world=denmark)
    await wb.personas.add(name="Bare", world=denmark)
    source = RepositorySource(wb.personas, denmark)
    for test, name in (("empty", "Bare"), ("not_empty", "Tagged")):
        found = await page(source, filters=[Filter("tags", test)])
        assert [row["name"] for row in found.rows] == [name]


async def test_numbers_are_filtered_by_range(wb, denmark):
    await wb.books.add_many(
        {"name": f"B{n}", "position": n, "worldid": denmark.id} for n in range(1, 9)
    )
    source = RepositorySource(wb.books, denmark)
    for low, high, count in ((3, 5, 3), (None, 2, 2), (7, None, 2)):
        found = await page(source, filters=[Filter("position", "between", (low, high))])
        assert found.total == count


async def test_rows_carry_words_for_what_they_refer_to(wb, denmark):
    hall = await wb.locations.add(name="Hall", display_name="The great hall", worldid=denmark.id)
    await wb.things.add(name="Goblet", worldid=denmark.id, locationid=hall.id)
    source = RepositorySource(wb.things, denmark)
    row = (await page(source)).rows[0]
    assert (row["locationid"], row["locationid__label"]) == (str(hall.id), "The great hall")
    assert "locationid__trashed" not in row
    await wb.locations.remove(hall)
    assert (await page(source)).rows[0]["locationid__trashed"] is True


async def test_choices_are_of_the_same_world_and_say_what_tells_them_apart(wb, denmark):
    story = await wb.stories.add(name="Hamlet", worldid=denmark.id)
    act = await wb.acts.add(name="Act I", storyid=story.id)
    elsewhere = await wb.worlds.add(name="Elsewhere")
    foreign = await wb.stories.add(name="Foreign", worldid=elsewhere.id)
    await wb.acts.add(name="Act I", storyid=foreign.id)
    found = await RepositorySource(wb.scenes, denmark).lookup("actid", "act", None)
    assert [(c.value, c.label, c.detail) for c in found] == [(str(act.id), "Act I", "Hamlet")]
    assert await RepositorySource(wb.scenes, denmark).lookup("actid", "%", None) == []
    with pytest.raises(UnknownField):
        await RepositorySource(wb.scenes, denmark).lookup("name", "x", None)


async def test_a_stale_save_carries_the_stored_row_with_its_words(wb, denmark):
    hall = await wb.locations.add(name="Hall", worldid=denmark.id)
    thing = await wb.things.add(name="Goblet", worldid=denmark.id)
    await wb.things.update(thing, locationid=hall.id)
    source = RepositorySource(wb.things, denmark)
    with pytest.raises(StaleRecord) as caught:
        await source.save(str(thing.id), 1, {"kind": "cup"})
    assert caught.value.current["locationid__label"] == "Hall"
    assert caught.value.current.version == 2
    saved = await source.save(str(thing.id), 2, {"kind": "cup"})
    assert (saved["kind"], saved["version"]) == ("cup", 3)


async def test_rows_are_added_removed_and_restored_together(wb, denmark):
    source = RepositorySource(wb.personas, denmark)
    made = [await source.add({"name": name}) for name in ("A", "B")]
    assert made[0]["worldid"] == str(denmark.id)
    with pytest.raises(DuplicateName):
        await source.add({"name": "A"})
    with pytest.raises(InvalidDraft):
        await source.add({"name": " "})
    token = await source.remove([row["id"] for row in made])
    assert await wb.personas.count() == 0
    with pytest.raises(NotFound):
        await source.remove([made[0]["id"]])
    await source.restore(token)
    assert await wb.personas.count() == 2
    changes = await wb.latest_changes(denmark)
    assert (changes[0].operation, changes[0].count) == ("restore", 2)


async def test_removing_one_that_is_gone_removes_none(wb, denmark):
    source = RepositorySource(wb.personas, denmark)
    rows = [await source.add({"name": name}) for name in ("A", "B")]
    await wb.personas.remove(rows[1]["id"])
    with pytest.raises(NotFound):
        await source.remove([row["id"] for row in rows])
    assert await wb.personas.count() == 1


async def test_many_rows_are_changed_as_one_changeset_or_not_at_all(wb, denmark):
    added = [await wb.personas.add(name=name, worldid=denmark.id) for name in ("ONE", "TWO")]
    source = RepositorySource(wb.personas, denmark.id)
    edits = [Edit(str(one.id), one.version, {"kind": "guest"}) for one in added]
    await source.save_all(edits, reason="kind of 2 personas")
    stored = await source.stored([edit.id for edit in edits])
    assert {row["kind"] for row in stored} == {"guest"}
    assert len(set((await wb.changes(limit=2))["changeset"])) == 1
    fresh = [Edit(row["id"], row["version"], {"kind": "host"}) for row in stored]
    await wb.personas.update(await wb.personas.get(fresh[1].id), kind="theirs")
    with pytest.raises(Refused, match="changed by somebody else meanwhile"):
        await source.save_all(fresh, reason="again")
    assert (await wb.personas.get(fresh[0].id)).kind == "guest"
    await wb.personas.remove(fresh[0].id)
    assert [row["id"] for row in await source.stored([edit.id for edit in fresh])] == [fresh[1].id]
