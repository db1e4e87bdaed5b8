"""What a reference may point to: records whose names hold what was typed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, or_, select

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities import ENTITIES
from workbench.entities.base import Entity
from workbench.store.filters import matching
from workbench.store.names import label_of
from workbench.store.search import narrowed
from workbench.widgets.source import Choice

__all__ = ["choices", "shown_as"]

_LOOKUP_ROWS = 30


async def choices(
    database: Database, target: Entity[Any, Any], term: str, world: UUID | None
) -> list[Choice]:
    """Return the live records of `world` that `term` may mean, best first."""
    table = target.table
    name = table.c[target.label]
    parent = ENTITIES.get(target.parent or "")
    statement: Select[Any] = select(table.c.id, label_of(target, table)).where(
        table.c.deleted_at.is_(None)
    )
    if parent is not None and parent.in_world:
        above = parent.table.alias("above")
        statement = statement.add_columns(label_of(parent, above)).outerjoin(
            above, above.c.id == table.c[target.parent_column or ""]
        )
    else:
        statement = statement.add_columns(table.c.get("kind", table.c.id).label("detail"))
    if world is not None:
        statement = statement.where(table.c.worldid == world)
    order: list[Any] = [name]
    if term.strip():
        few = await narrowed(database, target, term.split(), world)
        statement = statement.where(matching(target, term), *few)
        order.insert(0, case((name.istartswith(term.strip(), autoescape=True), 0), else_=1))
    async with database.reading() as connection:
        with translated(target.name):
            found = await connection.execute(statement.order_by(*order).limit(_LOOKUP_ROWS))
            return [
                Choice(str(id_), label, detail if isinstance(detail, str) else "")
                for id_, label, detail in found
            ]


async def shown_as(
    database: Database, target: Entity[Any, Any], words: Collection[str], world: UUID
) -> dict[str, list[UUID]]:
    """Return for each of `words` the live records of `world` that are shown by it.

    Where none is, those that have it for a name.
    """
    table = target.table
    shown, name = label_of(target, table), table.c[target.label]
    statement = select(table.c.id, shown, name).where(
        table.c.worldid == world,
        table.c.deleted_at.is_(None),
        or_(shown.in_(words), name.in_(words)),
    )
    async with database.reading() as connection:
        with translated(target.name):
            rows = (await connection.execute(statement)).all()
    return {
        word: [id_ for id_, label, _ in rows if label == word]
        or [id_ for id_, _, own in rows if own == word]
        for word in words
    }
