"""How fast single records are read and written: our repository beside asyncpg, Core and AA.

One after another, each operation with a connection from a pool and, if it writes, with a
commit that waits for the disk; the same tables, triggers and history for all.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from tests.benchmarks.measure import (
    Candidate,
    in_turns,
    run,
    scaled_world,
    server,
    stopwatch,
)
from tests.benchmarks.repository_peers import AdvancedAlchemy, Core, Ours, Peer, Raw
from tests.benchmarks.results import table, write_section
from workbench.database.engine import Database
from workbench.transfer.load import load

TITLE = "Repository"
PACKAGES = ("asyncpg", "SQLAlchemy", "advanced-alchemy", "pydantic")
SCENES = 10_000
ROUNDS = 15
TIMES = {"get": 100, "page of 50": 40, "add": 60, "update": 60}
NOTE = (
    "The repository validates what is written, checks the expected version, tells errors apart, "
    "returns records, and asks a pooled connection whether it still lives before each use "
    "(a ping, so that a restarted server is no error). SQLAlchemy Core runs the same "
    "ready-made statements, with that ping and without, in autocommit for reads, and returns "
    "rows. advanced-alchemy returns mapped objects, a session for each operation, no ping. "
    "asyncpg uses its own pool, no ping, and returns its own records."
)
_numbers = itertools.count(1)


def candidate(peer: Peer, what: str, times: int, world: UUID, ids: Sequence[UUID]) -> Candidate:
    async def once(n: int, rows: Sequence[Any]) -> Any:
        if what == "get":
            return await peer.get(ids[n])
        if what == "add":
            return await peer.add(world, f"Somebody {next(_numbers)}")
        if what == "update":
            return await peer.update(rows[n], f"As of {next(_numbers)}.")
        return await peer.page(world)

    async def work() -> float:
        rows = [await peer.get(id) for id in ids[:times]] if what == "update" else ()
        with stopwatch() as watch:
            for n in range(times):
                assert await once(n, rows)
        return watch.seconds

    return work


async def measured(url: str, database: Database) -> list[list[str]]:
    pool = await asyncpg.create_pool(url, min_size=1, server_settings=database.settings)
    peers = {
        "repository": Ours(database),
        "core": Core(database, ping=True),
        "core without ping": Core(database, ping=False),
        "aa": AdvancedAlchemy(database),
        "asyncpg": Raw(pool),
    }
    async with pool.acquire() as connection:
        world = await connection.fetchval(
            "SELECT worldid FROM persona GROUP BY worldid ORDER BY count(*) DESC LIMIT 1"
        )
        rows = await connection.fetch("SELECT id FROM persona ORDER BY id LIMIT 500")
    ids = [row["id"] for row in rows]
    result = []
    for what, times in TIMES.items():
        print(what, file=sys.stderr)
        turns = {name: candidate(peer, what, times, world, ids) for name, peer in peers.items()}
        for peer in peers.values():
            await candidate(peer, what, 20, world, ids)()
        took = await in_turns(turns, ROUNDS)
        ours = took.pop("repository")
        cells = [f"{times / s:,.0f} ({s / ours:.2f})" for s in took.values()]
        result.append([what, f"{times / ours:,.0f}", *cells])
    for peer in peers.values():
        await peer.close()
    return result


async def main() -> None:
    async with server() as on:
        name = await on.copy_of()
        async with on.database(name) as database:
            report = await load(database, scaled_world(SCENES, on.home))
            report.raise_for_problems()
            rows = await measured(on.url(name), database)
    header = ("repository", "Core, pinged", "Core, no ping", "advanced-alchemy", "asyncpg")
    write_section(
        TITLE,
        "Operations a second (in brackets: how many times the repository's seconds), "
        f"PostgreSQL {on.version}.",
        table(["", *header], rows),
        NOTE,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    run(main)
