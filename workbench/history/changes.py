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

__all__ = ["Which", "changes", "changesets", "diff", "history", "names_of", "trash"]

Rows = list[dict[str, Any]]

CHANGES_MAXIMUM_ROWS = 100_000

# Of a row that came or went, the fields that hold something; of one that changed, what did.
_HISTORY = """
SELECT e.changed_at AS at, coalesce(u.email, e.login) AS by, e.reason,
  nullif(concat_ws(': ', e.source, o.place), '') AS source, e.operation, f.name AS "column",
  e.old ->> f.name AS before, e.new ->> f.name AS after,
  e.changesetid AS changeset, e.version, e.id AS change
FROM (
  SELECT * FROM history.entry AS e WHERE {which} ORDER BY e.id DESC LIMIT :limit
) AS e LEFT JOIN "user" AS u ON u.id = e.userid
LEFT JOIN LATERAL (
  SELECT o.file || ', row ' || o.rows[array_position(o.ids, e.recordid)] AS place
  FROM history.origin AS o
  WHERE e.key IS NULL AND o.worldid = e.worldid AND o.changesetid = e.changesetid
    AND o.entity = e.entity AND e.recordid BETWEEN o.first AND o.last
    AND e.recordid = ANY (o.ids)
  LIMIT 1
) AS o ON true
LEFT JOIN LATERAL (
  SELECT k AS name FROM jsonb_object_keys(coalesce(e.new, e.old)) AS k
  WHERE e.operation NOT IN ('insert', 'delete')
    OR (k <> ALL ('{id,worldid,created_at,updated_at,deleted_at,version}')
    AND coalesce(e.new, e.old) -> k NOT IN ('null', '[]', '{}'))
) AS f ON true
ORDER BY e.id DESC, f.name
"""
_CHANGES = """
SELECT e.changed_at AS at, coalesce(u.email, e.login) AS by, e.entity, e.recordid AS record,
  coalesce(e.new ->> 'name', e.old ->> 'name') AS name, e.key, e.operation,
  ARRAY(SELECT jsonb_object_keys(CASE WHEN e.operation <> 'delete' THEN e.new END) ORDER BY 1)
    AS columns,
  e.reason, e.source, e.changesetid AS changeset, e.version, e.id AS change
FROM history.entry AS e LEFT JOIN "user" AS u ON u.id = e.userid
WHERE {which} ORDER BY e.id DESC LIMIT :limit
"""
# From the newest change of a changeset on to the newest one of another: few steps, however many
# rows each has changed.
_CHANGESETS = """
WITH RECURSIVE walk AS (
  SELECT * FROM (
    SELECT e.id, e.changesetid, ARRAY[e.changesetid] AS seen
    FROM history.entry AS e WHERE {which} ORDER BY e.id DESC LIMIT 1
  ) AS newest
  UNION ALL
  SELECT n.id, n.changesetid, w.seen || n.changesetid
  FROM walk AS w, LATERAL (
    SELECT e.id, e.changesetid FROM history.entry AS e
    WHERE {which} AND e.id < w.id AND e.changesetid <> ALL (w.seen) ORDER BY e.id DESC LIMIT 1
  ) AS n WHERE cardinality(w.seen) < :limit
)
SELECT min(e.changed_at) AS at, coalesce(min(u.email), min(e.login)) AS by, min(e.reason) AS reason,
  min(e.source) AS source, array_agg(DISTINCT e.entity) AS entities,
  count(*) FILTER (WHERE e.operation = 'insert') AS inserted,
  count(*) FILTER (WHERE e.operation = 'update') AS updated,
  count(*) FILTER (WHERE e.operation = 'trash') AS trashed,
  count(*) FILTER (WHERE e.operation = 'restore') AS restored,
  count(*) FILTER (WHERE e.operation = 'delete') AS deleted, e.changesetid AS changeset
FROM walk AS w JOIN history.entry AS e ON e.changesetid = w.changesetid AND {which}
LEFT JOIN "user" AS u ON u.id = e.userid
GROUP BY w.id, e.changesetid ORDER BY w.id DESC
"""
_DIFF = """
WITH net AS (
  SELECT entity, recordid, key, history.merged(old ORDER BY id DESC) AS old,
    history.merged(new ORDER BY id) AS new,
    (array_agg(operation ORDER BY id))[1] <> 'insert' AS was_there,
    (array_agg(operation ORDER BY id DESC))[1] <> 'delete' AS is_there
  FROM history.change
  WHERE worldid = :world AND changed_at > :start AND changed_at <= :end AND {which}
  GROUP BY entity, recordid, key
)
SELECT n.entity, n.recordid AS record, coalesce(n.new ->> 'name', n.old ->> 'name') AS name, n.key,
  k AS "column", n.old ->> k AS before, n.new ->> k AS after,
  CASE WHEN NOT n.was_there THEN 'insert' WHEN NOT n.is_there THEN 'delete'
    WHEN n.old -> 'deleted_at' IS NOT DISTINCT FROM n.new -> 'deleted_at' THEN 'update'
    WHEN n.new -> 'deleted_at' = 'null' THEN 'restore' ELSE 'trash' END AS operation
FROM (
  SELECT entity, recordid, key, was_there, is_there, CASE WHEN was_there THEN old END AS old,
    CASE WHEN is_there THEN new END AS new FROM net
  WHERE was_there OR is_there AND new ->> 'deleted_at' IS NULL
) AS n, LATERAL jsonb_object_keys(coalesce(n.old, '{}') || coalesce(n.new, '{}')) AS k
WHERE k <> ALL ('{id,worldid,created_at,updated_at,version}')
  AND (n.was_there AND n.is_there OR k <> 'deleted_at')
  AND CASE WHEN n.was_there AND n.is_there THEN n.old -> k IS DISTINCT FROM n.new -> k
    ELSE coalesce(n.new, n.old) -> k NOT IN ('null', '[]', '{}') END
ORDER BY n.entity, 3, n.recordid, n.key, k LIMIT :limit
"""
_TRASHED = """
SELECT '{entity}' AS entity, id, name, deleted_at FROM {entity}
WHERE {world} = :world AND deleted_at IS NOT NULL
"""
_TRASH = """
SELECT t.entity, t.id AS record, t.name, t.deleted_at, coalesce(u.email, e.login) AS by, e.reason,
  e.changesetid AS changeset
FROM (
  SELECT * FROM ({tables}) AS every ORDER BY deleted_at DESC, entity, name LIMIT :limit
) AS t
LEFT JOIN LATERAL (
  SELECT * FROM history.entry AS e
  WHERE e.worldid = :world AND e.recordid = t.id AND e.key IS NULL AND e.operation = 'trash'
    AND e.changed_at <= (SELECT history.moment())
  ORDER BY e.id DESC LIMIT 1
) AS e ON true LEFT JOIN "user" AS u ON u.id = e.userid
ORDER BY t.deleted_at DESC, t.entity, t.name
"""


