"""What the palette finds, and for whom."""

from __future__ import annotations

import pytest

from workbench.dashboard.finding import places


@pytest.fixture
async def denmark(wb):
    world = await wb.worlds.add(name="Denmark")
    story = await wb.stories.add(name="Hamlet", worldid=world.id)
    act = await wb.acts.add(name="Act I", storyid=story.id)
    await wb.scenes.add(name="The ghost of Hamlet", actid=act.id)
    for name in ("HAMLET", "HAMLET THE ELDER", "Ophelia"):
        await wb.personas.add(name=name, worldid=world.id)
    return world


async def labels(wb, world, term):
    return [one.label for one in await places(wb, world, term, member=True)]


async def test_records_of_every_entity_are_found_those_that_begin_so_first(wb, denmark):
    found = await places(wb, denmark, "hamlet", member=True)
    assert [(one.label, one.detail) for one in found] == [
        ("Hamlet", "story"),
        ("HAMLET", "persona"),
        ("HAMLET THE ELDER", "persona"),
        ("The ghost of Hamlet", "scene"),
    ]
    assert await labels(wb, denmark, "elder ham") == ["HAMLET THE ELDER"]


async def test_what_is_misspelt_is_found_by_likeness_and_said_to_be(wb, denmark):
    (found,) = await places(wb, denmark, "Ofelia", member=True)
    assert (found.label, found.detail) == ("Ophelia", "persona · is like it")


async def test_pages_are_found_by_their_titles_and_all_of_them_without_a_word(wb, denmark):
    assert "Overview" in await labels(wb, denmark, "")
    assert await labels(wb, denmark, "tras") == ["Trash"]
    assert "Members" not in [one.label for one in await places(wb, denmark, "", member=False)]


async def test_outside_of_a_world_all_that_one_reads_are_searched(wb, sign_in, denmark):
    eve = await sign_in("eve")
    assert await labels(eve, None, "hamlet") == []
    await wb.share(denmark, "eve@example.org")
    found = await places(eve, None, "ophelia", member=False)
    assert [(one.label, one.detail) for one in found] == [("Ophelia", "persona · Denmark")]
    (world,) = await places(eve, None, "denm", member=False)
    assert world.value == f"world/{denmark.id}"


@pytest.mark.parametrize("term", ["%", "_", "\\", "a\x00b", "' OR 1=1", "x" * 5000])
async def test_odd_words_find_nothing_and_break_nothing(wb, denmark, term):
    assert await labels(wb, denmark, term) == []


async def test_what_is_in_the_trash_is_not_found(wb, denmark):
    await wb.personas.remove(await wb.personas.get(name="Ophelia", world=denmark))
    assert await labels(wb, denmark, "ophelia") == []
