"""How long from a click to a dashboard that can be used, and what each further one costs.

The server runs, people are signed in, Debian's Chromium is open. A warm visit has the page's
files in the browser's cache, a cold one has not. Memory is what Linux calls proportional: pages
of memory that several processes share count for each of them in part.

With the path of another checkout, built, that one is measured too, in turns with this one.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import psutil
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.benchmarks.measure import ROOT, Server, run, server
from tests.benchmarks.results import table, write_section
from tests.benchmarks.start_speed import Up
from workbench.auth.acting import Caller
from workbench.auth.sessions import Sessions
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.users import acting_user
from workbench.demo import demo_folder
from workbench.workspace import Workspace

TITLE = "Page"
PACKAGES = ("voila", "jupyter-client", "ipykernel", "ipywidgets", "playwright")
PEOPLE = 10
ROUNDS = 5
TOGETHER_ROUNDS = 2
MEASURED_AT = (1, 5, PEOPLE)
WAIT_MILLISECONDS = 90_000
PAUSE_SECONDS = 3.0  # in which kernels of pages that were closed end
MIB = 1024 * 1024
NOTE = (
    "A page can be used when its widgets are drawn and the grid of worlds shows a row; the clock "
    "is the browser's own and starts with the click. Each page is another editor's, with a kernel "
    "and a login of their own. Memory is of the server with all that it started, without the "
    "database; a further user is the mean of those after the first."
)

USABLE = """() => document.body?.dataset.state === "ready"
    && document.querySelector(".ag-row[row-id]") ? performance.now() : null"""


class House:
    """A running `workbench up` on a database where editors share the demo world."""

    def __init__(self, on: Server, name: str, checkout: Path) -> None:
        self.name = name
        self._owner = Database(Address.parse(on.url(name)))
        self._home = on.home / f"dashboard of {name}"
        self._up = Up(
            self._home,
            WORKBENCH_DATABASE_URL=on.url(name),
            WORKBENCH_USER="bench@localhost",
            PYTHONPATH=str(checkout),
        )
        self.url = self._up.link().partition("?")[0]
        self._cookie = f"workbench-session-{urlsplit(self.url).port}"
        self.people: list[UUID] = []

    async def furnish(self, theirs: Database) -> None:
        """Load the demo world, and let the people in."""
        workspace = Workspace(theirs)
        report = await workspace.load(demo_folder(), reason="demo world")
        assert not report.problems, report.problems
        world = (await workspace.worlds.find())[0]
        for number in range(PEOPLE):
            email = f"editor{number}@example.org"
            self.people.append(await acting_user(self._owner, email, role="editor"))
            await workspace.share(world, email, role="editor")
        async with self._owner.writing() as connection:
            await connection.exec_driver_sql(
                "UPDATE \"user\" SET first_name = 'A', last_name = 'B'"
            )

    async def visitor(self, browser: Browser, number: int) -> BrowserContext:
        """Return a browser of its own in which somebody is signed in."""
        day = timedelta(days=1)
        sessions = Sessions(self._owner, idle=day, lifetime=day)
        secret = await sessions.start(
            self.people[number], Caller("192.0.2.1", "benchmark"), provider="example"
        )
        context = await browser.new_context()
        await context.add_cookies([{"name": self._cookie, "value": secret, "url": self.url}])
        return context

    def memory(self) -> float:
        """Return what the server and all that it started hold, in MiB."""
        server = psutil.Process(self._up.process.pid)
        return sum(pss(one) for one in (server, *server.children(recursive=True))) / MIB

    async def close(self) -> None:
        await self._owner.close()
        await asyncio.to_thread(self._up.stop, self._home)


def pss(process: psutil.Process) -> int:
    """Return the proportional share of memory of a process, in bytes."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


