"""What was changed last in a world, and whether there ever was one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, exists, func, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities import ENTITIES
from workbench.entities.user import UserRow
from workbench.history.changes import names_of
from workbench.history.tables import CHANGE, ENTRY

_NAMED_RECORDS = 3
_LOOKED_AT_ROWS = 2_000
_UNSEEN = "somebody"


@dataclass(frozen=True)
class Changed:
    """What one transaction did to records of one entity.

    Attributes
    ----------
    at
        When, in UTC.
    author
        The acting user's e-mail, "somebody" for one who is not to be seen, or the database login
        that no user stood behind.
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


async def latest_changes(database: Database, world: UUID, *, limit: int) -> list[Changed]:
    """Return what was done last in `world`, the newest first.

    Rows that one transaction changed in one table are told together. Only the last
    2,000 changed rows are looked at, so the cost does not grow with the history; `count` is
    then of those.
    """
    recent = (
        select(ENTRY)
        .where(
            ENTRY.c.worldid == world,
            true() if database.moment is None else ENTRY.c.changed_at <= database.moment,
        )
        .order_by(ENTRY.c.id.desc())
        .limit(_LOOKED_AT_ROWS)
        .subquery()
    )
    name = func.coalesce(recent.c.new["name"].astext, recent.c.old["name"].astext)
    users = UserRow.__table__
    unseen = case((recent.c.userid.is_(None), recent.c.login), else_=_UNSEEN)
    author = func.coalesce(users.c.email, unseen)
    statement = (
        select(
            func.max(recent.c.changed_at).label("at"),
            author.label("author"),
            recent.c.operation,
            recent.c.entity,
            func.count().label("rows"),
            _in_order(func.coalesce(name, ""), recent.c.id).label("names"),
            _in_order(recent.c.recordid, recent.c.id).label("ids"),
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
    known = await names_of(
        database,
        ((row.entity, record) for row in found for name, record in _first(row) if not name),
    )
    return [
        Changed(
            row.at,
            row.author,
            row.operation,
            row.entity,
            row.rows,
            tuple(
                shown
                for name, record in _first(row)
                if (shown := name or _known(row.entity, record, known))
            ),
            row.reason,
            row.changesetid,
        )
        for row in found
    ]


def _in_order(column: ColumnElement[Any], place: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.array_agg(aggregate_order_by(column, place))


def _known(entity: str, record: UUID | None, known: dict[UUID, str]) -> str | None:
    return known.get(record) if record is not None and entity in ENTITIES else None


def _first(row: Any) -> list[tuple[str, UUID | None]]:
    """Return names and ids of the first records of a group."""
    return list(zip(row.names, row.ids, strict=True))[:_NAMED_RECORDS]
