"""Tokens: what scripts hold instead of a session.

A personal one is made on a page and shown once; one of a device comes out of `devices`. Both are
opaque, and the same here: their user lists and revokes them, and database logins that were issued
for one end with it, by trigger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from workbench.auth.acting import Caller
from workbench.auth.events import Events
from workbench.auth.secrets import digest, new_secret
from workbench.auth.words import plain
from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.errors import InvalidDraft, NotFound, SignInRefused

__all__ = ["LONGEST", "SCOPES", "Bearer", "Kind", "Token", "Tokens"]

Kind = Literal["personal", "device"]

SCOPES = {"read": "read", "write": "read and write"}
"""What a token may do, of what its user may; with words for people."""

LONGEST = timedelta(days=366)
"""Of a personal token."""

_PREFIXES: dict[Kind, str] = {"personal": "wbp_", "device": "wbd_"}
_ACCOUNT_CHARACTERS = 8  # of a token, in the record of failures
_USED_SECONDS = 60  # how exactly "last used" is kept
_MOST_OF_USER = 100

_MAKE = text(
    "INSERT INTO auth.token (digest, userid, kind, name, scope, expires_at, idle)"
    " SELECT :digest, :user, :kind, :name, :scope, clock_timestamp() + CAST(:lifetime AS interval),"
    " CAST(:idle AS interval) WHERE (SELECT count(*) FROM auth.token WHERE userid = :user"
    " AND revoked_at IS NULL AND expires_at > clock_timestamp()) < :most"
    " RETURNING id, kind, name, scope, created_at, expires_at, used_at, used_from"
)
_LIST = text(
    "SELECT id, kind, name, scope, created_at, expires_at, used_at, used_from FROM auth.token"
    " WHERE userid = :user AND revoked_at IS NULL AND expires_at > clock_timestamp()"
    " AND (idle IS NULL OR coalesce(used_at, created_at) + idle > clock_timestamp())"
    " ORDER BY coalesce(used_at, created_at) DESC"
)
_FIND = text(
    "SELECT t.id, t.kind, t.name, t.scope, t.expires_at, t.userid, u.email, u.role::text AS role,"
    " t.expires_at - clock_timestamp() AS remaining, t.expires_at <= clock_timestamp() AS expired,"
    " coalesce(coalesce(t.used_at, t.created_at) + t.idle <= clock_timestamp(), false) AS idle,"
    " t.revoked_at IS NOT NULL AS revoked, NOT u.is_active OR u.deleted_at IS NOT NULL AS barred,"
    " coalesce(t.used_at < clock_timestamp() - make_interval(secs => :seconds), true) AS old"
    ' FROM auth.token AS t JOIN "user" AS u ON u.id = t.userid WHERE t.digest = :digest'
)
_TOUCH = text(
    "UPDATE auth.token SET used_at = clock_timestamp(), used_from = :address WHERE id = :id"
)
_REVOKE = text(
    "UPDATE auth.token SET revoked_at = clock_timestamp()"
    " WHERE id = :id AND userid = :user AND revoked_at IS NULL RETURNING name"
)
_GIVE_BACK = text(
    "UPDATE auth.token SET revoked_at = clock_timestamp()"
    " WHERE digest = :digest AND revoked_at IS NULL RETURNING name, userid"
)
# One that has ended is no guess: it locks nobody out, and is recorded once in a while.
_RECORD_ENDED = text(
    "INSERT INTO auth.event (kind, userid, account, address, agent, detail)"
    " SELECT 'ended_token', :user, :account, :address, :agent, :why WHERE NOT EXISTS ("
    "SELECT FROM auth.event WHERE account = :account AND kind = 'ended_token'"
    " AND at > clock_timestamp() - interval '15 minutes')"
)
_END_LOGIN = text(
    "SELECT auth.revoke_login(rolname) FROM auth.login WHERE rolname = :role AND tokenid = :token"
)


@dataclass(frozen=True)
class Token:
    """A token as its user sees it in the list."""

    id: UUID
    kind: Kind
    name: str
    scope: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_from: str | None


@dataclass(frozen=True)
class Bearer:
    """A user's program, which has shown a token that is good.

    Parameters
    ----------
    remaining
        How long the token lives, by the database's clock.
    """

    token: UUID
    kind: Kind
    name: str
    scope: str
    expires_at: datetime
    remaining: timedelta
    userid: UUID
    email: str
    role: str


class Tokens:
    """Tokens in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._events = Events(database)

    async def make(
        self, user: UUID, name: str, scope: str, lifetime: timedelta, caller: Caller
    ) -> tuple[str, Token]:
        """Make a personal token; return its secret, which is kept nowhere, and how it is listed.

        Parameters
        ----------
        name
            What it is for, in its user's words.
        scope
            `read` or `write`.
        lifetime
            At most `LONGEST`.

        Raises
        ------
        InvalidDraft
            A name, scope or lifetime that cannot be, or too many tokens.
        """
        problems = {}
        name = plain(name)
        if not name:
            problems["name"] = "Say what the token is for."
        if scope not in SCOPES:
            problems["scope"] = "It is one of read and write."
        if not timedelta() < lifetime <= LONGEST:
            problems["lifetime"] = f"It is from now on and at most {LONGEST.days} days."
        if problems:
            raise InvalidDraft(problems, entity="token")
        async with self._database.writing() as connection:
            made = await self.insert(connection, user, "personal", name, scope, lifetime)
        await self._events.record("token_made", caller, user=user, detail=f"{name} ({scope})")
        return made

    async def insert(
        self,
        connection: AsyncConnection,
        user: UUID,
        kind: Kind,
        name: str,
        scope: str,
        lifetime: timedelta,
        idle: timedelta | None = None,
    ) -> tuple[str, Token]:
        """Write a new token in somebody's transaction; return it with its secret."""
        secret = _PREFIXES[kind] + new_secret()
        values = {
            "digest": digest(secret),
            "user": user,
            "kind": kind,
            "name": name,
            "scope": scope,
            "lifetime": lifetime,
            "idle": idle,
            "most": _MOST_OF_USER,
        }
        with translated("token"):
            row = (await connection.execute(_MAKE, values)).mappings().one_or_none()
        if row is None:
            raise InvalidDraft(
                {"*": f"There are {_MOST_OF_USER} tokens already. Revoke some of them."},
                entity="token",
            )
        return secret, Token(**row)

    async def of_user(self, user: UUID) -> list[Token]:
        """Return a user's tokens that are good, the last used first."""
        async with self._database.reading() as connection:
            with translated("token"):
                rows = (await connection.execute(_LIST, {"user": user})).mappings()
        return [Token(**row) for row in rows]

    async def find(self, secret: str, caller: Caller) -> Bearer:
        """Return whose token this is.

        A good one is never locked out: 256 random bits cannot be guessed, and whoever shares an
        address with a guesser goes on working. What the limit bounds is the record of failures.
        One that has ended is no guess either, so a forgotten job locks nobody out.

        Raises
        ------
        SignInRefused
            It is no token, or no longer good (`code` is `invalid_token`); or too many failed
            from there (`locked`).
        """
        values = {"digest": digest(secret), "seconds": _USED_SECONDS}
        async with self._database.reading() as connection:
            with translated("token"):
                row = (await connection.execute(_FIND, values)).one_or_none()
                why = _why_not(row)
                if row is not None and not why:
                    if row.old:
                        await connection.execute(_TOUCH, {"id": row.id, "address": caller.address})
                    return Bearer(
                        row.id,
                        row.kind,
                        row.name,
                        row.scope,
                        row.expires_at,
                        row.remaining,
                        row.userid,
                        row.email,
                        row.role,
                    )
        account = plain(secret[:_ACCOUNT_CHARACTERS])
        if row is not None:
            await self._record_ended(row.userid, account, caller, why)
        else:
            await self._events.check(caller, account)
            await self._events.record("wrong_token", caller, account=account)
        raise SignInRefused(why, code="invalid_token")

    async def _record_ended(self, user: UUID, account: str, caller: Caller, why: str) -> None:
        values = {
            "user": user,
            "account": account,
            "address": caller.address,
            "agent": plain(caller.agent),
            "why": why,
        }
        async with self._database.reading() as connection:
            with translated("event"):
                await connection.execute(_RECORD_ENDED, values)

    async def revoke(self, token: UUID, user: UUID, caller: Caller) -> None:
        """End a token of a user's, and the logins issued for it.

        Raises
        ------
        NotFound
            The user has no such token that is good.
        """
        async with self._database.reading() as connection:
            with translated("token"):
                name = await connection.scalar(_REVOKE, {"id": token, "user": user})
        if name is None:
            raise NotFound("token", token)
        await self._events.record("token_revoked", caller, user=user, detail=name)

    async def give_back(self, secret: str, caller: Caller) -> None:
        """End the token that somebody shows; one that is none, or has ended, is no error."""
        async with self._database.reading() as connection:
            with translated("token"):
                values = {"digest": digest(secret)}
                row = (await connection.execute(_GIVE_BACK, values)).one_or_none()
        if row is not None:
            await self._events.record("token_revoked", caller, user=row.userid, detail=row.name)

    async def end_login(self, bearer: Bearer, role: str) -> None:
        """End a login that was issued for this token; any other stays, which is no error."""
        async with self._database.reading() as connection:
            with translated("login"):
                await connection.execute(_END_LOGIN, {"role": role, "token": bearer.token})


def _why_not(row: Row[Any] | None) -> str:
    """Return why a token is not good, for whoever holds it; or nothing."""
    if row is None:
        return "This is no token of this server."
    if row.expired:
        return "This token has expired."
    if row.idle:
        return "This token was not used for too long, and has ended."
    if row.revoked:
        return "This token was revoked."
    if row.barred:
        return "The account of this token may not sign in."
    return ""
