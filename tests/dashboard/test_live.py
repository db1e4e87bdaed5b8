"""What somebody changes shows on the open pages of others, and moves nothing there."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

SCROLL = "(viewport, top) => { viewport.scrollTop = top; }"


@pytest.fixture
async def other(chromium, signed_in, reader):
    """The same person in another browser."""
    address, state = signed_in
    context = await chromium.new_context(storage_state=state)
    yield type(reader)(await context.new_page(), address)
    await context.close()


async def test_a_cell_that_one_browser_changes_shows_in_another(reader, other):
    await reader.open("Dracula", "Things")
    await other.open("Dracula", "Things")
    name = await reader.rows.first.locator("[col-id='name']").inner_text()
    await other.cell(name, "kind").dblclick()
    await other.page.keyboard.press("Control+a")
    await other.page.keyboard.type("heirloom")
    await other.page.keyboard.press("Enter")
    await expect(reader.cell(name, "kind")).to_have_text("heirloom")
    assert reader.problems == other.problems == []


async def test_rows_that_come_and_go_elsewhere_leave_a_cell_that_is_being_edited_alone(
    reader, there
):
    await reader.open("Dracula", "Things")
    world = await there.worlds.get(name="Dracula")
    count = await there.things.count(world=world)
    rows = reader.page.get_by_test_id("grid-count")
    name = await reader.rows.nth(2).locator("[col-id='name']").inner_text()
    await reader.cell(name, "kind").dblclick()
    await reader.page.keyboard.press("Control+a")
    await reader.page.keyboard.type("half a")
    first = await there.things.add(name="0 comes first", worldid=world.id)
    thing = await there.things.get(name=name, world=world)
    await there.things.update(thing, display_name="Known as")
    await expect(reader.nav("Things")).to_contain_text(str(count + 1))
    await reader.page.keyboard.type(" word")
    await reader.page.keyboard.press("Enter")
    await expect(rows).to_have_text(f"{count + 1} things")
    await expect(reader.page.get_by_test_id("grid-live")).to_have_text("Saved.")
    await expect(reader.cell(name, "kind")).to_have_text("half a word")
    await expect(reader.cell(name, "display_name")).to_have_text("Known as")
    saved = await there.things.get(thing.id)
    assert (saved.kind, saved.display_name) == ("half a word", "Known as")
    await there.things.remove(first)
    await expect(rows).to_have_text(f"{count} things")
    assert reader.problems == []


async def test_rows_that_come_above_do_not_move_what_is_on_screen(reader, there):
    await reader.page.set_viewport_size({"width": 1400, "height": 620})
    await reader.open("Dracula", "Locations")
    world = await there.worlds.get(name="Dracula")
    count = await there.locations.count(world=world)
    await reader.page.locator(".ag-grid-viewport").evaluate(SCROLL, 600)
    seen = reader.page.locator(".ag-row[row-index='20']")
    id, box = await seen.get_attribute("row-id"), await seen.bounding_box()
    first = await there.locations.add(name="0 comes first", worldid=world.id)
    await expect(reader.page.get_by_test_id("grid-count")).to_have_text(f"{count + 1} locations")
    row = reader.page.locator(f".ag-row[row-id='{id}']")
    await expect(row).to_have_attribute("row-index", "21")
    assert await row.bounding_box() == box
    await there.locations.remove(first)
    await expect(row).to_have_attribute("row-index", "20")
    assert await row.bounding_box() == box
