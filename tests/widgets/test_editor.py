import asyncio

import pytest

from workbench.widgets import Editor
from workbench.widgets.source import StoredRow


@pytest.fixture
async def editor(source, browse):
    editor = Editor(source, noun="scene", plural="scenes")
    editor.browser = browse(editor.grid)
    editor.asked = browse(editor.messages)
    await editor.browser.ask("page", start=0, count=100)
    return editor


async def choose(editor, id):
    editor.grid.active = id
    await editor.tasks.settled()


async def type_and_save(editor, field, text):
    editor.form.fields[field].control.value = text
    editor.form.save_button.click()
    await editor.form.tasks.settled()


async def test_choosing_a_row_loads_it_into_the_form(editor):
    await choose(editor, "r7")
    assert editor.form.fields["name"].control.value == "Scene 7"
    assert editor.form.fields["locationid"].control.label == "Dunsinane 7"
    assert editor.form.heading.value == "Scene 7"


async def test_saving_in_the_form_shows_the_row_in_the_grid(editor, source):
    await choose(editor, "r7")
    await type_and_save(editor, "name", "From the form")
    assert source.rows["r7"]["name"] == "From the form"
    assert editor.browser.messages[-1]["row"]["name"] == "From the form"


async def test_saving_in_the_grid_shows_the_row_in_the_form(editor):
    await choose(editor, "r7")
    await editor.browser.ask("save", id="r7", version=1, changes={"name": "From the grid"})
    assert editor.form.fields["name"].control.value == "From the grid"
    await type_and_save(editor, "position", "3")
    assert editor.form.model.status == "saved"


async def test_a_grid_edit_of_a_field_typed_in_the_form_opens_a_conflict(editor):
    await choose(editor, "r7")
    editor.form.fields["name"].control.value = "Typed"
    await editor.browser.ask("save", id="r7", version=1, changes={"name": "From the grid"})
    field = editor.form.fields["name"]
    assert (field.control.value, field.theirs.value) == ("Typed", "Stored now: From the grid")
    assert editor.form.save_button.disabled


async def test_a_refused_value_is_explained_beside_its_field(editor):
    await choose(editor, "r7")
    await type_and_save(editor, "name", "Scene 0")
    assert "Another scene" in editor.form.fields["name"].problem.value


async def test_a_refused_save_leads_to_the_first_field_that_is_marked(editor, source, browse):
    heard = browse(editor.form.style_sheet).messages
    await choose(editor, "r7")
    editor.form.fields["position"].control.value = "0"
    await type_and_save(editor, "attributes", "{")
    assert heard == [{"t": "lead", "field": "position", "marked": True}]
    editor.form.save_button.click()  # again: whoever scrolled away is led back
    await editor.form.tasks.settled()
    assert len(heard) == 2


async def test_a_stale_save_leads_to_the_choice_between_two_values(editor, source, browse):
    heard = browse(editor.form.style_sheet).messages
    await choose(editor, "r7")
    source.rows["r7"] = StoredRow({**source.rows["r7"], "description": "Theirs", "version": 2})
    await type_and_save(editor, "description", "Mine")
    assert heard == [{"t": "lead", "field": "description", "marked": True}]


async def test_a_settled_conflict_leads_to_the_next_and_the_last_one_to_its_field(
    editor, source, browse
):
    await choose(editor, "r7")
    theirs = {"kind": "dream", "tags": ["theirs"], "version": 2}
    source.rows["r7"] = StoredRow({**source.rows["r7"], **theirs})
    editor.form.fields["kind"].control.value = "indoors"
    await type_and_save(editor, "tags", "mine")
    heard = browse(editor.form.style_sheet).messages
    editor.form.model.resolve("kind", mine=True)
    assert heard.pop() == {"t": "lead", "field": "tags", "marked": True}
    editor.form.model.resolve("tags", mine=False)
    assert heard == [{"t": "lead", "field": "tags", "marked": False}]


async def test_an_empty_choice_is_no_value(editor, source):
    await choose(editor, "r7")
    await type_and_save(editor, "kind", "")
    assert source.rows["r7"]["kind"] is None


