"""A story: a play, a novel, an episode, made of acts."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from sqlalchemy.orm import Mapped

from workbench.entities.base import Entity, WorldDraft, WorldRecord
from workbench.entities.fields import Reference
from workbench.entities.rows import WorldRow, position, reference, searched
from workbench.entities.types import Position


class StoryRow(WorldRow):
    __tablename__ = "story"

    bookid: Mapped[UUID | None] = reference("book")
    position: Mapped[int | None] = position()
    imageid: Mapped[UUID | None] = reference("image")


searched(StoryRow)


class StoryDraft(WorldDraft):
    """What may be written of a story."""

    bookid: Annotated[UUID, Reference("book")] | None = None
    position: Position | None = None
    imageid: Annotated[UUID, Reference("image")] | None = None


class Story(WorldRecord, StoryDraft):
    """A story as stored."""


STORY = Entity(
    "story",
    "stories",
    StoryRow,
    StoryDraft,
    Story,
    key=("worldid", "name"),
    aliases={"title": "display_name"},
    parent="world",
    contains=("act",),
)
