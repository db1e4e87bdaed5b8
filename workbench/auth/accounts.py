"""Accounts: whose identity it is, who gets an account, and what its owner does with it.

The key of an account is (issuer, subject), never an e-mail address: addresses change hands. One
is linked to an account that is there only if the provider answers for it and the account's own
address has been proved too; all else takes an invitation's link, or somebody who is signed in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NoReturn
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from workbench.auth.acting import Caller, acting
from workbench.auth.administrators import locked_administrators
from workbench.auth.events import Events
from workbench.auth.identity import Identity
from workbench.auth.invitations import (
    open_invitation_of_address,
    open_invitation_of_secret,
    revoke_invitations,
    spent,
    use_invitations,
)
from workbench.auth.sessions import Person
from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.user import USER
from workbench.errors import Conflict, NotFound, Refused, SignInRefused

__all__ = ["Accounts", "LinkedIdentity", "OwnedWorld", "Profile", "SignUp"]

_ACCOUNT = (
    "SELECT u.id, u.email, u.role::text, u.is_active, u.is_verified, u.deleted_at,"
    " EXISTS (SELECT FROM auth.identity AS i WHERE i.userid = u.id) AS entered"
    ' FROM "user" AS u'
)
_KNOWN = text(
    f"{_ACCOUNT} JOIN auth.identity AS k ON k.userid = u.id"
    " WHERE k.issuer = :issuer AND k.subject = :subject"
)
_OF_ADDRESS = text(f"{_ACCOUNT} WHERE lower(u.email) = lower(:email) FOR NO KEY UPDATE OF u")
_MAKE = text(
    'INSERT INTO "user" (email, role, is_verified)'
    " VALUES (:email, CAST(:role AS user_role), true)"
    " ON CONFLICT (lower(email)) DO NOTHING RETURNING id"
)
# An invitation never takes away: whoever invites an administrator as an editor forgot.
_VERIFY = text(
    'UPDATE "user" SET is_verified = true, role = greatest(role, CAST(:role AS user_role))'
    " WHERE id = :user AND (NOT is_verified OR role < CAST(:role AS user_role))"
)
_COMPLETE = text(
    'UPDATE "user" SET first_name = coalesce(first_name, :first),'
    " last_name = coalesce(last_name, :last) WHERE id = :user"
    " AND (first_name IS NULL AND CAST(:first AS text) IS NOT NULL"
    " OR last_name IS NULL AND CAST(:last AS text) IS NOT NULL)"
)
_ATTACH = text(
    "INSERT INTO auth.identity (issuer, subject, userid, provider, email)"
    " VALUES (:issuer, :subject, :user, :provider, :email)"
    " ON CONFLICT (issuer, subject) DO NOTHING RETURNING userid"
)
_OWNER = text("SELECT userid FROM auth.identity WHERE issuer = :issuer AND subject = :subject")
_USED = text(
    "UPDATE auth.identity SET used_at = clock_timestamp(), email = :email"
    " WHERE issuer = :issuer AND subject = :subject"
)
_DETACH = text(
    "DELETE FROM auth.identity WHERE userid = :user AND issuer = :issuer AND subject = :subject"
    " RETURNING provider"
)
_LOCK = text('SELECT 1 FROM "user" WHERE id = :user FOR NO KEY UPDATE')
_COUNT = text("SELECT count(*) FROM auth.identity WHERE userid = :user")
_IDENTITIES = text(
    "SELECT provider, issuer, subject, email, created_at, used_at FROM auth.identity"
    " WHERE userid = :user ORDER BY created_at, issuer, subject"
)
_SHARES = text("SELECT auth.take_shares(:user)")
_END_OTHERS = text(
    "UPDATE auth.session SET ended_at = clock_timestamp()"
    " WHERE ended_at IS NULL AND userid = :user AND id IS DISTINCT FROM CAST(:kept AS uuid)"
)
_PROFILE = text(
    "SELECT email, role::text, first_name, last_name, display_name, phone, is_verified, created_at"
    ' FROM "user" WHERE id = :user AND deleted_at IS NULL'
)
_NAME = text(
    'UPDATE "user" SET first_name = :first_name, last_name = :last_name,'
    " display_name = :display_name, phone = :phone WHERE id = :user AND deleted_at IS NULL"
)
_WORLDS = text(
    "SELECT w.id, w.name, u.id AS heir,"
    " coalesce(u.display_name, nullif(concat_ws(' ', u.first_name, u.last_name), ''), u.email)"
    " AS heir_name FROM world AS w LEFT JOIN (world_member AS m"
    ' JOIN "user" AS u ON u.id = m.userid AND u.is_active AND u.deleted_at IS NULL)'
    " ON m.worldid = w.id WHERE w.ownerid = :user AND w.deleted_at IS NULL"
    " ORDER BY lower(w.name), w.id, heir_name, u.id"
)
_DELETE = text("SELECT auth.delete_account(:user, CAST(:heirs AS jsonb))")

_LABELS = {"github": "GitHub"}


@dataclass(frozen=True)
class SignUp:
    """Who gets an account at the first sign-in, if their provider answers for their e-mail."""

    kind: Literal["invitation", "domain", "open"] = "invitation"
    domains: tuple[str, ...] = ()
    role: str = "editor"

    def allows(self, email: str) -> bool:
        """Tell whether an address needs no invitation."""
        domain = email.rpartition("@")[2].lower()
        return self.kind == "open" or (self.kind == "domain" and domain in self.domains)


@dataclass(frozen=True)
class Profile:
    """What somebody sees of their own account."""

    email: str
    role: str
    first_name: str | None
    last_name: str | None
    display_name: str | None
    phone: str | None
    is_verified: bool
    created_at: datetime


@dataclass(frozen=True)
class LinkedIdentity:
    """A way in which somebody may sign in."""

    provider: str
    issuer: str
    subject: str
    email: str | None
    created_at: datetime
    used_at: datetime


@dataclass(frozen=True)
class OwnedWorld:
    """A world that needs an heir, with the names of those who could be it."""

    id: UUID
    name: str
    heirs: Mapping[UUID, str]


class Accounts:
    """Leads identities to accounts."""

    def __init__(self, database: Database, events: Events, policy: SignUp) -> None:
        self._database, self._events, self._policy = database, events, policy

    async def enter(
        self, identity: Identity, caller: Caller, invitation: bytes | None = None
    ) -> UUID:
        """Return the user whom a provider has just signed in, made or linked if need be.

        Parameters
        ----------
        invitation
            The digest of the secret in a link that this browser has opened.

        Raises
        ------
        SignInRefused
            There is no way in; nothing was written.
        """
        return await self._database.atomically(lambda: self._enter(identity, caller, invitation))

    async def _enter(self, identity: Identity, caller: Caller, invitation: bytes | None) -> UUID:
        happened = None
        async with acting(self._database, None, "user") as connection:
            given = _given(identity)
            known = (await connection.execute(_KNOWN, given)).one_or_none()
            if known is not None:
                _require_active(known)
                user: UUID = known.id
                await connection.execute(_USED, given)
            else:
                user, happened = await self._first_time(connection, identity, invitation)
                if await connection.scalar(_ATTACH, {**given, "user": user}) is None:
                    raise _meanwhile()
                await connection.execute(_END_OTHERS, {"user": user, "kept": None})
        async with acting(self._database, user, "user") as connection:
            await connection.execute(_COMPLETE, {"user": user, **_names(identity)})
            await connection.execute(_SHARES, {"user": user})
        if happened is not None:
            await self._events.record(
                happened,
                caller,
                user=user,
                provider=identity.provider,
                account=f"{identity.issuer} {identity.subject}",
            )
        return user

    async def _first_time(
        self, connection: AsyncConnection, identity: Identity, secret: bytes | None
    ) -> tuple[UUID, str]:
        """Return the account that an unknown identity may have, and what is to be recorded."""
        invitation = None
        if secret is not None:
            invitation = await open_invitation_of_secret(connection, secret)
            if invitation is None:
                raise spent()
        email = invitation.email if invitation else _proved_address(identity)
        if email is None:
            _refuse_unproved(identity)
        account = (await connection.execute(_OF_ADDRESS, {"email": email})).one_or_none()
        if account is not None:
            _require_active(account)
        if secret is not None and account is not None and account.entered:
            raise spent("used")
        invitation = invitation or await open_invitation_of_address(connection, email)
        if account is None:
            if invitation is None and not self._policy.allows(email):
                self._refuse_stranger(email)
            role = invitation.role if invitation else self._policy.role
            user = await connection.scalar(_MAKE, {"email": email, "role": role})
            if user is None:
                raise _meanwhile()
        else:
            user = account.id
            if not account.is_verified and invitation is None:
                _refuse_unverified(identity, entered=account.entered)
            role = invitation.role if invitation and not account.entered else account.role
            await connection.execute(_VERIFY, {"user": user, "role": role})
        await use_invitations(connection, email, user)
        return user, "account_made" if account is None else "identity_linked"

    def _refuse_stranger(self, email: str) -> NoReturn:
        whose = (
            "accounts are for addresses at " + ", ".join(self._policy.domains)
            if self._policy.kind == "domain"
            else "new ones are by invitation"
        )
        raise SignInRefused(
            f"There is no account for {email} here, and {whose}. Ask an administrator of this "
            "installation to invite you.",
            code="no_account",
        )

    async def link(self, identity: Identity, person: Person, caller: Caller) -> None:
        """Let somebody who is signed in also come in as `identity`; ends their other sessions.

        Raises
        ------
        SignInRefused
            It leads to another account.
        """
        await self._database.atomically(lambda: self._link(identity, person, caller))

    async def _link(self, identity: Identity, person: Person, caller: Caller) -> None:
        given = _given(identity)
        user = {"user": person.userid}
        async with acting(self._database, person.userid, "user") as connection:
            if await connection.scalar(_ATTACH, {**given, **user}) is None:
                owner = await connection.scalar(_OWNER, given)
                if owner is None:
                    raise _meanwhile()
                if owner != person.userid:
                    raise _taken(identity)
                return
            if (_proved_address(identity) or "").lower() == person.email.lower():
                await connection.execute(_VERIFY, {**user, "role": person.role})
                await connection.execute(_SHARES, user)
            await connection.execute(_END_OTHERS, {**user, "kept": person.session})
        await self._record("identity_linked", identity.provider, given, person, caller)

    async def unlink(
        self, person: Person, issuer: str, subject: str, caller: Caller | None = None
    ) -> None:
        """Take away one of one's own ways to sign in, but not the last; ends other sessions."""
        given = {"user": person.userid, "issuer": issuer, "subject": subject}
        async with self._database.transaction():
            async with acting(self._database, person.userid, "identity") as connection:
                await connection.execute(_LOCK, given)
                provider = await connection.scalar(_DETACH, given)
                if provider is None:
                    raise NotFound("way to sign in", subject)
                if not await connection.scalar(_COUNT, given):
                    raise Refused(
                        "This is your only way to sign in. Add another one first.",
                        entity="identity",
                    )
                await connection.execute(_END_OTHERS, {**given, "kept": person.session})
            await self._record("identity_unlinked", provider, given, person, caller)

    async def _record(
        self,
        kind: str,
        provider: str,
        given: Mapping[str, object],
        person: Person,
        caller: Caller | None,
    ) -> None:
        account = f"{given['issuer']} {given['subject']}"
        await self._events.record(
            kind, caller, user=person.userid, provider=provider, account=account
        )

    async def identities(self, user: UUID) -> list[LinkedIdentity]:
        """Return the ways in which a user may sign in, the oldest first."""
        async with self._database.reading() as connection:
            with translated("identity"):
                rows = (await connection.execute(_IDENTITIES, {"user": user})).mappings()
        return [LinkedIdentity(**row) for row in rows]

    async def profile(self, user: UUID) -> Profile:
        """Return what a user's own page shows."""
        async with self._database.reading() as connection:
            with translated("user"):
                row = (await connection.execute(_PROFILE, {"user": user})).one_or_none()
        if row is None:
            raise NotFound("user", user)
        return Profile(**row._mapping)

    async def name(
        self,
        person: Person,
        first: str | None,
        last: str | None,
        display: str | None = None,
        phone: str | None = None,
    ) -> None:
        """Change one's own names and phone; blank ones are taken away.

        Raises
        ------
        InvalidDraft
            Says by field what is wrong.
        """
        draft = USER.validate(
            {
                "email": person.email,
                "first_name": first,
                "last_name": last,
                "display_name": display,
                "phone": phone,
            }
        )
        values = {
            "user": person.userid,
            "first_name": draft.first_name,
            "last_name": draft.last_name,
            "display_name": draft.display_name,
            "phone": draft.phone,
        }
        async with acting(self._database, person.userid, "user") as connection:
            await connection.execute(_NAME, values)

    async def worlds_to_hand_over(self, user: UUID) -> list[OwnedWorld]:
        """Return the worlds of a user, each with its members who could own it."""
        found: dict[UUID, tuple[str, dict[UUID, str]]] = {}
        async with self._database.reading() as connection:
            with translated("world"):
                for row in await connection.execute(_WORLDS, {"user": user}):
                    heirs = found.setdefault(row.id, (row.name, {}))[1]
                    if row.heir is not None:
                        heirs[row.heir] = row.heir_name
        return [OwnedWorld(id, name, heirs) for id, (name, heirs) in found.items()]

    async def delete(
        self, person: Person, heirs: Mapping[UUID, UUID], caller: Caller | None = None
    ) -> None:
        """Delete one's own account; its worlds go to `heirs`, and its sessions end.

        An administrator can restore it, but not who was an heir.

        Raises
        ------
        Refused
            A world has no heir who is a member of it, or no other administrator is left.
        """
        given = {str(world): str(heir) for world, heir in heirs.items()}
        async with self._database.transaction():
            async with acting(self._database, person.userid, "user") as connection:
                await locked_administrators(connection, None)
                await revoke_invitations(connection, person.email)
                await connection.execute(
                    _DELETE, {"user": person.userid, "heirs": json.dumps(given)}
                )
            await self._events.record("account_deleted", caller, user=person.userid)


