"""The ten entities and the four links, each declared in a file of its own."""

from __future__ import annotations

from typing import Any

from workbench.entities.act import ACT
from workbench.entities.base import Entity, Link, Stored
from workbench.entities.book import BOOK
from workbench.entities.image import IMAGE
from workbench.entities.links import PERSONA_RELATION, SCENE_PERSONA, SCENE_THING, WORLD_MEMBER
from workbench.entities.location import LOCATION
from workbench.entities.persona import PERSONA
from workbench.entities.scene import SCENE
from workbench.entities.story import STORY
from workbench.entities.thing import THING
from workbench.entities.user import USER
from workbench.entities.world import WORLD

__all__ = ["ENTITIES", "LINKS", "STORED", "Entity", "Link", "Stored"]

ENTITIES: dict[str, Entity[Any, Any]] = {
    entity.name: entity
    for entity in (USER, WORLD, IMAGE, BOOK, STORY, ACT, LOCATION, PERSONA, THING, SCENE)
}
"""The ten, in an order in which every parent and (but for a world's picture) every
reference comes before what refers to it."""

LINKS: dict[str, Link[Any, Any]] = {
    link.name: link for link in (WORLD_MEMBER, SCENE_PERSONA, SCENE_THING, PERSONA_RELATION)
}

STORED: dict[str, Stored[Any, Any]] = {**ENTITIES, **LINKS}
