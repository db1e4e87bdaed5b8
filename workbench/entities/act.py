"""An act: a part of a story, made of scenes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from sqlalchemy.orm import Mapped

from workbench.entities.base import Entity, InnerDraft, WorldRecord
from workbench.entities.fields import Reference
from workbench.entities.rows import WorldRow, parent, position, searched
from workbench.entities.types import Position


class ActRow(WorldRow):
    __tablename__ = "act"

    storyid: Mapped[UUID] = parent("story")
    position: Mapped[int | None] = position()


searched(ActRow)


class ActDraft(InnerDraft):
    """What may be written of an act."""

    storyid: Annotated[UUID, Reference("story")]
    position: Position | None = None


class Act(WorldRecord, ActDraft):
    """An act as stored."""


ACT = Entity(
    "act",
    "acts",
    ActRow,
    ActDraft,
    Act,
    key=("worldid", "storyid", "name"),
    aliases={"title": "display_name"},
    parent="story",
    contains=("scene",),
)
