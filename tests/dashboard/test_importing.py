"""The page that takes files in, without a browser."""

from __future__ import annotations

import asyncio
import gc
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


async def test_rows_with_a_problem_stop_an_import_or_are_left_out_and_saved_as_they_came(
    wb, page, denmark
):
    text = "name;kind;Rolle\r\nOSRIC;courtier;a\r\n;nobody;b\r\n"
    await page.send("personas.csv", text.encode("utf-16"))
    await page.press("See what it would do")
    assert "personas.csv, row 2, name: " in page.words
    assert "Import 1 row" not in page.buttons()
    with pytest.raises(Refused, match="no plan"):
        await page.model.apply()
    await page.press("Skip")
    await page.press("Import 1 row")
    assert await wb.personas.count(world=denmark) == 2
    [download] = page.view.saves.children
    assert download.name == "personas.rejects.csv"
    rejected = await download._piece({"offset": 0})
    [head, row, *_] = rejected.decode("utf-16").split("\r\n")
    assert head == "problem;name;kind;Rolle"
    assert row.endswith(";;nobody;b")


async def test_columns_are_mapped_and_a_table_is_chosen(wb, page, denmark):
    key = await page.send("Rollenliste.csv", "Figur,Art\nOSRIC,courtier\n")
    assert "tells no table" in page.model.files[0]["looks"][0]["problems"][0]
    await page.model.choose(key, "personas")
    [look] = page.model.files[0]["looks"]
    assert "There is no column 'name', which every row needs." in look["problems"]
    assert {"name", "kind"} <= set(look["choices"])
    await page.model.mean(key, "Figur", "name")
    await page.model.mean(key, "Art", "display_name")
    await page.model.mean(key, "Art", "kind")
    await page.model.mean(key, "Figur", "")
    await page.model.mean(key, "Figur", "name")
    [look] = page.model.files[0]["looks"]
    assert {c["header"]: c["means"] for c in look["columns"]} == {"Figur": "name", "Art": "kind"}
    await page.press("See what it would do")
    await page.press("Import 1 row")
    [osric] = await wb.personas.find(world=denmark, name="OSRIC")
    assert osric.kind == "courtier"


async def test_a_likely_column_is_suggested(page):
    await page.send("personas.csv", "name,knd\nOSRIC,courtier\n")
    [look] = page.model.files[0]["looks"]
    assert look["columns"][1] == {"header": "knd", "means": "", "near": "kind"}


async def test_a_plan_is_refused_with_the_difference_if_the_world_moved(wb, page, denmark):
    await page.send("personas.csv", CAST)
    await page.press("See what it would do")
    await wb.personas.add(name="OSRIC", kind="water-fly", worldid=denmark.id)
    await page.press("Import 2 rows")
    assert "The world has moved" in page.words
    assert "OSRIC" in page.words
    assert {p.kind for p in await wb.personas.find(world=denmark)} == {"prince", "water-fly"}
    await page.press("See what it would do")
    assert "water-fly" in page.words
    await page.press("Import 2 rows")
    assert {p.kind for p in await wb.personas.find(world=denmark)} == {
        "prince of Denmark",
        "courtier",
    }


async def test_an_import_that_is_cancelled_leaves_nothing(wb, page, denmark):
    await page.send("personas.csv", CAST)
    await page.press("See what it would do")

    def at_once(change):
        if change["new"] is not None and change["new"].stage == "write":
            page.model.cancel()

    page.model.observe(at_once, "step")
    await page.press("Import 2 rows")
    assert page.model.said == "Cancelled. Nothing was written."
    assert [p.kind for p in await wb.personas.find(world=denmark)] == ["prince"]
    page.model.unobserve(at_once, "step")
    await page.press("Import 2 rows")
    assert "2 rows imported" in page.words


