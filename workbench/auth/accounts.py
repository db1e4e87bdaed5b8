"""Accounts: the ways into one, and what its owner does with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from workbench.auth.acting import Caller, acting
from workbench.auth.administrators import locked_administrators
from workbench.auth.arrivals import (
    SignUp,
    account_for,
    given_names,
    known_account,
    meanwhile,
    proved_address,
    taken,
    verify,
)
from workbench.auth.events import Events
from workbench.auth.identity import Identity
from workbench.auth.sessions import Person
from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.user import USER
from workbench.errors import NotFound, Refused

__all__ = ["Accounts", "LinkedIdentity", "OwnedWorld", "Profile", "SignUp"]

_COMPLETE = text(
    'UPDATE "user" SET first_name = coalesce(first_name, :first_name),'
    " last_name = coalesce(last_name, :last_name) WHERE id = :user"
    " AND (first_name IS NULL AND CAST(:first_name AS text) IS NOT NULL"
    " OR last_name IS NULL AND CAST(:last_name AS text) IS NOT NULL)"
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
    "SELECT w.id, w.name, w.deleted_at IS NOT NULL AS trashed, u.id AS heir,"
    " coalesce(u.display_name, nullif(concat_ws(' ', u.first_name, u.last_name), ''), u.email)"
    " AS heir_name FROM world AS w LEFT JOIN (world_member AS m"
    ' JOIN "user" AS u ON u.id = m.userid AND u.is_active AND u.deleted_at IS NULL'
    " AND u.role <> 'viewer')"
    " ON m.worldid = w.id AND u.id <> w.ownerid"
    " WHERE w.ownerid = :user AND (w.deleted_at IS NULL OR u.id IS NOT NULL)"
    " ORDER BY lower(w.name), w.id, heir_name, u.id"
)
_DELETE = text("SELECT auth.delete_account(:user, CAST(:heirs AS jsonb))")


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
    trashed: bool = False


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
        given = _given(identity)
        async with acting(self._database, None, "user") as connection:
            user = await known_account(connection, identity)
            known, made = user is not None, False
            if user is None:
                user, made = await account_for(connection, identity, invitation, self._policy)
                if await connection.scalar(_ATTACH, {**given, "user": user}) is None:
                    raise meanwhile()
                await connection.execute(_END_OTHERS, {"user": user, "kept": None})
            else:
                await connection.execute(_USED, given)
        async with acting(self._database, user, "user") as connection:
            await connection.execute(_COMPLETE, {"user": user, **given_names(identity)})
            await connection.execute(_SHARES, {"user": user})
        if not known:
            kind = "account_made" if made else "identity_linked"
            await self._record(kind, user, given, caller)
        return user

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
                    raise meanwhile()
                if owner != person.userid:
                    raise taken(identity)
                return
            if (proved_address(identity) or "").lower() == person.email.lower():
                await verify(connection, person.userid)
                await connection.execute(_SHARES, user)
            await connection.execute(_END_OTHERS, {**user, "kept": person.session})
        await self._record("identity_linked", person.userid, given, caller)

    async def unlink(
        self, person: Person, issuer: str, subject: str, caller: Caller | None = None
    ) -> None:
        """Take away one of one's own ways to sign in, but not the last; ends other sessions."""
        given: dict[str, object] = {"user": person.userid, "issuer": issuer, "subject": subject}
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
            given["provider"] = provider
            await self._record("identity_unlinked", person.userid, given, caller)

    async def _record(
        self, kind: str, user: UUID, given: Mapping[str, object], caller: Caller | None
    ) -> None:
        await self._events.record(
            kind,
            caller,
            user=user,
            provider=str(given["provider"]),
            account=f"{given['issuer']} {given['subject']}",
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
        """Return the worlds of a user, each with its members who could own it.

        Of those in the trash, those that have such members: nobody else would miss the others.
        """
        found: dict[UUID, tuple[str, dict[UUID, str], bool]] = {}
        async with self._database.reading() as connection:
            with translated("world"):
                for row in await connection.execute(_WORLDS, {"user": user}):
                    heirs = found.setdefault(row.id, (row.name, {}, row.trashed))[1]
                    if row.heir is not None:
                        heirs[row.heir] = row.heir_name
        return [OwnedWorld(id, *known) for id, known in found.items()]

    async def delete(
        self, person: Person, heirs: Mapping[UUID, UUID], caller: Caller | None = None
    ) -> None:
        """Delete one's own account; its worlds go to `heirs`, and its sessions end.

        An administrator can restore it, but not who was an heir. A world in the trash that has
        no other member stays with it.

        Raises
        ------
        Refused
            A world has no heir who is a member of it, or no other administrator is left.
        """
        given = {str(world): str(heir) for world, heir in heirs.items()}
        async with self._database.transaction():
            async with acting(self._database, person.userid, "user") as connection:
                await locked_administrators(connection, None)
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