def _given(identity: Identity) -> dict[str, str | None]:
    return {
        "issuer": identity.issuer,
        "subject": identity.subject,
        "provider": identity.provider,
        "email": identity.email,
    }


def _proved_address(identity: Identity) -> str | None:
    """Return the address that the provider answers for, if it can be compared safely.

    Letters of other alphabets may be one to a database and two to a mail server: the Kelvin sign
    is a k in lower case. Such an address takes an invitation.
    """
    if not identity.email or not identity.email_verified or not identity.email.isascii():
        return None
    kind = USER.kinds["email"]
    address = kind.clean(identity.email)
    return None if kind.problem(address) else str(address)


def _names(identity: Identity) -> dict[str, str | None]:
    """Return the names that a provider gave, without those that would break our rules."""
    names: dict[str, str | None] = {}
    for key, field, value in (
        ("first", "first_name", identity.first_name),
        ("last", "last_name", identity.last_name),
    ):
        kind = USER.kinds[field]
        cleaned = kind.clean(value)
        names[key] = None if kind.problem(cleaned) else cleaned
    return names


def _require_active(account: Row[tuple[object, ...]]) -> None:
    if account.deleted_at is not None:
        state, way_out = "was deleted", "restore it"
    elif not account.is_active:
        state, way_out = "may not sign in at the moment", "let it in again"
    else:
        return
    raise SignInRefused(
        f"This account {state}. Ask an administrator of this installation to {way_out}.",
        code="inactive",
        detail=f"user {account.id}",
    )


