"""`workbench up` as a user runs it, with the demo world and a hostile one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import pytest
from playwright.async_api import Browser, Page, expect

import workbench
from workbench.config import read_settings
from workbench.database.users import acting_user
from workbench.entities.world import World
from workbench.wiring import open_server
from workbench.workspace import Workspace

START_SECONDS = 90
SCRIPT = "<script>document.title = 'broken'</script><img src=x onerror=alert(1)>"


@dataclass
class Running:
    """A running `workbench up`."""

    home: Path
    process: subprocess.Popen[str]
    lines: Queue[str]

    def link(self) -> str:
        """Return the next sign-in link that it prints."""
        said = []
        while True:
            try:
                line = self.lines.get(timeout=START_SECONDS)
            except Empty:
                pytest.fail("no link; it said:\n" + "".join(said))
            said.append(line)
            found = re.search(r"http://\S+", line)
            if found:
                return found.group()


@pytest.fixture(scope="session")
def up() -> Iterator[Running]:
    home = Path(tempfile.mkdtemp(prefix="workbench-up-"))
    os.chmod(home, 0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "up", "--port", "0"],
        env={**environment, "WORKBENCH_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: Queue[str] = Queue()
    Thread(target=lambda: [lines.put(line) for line in process.stdout], daemon=True).start()
    yield Running(home, process, lines)
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.stdout.close()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
async def signed_in(up: Running, chromium: Browser) -> AsyncIterator[tuple[str, dict]]:
    """The address, and the cookies of a browser that has used the link."""
    link = up.link()
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(link)
    await expect(page.locator("body")).to_have_attribute("data-state", "ready", timeout=60_000)
    yield page.url, await context.storage_state()
    await context.close()


@pytest.fixture(scope="session")
async def there(up: Running, signed_in) -> AsyncIterator[Workspace]:
    """A workspace on the same database: another user, a notebook, a script."""
    async with await workbench.connect(home=up.home) as workspace:
        world = await workspace.worlds.add(name=SCRIPT, description=SCRIPT)
        for name in ("personas", "locations"):
            await getattr(workspace, name).add(name=SCRIPT, display_name=SCRIPT, worldid=world.id)
        yield workspace


@pytest.fixture
async def wessex(up: Running, there: Workspace) -> AsyncIterator[tuple[Workspace, World]]:
    """A world of somebody else's that the reader may read, and its owner's workspace."""
    server, release = await open_server(read_settings(home=up.home))
    await acting_user(server, "hardy@example.org", role="editor")
    await server.close()
    release()
    async with await workbench.connect(home=up.home, user="hardy@example.org") as theirs:
        world = await theirs.worlds.add(name="Wessex")
        await theirs.personas.add(name="Tess", kind="milkmaid", worldid=world.id)
        reader = await there.users.get(there.database.userid)
        await theirs.share(world, reader.email)
        yield theirs, world
        await theirs.worlds.remove(world)


class Reader:
    """Somebody at the dashboard; remembers what went wrong and where the page went."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on(
            "console",
            lambda m: self.problems.append(m.text) if m.type in ("error", "warning") else None,
        )

    async def open(self, world: str = "", entity: str = "") -> None:
        """Go to a page by clicking, as a person does."""
        await self.page.goto(self.address)
        await self._begun()
        if world:
            await self.page.locator(".wb-card", has_text=world).click()
            await expect(self.page.get_by_role("heading", name="Latest changes")).to_be_visible()
        if entity:
            await self.nav(entity).click()
            await expect(self.page.get_by_role("heading", name=entity, level=1)).to_be_visible()
            await expect(self.rows.first).to_be_visible()

    async def reload(self) -> None:
        """Have the page made anew, and wait until it is there."""
        await self.page.reload()
        await self._begun()

    async def _begun(self) -> None:
        body = self.page.locator("body")
        await expect(body).to_have_attribute("data-state", "ready", timeout=60_000)

    def nav(self, name: str):
        return self.page.locator(".wb-nav").get_by_role("button", name=name)

    @property
    def rows(self):
        return self.page.locator(".ag-row[row-id]")

    def cell(self, row_text: str, field: str):
        row = self.page.locator(".ag-row[row-id]", has_text=row_text).first
        return row.locator(f"[col-id='{field}']")

    def field(self, name: str):
        """The control of a form's field."""
        return self.page.locator(f".wb-row-of-{name}").locator("input, textarea, select").first


@pytest.fixture
async def reader(chromium: Browser, signed_in, there) -> AsyncIterator[Reader]:
    address, state = signed_in
    context = await chromium.new_context(
        storage_state=state, viewport={"width": 1400, "height": 900}, color_scheme="light"
    )
    yield Reader(await context.new_page(), address)
    await context.close()
