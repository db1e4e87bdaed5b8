"""`workbench lab` in a real browser: widgets in cells, also without our files beside JupyterLab."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.async_api import Browser, Page, expect

from workbench.wiring import connect

WAIT_SECONDS = 30
START = "import workbench\nwb = await workbench.connect()"

Open = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that JupyterLab shows."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def lab(folder: Path, notebook_environment: dict[str, str]) -> Iterator[str]:
    """The address of a JupyterLab that knows nothing of the settings of whoever runs the tests."""
    own = {"JUPYTER_CONFIG_DIR": str(folder / ".jupyter")}
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "lab", str(folder), "--port", "0"],
        env={**notebook_environment, **own, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        links = (re.search(r"http://\S+", line) for line in process.stdout)
        link = next((found.group() for found in links if found), None)
        assert link is not None, "JupyterLab did not start"
        yield link
        process.terminate()
        process.wait(WAIT_SECONDS)


@pytest.fixture
async def opened(chromium: Browser, lab: str, folder: Path) -> AsyncIterator[Open]:
    """Open a new notebook of the given cells, and run them."""
    context = await chromium.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(WAIT_SECONDS * 1_000)

    async def open_(name: str, *cells: str) -> Page:
        notebook = nbformat.v4.new_notebook()
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(notebook, folder / f"{name}.ipynb")
        page = await context.new_page()
        # As where the package is not installed beside JupyterLab: the kernel sends the files.
        await page.route("**/workbench-assets/**", lambda route: route.fulfill(status=404))
        await page.goto(lab.replace("/lab?", f"/lab/tree/{name}.ipynb?reset&"))
        await page.get_by_text("Python 3 (Workbench) | Idle").wait_for()
        await page.locator(".jp-Notebook .cm-content:visible").first.click()
        for _ in cells:
            await page.keyboard.press("Shift+Enter")
        return page

    yield open_
    await context.close()


async def test_a_cell_of_the_editor_is_saved_in_the_database(
    opened: Open, notebook_environment: dict[str, str]
):
    page = await opened("editor", START, 'wb.personas.editor(world="Dracula")')
    cell = page.locator(".ag-row", has_text="Count Dracula").locator("[col-id=kind]")
    form = page.locator(".wb-form")
    for kind in ("count", "vampire"):
        await cell.dblclick()
        await page.keyboard.press("Control+A")
        await page.keyboard.type(kind)
        await page.keyboard.press("Enter")
        # The form shows what came back from the database.
        await expect(form.get_by_label("Kind", exact=True)).to_have_value(kind)
    home, user = (notebook_environment[f"WORKBENCH_{name}"] for name in ("HOME", "USER"))
    async with await connect(home=home, user=user) as wb:
        count = await wb.personas.get(name="Count Dracula", world="Dracula")
    assert (count.kind, count.version) == ("vampire", 3)


async def test_the_dashboard_runs_in_a_cell(opened: Open):
    show = "from workbench.dashboard import dashboard\nawait dashboard(wb)"
    page = await opened("dashboard", START, show)
    dashboard = page.locator(".wb-dashboard")
    await dashboard.get_by_text("Dracula, by Bram Stoker").first.click()
    await dashboard.locator(".wb-nav").get_by_text("Scenes").click()
    await expect(dashboard.locator(".ag-row", has_text="Night train to Vienna")).to_be_visible()


async def test_widgets_can_be_used_while_a_cell_waits(opened: Open):
    """JupyterLab gives their messages to another thread; the work still goes to this loop."""
    wait = "import asyncio\nawait asyncio.sleep(3600)"
    page = await opened("busy", START, 'wb.things.editor(world="Dracula")', wait)
    await expect(page.locator(".ag-row", has_text="Boxes of earth")).to_be_visible()


async def test_pages_and_reports_are_tables(opened: Open):
    page = await opened("page", START, 'await wb.personas.find(world="Dracula", limit=2)')
    table = page.locator(".jp-RenderedHTML table")
    await expect(table.locator("tbody tr")).to_have_count(2)
    await expect(page.locator(".jp-RenderedHTML")).to_contain_text("2 records, more follow.")


async def test_nobody_is_asked_to_fetch_news(opened: Open):
    page = await opened("news", "1")
    about = json.loads(await page.locator("#jupyter-config-data").text_content())
    assert about["disabledExtensions"] == ["@jupyterlab/apputils-extension:announcements"]
