"""Another way to sign in, added on one's profile, in a real browser with a real provider."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves siblings unseen
from house import House
from playwright.async_api import Page, expect


async def through_the_provider(page: Page, here: str, login: str) -> None:
    while not page.url.startswith(here):
        if await page.locator("input[name=login]").count():
            await page.fill("input[name=login]", login)
            await page.fill("input[name=password]", "any")
        await page.locator("button[type=submit]").first.click()
        await page.wait_for_load_state()


async def test_another_way_to_sign_in_is_added_and_taken_away_again(site, chromium):
    house = House(site.server)
    eve = await asyncio.to_thread(house.move_in, "eve")
    other = await asyncio.to_thread(house.sign_in, "eve", eve.id)
    context = await chromium.new_context()
    cookies = [{"name": n, "value": v, "url": site.url} for n, v in eve.visitor.cookies.items()]
    await context.add_cookies(cookies)
    page = await context.new_page()
    await page.goto(f"{site.url}/account")
    await page.get_by_role("button", name=re.compile("^Add ")).click()
    await page.wait_for_url(lambda url: not url.startswith(site.url))
    await through_the_provider(page, site.url, "somebody-else-there")
    await expect(page.get_by_text("You can sign in that way too")).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile("^Remove"))).to_have_count(2)
    assert (await asyncio.to_thread(other.get, "/account")).status == 302, "other sessions end"
    await page.get_by_role("button", name=re.compile("^Remove")).first.click()
    await expect(page.get_by_text("That way to sign in is gone.")).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile("^Remove"))).to_have_count(0)
    await context.close()
