"""What it takes to sign in, to be known at each request, and to get a login; 200 people at once.

The server runs in a process of its own, as `workbench up` starts it. The provider is a stand-in
here, whose own time does not count.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx2

from tests.auth.stand_ins import CLIENT_ID, CLIENT_SECRET, Hostile
from tests.benchmarks.measure import Server, run, server
from tests.benchmarks.results import table, write_section
from tests.server import conftest as dashboard
from workbench.auth.acting import Caller
from workbench.auth.sessions import Sessions
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.logins import issue_login, revoke_login
from workbench.database.users import acting_user

TITLE = "Sign-in"
PACKAGES = ("tornado", "Authlib", "asyncpg", "SQLAlchemy")
PEOPLE = 200
TIMES = 60
EACH = 5  # times that each of those who are signed in asks
NOTE = (
    "Signing in is two requests, to the server's way out and back from the provider; the seconds "
    "in which the provider made its answers are taken off, those on the way to it are not. At once "
    "means that all wait at the same time, and the browsers run on the same two cores."
)


class Provider(Hostile):
    """A provider that counts its own seconds; each code is of somebody else, if `strangers`."""

    strangers = False
    seconds = 0.0

    def answer(self, path: str, request: Any) -> Any:
        start = time.perf_counter()
        try:
            return super().answer(path, request)
        finally:
            self.seconds += time.perf_counter() - start

    def id_token(self, nonce: str, **changed: Any) -> str:
        if self.strangers:
            changed |= {"sub": nonce, "email": f"{nonce}@example.org".lower()}
        return super().id_token(nonce, **changed)


@dataclass
class Bench:
    """A dashboard's server, and the provider that people come from."""

    on: Server
    name: str
    provider: Provider
    port: int
    server: Any = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        # Logging everything is for tests.
        dashboard.PROGRAM = dashboard.PROGRAM.replace("logging.DEBUG", "logging.WARNING")
        notebook = dashboard.write_notebook(self.on.home / "page.ipynb", ["1"])
        client = {
            "name": "example",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "discovery_url": self.provider.discovery_url,
        }
        self.server = dashboard.Server(
            Path(self.on.home / "dashboard"),
            notebook,
            self.on.url(self.name),
            self.port,
            clients=[client],
            public_url=self.url,
            sign_up="open",
        )

    async def sign_in(self, browser: httpx2.AsyncClient) -> None:
        away = await browser.get(f"{self.url}/sign-in/example")
        query = self.provider.visit(str(away.headers["Location"]))
        back = await browser.get(f"{self.url}/sign-in/example/callback?{urlencode(query)}")
        assert back.status_code == 302, back.text


def browser() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(timeout=60, trust_env=False)


async def each(work: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """Return the seconds of each time, one after the other."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        await work()
        took.append(time.perf_counter() - start)
    return took


async def signing_in(bench: Bench) -> list[float]:
    """Return the seconds of each sign-in, without the provider's."""
    took = []
    for _ in range(TIMES + 1):
        async with browser() as one:
            await one.get(f"{bench.url}/sign-in")
            bench.provider.seconds = 0.0
            start = time.perf_counter()
            await bench.sign_in(one)
            took.append(time.perf_counter() - start - bench.provider.seconds)
    return took[1:]  # the first fetches what the provider publishes


async def signing_in_at_once(bench: Bench) -> list[float]:
    """Return the seconds of each of those who sign in for the first time, all at once."""
    bench.provider.strangers = True

    async def once(one: httpx2.AsyncClient) -> float:
        start = time.perf_counter()
        await bench.sign_in(one)
        return time.perf_counter() - start

    async with AsyncExitStack() as stack:
        browsers = [await stack.enter_async_context(browser()) for _ in range(PEOPLE)]
        return await asyncio.gather(*map(once, browsers))


async def asking_at_once(bench: Bench, cookies: list[str]) -> tuple[list[float], float]:
    """Return the seconds of each page that people who are signed in ask for, and of them all."""

    async def ask(one: httpx2.AsyncClient, secret: str) -> list[float]:
        took = []
        cookie = {"Cookie": f"workbench-session-{bench.port}={secret}"}
        for _ in range(EACH):
            start = time.perf_counter()
            answer = await one.get(f"{bench.url}/account", headers=cookie)
            took.append(time.perf_counter() - start)
            assert answer.status_code == 200, answer.text
        return took

    async with AsyncExitStack() as stack:
        browsers = [await stack.enter_async_context(browser()) for _ in cookies]
        start = time.perf_counter()
        took = await asyncio.gather(*map(ask, browsers, cookies))
    return [one for several in took for one in several], time.perf_counter() - start


async def people(owner: Database, sessions: Sessions) -> list[str]:
    """Make everybody, and return the secret of a session of each."""
    secrets = []
    for number in range(PEOPLE):
        user = await acting_user(owner, f"one-{number}@example.org", role="editor")
        secrets.append(await sessions.start(user, Caller("192.0.2.1", "bench"), provider="x"))
    return secrets


async def logins(owner: Database, user: UUID) -> list[float]:
    made = []

    async def once() -> None:
        made.append(await issue_login(owner, user, "benchmark"))

    took = await each(once, 30)
    for login in made:
        await revoke_login(owner, login.role)
    return took


def row(name: str, took: list[float], aim: str = "–") -> list[str]:
    took = sorted(took)
    at = [statistics.median(took), took[int(len(took) * 0.95)], took[-1]]
    return [name, *(f"{1000 * seconds:,.1f}" for seconds in at), aim]


async def main() -> None:
    async with server() as on, Provider() as provider:
        bench = Bench(on, await on.copy_of(), provider, free_port())
        bench.start()
        owner = Database(Address.parse(on.url(bench.name)))
        day = timedelta(days=1)
        sessions = Sessions(owner, idle=day, lifetime=day)
        try:
            rows = [row("sign in", await signing_in(bench), "100")]
            secrets = await people(owner, sessions)
            found = await each(lambda: sessions.find(secrets[0]), 500)
            rows.append(row("find the session of a request", found))
            user = await acting_user(owner, "one-0@example.org")
            rows.append(row("issue a login", await logins(owner, user), "20"))
            async with browser() as one:
                cookie = {"Cookie": f"workbench-session-{bench.port}={secrets[0]}"}
                page = await each(lambda: one.get(f"{bench.url}/account", headers=cookie), 100)
            rows.append(row("a page, alone", page))
            took, seconds = await asking_at_once(bench, secrets)
            rows.append(row(f"a page, {PEOPLE} at once, each {EACH} times", took))
            rate = f"{len(took) / seconds:,.0f}"
            rows.append(row(f"first sign-in, {PEOPLE} at once", await signing_in_at_once(bench)))
        finally:
            bench.server.stop()
            await owner.close()
        version = on.version
    write_section(
        TITLE,
        f"Milliseconds, PostgreSQL {version}.",
        table(["", "median", "95 %", "slowest", "aim"], rows),
        f"{rate} pages a second while {PEOPLE} people ask; no request failed. {NOTE}",
        packages=PACKAGES,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


if __name__ == "__main__":
    run(main)
