"""What history costs when writing, and what it takes to look back and to undo.

Writes run with the triggers of the history and, as the owner of the tables may have it, without
them. The past is that of a world in which every row was changed since, so that all that is read
is rewound; and of one in which nothing was.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import asyncpg
from sqlalchemy import text

from tests.benchmarks.grid_speed import world
from tests.benchmarks.measure import Server, in_turns, run, scaled_world, server, stopwatch
from tests.benchmarks.results import table, write_section
from tests.benchmarks.rights_speed import timed
from workbench.database.engine import Database
from workbench.transfer.load import load
from workbench.workspace import Workspace

TITLE = "History"
PACKAGES = ("asyncpg", "SQLAlchemy")
SCENES = 100_000
UNDONE = 10_000
_CHANGE = text(
    "UPDATE scene SET display_name = 'x' || :n || name"
    " WHERE worldid = :world AND id IN (SELECT id FROM scene WHERE worldid = :world LIMIT :rows)"
)
_LOGGED = (
    "SELECT tgrelid::regclass::text AS name, tgname FROM pg_trigger WHERE tgname LIKE 'log\\_%'"
)
NOTE = (
    "Writing is timed with the triggers of the history and without them, as a user. The past is "
    "that of a world of 100,000 scenes, each of which was changed since (100,000 rows of history "
    "to rewind), or none. An undo includes its report."
)


async def without_history(on: Server, name: str) -> None:
    connection = await asyncpg.connect(on.url(name))
    for row in await connection.fetch(_LOGGED):
        await connection.execute(f"ALTER TABLE {row['name']} DISABLE TRIGGER {row['tgname']}")
    await connection.close()


async def change(database: Database, world_id: UUID, rows: int, n: int = 0) -> None:
    async with database.writing() as connection:
        await connection.execute(_CHANGE, {"world": world_id, "rows": rows, "n": str(n)})


async def writing(on: Server) -> list[list[str]]:
    folder = scaled_world(10_000, on.home)
    took: dict[str, dict[str, float]] = {}

    async def importing(logged: bool) -> float:
        name = await on.copy_of()
        if not logged:
            await without_history(on, name)
        async with on.database(name) as database:
            with stopwatch() as watch:
                (await load(database, folder)).raise_for_problems()
        await on.drop(name)
        return watch.seconds

    async def updating(logged: bool) -> float:
        name = await on.copy_of()
        if not logged:
            await without_history(on, name)
        async with on.database(name) as database:
            (await load(database, world("Big", UNDONE))).raise_for_problems()
            big = await Workspace(database).worlds.get(name="Big")
            with stopwatch() as watch:
                await change(database, big.id, UNDONE)
        await on.drop(name)
        return watch.seconds

    await importing(logged=True)
    for what, work in (
        ("import of 10,000 scenes (53,998 rows)", importing),
        ("update of 10,000 rows in one statement", updating),
    ):
        print(what, file=sys.stderr)
        took[what] = await in_turns(
            {"with": partial(work, logged=True), "without": partial(work, logged=False)}, 5
        )
    return [_row(what, t["with"], t["without"]) for what, t in took.items()]


async def reading(on: Server, name: str) -> list[list[str]]:
    rows = []
    async with on.database(name) as database:
        live = Workspace(database)
        big = await live.worlds.get(name="Big")
        before = datetime.now(UTC)
        await change(database, big.id, SCENES)
        await vacuum(on, name)
        async with (
            live.as_of(before) as rewound,
            live.as_of(datetime.now(UTC)) as unchanged,
        ):
            spaces = {"live": live, "rewound": rewound, "unchanged": unchanged}
            some = (await live.scenes.find(world=big, limit=1))[0]
            asks: dict[str, tuple[int, Callable[[Workspace], Awaitable[object]]]] = {
                "get": (100, lambda wb: wb.scenes.get(some.id)),
                "page of 50": (100, lambda wb: wb.scenes.find(worldid=big.id)),
                "count": (1, lambda wb: wb.scenes.count(worldid=big.id)),
                "frame of 100,000": (1, lambda wb: wb.scenes.frame(world=big.id)),
            }
            for what, (times, ask) in asks.items():
                print(what, file=sys.stderr)
                took = await in_turns(
                    {who: timed(partial(ask, wb), times) for who, wb in spaces.items()}, 5
                )
                base = took["live"]
                told = [
                    f"{took[w] * 1000:,.2f} ({took[w] / base:.2f})" for w in spaces if w != "live"
                ]
                rows.append([what, f"{base * 1000:,.2f}", *told])
    return rows


async def undoing(on: Server, name: str) -> list[list[str]]:
    async with on.database(name) as database:
        live = Workspace(database)
        big = await live.worlds.get(name="Big")
        rounds = iter(range(1, 100))

        async def changed() -> float:
            await change(database, big.id, UNDONE, next(rounds))
            done = (await live.changes(world=big, limit=1))["changeset"].iloc[0]
            with stopwatch() as watch:
                report = await live.undo(done)
            assert report.changed == {"scene": UNDONE}
            return watch.seconds

        async def imported() -> float:
            added = world(f"Small {next(rounds)}", UNDONE)
            (await load(database, added)).raise_for_problems()
            done = (await live.changes(limit=1))["changeset"].iloc[0]
            with stopwatch() as watch:
                report = await live.undo(done)
            assert report.removed["scene"] == UNDONE
            return watch.seconds

        took = await in_turns({"changed": changed, "imported": imported}, 5)
    return [
        [f"undo of {UNDONE:,} changed rows", f"{took['changed']:.2f}"],
        [f"undo of an import of {UNDONE:,} scenes", f"{took['imported']:.2f}"],
    ]


async def vacuum(on: Server, name: str) -> None:
    connection = await asyncpg.connect(on.url(name))
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _row(name: str, logged: float, bare: float) -> list[str]:
    return [name, f"{logged:.2f}", f"{bare:.2f}", f"{logged / bare:.2f}"]


async def main() -> None:
    async with server() as on:
        written = await writing(on)
        name = await on.copy_of()
        async with on.database(name) as database:
            (await load(database, world("Big", SCENES))).raise_for_problems()
        read = await reading(on, name)
        undone = await undoing(on, name)
        version = on.version
    write_section(
        TITLE,
        f"PostgreSQL {version}. Writing, seconds:",
        table(["", "with history", "without", "ratio"], written),
        "Reading, milliseconds (in brackets: how many times the present's):",
        table(["", "present", "past, all changed since", "past, nothing changed since"], read),
        "Undoing, seconds:",
        table(["", "took"], undone),
        NOTE,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    run(main)
