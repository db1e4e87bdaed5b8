"""A location: a place, within another place, or at the top of the world."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from workbench.entities.base import Entity, WorldDraft, WorldRecord
from workbench.entities.fields import Reference
from workbench.entities.rows import WorldRow, checked, kind, reference, searched
from workbench.entities.types import Fraction, ShortText


class LocationRow(WorldRow):
    __tablename__ = "location"

    kind: Mapped[str | None] = kind()
    parentid: Mapped[UUID | None] = reference("location")
    x: Mapped[float | None] = checked("x BETWEEN 0 AND 1")
    y: Mapped[float | None] = checked("y BETWEEN 0 AND 1")
    imageid: Mapped[UUID | None] = reference("image")


searched(LocationRow)


class LocationDraft(WorldDraft):
    """What may be written of a location."""

    kind: ShortText | None = None
    parentid: Annotated[UUID, Reference("location")] | None = Field(
        None, description="The location it lies in."
    )
    x: Fraction | None = Field(None, description="From the left of the parent's picture, 0 to 1.")
    y: Fraction | None = Field(None, description="From the top of the parent's picture, 0 to 1.")
    imageid: Annotated[UUID, Reference("image")] | None = None


class Location(WorldRecord, LocationDraft):
    """A location as stored."""


LOCATION = Entity(
    "location",
    "locations",
    LocationRow,
    LocationDraft,
    Location,
    key=("worldid", "name"),
    aliases={"title": "display_name"},
    parent="world",
)
