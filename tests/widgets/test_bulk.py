"""One column of many rows: what would change, and exactly that."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from workbench.widgets import Grid
from workbench.widgets.bulk import Bulk, outcome, verbs
from workbench.widgets.source import Column

TAGS = Column("tags", "Tags", "tags")
NAME = Column("name", "Name", required=True, max_length=10)
ROWS = [
    {"id": "1", "version": 4, "name": "old king", "tags": ["a"]},
    {"id": "2", "version": 1, "name": "old", "tags": ["a", "b"]},
    {"id": "3", "version": 2, "name": "queen", "tags": []},
]


def done(column, verb, **more):
    found = outcome(column, Bulk(column.field, verb, **more), ROWS)
    return {edit.id: edit.changes[column.field] for edit in found.edits}, found


def test_tags_are_added_and_taken_away_and_what_has_them_stays():
    edits, found = done(TAGS, "append", value=["b"])
    assert edits == {"1": ["a", "b"], "3": ["b"]}
    assert (found.unchanged, found.shown[0]) == (1, ["old king", "a", "a, b"])
    assert done(TAGS, "drop", value=["a"])[0] == {"1": [], "2": ["b"]}
    assert done(TAGS, "clear")[0] == {"1": [], "2": []}


def test_text_is_replaced_where_it_stands_and_what_would_be_wrong_is_told():
    edits, found = done(NAME, "replace", find="old", value="ancient")
    assert edits == {"2": "ancient"}
    assert found.problems == {"This has 12 characters; at most 10 fit.": 1}
    assert found.unchanged == 1
    assert done(NAME, "replace", find="old", value="")[1].problems == {"This must not be empty.": 1}


def test_what_a_row_does_not_allow_is_told_and_left_out():
    rows = [{**ROWS[0], "__fixed": True}, {**ROWS[1], "__fixed": ["name"]}, ROWS[2]]
    found = outcome(NAME, Bulk("name", "set", "x"), rows)
    assert [edit.id for edit in found.edits] == ["3"]
    assert found.problems == {"You may not change name here.": 2}


def test_a_column_offers_what_fits_it():
    assert verbs(NAME) == ["set", "replace"]
    assert verbs(Column("at", "At", "time", editable=False)) == []
    assert verbs(Column("locationid", "Location", "reference")) == ["set", "clear"]


@pytest.fixture
def grid(source):
    return Grid(source, noun="scene", plural="scenes")


async def test_what_was_shown_is_done_and_nothing_else(grid, browse, source):
    browser = browse(grid)
    answer = await browser.ask(
        "plan", ids=["r0", "r1", "gone"], field="kind", verb="set", value="dream"
    )
    assert (answer["data"]["count"], answer["data"]["unchanged"]) == (2, 0)
    assert answer["data"]["problems"] == {"Somebody removed it.": 1}
    assert (await browser.ask("apply"))["data"] == 2
    assert [source.rows[id]["kind"] for id in ("r0", "r1", "r2")] == ["dream", "dream", None]
    assert source.reasons == ["kind of 2 scenes"]
    assert (await browser.ask("apply"))["data"] == 0  # done once


async def test_rows_that_changed_meanwhile_undo_the_whole(grid, browse, source):
    browser = browse(grid)
    await browser.ask("plan", ids=["r0", "r1"], field="kind", verb="set", value="dream")
    await source.save("r1", 1, {"kind": "theirs"})
    answer = await browser.ask("apply")
    assert "was changed by somebody else" in answer["error"]["message"]
    assert source.rows["r0"]["kind"] == "indoors"


@pytest.mark.parametrize(
    "wrong",
    [
        {"field": "nonsense"},
        {"verb": "drop"},
        {"field": "name", "verb": "replace"},
        {"ids": [f"r{n}" for n in range(5_001)]},
    ],
)
async def test_what_cannot_be_is_refused(grid, browse, wrong):
    asked = {"ids": ["r0"], "field": "kind", "verb": "set", **wrong}
    assert (await browse(grid).ask("plan", **asked))["ok"] is False


async def test_ticked_rows_are_changed_in_the_browser(grid, show, source):
    shown = await show(grid)
    page = shown.page
    for id in ("r0", "r1"):
        await page.locator(f"[row-id='{id}'] input[type='checkbox']").first.check()
    await page.get_by_test_id("grid-change").click()
    dialog = page.get_by_test_id("bulk-dialog")
    await dialog.get_by_label("Column").select_option("tags")
    await dialog.get_by_label("Tags").fill("storm, new")
    await dialog.get_by_role("button", name="Show what would change").click()
    await expect(page.get_by_test_id("bulk-plan")).to_contain_text("2 scenes would change.")
    await dialog.get_by_label("Tags").fill("new")
    await dialog.get_by_role("button", name="Show what would change").click()
    await dialog.get_by_role("button", name="Change 2 scenes").click()
    await expect(dialog).to_have_count(0)
    await expect(page.locator("[row-id='r0'] [col-id='tags']")).to_have_text("new")
    assert source.rows["r1"]["tags"] == ["night", "new"]
    assert shown.problems == []
