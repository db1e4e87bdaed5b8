"""What was changed: of one record, in a world, between two moments; and what is in the trash.

Rows of statements, as mappings; `workbench.frames.history` makes frames of them. All of it is
read with the user's rights, and in a workspace of the past only what was done until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities import ENTITIES, LINKS, STORED
from workbench.entities.base import EntityRecord, Link, Record
from workbench.entities.user import User
from workbench.errors import InvalidDraft, shown
from workbench.history import changes_sql

__all__ = [
    "Which",
    "changes",
    "changesets",
    "clock",
    "diff",
    "fields",
    "history",
    "is_there",
    "names_of",
    "trash",
]

Rows = list[dict[str, Any]]

CHANGES_MAXIMUM_ROWS = 100_000


async def history(
    database: Database, record: Record | UUID | str, *, limit: int, after: int | None = None
) -> Rows:
    """Return what was done to one record, the newest first: a row for each changed field."""
    which, values = _of_record(record)
    which += _until(database, values) + _below(after, values)
    return await _read(database, changes_sql.HISTORY, which, {**values, "limit": _bounded(limit)})


async def changes(
    database: Database,
    *,
    which: Which,
    entity: str | None = None,
    changeset: UUID | None = None,
    limit: int,
    after: int | None = None,
) -> Rows:
    """Return which records were changed, the newest first: a row for each changed record."""
    conditions, values = which.said(database)
    conditions += _below(after, values)
    values["limit"] = _bounded(limit)
    for name, value in (
        ("entity", None if entity is None else _stored(entity)),
        ("changesetid", changeset),
    ):
        if value is not None:
            conditions.append(f"e.{name} = :{name}")
            values[name] = value
    return await _named(database, await _read(database, changes_sql.CHANGES, conditions, values))


async def changesets(database: Database, *, which: Which, limit: int) -> Rows:
    """Return which changesets changed something, the newest first, with how many rows they did."""
    conditions, values = which.said(database)
    values["limit"] = _bounded(limit)
    return await _read(database, changes_sql.CHANGESETS, conditions, values)


@dataclass(frozen=True)
class Which:
    """Of which changes something is told: in a world, of a set, by somebody, between moments."""

    world: UUID | None = None
    changeset: UUID | None = None
    by: User | UUID | str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def said(self, database: Database) -> tuple[list[str], dict[str, Any]]:
        """Return the conditions on `e`, an entry of the history, and their values."""
        values: dict[str, Any] = {}
        conditions = _until(database, values)
        for name, condition in (
            ("world", "e.worldid = :world"),
            ("changeset", "e.changesetid = :changeset"),
            ("since", "e.changed_at >= :since"),
            ("until", "e.changed_at <= :until"),
        ):
            value = getattr(self, name)
            if value is not None:
                conditions.append(condition)
                values[name] = value
        if isinstance(self.by, str) and not _is_id(self.by):
            conditions.append(
                "(e.login = :by OR "
                'e.userid IN (SELECT id FROM "user" WHERE lower(email) = lower(:by)))'
            )
            values["by"] = self.by
        elif self.by is not None:
            conditions.append("e.userid = :by")
            values["by"] = self.by.id if isinstance(self.by, User) else UUID(str(self.by))
        return conditions, values


async def diff(
    database: Database,
    world: UUID,
    start: datetime,
    end: datetime,
    *,
    entity: str | None = None,
    limit: int,
) -> Rows:
    """Return what is different at `end` from what was at `start`, whatever lay between."""
    if start > end:
        raise InvalidDraft({"start": "The first moment is the earlier one. Change their order."})
    values: dict[str, Any] = {"world": world, "start": start, "end": end, "limit": limit}
    which = []
    if entity is not None:
        which, values["entity"] = ["entity = :entity"], _stored(entity)
    return await _named(database, await _read(database, changes_sql.DIFF, which, values))


async def fields(database: Database, world: UUID, changeset: UUID, *, limit: int) -> Rows:
    """Return what a changeset did in a world: a row for each changed field, by record.

    At most `limit` records. A link is called by the names of what it links.
    """
    which, values = Which(world=world).said(database)
    values |= {"changeset": changeset, "limit": _bounded(limit)}
    which.append("e.changesetid = :changeset")
    rows = await _read(database, changes_sql.HISTORY, which, values)
    ends = [_ends(row) for row in rows]
    known = await names_of(database, (end for of_row in ends for end in of_row))
    for row, of_row in zip(rows, ends, strict=True):
        if row["name"] is None:
            row["name"] = " – ".join(known[id] for _, id in of_row if id in known) or None
    return rows


def _ends(row: Mapping[str, Any]) -> list[tuple[str, UUID]]:
    """Return what a change without a name of its own is called by: entity and id of each."""
    if row["name"] is not None:
        return []
    if row["key"] is None:
        return [(row["entity"], row["record"])]
    ends = STORED[row["entity"]].references.items()
    return [(e, UUID(row["key"][c])) for c, e in ends if c in row["key"] and e != "world"]


async def trash(database: Database, world: UUID, *, limit: int, whole: bool = True) -> Rows:
    """Return what is in the trash of a world, itself too, the latest first.

    Not `whole`, what went there along with what it lies in is left out: it comes back with it.
    """
    tables = " UNION ALL ".join(
        changes_sql.trashed(e, whole=whole) for e in ENTITIES.values() if e.parent is not None
    )
    said = changes_sql.TRASH.replace("{tables}", tables)
    return await _read(database, said, None, {"world": world, "limit": _bounded(limit)})


async def clock(database: Database) -> datetime:
    """Return what time it is where the changes are kept."""
    async with database.reading() as connection:
        with translated():
            now = await connection.scalar(text("SELECT clock_timestamp()"))
    assert isinstance(now, datetime)
    return now


async def is_there(database: Database, changeset: UUID) -> bool:
    """Return whether a changeset of one's own was committed."""
    asked = text("SELECT EXISTS (SELECT FROM history.changeset WHERE id = :id)")
    async with database.reading() as connection:
        with translated():
            return bool(await connection.scalar(asked, {"id": changeset}))


