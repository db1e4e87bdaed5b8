"""A scene: something happens, at a place, at a time of the world."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from workbench.entities.base import Entity, InnerDraft, WorldRecord
from workbench.entities.fields import Reference
from workbench.entities.rows import WorldRow, checked, parent, position, reference, searched
from workbench.entities.types import Days, LongText, Position


class SceneRow(WorldRow):
    __tablename__ = "scene"

    actid: Mapped[UUID] = parent("act")
    position: Mapped[int | None] = position()
    locationid: Mapped[UUID | None] = reference("location")
    story_time: Mapped[float | None] = checked(
        "story_time > '-Infinity' AND story_time < 'Infinity'"
    )
    text: Mapped[str | None] = mapped_column(Text)
    imageid: Mapped[UUID | None] = reference("image")


searched(SceneRow)


class SceneDraft(InnerDraft):
    """What may be written of a scene."""

    actid: Annotated[UUID, Reference("act")]
    position: Position | None = None
    locationid: Annotated[UUID, Reference("location")] | None = None
    story_time: Days | None = Field(
        None, description="Days since the world's own epoch; may be negative."
    )
    text: LongText | None = Field(None, description="The prose itself.")
    imageid: Annotated[UUID, Reference("image")] | None = None


class Scene(WorldRecord, SceneDraft):
    """A scene as stored."""


SCENE = Entity(
    "scene",
    "scenes",
    SceneRow,
    SceneDraft,
    Scene,
    key=("worldid", "actid", "name"),
    aliases={"title": "display_name"},
    parent="act",
)
