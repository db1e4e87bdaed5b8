"""The import page in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

SOON = {"timeout": 30_000}  # the first time, what reads files is loaded


@pytest.fixture
async def elsinore(there):
    world = await there.worlds.add(name="Elsinore")
    await there.personas.add(name="HAMLET", kind="prince", worldid=world.id)
    yield world
    await there.worlds.remove(world)


def upload(name: str, text: str) -> dict:
    return {"name": name, "mimeType": "text/csv", "buffer": text.encode()}


async def open_import(reader, world: str) -> None:
    await reader.open(world)
    await reader.nav("Import").click()
    await expect(reader.page.get_by_role("heading", name="Import", level=1)).to_be_visible()


async def test_an_editor_imports_a_file_sees_the_plan_first_and_undoes_it_in_the_history(
    reader, there, elsinore
):
    page = reader.page
    await open_import(reader, "Elsinore")
    button = page.get_by_role("button", name="Choose files…")
    async with page.expect_file_chooser() as chooser:
        await button.press("Enter")
    text = "name,kind\nHAMLET,prince of Denmark\nOSRIC,courtier\n"
    await (await chooser.value).set_files(upload("personas.csv", text))
    await expect(page.get_by_test_id("file")).to_contain_text("Recognised: name, kind", **SOON)
    await page.get_by_role("button", name="See what it would do").click()
    await expect(page.locator(".wb-before")).to_have_text("prince", **SOON)
    assert await there.personas.count(world=elsinore) == 1
    await page.get_by_role("button", name="Import 2 rows").click()
    await expect(page.get_by_role("heading", name="2 rows imported")).to_be_visible(**SOON)
    assert await there.personas.count(world=elsinore) == 2
    await page.get_by_role("button", name="See it in the history").click()
    await expect(page.get_by_role("heading", name="History", level=1)).to_be_visible()
    first = page.locator(".wb-list > li").first
    await expect(first).to_contain_text("import of personas.csv")
    await expect(first).to_contain_text("prince of Denmark")
    await first.get_by_role("button", name="Undo").click()
    await page.get_by_role("dialog").get_by_role("button", name="Undo").click()
    await expect(page.locator(".wb-said")).to_contain_text("Undone.")
    assert [p.kind for p in await there.personas.find(world=elsinore)] == ["prince"]
    assert reader.problems == []
