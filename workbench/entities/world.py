"""A world: everything else lives in one; it is what is shared, exported and restored."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from workbench.entities.base import Entity, NamedDraft, NamedRecord
from workbench.entities.fields import Reference
from workbench.entities.rows import NamedRow, reference
from workbench.entities.types import Boolean


class WorldRow(NamedRow):
    __tablename__ = "world"

    imageid: Mapped[UUID | None] = reference("image")
    is_public: Mapped[bool] = mapped_column(server_default=text("false"))


class WorldDraft(NamedDraft):
    """What may be written of a world."""

    imageid: Annotated[UUID, Reference("image")] | None = None
    is_public: Boolean = False


class World(NamedRecord, WorldDraft):
    """A world as stored."""

    ownerid: UUID


WORLD = Entity(
    "world",
    "worlds",
    WorldRow,
    WorldDraft,
    World,
    key=("ownerid", "name"),
    aliases={"title": "display_name"},
    parent="user",
    contains=("book", "story", "act", "scene", "persona", "location", "thing", "image"),
)
