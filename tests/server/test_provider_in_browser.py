"""The whole way in, in a real browser with a real provider: invited, named, at work, out again."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect
from provider_site import NAME, Site

from workbench.auth.events import Events
from workbench.auth.invitations import Invitations
from workbench.database.address import Address
from workbench.database.engine import Database


async def through_the_provider(page: Page, site: Site, login: str) -> None:
    while not page.url.startswith(site.url):
        if await page.locator("input[name=login]").count():
            await page.fill("input[name=login]", login)
            await page.fill("input[name=password]", "any")
        await page.locator("button[type=submit]").first.click()
        await page.wait_for_load_state()


async def invitation(site: Site, email: str, role: str) -> str:
    database = Database(Address.parse(site.server.database))
    made = await Invitations(database, Events(database)).invite(None, email, role)
    await database.close()
    return f"{site.url}/invitation/{made.secret}"


@pytest.fixture
async def page(chromium):
    context = await chromium.new_context()
    yield await context.new_page()
    await context.close()


async def test_an_invited_person_comes_in_works_and_leaves(site, page):
    link = await invitation(site, "ada@example.org", "admin")
    await page.goto(link)
    assert urlsplit(page.url).path == "/invitation", "the secret has left the address"
    await page.get_by_role("link", name=re.compile("Continue with")).click()
    await through_the_provider(page, site, "noname-ada")

    await expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    await page.get_by_label("First name").fill("Ada")
    await page.get_by_label("Last name").fill("Lovelace")
    await page.get_by_role("button", name="Go on").click()

    await page.get_by_role("button", name="Press me").click()
    await expect(page.get_by_text("pressed 1")).to_be_visible()

    await page.locator("summary", has_text="Ada Lovelace").click()
    await page.get_by_role("link", name="People").click()
    await expect(page.get_by_role("heading", name="People")).to_be_visible()

    await page.locator("summary", has_text="Ada Lovelace").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("You are signed out")).to_be_visible()
    await page.goto(site.url)
    assert urlsplit(page.url).path == "/sign-in"
    await asyncio.to_thread(wait_for_no_kernel, site)


def wait_for_no_kernel(site: Site) -> None:
    for _ in range(500):
        if not site.server.kernels():
            return
    pytest.fail("a kernel outlives the sign-out")


async def test_what_a_provider_sent_does_not_stay_in_the_address(site, page):
    await page.goto(f"{site.url}/sign-in/{NAME}")
    await page.get_by_role("link", name=re.compile("Cancel")).click()
    await expect(page.get_by_role("alert")).to_contain_text("was not allowed to say who you are")
    await expect(page).to_have_url(f"{site.url}/sign-in")
    await page.goto(f"{site.url}/sign-in/{NAME}/callback?code=c&state=s")
    await expect(page.get_by_role("alert")).to_contain_text("was not begun in this browser")
    await expect(page).to_have_url(f"{site.url}/sign-in")
    await page.goto(f"{site.url}/sign-in/nobody/callback?code=c&state=s")
    await expect(page.get_by_text("There is no such page here.")).to_be_visible()
    await expect(page).to_have_url(f"{site.url}/sign-in")
    await page.goto(await invitation(site, "ada@example.org", "editor"))
    await page.get_by_role("link", name=re.compile("Continue with")).click()
    await through_the_provider(page, site, "ada")
    await page.goto(f"{site.url}/sign-in/{NAME}/callback?code=c&state=s")
    await expect(page.get_by_text("Nothing has changed")).to_be_visible()
    await expect(page).to_have_url(f"{site.url}/account")


async def test_a_session_that_is_revoked_elsewhere_closes_its_page(site, page, chromium):
    await page.goto(await invitation(site, "ada@example.org", "editor"))
    await page.get_by_role("link", name=re.compile("Continue with")).click()
    await through_the_provider(page, site, "ada")
    site_ask = asyncio.to_thread(
        site.ask, "UPDATE \"user\" SET first_name = 'A', last_name = 'L' WHERE email LIKE 'ada%'"
    )
    await site_ask
    await page.goto(site.url)
    await expect(page.get_by_role("button", name="Press me")).to_be_visible()

    other = await chromium.new_context()
    second = await other.new_page()
    await second.goto(f"{site.url}/sign-in")
    await second.get_by_role("link", name=re.compile("Continue with")).click()
    await through_the_provider(second, site, "ada")
    await second.goto(f"{site.url}/account")
    await second.get_by_role("button", name="End all others").click()

    await expect(page.locator("#notice")).to_be_visible(timeout=6_000)
    await expect(page.locator("#notice")).to_contain_text("signed out")
    await other.close()
