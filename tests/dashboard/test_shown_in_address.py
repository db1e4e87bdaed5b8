"""What a grid shows is in the address of its page."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect


@pytest.fixture
async def camelot(there):
    world = await there.worlds.add(name="Camelot")
    for name, kind in (("Arthur", "king"), ("Gawain", "knight"), ("Kay", "knight")):
        await there.personas.add(name=name, kind=kind, worldid=world.id)
    yield world
    await there.worlds.remove(world)


async def order(reader) -> list[str]:
    await expect(reader.rows.first).to_be_visible()
    names = reader.page.locator(".ag-row[row-id] [col-id='name']")
    rows = [(await row.text_content(), await row.bounding_box()) for row in await names.all()]
    return [name for name, box in sorted(rows, key=lambda row: row[1]["y"])]


async def test_a_reload_and_back_return_to_filter_search_and_order(reader, camelot):
    page = reader.page
    await reader.open("Camelot", "Personas")
    await page.get_by_test_id("grid-search").fill("a")
    await page.locator(".ag-header-cell[col-id='name'] .ag-header-cell-label").click()
    await page.locator(".ag-header-cell[col-id='name'] .ag-header-cell-label").click()
    await expect(page).to_have_url(re.compile(r"desc"))
    kind = page.locator(".ag-floating-filter[aria-colindex] input[aria-label*='Kind']").first
    await kind.fill("knight")
    count = page.get_by_test_id("grid-count")
    await expect(count).to_have_text("2 personas")
    address = page.url
    assert await order(reader) == ["Kay", "Gawain"]
    await reader.reload()
    await expect(count).to_have_text("2 personas", timeout=60_000)
    assert await order(reader) == ["Kay", "Gawain"]
    await expect(page.get_by_test_id("grid-search")).to_have_value("a")
    await expect(kind).to_have_value("knight")
    await reader.nav("Overview").click()
    await expect(page.get_by_role("heading", name="Latest changes")).to_be_visible()
    await expect(page).to_have_url(re.compile("^[^#]*place=world/[^#]*$"))
    await page.go_back()
    await expect(count).to_have_text("2 personas")
    await expect(page).to_have_url(address)
    await kind.fill("")
    await expect(count).to_have_text("3 personas")
    await page.get_by_test_id("grid-search").fill("")
    await page.locator(".ag-header-cell[col-id='name'] .ag-header-cell-label").click()
    await expect(page).to_have_url(re.compile("^[^#]*$"))
    assert reader.problems == []


@pytest.mark.parametrize(
    "said", ["%7B", "[]", '{"search":7,"filters":{"nothing":{"test":"is"}},"sort":[{"colId":"x"}]}']
)
async def test_a_link_that_was_damaged_shows_all(reader, camelot, said):
    await reader.open("Camelot", "Personas")
    await reader.page.evaluate("said => { location.hash = `show=${said}` }", said)
    await reader.reload()
    await expect(reader.page.get_by_test_id("grid-count")).to_have_text(
        "3 personas", timeout=60_000
    )
    assert reader.problems == []
