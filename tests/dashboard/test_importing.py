"""The page that takes files in, without a browser."""

from __future__ import annotations

import json

import pytest

from workbench.dashboard import Dashboard, Place
from workbench.dashboard.import_page import ImportView
from workbench.errors import Refused

CAST = "name,kind\nHAMLET,prince of Denmark\nOSRIC,courtier\n"


@pytest.fixture
async def denmark(wb):
    world = await wb.worlds.add(name="Denmark")
    await wb.personas.add(name="HAMLET", kind="prince", worldid=world.id)
    return world


@pytest.fixture
async def page(wb, denmark):
    made = Page(wb, denmark)
    await made.open()
    yield made
    made.view.close()


class Page:
    """The import page as somebody sees it who is shown no colours."""

    def __init__(self, wb, world) -> None:
        self.dashboard = Dashboard(wb, Place(world.id, "import"))

    async def open(self) -> None:
        await self.dashboard.show()
        assert self.dashboard.state.problem == ""
        self.view = next(w for w in self.dashboard.page.children if isinstance(w, ImportView))
        self.model = self.view.model

    async def send(self, name: str, text: str | bytes, pieces: int = 1) -> str:
        data = text.encode() if isinstance(text, str) else text
        key = self.model.begin(name, len(data))
        step = max(1, -(-len(data) // pieces))
        for start in range(0, len(data), step):
            self.model.write(key, start, data[start : start + step])
        await self.model.end(key)
        return key

    async def press(self, name: str) -> None:
        await self.view.act(self.buttons()[name])
        await self.dashboard.tasks.settled()

    @property
    def words(self) -> str:
        return json.dumps(self.view.body.nodes, ensure_ascii=False)

    def buttons(self) -> dict[str, str]:
        found = {}

        def walk(nodes):
            for node in nodes:
                if node.get("action"):
                    first = next(iter(node.get("children", [])), {})
                    found[node.get("text") or first.get("text")] = node["action"]
                walk(node.get("children", []))

        walk(self.view.body.nodes)
        return found


async def test_a_file_is_planned_shown_and_imported_and_the_history_has_it(wb, page, denmark):
    await page.send("cast of personas.csv", CAST, pieces=3)
    [file] = page.model.files
    assert file["looks"][0]["table"] == "personas"
    await page.press("See what it would do")
    assert "prince of Denmark" in page.words
    assert "personas “OSRIC”" in page.words
    assert {p.name for p in await wb.personas.find(world=denmark)} == {"HAMLET"}
    await page.press("Import 2 rows")
    assert "2 rows imported" in page.words
    assert {p.kind for p in await wb.personas.find(world=denmark)} == {
        "prince of Denmark",
        "courtier",
    }
    words = "See it in the history, where it can be undone"
    place = Place.parse(page.buttons()[words].removeprefix("go:"))
    assert (place.world, place.entity, place.record) == (
        denmark.id,
        "history",
        page.model.changeset,
    )
    await wb.undo(place.record)
    [left] = await wb.personas.find(world=denmark)
    assert left.kind == "prince"


async def test_what_is_no_table_is_refused_by_its_name(page):
    for name, words in (
        ("letter.docx", "no file that can be imported"),
        ("world.zip", "workbench restore"),
        ("", "no file that can be imported"),
    ):
        with pytest.raises(Refused, match=words):
            page.model.begin(name, 10)
