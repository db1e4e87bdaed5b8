"""What the benchmarks share: a server of their own, peers to speak to it, turns and medians.

The server has PostgreSQL's own settings, fsync and all; every measurement starts from a fresh
copy of a migrated database, after a checkpoint.
"""

from __future__ import annotations

import asyncio
import gc
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Engine, create_engine

from workbench.database.address import Address
from workbench.database.embedded import EmbeddedServer
from workbench.database.engine import Database
from workbench.database.logins import OwnLogin
from workbench.database.migrate import migrate
from workbench.database.users import acting_user

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
_TEMPLATE = "template_bench"

Candidate = Callable[[], Awaitable[float]]
"""Does something once and returns how many seconds of it count."""


@dataclass
class Server:
    """The embedded server, and fresh databases on it."""

    admin: str
    owner: str
    home: Path
    user: UUID | None = None
    version: str = ""
    _made: int = field(default=0)

    def url(self, name: str) -> str:
        return self.owner.replace("/workbench?", f"/{name}?")

    def engine(self, name: str) -> Engine:
        """Return an engine on psycopg, acting as the same user: what pandas is given."""
        url = self.url(name).replace("postgresql:", "postgresql+psycopg:")
        return create_engine(url, connect_args={"options": f"-c workbench.userid={self.user}"})

    def psql(self, name: str, *commands: str) -> None:
        """Run commands of psql in one transaction."""
        program = shutil.which("psql")
        if program is None:
            sys.exit("psql is not installed: apt-get install postgresql-client")
        command = [program, "-Xq1", "-v", "ON_ERROR_STOP=1", "-d", self.url(name)]
        for one in commands:
            command += ["-c", one]
        options = {"PGOPTIONS": f"-c workbench.userid={self.user}"}
        subprocess.run(command, check=True, env=options)

    async def run(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.admin)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def copy_of(self, template: str = _TEMPLATE) -> str:
        """Return the name of a new database like `template`."""
        self._made += 1
        name = f"bench_{self._made}"
        await self.run(
            f"CREATE DATABASE {name} OWNER workbench TEMPLATE {template} STRATEGY file_copy",
            "CHECKPOINT",
        )
        return name

    async def drop(self, name: str) -> None:
        await self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @asynccontextmanager
    async def database(
        self, name: str | None = None, *, rights: bool = True
    ) -> AsyncIterator[Database]:
        """Give a database as a workspace has it; a fresh one, dropped after, without a name.

        With a login of a user's, as all that runs a user's code; the owner of the tables is not
        bound by `rights`.
        """
        made = name or await self.copy_of()
        assert self.user is not None
        address = Address.parse(self.url(made))
        login = OwnLogin(Database(address), self.user, "benchmark")
        database = Database(
            await login.address() if rights else address,
            userid=self.user,
            source="benchmark",
            login=login if rights else None,
        )
        try:
            yield database
        finally:
            await database.close()
            await login.close()
            if name is None:
                await self.drop(made)


@asynccontextmanager
async def server() -> AsyncIterator[Server]:
    """Give a server in a temporary home, with a migrated template."""
    with temporary_folder() as home, EmbeddedServer(home) as embedded:
        made = Server(embedded.admin_url, embedded.url, home)
        await made.run(f"CREATE DATABASE {_TEMPLATE} OWNER workbench")
        first = Database(Address.parse(made.url(_TEMPLATE)))
        administrator = Database(
            Address.parse(made.admin.replace("/postgres?", f"/{_TEMPLATE}?")), role="workbench"
        )
        await migrate(first, administrator=administrator)
        await administrator.close()
        made.user = await acting_user(first, "bench@localhost")
        await first.close()
        connection = await asyncpg.connect(made.admin)
        made.version = await connection.fetchval("SHOW server_version")
        await connection.close()
        yield made


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that the server's own user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="workbench-bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scaled_world(scenes: int, folder: Path) -> Path:
    """Write a made-up world of so many scenes as CSV files; return where they are."""
    made = folder / f"world_{scenes}"
    command = [sys.executable, str(SHARED / "tools" / "scale.py"), "--scenes", str(scenes)]
    command += ["--out", str(made), "--format", "csv"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (made / "manifest.json").unlink(missing_ok=True)
    return made


class Stopwatch:
    seconds = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Time a block; what others left for the garbage collector is not its own."""
    gc.collect()
    watch = Stopwatch()
    start = time.perf_counter()
    try:
        yield watch
    finally:
        watch.seconds = time.perf_counter() - start


async def in_turns(candidates: Mapping[str, Candidate], rounds: int) -> dict[str, float]:
    """Return the median seconds of each candidate; they take turns: A B C A B C …"""
    took: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds):
        for name, candidate in candidates.items():
            took[name].append(await candidate())
            print(f"  round {number + 1}: {name} {took[name][-1]:.4g} s", file=sys.stderr)
    return {name: statistics.median(seconds) for name, seconds in took.items()}


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a benchmark."""
    if not SHARED.is_dir():
        sys.exit("The benchmarks need ../shared with its data and tools.")

    asyncio.run(main())
