"""The statements of an undo, put together from the names of our own tables and columns.

`t` is a row as it is now, `n` what the changeset did to it in the end.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

from workbench.entities import ENTITIES, Entity, Link, Stored
from workbench.history.changes_sql import AUTHOR

SERVERS = frozenset({"id", "worldid", "ownerid", "created_at", "updated_at", "version"})
"""Columns that no undo writes; what changed them is told."""

ABOUT = """
SELECT entity, array_agg(DISTINCT k) AS columns, array_agg(DISTINCT operation) AS operations
FROM history.change LEFT JOIN LATERAL jsonb_object_keys(
  CASE WHEN operation IN ('update', 'trash', 'restore') THEN new END) AS k ON true
WHERE changesetid = :changeset AND worldid IS NOT NULL GROUP BY entity
"""
REASON = "SELECT reason FROM history.entry WHERE changesetid = :changeset LIMIT 1"
# Members are a manager's to change, and so is what was purged: nobody else brings it back.
FORBIDDEN = """
SELECT c.worldid, c.managed, rules.managers(c.worldid) AS managers FROM (
  SELECT worldid, bool_and(managed) AS managed FROM (
    SELECT DISTINCT worldid,
      entity = ANY (:managed) OR operation = 'delete' AND key IS NULL AS managed
    FROM history.change WHERE changesetid = :changeset AND row_security_active('public.world')
  ) AS every
  WHERE worldid <> ALL (CASE WHEN managed THEN (SELECT rules.worlds('manager'))
    ELSE (SELECT rules.worlds('editor')) END)
  GROUP BY worldid
) AS c ORDER BY c.managed LIMIT 1
"""
HIDDEN = """
SELECT CASE WHEN row_security_active('public.world') THEN history.hidden(:changeset) ELSE 0 END
"""
TOGETHER = "SELECT set_config('workbench.together', :on, true)"
OWN = """
SELECT id FROM history.changeset
WHERE txid = pg_current_xact_id_if_assigned() AND started_at = now()
"""
# What a changeset did to each row in the end, whatever lay between.
_NET = """
WITH net AS MATERIALIZED (
  SELECT worldid, recordid, key, max(id) AS changeid,
    history.merged(old ORDER BY id DESC) AS old, history.merged(new ORDER BY id) AS new,
    (array_agg(version ORDER BY id DESC))[1] AS version,
    CASE WHEN (array_agg(operation ORDER BY id))[1] = 'insert' THEN
      CASE WHEN (array_agg(operation ORDER BY id DESC))[1] = 'delete' THEN 'nothing'
        ELSE 'came' END
      WHEN (array_agg(operation ORDER BY id DESC))[1] = 'delete' THEN 'went'
      ELSE 'changed' END AS fate
  FROM history.change WHERE changesetid = :changeset AND entity = '{entity}'
  GROUP BY worldid, recordid, key
)
"""
_TRASH = """{net}
UPDATE {table} AS t SET deleted_at = now() FROM net AS n
WHERE {same} AND t.deleted_at IS NULL AND (n.fate = 'came' AND t.version = n.version
  OR n.fate = 'changed' AND n.new -> 'deleted_at' = 'null' AND n.old -> 'deleted_at' <> 'null')
  {empty} RETURNING 1
"""
_UNLINK = """{net}
SELECT 1 FROM net AS n JOIN {table} AS t ON {same}
WHERE n.fate = 'came' AND t.version = n.version AND {home_lives} AND rules.unlink_{entity}({key})
"""
_REVIVE = "SELECT 1 FROM generate_series(1, history.revive(:changeset, '{entity}'))"
_LINK = """{net}
INSERT INTO {table} ({columns}) SELECT {values}
FROM net AS n, LATERAL jsonb_populate_record(NULL::public.{table}, n.old) AS p
WHERE n.fate = 'went' AND NOT EXISTS (SELECT FROM {table} AS t WHERE {same}) {ends} RETURNING 1
"""
_CELLS = """{net}, target AS (
  SELECT n.worldid, n.recordid, n.key, t.version AS at_version, b.back
  FROM net AS n JOIN {table} AS t ON {same}, LATERAL (
    SELECT jsonb_object_agg(c.name, n.old -> c.name) AS back
    FROM (VALUES {cells}) AS c (name, stands)
    WHERE n.new ? c.name AND c.stands AND n.old -> c.name IS DISTINCT FROM n.new -> c.name {kept}
  ) AS b WHERE n.fate = 'changed' AND b.back IS NOT NULL
), done AS (
  UPDATE {table} AS t SET {sets} FROM target AS n
  WHERE {same} AND t.version = n.at_version RETURNING 1
)
SELECT (SELECT count(*) FROM target), (SELECT count(*) FROM done)
"""
_KEPT = """{net}
SELECT '{entity}' AS entity, n.recordid AS record, n.key,
  coalesce({name}, n.new ->> 'name', n.old ->> 'name') AS name, c.name AS "column",
  n.old ->> c.name AS was, c.now, later.by, later.at, later.changeset
