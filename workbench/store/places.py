"""A location and all that lies in it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Text, cast, func, literal, select

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.location import LOCATION
from workbench.errors import NotFound


@dataclass(frozen=True)
class Place:
    """A location of a subtree; `path` leads to it from the top of the subtree, by names."""

    id: UUID
    name: str
    parentid: UUID | None
    depth: int
    path: tuple[str, ...]


async def subtree(database: Database, location: UUID) -> list[Place]:
    """Return `location` (depth 0) and all live ones within it, parents before children.

    NotFound if there is none with the id, or it is in the trash.
    """
    table = LOCATION.table
    top = (
        select(
            table.c.id,
            table.c.worldid,
            table.c.name,
            table.c.parentid,
            literal(0).label("depth"),
            func.array_append(cast([], ARRAY(Text)), cast(table.c.name, Text)).label("path"),
        )
        .where(table.c.id == location, table.c.deleted_at.is_(None))
        .cte("place", recursive=True)
    )
    inner = table.alias("inner_place")
    places = top.union_all(
        select(
            inner.c.id,
            inner.c.worldid,
            inner.c.name,
            inner.c.parentid,
            top.c.depth + 1,
            func.array_append(top.c.path, cast(inner.c.name, Text)),
        ).where(
            inner.c.worldid == top.c.worldid,
            inner.c.parentid == top.c.id,
            inner.c.deleted_at.is_(None),
        )
    )
    statement = select(
        places.c.id, places.c.name, places.c.parentid, places.c.depth, places.c.path
    ).order_by(places.c.path)
    async with database.reading() as connection:
        with translated():
            rows = (await connection.execute(statement)).all()
    if not rows:
        raise NotFound("location", location, "It may be in the trash.")
    return [Place(row.id, row.name, row.parentid, row.depth, tuple(row.path)) for row in rows]
