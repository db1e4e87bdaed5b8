import asyncio

import pytest
from fake_source import FakeSource

from workbench.entities.fields import Number, Text, Whole
from workbench.widgets.entry import complaint
from workbench.widgets.form_model import FormModel
from workbench.widgets.source import Column, StoredRow


@pytest.fixture
def model(source: FakeSource) -> FormModel:
    model = FormModel(source.columns)
    model.load(source.rows["r1"])
    return model


def test_only_what_differs_from_the_stored_row_is_a_change(model):
    model.enter("name", "The Ghost")
    model.enter("position", "9")
    model.enter("position", "2")
    assert model.changes() == {"name": "The Ghost"}


@pytest.mark.parametrize(
    ("field", "text", "problem"),
    [
        ("position", "four", "not a number"),
        ("position", "1.5", "not a whole number"),
        ("position", "nan", "not a number"),
        ("position", "0", "at least 1"),
        ("name", "  ", "must not be empty"),
        ("name", "x" * 256, "at most 255"),
        ("attributes", "{", "not valid JSON"),
    ],
)
async def test_text_that_is_no_value_is_kept_and_explained(model, source, field, text, problem):
    model.enter(field, text)
    assert problem in model.problems[field]
    assert await model.save(source) is None
    assert model.status == "refused"
    assert source.rows["r1"].version == 1


@pytest.mark.parametrize(
    ("kind", "column", "value"),
    [
        (Whole(minimum=1), Column("a", "A", "integer", minimum=1), 0),
        (Whole(maximum=9), Column("a", "A", "integer", maximum=9), 10),
        (Number(minimum=0.5), Column("a", "A", "number", minimum=0.5), 0.25),
        (Number(maximum=1.5), Column("a", "A", "number", maximum=1.5), 2.0),
        (Text(max_length=3), Column("a", "A", max_length=3), "four"),
        (Text(blank=False), Column("a", "A", required=True), None),
    ],
)
def test_a_form_says_what_an_import_says_of_the_same_value(kind, column, value):
    assert complaint(column, value) == kind.problem(value) != ""


async def test_a_mended_field_loses_its_problem_and_is_saved(model, source):
    model.enter("position", "four")
    model.enter("position", "4")
    row = await model.save(source)
    assert row["position"] == 4
    assert (model.status, model.problems, model.dirty) == ("saved", {}, False)


async def test_saving_an_untouched_form_writes_nothing(model, source):
    await model.save(source)
    assert source.rows["r1"].version == 1


async def test_a_refusal_stands_beside_its_field_and_the_typed_value_stays(model, source):
    model.enter("name", "Scene 0")
    assert await model.save(source) is None
    assert model.problems == {"name": "Another scene is named 'Scene 0'."}
    assert model.values["name"] == "Scene 0"


async def test_a_stale_save_overwrites_nothing_and_shows_the_stored_value(model, source):
    source.rows["r1"] = StoredRow({**source.rows["r1"], "name": "Theirs", "version": 2})
    model.enter("name", "Mine")
    assert await model.save(source) is None
    assert source.rows["r1"]["name"] == "Theirs"
    assert model.conflicts == {"name": "Theirs"}
    assert model.values["name"] == "Mine"


@pytest.mark.parametrize(("mine", "kept"), [(True, "Mine"), (False, "Theirs")])
async def test_a_conflict_is_settled_by_choosing_a_value(model, source, mine, kept):
    source.rows["r1"] = StoredRow({**source.rows["r1"], "name": "Theirs", "version": 2})
    model.enter("name", "Mine")
    model.enter("tags", "rain")
    await model.save(source)
    model.resolve("name", mine=mine)
    await model.save(source)
    assert (source.rows["r1"]["name"], source.rows["r1"]["tags"]) == (kept, ["rain"])


async def test_nothing_is_saved_while_a_conflict_is_open(model, source):
    source.rows["r1"] = StoredRow({**source.rows["r1"], "name": "Theirs", "version": 2})
    model.enter("name", "Mine")
    await model.save(source)
    assert await model.save(source) is None
    assert source.rows["r1"]["name"] == "Theirs"


async def test_a_stale_save_without_a_clash_keeps_both_changes(model, source):
    source.rows["r1"] = StoredRow({**source.rows["r1"], "kind": "dream", "version": 2})
    model.enter("name", "Mine")
    assert await model.save(source) is None
    assert (model.conflicts, model.values["kind"]) == ({}, "dream")
    await model.save(source)
    assert (source.rows["r1"]["name"], source.rows["r1"]["kind"]) == ("Mine", "dream")


async def test_an_unreachable_store_loses_nothing_that_was_typed(model, source):
    model.enter("name", "Mine")
    source.down = True
    await model.save(source)
    assert "does not answer" in model.message
    source.down = False
    await model.save(source)
    assert source.rows["r1"]["name"] == "Mine"


