"""How soon what a script commits is on the open pages of others, and what telling of it costs.

The clock starts when the script's statement has returned, and ends with the first frame in which
the new text stands in the grid of another person's page, in Debian's Chromium.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from playwright.async_api import Browser, Page, async_playwright

from tests.benchmarks.measure import (
    ROOT,
    Server,
    in_turns,
    run,
    scaled_world,
    server,
    stopwatch,
    temporary_folder,
)
from tests.benchmarks.page_speed import USABLE, WAIT_MILLISECONDS, House, opened
from tests.benchmarks.results import table, write_section
from workbench.entities.thing import Thing
from workbench.workspace import Workspace

TITLE = "Live"
ROUNDS = 60
PAGES = 5
SAVES = 200
TURNS = 9
SCENES = 2_000
BUSY_SECONDS = 0.05  # between one change of another record and the next

SHOWN = """text => [...document.querySelectorAll(".ag-row[row-id] [col-id=kind]")]
    .some(cell => cell.textContent === text) ? Date.now() : null"""
NOTE = (
    "Milliseconds from the commit until the text is drawn on one of the pages, all of other people "
    "in the same grid. Busy: somebody changes another record of that grid 20 times a second "
    "meanwhile."
)


async def look(house: House, browser: Browser, place: str, number: int) -> Page:
    """Open a page of somebody's."""
    context = await house.visitor(browser, number)
    page = await context.new_page()
    await page.goto(f"{house.url}?place={place}", timeout=WAIT_MILLISECONDS)
    await page.wait_for_function(USABLE, polling="raf", timeout=WAIT_MILLISECONDS)
    return page


async def seen(page: Page, wb: Workspace, thing: Thing) -> list[float]:
    """Return after how many milliseconds each of many changes was on a page."""
    took = []
    for number in range(ROUNDS):
        text = f"{number} {time.monotonic_ns()}"
        shown = asyncio.create_task(
            page.wait_for_function(SHOWN, arg=text, polling="raf", timeout=WAIT_MILLISECONDS)
        )
        await asyncio.sleep(0.2)
        thing = await wb.things.update(thing.id, kind=text, version=thing.version)
        committed = time.time() * 1000
        took.append(await (await shown).json_value() - committed)
    return took


@asynccontextmanager
async def busy(wb: Workspace, thing: Thing) -> AsyncIterator[None]:
    """Change another record again and again."""

    async def work() -> None:
        now = thing
        for number in range(100_000):
            now = await wb.things.update(now.id, kind=f"busy {number}", version=now.version)
            await asyncio.sleep(BUSY_SECONDS)

    task = asyncio.create_task(work())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def appearing(on: Server) -> list[list[str]]:
    """Return the rows of the table of how soon changes are seen."""
    found: list[list[str]] = []

    def note(what: str, took: list[float]) -> None:
        p95 = sorted(took)[round(0.95 * len(took)) - 1]
        figures = (statistics.median(took), p95, max(took))
        found.append([what, *(f"{figure:,.0f}" for figure in figures)])

    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-background-networking"],
        )
        stack.push_async_callback(browser.close)
        house = await opened(stack, on, ROOT)
        async with on.database(house.name) as mine:
            wb = Workspace(mine)
            world = (await wb.worlds.find())[0]
            first, second = (await wb.things.find(world=world, limit=2, order=["name"]))[:2]
            page = await look(house, browser, f"thing/{world.id}", 0)
            note("1 page open", await seen(page, wb, first))
            for number in range(1, PAGES):
                await look(house, browser, f"thing/{world.id}", number)
            first = await wb.things.get(first.id)
            note(f"{PAGES} pages open", await seen(page, wb, first))
            first = await wb.things.get(first.id)
            async with busy(Workspace(mine), second):
                note(f"{PAGES} pages open, busy", await seen(page, wb, first))
    return found


async def costs(on: Server) -> list[list[str]]:
    """Return the rows of the table of what writers pay, without the trigger and with it."""
    with temporary_folder() as folder:
        source = scaled_world(SCENES, folder)

        async def imported(told: bool) -> float:
            async with database(on, told) as wb:
                with stopwatch() as watch:
                    await wb.load(source)
            return watch.seconds

        async def saved(told: bool) -> float:
            async with database(on, told) as wb:
                world = await wb.worlds.add(name="Elsinore")
                thing = await wb.things.add(name="Skull", worldid=world.id)
                with stopwatch() as watch:
                    for number in range(SAVES):
                        thing = await wb.things.update(thing, kind=f"{number}")
            return watch.seconds / SAVES

        rows = []
        for what, work in ((f"import of {SCENES:,} scenes", imported), ("one save", saved)):
            took = await in_turns(
                {"without": lambda work=work: work(False), "with": lambda work=work: work(True)},
                TURNS,
            )
            without, told = (1000 * took[name] for name in ("without", "with"))
            rows.append([what, f"{without:,.1f}", f"{told:,.1f}", f"{told / without:.2f}"])
    return rows


@asynccontextmanager
async def database(on: Server, told: bool) -> AsyncIterator[Workspace]:
    """Give a workspace on a fresh database, which tells of changes or does not."""
    name = await on.copy_of()
    if not told:
        async with on.database(name, rights=False) as owner, owner.writing() as connection:
            await connection.exec_driver_sql("ALTER TABLE history.changeset DISABLE TRIGGER tell")
    async with on.database(name) as made:
        yield Workspace(made)
    await on.drop(name)


async def main() -> None:
    async with server() as on:
        shown = await appearing(on)
        paid = await costs(on)
        write_section(
            TITLE,
            f"PostgreSQL {on.version}; {ROUNDS} changes each.",
            table(["from commit to sight, ms", "median", "p95", "most"], shown),
            NOTE,
            table(["what writers pay, ms", "not told", "told", "ratio"], paid),
            "A transaction notifies once, however many rows it changes.",
            packages=("voila", "ipykernel", "asyncpg", "playwright"),
        )


if __name__ == "__main__":
    run(main)
