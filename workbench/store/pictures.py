"""The bytes of images, which nothing else loads."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Column, select

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.image import IMAGE
from workbench.errors import NotFound


async def content(database: Database, image: UUID) -> bytes | None:
    """Return the bytes of an image; None if only facts about it are known."""
    return await _bytes(database, image, IMAGE.table.c.content)


async def thumbnail(database: Database, image: UUID) -> bytes | None:
    """Return the bytes of an image's thumbnail, or None."""
    return await _bytes(database, image, IMAGE.table.c.thumbnail)


async def _bytes(database: Database, image: UUID, column: Column[Any]) -> bytes | None:
    statement = select(column).where(IMAGE.table.c.id == image)
    async with database.reading() as connection:
        with translated("image"):
            row = (await connection.execute(statement)).first()
    if row is None:
        raise NotFound("image", image)
    return None if row[0] is None else bytes(row[0])
