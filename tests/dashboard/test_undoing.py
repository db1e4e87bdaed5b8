"""Undo and redo of what one's own pages did, step by step."""

from __future__ import annotations

import asyncio

import pytest

from workbench.dashboard.undoing import Undoing

NOTHING = "There is nothing of yours to undo since this page was opened."


@pytest.fixture
async def at_the_dashboard(wb):
    """A world, with a dashboard open: changes of this program are its from now on."""
    world = await wb.worlds.add(name="Denmark")
    hamlet = await wb.personas.add(name="HAMLET", kind="prince", worldid=world.id)
    wb.database.provenance.where = lambda: "dashboard, world"
    steps = Undoing(wb)
    await steps.begin()
    return steps, hamlet


async def kinds(wb, persona):
    return (await wb.personas.get(persona.id)).kind


async def turn(wb, persona, kind):
    await wb.personas.update(await wb.personas.get(persona.id), kind=kind)


async def test_steps_go_back_and_forth_in_their_order(wb, at_the_dashboard):
    steps, hamlet = at_the_dashboard
    assert await steps.undo() == NOTHING
    for kind in ("king", "ghost"):
        await turn(wb, hamlet, kind)
    said = await steps.undo()
    assert said == "Undone (1 changed: personas). Changed back: 1 persona."
    assert await kinds(wb, hamlet) == "king"
    await steps.undo()
    assert await kinds(wb, hamlet) == "prince"
    assert await steps.undo() == NOTHING
    await steps.redo()
    assert await kinds(wb, hamlet) == "king"
    await steps.undo()
    assert await kinds(wb, hamlet) == "prince"
    await steps.redo()
    assert (await steps.redo()).startswith("Done again")
    assert await kinds(wb, hamlet) == "ghost"
    assert await steps.redo() == "There is nothing to do again."


async def test_a_key_pressed_twice_in_haste_goes_two_steps(wb, at_the_dashboard):
    steps, hamlet = at_the_dashboard
    for kind in ("king", "ghost"):
        await turn(wb, hamlet, kind)
    await asyncio.gather(steps.undo(), steps.undo())
    assert await kinds(wb, hamlet) == "prince"


async def test_after_a_new_change_nothing_is_done_again(wb, at_the_dashboard):
    steps, hamlet = at_the_dashboard
    await turn(wb, hamlet, "king")
    await steps.undo()
    await turn(wb, hamlet, "ghost")
    assert await steps.redo() == "There is nothing to do again."
    await steps.undo()
    assert await kinds(wb, hamlet) == "prince"


async def test_what_others_or_notebooks_did_is_left_alone(wb, sign_in, at_the_dashboard):
    steps, hamlet = at_the_dashboard
    eve = await sign_in("eve")
    await wb.share(hamlet.worldid, "eve@example.org", role="editor")
    eve.database.provenance.where = lambda: "dashboard, world"
    await turn(eve, hamlet, "hers")
    wb.database.provenance.where = lambda: "notebook"
    await wb.personas.add(name="OPHELIA", worldid=hamlet.worldid)
    wb.database.provenance.where = lambda: "dashboard, world"
    said = [await steps.undo(), await steps.undo()]
    assert said[0].startswith("Undone (1 added: world members)")  # the share was from here
    assert said[1] == NOTHING
    assert await kinds(wb, hamlet) == "hers"
    assert await wb.personas.count(world=hamlet.worldid) == 2


async def test_a_later_edit_of_somebody_else_stays_and_is_told(wb, sign_in, at_the_dashboard):
    steps, hamlet = at_the_dashboard
    eve = await sign_in("eve")
    async with wb.transaction(reason="a new rank"):
        await turn(wb, hamlet, "king")
    wb.database.provenance.where = lambda: "notebook"
    await wb.share(hamlet.worldid, "eve@example.org", role="editor")
    await turn(eve, hamlet, "hers")
    said = await steps.undo()
    assert said == (
        "Undone (a new rank). Nothing was left to undo. 1 later edit or other thing stays."
    )
    assert await kinds(wb, hamlet) == "hers"
