"""How long from `workbench up` to a page that can be used, in Debian's Chromium.

A first start makes the database, its schema and the demo world; a warm one finds them. Between
two starts the server has stopped. The browser is open already.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import psutil
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.benchmarks.measure import run, temporary_folder
from tests.benchmarks.results import table, write_section

TITLE = "Start"
PACKAGES = ("voila", "jupyter-server", "ipykernel", "anywidget", "playwright")
ROUNDS = 3
WAIT_MILLISECONDS = 90_000
NOTE = (
    "A page can be used when its widgets are drawn and the grid of worlds shows a row. "
    "Nothing is fetched from outside; the packages are installed and their bytecode is there. "
    "A reload starts a kernel and a page anew."
)


class Up:
    """A running `workbench up`."""

    def __init__(self, home: Path, **given: str) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "workbench", "up", "--port", "0"],
            env={**environment, "WORKBENCH_HOME": str(home), "PYTHONUNBUFFERED": "1", **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def link(self) -> str:
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"http://\S+", line):
                return found.group()
        raise RuntimeError("no link; it said: " + "".join(said))

    def stop(self, home: Path) -> None:
        """Stop it, and wait until its database server has stopped too."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        servers = [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(str(home) in word for word in process.info["cmdline"] or ())
        ]
        psutil.wait_procs(servers, timeout=60)


async def usable(page: Page) -> None:
    body = page.locator("body")
    await expect(body).to_have_attribute("data-state", "ready", timeout=WAIT_MILLISECONDS)
    row = page.locator(".ag-row[row-id]").first
    await expect(row).to_be_visible(timeout=WAIT_MILLISECONDS)


async def started(browser: Browser, home: Path) -> dict[str, float]:
    """Start, open the page, load it again; return how long each took."""
    start = perf_counter()
    up = Up(home)
    try:
        link = await asyncio.to_thread(up.link)
        printed = perf_counter() - start
        page = await browser.new_page()
        await page.goto(link)
        await usable(page)
        opened = perf_counter() - start
        start = perf_counter()
        await page.reload()
        await usable(page)
        again = perf_counter() - start
        await page.context.close()
    finally:
        await asyncio.to_thread(up.stop, home)
    return {"link": printed, "page": opened, "reload": again}


async def main() -> None:
    took: dict[str, list[dict[str, float]]] = {"first start": [], "warm start": []}
    browser_path = shutil.which("chromium")
    arguments = ["--no-sandbox", "--disable-background-networking"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path, args=arguments)
        for number in range(ROUNDS):
            with temporary_folder() as home:
                for name, results in took.items():
                    results.append(await started(browser, home))
                    print(f"  round {number + 1}: {name} {results[-1]}", file=sys.stderr)
        chromium = browser.version
        await browser.close()
    rows = [
        [name, *(f"{median(one[what] for one in results):.1f}" for what in results[0])]
        for name, results in took.items()
    ]
    write_section(
        TITLE,
        f"Seconds, median of {ROUNDS}, Chromium {chromium}.",
        table(["", "to the link", "to a usable page", "then a reload"], rows),
        NOTE,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    run(main)
