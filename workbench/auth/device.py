"""Signing in a device without a browser of its own: RFC 8628.

A program gets two codes. It keeps asking with the long one, while its user types the short one on
a page of somebody who is signed in, and approves. Then the long one gives a token, once: a second
use is somebody else's, and takes the token away from both.

There are no refresh tokens. The token is as opaque as a personal one, is listed with those and
revoked like those, and ends when it is not used.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from workbench.auth.acting import Caller
from workbench.auth.events import Events
from workbench.auth.secrets import digest, new_secret
from workbench.auth.tokens import SCOPES, Tokens
from workbench.auth.words import plain
from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.errors import InvalidDraft, SignInRefused

__all__ = ["Asking", "Begun", "Devices", "Given", "read_code"]

LIFETIME = timedelta(minutes=10)
PAUSE = timedelta(seconds=5)
IDLE = timedelta(days=30)
LONGEST = timedelta(days=90)

# RFC 8628, section 6.1: no vowels, so no words, and no digits that look like letters.
_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
_CODE_CHARACTERS = 8  # 34 bits, of which an address may try 30 in a quarter of an hour
_PER_ADDRESS = 20
_IN_ALL = 2_000
_SHORT_OF_PAUSE = timedelta(seconds=0.5)  # the network's, not the program's

_BEGIN = text(
    "INSERT INTO auth.device (digest, user_code, client, scope, address, pause, expires_at)"
    " SELECT :digest, :user_code, :client, :scope, :address, CAST(:pause AS interval),"
    " clock_timestamp() + CAST(:lifetime AS interval)"
    " FROM (SELECT count(*) AS in_all, count(*) FILTER (WHERE address = :address) AS here"
    " FROM auth.device WHERE approved_at IS NULL AND denied_at IS NULL"
    " AND expires_at > clock_timestamp()) AS t"
    " WHERE here < :per_address AND in_all < :most"
    " ON CONFLICT (user_code) DO NOTHING RETURNING user_code"
)
_FIND = text(
    "SELECT user_code, client, scope, address, created_at FROM auth.device"
    " WHERE user_code = :user_code AND approved_at IS NULL AND denied_at IS NULL"
    " AND expires_at > clock_timestamp()"
)
_DECIDE = text(
    "UPDATE auth.device SET userid = :user,"
    " approved_at = CASE WHEN :approved THEN clock_timestamp() END,"
    " denied_at = CASE WHEN NOT :approved THEN clock_timestamp() END"
    " WHERE user_code = :user_code AND approved_at IS NULL AND denied_at IS NULL"
    " AND expires_at > clock_timestamp() RETURNING client"
)
_POLL = text(
    "SELECT d.digest, d.client, d.scope, d.pause, d.userid, d.approved_at, d.denied_at, d.tokenid,"
    " d.expires_at <= clock_timestamp() AS expired,"
    " coalesce(d.polled_at + d.pause - CAST(:grace AS interval) > clock_timestamp(), false)"
    " AS too_soon, coalesce(u.is_active AND u.deleted_at IS NULL, false) AS active"
    ' FROM auth.device AS d LEFT JOIN "user" AS u ON u.id = d.userid'
    " WHERE d.digest = :digest FOR UPDATE OF d"
)
_POLLED = text(
    "UPDATE auth.device SET polled_at = clock_timestamp(), pause = :pause WHERE digest = :digest"
)
_REDEEMED = text("UPDATE auth.device SET tokenid = :token WHERE digest = :digest")
_TAKE_BACK = text(
    "UPDATE auth.token SET revoked_at = clock_timestamp() WHERE id = :token AND revoked_at IS NULL"
)


@dataclass(frozen=True)
class Begun:
    """What a program gets that wants to sign its user in."""

    device_code: str = field(repr=False)
    user_code: str
    lifetime: timedelta = LIFETIME
    pause: timedelta = PAUSE


@dataclass(frozen=True)
class Asking:
    """A program that waits for its user's word.

    Parameters
    ----------
    client
        What it calls itself: anybody's text.
    """

    user_code: str
    client: str
    scope: str
    address: str
    created_at: datetime


@dataclass(frozen=True)
class Given:
    """A token that a program has got."""

    secret: str = field(repr=False)
    scope: str
    lifetime: timedelta


class Devices:
    """Programs that wait to be approved, in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tokens = Tokens(database)
        self._events = Events(database)

    async def begin(self, client: str, scope: str, caller: Caller) -> Begun:
        """Return a program's two codes.

        Raises
        ------
        SignInRefused
            With a code of RFC 6749: `invalid_scope`; or `locked`, when too many wait.
        """
        if scope not in SCOPES:
            raise SignInRefused("The scope is one of read and write.", code="invalid_scope")
        begun = Begun(new_secret(), _new_code())
        values = {
            "digest": digest(begun.device_code),
            "user_code": read_code(begun.user_code),
            "client": plain(client) or "a program without a name",
            "scope": scope,
            "address": caller.address,
            "pause": PAUSE,
            "lifetime": LIFETIME,
            "per_address": _PER_ADDRESS,
            "most": _IN_ALL,
        }
        async with self._database.reading() as connection:
            with translated("device"):
                made = await connection.scalar(_BEGIN, values)
        if made is None:
            raise SignInRefused(
                "Too many sign-ins of devices wait for their users. Try again in "
                f"{LIFETIME.seconds // 60} minutes.",
                code="locked",
            )
        return begun

    async def find(self, code: str, user: UUID, caller: Caller) -> Asking:
        """Return the program that shows this code to its user.

        Raises
        ------
        SignInRefused
            No program waits with this code (`wrong_code`), or too many were tried (`locked`).
        """
        await self._events.check(caller, _account(user))
        async with self._database.reading() as connection:
            with translated("device"):
                values = {"user_code": read_code(code)}
                row = (await connection.execute(_FIND, values)).mappings().one_or_none()
        if row is None:
            raise await self._wrong(user, caller)
        asking = Asking(**row)
        shown = f"{asking.user_code[:4]}-{asking.user_code[4:]}"
        return Asking(shown, asking.client, asking.scope, asking.address, asking.created_at)

    async def decide(self, code: str, user: UUID, caller: Caller, *, approved: bool) -> Asking:
        """Let a program in as `user`, or send it away; the same errors as `find`."""
        asking = await self.find(code, user, caller)
        values = {"user_code": read_code(code), "user": user, "approved": approved}
        async with self._database.reading() as connection:
            with translated("device"):
                decided = (await connection.execute(_DECIDE, values)).one_or_none()
        if decided is None:  # meanwhile decided elsewhere
            raise await self._wrong(user, caller)
        await self._events.record(
            "device_approved" if approved else "device_denied",
            caller,
            user=user,
            detail=f"{asking.client} ({asking.scope}), from {asking.address}",
        )
        return asking

    async def redeem(self, device_code: str, caller: Caller) -> Given:
        """Return the token of a program that was approved.

        Raises
        ------
        SignInRefused
            With a code of RFC 8628: `authorization_pending`, `slow_down`, `access_denied`,
            `expired_token`; or `invalid_grant` for one that is unknown or was used already.
        """
        values = {"digest": digest(device_code), "grace": _SHORT_OF_PAUSE}
        async with self._database.writing() as connection:
            with translated("device"):
                row = (await connection.execute(_POLL, values)).one_or_none()
                answer = await self._answer(connection, row)
        if isinstance(answer, Given):
            assert row is not None
            await self._events.record(
                "device_signed_in", caller, user=row.userid, detail=f"{row.client} ({row.scope})"
            )
            return answer
        if row is None:
            await self._events.check(caller)
            await self._events.record("wrong_token", caller, detail="no such device code")
        elif row.tokenid is not None:
            await self._events.record(
                "code_reused", caller, user=row.userid, detail=f"{row.client}: its token is revoked"
            )
        raise answer

    async def _answer(
        self, connection: AsyncConnection, row: Row[Any] | None
    ) -> Given | SignInRefused:
        """Write down what a poll changes, and return what to say to it."""
        if row is None:
            return SignInRefused("This device code is none of this server.", code="invalid_grant")
        if row.tokenid is not None:
            await connection.execute(_TAKE_BACK, {"token": row.tokenid})
            return SignInRefused(
                "This device code was used already. The token that it gave is revoked.",
                code="invalid_grant",
            )
        if row.denied_at is not None or (row.approved_at is not None and not row.active):
            return SignInRefused("The user has denied this.", code="access_denied")
        if row.expired:
            return SignInRefused("The code has expired. Begin again.", code="expired_token")
        if row.approved_at is not None:
            return await self._give(connection, row)
        pause = row.pause + PAUSE if row.too_soon else row.pause
        await connection.execute(_POLLED, {"digest": row.digest, "pause": pause})
        if row.too_soon:
            return SignInRefused(f"Ask every {pause.seconds} seconds at most.", code="slow_down")
        return SignInRefused("The user has not answered yet.", code="authorization_pending")

    async def _give(self, connection: AsyncConnection, row: Row[Any]) -> Given | SignInRefused:
        try:
            secret, token = await self._tokens.insert(
                connection, row.userid, "device", row.client, row.scope, LONGEST, IDLE
            )
        except InvalidDraft as error:
            return SignInRefused(str(error), code="access_denied")
        await connection.execute(_REDEEMED, {"digest": row.digest, "token": token.id})
        return Given(secret, token.scope, LONGEST)

    async def _wrong(self, user: UUID, caller: Caller) -> SignInRefused:
        await self._events.record("wrong_code", caller, user=user, account=_account(user))
        return SignInRefused(
            "No program waits with this code. Codes are good for "
            f"{LIFETIME.seconds // 60} minutes and for one use; begin again there for a fresh one.",
            code="wrong_code",
        )


def _account(user: UUID) -> str:
    """Return what a guess is aimed at: from one account, at whichever code."""
    return f"device of {user}"


def _new_code() -> str:
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_CHARACTERS))
    return f"{letters[:4]}-{letters[4:]}"


def read_code(typed: str) -> str:
    """Return a code as it is stored, however it was typed.

    >>> read_code(" bcdf-ghjk")
    'BCDFGHJK'
    """
    return "".join(one for one in typed.upper() if one.isalnum())
