"""What happened at the door: written for good, and counted to keep guessers out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from workbench.auth.acting import Caller
from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.errors import SignInRefused

__all__ = ["REFUSALS", "Event", "Events"]

REFUSALS = ("refused", "wrong_link", "wrong_token", "wrong_code", "wrong_state")
"""Kinds of events that count as failed attempts."""

_WINDOW_MINUTES = 15
_PER_ADDRESS = 30  # an office shares one
_PER_ACCOUNT = 10
_SHOWN = 200
_AGENT_CHARACTERS = 400

_RECORD = text(
    "INSERT INTO auth.event (kind, userid, by_user, provider, account, address, agent, detail)"
    " VALUES (:kind, :user, :by, :provider, :account, :address, :agent, :detail)"
)
# An account starts anew when it gets in; an address does not, or one own account would open it.
_COUNT = text(
    "SELECT (SELECT count(*) FROM auth.event WHERE address = :address AND at > since"
    " AND kind = ANY (:refusals)) AS of_address,"
    " (SELECT count(*) FROM auth.event WHERE account = :account AND at > greatest(since,"
    " (SELECT max(at) FROM auth.event WHERE account = :account AND at > since"
    " AND kind = 'signed_in')) AND kind = ANY (:refusals)) AS of_account"
    " FROM (SELECT clock_timestamp() - make_interval(mins => :minutes) AS since) AS t"
)
_LIST = text(
    "SELECT e.at, e.kind, e.provider, e.account, e.address, e.agent, e.detail, u.email,"
    ' b.email AS by_email FROM auth.event AS e LEFT JOIN "user" AS u ON u.id = e.userid'
    ' LEFT JOIN "user" AS b ON b.id = e.by_user'
    " WHERE CAST(:user AS uuid) IS NULL OR e.userid = :user ORDER BY e.id DESC LIMIT :most"
)


@dataclass(frozen=True)
class Event:
    """Something that happened: who, when, from where."""

    at: datetime
    kind: str
    provider: str | None
    account: str | None
    address: str | None
    agent: str | None
    detail: str | None
    email: str | None
    by_email: str | None


class Events:
    """The record of signing in and of accounts; nobody changes or removes what is in it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self,
        kind: str,
        caller: Caller | None = None,
        *,
        user: UUID | None = None,
        by: UUID | None = None,
        provider: str | None = None,
        account: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Write an event.

        Parameters
        ----------
        user, by
            Whom it is about, and who did it if that is somebody else.
        account
            What an attempt was aimed at: a provider's subject, the beginning of a token.
        detail
            Never a secret.
        """
        values = {
            "kind": kind,
            "user": user,
            "by": by,
            "provider": provider,
            "account": account,
            "address": caller.address if caller else None,
            "agent": caller.agent[:_AGENT_CHARACTERS] if caller else None,
            "detail": detail,
        }
        async with self._database.reading() as connection:
            with translated("event"):
                await connection.execute(_RECORD, values)

    async def check(self, caller: Caller, account: str | None = None) -> None:
        """Refuse an attempt after too many that failed, from an address or at an account.

        Raises
        ------
        SignInRefused
            Says how long to wait; nothing was looked at yet.
        """
        values = {
            "address": caller.address,
            "account": account,
            "refusals": list(REFUSALS),
            "minutes": _WINDOW_MINUTES,
        }
        async with self._database.reading() as connection:
            with translated("event"):
                found = (await connection.execute(_COUNT, values)).one()
        if found.of_address >= _PER_ADDRESS or found.of_account >= _PER_ACCOUNT:
            whose = "here" if found.of_address >= _PER_ADDRESS else "this account"
            raise SignInRefused(
                f"Too many attempts from {whose} have failed. Wait {_WINDOW_MINUTES} minutes and "
                "try again.",
                code="locked",
                detail=f"locked out: {caller.address}, {account}",
            )

    async def latest(self, user: UUID | None = None, most: int = _SHOWN) -> list[Event]:
        """Return the latest events, the newest first; of one user or of all."""
        async with self._database.reading() as connection:
            with translated("event"):
                rows = await connection.execute(_LIST, {"user": user, "most": most})
        return [Event(**row) for row in rows.mappings()]
