"""What a viewer and a manager see of a world, in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import expect


async def test_a_viewer_reads_in_the_grid_and_in_the_form(reader, wessex):
    await reader.open("Wessex", "Personas")
    line = reader.page.get_by_text("You may read this world. Ask hardy@example.org to edit.")
    await expect(line).to_be_visible()
    for action in ("grid-add", "grid-remove"):
        await expect(reader.page.get_by_test_id(action)).to_have_count(0)
    await reader.cell("Tess", "kind").dblclick()
    await expect(reader.page.locator(".ag-cell-inline-editing")).to_have_count(0)
    read = reader.page.locator(".wb-reading")
    await expect(read.locator(".wb-read", has_text="Kind")).to_contain_text("milkmaid")
    await expect(reader.page.get_by_role("button", name="Save", exact=True)).not_to_be_visible()
    await expect(reader.field("kind")).not_to_be_visible()
    await reader.page.get_by_test_id("grid-search").fill("nobody")
    await expect(reader.page.get_by_test_id("grid-count")).to_have_text("0 personas")
    assert reader.problems == []


async def test_a_role_that_is_lost_while_the_page_is_open_loses_nothing_typed(
    reader, wessex, there
):
    theirs, world = wessex
    mail = (await there.users.get(there.database.userid)).email
    await theirs.share(world, mail, role="editor")
    await reader.open("Wessex", "Personas")
    await expect(reader.page.get_by_text("You may read this world")).to_have_count(0)
    await theirs.share(world, mail, role="viewer")
    await reader.cell("Tess", "kind").dblclick()
    await reader.page.keyboard.press("Control+a")
    await reader.page.keyboard.type("heroine")
    await reader.page.keyboard.press("Enter")
    banner = reader.page.locator(".wb-banner")
    await expect(banner).to_contain_text("Ask hardy@example.org")
    await expect(reader.cell("Tess", "kind")).to_have_text("heroine")
    await theirs.share(world, mail, role="editor")
    await banner.get_by_role("button", name="Try again").click()
    await expect(reader.page.get_by_test_id("grid-live")).to_have_text("Saved.")
    assert (await theirs.personas.get(name="Tess", worldid=world.id)).kind == "heroine"


async def test_new_rows_are_offered_no_more_once_one_was_refused(reader, wessex, there):
    theirs, world = wessex
    mail = (await there.users.get(there.database.userid)).email
    await theirs.share(world, mail, role="editor")
    await reader.open("Wessex", "Personas")
    await theirs.share(world, mail, role="viewer")
    add = reader.page.get_by_test_id("grid-add")
    await add.click()
    dialog = reader.page.get_by_test_id("new-dialog")
    await dialog.get_by_label("Name", exact=False).first.fill("Angel")
    await dialog.get_by_role("button", name="Add persona").click()
    await expect(dialog.get_by_test_id("new-problem")).to_contain_text("writing takes an editor")
    await expect(dialog.get_by_label("Name", exact=False).first).to_have_value("Angel")
    await expect(add).to_be_hidden()
    await expect(reader.page.get_by_test_id("grid-remove")).to_be_hidden()


async def test_a_manager_shares_changes_and_takes_back(reader, there):
    await reader.open("Dracula")
    await reader.nav("Members").click()
    page = reader.page
    await expect(page.get_by_role("heading", name="Members", level=1)).to_be_visible()
    await page.get_by_label("E-mail").fill("Seward@example.org")
    await page.get_by_label("Role", exact=True).select_option("editor")
    await page.get_by_role("button", name="Share").click()
    line = page.locator(".wb-member", has_text="seward@example.org")
    await expect(line).to_contain_text("has not signed in yet")
    await expect(page.locator(".wb-form-message")).to_contain_text("Shared with Seward@example.org")
    await page.get_by_label("Role of seward@example.org").select_option("viewer")
    await expect(page.locator(".wb-form-message")).to_contain_text("is viewer now")
    assert [m.role for m in await there.members("Dracula") if m.pending] == ["viewer"]
    await line.get_by_role("button", name="Remove").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(line).to_have_count(0)
    assert not [m for m in await there.members("Dracula") if m.pending]
    assert reader.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_of_members_fits_a_phone(reader, there, scheme):
    mail = "a.long.address.of.somebody.who.may.come@subdomain.example.org"
    await there.share("Dracula", mail)
    await there.share("Dracula", "hardy@example.org")
    await reader.page.emulate_media(color_scheme=scheme)
    await reader.page.set_viewport_size({"width": 360, "height": 800})
    await reader.open("Dracula")
    await reader.nav("Members").click()
    for button in await reader.page.locator(".wb-members button").all():
        box = await button.bounding_box()
        assert box["x"] + box["width"] <= 360
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await reader.page.evaluate(overflow) <= 0
    await there.unshare("Dracula", mail)
