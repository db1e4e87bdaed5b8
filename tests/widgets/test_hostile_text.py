"""Text that is markup, a script, a link, or turns what stands beside it, in a real browser."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fake_source import FakeSource
from playwright.async_api import Page, expect

from workbench.errors import InvalidDraft
from workbench.widgets import Choice, Grid, Messages, Node, OutlineTree, ReferencePicker
from workbench.widgets.content import Content, element

EVIL = (
    "<img src=x onerror=\"document.title='broken'\"><svg/onload=\"document.title='broken'\">"
    "</script><script>document.title='broken'</script>"
)
LINK = "javascript:document.title='broken'"
TURNED = "Eve\u202egnp.exe\u2066"


class Hostile(FakeSource):
    """Rows, choices and refusals whose words are an attack."""

    def __init__(self) -> None:
        super().__init__(3)
        title, more = self.columns[0], self.columns[1:]
        self.columns = (
            replace(title, help=EVIL),
            replace(title, field="source_url", title=f"Link {EVIL}", required=False, help=EVIL),
            *more,
        )
        for id, row in self.rows.items():
            row |= {"name": f"{id}{EVIL}", "locationid__label": EVIL, "description": EVIL}
            row |= {"tags": [EVIL], "attributes": {EVIL: EVIL}, "source_url": LINK, "kind": EVIL}

    async def lookup(self, field, term, row):
        return [Choice("p1", EVIL, EVIL), Choice("p2", TURNED, TURNED)]

    async def save(self, id, version, changes):
        raise InvalidDraft({"name": EVIL}, entity="scene")


async def harmless(page: Page) -> None:
    assert await page.locator("img[src='x'], svg[onload], a[href]").count() == 0
    assert await page.locator("script:not([src])").count() == 0
    assert await page.title() == "Widget"


@pytest.fixture
async def grid(show):
    shown = await show(Grid(Hostile(), noun="scene", plural="scenes"))
    shown.cell = lambda id, field: shown.page.locator(f".ag-row[row-id='{id}'] [col-id='{field}']")
    await expect(shown.cell("r0", "name")).to_contain_text("<img src=x")
    return shown


async def test_markup_is_text_in_cells_headers_and_tooltips(grid):
    await grid.page.set_viewport_size({"width": 3000, "height": 800})
    await expect(grid.cell("r0", "source_url")).to_have_text(LINK)
    await expect(grid.page.locator(".ag-header")).to_contain_text("<img src=x")
    await grid.cell("r0", "description").hover()
    await expect(grid.page.locator(".ag-tooltip")).to_contain_text("<img src=x")
    await harmless(grid.page)


async def test_markup_is_text_in_refusals_toasts_and_dialogs(grid):
    page = grid.page
    await grid.cell("r1", "name").dblclick()
    await page.keyboard.type("x")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("grid-banner")).to_contain_text("</script>")
    await page.locator(".ag-row[row-id='r2'] input[type='checkbox']").first.check()
    await page.get_by_test_id("grid-remove").click()
    await expect(page.get_by_test_id("toast").last).to_contain_text("<img src=x")
    await page.get_by_test_id("grid-add").click()
    await expect(page.get_by_role("dialog")).to_contain_text("<img src=x")
    await harmless(page)


async def test_markup_is_text_in_choices(show):
    source = Hostile()
    picker = ReferencePicker(lambda term: source.lookup("", term, None), description=EVIL)
    page = (await show(picker)).page
    await page.get_by_test_id("picker").click()
    await expect(page.get_by_role("option").first).to_contain_text("<img src=x")
    await page.get_by_role("option").first.click()
    await expect(page.get_by_test_id("picker")).to_have_value(EVIL)
    await harmless(page)


async def test_markup_is_text_in_trees(show):
    page = (await show(OutlineTree([Node("s", EVIL, EVIL)]))).page
    await expect(page.get_by_role("tree")).to_contain_text("<img src=x")
    await harmless(page)


async def test_what_is_described_becomes_no_link_and_no_handler(show):
    page = (
        await show(
            Content(
                element("p", EVIL, title=EVIL, href=LINK, onclick="document.title='broken'"),
                element("img", src="x", alt=EVIL),
                element("button", EVIL, formaction=LINK, style="position: fixed; inset: 0"),
            )
        )
    ).page
    await page.get_by_text("<img src=x").first.click()
    found = await page.evaluate(
        "[...document.querySelectorAll('#here *')].flatMap((e) => e.getAttributeNames())"
    )
    assert not {"href", "onclick", "src", "formaction", "style"} & set(found)
    assert await page.title() == "Widget"


async def test_a_name_turns_nothing_that_stands_beside_it(show):
    source = Hostile()
    for row in source.rows.values():
        row["name"] = TURNED
    page = (await show(Grid(source, noun="scene", plural="scenes"))).page
    await page.locator(".ag-row[row-id='r2'] input[type='checkbox']").first.check()
    await page.get_by_test_id("grid-remove").click()
    await expect(page.get_by_test_id("toast").last.locator("span").first).to_have_text(
        "Removed “Evegnp.exe”."
    )
    picker = (await show(ReferencePicker(lambda term: source.lookup("", term, None)))).page
    await picker.get_by_test_id("picker").click()
    await expect(picker.get_by_role("option").nth(1).locator("span")).to_have_text("Evegnp.exe")


async def test_questions_of_python_turn_and_draw_nothing(show):
    messages = Messages()
    page = (await show(messages)).page
    answer = asyncio.ensure_future(messages.confirm(f"{TURNED} {EVIL}", f"{TURNED} {EVIL}"))
    question = page.get_by_role("dialog")
    await expect(question.get_by_text("Evegnp.exe <img src=x")).to_have_count(2)
    await harmless(page)
    await question.get_by_role("button", name="Yes").click()
    assert await answer
