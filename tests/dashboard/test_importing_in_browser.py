"""The import page in a real browser."""

from __future__ import annotations

from pathlib import Path

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


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


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


DROP = """
([name, text]) => {
  const files = new DataTransfer();
  files.items.add(new File([text], name, { type: "text/csv" }));
  return files;
}
"""


async def test_a_file_is_dropped_mapped_and_its_bad_rows_are_skipped_and_saved(
    reader, there, elsinore
):
    page = reader.page
    await open_import(reader, "Elsinore")
    await expect(page.get_by_role("button", name="Choose files…")).to_be_visible()
    text = "Figur,kind\nOSRIC,courtier\n,nobody\n"
    files = await page.evaluate_handle(DROP, ["<b>cast</b>.csv", text])
    await page.dispatch_event("body", "drop", {"dataTransfer": files})
    await page.get_by_label("Rows are").select_option("personas", **SOON)
    await page.get_by_label("Figur").select_option("name", **SOON)
    await page.get_by_role("button", name="See what it would do").click()
    await expect(page.locator(".wb-problems")).to_contain_text("row 2, Figur", **SOON)
    await expect(page.get_by_role("button", name="Import 1 row")).to_have_count(0)
    await page.get_by_role("button", name="Skip").click()
    await page.get_by_role("button", name="Import 1 row").click()
    await expect(page.get_by_role("heading", name="1 row imported")).to_be_visible(**SOON)
    async with page.expect_download() as saving:
        await page.get_by_test_id("download").click()
    saved = await saving.value
    assert saved.suggested_filename.endswith(".rejects.csv")
    head, row = text_of(await saved.path()).splitlines()
    assert head == "problem,Figur,kind"
    assert row.endswith(",,nobody")
    assert await there.personas.count(world=elsinore) == 2
    assert reader.problems == []


async def test_a_viewer_exports_and_sees_why_importing_is_not_for_them(reader, wessex):
    page = reader.page
    await open_import(reader, "Wessex")
    line = page.get_by_text("You may read this world. Ask hardy@example.org to edit.")
    await expect(line).to_be_visible()
    await expect(page.get_by_test_id("drop")).to_have_count(0)
    await page.keyboard.press("Control+k")
    await page.keyboard.type("Expor")
    await page.get_by_role("option", name="Export").click()
    await expect(page.get_by_role("heading", name="Export", level=1)).to_be_visible()
    await (
        page.get_by_role("button", name="Tables").and_(page.locator("[aria-pressed=false]")).click()
    )
    await page.get_by_role("button", name="All", exact=True).click()
    await page.get_by_role("button", name="personas", exact=True).click()
    await page.get_by_role("button", name="Write the file").click()
    async with page.expect_download(**SOON) as saving:
        await page.get_by_role("button", name="Download personas.csv").click(**SOON)
    saved = await saving.value
    assert saved.suggested_filename == "personas.csv"
    assert "Tess" in text_of(await saved.path())
    await page.reload()
    await expect(page.get_by_role("heading", name="Export", level=1)).to_be_visible(**SOON)
    assert reader.problems == []
