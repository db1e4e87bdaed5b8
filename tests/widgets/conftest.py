import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser as BrowserOfPlaywright
from playwright.async_api import Page, Route

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves siblings unseen
from fake_source import FakeSource

from workbench.widgets import assets
from workbench.widgets.rpc import Rpc


@pytest.fixture
def source() -> FakeSource:
    return FakeSource(300)


@pytest.fixture(autouse=True)
def built(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Stand in for the built front end, so that these tests need no Node."""
    folder: Path = tmp_path_factory.mktemp("static")
    (folder / "build.json").write_text(json.dumps({"version": "0123456789ab"}))
    (folder / "stub.js").write_text("load @bundle@ @version@")
    for name in ("grid", "picker", "dialog", "outline", "style", "content", "prose"):
        (folder / f"{name}.js").write_text(f"export default '{name}'")
    monkeypatch.setattr(assets, "STATIC", folder)
    for known in (assets.version, assets.stub):
        known.cache_clear()
    yield
    for known in (assets.version, assets.stub):
        known.cache_clear()


@pytest.fixture
def browse() -> Callable[[Rpc], "Browser"]:
    return Browser


class Browser:
    """The browser's end of a widget: sends requests and keeps what comes back."""

    def __init__(self, widget: Rpc) -> None:
        self.widget, self.messages = widget, []
        widget.send = lambda content, buffers=None: self.messages.append(
            json.loads(json.dumps(content))
        )

    async def ask(self, op: str, **args: Any) -> Any:
        return await self._ask(op, args, [])

    async def send(self, data: bytes, op: str, **args: Any) -> Any:
        """Ask with bytes."""
        return await self._ask(op, args, [memoryview(data)])

    async def _ask(self, op: str, args: dict[str, Any], buffers: list[memoryview]) -> Any:
        self.widget._received(self.widget, {"t": "req", "id": op, "op": op, "args": args}, buffers)
        await self.widget.tasks.settled()
        return self.messages[-1]


BUNDLES = assets.STATIC  # as built; `built` has another folder stand in for it

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Widget</title>
<body class="theme-light" style="margin: 16px"><div id="here"></div></body></html>"""

# anywidget's model, as far as our front ends use it.
SHOW = """async ([bundle, state]) => {
  const heard = new Map();
  const model = {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; kernelSet(name, value); },
    save_changes() {},
    on: (event, call) => heard.set(event, [...(heard.get(event) ?? []), call]),
    off: (event, call) => heard.set(event, (heard.get(event) ?? []).filter((one) => one !== call)),
    send: (message) => kernelTold(message),
  };
  globalThis.told = (message) => (heard.get("msg:custom") ?? []).forEach((call) => call(message));
  const { default: widget } = await import(`/${bundle}.js`);
  widget.render({ model, el: document.getElementById("here") });
}"""


class Shown:
    """A widget in a real browser, with its real front end; `page` shows nothing else."""

    def __init__(self, widget: Rpc, page: Page) -> None:
        self.widget, self.page = widget, page
        self.problems: list[str] = []
        self._sending: set[asyncio.Task[Any]] = set()
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    async def open(self, body: str = PAGE) -> None:
        async def answer(route: Route) -> None:
            name = urlsplit(route.request.url).path.strip("/")
            if name:
                await route.fulfill(path=BUNDLES / name, content_type="text/javascript")
            else:
                await route.fulfill(body=body, content_type="text/html")

        await self.page.route("http://widgets.test/**", answer)
        await self.page.goto("http://widgets.test/")
        await self.page.expose_function("kernelTold", self._told)
        await self.page.expose_function("kernelSet", self._set)
        self.widget.send = self._send
        state = json.loads(json.dumps(self.widget.get_state(), default=str))
        await self.page.evaluate(SHOW, [self.widget.bundle, state])

    async def settled(self) -> None:
        """Wait until the browser has heard all that it was told."""
        await asyncio.gather(*self._sending)

    def _told(self, message: dict[str, Any]) -> None:
        self.widget._received(self.widget, message, [])

    def _set(self, name: str, value: object) -> None:
        setattr(self.widget, name, value)

    def _send(self, message: object, buffers: object = None) -> None:
        task = asyncio.ensure_future(self.page.evaluate("(m) => told(m)", message))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


@pytest.fixture
async def show(chromium: BrowserOfPlaywright) -> AsyncIterator[Callable[..., Awaitable[Shown]]]:
    """Show a widget in a page of its own; the page must not report an error."""
    if not (BUNDLES / "build.json").exists():
        pytest.fail("The front end is not built: python hatch_build.py")
    context = await chromium.new_context(viewport={"width": 1100, "height": 800})
    opened: list[Shown] = []

    async def show(widget: Rpc, body: str = PAGE) -> Shown:
        shown = Shown(widget, await context.new_page())
        opened.append(shown)
        await shown.open(body)
        return shown

    yield show
    for shown in opened:
        await shown.widget.tasks.settled()
        await shown.settled()
        assert shown.problems == []
    await context.close()
