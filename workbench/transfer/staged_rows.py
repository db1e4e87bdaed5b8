"""What staged rows say, read back for those of them that there is something to say about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg

from workbench.transfer.lookups import GLOBAL, lookups
from workbench.transfer.outside import Outside
from workbench.transfer.prepare import Prepared
from workbench.transfer.stage import Staged, quoted

_AT_ONCE = 1_000


async def staged_rows(
    connection: asyncpg.Connection, table: Staged, query: str, *arguments: object
) -> AsyncIterator[asyncpg.Record]:
    """Give the rows of `query`, which have an `n`, with the texts of names, ids and keys.

    They come in the order of the files, a bounded number of them at a time.
    """
    stored = table.stored
    wanted = [n for n in table.columns if n.startswith("@") or n in stored.references]
    cells = [
        f"s.{quoted(name)}::text AS {quoted(name)}"
        for name in dict.fromkeys((*wanted, *stored.key))
        if name in table.columns
    ]
    cursor = connection.cursor(
        f"SELECT {', '.join(('w.*', *cells))} FROM ({query}) AS w "
        f"JOIN {table.load} AS s ON s.n = w.n ORDER BY w.n",
        *arguments,
        prefetch=_AT_ONCE,
    )
    async for row in cursor:
        yield row


def said(
    source: Prepared, row: asyncpg.Record, outside: Outside, *about: str
) -> tuple[str | None, str | None]:
    """Return how its file calls the first of the columns `about` that it has, and what the row
    says there.
    """
    stored = source.source.stored
    header, staged = source.place(*about)
    if header not in source.source.cells.column_names:  # the world to import into, say
        return None, None
    if staged in row:
        return header, row[staged]
    for column, target in stored.references.items():
        if staged == f"@{stored.twin(column)}" and target in GLOBAL and row[column] is not None:
            return header, outside.named(target, UUID(row[column])) or row[column]
    return header, None


def said_key(source: Prepared, row: asyncpg.Record, outside: Outside) -> dict[str, str]:
    """Return what a row says of its key, by the columns of its file."""
    stored = source.source.stored
    paths = {lookup.column: lookup.path for lookup in lookups(stored.name)}
    found: dict[str, str] = {}
    for column in stored.key:
        levels = [step.level for step in paths.get(column, ())] or [stored.twin(column)]
        for name in dict.fromkeys((*levels, column)):
            header, value = said(source, row, outside, name)
            if header is not None:
                found[header] = str(value)
    return found
