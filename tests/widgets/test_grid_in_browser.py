"""The grid as it is drawn: the real front end in a real browser, over rows in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fake_source import FakeSource
from playwright.async_api import expect

from workbench.widgets import Grid


class Reader:
    """Somebody at the grid."""

    def __init__(self, shown) -> None:
        self.page = shown.page
        self.widget = shown.widget

    def cell(self, id: str, field: str):
        return self.page.locator(f".ag-row[row-id='{id}'] [col-id='{field}']")

    def __getattr__(self, name: str):
        return self.page.get_by_test_id(f"grid-{name}")

    @property
    def toast(self):
        return self.page.get_by_test_id("toast").last

    @property
    def active(self):
        return self.page.locator(".ag-row.wb-active")

    def filter(self, field: str):
        return self.page.get_by_test_id(f"filter-{field}")

    async def edit(self, id: str, field: str, text: str) -> None:
        await self.cell(id, field).dblclick()
        await self.page.keyboard.press("Control+a")
        await self.page.keyboard.type(text)
        await self.page.keyboard.press("Enter")

    async def add(self, name: str) -> None:
        await self.page.get_by_test_id("grid-add").click()
        await self.page.get_by_test_id("new-name").fill(name)
        await self.page.get_by_role("button", name="Add scene").click()

    async def sort(self, title: str) -> None:
        await self.page.locator(".ag-header-cell-text", has_text=title).click()


@pytest.fixture
async def reader(source, show) -> Reader:
    shown = await show(Grid(source, noun="scene", plural="scenes"))
    reader = Reader(shown)
    await expect(reader.cell("r0", "name")).to_be_visible()
    return reader


async def test_a_new_row_is_in_view_and_chosen_though_it_sorts_last(reader, source):
    await reader.sort("Position")
    await expect(reader.cell("r0", "name")).to_be_visible()
    await reader.add("Without a position")
    await expect(reader.active).to_contain_text("Without a position")
    await expect(reader.active.locator("[col-id='name']")).to_be_focused()
    await expect(reader.active).to_be_in_viewport()
    assert source.rows[reader.widget.active]["name"] == "Without a position"
    await expect(reader.toast).to_have_text("Added “Without a position”.")


async def test_a_new_row_in_the_middle_of_the_order_is_gone_to(reader):
    await reader.sort("Name")
    await expect(reader.cell("r10", "name")).to_be_visible()
    await reader.add("Scene 199 and a half")
    await expect(reader.active).to_contain_text("Scene 199 and a half")
    await expect(reader.active).to_be_in_viewport()


async def test_a_new_row_that_the_filters_hide_is_told_of_and_can_be_shown(reader):
    await reader.page.get_by_test_id("grid-search").fill("scene 7")
    await expect(reader.count).to_have_text("11 scenes")
    await reader.filter("position").fill("<75")
    await expect(reader.count).to_have_text("5 scenes")
    await reader.add("Hidden")
    await expect(reader.toast).to_contain_text("Added “Hidden”. It does not fit the filter")
    await expect(reader.active).to_have_count(0)
    await reader.toast.get_by_role("button", name="Show it").click()
    await expect(reader.active).to_contain_text("Hidden")
    await expect(reader.count).to_have_text("301 scenes")
    await expect(reader.filter("position")).to_have_value("")
    await expect(reader.search).to_have_value("")


async def test_a_new_row_too_far_off_is_found_by_its_name(reader, monkeypatch):
    async def far(*_given, **_asked):
        return None

    monkeypatch.setattr("workbench.widgets.grid.index_of", far)
    await reader.add("Far away")
    await expect(reader.toast).to_contain_text("It lies far from here.")
    await reader.toast.get_by_role("button", name="Show it").click()
    await expect(reader.active).to_contain_text("Far away")
    await expect(reader.search).to_have_value("Far away")


@pytest.mark.parametrize("wrong", ["abc", "1.5", "3-x", ">"])
async def test_a_filter_says_what_it_takes_until_it_is_mended(reader, wrong):
    field = reader.filter("position")
    await field.fill(wrong)
    await expect(field).to_have_attribute("aria-invalid", "true")
    problem = reader.page.locator(".wb-filter-problem:not(:empty)")
    await expect(problem).to_have_text("Write 5, 3–10 or >3.")
    await expect(field).to_have_attribute("aria-describedby", await problem.get_attribute("id"))
    box, cell = await problem.bounding_box(), await reader.cell("r0", "position").bounding_box()
    assert box["y"] + box["height"] <= cell["y"]  # all of it above the rows
    await field.fill("3-10")
    await expect(reader.count).to_have_text("8 scenes")
    await expect(field).to_have_attribute("aria-invalid", "false")
    await expect(problem).to_have_count(0)


async def test_every_change_that_is_not_saved_is_named_and_can_be_gone_to(reader):
    await reader.edit("r1", "name", "Scene 0")
    await reader.edit("r2", "position", "four")
    await expect(reader.banner).to_contain_text("2 changes are not saved:")
    first, second = await reader.banner.locator("li").all()
    await expect(first).to_have_text("Name of “Scene 1”: Another scene is named 'Scene 0'.")
    await expect(second).to_have_text("Position of “Scene 2”: “four” is not a number.")
    await reader.page.locator(".ag-grid-viewport").evaluate("e => { e.scrollTop = 6000 }")
    await expect(reader.cell("r170", "name")).to_be_visible()
    await expect(reader.cell("r2", "position")).not_to_be_in_viewport()
    await second.get_by_role("button").click()
    await expect(reader.cell("r2", "position")).to_be_focused()
    await expect(reader.cell("r2", "position")).to_be_in_viewport()


async def test_of_many_unsaved_changes_the_first_three_are_named(reader):
    for n in range(2, 7):
        await reader.edit(f"r{n}", "position", "x")
    await expect(reader.banner.locator("li")).to_have_count(4)
    await expect(reader.banner.locator("li").last).to_have_text("and 2 more, marked in the grid")


async def test_a_removal_can_be_taken_back_long_after_its_toast(reader, source):
    await expect(reader.undo).to_be_hidden()
    await reader.page.locator(".ag-row[row-id='r1'] input[type='checkbox']").first.check()
    await reader.remove.click()
    await expect(reader.count).to_have_text("299 scenes")
    toast = reader.toast
    await toast.get_by_role("button", name="Dismiss").click()
    await reader.undo.click()
    await expect(reader.count).to_have_text("300 scenes")
    await expect(reader.undo).to_be_hidden()
    assert "r1" in source.rows


async def test_a_removal_taken_back_in_the_toolbar_is_not_offered_again(reader):
    await reader.page.locator(".ag-row[row-id='r1'] input[type='checkbox']").first.check()
    await reader.remove.click()
    undo_in_toast = reader.page.get_by_test_id("toast").get_by_role("button", name="Undo")
    await expect(undo_in_toast).to_be_visible()
    await reader.undo.click()
    await expect(reader.toast).to_have_text("Brought back “Scene 1”.")
    await expect(undo_in_toast).to_have_count(0)


async def test_no_rows_are_told_of_once(reader):
    await reader.filter("name").fill("no such scene")
    await expect(reader.page.get_by_text("No scenes match.")).to_be_visible()
    await expect(reader.page.get_by_text("No Matching Rows")).to_have_count(0)


async def widths(page) -> dict[str, float]:
    return await page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".ag-header-cell[col-id]")]
             .map((cell) => [cell.getAttribute("col-id"), cell.offsetWidth]))"""
    )


