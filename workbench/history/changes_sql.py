"""The statements that tell what was changed, and what is in the trash."""

from __future__ import annotations

from typing import Any

from workbench.entities.base import Entity

AUTHOR = "coalesce(u.email, CASE WHEN e.userid IS NULL THEN e.login ELSE 'somebody' END)"
"""Who made the change `e`, of the user `u`; a login where nobody stood behind it."""

SOURCE = "nullif(concat_ws(': ', e.source, o.place), '')"
# Which row of a file the change came from: changes and rows go up together in each stretch.
PLACE = """
LEFT JOIN LATERAL (
  SELECT o.file || ', row ' || o.rows[s.number] + e.id - o.changes[s.number] AS place
  FROM history.origin AS o, LATERAL (SELECT width_bucket(e.id, o.changes) AS number) AS s
  WHERE o.worldid = e.worldid AND o.changesetid = e.changesetid AND o.entity = e.entity
    AND e.id BETWEEN o.first AND o.last AND e.id < o.changes[s.number] + o.counts[s.number]
  LIMIT 1
) AS o ON true
""".strip()

# Of a row that came or went, the fields that hold something; of one that changed, what did.
HISTORY = (
    """
SELECT e.changed_at AS at, {author} AS by, e.reason, e.entity, e.recordid AS record,
  coalesce(e.new ->> 'name', e.old ->> 'name') AS name, e.key,
  {source} AS source, e.operation, f.name AS "column",
  e.old ->> f.name AS before, e.new ->> f.name AS after,
  e.changesetid AS changeset, e.version, e.id AS change
FROM (
  SELECT * FROM history.entry AS e WHERE {which} ORDER BY e.id DESC LIMIT :limit
) AS e LEFT JOIN "user" AS u ON u.id = e.userid
{place}
LEFT JOIN LATERAL (
  SELECT k AS name FROM jsonb_object_keys(coalesce(e.new, e.old)) AS k
  WHERE e.operation NOT IN ('insert', 'delete')
    OR (k <> ALL ('{id,worldid,created_at,updated_at,deleted_at,version}')
    AND coalesce(e.new, e.old) -> k NOT IN ('null', '[]', '{}'))
) AS f ON true
ORDER BY e.id DESC, f.name
""".replace("{author}", AUTHOR)
    .replace("{source}", SOURCE)
    .replace("{place}", PLACE)
)
CHANGES = (
    """
SELECT e.changed_at AS at, {author} AS by, e.entity, e.recordid AS record,
  coalesce(e.new ->> 'name', e.old ->> 'name') AS name, e.key, e.operation,
  ARRAY(SELECT jsonb_object_keys(CASE WHEN e.operation <> 'delete' THEN e.new END) ORDER BY 1)
    AS columns,
  e.reason, {source} AS source, e.changesetid AS changeset, e.version, e.id AS change
FROM (
  SELECT * FROM history.entry AS e WHERE {which} ORDER BY e.id DESC LIMIT :limit
) AS e LEFT JOIN "user" AS u ON u.id = e.userid
{place}
ORDER BY e.id DESC
""".replace("{author}", AUTHOR)
    .replace("{source}", SOURCE)
    .replace("{place}", PLACE)
)
# From the newest change of a changeset on to the newest one of another: few steps, however many
# rows each has changed.
CHANGESETS = """
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
SELECT min(e.changed_at) AS at, min({author}) AS by, min(e.reason) AS reason,
  min(e.source) AS source, array_agg(DISTINCT e.entity) AS entities,
  count(*) FILTER (WHERE e.operation = 'insert') AS inserted,
  count(*) FILTER (WHERE e.operation = 'update') AS updated,
  count(*) FILTER (WHERE e.operation = 'trash') AS trashed,
  count(*) FILTER (WHERE e.operation = 'restore') AS restored,
  count(*) FILTER (WHERE e.operation = 'delete') AS deleted, e.changesetid AS changeset
FROM walk AS w JOIN history.entry AS e ON e.changesetid = w.changesetid AND {which}
LEFT JOIN "user" AS u ON u.id = e.userid
GROUP BY w.id, e.changesetid ORDER BY w.id DESC
""".replace("{author}", AUTHOR)
DIFF = """
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
TRASH = """
SELECT t.entity, t.id AS record, t.name, t.deleted_at, {author} AS by, e.reason,
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
""".replace("{author}", AUTHOR)

_TRASHED = """
SELECT '{entity}' AS entity, id, name, deleted_at FROM {entity} AS t
WHERE {world} = :world AND deleted_at IS NOT NULL
"""
_NOT_ALONG = """ AND NOT EXISTS (
  SELECT FROM {parent} AS p WHERE p.id = t.{above} AND p.deleted_at = t.deleted_at
)"""


def trashed(entity: Entity[Any, Any], *, whole: bool) -> str:
    """Return the statement for what is in the trash of one table.

    Not `whole`, what went there along with its parent is left out.
    """
    world = "worldid" if entity.in_world else "id"
    statement = _TRASHED.format(entity=entity.name, world=world)
    if not whole and entity.in_world:
        statement += _NOT_ALONG.format(parent=entity.parent, above=entity.parent_column)
    return statement
