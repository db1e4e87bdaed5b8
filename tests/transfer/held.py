"""Work that is held up by a lock of the test's, so that something can happen in its midst."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path

import asyncpg

from workbench.database.engine import Database

_WAITING = (
    "SELECT pid FROM pg_locks WHERE NOT granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_IMPORT = """
import asyncio, sys, uuid
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.transfer.load import load
database = Database(Address.parse(sys.argv[1]), userid=uuid.UUID(sys.argv[2]))
asyncio.run(load(database, sys.argv[3]))
"""


async def waiting(connection: asyncpg.Connection) -> int | None:
    """Return the process of the server that waits for a lock in this database, if one does."""
    return await connection.fetchval(_WAITING)


async def held_up(connection: asyncpg.Connection, ended: Callable[[], object]) -> int:
    """Return the process of the server that waits for a lock, as soon as one does."""
    async with asyncio.timeout(60):
        while (pid := await waiting(connection)) is None:
            assert not ended(), "the work ended before it was held up"
            await asyncio.sleep(0.02)
    return pid


async def import_elsewhere(
    connection: asyncpg.Connection, url: str, database: Database, path: Path
) -> tuple[Process, int]:
    """Import in another process; return it once it waits for a lock, and what waits in the server."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _IMPORT, url, str(database.userid), str(path),
        env={**os.environ}, stderr=PIPE,
    )  # fmt: skip
    return process, await held_up(connection, lambda: process.returncode is not None)
