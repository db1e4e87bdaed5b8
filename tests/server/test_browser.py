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
    for scheme, light in (("light", "true"), ("dark", "false")):  # while the page is open
        await page.emulate_media(color_scheme=scheme)
        await expect(root).to_have_attribute("data-jp-theme-light", light)
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
    await expect(tab.page.get_by_role("alertdialog")).to_contain_text("kernel has ended")
    await tab.page.get_by_role("button", name="Reload").click()
    await expect(tab.page.get_by_text("not pressed")).to_be_visible()


async def test_signing_out_in_one_tab_is_told_in_another(tab):
    second = await tab.page.context.new_page()
    await second.goto(tab.page.url)
    await second.locator("summary").filter(has_text="tester@localhost").click()
    await second.get_by_role("button", name="Sign out").click()
    await expect(second.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(tab.page.get_by_role("alertdialog")).to_contain_text("You are signed out.")


async def test_leaving_the_page_ends_its_kernel(tab, server, until):
    before = {kernel.pid for kernel in server.kernels()}
    await tab.page.goto("about:blank")
    until(lambda: len(before & {kernel.pid for kernel in server.kernels()}) == len(before) - 1)


class Wire:
    """A page's connection, to be cut; what comes (deaf) or goes (mute) can be lost before."""

    def __init__(self) -> None:
        self.cut, self.deaf, self.mute = False, False, False
        self.lost: list[bytes] = []
        self.sockets = []

    async def lead(self, page) -> None:
        await page.route_web_socket("**/channels**", self._between)

    async def _between(self, socket) -> None:
        if self.cut:
            await socket.close()
            return
        server = socket.connect_to_server()
        self.sockets.append(socket)
        socket.on_message(lambda m: self.lost.append(m) if self.mute else server.send(m))
        server.on_message(lambda m: self.lost.append(m) if self.deaf else socket.send(m))

    async def break_down(self) -> None:
        """Lose the connection, with all that was under way."""
        await self.sockets[-1].close()
        self.deaf = self.mute = False

    def has_lost(self, text: bytes) -> bool:
        return any(text in message for message in self.lost)


@pytest.fixture
async def wire():
    return Wire()


@pytest.fixture
async def page(chromium, server, wire):
    """The dashboard, open over a wire."""
    context = await chromium.new_context()
    page = await context.new_page()
    await wire.lead(page)
    await page.goto(server.link)
    server.link = server.next("fresh")
    await expect(page.locator("body")).to_have_attribute("data-state", "ready")
    yield page
    await context.close()


async def has_lost(page, wire, text: bytes) -> None:
    """Wait until the wire has lost a message."""
    while not wire.has_lost(text):
        await page.evaluate("new Promise(requestAnimationFrame)")


async def test_a_short_break_is_shown_and_nobody_is_stopped(page, wire):
    await press(page)
    await expect(page.get_by_text("pressed 1")).to_be_visible()
    wire.cut = True
    await wire.break_down()
    await expect(page.locator("#connection")).to_have_text("Connection lost, trying again…")
    await press(page)
    wire.cut = False
    await expect(page.get_by_text("pressed 2")).to_be_visible()
    await expect(page.locator("#connection")).to_be_empty()


async def test_a_page_that_is_lost_on_its_way_is_sent_again(page, wire):
    wire.deaf = True
    await page.get_by_role("button", name="Turn the page").click()
    await has_lost(page, wire, b'"children"')
    assert wire.has_lost(b'"comm_open"')
    await wire.break_down()
    await expect(page.get_by_role("textbox", name="Fresh")).to_have_value("leaf 0")
    await press(page)
    await expect(page.get_by_text("pressed 1")).to_be_visible()


async def test_what_was_said_into_a_dead_connection_is_said_again(page, wire):
    wire.mute = True
    await press(page)
    await has_lost(page, wire, b'"comm_msg"')
    await wire.break_down()
    await expect(page.get_by_text("pressed 1")).to_be_visible()


async def test_what_arrived_but_was_not_answered_happens_once(page, wire):
    wire.deaf = True
    await press(page)
    await has_lost(page, wire, b'"pressed 1"')
    await wire.break_down()
    await expect(page.get_by_text("pressed 1")).to_be_visible()
    await press(page)
    await expect(page.get_by_text("pressed 2")).to_be_visible()


async def test_what_the_kernel_says_while_the_page_connects_again_arrives(page, wire):
    await page.get_by_role("button", name="Count up").click()
    for number in (20, 80):
        await expect(page.get_by_text(f"n{number} ")).to_be_visible()
        await wire.break_down()
    await expect(page.get_by_text("n199 ")).to_be_visible(timeout=20_000)
    text = await page.locator(":has(> button):has-text('n199')").last.inner_text()
    assert re.findall(r"n(\d+) ", text) == [str(number) for number in range(200)]


async def test_a_field_sends_on_after_its_last_change_was_lost(page, wire):
    field = page.get_by_role("textbox", name="Name")
    wire.deaf = True
    await field.fill("a")
    await has_lost(page, wire, b'"1 letters"')
    await field.fill("abc")
    await wire.break_down()
    await expect(page.get_by_text("3 letters")).to_be_visible()


async def test_a_long_break_stops_typing_and_keeps_what_was_typed(page, wire):
    field = page.get_by_role("textbox", name="Name")
    wire.cut = True
    await wire.break_down()
    await field.fill("typed in the dark")
    notice = page.get_by_role("alertdialog")
    await expect(notice).to_contain_text(
        "The server does not answer; trying again. When it is back, reload the page if this stays."
    )
    await page.keyboard.press("Escape")
    await page.keyboard.type("more")
    await expect(notice).to_be_visible()
    await expect(page.locator("main")).to_have_attribute("inert", "")
    assert await page.locator(".widget-text input").first.input_value() == "typed in the dark"
    wire.cut = False
    await expect(page.get_by_text("17 letters")).to_be_visible(timeout=20_000)
    await expect(notice).to_be_hidden()
    await expect(field).to_be_focused()
    await field.fill("on")
    await expect(page.get_by_text("2 letters")).to_be_visible()


async def test_a_missing_part_is_told_and_the_rest_goes_on(page, wire):
    wire.deaf = True
    await page.get_by_role("button", name="Turn the page").click()
    await has_lost(page, wire, b'"children"')
    for message in wire.lost:
        if b'"msg_type": "comm_open"' not in message:
            wire.sockets[-1].send(message)
    wire.deaf = False
    await expect(page.get_by_role("alertdialog")).to_contain_text("A part of this page is missing")
    await press(page)
    await expect(page.get_by_text("pressed 1")).to_be_visible()
    await page.get_by_role("button", name="Reload").click()
    await expect(page.get_by_text("not pressed")).to_be_visible()


async def test_a_page_of_an_earlier_server_says_so_and_reloads(chromium, start_server):
    server = start_server()
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(server.link)
    field = page.get_by_role("textbox", name="Name")
    await field.fill("typed before")
    await expect(page.get_by_text("12 letters")).to_be_visible()
    server.stop()
    start_server(home=server.home, port=server.port)
    await expect(page.get_by_role("alertdialog")).to_contain_text(
        "kernel has ended", timeout=20_000
    )
    await expect(page.locator("main")).to_have_attribute("inert", "")
    assert await page.locator(".widget-text input").first.input_value() == "typed before"
    await page.get_by_role("button", name="Reload").click()
    await expect(page.get_by_text("not pressed")).to_be_visible()
    await context.close()
