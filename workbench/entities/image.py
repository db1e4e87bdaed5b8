"""An image: a picture, or what is known of one that lies elsewhere."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from workbench.entities.base import Entity, WorldDraft, WorldRecord
from workbench.entities.fields import Bytes
from workbench.entities.rows import WorldRow, checked, kind, searched
from workbench.entities.types import Count, LongText, Position, Sha256, ShortText

CONTENT_MAXIMUM_BYTES = 10 * 1024 * 1024
THUMBNAIL_MAXIMUM_BYTES = 256 * 1024


class ImageRow(WorldRow):
    __tablename__ = "image"

    kind: Mapped[str | None] = kind()
    media_type: Mapped[str | None] = checked("rules.is_name(media_type)", String(255))
    width: Mapped[int | None] = checked("width >= 1")
    height: Mapped[int | None] = checked("height >= 1")
    byte_size: Mapped[int | None] = checked("byte_size >= 0")
    sha256: Mapped[str | None] = checked("sha256 ~ '^[0-9a-f]{64}$'", String(64))
    content: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        info={
            "heavy": True,
            "check": f"octet_length(content) BETWEEN 1 AND {CONTENT_MAXIMUM_BYTES}",
        },
    )
    thumbnail: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        info={
            "heavy": True,
            "check": f"octet_length(thumbnail) BETWEEN 1 AND {THUMBNAIL_MAXIMUM_BYTES}",
        },
    )
    source_url: Mapped[str | None] = mapped_column(Text)


searched(ImageRow)


class ImageFacts(WorldDraft):
    """What is known of a picture, without the picture."""

    kind: ShortText | None = None
    media_type: ShortText | None = None
    width: Position | None = Field(None, description="In pixels.")
    height: Position | None = Field(None, description="In pixels.")
    byte_size: Count | None = Field(None, description="Set by the database from the content.")
    sha256: Sha256 | None = Field(None, description="Set by the database from the content.")
    source_url: LongText | None = Field(
        None, description="Kept as text; the server never fetches it."
    )


class ImageDraft(ImageFacts):
    """What may be written of an image."""

    content: Annotated[bytes, Bytes(CONTENT_MAXIMUM_BYTES)] | None = None
    thumbnail: Annotated[bytes, Bytes(THUMBNAIL_MAXIMUM_BYTES)] | None = None


class Image(WorldRecord, ImageFacts):
    """An image as stored, without its content: `Workspace.picture` loads that."""


IMAGE = Entity(
    "image",
    "images",
    ImageRow,
    ImageDraft,
    Image,
    key=("worldid", "name"),
    aliases={"title": "display_name", "url": "source_url"},
    parent="world",
)
