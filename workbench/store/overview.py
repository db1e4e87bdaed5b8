"""How much there is in a world."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities import ENTITIES


async def numbers(database: Database, world: UUID) -> dict[str, int]:
    """Return how many live records of each entity `world` has, by entity, in one statement."""
    counts = [
        select(func.count())
        .where(entity.table.c.worldid == world, entity.table.c.deleted_at.is_(None))
        .scalar_subquery()
        .label(name)
        for name, entity in ENTITIES.items()
        if entity.in_world
    ]
    async with database.reading() as connection:
        with translated("world"):
            row = (await connection.execute(select(*counts))).one()
    return dict(row._mapping)