FROM net AS n LEFT JOIN {table} AS t ON {same}, LATERAL (
  SELECT NULL AS name, NULL AS now, false AS same WHERE n.fate = 'came' AND {is_there}
    OR n.fate = 'went' AND {is_gone}
  UNION ALL SELECT v.name, v.now #>> '{}', {is_gone} OR v.same FROM (VALUES {cells})
    AS v (name, now, same) WHERE n.fate = 'changed' AND n.new ? v.name
    AND n.old -> v.name IS DISTINCT FROM n.new -> v.name AND ({is_gone} OR NOT v.same)
) AS c LEFT JOIN LATERAL (
  SELECT {author} AS by, e.changed_at AS at, e.changesetid AS changeset
  FROM history.entry AS e LEFT JOIN "user" AS u ON u.id = e.userid
  WHERE e.worldid = n.worldid AND e.recordid = n.recordid AND e.entity = '{entity}'
    AND e.id > n.changeid AND e.key IS NOT DISTINCT FROM n.key
    AND e.changesetid IS DISTINCT FROM :own
    AND (c.name IS NULL OR e.new ? c.name OR e.operation = 'delete')
  ORDER BY e.id DESC LIMIT 1
) AS later ON true
ORDER BY 2, 3, 5
"""
_EMPTY = """
AND NOT EXISTS (SELECT FROM {contained} AS i
  WHERE i.worldid = {world} AND i.{column} = t.id AND i.deleted_at IS NULL)
"""
_LIVES = "EXISTS (SELECT FROM {home} AS h WHERE h.id = t.{column} AND h.deleted_at IS NULL)"
_END = 'AND EXISTS (SELECT FROM "{target}" AS r WHERE r.id = p.{column})'
_THERE = """
(n.old -> '{column}' = 'null'
  OR EXISTS (SELECT FROM "{target}" AS r WHERE r.id = (n.old ->> '{column}')::uuid))
