"""What PostgreSQL knows about the sizes of tables, kept true by imports that change them much."""

from __future__ import annotations

from contextlib import suppress

import asyncpg
from sqlalchemy import text

from workbench.database.engine import Database
from workbench.entities import STORED
from workbench.errors import WorkbenchError
from workbench.transfer.report import LoadReport
from workbench.transfer.stage import quoted

_COUNT = text("""
SELECT rules.count_anew(array_agg(written.name))
FROM unnest(CAST(:tables AS text[]), CAST(:rows AS bigint[])) AS written (name, rows)
JOIN pg_class AS c ON c.oid = quote_ident(written.name)::regclass
WHERE written.rows >= c.reltuples * :share
HAVING count(*) > 0
""")
_NEVER_COUNTED = "SELECT reltuples < 0 FROM pg_class WHERE oid = $1::regclass"
_COUNTED_FROM_ROWS = 100  # written, of a table that stays
_COUNTED_FROM_SHARE = 0.1  # of the rows that PostgreSQL knows of; less makes no other plans
_PLANNED_ANEW_FROM_ROWS = 100  # written, to which others of the import may refer


async def plan_anew(connection: asyncpg.Connection, name: str, inserted: int) -> bool:
    """Have foreign keys to the rows just inserted into `name` checked by plans for so many.

    They are checked row by row, by plans that the session keeps: one for the few rows there were
    reads a whole world for each. So does one for a table that was never counted, for then every
    index looks equally good. Counting takes a lock until the commit, so it is done only then.

    Returns
    -------
    bool
        Whether the table was counted.
    """
    if inserted < _PLANNED_ANEW_FROM_ROWS:
        return False
    never = bool(await connection.fetchval(_NEVER_COUNTED, quoted(name)))
    if never:
        await connection.execute("SELECT rules.count_anew($1)", [name])
    await connection.execute("DISCARD PLANS")
    return never


async def count_anew(database: Database, report: LoadReport, counted: set[str]) -> None:
    """Let PostgreSQL count what is new at once: until it does, it plans as if tables were empty.

    A tenth more or less is nothing: to count takes longer than a small import, the longer the
    larger the table. Few rows count too where there are few: of a table it has not looked at,
    PostgreSQL takes one row in 200 to be live (`deleted_at IS NULL`), and compares each of the
    next import with every one of it.

    After the commit, so that imports at the same time do not wait for each other. What is
    written is written: nothing that goes wrong here may look as if it were not.
    """
    changed = {
        stored.name: counts.inserted + counts.updated
        for stored in STORED.values()
        if stored.name not in counted
        and (counts := report.tables.get(stored.plural)) is not None
        and counts.inserted + counts.updated >= _COUNTED_FROM_ROWS
    }
    if not changed:
        return
    with suppress(WorkbenchError):  # PostgreSQL counts by itself, a minute later
        async with database.writing() as connection:
            # Statistics may get lost in a crash, so nobody waits for the disk.
            await connection.execute(text("SET LOCAL synchronous_commit = off"))
            grown = {"tables": list(changed), "rows": list(changed.values())}
            await connection.execute(_COUNT, {**grown, "share": _COUNTED_FROM_SHARE})
