"""Filters by what lies above a row."""

from __future__ import annotations

import pytest

from workbench.errors import UnknownField
from workbench.workspace import Workspace


async def two_stories(wb: Workspace) -> None:
    world = await wb.worlds.add(name="W")
    persona = await wb.personas.add(name="P", world=world)
    for title in ("One", "Two"):
        story = await wb.stories.add(name=title, world=world)
        act = await wb.acts.add(name="Act I", story=story)
        scene = await wb.scenes.add(name=f"Scene of {title}", act=act)
        await wb.scene_personas.add(sceneid=scene.id, personaid=persona.id)


async def test_scenes_and_their_cast_are_found_by_the_story(wb: Workspace):
    await two_stories(wb)
    assert [s.name for s in await wb.scenes.find(story="Two", act="Act I")] == ["Scene of Two"]
    assert await wb.scene_personas.count(story="One") == 1
    assert await wb.scene_personas.count(story__ne="Three") == 2
    assert len(await wb.scene_personas.frame(world="W", story="Two", act="Act I")) == 1


async def test_a_story_in_the_trash_finds_nothing(wb: Workspace):
    await two_stories(wb)
    await wb.stories.remove(await wb.stories.get(name="Two", world="W"))
    assert await wb.scenes.count(story="Two") == 0


async def test_a_persona_lies_in_no_story(wb: Workspace):
    with pytest.raises(UnknownField):
        await wb.personas.count(story="One")
