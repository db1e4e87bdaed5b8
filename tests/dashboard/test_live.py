"""What somebody changes shows on the open pages of others, and moves nothing there."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

SCROLL = "(viewport, top) => { viewport.scrollTop = top; }"


async def stands(row, box) -> None:
    """Wait until a row is where it was: it is put there after its number has changed."""
    place = "row => { const { x, y } = row.getBoundingClientRect(); return [x, y]; }"
    for _ in range(200):
        if (at := await row.evaluate(place)) == [box["x"], box["y"]]:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"it is at {at}, not at {box}")


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
    await stands(row, box)
    await there.locations.remove(first)
    await expect(row).to_have_attribute("row-index", "20")
    await stands(row, box)


async def test_a_form_tells_who_changed_what_and_keeps_what_is_being_typed(reader, there):
    await reader.open("Dracula", "Locations")
    name = await reader.rows.nth(3).locator("[col-id='name']").inner_text()
    await reader.cell(name, "name").click()
    await expect(reader.field("name")).to_have_value(name)
    place = await there.locations.get(name=name, world="Dracula")
    await reader.field("description").fill("half a sen")
    await there.locations.update(place, kind="theirs", description="Theirs.")
    me = (await there.users.get(there.database.userid)).email
    told = reader.page.get_by_role("status").get_by_text("meanwhile")
    await expect(told).to_have_text(f"{me} changed Kind and Description meanwhile.")
    await expect(reader.field("description")).to_be_focused()
    await reader.page.keyboard.type("tence")
    await expect(reader.field("description")).to_have_value("half a sentence")
    await reader.page.get_by_role("button", name="Show the new text").click()
    await expect(reader.field("kind")).to_have_value("theirs")
    await expect(reader.field("description")).to_have_value("half a sentence")
    await expect(reader.page.get_by_text("Stored now: Theirs.")).to_be_visible()
    await expect(told).to_be_hidden()
    await reader.page.get_by_role("button", name="Take theirs").click()
    await expect(reader.field("description")).to_have_value("Theirs.")
    assert reader.problems == []


async def test_two_changes_of_one_cell_are_settled_with_both_of_them(reader, there):
    world = await there.worlds.get(name="Dracula")
    thing = await there.things.add(name="A sign", display_name="One two three", worldid=world.id)
    await reader.open("Dracula", "Things")
    cell = reader.cell("A sign", "display_name")
    await cell.dblclick()
    await there.things.update(thing, display_name="Zero two three")
    await reader.page.keyboard.press("Control+a")
    await reader.page.keyboard.type("One two four")
    await reader.page.keyboard.press("Enter")
    dialog = reader.page.get_by_role("dialog")
    await expect(dialog.get_by_test_id("value-mine")).to_contain_text("One two four")
    await expect(dialog.get_by_test_id("value-theirs")).to_contain_text("Zero two three")
    merged = dialog.get_by_label("To be saved: both changes, which you may change")
    await expect(merged).to_have_value("Zero two four")
    await merged.fill("Zero, two, four")
    await dialog.get_by_role("button", name="Save both").click()
    await expect(cell).to_have_text("Zero, two, four")
    await expect(reader.page.get_by_test_id("grid-live")).to_have_text("Saved.")
    assert (await there.things.get(thing.id)).display_name == "Zero, two, four"
    await there.things.remove(await there.things.get(thing.id))
    assert reader.problems == []


async def test_the_page_of_a_world_takes_in_what_others_add(reader, there):
    await reader.open("Dracula")
    world = await there.worlds.get(name="Dracula")
    tree = reader.page.get_by_test_id("outline")
    item = tree.get_by_role("treeitem").nth(1)
    words = await item.locator(".wb-tree-label").first.inner_text()
    await item.focus()
    story = await there.stories.add(name="0 The Prologue", worldid=world.id, position=1)
    await expect(tree).to_contain_text("0 The Prologue")
    numbers = reader.page.locator(".wb-numbers")
    count = await there.stories.count(world=world)
    await expect(numbers.get_by_role("button", name=f"{count} stories")).to_be_visible()
    await expect(reader.page.locator(".wb-changes li").first).to_contain_text("The Prologue")
    focused = tree.locator("li:focus .wb-tree-label").first
    await expect(focused).to_have_text(words)
    await there.stories.remove(story)
    await expect(tree).not_to_contain_text("0 The Prologue")
    assert reader.problems == []


async def test_the_page_of_a_record_takes_in_its_cast_and_what_others_wrote(reader, there):
    world = await there.worlds.get(name="Dracula")
    sign = await there.things.add(name="A beacon", worldid=world.id)
    scene = (await there.scenes.find(world=world, limit=1))[0]
    await reader.page.goto(f"{reader.address.partition('?')[0]}?place=thing/{world.id}/{sign.id}")
    body = reader.page.locator("body")
    await expect(body).to_have_attribute("data-state", "ready", timeout=60_000)
    await expect(reader.field("name")).to_have_value("A beacon")
    await there.scene_things.add(sceneid=scene.id, thingid=sign.id)
    await expect(reader.page.locator(".wb-related")).to_contain_text(scene.label)
    sign = await there.things.update(sign, description="It burns.")
    await expect(reader.page.locator(".wb-told")).to_contain_text("changed Description meanwhile")
    await reader.page.get_by_role("button", name="Show the new text").click()
    await expect(reader.field("description")).to_have_value("It burns.")
    await there.things.remove(sign)
    await expect(reader.page.locator(".wb-told")).to_contain_text("removed this thing")
    assert reader.problems == []
