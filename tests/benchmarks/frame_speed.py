"""How fast 100,000 rows become a frame: `frame()` beside what else reads a statement.

`frame()` asks for ids and JSON as text. `read_sql` runs the statement that anybody would write,
which gives Python's UUIDs and dicts, and then that of `frame()` too. All sort by id, each on a
connection that is open already.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import asyncpg
import pandas as pd
from sqlalchemy import Cast, Engine

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
from workbench.entities.scene import SCENE
from workbench.store.columns import chosen, literal, selection
from workbench.transfer.load import load
from workbench.workspace import Workspace

TITLE = "Frames"
PACKAGES = ("pandas", "pyarrow", "adbc-driver-postgresql", "SQLAlchemy", "psycopg", "asyncpg")
SCENES = 100_000
ROUNDS = 9
NOTE = (
    "COPY runs the statement of `frame()` and throws the bytes away: what the server itself "
    "takes. `fetch` runs it too and stops at Python tuples, without a frame."
)


def statement(*, names: bool, plain: bool = False) -> str:
    """Return what `frame()` runs; with `plain` without its casts."""
    tables, columns = chosen(SCENE, None, names=names)
    if plain:
        columns = [
            replace(c, value=c.value.clause) if isinstance(c.value, Cast) else c for c in columns
        ]
    return literal(selection(tables, columns))


def candidates(
    wb: Workspace, engine: Engine, raw: asyncpg.Connection, *, names: bool
) -> dict[str, Candidate]:
    text = statement(names=names)

    async def ours() -> float:
        with stopwatch() as watch:
            frame = await wb.scenes.frame(names=names)
        assert len(frame) == SCENES
        return watch.seconds

    async def copy() -> float:
        async def nowhere(_: bytes) -> None:
            pass

        with stopwatch() as watch:
            await raw.copy_from_query(text, output=nowhere, format="binary")
        return watch.seconds

    def read_sql(statement: str) -> Candidate:
        async def work() -> float:
            with stopwatch() as watch, engine.connect() as connection:
                frame = pd.read_sql(statement, connection)
            assert len(frame) == SCENES
            return watch.seconds

        return work

    async def fetch() -> float:
        with stopwatch() as watch:
            rows = await raw.fetch(text)
        assert len(rows) == SCENES
        return watch.seconds

    return {
        "frame": ours,
        "copy": copy,
        "read_sql": read_sql(statement(names=names, plain=True)),
        "read_sql of frame": read_sql(text),
        "fetch": fetch,
    }


async def measured(on: Server, name: str) -> list[list[str]]:
    rows = []
    async with on.database(name) as database:
        engine = on.engine(name)
        raw = await asyncpg.connect(on.url(name))
        wb = Workspace(database)
        for names in (False, True):
            print(f"names={names}", file=sys.stderr)
            turns = candidates(wb, engine, raw, names=names)
            for once in turns.values():  # what is read, loaded or planned when first used
                await once()
            took = await in_turns(turns, ROUNDS)
            ours = took.pop("frame")
            cells = [f"{seconds:.2f} ({seconds / ours:.2f})" for seconds in took.values()]
            columns = chosen(SCENE, None, names=names)[1]
            rows.append([f"`names={names}`", str(len(columns)), f"{ours:.2f}", *cells])
        await raw.close()
        engine.dispose()
        await wb.close()
    return rows


async def main() -> None:
    async with server() as on:
        name = await on.copy_of()
        async with on.database(name) as database:
            report = await load(database, scaled_world(SCENES, on.home))
            report.raise_for_problems()
        rows = await measured(on, name)
    header = (
        "columns",
        "`frame`",
        "COPY to nothing",
        "`read_sql`",
        "`read_sql`, statement of `frame`",
        "asyncpg `fetch`",
    )
    write_section(
        TITLE,
        f"{SCENES:,} scenes, seconds (in brackets: how many times those of `frame`), "
        f"PostgreSQL {on.version}.",
        table(["", *header], rows),
        NOTE,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    run(main)