"""
# The facts of another picture would lie about the one that is there.
_KEPT_PICTURE = """AND NOT (n.new ? 'sha256'
  AND c.name = ANY ('{sha256,byte_size,media_type,width,height}'))"""
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def trashing(entity: Entity[Any, Any]) -> str:
    """Return what trashes the rows that came, or left the trash, unless something lives in them."""
    empty = []
    for name in entity.contains:
        column = "worldid" if entity.name == "world" else f"{entity.name}id"
        world = "t.id" if entity.name == "world" else "t.worldid"
        empty.append(_filled(_EMPTY, entity, contained=name, column=column, world=world))
    return _filled(_TRASH, entity, empty=" ".join(empty))


def unlinking(link: Link[Any, Any]) -> str:
    """Return what removes the links that came; those of a home in the trash are there with it."""
    home = ENTITIES[link.references[link.home]]
    key = ", ".join(f"t.{column}" for column in link.key)
    lives = _LIVES.replace("{home}", home.name).replace("{column}", link.home)
    return _filled(_UNLINK, link, key=key, home_lives=lives)


def reviving(entity: Entity[Any, Any]) -> str:
    """Return what brings back the rows that were purged, into the trash."""
    return _filled(_REVIVE, entity)


def linking(link: Link[Any, Any]) -> str:
    """Return what adds the links again that went, as far as their ends are there."""
    columns = [c.name for c in link.table.columns if c.name not in SERVERS or c.name in link.key]
    ends = [
        _END.replace("{target}", entity).replace("{column}", column)
        for column, entity in link.references.items()
    ]
    values = ", ".join(f"p.{column}" for column in columns)
    return _filled(_LINK, link, columns=", ".join(columns), values=values, ends=" ".join(ends))


def cells(stored: Stored[Any, Any], columns: set[str]) -> str | None:
    """Return what gives cells their old values, if any of `columns` is one that it may."""
    known = [c for c in stored.table.columns if c.name in columns - SERVERS]
    if not known:
        return None
    return _filled(
        _CELLS,
        stored,
        cells=", ".join(f"('{c.name}', {_stands(stored, c.name)})" for c in known),
        sets=", ".join(f"{c.name} = {_back(c)}" for c in known),
        kept=_KEPT_PICTURE if stored.name == "image" else "",
    )


def kept(stored: Stored[Any, Any], columns: set[str]) -> str:
    """Return what finds out what is not as it was, and who changed it later."""
    told = sorted(columns - (SERVERS - {"ownerid"}))
    values = [f"('{c}', {_now(stored, c)}, {_as_before(stored, c)})" for c in told]
    world = "id" if stored.name == "world" else "worldid"
    lives = " AND t.deleted_at IS NULL" if isinstance(stored, Entity) else ""
    if isinstance(stored, Link):
        home = ENTITIES[stored.references[stored.home]]
        lives = " AND " + _LIVES.replace("{home}", home.name).replace("{column}", stored.home)
    return _filled(
        _KEPT,
        stored,
        name="t.name" if isinstance(stored, Entity) else "NULL",
        cells=", ".join(values) or "(NULL, NULL::jsonb, true)",
        is_there=f"t.{world} IS NOT NULL{lives}",
        is_gone=f"t.{world} IS NULL",
    )


def _filled(template: str, stored: Stored[Any, Any], **parts: str) -> str:
    parts = {
        "author": AUTHOR,
        "net": _NET,
        **parts,
        "same": _same(stored),
        "table": f'"{stored.name}"',
        "entity": stored.name,
    }
    for name, value in parts.items():
        template = template.replace("{" + name + "}", value)
    return template


def _same(stored: Stored[Any, Any]) -> str:
    """Return the condition that `t` is the row that `n` is about."""
    if isinstance(stored, Entity):
        world = "id" if stored.name == "world" else "worldid"
        return f"t.{world} = n.worldid AND t.id = n.recordid"
    columns = (c for c in stored.table.primary_key.columns if c.name != "worldid")
    keys = (f"t.{c.name} = (n.key ->> '{c.name}')::{_type(c)}" for c in columns)
    return " AND ".join(("t.worldid = n.worldid", *keys))


def _type(column: Any) -> str:
    return str(column.type.compile(dialect=_DIALECT))


def _stands(stored: Stored[Any, Any], column: str) -> str:
    """Return the condition that a cell still has the value it was given, and may go back."""
    if column == "deleted_at":  # into the trash goes another statement; texts of times differ
        return (
            "n.old -> 'deleted_at' = 'null' "
            "AND t.deleted_at = (n.new ->> 'deleted_at')::timestamptz"
        )
    stands = f"coalesce(to_jsonb(t.{column}), 'null') = n.new -> '{column}'"
    if column in stored.references:
        target = stored.references[column]
        there = _THERE.replace("{target}", target).replace("{column}", column)
        stands = f"{stands} AND {there}"
    return stands


def _back(column: Any) -> str:
    """Return the old value of a cell, or the one it has."""
    value = f"(n.back ->> '{column.name}')::{_type(column)}"
    if isinstance(column.type, JSONB):
        value = f"n.back -> '{column.name}'"
    elif isinstance(column.type, ARRAY):
        value = f"history.labels(n.back -> '{column.name}')"
    return f"CASE WHEN n.back ? '{column.name}' THEN {value} ELSE t.{column.name} END"


def _now(stored: Stored[Any, Any], column: str) -> str:
    if column == "thumbnail_md5":
        return "to_jsonb(md5(t.thumbnail))"
    return f"to_jsonb(t.{column})" if column in stored.table.columns else "NULL::jsonb"


def _as_before(stored: Stored[Any, Any], column: str) -> str:
    if column == "deleted_at":  # in the trash or not: the time is of its last going there
        return "(t.deleted_at IS NULL) = (n.old -> 'deleted_at' = 'null')"
    return f"coalesce({_now(stored, column)}, 'null') = n.old -> '{column}'"
