"""Which row of which file a record came from, noted for its history."""

from __future__ import annotations

import asyncpg

from workbench.entities import Entity
from workbench.transfer.stage import Staged

_PART_ROWS = 5_000
# How rows are called, is known for runs of them: where each begins, and what is to be added.
_NOTE = """
SELECT history.note_rows(part.world, $1, ($2::text[])[part.file + 1], part.ids, part.rows)
FROM (
  SELECT world, file, array_agg(id ORDER BY id) AS ids, array_agg(row ORDER BY id) AS rows
  FROM (
    SELECT p.id, {world} AS world, s.file,
      (p.n + ($4::int[])[width_bucket(p.n, $3::int[])])::text AS row,
      (row_number() OVER (PARTITION BY {world}, s.file ORDER BY p.id) - 1) / {part} AS part
    FROM {plan} AS p JOIN {load} AS s ON s.n = p.n
    WHERE p.version IS NULL OR p.changed
  ) AS told WHERE row IS NOT NULL GROUP BY world, file, part
) AS part
"""


async def note_origin(connection: asyncpg.Connection, table: Staged) -> None:
    """Note where the rows that were just written come from, if their sources are files.

    Links have no id to note it by, users no history; rows of tables in memory are called as
    their frames like it, and are told by the notebook.
    """
    stored = table.stored
    if not isinstance(stored, Entity) or stored.name == "user":
        return
    files = [source.source.file for source in table.sources]
    starts, added = table.numbered()
    statement = _NOTE.format(
        world="p.worldid" if "worldid" in stored.table.columns else "p.id",
        plan=table.plan,
        load=table.load,
        part=_PART_ROWS,
    )
    await connection.execute(statement, stored.name, files, starts, added)
