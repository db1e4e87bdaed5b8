"""What was changed last in a world, and whether there ever was one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities import ENTITIES
from workbench.entities.user import UserRow
from workbench.history.tables import CHANGE, ENTRY

_NAMED_RECORDS = 3


@dataclass(frozen=True)
class Changed:
    """What one transaction did to records of one entity.

    Attributes
    ----------
    at
        When, in UTC.
    author
        The acting user's e-mail, or the database login that no user stood behind.
    operation
        insert, update, trash, restore or delete.
    count
        How many rows.
    names
        Some of the records' names; none for links.
    """

    at: datetime
    author: str
    operation: str
    entity: str
    count: int
    names: tuple[str, ...]
    reason: str | None
    changesetid: UUID


async def ever_was(database: Database, entity: str) -> bool:
    """Whether there ever was a record of `entity`; it may be in the trash or purged by now."""
    async with database.reading() as connection:
        with translated():
            return bool(await connection.scalar(select(exists().where(CHANGE.c.entity == entity))))


async def latest_changes(
    database: Database, world: UUID, *, limit: int = 20, rows: int = 2_000
) -> list[Changed]:
    """Return what was done last in `world`, the newest first.

    Rows that one transaction changed in one table are told together. Only the last `rows`
    changed rows are looked at, so the cost does not grow with the history; `count` is then
    of those.
    """
    recent = (
        select(ENTRY)
        .where(ENTRY.c.worldid == world)
        .order_by(ENTRY.c.id.desc())
        .limit(rows)
        .subquery()
    )
    name = func.coalesce(recent.c.new["name"].astext, recent.c.old["name"].astext)
    users = UserRow.__table__
    author = func.coalesce(users.c.email, recent.c.login)
    statement = (
        select(
            func.max(recent.c.changed_at),
            author,
            recent.c.operation,
            recent.c.entity,
            func.count(),
            func.array_agg(func.coalesce(name, "")),
            func.array_agg(recent.c.recordid),
            recent.c.reason,
            recent.c.changesetid,
        )
        .outerjoin(users, users.c.id == recent.c.userid)
        .group_by(
            recent.c.changesetid, author, recent.c.reason, recent.c.operation, recent.c.entity
        )
        .order_by(func.max(recent.c.id).desc())
        .limit(limit)
    )
    async with database.reading() as connection:
        with translated():
            found = (await connection.execute(statement)).all()
    named = await _names(database, list(found))
    return [
        Changed(at, author, operation, entity, count, named[i], reason, changeset)
        for i, (at, author, operation, entity, count, _, _, reason, changeset) in enumerate(found)
    ]


async def _names(database: Database, found: list[Any]) -> list[tuple[str, ...]]:
    """Return some names for each: those in the change itself, or else the records' own."""
    wanted: dict[str, set[UUID]] = {}
    for row in found:
        for name, record in list(zip(row[5], row[6], strict=True))[:_NAMED_RECORDS]:
            if not name and record is not None:
                wanted.setdefault(row[3], set()).add(record)
    known: dict[UUID, str] = {}
    for entity, ids in wanted.items():
        table = ENTITIES[entity].table
        label = table.c[ENTITIES[entity].label]
        async with database.reading() as connection:
            with translated(entity):
                rows = await connection.execute(
                    select(table.c.id, label).where(table.c.id.in_(sorted(ids)))
                )
                known.update({row[0]: row[1] for row in rows})
    return [
        tuple(
            name or known.get(record, "")
            for name, record in list(zip(row[5], row[6], strict=True))[:_NAMED_RECORDS]
            if name or record in known
        )
        for row in found
    ]
