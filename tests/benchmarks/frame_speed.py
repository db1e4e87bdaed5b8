"""How fast rows become a frame, 100,000 and a million: `frame()` beside what else reads a statement.

`frame()` asks for ids and JSON as text. `read_sql` runs the statement that anybody would write,
which gives Python's UUIDs and dicts, and then that of `frame()` too. All sort by id, each on a
connection that is open already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import asyncpg
import connectorx
import pandas as pd
import polars
import sqlalchemy
from adbc_driver_postgresql import dbapi
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
from workbench.collection import Collection
from workbench.entities.persona import PERSONA
from workbench.entities.scene import SCENE
from workbench.store.columns import chosen, literal, selection
from workbench.transfer.load import load
from workbench.workspace import Workspace

TITLE = "Frames"
PACKAGES = (
    *("pandas", "pyarrow", "adbc-driver-postgresql", "SQLAlchemy", "psycopg", "asyncpg"),
    *("connectorx", "polars"),
)
SCENES = 100_000
ROUNDS = 9
MANY = 1_000_000
FEW_ROUNDS = 5
MANY_PERSONAE = """
WITH made AS (INSERT INTO world (name, ownerid) VALUES ('Many', rules.acting_user()) RETURNING id)
INSERT INTO persona (worldid, ownerid, name, kind, description, attributes)
SELECT made.id, rules.acting_user(), 'Persona ' || n, 'human', 'Somebody, number ' || n,
    jsonb_build_object('speeches', n % 100, 'words', n)
FROM made, generate_series(1, :rows) AS n
"""
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


def framing(collection: Collection[Any, Any], rows: int, **options: Any) -> Candidate:
    async def once() -> float:
        with stopwatch() as watch:
            frame = await collection.frame(**options)
        assert len(frame) == rows
        return watch.seconds

    return once


def copying(raw: asyncpg.Connection, text: str) -> Candidate:
    async def nowhere(_: bytes) -> None:
        pass

    async def once() -> float:
        with stopwatch() as watch:
            await raw.copy_from_query(text, output=nowhere, format="binary")
        return watch.seconds

    return once


def reading(engine: Engine, text: str, rows: int) -> Candidate:
    async def once() -> float:
        with stopwatch() as watch, engine.connect() as connection:
            frame = pd.read_sql(text, connection)
        assert len(frame) == rows
        return watch.seconds

    return once


def candidates(
    wb: Workspace, engine: Engine, raw: asyncpg.Connection, *, names: bool
) -> dict[str, Candidate]:
    text = statement(names=names)

    async def fetch() -> float:
        with stopwatch() as watch:
            rows = await raw.fetch(text)
        assert len(rows) == SCENES
        return watch.seconds

    return {
        "frame": framing(wb.scenes, SCENES, names=names),
        "copy": copying(raw, text),
        "read_sql": reading(engine, statement(names=names, plain=True), SCENES),
        "read_sql of frame": reading(engine, text, SCENES),
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


def peers(url: str, text: str) -> dict[str, Candidate]:
    """Return what else reads the statement of `frame()` into columns."""

    def timed(work: Callable[[], int]) -> Candidate:
        async def once() -> float:
            with stopwatch() as watch:
                rows = work()
            assert rows == MANY
            return watch.seconds

        return once

    def adbc() -> int:
        with dbapi.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return int(cursor.fetch_arrow_table().num_rows)

    # connectorx wants a host, and takes the folder of a Unix socket for one.
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    host = f"{parts.username}@{quote(query['host'][0], safe='')}:{query['port'][0]}"
    hosted = urlunsplit(parts._replace(netloc=host, query=""))

    def with_connectorx() -> int:  # Arrow: its frames cannot hold lists of texts
        return len(connectorx.read_sql(hosted, text, return_type="arrow"))

    def with_polars() -> int:
        return len(polars.read_database_uri(text, url, engine="adbc"))

    return {
        "adbc": timed(adbc),
        "connectorx": timed(with_connectorx),
        "polars": timed(with_polars),
    }


async def of_a_million(on: Server) -> list[list[str]]:
    name = await on.copy_of()
    async with on.database(name, rights=False) as database, database.writing() as connection:
        await connection.execute(sqlalchemy.text(MANY_PERSONAE), {"rows": MANY})
    async with on.database(name) as database:
        engine, raw = on.engine(name), await asyncpg.connect(on.url(name))
        await raw.execute("ANALYZE persona")
        wb = Workspace(database)
        text = literal(selection(*chosen(PERSONA, None, names=False)))

        # asyncpg finds the socket of the embedded server by itself; libpq by the same address.
        turns = {
            "frame": framing(wb.personas, MANY),
            "copy": copying(raw, text),
            **peers(on.url(name), text),
            "read_sql": reading(engine, text, MANY),
        }
        await turns["frame"]()
        took = await in_turns(turns, FEW_ROUNDS)
        limit = took["copy"]
        rows = [
            [what, f"{seconds:.2f}", f"{seconds / limit:.2f}", f"{seconds / took['frame']:.2f}"]
            for what, seconds in sorted(took.items(), key=lambda item: item[1])
        ]
        await raw.close()
        engine.dispose()
        await wb.close()
    return rows


async def main() -> None:
    async with server() as on:
        million = await of_a_million(on)
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
        f"{MANY:,} personae, without names:",
        table(["", "seconds", "times COPY", "times `frame`"], million),
        "All run the statement of `frame()`, each peer as the owner of the tables, whom rights do "
        "not bind, and on a connection of its own where it takes none.",
        packages=PACKAGES,
    )


if __name__ == "__main__":
    run(main)
