"""The pages of a world's history and of its trash."""

from __future__ import annotations

import json

import pytest
from ipywidgets.widgets.widget import _instances

from workbench.dashboard import Dashboard, Place
from workbench.dashboard.past import Past
from workbench.widgets.content import Content
from workbench.widgets.dialog import Messages


@pytest.fixture
async def denmark(wb):
    world = await wb.worlds.add(name="Denmark")
    story = await wb.stories.add(name="Hamlet", worldid=world.id)
    act = await wb.acts.add(name="Act I", storyid=story.id)
    await wb.scenes.add(name="Scene 1", actid=act.id)
    await wb.personas.add(name="HAMLET", kind="prince", worldid=world.id)
    return world


class Page:
    """A page of the dashboard as somebody is shown it; questions are answered with yes."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self.asked: list[str] = []

    async def confirm(self, title: str, text: str = "", **_: object) -> bool:
        self.asked.append(f"{title} {text}")
        return True

    @property
    def listing(self) -> Content:
        return self.dashboard.page.children[1]

    @property
    def words(self) -> str:
        return json.dumps(self.listing.nodes, ensure_ascii=False)

    def buttons(self) -> dict[str, str]:
        """What each button is called, and what it does."""
        found = {}

        def walk(nodes):
            for node in nodes:
                if node.get("action"):
                    name = node.get("attributes", {}).get("aria-label") or node["text"]
                    found[name] = node["action"]
                walk(node.get("children", []))

        walk(self.listing.nodes)
        return found

    async def press(self, name: str) -> None:
        listing = self.listing._on_action.__self__
        listing.messages.confirm = self.confirm
        await self.listing._act({"action": self.buttons()[name]})
        await self.dashboard.tasks.settled()


async def open_page(workspace, world, page) -> Page:
    made = Dashboard(workspace, Place(world.id, page))
    await made.show()
    assert made.state.problem == ""
    return Page(made)


async def test_the_trash_tells_what_was_removed_without_what_went_along_and_brings_it_back(
    wb, denmark
):
    page = await open_page(wb, denmark, "trash")
    assert "Nothing is in the trash" in page.words
    act = await wb.acts.get(name="Act I", world=denmark)
    await wb.acts.remove(act, reason="too long")
    page = await open_page(wb, denmark, "trash")
    assert "Act I" in page.words
    assert "Scene 1" not in page.words
    assert "too long" in page.words
    await page.press("Restore Act I")
    assert page.dashboard.state.said == "“Act I” is back."
    assert "Nothing is in the trash" in page.words
    assert await wb.scenes.count(world=denmark) == 1


async def test_a_scene_removed_before_its_act_is_told_of_its_own(wb, denmark):
    await wb.scenes.remove(await wb.scenes.get(name="Scene 1", world=denmark))
    await wb.acts.remove(await wb.acts.get(name="Act I", world=denmark))
    page = await open_page(wb, denmark, "trash")
    assert {"Restore Act I", "Restore Scene 1"} <= page.buttons().keys()
    await page.press("Restore Scene 1")
    assert "in the trash" in page.dashboard.state.problem
    assert "Restore Scene 1" in page.buttons()


async def test_only_a_manager_removes_for_good_and_a_viewer_only_reads(wb, sign_in, denmark):
    await wb.personas.remove(await wb.personas.get(name="HAMLET", world=denmark))
    eve, vic = await sign_in("eve"), await sign_in("vic")
    await wb.share(denmark, "eve@example.org", role="editor")
    await wb.share(denmark, "vic@example.org")
    assert (await open_page(eve, denmark, "trash")).buttons().keys() == {"Restore HAMLET"}
    assert not (await open_page(vic, denmark, "trash")).buttons()
    page = await open_page(wb, denmark, "trash")
    await page.press("Remove HAMLET for good")
    assert "Remove “HAMLET” for good?" in page.asked[0]
    assert await wb.personas.count(world=denmark, trashed=True) == 0


async def test_a_set_of_changes_is_opened_and_undone(wb, denmark):
    async with wb.transaction(reason="a new rank"):
        hamlet = await wb.personas.get(name="HAMLET", world=denmark)
        await wb.personas.update(hamlet, kind="king")
    page = await open_page(wb, denmark, "history")
    await page.press("What was changed: a new rank")
    assert "persona “HAMLET” changed" in page.words
    assert "prince" in page.words
    assert "king" in page.words
    await page.press("What was changed: a new rank")
    assert "prince" not in page.words
    await page.press("Undo: a new rank")
    assert page.asked == ["Undo this? Would be changed back: 1 persona."]
    assert page.dashboard.state.said == "Undone. Changed back: 1 persona."
    assert (await wb.personas.get(hamlet.id)).kind == "prince"
    assert "undo of a new rank" in page.words


async def test_a_record_in_a_set_of_changes_leads_to_its_page(wb, denmark):
    hamlet = await wb.personas.get(name="HAMLET", world=denmark)
    await wb.personas.update(hamlet, kind="king", reason="a new rank")
    page = await open_page(wb, denmark, "history")
    await page.press("What was changed: a new rank")
    await page.press("persona “HAMLET” changed")
    assert page.dashboard.state.place == Place(denmark.id, "persona", hamlet.id)


async def test_a_link_is_called_by_what_it_links(wb, denmark):
    scene = await wb.scenes.get(name="Scene 1", world=denmark)
    hamlet = await wb.personas.get(name="HAMLET", world=denmark)
    async with wb.transaction(reason="cast"):
        await wb.scene_personas.add(sceneid=scene.id, personaid=hamlet.id)
    page = await open_page(wb, denmark, "history")
    await page.press("What was changed: cast")
    assert "scene persona “Scene 1 – HAMLET” added" in page.words


async def test_history_is_read_on_and_a_viewer_undoes_nothing(wb, sign_in, denmark, monkeypatch):
    monkeypatch.setattr("workbench.dashboard.past._AT_ONCE", 2)
    vic = await sign_in("vic")
    await wb.share(denmark, "vic@example.org")
    page = await open_page(vic, denmark, "history")
    listing = page.listing._on_action.__self__
    assert isinstance(listing, Past)
    assert len(listing.sets) == 2
    await page.press("Show more")
    assert len(listing.sets) == 4
    assert not any(name.startswith("Undo") for name in page.buttons())


async def test_what_is_refused_is_said(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="editor")
    page = await open_page(eve, denmark, "history")
    sets = [name for name in page.buttons() if name.startswith("Undo: 1 added: world members")]
    await page.press(sets[0])
    assert "takes a manager's rights" in page.dashboard.state.problem
    assert page.dashboard.state.said == ""


async def test_worlds_in_the_trash_come_back_by_whoever_manages_them(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="editor")
    assert await trashed_worlds(wb) == []
    await wb.worlds.remove(denmark)
    assert await trashed_worlds(eve) == []
    made = Dashboard(wb)
    await made.show()
    listing = made.page.children[-1]._on_action.__self__
    assert [world.label for world in listing.worlds.values()] == ["Denmark"]
    await listing.act(f"restore/{denmark.id}")
    await made.tasks.settled()
    assert made.state.said == "“Denmark” is back."
    assert "Denmark" in json.dumps(made.page.children[0].nodes)
    assert await trashed_worlds(wb) == []


async def trashed_worlds(workspace):
    made = Dashboard(workspace)
    await made.show()
    return made.page.children[-1].nodes


def open_channels() -> set[str]:
    return {key for key, one in _instances.items() if isinstance(one, Messages)}


async def test_a_page_that_is_left_keeps_no_channel_for_questions(wb, denmark):
    persona = await wb.personas.add(name="Yorick", worldid=denmark.id)
    dashboard = Dashboard(wb, Place(denmark.id))
    await dashboard.show()
    before = open_channels()
    for place in (
        Place(denmark.id, "persona", persona.id),
        Place(denmark.id, "trash"),
        Place(denmark.id, "history"),
        Place(),
        Place(denmark.id),
    ):
        dashboard.state.go(place)
        await dashboard.tasks.settled()
    assert dashboard.state.problem == ""
    assert open_channels() == before
