"""A small world with some of everything, made in one changeset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from workbench.workspace import Workspace


@dataclass
class Made:
    """Records of the world, as they were when it was made."""

    world: Any
    story: Any
    act: Any
    scene: Any
    castle: Any
    hall: Any
    hamlet: Any
    ophelia: Any
    cast: Any
    relation: Any


@pytest.fixture
async def denmark(wb: Workspace) -> Made:
    async with wb.transaction(reason="beginning"):
        world = await wb.worlds.add(name="Denmark")
        story = await wb.stories.add(name="Hamlet", worldid=world.id)
        act = await wb.acts.add(name="Act I", storyid=story.id)
        scene = await wb.scenes.add(name="Scene 1", actid=act.id, text="Who's there?")
        castle = await wb.locations.add(name="Elsinore", worldid=world.id)
        hall = await wb.locations.add(name="Hall", worldid=world.id, parentid=castle.id)
        hamlet = await wb.personas.add(
            name="HAMLET", worldid=world.id, tags=["prince"], attributes={"age": 30}
        )
        ophelia = await wb.personas.add(name="OPHELIA", worldid=world.id)
        cast = await wb.scene_personas.add(sceneid=scene.id, personaid=hamlet.id, words=7)
        relation = await wb.persona_relations.add(
            personaid=hamlet.id, otherid=ophelia.id, kind="loves"
        )
    return Made(world, story, act, scene, castle, hall, hamlet, ophelia, cast, relation)


async def moment_of(wb: Workspace) -> Any:
    """The database's own clock, between what was done before and what comes after."""
    from sqlalchemy import text

    async with wb.database.reading() as connection:
        return await connection.scalar(text("SELECT clock_timestamp()"))


@pytest.fixture
def now(wb: Workspace) -> Any:
    async def ask() -> Any:
        return await moment_of(wb)

    return ask