async def test_a_removed_row_leaves_the_form(editor):
    await choose(editor, "r7")
    await editor.browser.ask("remove", ids=["r7"])
    assert editor.form.model.status == "empty"


@pytest.mark.parametrize(
    ("answer", "shown"), [("agree", "Scene 8"), ("refuse", "Scene 7"), ("", "Scene 7")]
)
async def test_unsaved_changes_are_left_only_on_request(editor, answer, shown):
    await choose(editor, "r7")
    editor.form.fields["name"].control.value = "Typed"
    choice = editor.tasks.start(editor.choose("r8"))
    while not editor.asked.messages:
        await editor.messages.tasks.settled()
        await asyncio.sleep(0)
    await editor.asked.ask("answer", id=editor.asked.messages[-1]["id"], answer=answer)
    await choice
    assert editor.form.heading.value == shown


async def test_script_in_a_name_stays_text(editor, source):
    await choose(editor, "r7")
    await type_and_save(editor, "name", "<script>alert(1)</script>")
    assert editor.form.heading.value == "<script>alert(1)</script>"
    assert type(editor.form.heading).__name__ == "Label"


async def test_a_row_that_may_not_be_changed_is_shown_as_text(editor, source):
    source.rows["r3"]["__fixed"] = True
    source.rows["r3"] |= {"name": "<b>Ghost</b>", "tags": ["night", "storm"]}
    await editor.browser.ask("page", start=0, count=100)
    await choose(editor, "r3")
    form = editor.form
    assert form.heading.value == "<b>Ghost</b>"
    assert form.body.layout.display == "none"  # no field, no Save
    assert text(form) == {
        "Kind": "indoors",
        "Location": "Elsinore 3 (in the trash)",
        "Position": "4",
        "Open": "No",
        "Tags": "night, storm",
        "Description": "What happens in scene 3.",
        "Changed": "2026-11-21 08:00 UTC",
    }
    await choose(editor, "r4")
    assert (form.body.layout.display, text(form)) == (None, {})


async def test_one_field_may_be_fixed_in_a_row(editor, source):
    source.rows["r3"]["__fixed"] = ["open", "locationid"]
    await editor.browser.ask("page", start=0, count=100)
    await choose(editor, "r3")
    fields = editor.form.fields
    fixed = {name for name, field in fields.items() if field.control.disabled}
    assert fixed == {"open", "locationid", "updated_at"}
    assert editor.form.body.layout.display is None
    await choose(editor, "r4")
    assert not fields["open"].control.disabled


def text(form):
    """Return what a form that is only read says, by title."""
    return {
        described["children"][0]["text"]: described["children"][1]["text"]
        for node in form.reading.nodes
        for described in node.get("children", ())
    }


async def test_a_row_that_somebody_else_changed_is_told_in_the_form_and_shown_in_the_grid(
    editor, source
):
    await choose(editor, "r7")
    await source.save("r7", 1, {"name": "Theirs"})

    async def who(id):
        return f"ann, of {id}"

    await editor.changed_elsewhere({"r7", "r8"}, who)
    assert editor.browser.messages[-1]["row"]["name"] == "Theirs"
    form = editor.form
    assert form.told.value == "ann, of r7 changed Name meanwhile."
    assert form.fields["name"].control.value == "Scene 7"
    form.show_newer.click()
    assert form.fields["name"].control.value == "Theirs"
    assert form.news.layout.display == "none"


async def test_rows_that_others_changed_off_screen_are_not_fetched(editor, source):
    asked = []
    stored = source.stored

    async def noted(ids):
        asked.extend(ids)
        return await stored(ids)

    source.stored = noted
    await editor.changed_elsewhere({"r7", "r99999"})
    assert asked == ["r7"]


async def test_a_row_that_somebody_else_removed_is_told_in_the_form(editor, source):
    await choose(editor, "r7")
    await source.remove(["r7"])
    await editor.changed_elsewhere(None)
    assert editor.browser.messages[-1]["t"] == "refresh"
    assert editor.form.told.value == "Somebody removed this scene."
    assert editor.form.fields["name"].control.value == "Scene 7"
