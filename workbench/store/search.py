"""Searching by parts of names, so that an index serves it under row rights too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, func, literal, select

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.base import Entity

__all__ = ["found_ids", "narrowed"]

_FEW = 1_000
_SPECIAL, _ESCAPED = re.compile(r"([\\%_])"), r"\\\1"


async def narrowed(
    database: Database, entity: Entity[Any, Any], parts: Sequence[str], world: UUID | None
) -> list[ColumnElement[bool]]:
    """Return a condition that few rows have, all of whose names hold each of `parts`; or none.

    It goes with the condition proper, for which no index serves under row rights: rare words
    would be looked for in every row of the world, 1 s in a million. A function of the database
    finds them by the index. Common words are met soon, row by row in the order asked for.

    Parameters
    ----------
    world
        The world that is searched, if it is one.
    """
    if not parts or not entity.in_world or database.moment is not None:  # the index is of now
        return []
    found = await found_ids(database, entity, parts, world, _FEW + 1)
    return [entity.table.c.id.in_(found)] if len(found) <= _FEW else []


async def found_ids(
    database: Database,
    entity: Entity[Any, Any],
    parts: Sequence[str],
    world: UUID | None,
    most: int,
) -> list[UUID]:
    """Return the ids of at most so many records, in the trash too, whose names hold each part."""
    patterns = [f"%{_SPECIAL.sub(_ESCAPED, part)}%" for part in parts]
    find = getattr(func.rules, f"found_{entity.name}")
    statement = select(find(literal(patterns, ARRAY(Text)), world, most))
    async with database.reading() as connection:
        with translated(entity.name):
            return await connection.scalar(statement) or []
