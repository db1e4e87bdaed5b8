"""Who appears where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.act import ACT
from workbench.entities.links import SCENE_PERSONA
from workbench.entities.persona import PERSONA
from workbench.entities.scene import SCENE
from workbench.entities.story import STORY
from workbench.errors import InvalidDraft

_MOST_ROWS = 1_000


@dataclass(frozen=True)
class Appearance:
    """A persona in a scene."""

    personaid: UUID
    persona: str
    sceneid: UUID
    scene: str
    act: str
    story: str
    role: str | None
    speeches: int | None
    words: int | None


async def appearances(
    database: Database,
    *,
    persona: UUID | None = None,
    scene: UUID | None = None,
) -> list[Appearance]:
    """Return where a persona appears, or who appears in a scene, in the order of the stories.

    The first 1,000, without what is in the trash. With both, at most one is returned; without
    any, InvalidDraft asks for one.
    """
    if persona is None and scene is None:
        raise InvalidDraft({"persona": "Say whose or where: give persona=… or scene=…."})
    link, who, where = SCENE_PERSONA.table, PERSONA.table, SCENE.table
    act, story = ACT.table, STORY.table
    statement: Any = (
        select(
            who.c.id,
            who.c.name,
            where.c.id,
            where.c.name,
            act.c.name,
            story.c.name,
            link.c.role,
            link.c.speeches,
            link.c.words,
        )
        .select_from(link)
        .join(who, who.c.id == link.c.personaid)
        .join(where, where.c.id == link.c.sceneid)
        .join(act, act.c.id == where.c.actid)
        .join(story, story.c.id == act.c.storyid)
        .where(who.c.deleted_at.is_(None), where.c.deleted_at.is_(None))
        .order_by(
            story.c.position,
            story.c.name,
            act.c.position,
            act.c.name,
            where.c.position,
            where.c.name,
            who.c.name,
        )
        .limit(_MOST_ROWS)
    )
    # The world first: keys and indexes of links lead with it.
    if persona is not None:
        world = select(who.c.worldid).where(who.c.id == persona).scalar_subquery()
        statement = statement.where(link.c.worldid == world, link.c.personaid == persona)
    if scene is not None:
        world = select(where.c.worldid).where(where.c.id == scene).scalar_subquery()
        statement = statement.where(link.c.worldid == world, link.c.sceneid == scene)
    async with database.reading() as connection:
        with translated():
            return [Appearance(*row) for row in await connection.execute(statement)]
