"""A world with people in it, and somebody else who edits it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from workbench.entities.world import World
from workbench.workspace import Workspace

SignIn = Callable[..., Awaitable[Workspace]]


@pytest.fixture
async def denmark(wb: Workspace) -> World:
    """A world with five personae, two places, and a play of two scenes."""
    world = await wb.worlds.add(name="Denmark")
    people: list[dict[str, Any]] = [
        {"name": "Hamlet", "kind": "prince", "tags": ["black", "sad"]},
        {"name": "Ophelia", "kind": "lady", "description": "Daughter of Polonius."},
        {"name": "Claudius", "kind": "king", "attributes": {"age": 50, "sins": ["a", "b"]}},
        {"name": "Gertrude", "kind": "queen", "aliases": ["Mother"]},
        {"name": "Yorick"},
    ]
    await wb.personas.add_many([{"worldid": world.id, **person} for person in people])
    castle = await wb.locations.add(worldid=world.id, name="Castle", x=0.25)
    await wb.locations.add(worldid=world.id, name="Graveyard", parentid=castle.id)
    story = await wb.stories.add(worldid=world.id, name="Hamlet")
    act = await wb.acts.add(storyid=story.id, name="Act I", position=1)
    await wb.acts.add(storyid=story.id, name="Act V", position=5)
    await wb.scenes.add(actid=act.id, name="Scene I", locationid=castle.id, story_time=-1.5)
    await wb.scenes.add(actid=act.id, name="Scene II", position=2)
    return world


@pytest.fixture
async def eve(wb: Workspace, denmark: World, sign_in: SignIn) -> Workspace:
    """Somebody else, an editor of the same world."""
    other = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="editor")
    return other
