"""Cells of a spreadsheet, pasted into a grid over a real repository."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from workbench.editing import RepositorySource
from workbench.errors import InvalidDraft, NotAllowed, PlanMoved
from workbench.widgets.grid import Grid


@pytest.fixture
async def denmark(wb):
    return await wb.worlds.add(name="Denmark")


@pytest.fixture
async def personas(wb, denmark):
    await wb.personas.add_many(
        {"name": f"P{n}", "kind": "guard", "tags": ["x"], "worldid": denmark.id} for n in range(5)
    )
    return Grid(RepositorySource(wb.personas, denmark.id), noun="persona", plural="personas")


async def paste(
    grid: Grid, text: str, *, start: int = 0, fields: Any = (), seen: int = 1, **asked: Any
) -> Any:
    cells = [line.split("|") for line in text.split("\n")]
    given = {"cells": cells, "start": start, "fields": list(fields), **asked}
    if "ids" not in asked:
        shown = (await grid.operations()["page"]({**given, "count": seen}))["rows"]
        given["ids"] = [row["id"] for row in shown]
    plan = await grid.operations()["paste"](given)
    grid.number = plan["number"]
    return plan


async def now(grid: Grid) -> None:
    await grid.operations()["paste_now"]({"number": grid.number})


async def kinds(wb, world) -> dict[str, str | None]:
    found = (await wb.personas.find(world=world, limit=100)).records
    return {one.name: one.kind for one in found}


async def test_cells_lie_over_the_rows_from_the_focused_one_on(wb, denmark, personas):
    plan = await paste(personas, "king|a, b\n|", start=1, fields=["kind", "tags", "description"])
    assert (plan["changed"], plan["added"], plan["problems"]) == (2, 0, [])
    assert ["P1", "kind", "guard", "king"] in plan["shown"]
    assert await kinds(wb, denmark) == dict.fromkeys([f"P{n}" for n in range(5)], "guard")
    await now(personas)
    found = await kinds(wb, denmark)
    assert (found["P0"], found["P1"], found["P2"], found["P3"]) == ("guard", "king", None, "guard")
    assert (await wb.personas.find(name="P1", world=denmark)).records[0].tags == ["a", "b"]


async def test_they_lie_over_the_rows_as_these_are_filtered_and_sorted(wb, denmark, personas):
    asked = {"sort": [{"field": "name", "descending": True}], "search": "p"}
    await wb.personas.add(name="Z", worldid=denmark.id)
    await paste(personas, "a\nb", fields=["kind"], **asked)
    await now(personas)
    found = await kinds(wb, denmark)
    assert (found["Z"], found["P4"], found["P3"], found["P0"]) == (None, "a", "b", "guard")


async def test_cells_below_the_last_row_make_new_rows(wb, denmark, personas):
    plan = await paste(personas, "P4|thief\nP5|new", start=4, fields=["name", "kind"])
    assert (plan["changed"], plan["added"], plan["names"]) == (1, 1, ["P5"])
    await now(personas)
    assert (await kinds(wb, denmark))["P5"] == "new"
    assert (await kinds(wb, denmark))["P4"] == "thief"


async def test_names_of_columns_above_tell_which_rows_are_meant(wb, denmark, personas):
    plan = await paste(personas, "Kind|Name|Changed\nking|P3|today\nqueen|Gertrude|", start=0)
    assert (plan["changed"], plan["added"], plan["unchanged"]) == (1, 1, 0)
    await now(personas)
    found = await kinds(wb, denmark)
    assert (found["P3"], found["Gertrude"], found["P0"]) == ("king", "queen", "guard")


async def test_references_are_pasted_by_name_into_the_world_of_the_grid(wb, denmark):
    story = await wb.stories.add(name="Hamlet", worldid=denmark.id)
    act = await wb.acts.add(name="Act I", storyid=story.id)
    scene = await wb.scenes.add(name="Scene 1", actid=act.id)
    castle = await wb.locations.add(name="Elsinore", worldid=denmark.id)
    await wb.worlds.add(name="Elsewhere")
    grid = Grid(RepositorySource(wb.scenes, denmark.id))
    plan = await paste(grid, "Elsinor", fields=["locationid"])
    assert plan["problems"] == [
        "Line 1, location: There is no location 'Elsinor' in the world 'Denmark'. "
        "Did you mean 'Elsinore'?"
    ]
    await paste(grid, "Elsinore", fields=["locationid"])
    await now(grid)
    assert (await wb.scenes.get(scene.id)).locationid == castle.id
    await paste(grid, "Story|Act|Name|Location\nHamlet|Act I|Scene 2|Elsinore")
    await now(grid)
    added = (await wb.scenes.find(name="Scene 2", world=denmark)).records[0]
    assert (added.actid, added.locationid) == (act.id, castle.id)


async def test_what_a_grid_shows_is_found_again_by_the_words_that_it_shows(wb, denmark):
    """References are shown by their display names, and an act without its story."""
    stories = [await wb.stories.add(name=n, worldid=denmark.id) for n in ("Hamlet", "Amleth")]
    acts = [await wb.acts.add(name=f"Act {n}", storyid=s.id) for n, s in enumerate(stories)]
    scene = await wb.scenes.add(name="Scene 1", actid=acts[0].id)
    castle = await wb.locations.add(name="kronborg", display_name="Elsinore", worldid=denmark.id)
    other = await wb.locations.add(name="Elsinore", display_name="The town", worldid=denmark.id)
    grid = Grid(RepositorySource(wb.scenes, denmark.id))
    text = "Name|Act|Location\nScene 1|Act 0|Elsinore\nScene 2|Act 1|The town"
    plan = await paste(grid, text)
    assert (plan["changed"], plan["added"], plan["problems"]) == (1, 1, [])
    await now(grid)
    assert (await wb.scenes.get(scene.id)).locationid == castle.id
    added = (await wb.scenes.find(name="Scene 2", world=denmark)).records[0]
    assert (added.actid, added.locationid) == (acts[1].id, other.id)
    await paste(grid, "Act 1|kronborg", fields=["actid", "locationid"])
    await now(grid)
    moved = await wb.scenes.get(scene.id)
    assert (moved.actid, moved.locationid) == (acts[1].id, castle.id)


async def test_words_that_stand_for_several_records_or_for_none_are_refused(wb, denmark):
    for name in ("Hamlet", "Amleth"):
        story = await wb.stories.add(name=name, worldid=denmark.id)
        act = await wb.acts.add(name="Act I", storyid=story.id)
    await wb.scenes.add(name="Scene 1", actid=act.id)
    grid = Grid(RepositorySource(wb.scenes, denmark.id))
    with pytest.raises(InvalidDraft, match=r"2 acts are called “Act I”.*columns for story and act"):
        await paste(grid, "Name|Act\nScene 2|Act I")
    with pytest.raises(InvalidDraft, match="no act is called “Act V”"):
        await paste(grid, "Act V", fields=["actid"])


async def test_a_text_that_was_kept_from_being_a_formula_comes_back(wb, denmark, personas):
    await paste(personas, "'=1+1\n'tis", fields=["kind"])
    await now(personas)
    found = await kinds(wb, denmark)
    assert (found["P0"], found["P1"]) == ("=1+1", "'tis")


async def test_what_moved_since_it_was_shown_is_refused_whole(wb, denmark, personas):
    await paste(personas, "king\nqueen", fields=["kind"])
    other = (await wb.personas.find(name="P1", world=denmark)).records[0]
    await wb.personas.update(other.id, {"kind": "ghost"}, version=other.version)
    with pytest.raises(PlanMoved):
        await now(personas)
    found = await kinds(wb, denmark)
    assert (found["P0"], found["P1"]) == ("guard", "ghost")


async def test_cells_go_into_the_rows_that_are_in_sight_wherever_these_have_moved(
    wb, denmark, personas
):
    seen = [one.id for one in (await wb.personas.find(world=denmark, limit=5)).records]
    await wb.personas.add(name="A0", worldid=denmark.id)
    first = await wb.personas.get(seen[1])
    await wb.personas.update(first.id, {"name": "Zed"}, version=first.version)
    await paste(
        personas, "king\nqueen", start=1, ids=[str(id) for id in seen[1:3]], fields=["kind"]
    )
    await now(personas)
    found = await kinds(wb, denmark)
    assert (found["Zed"], found["P2"], found["P3"]) == ("king", "queen", "guard")


async def test_rows_below_those_in_sight_must_follow_them_still(wb, denmark, personas):
    seen = [one.id for one in (await wb.personas.find(world=denmark, limit=5)).records]
    await wb.personas.add(name="A0", worldid=denmark.id)
    with pytest.raises(InvalidDraft, match="moved"):
        await paste(personas, "a\nb\nc", start=0, ids=[str(seen[0])], fields=["kind"])
    await wb.personas.remove(seen[0])
    with pytest.raises(InvalidDraft, match="moved"):
        await paste(personas, "a", start=0, ids=[str(seen[0])], fields=["kind"])


async def test_what_is_done_is_what_was_looked_at(wb, denmark, personas):
    looked_at = await paste(personas, "king", fields=["kind"])
    await paste(personas, "queen", start=2, fields=["kind"])
    with pytest.raises(InvalidDraft, match="Something else was pasted"):
        await personas.operations()["paste_now"]({"number": looked_at["number"]})
    assert set((await kinds(wb, denmark)).values()) == {"guard"}


async def test_a_plan_is_carried_out_once(wb, denmark, personas):
    await paste(personas, "king", fields=["kind"])
    await now(personas)
    with pytest.raises(InvalidDraft, match="Paste again"):
        await now(personas)


async def test_pasted_rows_are_one_changeset_that_can_be_undone(wb, denmark, personas):
    await paste(personas, "king\nqueen", fields=["kind"])
    await now(personas)
    done = (await wb.changesets(world=denmark)).iloc[0]
    assert (done["reason"], done["updated"]) == ("pasted from a spreadsheet", 2)
    await wb.undo(done["changeset"])
    assert set((await kinds(wb, denmark)).values()) == {"guard"}


@pytest.mark.parametrize(
    ("text", "fields", "says"),
    [
        ("a|b", ["kind"], "2 columns wide; there are 1"),
        ("a", ["updated_at"], "Changed cannot be edited"),
        ("\n".join(["a"] * 10_001), ["kind"], "At most 10,000 lines"),
        ("|" * 200, ["kind"], "lines of 200 cells"),
        ("Name|name|Kind\nP1|P2|queen", (), "Two columns are called name"),
    ],
)
async def test_cells_that_do_not_fit_are_refused(personas, text, fields, says):
    with pytest.raises(InvalidDraft, match=says):
        await paste(personas, text, fields=fields)


async def test_a_wide_line_takes_no_memory_for_the_short_ones(personas):
    cells = [["a"]] * 9_999 + [["b"] * 200_000]
    given = {"cells": cells, "start": 0, "ids": [], "fields": ["kind"]}
    tracemalloc.start()
    try:
        with pytest.raises(InvalidDraft, match="Import them as a file"):
            await personas.operations()["paste"](given)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


async def test_a_viewer_pastes_nothing(wb, denmark, personas, sign_in):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org")
    grid = Grid(RepositorySource(eve.personas, denmark.id))
    plan = await paste(grid, "king", fields=["kind"])
    assert "Ask" in plan["problems"][0]
    with pytest.raises(NotAllowed):
        await now(grid)
    assert set((await kinds(wb, denmark)).values()) == {"guard"}


async def test_a_stranger_changes_nothing_by_the_ids_of_rows(wb, denmark, personas, sign_in):
    eve = await sign_in("eve")
    own = await eve.worlds.add(name="Hers")
    one = (await wb.personas.find(name="P1", world=denmark)).records[0]
    source = RepositorySource(eve.personas, own.id)
    row = {"id": str(one.id), "name": "P1", "worldid": str(denmark.id)}
    plan = await source.paste([["king"]], fields=["kind"], rows=[row])
    assert plan.changed == 0
    assert plan.problems
    assert set((await kinds(wb, denmark)).values()) == {"guard"}
