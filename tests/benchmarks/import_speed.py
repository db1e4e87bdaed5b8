"""How fast files come in: `load` beside `psql \\copy` of the finished rows, ADBC, SQLAlchemy, pandas.

The peers get what `load` has worked out: rows whose parents are ids already, checked, in an
order that fits the foreign keys. All write into the same tables with all their indexes, keys,
triggers and history, each in one transaction. Rows that ADBC sends go into temporary tables of
text first: it writes no enums, ids or JSON into tables that are there.

`python -m tests.benchmarks.import_speed personae scenes` adds a million personae and a world of a
million scenes.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
from adbc_driver_postgresql import dbapi
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql

from tests.benchmarks.measure import (
    SHARED,
    Candidate,
    Server,
    in_turns,
    run,
    scaled_world,
    server,
    stopwatch,
)
from tests.benchmarks.results import table, write_section
from workbench.entities import STORED
from workbench.entities.base import STAMPS
from workbench.transfer.load import load
from workbench.transfer.report import Progress

TITLE = "Import"
PACKAGES = ("pandas", "pyarrow", "asyncpg", "psycopg", "SQLAlchemy", "adbc-driver-postgresql")
DIALECT = postgresql.dialect()
LATE = "SET CONSTRAINTS fk_world_imageid DEFERRED"
PEERS = ("copy", "adbc", "bulk", "to_sql", "again")
STAGES = ("read and check", "stage and plan", "write and commit")
NOTE = (
    "`load` reads CSV, checks every cell, finds every parent by name and tells what is new; "
    "the peers get the finished rows, ids and all. The last column is the second import of the "
    "same files, which changes nothing."
)
COLUMNS = {
    stored.name: [c.name for c in stored.table.columns if c.name not in {*STAMPS, "deleted_at"}]
    for stored in STORED.values()
    if stored.name != "user"
}


class Files:
    """One folder of files, and what it becomes when it is imported."""

    def __init__(self, on: Server, name: str, folder: Path) -> None:
        self.on, self.name, self.folder = on, name, folder
        self.rows = 0
        self.stages: list[dict[str, float]] = []
        self._loaded: str | None = None
        self._copies: dict[str, Path] = {}
        self._rows: dict[str, list[dict[str, Any]]] = {}

    async def first(self) -> float:
        """Import into an empty database, which is kept."""
        if self._loaded is not None:
            await self.on.drop(self._loaded)
        self._loaded = await self.on.copy_of()
        return await self._load(inserted=True)

    async def again(self) -> float:
        """Import the same files into the same database."""
        await self.on.run("CHECKPOINT")
        return await self._load(inserted=False)

    async def _load(self, *, inserted: bool) -> float:
        marks: dict[str, float] = {}

        def mark(progress: Progress) -> None:
            marks.setdefault(progress.stage, perf_counter() - start)

        async with self.on.database(self._loaded) as database:
            with stopwatch() as watch:
                start = perf_counter()
                report = await load(database, self.folder, progress=mark)
        report.raise_for_problems()
        assert (sum(t.inserted for t in report.tables.values()) > 0) is inserted
        if inserted:
            self.rows = sum(t.inserted for t in report.tables.values())
            plan, write = marks["plan"], marks["write"]
            times = (plan, write - plan, watch.seconds - write)
            self.stages.append(dict(zip(STAGES, times, strict=True)))
        return watch.seconds

    def prepare(self) -> None:
        """Take the finished rows out, as files for `\\copy` and as frames."""
        assert self._loaded is not None
        for name, columns in COLUMNS.items():
            path = self.on.home / f"{name}.copy"
            listed = ", ".join(f'"{column}"' for column in columns)
            self.on.psql(self._loaded, f"\\copy \"{name}\" ({listed}) TO '{path}'")
            self._copies[f'"{name}" ({listed})'] = path

    def prepare_objects(self) -> None:
        """Take them out as objects of Python too."""
        engine = self.on.engine(str(self._loaded))
        with engine.connect() as connection:
            for name, columns in COLUMNS.items():
                chosen = [STORED[name].table.c[c] for c in columns]
                rows = connection.execute(select(*chosen)).mappings()
                self._rows[name] = [dict(row) for row in rows]
        engine.dispose()

    async def close(self) -> None:
        """Make room for the next."""
        if self._loaded is not None:
            await self.on.drop(self._loaded)
        for path in self._copies.values():
            path.unlink()

    async def copy(self) -> float:
        commands = [LATE, *(f"\\copy {to} FROM '{path}'" for to, path in self._copies.items())]
        name = await self.on.copy_of()
        with stopwatch() as watch:
            self.on.psql(name, *commands)
        await self.on.drop(name)
        return watch.seconds

    async def adbc(self) -> float:
        arrow = {}
        with dbapi.connect(self.on.url(str(self._loaded))) as connection:
            for name, columns in COLUMNS.items():
                texts = ", ".join(f'"{column}"::text AS "{column}"' for column in columns)
                with connection.cursor() as cursor:
                    cursor.execute(f'SELECT {texts} FROM "{name}"')
                    arrow[name] = cursor.fetch_arrow_table()
        fresh = await self.on.copy_of()
        with dbapi.connect(self.on.url(fresh)) as connection, connection.cursor() as cursor:
            cursor.execute(f"SET workbench.userid = '{self.on.user}'")
            with stopwatch() as watch:
                cursor.execute(LATE)
                for name, columns in COLUMNS.items():
                    cursor.adbc_ingest(f"sent_{name}", arrow[name], mode="create", temporary=True)
                    typed = STORED[name].table.c
                    cast = ", ".join(f'"{c}"::{typed[c].type.compile(DIALECT)}' for c in columns)
                    listed = ", ".join(f'"{column}"' for column in columns)
                    cursor.execute(
                        f'INSERT INTO "{name}" ({listed}) SELECT {cast} FROM sent_{name}'
                    )
                connection.commit()
        await self.on.drop(fresh)
        return watch.seconds

    async def bulk(self) -> float:
        name = await self.on.copy_of()
        engine = self.on.engine(name)
        with stopwatch() as watch, engine.begin() as connection:
            connection.execute(text(LATE))
            for table_name, rows in self._rows.items():
                if rows:
                    connection.execute(STORED[table_name].table.insert(), rows)
        engine.dispose()
        await self.on.drop(name)
        return watch.seconds

    async def to_sql(self) -> float:
        frames = {
            name: pd.DataFrame(rows, columns=COLUMNS[name], dtype=object)
            for name, rows in self._rows.items()
        }
        name = await self.on.copy_of()
        engine = self.on.engine(name)
        with stopwatch() as watch, engine.begin() as connection:
            connection.execute(text(LATE))
            for table_name, frame in frames.items():
                columns = STORED[table_name].table.c
                dtype = {c: columns[c].type for c in map(str, frame)}
                frame.to_sql(table_name, connection, if_exists="append", index=False, dtype=dtype)
        engine.dispose()
        await self.on.drop(name)
        return watch.seconds


async def measured(files: Files, rounds: int, *, objects: bool) -> dict[str, float]:
    candidates: dict[str, Candidate] = {
        "load": files.first,
        "again": files.again,
        "copy": files.copy,
        "adbc": files.adbc,
    }
    if objects:
        candidates |= {"bulk": files.bulk, "to_sql": files.to_sql}
    print(files.name, file=sys.stderr)
    first = await files.first()  # also loads what is imported when first used
    files.prepare()
    if objects:
        files.prepare_objects()
    if rounds == 1:
        del candidates["load"]
        return {"load": first, **await in_turns(candidates, rounds)}
    files.stages.clear()
    return await in_turns(candidates, rounds)


def _row(files: Files, took: Mapping[str, float]) -> list[str]:
    def cell(name: str) -> str:
        if name not in took:
            return "–"
        return f"{files.rows / took[name]:,.0f} ({took[name] / took['load']:.2f})"

    speed = f"{files.rows / took['load']:,.0f}"
    return [files.name, f"{files.rows:,}", speed, *map(cell, PEERS)]


def _stages(files: Files, took: Mapping[str, float]) -> list[str]:
    medians = [statistics.median(one[stage] for one in files.stages) for stage in STAGES]
    return [files.name, f"{took['load']:.2f}", *(f"{seconds:.2f}" for seconds in medians)]


def personae(rows: int, folder: Path) -> Path:
    """Write a world with so many personae as CSV files."""
    made = folder / "personae"
    made.mkdir()
    (made / "worlds.csv").write_text("name\nMany\n")
    with (made / "personas.csv").open("w", encoding="utf-8") as out:
        out.write("world,name,kind,description,speeches\n")
        for n in range(rows):
            out.write(f"Many,Persona {n},human,Somebody of note no. {n},{n % 99}\n")
    return made


async def main() -> None:
    rows, stages = [], []
    async with server() as on:
        cases = [
            ("Shakespeare's plays", SHARED / "data" / "shakespeare", 5, True),
            ("10,000 scenes", scaled_world(10_000, on.home), 3, True),
            ("100,000 scenes", scaled_world(100_000, on.home), 1, False),
        ]
        if "personae" in sys.argv:
            cases.append(("1,000,000 personae", personae(1_000_000, on.home), 1, True))
        if "scenes" in sys.argv:
            cases.append(("1,000,000 scenes", scaled_world(1_000_000, on.home), 1, False))
        for name, folder, rounds, objects in cases:
            files = Files(on, name, folder)
            took = await measured(files, rounds, objects=objects)
            rows.append(_row(files, took))
            stages.append(_stages(files, took))
            print(rows[-1], stages[-1], file=sys.stderr)
            await files.close()
    columns = ("rows", "`load`", "`\\copy`", "ADBC", "SQLAlchemy", "`to_sql`", "`load` again")
    write_section(
        TITLE,
        f"Rows a second (in brackets: how many times `load`'s seconds), PostgreSQL {on.version}.",
        table(["", *columns], rows),
        "Where `load` spends its seconds:",
        table(["", "in all", *STAGES], stages),
        NOTE,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    run(main)
