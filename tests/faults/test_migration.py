"""A migration that is killed half way has not been."""

from __future__ import annotations

import asyncio
import sys

import asyncpg

from tests.faults.conftest import until
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.migrate import current, head, migrate

MIGRATE = """
import asyncio, sys
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.migrate import migrate
asyncio.run(migrate(Database(Address.parse(sys.argv[1]))))
"""
WAITING = (
    "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'alembic_version'::regclass "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


async def test_a_migration_that_is_killed_half_way_leaves_nothing_and_is_done_again(
    empty_database: str,
) -> None:
    watching = await asyncpg.connect(empty_database)
    # The version is written first, then the tables: with another's table of the version the
    # migration waits, after it has begun, until it is killed.
    await watching.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    async with watching.transaction():
        await watching.execute("LOCK TABLE alembic_version IN SHARE MODE")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATE, empty_database
        )
        async with asyncio.timeout(60):
            while (pid := await watching.fetchval(WAITING)) is None:
                assert process.returncode is None, "the migration ended before it could be killed"
                await asyncio.sleep(0.02)
        assert await watching.fetchval("SELECT to_regclass('public.world') IS NULL")
        process.kill()
        await process.wait()
    gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $1"
    await until(lambda: watching.fetchval(gone, pid))  # the server looks once a second
    assert await watching.fetchval("SELECT to_regclass('public.world') IS NULL")
    await watching.execute("DROP TABLE alembic_version")
    await watching.close()
    database = Database(Address.parse(empty_database))
    assert await current(database) is None
    assert await migrate(database) == (None, head())
    await database.close()
