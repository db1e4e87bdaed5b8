"""What row rights cost: the same work with a user's login, and as the owner of the tables.

One database with 20 worlds; what is read lies in one of them. Both connections act as the same
user, who owns all worlds, and take turns.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import asyncpg
from sqlalchemy import text

from tests.benchmarks.grid_speed import world
from tests.benchmarks.measure import (
    Candidate,
    Server,
    in_turns,
    run,
    scaled_world,
    server,
    stopwatch,
)
from tests.benchmarks.results import table, write_section
from workbench.database.engine import Database
from workbench.database.logins import issue_login, revoke_login
from workbench.transfer.load import load
from workbench.workspace import Workspace

TITLE = "Rights"
PACKAGES = ("asyncpg", "SQLAlchemy")
SCENES = 100_000
FOUND_IN = 1_000_000
WORLDS = 20
SMALL, LARGE = 200, 5
_MANY = text(
    "INSERT INTO persona (worldid, name, ownerid)"
    " SELECT :world, 'person ' || md5(n::text) || ' ' || n, (SELECT rules.acting_user())"
    " FROM generate_series(CAST(:start AS int), :start + 99999) AS n"
)
NOTE = (
    "`get`, pages and searches are of a repository, ping and all, the time of one call. The "
    "search is for a few letters among 1,000,000 names. Issuing a login includes the round trip, "
    "and 30 logins are alive besides."
)


def timed(work: Callable[[], Awaitable[object]], times: int) -> Candidate:
    async def once() -> float:
        await work()
        with stopwatch() as watch:
            for _ in range(times):
                await work()
        return watch.seconds / times

    return once


async def compare(
    works: dict[str, Callable[[], Awaitable[object]]], times: int, rounds: int
) -> dict[str, float]:
    return await in_turns({n: timed(work, times) for n, work in works.items()}, rounds)


async def reading(on: Server, name: str) -> list[list[str]]:
    rows = []
    async with on.database(name) as bound, on.database(name, rights=False) as free:
        spaces = {"rights": Workspace(bound), "owner": Workspace(free)}
        big = await spaces["owner"].worlds.get(name="Big")
        some = (await spaces["owner"].scenes.find(world=big, limit=1))[0]
        questions: dict[str, tuple[int, Callable[[Workspace], Awaitable[object]]]] = {
            "get": (SMALL, lambda wb: wb.scenes.get(some.id)),
            "page of 50": (SMALL, lambda wb: wb.scenes.find(worldid=big.id)),
            "page of 50, over all worlds": (SMALL, lambda wb: wb.scenes.find()),
            "search in a million": (
                20,
                lambda wb: wb.personas.find(worldid=big.id, search="e3f4a"),
            ),
            "frame of 100,000": (1, lambda wb: wb.scenes.frame(world=big.id)),
        }
        for question, (times, ask) in questions.items():
            print(question, file=sys.stderr)
            took = await compare(
                {who: partial(ask, wb) for who, wb in spaces.items()},
                times,
                7,
            )
            rows.append(_row(question, took))
    return rows


async def importing(on: Server) -> list[str]:
    folder = scaled_world(10_000, on.home)

    async def once(rights: bool) -> float:
        async with on.database(rights=rights) as database:
            with stopwatch() as watch:
                (await load(database, folder)).raise_for_problems()
        return watch.seconds

    await once(rights=True)
    took = await in_turns(
        {"rights": lambda: once(rights=True), "owner": lambda: once(rights=False)}, LARGE
    )
    return _row("import of 10,000 scenes (53,998 rows)", took)


async def logins(server_of: Database, user: UUID) -> list[str]:
    for _ in range(30):
        await issue_login(server_of, user, "benchmark")

    async def once() -> None:
        made = await issue_login(server_of, user, "benchmark")
        await revoke_login(server_of, made.role)

    took = await compare({"rights": once}, 20, 5)
    return ["a login issued and revoked", f"{took['rights'] * 1000:.1f}", "–", "–"]


def _row(name: str, took: dict[str, float]) -> list[str]:
    rights, owner = took["rights"] * 1000, took["owner"] * 1000
    return [name, f"{rights:,.2f}", f"{owner:,.2f}", f"{rights / owner:.2f}"]


async def main() -> None:
    async with server() as on:
        name = await on.copy_of()
        async with on.database(name) as database:
            for number in range(WORLDS - 1):
                (await load(database, world(f"World {number}", 1_000))).raise_for_problems()
            (await load(database, world("Big", SCENES))).raise_for_problems()
            big = await Workspace(database).worlds.get(name="Big")
            for start in range(0, FOUND_IN, 100_000):
                async with database.writing() as connection:
                    await connection.execute(_MANY, {"world": big.id, "start": start})
        connection = await asyncpg.connect(on.url(name))
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
        rows = await reading(on, name)
        async with on.database(name, rights=False) as free:
            assert on.user is not None
            rows.append(await logins(free, on.user))
        rows.append(await importing(on))
        version = on.version
    write_section(
        TITLE,
        f"Milliseconds, PostgreSQL {version}.",
        table(["", "with rights", "without", "ratio"], rows),
        NOTE,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    run(main)
