"""Rows to and from a spreadsheet, in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

PLANNED_MS = 20_000  # the first time, what imports is loaded


@pytest.fixture
async def lyonesse(there):
    world = await there.worlds.add(name="Lyonesse")
    for name in ("Isolde", "Mark", "Tristan"):
        await there.personas.add(name=name, kind="noble", worldid=world.id)
    yield world
    await there.worlds.remove(world)


async def test_rows_are_copied_changed_elsewhere_and_pasted_back(reader, there, lyonesse):
    page = reader.page
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await reader.open("Lyonesse", "Personas")
    await page.locator(".ag-row[row-id] input[type=checkbox]").first.check()
    await page.keyboard.press("Control+c")
    await expect(page.get_by_test_id("toast")).to_contain_text("Copied one persona")
    lines = (await page.evaluate("navigator.clipboard.readText()")).split("\n")
    assert [line.split("\t")[0] for line in lines] == ["Name", "Isolde"]
    assert lines[1].count("\t") == lines[0].count("\t")
    changed = "\n".join([lines[0], lines[1].replace("noble", '"a ""fair"" lady"'), "Brangane"])
    await page.evaluate("text => navigator.clipboard.writeText(text)", changed)
    await reader.cell("Mark", "kind").click()
    await page.keyboard.press("Control+v")
    plan = page.get_by_test_id("dialog")
    await expect(plan).to_contain_text(
        "This would change 1 persona and add 1 persona.", timeout=PLANNED_MS
    )
    await expect(plan).to_contain_text('Isolde kind: noble → a "fair" lady')
    await plan.get_by_role("button", name="Change 1 persona and add 1 persona").click()
    await expect(reader.cell("Isolde", "kind")).to_contain_text("fair")
    await expect(page.get_by_test_id("grid-count")).to_have_text("4 personas")
    found = (await there.personas.find(name="Isolde", world=lyonesse)).records[0]
    assert found.kind == 'a "fair" lady'
    assert reader.problems == []


async def test_cells_are_pasted_over_the_focused_one_after_a_look(reader, there, lyonesse):
    page = reader.page
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await reader.open("Lyonesse", "Personas")
    await page.evaluate("navigator.clipboard.writeText('king\\nknight\\n')")
    await reader.cell("Mark", "kind").click()
    await page.keyboard.press("Control+v")
    plan = page.get_by_test_id("dialog")
    await expect(plan).to_contain_text("This would change 2 personas.", timeout=PLANNED_MS)
    await plan.get_by_role("button", name="Cancel").click()
    await expect(reader.cell("Mark", "kind")).to_have_text("noble")
    await reader.cell("Mark", "kind").click()
    await page.keyboard.press("Control+v")
    await plan.get_by_role("button", name="Change 2 personas").click()
    await expect(reader.cell("Tristan", "kind")).to_have_text("knight")
    await page.keyboard.press("Control+z")
    await expect(reader.cell("Mark", "kind")).to_have_text("noble")
    said = '"Who goes there?" she asks\t"Stand, ""and"" unfold"\t'
    await page.evaluate("text => navigator.clipboard.writeText(text)", said)
    await reader.cell("Mark", "display_name").click()
    await page.keyboard.press("Control+v")
    await expect(plan).to_contain_text('display_name: empty → "Who goes there?" she asks')
    await expect(plan).to_contain_text('kind: noble → Stand, "and" unfold')
    await plan.get_by_role("button", name="Cancel").click()
    await page.evaluate("navigator.clipboard.writeText('x'.repeat(300))")
    await reader.cell("Mark", "name").click()
    await page.keyboard.press("Control+v")
    await expect(page.get_by_test_id("paste-problems")).to_contain_text(
        "Line 1, name", timeout=PLANNED_MS
    )
    assert reader.problems == []


async def test_what_would_be_a_formula_leaves_as_text(reader, there, lyonesse):
    page = reader.page
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await there.personas.add(name="=1+1", kind="-5", worldid=lyonesse.id)
    await reader.open("Lyonesse", "Personas")
    await page.locator(".ag-row[row-id] input[type=checkbox]").first.check()
    await page.keyboard.press("Control+c")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied.split("\n")[1].startswith("'=1+1\t")
    assert "\t-5\t" in copied
    await page.locator(".ag-row[row-id] input[type=checkbox]").first.uncheck()
    await reader.cell("=1+1", "name").click()
    await page.keyboard.press("Control+c")
    assert await page.evaluate("navigator.clipboard.readText()") == "'=1+1"
    assert reader.problems == []
