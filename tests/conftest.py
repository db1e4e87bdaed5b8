"""What tests share: one real PostgreSQL, a migrated template, a fresh copy for whoever asks."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import Browser, async_playwright, expect

from workbench.database.address import Address
from workbench.database.embedded import EmbeddedServer
from workbench.database.engine import Database
from workbench.database.logins import OwnLogin
from workbench.database.migrate import migrate
from workbench.database.users import acting_user
from workbench.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "template_workbench"

expect.set_options(timeout=20_000)  # of two busy processors, playwright's own 5 s are too few

# Whoever runs the tests in the background (nohup, a shell's &) may have them ignore Ctrl-C, and
# what a process ignores, its children do: then no test could interrupt what it started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Server:
    """A PostgreSQL server on which tests may make databases.

    Copying the template takes longer than most tests do, so the copy for the next test is made
    while one runs.
    """

    admin: str
    owner: str

    _numbers = itertools.count(1)
    _ahead: Future[str] | None = None
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def url(self, database: str) -> str:
        return self.owner.replace("/workbench?", f"/{database}?")

    def run(self, *statements: str) -> None:
        async def work() -> None:
            connection = await asyncpg.connect(self.admin)
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        # A loop of its own: fixtures and tests may already run in one.
        import threading

        thread = threading.Thread(target=lambda: asyncio.run(work()))
        thread.start()
        thread.join()

    def new_database(self, template: str | None = None) -> str:
        if template != TEMPLATE:
            return self._made(template)
        ready = self._ahead or self._thread.submit(self._made, template)
        self._ahead = self._thread.submit(self._made, template)
        return ready.result()

    def _made(self, template: str | None) -> str:
        name = f"test_{next(self._numbers)}"
        copied = f"TEMPLATE {template} STRATEGY file_copy" if template else ""
        self.run(f"CREATE DATABASE {name} OWNER workbench {copied}")
        return name

    def drop(self, database: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def close(self) -> None:
        """Wait for the copy that nobody needs any more."""
        self._thread.shutdown()


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A home for the test run; in a place that the server's user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="workbench-tests-"))
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(home: Path) -> Iterator[Server]:
    """The embedded server, with a migrated template; durable enough for tests."""
    with EmbeddedServer(home) as embedded:
        made = Server(embedded.admin_url, embedded.url)
        made.run(
            "ALTER SYSTEM SET fsync = off",
            "ALTER SYSTEM SET synchronous_commit = off",
            "ALTER SYSTEM SET full_page_writes = off",
            "SELECT pg_reload_conf()",
            f"CREATE DATABASE {TEMPLATE} OWNER workbench",
        )

        async def prepare() -> None:
            database = Database(Address.parse(made.url(TEMPLATE)))
            administrator = Database(
                Address.parse(made.admin.replace("/postgres?", f"/{TEMPLATE}?")), role="workbench"
            )
            await migrate(database, administrator=administrator)
            await administrator.close()
            await acting_user(database, "tester@localhost")
            await database.close()

        asyncio.run(prepare())
        yield made
        made.close()


@pytest.fixture(scope="session")
def server(postgres: Server) -> Server:
    """The same, where no other server is about."""
    return postgres


@pytest.fixture
async def empty_database(postgres: Server) -> AsyncIterator[str]:
    """The URL of a database without any tables."""
    name = await asyncio.to_thread(postgres.new_database)
    yield postgres.url(name)
    await asyncio.to_thread(postgres.drop, name)


@pytest.fixture
async def database_url(postgres: Server) -> AsyncIterator[str]:
    """The URL of a fresh migrated database with one user, tester@localhost."""
    name = await asyncio.to_thread(postgres.new_database, TEMPLATE)
    yield postgres.url(name)
    await asyncio.to_thread(postgres.drop, name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh migrated database, with a login of tester@localhost."""
    owner = Database(Address.parse(database_url))
    user = await acting_user(owner, "tester@localhost")
    login = OwnLogin(owner, user, "tests")
    made = Database(await login.address(), userid=user, source="tests", login=login)
    yield made
    await made.close()
    await login.close()


@pytest.fixture
async def wb(database: Database) -> AsyncIterator[Workspace]:
    """A workspace on a fresh database."""
    workspace = Workspace(database)
    yield workspace
    await workspace.close()


@pytest.fixture
async def owned(database_url: str, database: Database) -> AsyncIterator[Workspace]:
    """A workspace of the tables' owner, whom rights do not bind; acting as the same user."""
    workspace = Workspace(
        Database(Address.parse(database_url), userid=database.userid, source="tests")
    )
    yield workspace
    await workspace.close()


@pytest.fixture
async def sign_in(database_url: str) -> AsyncIterator[Callable[..., Awaitable[Workspace]]]:
    """Sign somebody in: `await sign_in("eve")`, with a role in the installation."""
    opened: list[Workspace] = []

    async def sign_in(name: str, role: str = "editor") -> Workspace:
        owner = Database(Address.parse(database_url))
        user = await acting_user(owner, f"{name}@example.org", role=role)
        login = OwnLogin(owner, user, "tests")
        made = Database(await login.address(), userid=user, login=login)
        opened.append(Workspace(made, login=login))
        return opened[-1]

    yield sign_in
    for workspace in opened:
        await workspace.close()


@pytest.fixture
async def superuser(postgres: Server, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the server's administrator to the same database."""
    name = database_url.partition("@/")[2].partition("?")[0]
    connection = await asyncpg.connect(postgres.admin.replace("/postgres?", f"/{name}?"))
    yield connection
    await connection.close()


@pytest.fixture
async def sql(database_url: str, database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A plain connection, as psql would be, acting as tester@localhost."""
    connection = await asyncpg.connect(
        database_url, server_settings={"workbench.userid": str(database.userid)}
    )
    yield connection
    await connection.close()


@pytest.fixture
def shared() -> Path:
    """The folder with real data; tests that need it say so."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data")
    return folder


def chromium_path() -> str | None:
    """Return where Chromium is."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium; without it tests are skipped, but not where CI=true."""
    path = chromium_path()
    if path is None:
        message = "Chromium is not installed: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    arguments = ["--no-sandbox", "--disable-background-networking"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        await browser.close()
