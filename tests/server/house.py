"""People who are signed in to a running server, each with a browser without eyes."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from workbench.auth.acting import Caller
from workbench.auth.doors import Doors
from workbench.database.address import Address
from workbench.database.engine import Database

T = TypeVar("T")
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CALLER = Caller("192.0.2.7", AGENT)
ISSUER = "https://idp.example"


@dataclass
class Resident:
    """Somebody signed in: their browser, their account, and the forms they send."""

    name: str
    id: UUID
    visitor: Any
    xsrf: str = ""

    @property
    def email(self) -> str:
        return f"{self.name}@example.org"

    def get(self, path: str) -> Any:
        return self.visitor.ask(path)

    def post(self, path: str, **form: object) -> Any:
        """Send a form as a page of ours would: with the browser's own token."""
        if not self.xsrf:
            found = re.search(r'name="_xsrf" value="([^"]+)"', self.get("/account").text)
            assert found is not None
            self.xsrf = found[1]
        given = {"_xsrf": self.xsrf, **form}
        return self.visitor.ask(path, "POST", {name: str(value) for name, value in given.items()})


class House:
    """A running server, and what its database says."""

    def __init__(self, server: Any) -> None:
        self.server = server

    def run(self, work: Callable[[Doors], Awaitable[T]]) -> T:
        async def whole() -> T:
            doors = Doors(Database(Address.parse(self.server.database)), local_user=None)
            try:
                return await work(doors)
            finally:
                await doors.close()

        return asyncio.run(whole())

    def ask(self, query: str, *values: object) -> list[Any]:
        async def work(doors: Doors) -> list[Any]:
            connection = await doors.database.connect()
            try:
                return list(await connection.fetch(query, *values))
            finally:
                await connection.close()

        return self.run(work)

    def move_in(self, name: str, role: str = "editor") -> Resident:
        """Add an account with one identity, and sign it in."""
        rows = self.ask(
            'INSERT INTO "user" (email, role, is_verified) VALUES ($1, $2, true) RETURNING id',
            f"{name}@example.org",
            role,
        )
        user = rows[0]["id"]
        self.ask(
            "INSERT INTO auth.identity (issuer, subject, userid, provider, email)"
            " VALUES ($1, $2, $3, 'google', $4)",
            ISSUER,
            name,
            user,
            f"{name}@example.org",
        )
        return self.sign_in(name, user)

    def sign_in(self, name: str, user: UUID) -> Resident:
        secret = self.run(lambda doors: doors.sessions.start(user, CALLER, provider="google"))
        visitor = self.server.visitor()
        visitor.cookies[f"workbench-session-{self.server.port}"] = secret
        return Resident(name, user, visitor)

    def user(self, resident: Resident) -> Any:
        return self.ask('SELECT * FROM "user" WHERE id = $1', resident.id)[0]


def told(answer: Any) -> list[str]:
    """Return what a page says is wrong."""
    found = re.findall(r'class="problem" role="alert"[^>]*>(.*?)</p>', answer.text, re.S)
    return [html.unescape(one) for one in found]


def at(path: str, **query: str) -> str:
    return f"{path}?{urlencode(query)}" if query else path
