"""The dashboard as an editor uses it, in a real browser."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from workbench.dashboard.finding import title
from workbench.dashboard.state import STORY_ENTITIES


async def test_the_first_page_shows_the_demo_world(reader):
    await reader.open()
    await expect(reader.page.get_by_role("heading", name="Worlds", level=1)).to_be_visible()
    card = reader.page.locator(".wb-card", has_text="Dracula")
    await expect(card.locator("img")).to_be_visible()
    await expect(reader.page.get_by_test_id("grid-count").first).to_have_text("2 worlds")
    assert reader.problems == []


async def test_scripts_are_fetched_once_and_while_the_kernel_starts(reader):
    await reader.open()
    links = reader.page.locator("head link[rel=modulepreload]")
    fetched = [await link.evaluate("link => link.href") for link in await links.all()]
    assert {url.rpartition("/")[2] for url in fetched} == {"content.js", "grid.js"}
    assert [reader.requests.count(url) for url in fetched] == [1, 1]
    assert reader.problems == []


async def test_a_world_shows_numbers_outline_and_latest_changes(reader, there):
    await reader.open("Dracula")
    numbers = reader.page.locator(".wb-numbers")
    count = await there.scenes.count(world="Dracula")
    await expect(numbers.get_by_role("button", name=f"{count} scenes")).to_be_visible()
    await expect(reader.page.locator(".wb-changes li").first).to_be_visible()
    tree = reader.page.get_by_test_id("outline")
    await tree.get_by_role("treeitem").first.focus()
    for _ in range(3):
        await reader.page.keyboard.press("ArrowRight")
        await reader.page.keyboard.press("ArrowDown")
    assert await tree.get_by_role("treeitem").count() > 6
    chosen = await tree.locator("[role=treeitem]:focus").get_attribute("data-id")
    await reader.page.keyboard.press("Enter")
    await expect(reader.page).to_have_url(re.compile(rf"place=\w+/[^/]+/{chosen}$"))
    await expect(reader.page.get_by_role("heading", level=1)).to_be_visible()
    assert reader.problems == []


@pytest.mark.parametrize("entity", STORY_ENTITIES)
async def test_every_entity_has_a_grid_and_a_form(reader, there, entity):
    await reader.open("Dracula", title(entity))
    count = await there.collection(entity).count(world="Dracula")
    await expect(reader.page.get_by_test_id("grid-count")).to_contain_text(f"{count} ")
    cell = reader.rows.first.locator("[col-id='name']")
    name = await cell.inner_text()
    await cell.click()
    await expect(reader.field("name")).to_have_value(name)
    assert reader.problems == []


async def test_a_cell_is_edited_and_stored(reader, there):
    await reader.open("Dracula", "Personas")
    cell = reader.cell("Mr. Swales", "kind")
    await cell.dblclick()
    await reader.page.keyboard.type("old sailor")
    await reader.page.keyboard.press("Enter")
    await expect(cell).to_contain_text("old sailor")
    await expect(reader.page.get_by_test_id("grid-live")).to_contain_text("aved")
    stored = await there.personas.get(name="Mr. Swales", world="Dracula")
    assert "old sailor" in stored.kind
    changes = await there.latest_changes("Dracula")
    assert (changes[0].operation, changes[0].names) == ("update", ("Mr. Swales",))


async def test_a_bad_value_is_refused_in_its_cell_and_kept_for_mending(reader, there):
    await reader.open("Dracula", "Personas")
    cell = reader.cell("Herr Delbrück", "name")
    await cell.dblclick()
    await reader.page.keyboard.press("Control+a")
    await reader.page.keyboard.type("Count Dracula")
    await reader.page.keyboard.press("Enter")
    live = reader.page.get_by_test_id("grid-live")
    await expect(live).to_contain_text("Another persona")
    bad = reader.page.locator("[col-id='name'][aria-invalid='true']")
    await expect(bad).to_have_text("Count Dracula")
    assert await there.personas.count(world="Dracula", name="Count Dracula") == 1
    assert await there.personas.count(world="Dracula", name="Herr Delbrück") == 1


async def test_a_stale_save_is_refused_and_both_values_are_shown(reader, there):
    await reader.open("Dracula", "Things")
    cell = reader.rows.first.locator("[col-id='kind']")
    name = await reader.rows.first.locator("[col-id='name']").inner_text()
    thing = await there.things.get(name=name, world="Dracula")
    await cell.dblclick()
    await there.things.update(thing, kind="theirs")
    await reader.page.keyboard.press("Control+a")
    await reader.page.keyboard.type("mine")
    await reader.page.keyboard.press("Enter")
    dialog = reader.page.get_by_role("dialog")
    await expect(dialog.get_by_test_id("value-mine")).to_contain_text("mine")
    await expect(dialog.get_by_test_id("value-theirs")).to_contain_text("theirs")
    assert (await there.things.get(thing.id)).kind == "theirs"
    await dialog.get_by_role("button", name="Save mine").click()
    await expect(dialog).to_have_count(0)
    await expect(reader.page.get_by_test_id("grid-live")).to_contain_text("aved")
    assert (await there.things.get(thing.id)).kind == "mine"


async def test_the_form_saves_and_tells_of_a_clash(reader, there):
    await reader.open("Dracula", "Locations")
    cell = reader.rows.first.locator("[col-id='name']")
    name = await cell.inner_text()
    await cell.click()
    await expect(reader.field("name")).to_have_value(name)
    await reader.field("kind").fill("mine")
    await reader.field("kind").press("Tab")
    place = await there.locations.get(name=name, world="Dracula")
    await there.locations.update(place, kind="theirs")
    await reader.page.get_by_role("button", name="Save", exact=True).click()
    await expect(reader.page.get_by_text("Stored now: theirs")).to_be_visible()
    await reader.page.get_by_role("button", name="Keep mine").click()
    await reader.page.get_by_role("button", name="Save", exact=True).click()
    await expect(reader.rows.first.locator("[col-id='kind']")).to_have_text("mine")
    assert (await there.locations.get(place.id)).kind == "mine"


async def test_rows_are_added_removed_and_brought_back(reader, there):
    await reader.open("Dracula", "Books")
    count = await there.books.count(world="Dracula")
    trashed = await there.books.count(world="Dracula", trashed=True)
    await reader.page.get_by_test_id("grid-add").click()
    dialog = reader.page.get_by_test_id("new-dialog")
    await (
        dialog.get_by_test_id("new-name")
        .locator("input")
        .or_(dialog.locator("input[data-testid='new-name']"))
        .first.fill("The Lair of the White Worm")
    )
    await dialog.get_by_role("button", name="Add").click()
    shown = reader.page.get_by_test_id("grid-count")
    await expect(shown).to_have_text(f"{count + 1} books")
    assert await there.books.count(world="Dracula") == count + 1

    row = reader.page.locator(".ag-row[row-id]", has_text="White Worm")
    await row.locator("input[type='checkbox']").check()
    await reader.page.get_by_test_id("grid-remove").click()
    await expect(shown).to_have_text(f"{count} books")
    assert await there.books.count(world="Dracula", trashed=True) == trashed + 1
    await reader.page.get_by_test_id("toast").get_by_role("button", name="Undo").click()
    await expect(shown).to_have_text(f"{count + 1} books")
    await there.books.remove(await there.books.get(name="The Lair of the White Worm"))


async def test_references_are_picked_by_searching(reader, there):
    await reader.open("Dracula", "Things")
    await reader.cell("Kukri", "personaid").dblclick()
    await reader.page.keyboard.press("Control+a")
    await reader.page.keyboard.type("lucy")
    option = reader.page.get_by_role("option", name="Lucy Westenra")
    await expect(option.first).to_be_visible()
    await option.first.click()
    await expect(reader.cell("Kukri", "personaid")).to_contain_text("Lucy Westenra")
    await expect(reader.page.get_by_test_id("grid-live")).to_contain_text("aved")
    lucy = await there.personas.get(name="Lucy Westenra", world="Dracula")
    knife = (await there.things.find(search="kukri", world="Dracula"))[0]
    assert knife.personaid == lucy.id


async def test_rows_are_sorted_filtered_and_searched(reader, there):
    await reader.open("Dracula", "Personas")
    await reader.page.get_by_test_id("grid-search").fill("harker")
    await expect(reader.page.get_by_test_id("grid-count")).to_have_text("3 personas")
    await reader.page.get_by_test_id("grid-search").fill("")
    kind = reader.page.get_by_test_id("filter-kind")
    await (
        kind.locator("input")
        .or_(reader.page.locator("input[data-testid='filter-kind']"))
        .first.fill("vampire")
    )
    count = await there.personas.count(world="Dracula", kind__contains="vampire")
    await expect(reader.page.get_by_test_id("grid-count")).to_have_text(f"{count} personas")
    await expect(reader.rows).to_have_count(count)
    for row in await reader.rows.all():
        assert "vampire" in await row.inner_text()


async def test_a_name_that_is_script_is_shown_as_text_everywhere(reader, there):
    await reader.open("<script>", "Personas")
    await expect(reader.rows.first.locator("[col-id='name']")).to_contain_text("<script>")
    await reader.rows.first.locator("[col-id='name']").click()
    await expect(reader.field("name")).to_have_value(
        "<script>document.title = 'broken'</script><img src=x onerror=alert(1)>"
    )
    assert await reader.page.title() != "broken"
    assert await reader.page.locator("img[src='x']").count() == 0
    assert reader.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
async def test_pages_fit_narrow_and_wide_light_and_dark(reader, tmp_path, width, scheme):
    await reader.page.emulate_media(color_scheme=scheme)
    await reader.page.set_viewport_size({"width": width, "height": 800})
    for world, entity in (("", ""), ("Dracula", ""), ("Dracula", "Scenes")):
        await reader.open(world, entity)
        overflow = await reader.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0
        background = await reader.page.evaluate("getComputedStyle(document.body).backgroundColor")
        dark = sum(map(int, background[4:-1].split(","))) < 384
        assert dark == (scheme == "dark")


async def test_on_a_phone_the_current_page_is_in_sight_and_actions_share_a_line(reader):
    await reader.page.set_viewport_size({"width": 390, "height": 844})
    await reader.open("Dracula", "Images")
    await reader.reload()
    await expect(reader.rows.first).to_be_visible()
    box = await reader.nav("Images").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    add = await reader.page.get_by_test_id("grid-add").bounding_box()
    refresh = await reader.page.get_by_test_id("grid-refresh").bounding_box()
    assert refresh["y"] == add["y"]


async def test_the_sign_in_page_has_the_colours_of_the_dashboard(reader, chromium):
    colour = "node => getComputedStyle(node).backgroundColor"
    await reader.open()
    inside = await reader.page.get_by_test_id("grid-add").evaluate(colour)
    context = await chromium.new_context(color_scheme="light")
    page = await context.new_page()
    await page.goto(reader.address)
    assert await page.get_by_role("button", name="Sign in").evaluate(colour) == inside
    await context.close()


async def test_nothing_is_asked_of_any_other_server(reader):
    await reader.open("Dracula", "Images")
    await reader.rows.first.locator("[col-id='name']").click()
    await expect(reader.page.locator(".wb-portrait img")).to_be_visible()
    hosts = {urlsplit(url).hostname for url in reader.requests if not url.startswith("data:")}
    assert hosts - {"127.0.0.1", None} == set()


async def test_counts_in_the_navigation_follow_what_comes_and_goes(reader, there):
    await reader.open("Dracula", "Acts")
    count = await there.acts.count(world="Dracula")
    scenes = await there.scenes.count(world="Dracula")
    await expect(reader.nav("Acts")).to_contain_text(str(count))
    await reader.rows.first.locator("input[type='checkbox']").check()
    await reader.page.get_by_test_id("grid-remove").click()
    await expect(reader.nav("Acts")).to_contain_text(str(count - 1))
    await reader.page.get_by_test_id("toast").get_by_role("button", name="Undo").click()
    await expect(reader.nav("Acts")).to_contain_text(str(count))
    assert await there.scenes.count(world="Dracula") == scenes


async def test_a_reload_comes_back_to_the_same_page(reader):
    await reader.open("Dracula", "Personas")
    await expect(reader.page).to_have_title("Personas – Dracula, by Bram Stoker – Workbench")
    await reader.reload()
    await expect(reader.page.get_by_role("heading", name="Personas", level=1)).to_be_visible()
    await expect(reader.rows.first).to_be_visible()


async def test_the_address_of_a_removed_record_shows_the_others_and_says_so(reader, there):
    world = (await there.worlds.find(search="<script"))[0]
    gone = await there.books.add(name="Burnt", worldid=world.id)
    await there.books.add(name="Kept", worldid=world.id)
    await there.books.remove(gone)
    address = urlsplit(reader.address)._replace(query=f"place=book/{world.id}/{gone.id}")
    await reader.page.goto(address.geturl())
    notice = reader.page.get_by_role("alert").filter(has_text="is in the trash")
    await expect(notice).to_contain_text("The page Trash brings it back.")
    await expect(reader.cell("Kept", "name")).to_be_visible()
    await reader.nav("Stories").click()
    await expect(reader.page.get_by_role("heading", name="Stories", level=1)).to_be_visible()
    assert reader.problems == []


async def test_leaving_something_unsaved_is_asked_first(reader):
    await reader.open("Dracula", "Personas")
    await reader.cell("R. M. Renfield", "name").click()
    await expect(reader.field("name")).to_have_value("R. M. Renfield")
    await reader.field("kind").fill("fly eater")
    await reader.field("kind").press("Tab")
    await expect(reader.page.get_by_role("button", name="Revert")).to_be_enabled()
    await reader.nav("Things").click()
    await reader.page.get_by_role("dialog").get_by_role("button", name="Stay").click()
    await expect(reader.field("kind")).to_have_value("fly eater")
    await reader.nav("Things").click()
    await reader.page.get_by_role("dialog").get_by_role("button", name="Discard them").click()
    await expect(reader.page.get_by_role("heading", name="Things", level=1)).to_be_visible()


@pytest.mark.parametrize(
    ("said", "condition"),
    [
        (">7", {"position__gt": 7}),
        (">=7", {"position__ge": 7}),
        ("<2", {"position__lt": 2}),
        ("2-3", {"position__ge": 2, "position__le": 3}),
    ],
)
async def test_ranges_mean_what_they_say(reader, there, said, condition):
    await reader.open("Dracula", "Scenes")
    field = reader.page.get_by_test_id("filter-position")
    await (
        field.locator("input")
        .or_(reader.page.locator("input[data-testid='filter-position']"))
        .first.fill(said)
    )
    count = await there.scenes.count(world="Dracula", **condition)
    assert 0 < count < 37
    await expect(reader.page.get_by_test_id("grid-count")).to_have_text(
        f"{count} scene{'s' if count > 1 else ''}"
    )


async def test_control_z_takes_back_and_shift_does_again_but_not_inside_a_field(reader, there):
    await reader.open("Dracula", "Stories")
    cell = reader.rows.first.locator("[col-id='display_name']")
    before = await cell.inner_text()
    await cell.dblclick()
    await reader.page.keyboard.type("The first")
    await reader.page.keyboard.press("Enter")
    await expect(reader.page.get_by_test_id("grid-live")).to_contain_text("aved")
    await reader.field("display_name").focus()
    await reader.page.keyboard.press("Control+z")  # the field's own
    await cell.click()
    await reader.page.keyboard.press("Control+z")
    said = reader.page.locator(".wb-said")
    await expect(said).to_contain_text("Undone")
    await expect(cell).to_have_text(before)
    await reader.page.keyboard.press("Control+Shift+z")
    await expect(said).to_contain_text("Done again")
    await expect(cell).to_contain_text("The first")
    await reader.nav("Undo").click()
    await expect(cell).to_have_text(before)
    assert reader.problems == []


async def test_trash_and_history_are_pages_of_a_world(reader, there):
    book = await there.books.add(name="Powers of Darkness", world="Dracula")
    await there.books.remove(book, reason="not his")
    await reader.open("Dracula")
    await reader.nav("Trash").click()
    await reader.page.get_by_role("button", name="Restore Powers of Darkness").click()
    await expect(reader.page.locator(".wb-said")).to_contain_text("is back")
    await reader.nav("History").click()
    await reader.page.get_by_role("button", name="What was changed").first.click()
    await expect(reader.page.locator(".wb-details")).to_contain_text("Powers of Darkness")
    await reader.reload()
    await expect(reader.page.get_by_role("heading", name="History", level=1)).to_be_visible()
    await there.books.remove(book.id)
    assert reader.problems == []


async def test_control_k_finds_and_opens_a_record_and_a_page(reader):
    await reader.open("Dracula")
    await reader.page.keyboard.press("Control+k")
    field = reader.page.get_by_test_id("palette")
    await expect(field).to_be_focused()
    await reader.page.keyboard.type("mina")
    option = reader.page.get_by_role("option", name="Mina Harker")
    await expect(option.first).to_contain_text("persona")
    await reader.page.keyboard.press("Enter")
    await expect(reader.field("name")).to_have_value("Mina Harker")
    await reader.page.get_by_role("button", name="Search", exact=True).click()
    await reader.page.keyboard.type("tras")
    await reader.page.keyboard.press("Enter")  # before anything was found
    await expect(reader.page.get_by_role("heading", name="Trash", level=1)).to_be_visible()
    assert reader.problems == []


async def test_back_and_forward_go_through_the_pages(reader):
    page = reader.page
    await reader.open("Dracula", "Personas")
    kept = page.url
    await reader.nav("Things").click()
    await expect(page.get_by_role("heading", name="Things", level=1)).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("heading", name="Personas", level=1)).to_be_visible()
    assert page.url == kept
    await page.go_back()
    await expect(page.get_by_role("heading", name="Latest changes")).to_be_visible()
    await page.go_forward()
    await expect(page.get_by_role("heading", name="Personas", level=1)).to_be_visible()
    await page.go_back()
    await page.go_back()
    await expect(page.get_by_role("heading", name="Worlds", level=1)).to_be_visible()
    assert reader.problems == []


async def test_back_asks_before_what_is_not_saved_goes_away(reader):
    page = reader.page
    await reader.open("Dracula", "Books")
    await reader.rows.first.locator("[col-id='name']").click()
    await reader.field("display_name").fill("not saved")
    await reader.field("display_name").press("Tab")
    here = page.url
    await page.go_back()
    await page.get_by_role("button", name="Stay").click()
    await expect(page.get_by_role("heading", name="Books", level=1)).to_be_visible()
    await expect(page).to_have_url(here)
    await expect(reader.field("display_name")).to_have_value("not saved")
    await page.go_back()
    await page.get_by_role("button", name="Discard them").click()
    await expect(page.get_by_role("heading", name="Latest changes")).to_be_visible()
