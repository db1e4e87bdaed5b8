"""Rows that the database refuses as they are written, though the plan saw nothing wrong with them.

A statement writes a whole table, and PostgreSQL does not say by which row it failed. So the rows
are written in halves, and halves of those that fail, until each row that is refused is alone.
"""

from __future__ import annotations

import asyncpg

from workbench.database.translate import translated
from workbench.errors import MissingReference, Refused
from workbench.transfer import apply
from workbench.transfer.stage import Staged

__all__ = ["refused_rows"]

_MOST_ROWS = 100  # that are looked for; each takes some twenty statements


class _TooMany(Exception):
    pass


async def refused_rows(connection: asyncpg.Connection, table: Staged) -> dict[int, Refused]:
    """Write those rows of a plan that can be; return the others by number, with why.

    What they refer to is to be written already. Nothing is returned if they are too many.
    """
    rows = await connection.fetch(
        f"SELECT n FROM {table.plan} WHERE version IS NULL OR changed ORDER BY n"
    )
    numbers, before = [row["n"] for row in rows], -1
    found: dict[int, Refused] = {}
    while numbers and len(numbers) != before:  # a row may refer to one that comes after it
        before, found = len(numbers), {}
        try:
            await _write(connection, table, numbers, found)
        except _TooMany:
            return {}
        numbers = list(found)
    # A row that waits for another one of its table is refused because of that one.
    alone = {n: error for n, error in found.items() if not _waits(table, error)}
    return alone or found


def _waits(table: Staged, error: Refused) -> bool:
    target = table.stored.references.get(error.field or "")
    return isinstance(error, MissingReference) and target == table.stored.name


async def _write(
    connection: asyncpg.Connection, table: Staged, numbers: list[int], found: dict[int, Refused]
) -> None:
    await connection.execute("SAVEPOINT some_rows")
    try:
        with translated(table.stored.name):
            await apply.insert(connection, table, numbers)
            await apply.update(connection, table, None, numbers)
    except Refused as error:
        await connection.execute("ROLLBACK TO some_rows; RELEASE some_rows")
        if len(numbers) > 1:
            half = len(numbers) // 2
            await _write(connection, table, numbers[:half], found)
            await _write(connection, table, numbers[half:], found)
            return
        found[numbers[0]] = error
        if len(found) > _MOST_ROWS:
            raise _TooMany from None
    else:
        await connection.execute("RELEASE some_rows")