async def click(context: BrowserContext, url: str) -> tuple[Page, float]:
    """Open the dashboard; return it, and after how many milliseconds it could be used."""
    page = await context.new_page()
    await page.goto(url, wait_until="commit", timeout=WAIT_MILLISECONDS)
    done = await page.wait_for_function(USABLE, polling="raf", timeout=WAIT_MILLISECONDS)
    return page, await done.json_value()


async def alone(house: House, browser: Browser) -> dict[str, float]:
    """Return the milliseconds of a cold and of a warm click."""
    took = {}
    context = await house.visitor(browser, 0)
    for name in ("cold", "warm"):
        page, took[name] = await click(context, house.url)
        await page.close(run_before_unload=True)
        await asyncio.sleep(PAUSE_SECONDS)
    await context.close()
    return took


async def together(house: House, browser: Browser) -> list[float]:
    """Return the milliseconds of everybody's click when all click at once."""
    contexts = [await house.visitor(browser, number) for number in range(PEOPLE)]
    opened = await asyncio.gather(*(click(context, house.url) for context in contexts))
    for context in contexts:
        await context.close()
    await asyncio.sleep(PAUSE_SECONDS)
    return [milliseconds for _, milliseconds in opened]


async def held(house: House, browser: Browser) -> dict[int, float]:
    """Return the MiB that are held while so many people have the dashboard open."""
    found = {0: house.memory()}
    async with AsyncExitStack() as stack:
        for number in range(PEOPLE):
            context = await house.visitor(browser, number)
            stack.push_async_callback(context.close)
            await click(context, house.url)
            if number + 1 in MEASURED_AT:
                await asyncio.sleep(PAUSE_SECONDS)
                found[number + 1] = house.memory()
    await asyncio.sleep(PAUSE_SECONDS)
    return found


async def opened(stack: AsyncExitStack, on: Server, checkout: Path) -> House:
    """Start a dashboard of a checkout, on a database of its own, with people in it."""
    name = await on.copy_of()
    house = await asyncio.to_thread(House, on, name, checkout)
    stack.push_async_callback(house.close)
    async with on.database(name) as theirs:
        await house.furnish(theirs)
    return house


def spread(took: list[float]) -> list[str]:
    return [f"{statistics.median(took):,.0f}", f"{sorted(took)[round(0.95 * len(took)) - 1]:,.0f}"]


async def main() -> None:
    checkouts = {"this": ROOT} | {path.name: path for path in map(Path, sys.argv[1:])}
    arguments = ["--no-sandbox", "--disable-background-networking"]
    clicks: dict[str, list[float]] = {}
    async with AsyncExitStack() as stack:
        on = await stack.enter_async_context(server())
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        stack.push_async_callback(browser.close)
        houses = {name: await opened(stack, on, path) for name, path in checkouts.items()}
        memory = {name: await held(house, browser) for name, house in houses.items()}
        for number in range(ROUNDS):
            for name, house in houses.items():
                for how, milliseconds in (await alone(house, browser)).items():
                    clicks.setdefault(f"{name}: {how}, alone", []).append(milliseconds)
                if number < TOGETHER_ROUNDS:
                    found = clicks.setdefault(f"{name}: cold, {PEOPLE} at once", [])
                    found += await together(house, browser)
            print(f"  round {number + 1}: {clicks}", file=sys.stderr)
        chromium = browser.version
    write_section(
        TITLE,
        f"Milliseconds from the click, Chromium {chromium}.",
        table(["", "median", "95 %"], [[name, *spread(took)] for name, took in clicks.items()]),
        "MiB held by the server and all that it started.",
        table(
            ["", *(f"{number} open" for number in memory["this"]), "a further one"],
            [
                [name, *(f"{mib:,.0f}" for mib in found.values()), f"{further(found):.0f}"]
                for name, found in memory.items()
            ],
        ),
        NOTE,
        packages=PACKAGES,
    )


def further(found: dict[int, float]) -> float:
    return (found[PEOPLE] - found[1]) / (PEOPLE - 1)


if __name__ == "__main__":
    run(main)
