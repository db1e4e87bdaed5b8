"""Invitations: a link to a mailbox, good for one account, once, for some days.

Whoever opens the link has proved that the mailbox is theirs, so the account that it leads to has
a verified address. We send no mail: whoever invites passes the link on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from workbench.auth.acting import Caller, acting
from workbench.auth.administrators import require_administrator
from workbench.auth.events import Events
from workbench.auth.secrets import digest, new_secret
from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.user import USER
from workbench.errors import InvalidDraft, NotFound, Refused, SignInRefused, shown

__all__ = [
    "Invitation",
    "Invitations",
    "Invited",
    "open_invitation_of_address",
    "open_invitation_of_secret",
    "revoke_invitations",
    "use_invitations",
]

DAYS = 14
_MOST_DAYS = 90
_SHOWN = 50

_ACCOUNT = text(
    "SELECT u.id, u.is_active, u.deleted_at,"
    " EXISTS (SELECT FROM auth.identity AS i WHERE i.userid = u.id) AS entered"
    ' FROM "user" AS u WHERE lower(u.email) = lower(:email)'
)
_ADD = text(
    "INSERT INTO auth.invitation (digest, email, role, invited_by, expires_at)"
    " VALUES (:digest, :email, CAST(:role AS user_role), :by,"
    " clock_timestamp() + CAST(:lifetime AS interval)) RETURNING expires_at"
)
_COLUMNS = (
    "SELECT i.id, i.email, i.role::text, i.created_at, i.expires_at, i.used_at, i.revoked_at,"
    " i.expires_at <= clock_timestamp() AS expired,"
    " coalesce(u.display_name, nullif(concat_ws(' ', u.first_name, u.last_name), ''), u.email)"
    ' AS invited_by FROM auth.invitation AS i LEFT JOIN "user" AS u ON u.id = i.invited_by'
)
_FIND = text(_COLUMNS + " WHERE i.digest = :digest")
_LIST = text(_COLUMNS + " ORDER BY i.created_at DESC, i.id DESC LIMIT :most")
_OPEN = (
    "SELECT id, email, role::text FROM auth.invitation WHERE used_at IS NULL"
    " AND revoked_at IS NULL AND expires_at > clock_timestamp() AND "
)
_OF_SECRET = text(_OPEN + "digest = :digest FOR UPDATE")
_OF_ADDRESS = text(
    _OPEN + "lower(email) = lower(:email) ORDER BY created_at DESC LIMIT 1 FOR UPDATE"
)
_USE = text(
    "UPDATE auth.invitation SET used_at = clock_timestamp(), used_by = :user"
    " WHERE lower(email) = lower(:email) AND used_at IS NULL AND revoked_at IS NULL"
)
_REVOKED = (
    "UPDATE auth.invitation SET revoked_at = clock_timestamp()"
    " WHERE used_at IS NULL AND revoked_at IS NULL AND "
)
_REVOKE = text(_REVOKED + "id = :id RETURNING email")
_REVOKE_OF_ADDRESS = text(_REVOKED + "lower(email) = lower(:email)")


@dataclass(frozen=True)
class Invited:
    """A new invitation, with the secret of its link, which is kept nowhere."""

    secret: str
    email: str
    role: str
    expires_at: datetime

    @property
    def path(self) -> str:
        """Where the link leads on the server."""
        return f"/invitation/{self.secret}"


@dataclass(frozen=True)
class Invitation:
    """An invitation as it is stored.

    Attributes
    ----------
    invited_by
        A name; None if it was made by `workbench users`.
    """

    id: UUID
    email: str
    role: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    expired: bool
    invited_by: str | None

    @property
    def state(self) -> str:
        """What has become of it: open, used, revoked or expired."""
        if self.used_at is not None:
            return "used"
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expired else "open"


class Invitations:
    """Makes, shows and revokes invitations."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database, self._events = database, events

    async def invite(
        self,
        by: UUID | None,
        email: str,
        role: str = "editor",
        *,
        days: int = DAYS,
        caller: Caller | None = None,
    ) -> Invited:
        """Invite an address; an earlier invitation of it counts no more.

        Parameters
        ----------
        by
            An administrator; None for whoever holds the database's own login.

        Raises
        ------
        NotAllowed
            `by` is no administrator.
        InvalidDraft
            The address, the role or the days are none.
        Refused
            There is an account that somebody signs in to, or that may not sign in.
        """
        draft = USER.validate({"email": email, "role": role})
        if not 1 <= days <= _MOST_DAYS:
            raise InvalidDraft({"days": f"This is from 1 to {_MOST_DAYS}."})
        secret = new_secret()
        values = {
            "digest": digest(secret),
            "email": draft.email,
            "role": draft.role,
            "by": by,
            "lifetime": timedelta(days=days),
        }
        async with self._database.transaction():
            async with acting(self._database, by, "invitation") as connection:
                await require_administrator(connection, by)
                account = (await connection.execute(_ACCOUNT, values)).one_or_none()
                if account is not None:
                    _refuse_needless(account, draft.email)
                await connection.execute(_REVOKE_OF_ADDRESS, values)
                expires_at = await connection.scalar(_ADD, values)
            await self._events.record(
                "invited", caller, by=by, account=draft.email, detail=f"as {draft.role}"
            )
        return Invited(secret, draft.email, draft.role, expires_at)

    async def find(self, secret: str, caller: Caller) -> Invitation:
        """Return the open invitation that a link leads to.

        Raises
        ------
        SignInRefused
            There is none, or no more; or too many have been tried from this address.
        """
        await self._events.check(caller)
        async with self._database.reading() as connection:
            with translated("invitation"):
                row = (await connection.execute(_FIND, {"digest": digest(secret)})).one_or_none()
        if row is None:
            await self._events.record("wrong_link", caller, detail="an invitation")
            raise SignInRefused(
                "There is no such invitation. Open the whole link as you were given it, or ask "
                "for a new one.",
                code="invitation",
            )
        found = Invitation(**row._mapping)
        if found.state != "open":
            raise spent(found.state)
        return found

    async def latest(self, by: UUID | None) -> list[Invitation]:
        """Return the latest invitations, the newest first; for administrators."""
        async with acting(self._database, by, "invitation") as connection:
            await require_administrator(connection, by)
            rows = (await connection.execute(_LIST, {"most": _SHOWN})).mappings()
        return [Invitation(**row) for row in rows]

    async def revoke(self, by: UUID | None, invitation: UUID, caller: Caller | None = None) -> str:
        """Make a link useless that was not used yet; return its address."""
        async with self._database.transaction():
            async with acting(self._database, by, "invitation") as connection:
                await require_administrator(connection, by)
                email = await connection.scalar(_REVOKE, {"id": invitation})
            if email is None:
                raise NotFound("invitation", invitation, "It was used or revoked already.")
            await self._events.record("invitation_revoked", caller, by=by, account=email)
        return str(email)


