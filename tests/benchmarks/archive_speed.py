"""How fast a world goes into one archive, comes out of it, and is written as files and as a book.

Run it with the number of scenes: `python -m tests.benchmarks.archive_speed 100000`; without one,
a world of 1,000,000 scenes. Memory is the most that a process of its own ever had.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.measure import Server, run, scaled_world, server, stopwatch
from tests.benchmarks.results import table, write_section
from workbench.database.engine import Database
from workbench.store.names import world_id
from workbench.transfer.archive import archive
from workbench.transfer.bible import bible
from workbench.transfer.export import export
from workbench.transfer.load import load
from workbench.transfer.restore import restore
from workbench.workspace import Workspace

TITLE = "Archive"
SCENES = 1_000_000
_SCENES_OF_EXCEL = 250_000
PACKAGES = ("pyarrow", "asyncpg", "adbc-driver-postgresql")
NOTE = (
    "All of it with the login of a user whom rights bind, in one snapshot of the database. An "
    "archive is written in one pass, each file summed as it goes by; restoring checks every sum, "
    "unpacks, and imports with all rules, rights and history into an empty database."
)


async def work(what: str, url: str, user: str, world: str, target: str) -> None:
    """Do one thing in this process, and print its seconds, rows and most memory."""
    from uuid import UUID

    from workbench.database.address import Address
    from workbench.database.logins import OwnLogin

    owner = Database(Address.parse(url))
    login = OwnLogin(owner, UUID(user), "benchmark")
    database = Database(await login.address(), userid=UUID(user), source="benchmark", login=login)
    path, rows = Path(target), 0
    with stopwatch() as watch:
        if what == "restore all":
            for one in sorted(os.listdir(path)):
                report = await restore(database, path / one)
                report.raise_for_problems()
                rows += sum(counts.inserted for counts in report.tables.values())
        elif what == "archive all":
            os.mkdir(path)
            for one in (await Workspace(database).worlds.find(limit=1_000)).records:
                rows += sum(
                    (await archive(database, one.id, path / f"{one.id}.zip")).tables.values()
                )
        else:
            where = await world_id(database, world)
            if what == "bible":
                await bible(database, where, path)
            else:
                rows = sum((await export(database, where, path, format=what)).tables.values())
    await Workspace(database, login=login).close()
    await owner.close()
    print(json.dumps({"seconds": watch.seconds, "rows": rows, "kilobytes": _most_memory()}))


def _most_memory() -> int:
    """Return what this process ever had at most; not what it inherited, as getrusage says."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def in_own_process(on: Server, name: str, what: str, world: str, target: Path) -> dict[str, float]:
    """Return what `work` measured."""
    command = [sys.executable, "-m", "tests.benchmarks.archive_speed", what, on.url(name)]
    command += [str(on.user), world, str(target)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {what}: {found}", file=sys.stderr)
    return found


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_size for one in files)


async def main(scenes: int = SCENES) -> None:
    async with server() as on:
        name = await on.copy_of()
        folder = scaled_world(scenes, on.home)
        async with on.database(name) as database:
            (await load(database, folder)).raise_for_problems()
            worlds = (await Workspace(database).worlds.find(limit=1_000)).records
            sizes = {
                one.name: await Workspace(database).scenes.count(worldid=one.id) for one in worlds
            }
        world = max(sizes, key=lambda one: sizes[one])
        archives = on.home / "archives"
        found = in_own_process(on, name, "archive all", world, archives)
        rows = [_row("archive all worlds", found, found["rows"], _size(archives))]
        empty = await on.copy_of()
        again = in_own_process(on, empty, "restore all", world, archives)
        assert again["rows"] == found["rows"]
        rows.append(_row("restore all worlds", again, again["rows"], _size(archives)))
        await on.drop(empty)
        # Links are most of the rows: a world of more scenes does not fit into sheets of Excel.
        kinds = {"parquet": "", "jsonl": "", "csv": "", "xlsx": "", "bible": ".html"}
        whole = 0.0
        for what, suffix in kinds.items():
            if what == "xlsx" and sizes[world] > _SCENES_OF_EXCEL:
                continue
            target = on.home / f"out_{what}{suffix}"
            one = in_own_process(on, name, what, world, target)
            whole = max(whole, one["rows"])
            rows.append(_row(f"the largest as {what}", one, whole, _size(target)))
    write_section(
        TITLE,
        f"{found['rows']:,} rows of {scenes:,} made-up scenes in {len(sizes)} worlds; the largest "
        f"has {sizes[world]:,} scenes and {whole:,.0f} rows.",
        table(["", "seconds", "rows a second", "megabytes written", "most memory (MB)"], rows),
        NOTE,
        packages=PACKAGES,
    )


def _row(what: str, found: dict[str, float], rows: float, size: int) -> list[str]:
    seconds = found["seconds"]
    return [
        what,
        f"{seconds:.1f}",
        f"{rows / seconds:,.0f}",
        f"{size / 2**20:,.1f}",
        f"{found['kilobytes'] / 1024:,.0f}",
    ]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(work(*sys.argv[1:]))
    else:
        run(lambda: main(*map(int, sys.argv[1:])))