async def test_columns_are_as_wide_as_what_they_hold(show):
    source = FakeSource(50)
    source.columns = (
        replace(source.columns[0], width=240),
        replace(source.columns[0], field="other", title="Display name", required=False, width=200),
        *source.columns[2:6],
    )
    for row in source.rows.values():
        row["other"] = None
        row["locationid__label"] = "Part I: Transylvania, from Munich"
    shown = await show(Grid(source))
    await shown.page.set_viewport_size({"width": 700, "height": 700})
    reader = Reader(shown)
    await expect(reader.cell("r0", "locationid")).to_be_visible()
    found = await widths(shown.page)
    assert found["other"] < 150 < found["locationid"]
    cut = "e => e.scrollWidth > e.clientWidth"
    assert not await reader.cell("r0", "locationid").locator("span").last.evaluate(cut)


async def test_no_hint_of_a_filter_and_no_title_is_cut(reader):
    for title in await reader.page.locator(".ag-header-cell-text").all():
        assert await title.evaluate("e => e.scrollWidth <= e.clientWidth")
    field = reader.filter("position")
    assert await field.evaluate(
        """e => { const c = document.createElement("canvas").getContext("2d");
                  c.font = getComputedStyle(e).font;
                  return c.measureText(e.placeholder).width <= e.clientWidth - 12 }"""
    )


async def test_columns_fill_the_grid_until_somebody_sets_a_width(show):
    source = FakeSource(50)
    source.columns = source.columns[:4]
    shown = await show(Grid(source))
    reader = Reader(shown)
    await expect(reader.cell("r0", "name")).to_be_visible()
    room = await shown.page.locator(".ag-grid-viewport").evaluate("e => e.clientWidth")
    found = await widths(shown.page)
    assert room - 6 < sum(found.values()) <= room


