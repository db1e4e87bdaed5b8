"""Which row of which file a change came from, noted for the history."""

from __future__ import annotations

import asyncpg

from workbench.entities import Link
from workbench.transfer.stage import Staged, quoted

_PART_STRETCHES = 1_000
_NOTE = "SELECT history.note_rows($1, $2, $3, $4, $5, $6)"
# Most often all rows of a world are new and nobody else writes: then there are no gaps, and
# their first and last numbers tell all between, in a tenth of the time.
_WITHOUT_GAPS = """
SELECT p.world, p.count, p.first AS n, c.first AS id, p.new AND p.straight AND c.straight AS whole
FROM (
  SELECT {world} AS world, min(p.n) AS first, count(*) AS count, bool_and(version IS NULL) AS new,
    max(p.n) - min(p.n) + 1 = count(*) AS straight
  FROM {plan} AS p WHERE p.version IS NULL OR p.changed GROUP BY 1
) AS p, LATERAL (
  SELECT min(c.id) AS first, count(*) = p.count AND max(c.id) - min(c.id) + 1 = p.count AS straight
  FROM history.change AS c WHERE p.new AND p.straight
    AND c.worldid = p.world AND c.entity = $1 AND c.changed_at = now()
) AS c
"""
# New rows were written in the order of the files, so the changes that tell of them come in that
# order too; a changed row is found by its key. Where numbers of changes and of rows go up
# together is a stretch; how rows are called, is known for runs of them: where each begins,
# which file it is of, and what is to be added.
_EACH = """
WITH added AS (
  SELECT {world} AS world, {home} AS home, p.n,
    row_number() OVER (PARTITION BY {world} ORDER BY p.n) AS place
  FROM {plan} AS p WHERE p.version IS NULL
), wrote AS (
  SELECT w.world, c.id, c.recordid, row_number() OVER (PARTITION BY w.world ORDER BY c.id) AS place
  FROM (SELECT world, count(*) AS rows FROM added GROUP BY world) AS w, LATERAL (
    SELECT c.id, c.recordid FROM history.change AS c
    WHERE c.worldid = w.world AND c.entity = $1 AND c.changed_at = now() AND c.operation = 'insert'
    ORDER BY c.id DESC LIMIT w.rows
  ) AS c
), matched AS (
  SELECT a.world, w.id, a.n FROM added AS a JOIN wrote AS w
    ON w.world = a.world AND w.place = a.place AND w.recordid = a.home
  UNION ALL
  SELECT {world}, c.id, p.n FROM {plan} AS p, LATERAL (
    SELECT c.id FROM history.change AS c
    WHERE c.worldid = {world} AND c.recordid = {home} AND c.changed_at = now() AND c.entity = $1
      AND {same} AND c.operation <> 'insert'
    ORDER BY c.id DESC LIMIT 1
  ) AS c WHERE p.changed
), told AS (
  SELECT b.world, b.id, ($3::int[])[r.run] AS file, b.n + ($4::int[])[r.run] AS row
  FROM matched AS b, LATERAL (SELECT width_bucket(b.n, $2::int[]) AS run OFFSET 0) AS r
  WHERE ($4::int[])[r.run] IS NOT NULL
), stretched AS (
  SELECT *, lag(id) OVER every AS before, id - row - lag(id - row) OVER every AS apart
  FROM told WINDOW every AS (PARTITION BY world, file ORDER BY id)
), ends AS (
  SELECT world, file, id, row, coalesce(lead(before) OVER every, ended) AS last,
    (row_number() OVER every - 1) / {part} AS part
  FROM (
    SELECT *, max(id) OVER (PARTITION BY world, file) AS ended FROM stretched
  ) AS s WHERE apart IS DISTINCT FROM 0
  WINDOW every AS (PARTITION BY world, file ORDER BY id)
)
SELECT history.note_rows(p.world, $1, ($5::text[])[p.file + 1], p.changes, p.counts, p.rows)
FROM (
  SELECT world, file, array_agg(id ORDER BY id) AS changes,
    array_agg((last - id + 1)::int ORDER BY id) AS counts, array_agg(row ORDER BY id) AS rows
  FROM ends GROUP BY world, file, part
) AS p
"""


async def note_origin(connection: asyncpg.Connection, table: Staged) -> None:
    """Note where the rows that were just written come from, if their sources are files.

    Users have no history; rows of tables in memory are called as their frames like it, and are
    told by the notebook.
    """
    stored = table.stored
    starts, sources, added = table.numbered()
    if stored.name == "user" or not any(number is not None for number in added):
        return
    world = "p.worldid" if "worldid" in stored.table.columns else "p.id"
    files = [source.source.file for source in table.sources]
    found = await connection.fetch(_WITHOUT_GAPS.format(world=world, plan=table.plan), stored.name)
    if all(row["whole"] for row in found):
        for row in found:
            for file, stretches in _cut(table, row["n"], row["count"], row["id"]).items():
                for at in range(0, len(stretches), _PART_STRETCHES):
                    told = zip(*stretches[at : at + _PART_STRETCHES], strict=True)
                    await connection.execute(
                        _NOTE, row["world"], stored.name, files[file], *map(list, told)
                    )
        return
    keys, home = "c.key IS NULL", "p.id"
    if isinstance(stored, Link):
        told_by = [name for name in stored.key if name != "worldid" or name == stored.home]
        pairs = ", ".join(f"'{name}', p.{quoted(name)}" for name in told_by)
        keys, home = f"c.key = jsonb_build_object({pairs})", f"p.{quoted(stored.home)}"
    statement = _EACH.format(
        world=world, home=home, same=keys, plan=table.plan, part=_PART_STRETCHES
    )
    await connection.execute(statement, stored.name, starts, sources, added, files)


def _cut(
    table: Staged, first: int, count: int, change: int
) -> dict[int, list[tuple[int, int, int]]]:
    """Return the stretches of `count` rows from the number `first` on, by source.

    Each has its first change, how many there are, and its first row; `change` is that of `first`.
    """
    stretches: dict[int, list[tuple[int, int, int]]] = {}
    starts, sources, added = table.numbered()
    for start, end, source, more in zip(
        starts, [*starts[1:], table.rows], sources, added, strict=True
    ):
        begin, stop = max(start, first), min(end, first + count)
        if more is not None and begin < stop:
            one = (change + begin - first, stop - begin, begin + more)
            stretches.setdefault(source, []).append(one)
    return stretches