def _refuse_unproved(identity: Identity) -> NoReturn:
    """Refuse in one sentence, whether or not the address has an account: it is nobody's proof."""
    label = _label(identity)
    raise SignInRefused(
        f"{label} does not answer for your e-mail address. If you have an account here, sign in "
        f"the way you did before and add {label} on your profile. If not, ask an administrator of "
        "this installation to invite you.",
        code="unverified" if identity.email else "no_email",
    )


def _refuse_unverified(identity: Identity, *, entered: bool) -> NoReturn:
    label = _label(identity)
    way_out = (
        f"Sign in the way you did before and add {label} on your profile."
        if entered
        else "Ask an administrator of this installation to invite you to it."
    )
    raise SignInRefused(
        "There is an account with your e-mail address, which nobody has proved to be theirs yet. "
        + way_out,
        code="link_first",
    )


def _taken(identity: Identity) -> SignInRefused:
    return SignInRefused(
        f"This account at {_label(identity)} leads to another account here. Sign in with it and "
        "remove it from that one's profile first.",
        code="taken",
    )


def _meanwhile() -> Conflict:
    """Return what makes `atomically` look again: somebody else was first by a moment."""
    return Conflict("Somebody signed in as the same person at the same moment. Sign in again.")


def _label(identity: Identity) -> str:
    return _LABELS.get(identity.provider, identity.provider.capitalize())