async def test_lines_between_rows_reach_the_edge(reader):
    """Scroll bars that lie over the rows have no background of their own."""
    for bar in ("vertical", "horizontal"):
        found = reader.page.locator(f".ag-body-{bar}-scroll-viewport")
        await expect(found).to_have_css("background-color", "rgba(0, 0, 0, 0)")


async def test_rows_are_there_before_their_number(show, monkeypatch):
    source = FakeSource(1_000)
    counting, counted = source.total, asyncio.Event()

    async def total(**asked):
        await counted.wait()
        return await counting(**asked)

    monkeypatch.setattr(source, "total", total)
    reader = Reader(await show(Grid(source, noun="scene", plural="scenes")))
    await expect(reader.cell("r0", "name")).to_be_visible()
    await expect(reader.count).to_have_text("")
    counted.set()
    await expect(reader.count).to_have_text("1,000 scenes")
    await reader.page.locator(".ag-cell").first.click()
    await reader.page.keyboard.press("Control+End")
    await expect(reader.cell("r999", "name")).to_be_visible()


async def test_the_number_of_an_older_question_is_not_shown(show, monkeypatch):
    source = FakeSource(1_000)
    counting, counted = source.total, asyncio.Event()

    async def total(*, filters, search):
        if not filters:
            await counted.wait()
        return await counting(filters=filters, search=search)

    monkeypatch.setattr(source, "total", total)
    reader = Reader(await show(Grid(source, noun="scene", plural="scenes")))
    await expect(reader.cell("r0", "name")).to_be_visible()
    await reader.filter("name").fill("scene 1")
    await expect(reader.count).to_have_text("111 scenes")
    counted.set()
    await reader.sort("Position")
    await expect(reader.cell("r100", "name")).to_be_visible()
    await expect(reader.count).to_have_text("111 scenes")


async def test_what_may_not_be_changed_opens_no_editor_and_what_may_not_be_removed_no_box(
    source, show
):
    source.rows["r1"] |= {"__fixed": True, "__kept": True}
    source.rows["r2"] |= {"__fixed": ["name"]}
    reader = Reader(await show(Grid(source, noun="scene", plural="scenes")))
    await expect(reader.cell("r1", "name")).to_be_visible()
    for id, field in (("r1", "name"), ("r1", "position"), ("r2", "name")):
        await reader.cell(id, field).dblclick()
        await expect(reader.page.locator(".ag-cell-inline-editing")).to_have_count(0)
    await reader.edit("r2", "position", "9")
    await expect(reader.live).to_have_text("Saved.")
    boxes = reader.page.locator(".ag-row[row-id='r1'] input[type='checkbox']:visible")
    await expect(boxes).to_have_count(1)  # of the field Open
    await expect(boxes).to_be_disabled()
    await reader.page.locator(".ag-row[row-id='r2'] input[type='checkbox']").first.check()
    await expect(reader.remove).to_have_text("Remove (1)")


async def test_a_grid_that_is_only_read_lets_text_be_marked_and_rows_be_found(source, show):
    source.columns = [replace(column, editable=False) for column in source.columns]
    grid = Grid(source, noun="scene", plural="scenes", can_add=False, can_remove=False)
    reader = Reader(await show(grid))
    await reader.cell("r0", "name").get_by_text("Scene 0").dblclick(position={"x": 8, "y": 8})
    assert (await reader.page.evaluate("getSelection().toString()")).strip() == "Scene"
    await expect(reader.page.locator(".ag-cell-inline-editing")).to_have_count(0)
    for action in ("grid-add", "grid-remove"):
        await expect(reader.page.get_by_test_id(action)).to_have_count(0)
    await expect(reader.page.locator(".ag-header-cell-text", has_text="*")).to_have_count(0)
    await reader.filter("name").fill("Scene 29")
    await expect(reader.count).to_have_text("11 scenes")
    await reader.cell("r29", "name").click()
    await expect(reader.active).to_contain_text("Scene 29")


async def test_a_block_that_came_with_the_grid_is_not_asked_for_again(source, show, monkeypatch):
    grid = Grid(source, noun="scene", plural="scenes")
    await grid.prefetch()
    source.rows["r0"]["name"] = "A new name"
    shown = await show(grid)
    await expect(shown.page.locator("[row-id='r0'] [col-id='name']")).to_have_text("Scene 0")
    await expect(shown.page.get_by_test_id("grid-count")).to_have_text("300 scenes")
    assert grid.first == {}
    await shown.page.locator(".ag-header-cell[col-id='name'] .ag-header-cell-label").click()
    await expect(shown.page.locator("[row-id='r0'] [col-id='name']")).to_have_text("A new name")
