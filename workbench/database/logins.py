"""Logins that a user's code holds: short-lived roles of PostgreSQL, one for each process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.errors import NotAllowed, StoreUnavailable

__all__ = [
    "Login",
    "OwnLogin",
    "extend_logins",
    "issue_login",
    "login_of",
    "reap",
    "revoke_login",
    "revoke_logins_of",
    "scram_verifier",
    "tidy",
]

_ITERATIONS = 4096  # PostgreSQL's own; the password is 256 random bits, so more buys nothing
_ISSUE = text(
    "SELECT rolname, expires_at FROM auth.issue_login(:user, :verifier, :purpose, :lifetime,"
    " :connections, :read_only, :session, :token, :kept)"
)
_EXTEND = text("SELECT auth.extend_logins(CAST(:roles AS name[]), :lifetime)")
_WHOSE = text("SELECT session_user LIKE 'workbench\\_login\\_%', rules.acting_user()")
_REVOKE = text("SELECT auth.revoke_login(:role)")
_REVOKE_OF = text(
    "SELECT auth.revoke_login(l.rolname) FROM auth.login AS l"
    " WHERE l.purpose = :purpose AND l.revoked_at IS NULL"
)
_REAP = text("SELECT auth.reap()")
_TIDY = text("SELECT auth.tidy()")


_RENEWED_BEFORE = timedelta(hours=4)
"""A connection of the pool is used for 3 hours at most, so none outlives its login."""


@dataclass(frozen=True)
class Login:
    """A role that acts as one user until it expires or is revoked."""

    role: str
    password: str = field(repr=False)
    expires_at: datetime


class OwnLogin:
    """The login that a process issues to itself, renewed for as long as it runs.

    Parameters
    ----------
    server
        A database that may issue logins; closed by `close`.
    """

    def __init__(self, server: Database, user: UUID, purpose: str) -> None:
        self._server, self._user, self._purpose = server, user, purpose
        self._logins: list[Login] = []

    async def address(self, *, afresh: bool = False) -> Address:
        """Return the database's address for the login, a new one if that has not long to live."""
        if afresh or not self._logins or self._logins[-1].expires_at < self._soon:
            self._logins.append(await issue_login(self._server, self._user, self._purpose))
            await self._server.close()  # until the next one is due
        login = self._logins[-1]
        return self._server.address.signed_in(login.role, login.password)

    @property
    def _soon(self) -> datetime:
        return datetime.now(UTC) + _RENEWED_BEFORE

    async def close(self) -> None:
        """Revoke what was issued. A server that is gone cannot; there the logins expire."""
        try:
            with suppress(StoreUnavailable):
                while self._logins:
                    await revoke_login(self._server, self._logins[-1].role)
                    self._logins.pop()
        finally:
            await self._server.close()


async def issue_login(
    server: Database,
    user: UUID,
    purpose: str,
    *,
    lifetime: timedelta = timedelta(hours=8),
    connections: int = 10,
    read_only: bool = False,
    session: UUID | None = None,
    token: UUID | None = None,
    kept: bool = False,
) -> Login:
    """Return a new login of `user`, of the rights that the user has, at most an editor's.

    Parameters
    ----------
    server
        A database that the owner, or a member of `workbench_server`, is connected to.
    purpose
        What it is for, in the list of logins.
    lifetime
        At most 8 hours.
    connections
        How many it may open at once, at most 60.
    read_only
        Whether it may only read, whatever the user may.
    session, token
        What it was issued for, and ends with.
    kept
        Whether it stays while nobody uses it, for its holder cannot ask for another.

    Raises
    ------
    NotAllowed
        The user is not active, or the session or token has ended.
    StoreUnavailable
        The user has too many logins in use.
    """
    password = secrets.token_urlsafe(32)
    parameters = {
        "user": user,
        "verifier": scram_verifier(password),
        "purpose": purpose,
        "lifetime": lifetime,
        "connections": connections,
        "read_only": read_only,
        "session": session,
        "token": token,
        "kept": kept,
    }
    async with server.reading() as connection:
        with translated("login"):
            row = (await connection.execute(_ISSUE, parameters)).one()
    return Login(row.rolname, password, row.expires_at)


async def login_of(database: Database) -> UUID | None:
    """Return the user whose login `database` is connected with; None if it is no user's.

    Raises
    ------
    NotAllowed
        The login has expired or was revoked.
    """
    async with database.reading() as connection:
        is_login, user = (await connection.execute(_WHOSE)).one()
    if is_login and user is None:
        raise NotAllowed("This login has expired or was revoked. Sign in again.", entity="login")
    return user if is_login else None


async def revoke_login(server: Database, role: str) -> None:
    """End a login and its sessions; one that is gone is no error."""
    async with server.reading() as connection:
        with translated("login"):
            await connection.execute(_REVOKE, {"role": role})


async def extend_logins(server: Database, roles: list[str], lifetime: timedelta) -> int:
    """Let logins that live go on for `lifetime` from now; return how many there were."""
    async with server.reading() as connection:
        with translated("login"):
            extended = await connection.scalar(_EXTEND, {"roles": roles, "lifetime": lifetime})
    return int(extended or 0)


async def revoke_logins_of(server: Database, purpose: str) -> None:
    """End all logins of a purpose, such as those that a killed server left behind."""
    async with server.reading() as connection:
        with translated("login"):
            await connection.execute(_REVOKE_OF, {"purpose": purpose})


async def reap(server: Database) -> None:
    """End transactions that are idle or overdue, clear away logins that have ended."""
    async with server.reading() as connection:
        with translated("login"):
            await connection.execute(_REAP)


async def tidy(server: Database) -> None:
    """End sessions and tokens that have run out, with their logins; forget what is long over."""
    async with server.reading() as connection:
        with translated("login"):
            await connection.execute(_TIDY)


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """Return what PostgreSQL stores of a password, so that the password itself stays here.

    RFC 5802 and RFC 7677, in the form of `pg_authid.rolpassword`.

    >>> scram_verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")).split(":")[0]
    'SCRAM-SHA-256$4096'
    """
    salt = os.urandom(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    stored = hashlib.sha256(client).digest()
    told = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{told[0]}${told[1]}:{told[2]}"
