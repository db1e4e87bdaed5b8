"""A server that may be killed, apart from the one that all other tests share."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil
import pytest

from workbench.database.address import Address
from workbench.database.embedded import EmbeddedServer
from workbench.database.engine import Database
from workbench.database.logins import OwnLogin
from workbench.database.migrate import migrate
from workbench.database.users import acting_user
from workbench.workspace import Workspace

PERSONAS = 8_000
WAIT_SECONDS = 60


async def until(condition: Callable[[], object | Awaitable[object]]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        answer = condition()
        if await answer if isinstance(answer, Awaitable) else answer:
            return
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.01)


@dataclass
class Standing:
    """A server with a migrated database, and a world in it to import into."""

    embedded: EmbeddedServer
    user: UUID

    @property
    def url(self) -> str:
        return self.embedded.url

    @property
    def address(self) -> Address:
        return Address.parse(self.url)

    async def ask(self, question: str, *values: object) -> object:
        """Return what the administrator of the server is answered."""
        connection = await asyncpg.connect(self.embedded.administrator_url)
        try:
            return await connection.fetchval(question, *values)
        finally:
            await connection.close()

    def kill(self) -> None:
        """Kill the server as a failing machine does: all of its processes at once."""
        assert self.embedded.pid is not None
        server = psutil.Process(self.embedded.pid)
        for process in (server, *server.children(recursive=True)):
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue

    async def rise(self) -> None:
        """Start the server again."""
        await until(lambda: self.embedded.pid is None)
        await asyncio.to_thread(self.embedded.start)

    async def database(self) -> tuple[Database, OwnLogin]:
        login = OwnLogin(Database(self.address), self.user, "faults")
        database = Database(await login.address(), userid=self.user, source="faults", login=login)
        return database, login


async def standing_at(home: Path) -> Standing:
    """Return a server whose data are in `home`, started, with a migrated database."""
    embedded = await asyncio.to_thread(EmbeddedServer(home).start)
    first = Database(Address.parse(embedded.url))
    administrator = Database(Address.parse(embedded.administrator_url), role="workbench")
    await migrate(first, administrator=administrator)
    await administrator.close()
    user = await acting_user(first, "tester@localhost")
    await first.close()
    return Standing(embedded, user)


@pytest.fixture(scope="session")
def grounds() -> Iterator[Path]:
    """A folder that the account of the server may enter."""
    folder = Path(tempfile.mkdtemp(prefix="workbench-faults-")).resolve()
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def standing(grounds: Path) -> AsyncIterator[Standing]:
    """A server of one's own, with PostgreSQL's own settings, fsync and all."""
    made = await standing_at(grounds / "standing")
    yield made
    made.embedded.close()


@pytest.fixture
async def frail(standing: Standing) -> AsyncIterator[Workspace]:
    """A workspace, with a user's login, on the server that may be killed."""
    database, login = await standing.database()
    workspace = Workspace(database)
    yield workspace
    await workspace.close()
    await login.close()


@pytest.fixture(scope="session")
def many(grounds: Path) -> Path:
    """A file of so many personae that its import takes a while."""
    path = grounds / "personas.csv"
    lines = (f"Persona {n},{'words ' * 20}{n}\n" for n in range(PERSONAS))
    path.write_text("name,description\n" + "".join(lines), encoding="utf-8")
    return path