async def names_of(
    database: Database, wanted: Iterable[tuple[str, UUID | None]]
) -> dict[UUID, str]:
    """Return the names of records, told by entity and id, as they are now."""
    by_entity: dict[str, set[UUID]] = {}
    for entity, record in wanted:
        if entity in ENTITIES and record is not None:
            by_entity.setdefault(entity, set()).add(record)
    known: dict[UUID, str] = {}
    for entity, ids in by_entity.items():
        table = ENTITIES[entity].table
        label = table.c[ENTITIES[entity].label]
        # One parameter however many: a statement takes 32,767 at most.
        found = select(table.c.id, label).where(
            table.c.id == any_(literal(sorted(ids), ARRAY(Uuid)))
        )
        async with database.reading() as connection:
            with translated(entity):
                known.update({row[0]: row[1] for row in await connection.execute(found)})
    return known


async def _named(database: Database, rows: Rows) -> Rows:
    """Fill in names that the changes themselves do not hold; of a link, its key."""
    known = await names_of(
        database, ((r["entity"], r["record"]) for r in rows if r["name"] is None)
    )
    for row in rows:
        key = row.pop("key")
        if key is not None:
            row["name"] = ", ".join(f"{name}={value}" for name, value in sorted(key.items()))
        elif row["name"] is None:
            row["name"] = known.get(row["record"])
    return rows


async def _read(
    database: Database,
    statement: str,
    which: Sequence[str] | None,
    values: Mapping[str, Any],
) -> Rows:
    said = (
        statement if which is None else statement.replace("{which}", " AND ".join(which) or "true")
    )
    kinds: dict[type, Any] = {str: Text, dict: JSONB}
    typed = [
        bindparam(name, type_=kinds[type(value)])
        for name, value in values.items()
        if type(value) in kinds
    ]
    async with database.reading() as connection:
        with translated():
            found = await connection.execute(text(said).bindparams(*typed), dict(values))
            return [dict(row) for row in found.mappings()]


def _of_record(record: Record | UUID | str) -> tuple[list[str], dict[str, Any]]:
    """Return the conditions that a change is one of `record`."""
    if isinstance(record, Record):
        stored = next(s for s in STORED.values() if isinstance(record, s.record))
        if isinstance(stored, Link):
            key = {c: getattr(record, c) for c in stored.key}
            home, world = key[stored.home], key["worldid"]
            if stored.name != "world_member":
                del key["worldid"]
            values = {"record": home, "world": world, "entity": stored.name}
            values["key"] = {name: str(value) for name, value in key.items()}
            said = "e.worldid = :world AND e.recordid = :record AND e.entity = :entity"
            return [said, "e.key = :key"], values
        assert isinstance(record, EntityRecord)
        record = record.id
    if not _is_id(record):
        raise InvalidDraft({"record": f"{shown(record)} is no id. Give the record itself."})
    return ["e.recordid = :record", "e.key IS NULL"], {"record": UUID(str(record))}


def _until(database: Database, values: dict[str, Any]) -> list[str]:
    if database.moment is None:
        return []
    values["moment"] = database.moment
    return ["e.changed_at <= :moment"]


def _below(after: int | None, values: dict[str, Any]) -> list[str]:
    if after is None:
        return []
    values["after"] = after
    return ["e.id < :after"]


def _bounded(limit: int) -> int:
    if type(limit) is not int or not 1 <= limit <= CHANGES_MAXIMUM_ROWS:
        raise InvalidDraft({"limit": f"This must be 1 to {CHANGES_MAXIMUM_ROWS:,}."})
    return limit


def _stored(word: str) -> str:
    """Return the name of the table that `word`, its name or plural, tells."""
    for stored in (*ENTITIES.values(), *LINKS.values()):
        if word in (stored.name, stored.plural):
            return stored.name
    raise InvalidDraft({"entity": f"There is no {shown(word)}. There are: {', '.join(STORED)}."})


def _is_id(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True
