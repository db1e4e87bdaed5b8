"""People: what administrators do with the accounts of others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from workbench.auth.acting import Caller, acting
from workbench.auth.administrators import (
    locked_administrators,
    require_administrator,
    require_one_left,
)
from workbench.auth.events import Events
from workbench.auth.invitations import revoke_invitations
from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.user import USER
from workbench.errors import DuplicateName, NotAllowed, NotFound, shown

__all__ = ["Account", "Matches", "People"]

_PAGE = 50

_COLUMNS = (
    "SELECT u.id, u.email, u.role::text, u.is_active, u.is_verified, u.last_login_at, u.deleted_at,"
    " coalesce(u.display_name, concat_ws(' ', u.first_name, u.last_name)) AS name,"
    " ARRAY(SELECT DISTINCT i.provider FROM auth.identity AS i WHERE i.userid = u.id ORDER BY 1)"
    " AS providers,"
    " (SELECT count(*) FROM auth.live_session AS s WHERE s.userid = u.id) AS sessions"
    ' FROM "user" AS u'
)
_LIST = text(
    f"{_COLUMNS} WHERE lower(u.email) > :after AND (:pattern = '' OR"
    " concat_ws(' ', u.email, u.display_name, u.first_name, u.last_name) ILIKE :pattern)"
    " ORDER BY lower(u.email) LIMIT :most"
)
_ID_OF = text(
    'SELECT id FROM "user" WHERE lower(email) = lower(:email)'
    " AND (deleted_at IS NOT NULL) = :deleted"
)
_ADD = text(
    'INSERT INTO "user" (email, role) VALUES (:email, CAST(:role AS user_role))'
    " ON CONFLICT (lower(email)) DO NOTHING RETURNING id"
)
_CHANGE = text(
    'UPDATE "user" AS u SET role = coalesce(CAST(:role AS user_role), u.role),'
    ' is_active = coalesce(:active, u.is_active) FROM "user" AS o'
    " WHERE u.id = :user AND o.id = u.id AND u.deleted_at IS NULL"
    " RETURNING u.email, o.role::text AS old_role, o.is_active AS was_active"
)
_RESTORE = text(
    'UPDATE "user" SET deleted_at = NULL, is_active = true'
    " WHERE id = :user AND deleted_at IS NOT NULL RETURNING email"
)
_END_SESSIONS = text(
    "UPDATE auth.session SET ended_at = clock_timestamp()"
    " WHERE ended_at IS NULL AND userid = :user RETURNING id"
)


@dataclass(frozen=True)
class Account:
    """A user as an administrator sees them."""

    id: UUID
    email: str
    role: str
    is_active: bool
    is_verified: bool
    last_login_at: datetime | None
    deleted_at: datetime | None
    name: str
    providers: list[str]
    sessions: int


@dataclass(frozen=True)
class Matches:
    """Some accounts by e-mail, and after which address there are more."""

    accounts: list[Account]
    more_after: str | None


class People:
    """All accounts.

    In each verb `by` is who acts: an administrator, asked of the database in the transaction that
    does it; None for whoever holds the database's own login.
    """

    def __init__(self, database: Database, events: Events) -> None:
        self._database, self._events = database, events

    async def find(
        self, by: UUID | None, words: str = "", *, after: str = "", most: int = _PAGE
    ) -> Matches:
        """Return accounts whose address or name holds `words`, deleted ones too, by address.

        Parameters
        ----------
        after
            `more_after` of the matches before these.
        """
        values = {"pattern": _pattern(words), "after": after.lower(), "most": most + 1}
        async with acting(self._database, by, "user") as connection:
            await require_administrator(connection, by)
            rows = (await connection.execute(_LIST, values)).mappings().all()
        found = [Account(**row) for row in rows[:most]]
        return Matches(found, found[-1].email if len(rows) > most else None)

    async def id_of(self, email: str, *, deleted: bool = False) -> UUID:
        """Return the user with an address; for commands, which name people so."""
        async with self._database.reading() as connection:
            with translated("user"):
                found = await connection.scalar(_ID_OF, {"email": email, "deleted": deleted})
        if found is None:
            raise NotFound("user", email, "`workbench users list` shows them.")
        return UUID(str(found))

    async def add(self, by: UUID | None, email: str, role: str = "editor") -> UUID:
        """Add an account, which somebody enters by an invitation.

        Raises
        ------
        DuplicateName, InvalidDraft
            There is one with this e-mail; the e-mail or the role is none.
        """
        draft = USER.validate({"email": email, "role": role})
        async with self._database.transaction():
            async with acting(self._database, by, "user") as connection:
                await require_administrator(connection, by)
                values = {"email": draft.email, "role": draft.role}
                added: UUID | None = await connection.scalar(_ADD, values)
            if added is None:
                raise DuplicateName(
                    f"There is a user {shown(draft.email)} already (or in the trash). Change that "
                    "one.",
                    entity="user",
                    field="email",
                )
            await self._events.record("account_made", user=added, by=by)
        return added

    async def change(
        self,
        by: UUID | None,
        user: UUID,
        *,
        role: str | None = None,
        active: bool | None = None,
        caller: Caller | None = None,
    ) -> None:
        """Change what somebody may do, or whether they may sign in; it counts at once.

        Raises
        ------
        NotAllowed
            `by` is no administrator, or it is their own account.
        Refused
            No administrator would be left.
        """
        if role is not None:
            USER.validate({"email": "of@somebody", "role": role})
        if by == user:
            raise NotAllowed(
                "You cannot change your own role, or shut yourself out. Ask another administrator.",
                entity="user",
            )

        async def work() -> None:
            values = {"user": user, "role": role, "active": active}
            async with acting(self._database, by, "user") as connection:
                before = await locked_administrators(connection, by)
                changed = (await connection.execute(_CHANGE, values)).one_or_none()
                if changed is None:
                    raise NotFound("user", user, "It may be deleted.")
                await require_one_left(connection, before)
                await revoke_invitations(connection, changed.email)
            if role is not None and role != changed.old_role:
                said = f"{changed.old_role} to {role}"
                await self._events.record("role_changed", caller, user=user, by=by, detail=said)
            if active is not None and active != changed.was_active:
                kind = "activated" if active else "deactivated"
                await self._events.record(kind, caller, user=user, by=by)

        await self._database.atomically(work)

    async def end_sessions(self, by: UUID | None, user: UUID, caller: Caller | None = None) -> int:
        """Sign somebody out everywhere; return how many sessions that were."""
        async with self._database.transaction():
            async with acting(self._database, by, "session") as connection:
                await require_administrator(connection, by)
                ended = len(list(await connection.scalars(_END_SESSIONS, {"user": user})))
            if ended:
                await self._events.record(
                    "signed_out", caller, user=user, by=by, detail="everywhere"
                )
        return ended

    async def restore(self, by: UUID | None, user: UUID, caller: Caller | None = None) -> None:
        """Bring a deleted account back; its worlds stay with their heirs."""
        async with self._database.transaction():
            async with acting(self._database, by, "user") as connection:
                await require_administrator(connection, by)
                email = await connection.scalar(_RESTORE, {"user": user})
            if email is None:
                raise NotFound("deleted user", user)
            await self._events.record("account_restored", caller, user=user, by=by)


def _pattern(words: str) -> str:
    """Return what finds `words` anywhere; what is special to LIKE is itself."""
    words = words.strip().replace("\x00", "")
    for special in "\\%_":
        words = words.replace(special, f"\\{special}")
    return f"%{words}%" if words else ""
