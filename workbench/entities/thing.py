"""A thing: somebody holds it, or it lies somewhere."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from workbench.entities.base import Entity, WorldDraft, WorldRecord
from workbench.entities.fields import Reference
from workbench.entities.rows import WorldRow, kind, reference, searched
from workbench.entities.types import ShortText


class ThingRow(WorldRow):
    __tablename__ = "thing"

    kind: Mapped[str | None] = kind()
    personaid: Mapped[UUID | None] = reference("persona")
    locationid: Mapped[UUID | None] = reference("location")
    imageid: Mapped[UUID | None] = reference("image")


searched(ThingRow)


class ThingDraft(WorldDraft):
    """What may be written of a thing."""

    kind: ShortText | None = None
    personaid: Annotated[UUID, Reference("persona")] | None = Field(
        None, description="Who holds it."
    )
    locationid: Annotated[UUID, Reference("location")] | None = Field(
        None, description="Where it lies."
    )
    imageid: Annotated[UUID, Reference("image")] | None = None


class Thing(WorldRecord, ThingDraft):
    """A thing as stored."""


THING = Entity(
    "thing",
    "things",
    ThingRow,
    ThingDraft,
    Thing,
    key=("worldid", "name"),
    aliases={"title": "display_name"},
    parent="world",
)
