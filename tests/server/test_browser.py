"""The dashboard page in a real browser."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect


class Tab:
    """A browser tab that remembers what went wrong and where it went."""

    def __init__(self, page) -> None:
        self.page = page
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def _console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)


@pytest.fixture
async def tab(chromium, server):
    """A tab with the dashboard open."""
    context = await chromium.new_context(color_scheme="light")
    tab = Tab(await context.new_page())
    await tab.page.goto(server.link)
    server.link = server.next("fresh")
    await expect(tab.page.locator("body")).to_have_attribute("data-state", "ready")
    yield tab
    await context.close()


async def press(page) -> None:
    await page.get_by_role("button", name="Press me").click()


async def test_the_page_opens_and_its_button_answers(tab):
    await press(tab.page)
    await expect(tab.page.get_by_text("pressed 1")).to_be_visible()
    await press(tab.page)
    await expect(tab.page.get_by_text("pressed 2")).to_be_visible()
    await expect(tab.page.locator("#skeleton")).to_have_count(0)
    assert tab.problems == []


async def test_every_change_of_a_field_arrives(tab):
    field = tab.page.get_by_role("textbox", name="Name")
    for text in ("a", "ab", "abc", "abcd"):
        await field.fill(text)
    await expect(tab.page.get_by_text("4 letters")).to_be_visible()


async def test_an_anywidget_draws_sends_receives_and_cleans_up(tab):
    await tab.page.get_by_role("button", name="count 0").click()
    await expect(tab.page.get_by_role("button", name="count 1")).to_be_visible()
    await expect(tab.page.get_by_text("echo 1,2,3")).to_be_visible()
    await tab.page.get_by_role("button", name="Close the counter").click()
    await expect(tab.page.locator("body")).to_have_attribute("data-cleaned", "yes")
    assert tab.problems == []


async def test_what_a_handler_prints_lands_in_its_output_widget(tab):
    await press(tab.page)
    await press(tab.page)
    await expect(tab.page.locator(".jupyter-widgets-output-area")).to_have_text(
        re.compile(r"printed 1\s+printed 2")
    )


async def test_the_notebook_names_the_page_and_its_address(tab):
    await expect(tab.page).to_have_title("A page")
    await press(tab.page)
    await expect(tab.page).to_have_title("Pressed 1")
    assert urlsplit(tab.page.url).query == "n=1"


async def test_nothing_is_asked_of_another_server(tab, server):
    await press(tab.page)
    await expect(tab.page.get_by_text("pressed 1")).to_be_visible()
    hosts = {urlsplit(url.removeprefix("blob:")).netloc for url in tab.requests}
    assert hosts == {f"127.0.0.1:{server.port}"}
    from_server = [url for url in tab.requests if not url.startswith("blob:")]
    # The link, the page, its script and its styles.
    assert len(from_server) == 4


async def test_the_theme_follows_the_system_and_then_the_choice(chromium, server):
    context = await chromium.new_context(color_scheme="dark")
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{server.port}/sign-in")
    root = page.locator("html")
    await expect(root).to_have_attribute("data-jp-theme-light", "false")
    dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.get_by_role("button", name="Light").click()
    await expect(root).to_have_attribute("data-jp-theme-light", "true")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    await page.reload()
    await expect(root).to_have_attribute("data-jp-theme-light", "true")
    await context.close()


async def test_a_link_can_be_pasted_into_the_sign_in_page(chromium, server):
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{server.port}/?world=Hamlet")
    await page.get_by_label("Or paste the link").fill(server.link)
    await page.get_by_role("button", name="Sign in").click()
    server.link = server.next("fresh")
    await expect(page.locator("body")).to_have_attribute("data-state", "ready")
    assert urlsplit(page.url).query == "world=Hamlet"
    await context.close()


async def test_a_kernel_that_ends_is_told_with_a_way_on(tab):
    await tab.page.get_by_role("button", name="Crash").click()
    await expect(tab.page.get_by_role("alert")).to_contain_text("kernel has ended")
    await tab.page.get_by_role("button", name="Reload").click()
    await expect(tab.page.get_by_text("not pressed")).to_be_visible()


async def test_signing_out_in_one_tab_is_told_in_another(tab):
    second = await tab.page.context.new_page()
    await second.goto(tab.page.url)
    await second.locator("summary").filter(has_text="Local user").click()
    await second.get_by_role("button", name="Sign out").click()
    await expect(second.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(tab.page.get_by_role("alert")).to_contain_text("You are signed out.")


async def test_leaving_the_page_ends_its_kernel(tab, server, until):
    before = {kernel.pid for kernel in server.kernels()}
    await tab.page.goto("about:blank")
    until(lambda: len(before & {kernel.pid for kernel in server.kernels()}) == len(before) - 1)


async def test_a_lost_connection_is_shown_and_comes_back(chromium, server):
    context = await chromium.new_context()
    page = await context.new_page()
    sockets, blocked = [], False

    async def between(socket) -> None:
        if blocked:
            await socket.close()
            return
        sockets.append(socket)
        socket.connect_to_server()

    await page.route_web_socket("**/channels**", between)
    await page.goto(server.link)
    server.link = server.next("fresh")
    await press(page)
    await expect(page.get_by_text("pressed 1")).to_be_visible()
    blocked = True
    await sockets[0].close()
    await expect(page.locator("#connection")).to_have_text("Connection lost, trying again…")
    await press(page)
    blocked = False
    await expect(page.get_by_text("pressed 2")).to_be_visible()
    await expect(page.locator("#connection")).to_be_empty()
    await context.close()
