"""Sessions: who is signed in, from where, until when.

A session is an opaque secret in a cookie. It ends when it is signed out or revoked, when it was
not used for a while, at its latest hour, or with its user; logins that were issued for it end
in the same moment, by trigger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import TextClause, text

from workbench.auth.acting import Caller
from workbench.auth.identity import Identity
from workbench.auth.secrets import digest, new_secret
from workbench.database.engine import Database
from workbench.database.translate import translated

__all__ = ["Person", "Session", "Sessions"]

_SEEN_SECONDS = 60  # how exactly "last seen" is kept
_AGENT_CHARACTERS = 400

_START = text(
    "INSERT INTO auth.session (digest, userid, provider, issuer, subject, provider_session,"
    " agent, address, idle, expires_at) VALUES (:digest, :user, :provider, :issuer, :subject,"
    " :session, :agent, :address, :idle, clock_timestamp() + CAST(:lifetime AS interval))"
    " RETURNING id"
)
_SEEN = text('UPDATE "user" SET last_login_at = clock_timestamp() WHERE id = :user')
_FIND = text(
    "SELECT id, provider, userid, email, role::text, first_name, last_name, display_name,"
    " seen_at < clock_timestamp() - make_interval(secs => :seen) AS old"
    " FROM auth.live_session WHERE digest = :digest"
)
_TOUCH = text("UPDATE auth.session SET seen_at = clock_timestamp() WHERE id = ANY (:ids)")
_WHICH_LIVE = text("SELECT id FROM auth.live_session WHERE id = ANY (:ids)")
_LIST = text(
    "SELECT id, provider, agent, address, created_at, seen_at, expires_at"
    " FROM auth.live_session WHERE userid = :user ORDER BY seen_at DESC"
)
_ENDED = "UPDATE auth.session SET ended_at = clock_timestamp() WHERE ended_at IS NULL AND "
_END = text(_ENDED + "id = :id AND userid = :user RETURNING id")
_END_OTHERS = text(_ENDED + "userid = :user AND id IS DISTINCT FROM :kept RETURNING id")
_END_OF_PROVIDER = text(
    _ENDED + "issuer = :issuer AND (provider_session = :session OR (CAST(:session AS text) IS NULL"
    " AND subject = :subject)) RETURNING id"
)


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    session: UUID
    provider: str
    userid: UUID
    email: str
    role: str
    first_name: str | None
    last_name: str | None
    display_name: str | None

    @property
    def name(self) -> str:
        """What a page shows."""
        names = " ".join(part for part in (self.first_name, self.last_name) if part)
        return self.display_name or names or self.email

    @property
    def named(self) -> bool:
        """Whether first and last name are known, which a provider may leave out."""
        return bool(self.first_name and self.last_name)


@dataclass(frozen=True)
class Session:
    """A session as its user sees it in the list."""

    id: UUID
    provider: str
    agent: str
    address: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class Sessions:
    """Sessions in PostgreSQL.

    Parameters
    ----------
    idle, lifetime
        One that is not used for `idle` ends, and any ends after `lifetime`.
    """

    def __init__(self, database: Database, *, idle: timedelta, lifetime: timedelta) -> None:
        self._database = database
        self.idle, self.lifetime = idle, lifetime

    async def start(
        self, user: UUID, caller: Caller, *, provider: str, identity: Identity | None = None
    ) -> str:
        """Start a session, and return its secret, which is kept nowhere but in the cookie."""
        secret = new_secret()
        values = {
            "digest": digest(secret),
            "user": user,
            "provider": provider,
            "issuer": identity and identity.issuer,
            "subject": identity and identity.subject,
            "session": identity and identity.session,
            "agent": caller.agent[:_AGENT_CHARACTERS],
            "address": caller.address,
            "idle": self.idle,
            "lifetime": self.lifetime,
        }
        async with self._database.writing() as connection:
            with translated("session"):
                await connection.execute(_START, values)
                await connection.execute(_SEEN, {"user": user})
        return secret

    async def find(self, secret: str) -> Person | None:
        """Return who the secret belongs to, or None."""
        async with self._database.reading() as connection:
            with translated("session"):
                row = (
                    await connection.execute(
                        _FIND, {"digest": digest(secret), "seen": _SEEN_SECONDS}
                    )
                ).one_or_none()
        if row is None:
            return None
        if row.old:
            await self.touch([row.id])
        return Person(
            row.id,
            row.provider,
            row.userid,
            row.email,
            row.role,
            row.first_name,
            row.last_name,
            row.display_name,
        )

    async def touch(self, sessions: list[UUID]) -> None:
        """Note that sessions are in use."""
        async with self._database.reading() as connection:
            with translated("session"):
                await connection.execute(_TOUCH, {"ids": sessions})

    async def live(self, sessions: list[UUID]) -> set[UUID]:
        """Return which of some sessions have not ended."""
        async with self._database.reading() as connection:
            with translated("session"):
                return set(await connection.scalars(_WHICH_LIVE, {"ids": sessions}))

    async def of_user(self, user: UUID) -> list[Session]:
        """Return a user's sessions, the last used first."""
        async with self._database.reading() as connection:
            with translated("session"):
                rows = (await connection.execute(_LIST, {"user": user})).mappings()
        return [Session(**row) for row in rows]

    async def end(self, session: UUID, user: UUID) -> list[UUID]:
        """End a session of a user's; return its id if it was one that stood."""
        return await self._ended(_END, {"id": session, "user": user})

    async def end_others(self, user: UUID, kept: UUID | None = None) -> list[UUID]:
        """End all sessions of a user but one; return which."""
        return await self._ended(_END_OTHERS, {"user": user, "kept": kept})

    async def end_of_provider(
        self, issuer: str, session: str | None, subject: str | None
    ) -> list[UUID]:
        """End what a provider says has ended: one session of its own, or all of a subject."""
        given = {"issuer": issuer, "session": session, "subject": subject}
        return await self._ended(_END_OF_PROVIDER, given)

    async def _ended(self, statement: TextClause, values: Mapping[str, object]) -> list[UUID]:
        async with self._database.reading() as connection:
            with translated("session"):
                return list(await connection.scalars(statement, values))
