"""Every page by the rules of WCAG 2.2 AA that a program can check, wide and light, narrow and dark."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urljoin

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from workbench.dashboard.state import PAGES, STORY_ENTITIES

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What AG Grid puts tooltips and menus into lies beside the page's landmarks.
OPTIONS: dict[str, Any] = {
    "resultTypes": ["violations"],
    "runOnly": {"type": "tag", "values": RULES},
    "rules": {"region": {"enabled": False}},
}
LOOKS = [(1280, "light"), (390, "dark")]


async def violations(page: Page) -> list[str]:
    found = await Axe().run(page, options=OPTIONS)
    return [
        f"{one['id']}: {node['target']} {node['html'][:200]}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


@pytest.fixture(params=LOOKS, ids=["wide and light", "narrow and dark"])
async def page(
    request: pytest.FixtureRequest, chromium: Browser, signed_in: Any, there: Any
) -> AsyncIterator[Page]:
    width, scheme = request.param
    context = await chromium.new_context(
        storage_state=signed_in[1],
        viewport={"width": width, "height": 850},
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    yield await context.new_page()
    await context.close()


async def ready(page: Page, address: str) -> None:
    await page.goto(address)
    await expect(page.locator("body")).to_have_attribute("data-state", "ready", timeout=60_000)


async def test_no_page_of_the_dashboard_breaks_a_rule(page: Page, signed_in: Any) -> None:
    await ready(page, signed_in[0])
    found = {"worlds": await violations(page)}
    await page.locator(".wb-card", has_text="Dracula").click()
    await expect(page.get_by_role("heading", name="Latest changes")).to_be_visible()
    found["world"] = await violations(page)
    address = page.url
    wide = (page.viewport_size or {})["width"] > 1000
    for place in (*(STORY_ENTITIES if wide else ("scene",)), *PAGES):
        await ready(page, address.replace("=world/", f"={place}/"))
        if place in STORY_ENTITIES:
            await expect(page.locator(".ag-row[row-id]").first).to_be_visible()
        else:
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
        found[place] = await violations(page)
    assert {place: broken for place, broken in found.items() if broken} == {}


async def test_no_form_filter_or_palette_breaks_a_rule(page: Page, signed_in: Any) -> None:
    await ready(page, signed_in[0])
    await page.locator(".wb-card", has_text="Dracula").click()
    await expect(page.get_by_role("heading", name="Latest changes")).to_be_visible()
    await page.wait_for_url("**place=world/**")
    await ready(page, page.url.replace("=world/", "=scene/"))
    await page.locator(".ag-row[row-id] [col-id=name]").first.click()
    await expect(page.locator(".wb-form")).to_be_visible()
    found = {"form": await violations(page)}
    await page.get_by_role("link", name="Open page").click()
    await expect(page.locator(".wb-record h1")).to_be_visible()
    found["record"] = await violations(page)
    await page.get_by_role("button", name="Preview").click()
    await page.get_by_role("button", name="Edit: Cast").click()
    await expect(page.locator(".ag-row[row-id]").first).to_be_visible()
    found["record, edited"] = await violations(page)
    await page.keyboard.press("Control+k")
    await page.keyboard.type("a")
    await expect(page.get_by_role("option").first).to_be_visible()
    found["palette"] = await violations(page)
    assert {place: broken for place, broken in found.items() if broken} == {}


async def test_no_step_of_an_import_breaks_a_rule(page: Page, signed_in: Any) -> None:
    await ready(page, signed_in[0])
    await page.locator(".wb-card", has_text="Dracula").click()
    await expect(page.get_by_role("heading", name="Latest changes")).to_be_visible()
    await page.wait_for_url("**place=world/**")
    await ready(page, page.url.replace("=world/", "=import/"))
    text = b"name,knd\nMina Harker,teacher\n,nobody\nOsric,courtier\n"
    given = {"name": "personas.csv", "mimeType": "text/csv", "buffer": text}
    await page.get_by_test_id("file-input").set_input_files([given, {**given, "name": "x.doc"}])
    await expect(page.get_by_label("knd")).to_be_visible(timeout=30_000)
    await expect(page.get_by_test_id("file-problem")).to_be_visible()
    found = {"files": await violations(page)}
    await page.get_by_role("button", name="See what it would do").click()
    plan = page.get_by_role("heading", name="What this would do")
    await expect(plan).to_be_focused(timeout=30_000)
    found["plan"] = await violations(page)
    assert {place: broken for place, broken in found.items() if broken} == {}


@pytest.mark.parametrize("path", ["account", "people", "device", "sign-in"])
async def test_no_page_of_accounts_breaks_a_rule(page: Page, signed_in: Any, path: str) -> None:
    if path == "sign-in":
        await page.context.clear_cookies()
    await page.goto(urljoin(signed_in[0], f"/{path}"))
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert await violations(page) == []
