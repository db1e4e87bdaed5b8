"""A book: a volume that gathers stories."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from sqlalchemy.orm import Mapped

from workbench.entities.base import Entity, WorldDraft, WorldRecord
from workbench.entities.fields import Reference
from workbench.entities.rows import WorldRow, position, reference, searched
from workbench.entities.types import Position


class BookRow(WorldRow):
    __tablename__ = "book"

    position: Mapped[int | None] = position()
    imageid: Mapped[UUID | None] = reference("image")


searched(BookRow)


class BookDraft(WorldDraft):
    """What may be written of a book."""

    position: Position | None = None
    imageid: Annotated[UUID, Reference("image")] | None = None


class Book(WorldRecord, BookDraft):
    """A book as stored."""


BOOK = Entity(
    "book",
    "books",
    BookRow,
    BookDraft,
    Book,
    key=("worldid", "name"),
    aliases={"title": "display_name"},
    parent="world",
)