async def history(
    database: Database, record: Record | UUID | str, *, limit: int, after: int | None = None
) -> Rows:
    """Return what was done to one record, the newest first: a row for each changed field."""
    which, values = _of_record(record)
    which += _until(database, values) + _below(after, values)
    return await _read(database, _HISTORY, which, {**values, "limit": _bounded(limit)})


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
    return await _named(database, await _read(database, _CHANGES, conditions, values))


async def changesets(database: Database, *, which: Which, limit: int) -> Rows:
    """Return which changesets changed something, the newest first, with how many rows they did."""
    conditions, values = which.said(database)
    values["limit"] = _bounded(limit)
    return await _read(database, _CHANGESETS, conditions, values)


@dataclass(frozen=True)
class Which:
    """Of which changes something is told: in a world, by somebody, between two moments."""

    world: UUID | None = None
    by: User | UUID | str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def said(self, database: Database) -> tuple[list[str], dict[str, Any]]:
        """Return the conditions on `e`, an entry of the history, and their values."""
        values: dict[str, Any] = {}
        conditions = _until(database, values)
        for name, condition in (
            ("world", "e.worldid = :world"),
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
    return await _named(database, await _read(database, _DIFF, which, values))


async def trash(database: Database, world: UUID, *, limit: int) -> Rows:
    """Return what is in the trash of a world, itself too, the latest first."""
    tables = " UNION ALL ".join(
        _TRASHED.replace("{entity}", e.name).replace("{world}", "worldid" if e.in_world else "id")
        for e in ENTITIES.values()
        if e.parent is not None
    )
    said = _TRASH.replace("{tables}", tables)
    return await _read(database, said, None, {"world": world, "limit": _bounded(limit)})


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
