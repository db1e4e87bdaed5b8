"""A persona: somebody, or a group, that appears in the world."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from workbench.entities.base import Entity, WorldDraft, WorldRecord
from workbench.entities.fields import Reference
from workbench.entities.rows import WorldRow, kind, reference, searched
from workbench.entities.types import ShortText, Tags


class PersonaRow(WorldRow):
    __tablename__ = "persona"

    kind: Mapped[str | None] = kind()
    aliases: Mapped[list[str]] = mapped_column(
        server_default=text("'{}'::text[]"), info={"check": "rules.are_labels(aliases)"}
    )
    imageid: Mapped[UUID | None] = reference("image")


searched(PersonaRow)


class PersonaDraft(WorldDraft):
    """What may be written of a persona."""

    kind: ShortText | None = None
    aliases: Tags = Field(default=[], description="Other names of the same persona.")
    imageid: Annotated[UUID, Reference("image")] | None = None


class Persona(WorldRecord, PersonaDraft):
    """A persona as stored."""


PERSONA = Entity(
    "persona",
    "personas",
    PersonaRow,
    PersonaDraft,
    Persona,
    key=("worldid", "name"),
    aliases={"title": "display_name"},
    parent="world",
)
