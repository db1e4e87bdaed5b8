"""How fast files come in: `load` beside `psql \\copy` of the finished rows, and `to_sql`.

The peers get what `load` has worked out: rows whose parents are ids already, checked, in an
order that fits the foreign keys. All write into the same tables with all their indexes, keys,
triggers and history, each in one transaction.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import pandas as pd
from sqlalchemy import select, text

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
PACKAGES = ("pandas", "pyarrow", "asyncpg", "psycopg", "SQLAlchemy")
LATE = "SET CONSTRAINTS fk_world_imageid DEFERRED"
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
        self._frames: dict[str, pd.DataFrame] = {}

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
        engine = self.on.engine(self._loaded)
        with engine.connect() as connection:
            for stored in STORED.values():
                if stored.name in COLUMNS:
                    chosen = [stored.table.c[c] for c in COLUMNS[stored.name]]
                    rows = connection.execute(select(*chosen)).all()
                    made = pd.DataFrame(rows, columns=COLUMNS[stored.name], dtype=object)
                    self._frames[stored.name] = made
        engine.dispose()

    async def copy(self) -> float:
        commands = [LATE, *(f"\\copy {to} FROM '{path}'" for to, path in self._copies.items())]
        name = await self.on.copy_of()
        with stopwatch() as watch:
            self.on.psql(name, *commands)
        await self.on.drop(name)
        return watch.seconds

    def to_sql(self, method: str | None) -> Candidate:
        async def work() -> float:
            name = await self.on.copy_of()
            engine = self.on.engine(name)
            with stopwatch() as watch, engine.begin() as connection:
                connection.execute(text(LATE))
                for table_name, frame in self._frames.items():
                    columns = STORED[table_name].table.c
                    frame.to_sql(
                        table_name,
                        connection,
                        if_exists="append",
                        index=False,
                        dtype={c: columns[c].type for c in map(str, frame)},
                        method=method,  # type: ignore[arg-type]
                        chunksize=1000 if method else None,
                    )
            engine.dispose()
            await self.on.drop(name)
            return watch.seconds

        return work


async def measured(files: Files, rounds: int) -> dict[str, float]:
    candidates: dict[str, Candidate] = {
        "load": files.first,
        "again": files.again,
        "copy": files.copy,
        "to_sql": files.to_sql(None),
        "multi": files.to_sql("multi"),
    }
    await files.first()  # also loads what is imported when first used
    files.prepare()
    files.stages.clear()
    print(files.name, file=sys.stderr)
    return await in_turns(candidates, rounds)


def _row(files: Files, took: Mapping[str, float]) -> list[str]:
    def cell(name: str) -> str:
        return f"{files.rows / took[name]:,.0f} ({took[name] / took['load']:.2f})"

    speed = f"{files.rows / took['load']:,.0f}"
    return [files.name, f"{files.rows:,}", speed, *map(cell, ("copy", "to_sql", "multi", "again"))]


def _stages(files: Files, took: Mapping[str, float]) -> list[str]:
    medians = [statistics.median(one[stage] for one in files.stages) for stage in STAGES]
    return [files.name, f"{took['load']:.2f}", *(f"{seconds:.2f}" for seconds in medians)]


async def main() -> None:
    rows, stages = [], []
    async with server() as on:
        for name, folder, rounds in (
            ("Shakespeare's plays", SHARED / "data" / "shakespeare", 5),
            ("10,000 scenes", scaled_world(10_000, on.home), 3),
            ("100,000 scenes", scaled_world(100_000, on.home), 2),
        ):
            files = Files(on, name, folder)
            took = await measured(files, rounds)
            rows.append(_row(files, took))
            stages.append(_stages(files, took))
            server_version = on.version
    columns = ("rows", "`load`", "`\\copy`", "`to_sql`", "`to_sql` multi", "`load` again")
    write_section(
        TITLE,
        f"Rows a second (in brackets: how many times `load`'s seconds), PostgreSQL {server_version}.",
        table(["", *columns], rows),
        "Where `load` spends its seconds:",
        table(["", "in all", *STAGES], stages),
        NOTE,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    run(main)