def spent(state: str = "used, revoked or expired") -> SignInRefused:
    """Return what to raise for an invitation that counts no more."""
    what = {"used": "was used already", "revoked": "was taken back", "expired": "has expired"}
    return SignInRefused(
        f"This invitation {what.get(state, 'was used already, taken back or has expired')}. If you "
        "have an account by now, sign in; or ask for a new invitation.",
        code="invitation",
    )


def _refuse_needless(account: Row[tuple[object, ...]], email: str) -> None:
    if account.deleted_at is not None:
        problem = "was deleted. Restore it first"
    elif not account.is_active:
        problem = "may not sign in. Let it sign in first"
    elif account.entered:
        problem = "is in use, and needs no invitation. Change its role instead"
    else:
        return
    raise Refused(f"The account {shown(email)} {problem}.", entity="user", field="email")


async def open_invitation_of_secret(
    connection: AsyncConnection, secret: bytes
) -> Row[tuple[UUID, str, str]] | None:
    """Return `id`, `email` and `role` of an open invitation, and let nobody else use it."""
    return (await connection.execute(_OF_SECRET, {"digest": secret})).one_or_none()


async def open_invitation_of_address(
    connection: AsyncConnection, email: str
) -> Row[tuple[UUID, str, str]] | None:
    """Return the open invitation of an address, and let nobody else use it."""
    return (await connection.execute(_OF_ADDRESS, {"email": email})).one_or_none()


async def use_invitations(connection: AsyncConnection, email: str, user: UUID) -> None:
    """Note that the account of this address has been entered: no link leads there any more."""
    await connection.execute(_USE, {"email": email, "user": user})


async def revoke_invitations(connection: AsyncConnection, email: str) -> None:
    """Take back what was promised to an address."""
    await connection.execute(_REVOKE_OF_ADDRESS, {"email": email})
