"""Accounts as the dashboard's server has them: with the rights of `workbench_server` alone."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import asyncpg

from workbench.auth.accounts import Accounts
from workbench.auth.acting import Caller
from workbench.auth.arrivals import SignUp
from workbench.auth.events import Events
from workbench.auth.identity import Identity
from workbench.auth.invitations import Invitations
from workbench.auth.people import People
from workbench.auth.secrets import digest
from workbench.auth.sessions import Person, Sessions
from workbench.database.address import Address
from workbench.database.engine import Database

CALLER = Caller(
    "192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
)
ANN = Identity(
    "google", "https://accounts.google.com", "ann", "ann@example.org", True, "Ann", "Archer"
)


def identity_of(name: str, *, provider: str = "google", **changed: object) -> Identity:
    """Return what a provider says of somebody whose e-mail it has verified."""
    made = Identity(provider, f"https://{provider}.example", name, f"{name}@example.org", True)
    return replace(made, **changed)


@dataclass
class Served:
    """All that the pages ask, and a connection that sees everything."""

    database: Database
    sql: asyncpg.Connection

    def __post_init__(self) -> None:
        self.events = Events(self.database)
        self.sessions = Sessions(self.database, idle=timedelta(days=7), lifetime=timedelta(days=30))
        self.invitations = Invitations(self.database, self.events)
        self.people = People(self.database, self.events)
        self.accounts = self.accounts_by()

    def accounts_by(self, kind: str = "invitation", *domains: str) -> Accounts:
        return Accounts(self.database, self.events, SignUp(kind, domains))

    async def user(self, name: str, role: str = "editor", *, verified: bool = True) -> UUID:
        """Add an account as somebody has it who has signed in."""
        return await self.sql.fetchval(
            'INSERT INTO "user" (email, role, is_verified) VALUES ($1, $2, $3) RETURNING id',
            f"{name}@example.org",
            role,
            verified,
        )

    async def person(self, name: str, role: str = "editor") -> Person:
        """Add an account with an identity, and sign it in."""
        user = await self.user(name, role)
        await self.sql.execute(
            "INSERT INTO auth.identity (issuer, subject, userid, provider, email)"
            " VALUES ('https://google.example', $1, $2, 'google', $3)",
            name,
            user,
            f"{name}@example.org",
        )
        return await self.signed_in(user)

    async def signed_in(self, user: UUID) -> Person:
        secret = await self.sessions.start(user, CALLER, provider="google")
        person = await self.sessions.find(secret)
        assert person is not None
        return person

    async def row(self, user: UUID) -> asyncpg.Record:
        return await self.sql.fetchrow('SELECT * FROM "user" WHERE id = $1', user)

    async def count(self, table: str) -> int:
        return await self.sql.fetchval(f"SELECT count(*) FROM {table}")

    async def kinds(self) -> list[str]:
        return [event.kind for event in await self.events.latest()]


@asynccontextmanager
async def served(
    url: str, superuser: asyncpg.Connection, sql: asyncpg.Connection
) -> AsyncIterator[Served]:
    role = f"dashboard_{secrets.token_hex(4)}"
    await superuser.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'p' IN ROLE workbench_server")
    database = Database(Address.parse(url).signed_in(role, "p"))
    yield Served(database, sql)
    await database.close()
    await superuser.execute(f"DROP ROLE {role}")


def digest_of(secret: str) -> bytes:
    return digest(secret)