async def test_an_import_that_is_cancelled_too_late_is_shown_as_done(
    wb, page, denmark, monkeypatch
):
    async def cancel_it(*_):
        page.model.cancel()
        await asyncio.Event().wait()

    await page.send("personas.csv", CAST)
    await page.press("See what it would do")
    monkeypatch.setattr("workbench.transfer.load.count_anew", cancel_it)  # after the commit
    await page.press("Import 2 rows")
    assert "It could not be cancelled any more" in page.words
    assert "2 rows imported" in page.words
    assert "Import 2 rows" not in page.buttons()
    words = "See it in the history, where it can be undone"
    place = Place.parse(page.buttons()[words].removeprefix("go:"))
    await wb.undo(place.record)
    assert [p.kind for p in await wb.personas.find(world=denmark)] == ["prince"]


async def test_an_import_of_ones_own_elsewhere_is_not_taken_for_the_one_that_is_cancelled(
    wb, page, denmark, monkeypatch, tmp_path
):
    other = tmp_path / "things.csv"
    other.write_text("name\nskull\n", encoding="utf-8")
    at_once = page.model.note

    def cancel_it(step):
        at_once(step)
        if step.stage == "write":
            page.model.cancel()

    async def apply(**given):
        await wb.load(other, world=denmark)
        return await whole(**given)

    await page.send("personas.csv", CAST)
    await page.press("See what it would do")
    whole = page.model.plan.apply
    monkeypatch.setattr(page.model.plan, "apply", apply)
    monkeypatch.setattr(page.model, "note", cancel_it)
    await page.press("Import 2 rows")
    assert await wb.things.count(world=denmark) == 1
    assert page.model.said == "Cancelled. Nothing was written."
    assert "Import 2 rows" in page.buttons()


class HeldLook:
    """Holds the next look at files until it is let go, and counts them."""

    def __init__(self, page, monkeypatch) -> None:
        self.began, self.go, self.count = asyncio.Event(), asyncio.Event(), 0
        self._look = page.model._wb.look
        monkeypatch.setattr(page.model._wb, "look", self.look)

    async def look(self, *args, **given):
        self.count += 1
        if self.count == 1:
            self.began.set()
            await self.go.wait()
        return await self._look(*args, **given)


async def test_two_columns_that_are_mapped_at_once_are_looked_at_one_after_the_other(
    page, monkeypatch
):
    key = await page.send("personas.csv", "Figur,Art\nOSRIC,courtier\n")
    held = HeldLook(page, monkeypatch)
    first = asyncio.create_task(page.model.mean(key, "Figur", "name"))
    await held.began.wait()
    second = asyncio.create_task(page.model.mean(key, "Art", "kind"))
    await asyncio.sleep(0)
    assert held.count == 1
    held.go.set()
    await asyncio.gather(first, second)
    assert held.count == 2
    assert page.model.files[0]["told"] == ["Figur", "Art"]


async def test_a_plan_of_what_is_mapped_otherwise_meanwhile_is_not_carried_out(
    wb, page, denmark, monkeypatch
):
    key = await page.send("personas.csv", CAST)
    await page.press("See what it would do")
    held = HeldLook(page, monkeypatch)
    mapped = asyncio.create_task(page.model.mean(key, "kind", "display_name"))
    await held.began.wait()
    applied = asyncio.create_task(page.model.apply())
    late = asyncio.create_task(page.model.mean(key, "kind", ""))
    await asyncio.sleep(0)
    assert not applied.done()
    held.go.set()
    await asyncio.gather(mapped, late)
    with pytest.raises(Refused, match="no plan"):
        await applied
    assert await wb.personas.count(world=denmark) == 1


async def test_nothing_is_imported_while_a_file_is_on_its_way(wb, page, denmark):
    await page.send("personas.csv", CAST)
    await page.press("See what it would do")
    page.model.begin("scenes.csv", 10)
    await page.press("Import 2 rows")
    assert "still on their way" in page.dashboard.state.problem
    assert await wb.personas.count(world=denmark) == 1


async def test_what_is_mapped_while_a_plan_is_waited_for_is_refused(page, monkeypatch):
    key = await page.send("personas.csv", CAST)
    held = HeldLook(page, monkeypatch)
    mapped = asyncio.create_task(page.model.mean(key, "kind", "display_name"))
    await held.began.wait()
    planned = asyncio.create_task(page.model.make_plan())
    await asyncio.sleep(0)
    late = asyncio.create_task(page.model.mean(key, "kind", ""))
    await asyncio.sleep(0)
    held.go.set()
    with pytest.raises(Refused, match="under way"):
        await late
    await asyncio.gather(mapped, planned)
    assert page.model.stage == "planned"
    assert page.model.files[0]["told"] == ["kind"]