async def test_an_unexpected_error_is_told_without_its_details(model, source, caplog):
    async def broken(*_):
        raise RuntimeError("password=hunter2")

    source.save = broken
    model.enter("name", "Mine")
    await model.save(source)
    assert "hunter2" not in model.message
    assert "hunter2" in caplog.text


async def test_what_is_typed_during_a_save_stays_as_a_change(model, source):
    stored, gate = source.save, asyncio.Event()

    async def slow(*given):
        await gate.wait()
        return await stored(*given)

    source.save = slow
    model.enter("name", "First")
    saving = asyncio.ensure_future(model.save(source))
    await asyncio.sleep(0)
    model.enter("position", "7")
    gate.set()
    await saving
    assert model.changes() == {"position": 7}
    assert model.stored["name"] == "First"


def test_revert_brings_back_the_stored_values(model):
    model.enter("name", "Mine")
    model.enter("position", "x")
    model.revert()
    assert (model.values["name"], model.problems, model.status) == ("Scene 1", {}, "clean")


def test_fields_that_are_fixed_in_a_row_may_not_be_changed(model, source):
    position = next(c for c in source.columns if c.field == "position")
    model.load({**source.rows["r1"], "__fixed": ["position"]})
    assert (model.may_change(position), model.read_only) == (False, False)
    model.load({**source.rows["r1"], "__fixed": True})
    assert model.read_only
    model.load(source.rows["r1"])
    assert (model.may_change(position), model.read_only) == (True, False)


def test_who_loses_a_right_while_typing_loses_nothing_typed(model, source):
    model.enter("name", "Typed")
    model.merge({**source.rows["r1"], "version": 2, "__fixed": True})
    assert (model.changes(), model.read_only) == ({"name": "Typed"}, False)


def elsewhere(model, **changes):
    return {**model.stored, **changes, "version": model.stored["version"] + 1}


async def test_what_somebody_else_stored_is_told_and_shown_when_asked_for(model):
    model.changed_elsewhere(elsewhere(model, name="Theirs"), "ann@example.org")
    assert model.values["name"] == model.stored["name"] != "Theirs"
    assert [column.field for column in model.changed_columns] == ["name"]
    model.show_newer()
    assert (model.values["name"], model.newer, model.status) == ("Theirs", {}, "clean")


async def test_what_is_typed_stays_when_somebody_elses_text_is_shown(model):
    model.enter("name", "Mine")
    model.changed_elsewhere(elsewhere(model, name="Theirs", description="Theirs too"))
    assert model.values["name"] == "Mine"
    model.show_newer()
    assert (model.values["name"], model.values["description"]) == ("Mine", "Theirs too")
    assert model.conflicts == {"name": "Theirs"}


async def test_ones_own_save_is_no_news(model, source):
    model.enter("name", "Mine")
    model.changed_elsewhere(elsewhere(model, name="Mine"))
    await model.save(source)
    assert (model.newer, model.changed_columns) == ({}, [])
    model.changed_elsewhere(dict(model.stored))
    assert model.newer == {}


async def test_a_row_that_somebody_removed_keeps_what_is_typed(model):
    model.enter("name", "Mine")
    model.changed_elsewhere(None)
    assert (model.gone, model.values["name"]) == (True, "Mine")
    model.load({**model.stored, "id": "r8"})
    assert not model.gone


async def test_changes_of_two_to_one_text_are_combined_where_they_do_not_touch(model):
    model.enter("description", "What will happen in scene 1.")
    model.enter("tags", "night, dawn")
    model.enter("name", "Mine")
    model.changed_elsewhere(
        elsewhere(model, description="What happens in scene 1. Much.", tags=["sea"], name="Theirs")
    )
    model.show_newer()
    assert set(model.conflicts) == {"description", "tags", "name"}
    assert set(model.combined) == {"description", "tags"}
    model.combine("description")
    assert model.values["description"] == "What will happen in scene 1. Much."
    model.resolve("name", mine=True)
    model.combine("tags")
    assert (model.values["tags"], model.status) == (["sea", "dawn"], "dirty")


async def test_a_third_version_is_combined_with_what_both_began_with(model):
    model.enter("description", "What will happen in scene 1.")
    model.merge(elsewhere(model, description="What happens in scene 1, the first."))
    model.merge(elsewhere(model, description="What happens in scene 1, the first one."))
    assert model.combined["description"] == "What will happen in scene 1, the first one."


def test_a_conflict_stays_open_when_something_else_of_the_row_changes(model):
    model.enter("description", "mine")
    model.merge(elsewhere(model, description="theirs"))
    assert model.conflicts == {"description": "theirs"}
    model.changed_elsewhere(elsewhere(model, position=7))
    model.show_newer()
    assert model.conflicts == {"description": "theirs"}
    assert model.status == "refused"
    model.merge(elsewhere(model, description="mine"))
    assert model.conflicts == {}
