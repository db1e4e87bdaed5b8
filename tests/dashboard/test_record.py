"""The page of one record: its form, its neighbours, and what is related to it."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

import pytest

from workbench.dashboard import Dashboard, Place
from workbench.dashboard import related as beside
from workbench.dashboard.live import News
from workbench.dashboard.record import RecordPage
from workbench.history import changes as history
from workbench.widgets.source import Question


@pytest.fixture
async def denmark(wb):
    world = await wb.worlds.add(name="Denmark")
    story = await wb.stories.add(name="Hamlet", worldid=world.id)
    act = await wb.acts.add(name="Act I", position=1, storyid=story.id)
    castle = await wb.locations.add(name="Elsinore", worldid=world.id)
    await wb.scenes.add(name="Scene 1", position=1, actid=act.id, locationid=castle.id)
    for name in ("Claudius", "Hamlet", "Ophelia"):
        await wb.personas.add(name=name, kind="noble", worldid=world.id)
    return world


async def one(wb, entity, name):
    return await wb.collection(entity).get(name=name, world="Denmark")


async def open_record(wb, entity, name) -> tuple[Dashboard, RecordPage]:
    record = await one(wb, entity, name)
    made = Dashboard(wb, Place(record.worldid, entity, record.id))
    await made.show()
    assert made.state.problem == ""
    (page,) = made.page.children
    return made, page


def words(content) -> str:
    return json.dumps(content.nodes, ensure_ascii=False)


def places(content) -> dict[str, str]:
    """Where each link of a content leads."""
    found = {}

    def walk(nodes):
        for node in nodes:
            if node["tag"] == "a":
                assert node["attributes"]["href"] == f"?place={node['action']}"
                found[node["text"]] = node["action"]
            walk(node.get("children", []))

    walk(content.nodes)
    return found


def section(page: RecordPage, title: str):
    (found,) = [one for one in page.related if one.words.title == title]
    return found


async def test_a_record_has_a_page_with_its_form_and_links_to_what_it_lies_in(wb, denmark):
    _, page = await open_record(wb, "scene", "Scene 1")
    assert page.form.model.stored["name"] == "Scene 1"
    act, castle = await one(wb, "act", "Act I"), await one(wb, "location", "Elsinore")
    above = places(page.head)
    assert above["Act I"] == f"act/{denmark.id}/{act.id}"
    assert above["Elsinore"] == f"location/{denmark.id}/{castle.id}"
    assert above["All scenes"] == f"scene/{denmark.id}"


async def test_what_is_related_is_listed_with_links(wb, denmark):
    hamlet, scene = await one(wb, "persona", "Hamlet"), await one(wb, "scene", "Scene 1")
    await wb.scene_personas.add(sceneid=scene.id, personaid=hamlet.id, role="prince", words=1158)
    _, page = await open_record(wb, "scene", "Scene 1")
    cast = section(page, "Cast")
    assert places(cast.content) == {"Hamlet": f"persona/{denmark.id}/{hamlet.id}"}
    assert "prince · words: 1,158" in words(cast.content)
    _, page = await open_record(wb, "persona", "Hamlet")
    scenes = section(page, "Scenes")
    assert places(scenes.content) == {"Scene 1": f"scene/{denmark.id}/{scene.id}"}
    assert "Act I, Hamlet" in words(scenes.content)
    _, page = await open_record(wb, "location", "Elsinore")
    assert places(section(page, "Scenes here").content).keys() == {"Scene 1"}


async def test_more_of_what_is_related_comes_on_request(wb, denmark):
    castle = await one(wb, "location", "Elsinore")
    await wb.locations.add_many(
        {"name": f"Room {n:02}", "parentid": castle.id, "worldid": denmark.id} for n in range(30)
    )
    _, page = await open_record(wb, "location", "Elsinore")
    parts = section(page, "Parts")
    assert (len(parts.rows), parts.more) == (12, True)
    await parts.content._act({"action": "more"})
    assert (len(parts.rows), parts.more) == (30, False)
    assert [row.label for row in parts.rows][:2] == ["Room 00", "Room 01"]


async def test_previous_and_next_follow_the_list_one_came_from(wb, denmark):
    made, page = await open_record(wb, "persona", "Hamlet")
    assert steps(page)[1:] == ["Previous: Claudius", "Next: Ophelia"]
    hamlet = await one(wb, "persona", "Hamlet")
    made.state.go(Place(denmark.id, "persona"))
    await made.tasks.settled()
    await made.editor.grid._page(
        {
            "start": 0,
            "count": 10,
            "sort": [{"field": "name", "descending": True}],
            "filters": [{"field": "name", "test": "contains", "value": "h"}],
        }
    )
    await made.editor.grid.on_open(str(hamlet.id))
    await made.tasks.settled()
    (page,) = made.page.children
    assert steps(page)[1:] == ["Previous: Ophelia", ""]  # by name, backwards, those with an h


async def test_next_is_shown_in_the_same_page_which_starts_anew_for_another_entity(wb, denmark):
    made, page = await open_record(wb, "persona", "Hamlet")
    ophelia, scene = await one(wb, "persona", "Ophelia"), await one(wb, "scene", "Scene 1")
    await page.head._act({"action": f"persona/{denmark.id}/{ophelia.id}"})
    await made.tasks.settled()
    assert made.page.children == (page,)
    assert page.form.model.stored["name"] == "Ophelia"
    assert "Previous: Hamlet" in steps(page)
    await page.head._act({"action": f"scene/{denmark.id}/{scene.id}"})
    await made.tasks.settled()
    assert made.page.children != (page,)


async def test_the_heading_follows_a_save(wb, denmark):
    _, page = await open_record(wb, "persona", "Hamlet")
    page.form.model.enter("display_name", "Hamlet, Prince of Denmark")
    await page.form.save()
    assert "Hamlet, Prince of Denmark" in words(page.head)


async def test_the_heading_follows_what_others_store_once_it_is_shown(wb, denmark):
    made, page = await open_record(wb, "persona", "Hamlet")
    hamlet = await one(wb, "persona", "Hamlet")
    await wb.personas.update(hamlet, display_name="Hamlet, Prince of Denmark")
    await made._take_in([News("persona", frozenset({str(hamlet.id)}), came=False)])
    assert "Prince of Denmark" not in words(page.head)
    page.form.show_newer.click()
    assert "Hamlet, Prince of Denmark" in words(page.head)


async def test_links_follow_the_new_name_of_what_a_record_refers_to(wb, denmark):
    scene, castle = await one(wb, "scene", "Scene 1"), await one(wb, "location", "Elsinore")
    made, page = await open_record(wb, "scene", "Scene 1")
    page.form.model.enter("description", "typed")
    await wb.locations.update(castle, name="Kronborg")
    await made._take_in([News("location", frozenset({str(castle.id)}), came=False)])
    assert places(page.head)["Kronborg"] == f"location/{denmark.id}/{castle.id}"
    assert page.form.model.values["locationid__label"] == "Kronborg"
    assert page.form.model.changes() == {"description": "typed"}
    assert not page.form.model.changed_columns
    await page.form.save()
    assert (await wb.scenes.get(scene.id)).description == "typed"


async def test_related_rows_follow_the_new_name_of_what_they_lie_in(wb, denmark):
    made, page = await open_record(wb, "location", "Elsinore")
    act = await one(wb, "act", "Act I")
    assert "Act I" in words(section(page, "Scenes here").content)
    await wb.acts.update(act, name="The first act")
    await made._take_in([News("act", frozenset({str(act.id)}), came=False)])
    assert "The first act" in words(section(page, "Scenes here").content)


async def test_what_is_changed_while_a_page_is_being_made_shows_in_it(wb, denmark, monkeypatch):
    made = Dashboard(wb, Place(denmark.id, "persona", (await one(wb, "persona", "Hamlet")).id))
    make = made._page
    taking = []

    async def slow(*about):
        page = await make(*about)
        assert made.live._world == str(denmark.id)  # it hears of the world already
        hamlet = await one(wb, "persona", "Hamlet")
        await wb.personas.update(hamlet, kind="prince", display_name="The prince")
        news = News("persona", frozenset({str(hamlet.id)}), came=False)
        taking.append(asyncio.create_task(made._take_in([news])))
        await asyncio.sleep(0)  # it begins
        return page

    monkeypatch.setattr(made, "_page", slow)
    await made.show()
    await taking[0]
    assert made.editor.form.model.newer["kind"] == "prince"


async def test_a_cast_is_edited_in_place(wb, denmark):
    hamlet, scene = await one(wb, "persona", "Hamlet"), await one(wb, "scene", "Scene 1")
    await wb.scene_personas.add(sceneid=scene.id, personaid=hamlet.id, words=10)
    _, page = await open_record(wb, "scene", "Scene 1")
    cast = section(page, "Cast")
    await cast.content._act({"action": "edit"})
    grid = cast.grid
    assert [c["title"] for c in grid.columns] == ["Persona", "Role", "Speeches", "Words"]
    (row,) = (await grid._page({"start": 0, "count": 10}))["rows"]
    assert (row["personaid__label"], row["words"]) == ("Hamlet", 10)
    row = await grid._save({"id": row["id"], "version": row["version"], "changes": {"words": 99}})
    assert row["words"] == 99
    ophelia = await one(wb, "persona", "Ophelia")
    await grid._add({"values": {"personaid": str(ophelia.id), "role": "daughter"}})
    await cast.content._act({"action": "edit"})
    assert cast.grid is None
    assert places(cast.content).keys() == {"Hamlet", "Ophelia"}
    assert "words: 99" in words(cast.content)


async def test_a_viewer_is_shown_links_and_nothing_to_edit(wb, sign_in, denmark):
    hamlet, scene = await one(wb, "persona", "Hamlet"), await one(wb, "scene", "Scene 1")
    await wb.scene_personas.add(sceneid=scene.id, personaid=hamlet.id)
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org")
    _, page = await open_record(eve, "scene", "Scene 1")
    assert page.form.model.read_only
    assert places(section(page, "Cast").content).keys() == {"Hamlet"}
    assert section(page, "Things").content.nodes == []
    assert "button" not in words(section(page, "Cast").content)
    assert "You may read this world." in words(page.head)


async def test_a_record_of_another_world_or_of_nobody_is_not_shown(wb, sign_in, denmark):
    hamlet = await one(wb, "persona", "Hamlet")
    other = await wb.worlds.add(name="Elsewhere")
    said = set()
    for world, who in ((other.id, wb), (other.id, await sign_in("eve"))):
        made = Dashboard(who, Place(world, "persona", hamlet.id))
        await made.show()
        await made.tasks.settled()
        assert made.state.place.record is None
        said.add(made.state.problem)
    assert "" not in said


async def test_a_record_that_went_to_the_trash_meanwhile_leads_to_the_others(wb, denmark):
    hamlet = await one(wb, "persona", "Hamlet")
    made, _ = await open_record(wb, "persona", "Ophelia")
    await wb.personas.remove(hamlet)
    made.state.go(Place(denmark.id, "persona", hamlet.id))
    await made.tasks.settled()
    assert "is in the trash" in made.state.problem
    assert made.state.place == Place(denmark.id, "persona")


def reverts(page: RecordPage) -> list[str]:
    """What the buttons that revert a change do, the latest first."""
    found = []

    def walk(nodes):
        for node in nodes:
            if node.get("action", "").startswith("revert/"):
                found.append(node["action"])
            walk(node.get("children", []))

    walk(page.past.content.nodes)
    return found


async def revert(made: Dashboard, page: RecordPage, action: str) -> None:
    await page.past.content._act({"action": action})
    await made.tasks.settled()


async def test_one_change_is_reverted_and_others_stay(wb, denmark):
    castle = await one(wb, "location", "Elsinore")
    hamlet = await one(wb, "persona", "Hamlet")
    ring = await wb.things.add(name="Ring", worldid=denmark.id, tags=["old"], personaid=hamlet.id)
    ring = await wb.things.update(ring, kind="jewel", tags=["old", "gold"], locationid=castle.id)
    await wb.things.update(ring, kind="relic", personaid=None)
    made, page = await open_record(wb, "thing", "Ring")
    said = words(page.past.content)
    assert "Hamlet" in said
    assert "jewel" in said
    assert str(hamlet.id) not in said
    latest, first = reverts(page)
    await revert(made, page, first)
    ring = await one(wb, "thing", "Ring")
    assert (ring.kind, ring.tags, ring.locationid) == ("relic", ["old"], None)
    assert "What was changed again since stays." in made.state.said
    await revert(made, page, latest)
    ring = await one(wb, "thing", "Ring")
    assert (ring.kind, ring.personaid) == ("jewel", hamlet.id)
    assert page.form.model.stored["kind"] == "jewel"
    assert len(reverts(page)) == 4  # what was reverted can be reverted
    await revert(made, page, latest)
    assert "nothing was reverted" in made.state.said


async def test_what_is_typed_stays_when_a_change_is_reverted(wb, denmark):
    hamlet = await one(wb, "persona", "Hamlet")
    await wb.personas.update(hamlet, kind="prince")
    made, page = await open_record(wb, "persona", "Hamlet")
    page.form.model.enter("display_name", "typed")
    await revert(made, page, reverts(page)[0])
    assert (await one(wb, "persona", "Hamlet")).kind == "noble"
    assert page.form.model.values["display_name"] == "typed"
    await page.form.save()
    stored = await one(wb, "persona", "Hamlet")
    assert (stored.kind, stored.display_name) == ("noble", "typed")


async def test_going_on_while_a_change_is_reverted_writes_nothing_into_the_next_record(
    wb, denmark, monkeypatch
):
    hamlet, ophelia = await one(wb, "persona", "Hamlet"), await one(wb, "persona", "Ophelia")
    await wb.personas.update(hamlet, kind="prince")
    await wb.personas.update(ophelia, kind="prince")
    made, page = await open_record(wb, "persona", "Hamlet")
    (latest,) = reverts(page)
    row, asked = page.source.row, []

    async def row_then_next(id):
        asked.append(id)
        if len(asked) == 1:
            await page.load(Place(denmark.id, "persona", ophelia.id), Question())
        return await row(id)

    monkeypatch.setattr(page.source, "row", row_then_next)
    await revert(made, page, latest)
    assert (await one(wb, "persona", "Hamlet")).kind == "noble"
    assert (await one(wb, "persona", "Ophelia")).kind == "prince"
    assert page.form.model.stored["id"] == str(ophelia.id)


async def test_what_was_reverted_is_not_merged_into_the_form_of_another_record(wb, denmark):
    claudius, ophelia = await one(wb, "persona", "Claudius"), await one(wb, "persona", "Ophelia")
    _, page = await open_record(wb, "persona", "Ophelia")
    page.place = Place(denmark.id, "persona", claudius.id)
    await page._reverted()
    assert page.form.model.stored["id"] == str(ophelia.id)


async def test_of_two_quick_steps_the_latter_is_shown_whichever_is_read_first(
    wb, denmark, monkeypatch
):
    hamlet, ophelia = await one(wb, "persona", "Hamlet"), await one(wb, "persona", "Ophelia")
    await wb.personas.update(hamlet, kind="prince")
    _, page = await open_record(wb, "persona", "Claudius")
    row, reached, released = page.source.row, asyncio.Event(), asyncio.Event()

    async def slowly(id):
        if UUID(str(id)) == hamlet.id:
            reached.set()
            await released.wait()
        return await row(id)

    monkeypatch.setattr(page.source, "row", slowly)
    first = asyncio.create_task(page.load(Place(denmark.id, "persona", hamlet.id), Question()))
    await reached.wait()
    await page.load(Place(denmark.id, "persona", ophelia.id), Question())
    released.set()
    await first
    assert page.place.record == ophelia.id
    assert page.form.model.stored["id"] == str(ophelia.id)
    assert "Previous: Hamlet" in steps(page)
    assert reverts(page) == []


async def test_what_is_beside_a_record_is_of_the_one_that_was_asked_for_last(
    wb, denmark, monkeypatch
):
    hamlet, ophelia = await one(wb, "persona", "Hamlet"), await one(wb, "persona", "Ophelia")
    scene = await one(wb, "scene", "Scene 1")
    await wb.scene_personas.add(sceneid=scene.id, personaid=hamlet.id)
    await wb.personas.update(hamlet, kind="prince")
    _, page = await open_record(wb, "persona", "Ophelia")
    scenes, begun = section(page, "Scenes"), []
    related, names_of = beside.related, history.names_of

    async def related_then_next(*what, **limit):
        begun.append(1)
        if len(begun) == 1:
            await scenes.load(ophelia.id)
        return await related(*what, **limit)

    monkeypatch.setattr(beside, "related", related_then_next)
    await scenes.load(hamlet.id)
    assert scenes.rows == []
    begun.clear()

    async def names_then_next(database, wanted):
        begun.append(1)
        if len(begun) == 1:
            await page.past.of(ophelia.id)
        return await names_of(database, wanted)

    monkeypatch.setattr(history, "names_of", names_then_next)
    await page.past.of(hamlet.id)
    assert reverts(page) == []


async def test_a_save_in_the_form_shows_among_the_changes(wb, denmark):
    _, page = await open_record(wb, "persona", "Hamlet")
    assert reverts(page) == []
    page.form.model.enter("kind", "prince")
    await page.form.save()
    await page.tasks.settled()
    assert len(reverts(page)) == 1


async def test_a_viewer_sees_changes_and_reverts_none(wb, sign_in, denmark):
    await wb.personas.update(await one(wb, "persona", "Hamlet"), kind="prince")
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org")
    _, page = await open_record(eve, "persona", "Hamlet")
    assert "prince" in words(page.past.content)
    assert reverts(page) == []


def steps(page: RecordPage) -> list[str]:
    """What the links to the records before and after are called."""
    return [
        node.get("attributes", {}).get("aria-label", "") for node in page.head.nodes[0]["children"]
    ]
