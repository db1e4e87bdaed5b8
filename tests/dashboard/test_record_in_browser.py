"""The page of a record, as editors and viewers use it in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect


@pytest.fixture
def heading(reader):
    return reader.page.locator(".wb-record h1")


@pytest.fixture
def section(reader):
    def find(title: str):
        named = reader.page.get_by_role("heading", name=title, level=2, exact=True)
        return reader.page.locator(".wb-related").filter(has=named)

    return find


async def test_a_row_is_opened_by_key_and_reload_back_and_next_keep_to_it(reader, heading):
    page = reader.page
    await reader.open("Dracula", "Things")
    listed = page.url
    name = await reader.rows.nth(1).locator("[col-id='name']").inner_text()
    await reader.rows.nth(1).locator("[col-id='name']").click()
    await page.keyboard.press("Control+Enter")
    await expect(heading).to_be_visible()
    await expect(reader.field("name")).to_have_value(name)
    await expect(heading).to_be_focused()
    title = await heading.inner_text()
    await expect(page).to_have_title(re.compile(re.escape(title)))
    opened = page.url
    await reader.reload()
    await expect(heading).to_have_text(title)
    await page.get_by_role("link", name="Next").press("Enter")
    await expect(heading).not_to_have_text(title)
    await expect(page.get_by_role("link", name="Next")).to_be_focused()
    await page.get_by_role("link", name="Previous").click()
    await expect(reader.field("name")).to_have_value(name)
    await expect(page).to_have_url(opened)
    await page.get_by_role("link", name="All things").click()
    await expect(page.get_by_role("heading", name="Things", level=1)).to_be_visible()
    await expect(page).to_have_url(listed)
    await page.go_back()
    await expect(reader.field("name")).to_have_value(name)
    assert reader.problems == []


async def test_a_related_row_leads_to_its_record_and_a_cast_is_edited_there(
    reader, there, heading, section
):
    page = reader.page
    await reader.open("Dracula", "Personas")
    await reader.cell("Mina Harker", "name").click()
    await page.get_by_role("link", name="Open page").click()
    await section("Scenes").get_by_role("link", name="Galatz").click()
    await expect(heading).to_have_text("Galatz")
    cast = section("Cast")
    await cast.get_by_role("button", name="Edit: Cast").click()
    row = cast.locator(".ag-row[row-id]", has_text="Mina Harker")
    await row.locator("[col-id='words']").dblclick()
    await page.keyboard.type("1234")
    await page.keyboard.press("Enter")
    await expect(cast.get_by_test_id("grid-live")).to_contain_text("aved")
    await cast.get_by_role("button", name="Done: Cast").click()
    await expect(cast.locator("li", has_text="Mina Harker")).to_contain_text("words: 1,234")
    galatz = await there.scenes.get(name="Galatz", world="Dracula")
    mina = await there.personas.get(name="Mina Harker", world="Dracula")
    stored = await there.scene_personas.get(sceneid=galatz.id, personaid=mina.id)
    assert stored.words == 1234
    assert reader.problems == []


async def test_a_viewer_reads_a_record_and_what_is_related(reader, wessex, heading, section):
    theirs, world = wessex
    tess = await theirs.personas.get(name="Tess", worldid=world.id)
    await theirs.things.add(name="The knife", personaid=tess.id, worldid=world.id)
    await reader.open("Wessex", "Personas")
    await reader.cell("Tess", "name").click()
    await reader.page.keyboard.press("Control+Enter")
    await expect(heading).to_have_text("Tess")
    await expect(section("Holds").get_by_role("link", name="The knife")).to_be_visible()
    await expect(reader.page.get_by_role("button", name="Edit")).to_have_count(0)
    await expect(reader.page.get_by_text("You may read this world.")).to_be_visible()
    assert reader.problems == []


async def test_the_page_fits_a_phone_in_one_column(reader, heading, section):
    await reader.page.set_viewport_size({"width": 360, "height": 780})
    await reader.open("Dracula")
    await reader.page.keyboard.press("Control+k")
    await reader.page.keyboard.type("mina")
    await expect(reader.page.get_by_role("option", name="Mina Harker").first).to_be_visible()
    await reader.page.keyboard.press("Enter")
    await expect(heading).to_be_visible()
    await expect(section("Scenes")).to_be_visible()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await reader.page.evaluate(overflow) <= 0
    form = await reader.page.locator(".wb-form").bounding_box()
    beside = await section("Scenes").bounding_box()
    assert beside["y"] >= form["y"] + form["height"]


async def test_a_description_links_to_a_record_that_readers_follow(reader, wessex, there, heading):
    theirs, world = wessex
    page = reader.page
    mail = (await there.users.get(there.database.userid)).email
    await theirs.share(world, mail, role="editor")
    angel = await theirs.personas.add(name="Angel Clare", worldid=world.id)
    await reader.open("Wessex", "Personas")
    await reader.cell("Tess", "name").click()
    await page.keyboard.press("Control+Enter")
    await expect(heading).to_have_text("Tess")
    field = reader.field("description")
    await field.fill("<img src=x onerror=alert(1)> Loves **")
    await field.press_sequentially("@clar")
    await expect(page.get_by_role("option", name="Angel Clare")).to_be_visible()
    await field.press("Enter")
    await expect(field).to_have_value(
        re.compile(rf"\[@Angel Clare\]\(record:persona/{angel.id}\) $")
    )
    await field.press_sequentially("a lot**.")
    await page.get_by_role("button", name="Preview").click()
    shown = page.get_by_role("region", name="Preview")
    await expect(shown.get_by_role("link", name="Angel Clare")).to_be_visible()
    await expect(shown).to_contain_text("<img src=x onerror=alert(1)>")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.locator(".wb-form-message")).to_have_text("Saved.")
    await theirs.personas.update(angel, name="Angel")
    await theirs.share(world, mail, role="viewer")
    await reader.reload()
    await page.locator(".wb-reading").get_by_role("link", name="Angel").click()
    await expect(heading).to_have_text("Angel")
    assert reader.problems == []


async def test_a_change_is_reverted_beside_the_form(reader, there, heading):
    page = reader.page
    world = (await there.worlds.find(search="<script"))[0]
    book = await there.books.add(name="Powers of Light", worldid=world.id)
    await there.books.update(book, description="dark")
    await reader.open("<script>", "Books")
    await reader.cell("Powers of Light", "name").click()
    await page.keyboard.press("Control+Enter")
    await expect(heading).to_have_text("Powers of Light")
    changes = page.locator(".wb-past")
    await expect(changes.locator(".wb-after")).to_have_text("dark")
    await changes.get_by_role("button", name="Revert: Description").click()
    await expect(page.locator(".wb-said")).to_have_text("Reverted description.")
    await expect(reader.field("description")).to_have_value("")
    assert (await there.books.get(book.id)).description is None
    await there.books.remove(book.id)
    assert reader.problems == []