async def test_leaving_the_page_cancels_and_removes_every_file(page, denmark):
    await page.send("personas.csv", CAST)
    await page.press("See what it would do")
    folder, held = page.model.inbox.folder, page.model.plan._folder
    assert folder.exists()
    assert held.exists()
    page.dashboard.state.go(Place(denmark.id))
    await page.dashboard.tasks.settled()
    gc.collect()
    assert not folder.exists()
    assert not held.exists()


@pytest.mark.parametrize("stage", ["plan", "write"])
async def test_leaving_while_something_is_under_way_ends_it_and_removes_every_file(
    wb, page, denmark, stage
):
    await page.send("personas.csv", CAST + ",nobody\n")
    folder = page.model.inbox.folder
    if stage == "write":
        await page.press("See what it would do")
        await page.press("Skip")

    def leave(change):
        if change["new"] is not None and change["new"].stage == stage:
            page.view.close()

    page.model.observe(leave, "step")
    await page.press("Import 2 rows" if stage == "write" else "See what it would do")
    assert not folder.exists()
    assert page.model.running is False
    assert await wb.personas.count(world=denmark) == 1


async def test_a_plan_waits_for_files_that_are_on_their_way(page):
    await page.send("personas.csv", CAST)
    page.model.begin("scenes.csv", 10)
    await page.press("See what it would do")
    assert "still on their way" in page.dashboard.state.problem


async def test_an_undo_elsewhere_leaves_the_page_as_it_is(page):
    await page.send("personas.csv", CAST)
    await page.press("See what it would do")
    await page.dashboard._undo()
    await page.dashboard.tasks.settled()
    assert page.view in page.dashboard.page.children
    assert "What this would do" in page.words


async def test_leaving_while_an_import_is_under_way_is_asked_about(wb, page, denmark):
    await page.send("personas.csv", CAST)
    await page.press("See what it would do")
    asked = []

    async def stay(title, text, **_):
        asked.append(title)
        return False

    page.dashboard.messages.confirm = stay
    page.model.stage = "importing"
    await page.dashboard._go(str(Place(denmark.id)))
    assert asked == ["Cancel the import?"]
    assert page.dashboard.state.place.entity == "import"
    page.model.stage = "planned"


async def test_an_import_is_not_undone_step_by_step(wb, page, denmark):
    await page.send("personas.csv", CAST)
    await page.press("See what it would do")
    await page.press("Import 2 rows")
    said = await page.dashboard.undoing.undo()
    assert said == "There is nothing of yours to undo since this page was opened."
    assert await wb.personas.count(world=denmark) == 2


async def test_a_viewer_is_told_whom_to_ask_and_offered_nothing(wb, sign_in, denmark):
    vic = await sign_in("vic")
    await wb.share(denmark, "vic@example.org")
    dashboard = Dashboard(vic, Place(denmark.id, "import"))
    await dashboard.show()
    [head] = dashboard.page.children
    assert "Ask tester@localhost to edit" in json.dumps(head.nodes)


async def test_a_role_that_is_lost_meanwhile_writes_nothing(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="editor")
    page = Page(eve, denmark)
    await page.open()
    await page.send("personas.csv", CAST)
    await page.press("See what it would do")
    await wb.share(denmark, "eve@example.org", role="viewer")
    await page.press("Import 2 rows")
    assert "tester@localhost" in page.model.problem
    assert await wb.personas.count(world=denmark) == 1
    page.view.close()


async def test_a_mended_file_takes_the_place_of_the_earlier_one(page):
    await page.send("personas.csv", "name\n\n")
    await page.send("personas.csv", CAST)
    [file] = page.model.files
    assert file["size"] == len(CAST)
    assert len(list(page.model.inbox.folder.iterdir())) == 1
