"""The links of one record as a grid edits them."""

from __future__ import annotations

import pytest

from workbench.editing.links import LinkSource
from workbench.errors import NotAllowed, NotFound, Refused, StaleRecord, UnknownField
from workbench.store.related import relations
from workbench.widgets.source import Edit, Filter, Sort


@pytest.fixture
async def scene(wb):
    world = await wb.worlds.add(name="Denmark")
    story = await wb.stories.add(name="Hamlet", worldid=world.id)
    act = await wb.acts.add(name="Act I", storyid=story.id)
    scene = await wb.scenes.add(name="Scene 1", actid=act.id)
    for words, name in enumerate(("Hamlet", "Horatio", "Ghost"), 1):
        persona = await wb.personas.add(name=name, worldid=world.id)
        await wb.scene_personas.add(sceneid=scene.id, personaid=persona.id, words=words)
    return scene


def cast(wb, scene) -> LinkSource:
    relation = relations("scene")[0]
    return LinkSource(wb.scene_personas, relation, scene.worldid, scene.id)


async def rows(source, *, sort=(), filters=(), search=None):
    found = await source.page(0, 100, sort=sort, filters=filters, search=search)
    assert found.total == len(found.rows)
    return found.rows


async def names(source, **asked):
    return [row["personaid__label"] for row in await rows(source, **asked)]


async def test_rows_are_sorted_filtered_and_searched(wb, scene):
    source = cast(wb, scene)
    assert await names(source) == ["Ghost", "Hamlet", "Horatio"]
    assert await names(source, sort=[Sort("words")]) == ["Hamlet", "Horatio", "Ghost"]
    assert await names(source, filters=[Filter("words", "between", (2, None))]) == [
        "Ghost",
        "Horatio",
    ]
    assert await names(source, search="ham") == ["Hamlet"]


async def test_a_row_is_changed_unless_somebody_did_before(wb, scene):
    source = cast(wb, scene)
    row = (await rows(source))[0]
    saved = await source.save(row["id"], row["version"], {"speeches": 4, "role": "ghost"})
    assert (saved["speeches"], saved["role"], saved["words"]) == (4, "ghost", 3)
    with pytest.raises(StaleRecord) as stale:
        await source.save(row["id"], row["version"], {"speeches": 5})
    assert stale.value.current["speeches"] == 4
    edits = [Edit(r["id"], row["version"], {"words": 0}) for r in reversed(await rows(source))]
    with pytest.raises(Refused, match="Nothing was changed"):
        await source.save_all(edits, reason="all silent")
    assert [r["words"] for r in await rows(source)] == [3, 1, 2]


async def test_rows_are_added_removed_and_brought_back(wb, scene):
    told = []
    relation = relations("scene")[0]
    source = LinkSource(
        wb.scene_personas, relation, scene.worldid, scene.id, on_write=lambda: told.append(1)
    )
    marcellus = await wb.personas.add(name="Marcellus", worldid=scene.worldid)
    (choice,) = await source.lookup("personaid", "marc", None)
    added = await source.add({"personaid": choice.value, "words": 7})
    assert choice.value == str(marcellus.id)
    token = await source.remove([added["id"]])
    assert "Marcellus" not in await names(source)
    await source.restore(token)
    assert [r["words"] for r in await rows(source, search="marcellus")] == [7]
    assert len(told) == 3


async def test_whom_a_row_links_is_fixed_and_nothing_else_may_be_named(wb, scene):
    source = cast(wb, scene)
    row = (await rows(source))[0]
    assert row["__fixed"] == ["personaid"]
    for field in ("personaid", "worldid", "version", "reason"):
        with pytest.raises(UnknownField):
            await source.save(row["id"], row["version"], {field: "x"})
    with pytest.raises(UnknownField):
        await source.lookup("sceneid", "", None)


@pytest.mark.parametrize("id", ["", "x", "[]", '["x"]', "[1, 2]", "{}", '["a\\u0000"]', "null"])
async def test_an_id_that_is_none_finds_nothing(wb, scene, id):
    source = cast(wb, scene)
    with pytest.raises(NotFound):
        await source.save(id, 1, {"words": 1})
    with pytest.raises(NotFound):
        await source.remove([id])


async def test_a_viewer_reads_and_a_stranger_does_not(wb, sign_in, scene):
    eve = await sign_in("eve")
    source = cast(eve, scene)
    assert await rows(source) == []
    await wb.share("Denmark", "eve@example.org")
    row = (await rows(source))[0]
    with pytest.raises(NotAllowed, match="Ask tester@localhost"):
        await source.save(row["id"], row["version"], {"words": 1})
    with pytest.raises(NotAllowed):
        await source.remove([row["id"]])
