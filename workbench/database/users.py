"""Users: who acts, and what an administrator does with accounts."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.errors import DuplicateName, InTheTrash, InvalidDraft, NotFound, shown

_ROLES = ("viewer", "editor", "admin")
_LIST = text(
    'SELECT email, role::text, is_active, display_name, first_name, last_name FROM "user"'
    " WHERE deleted_at IS NULL ORDER BY lower(email)"
)
_CHANGE = text(
    'UPDATE "user" SET role = coalesce(CAST(:role AS user_role), role),'
    " is_active = coalesce(:active, is_active)"
    " WHERE lower(email) = lower(:email) AND deleted_at IS NULL RETURNING id"
)
_FIND = text('SELECT id FROM "user" WHERE lower(email) = lower(:email) AND deleted_at IS NULL')
_ADD = text(
    'INSERT INTO "user" (email, role) VALUES (:email, :role)'
    " ON CONFLICT (lower(email)) DO NOTHING RETURNING id"
)


@dataclass(frozen=True)
class Account:
    """A user as an administrator sees them."""

    email: str
    role: str
    active: bool
    name: str


async def accounts(database: Database) -> list[Account]:
    """Return all users who are not in the trash, by e-mail."""
    async with database.reading() as connection:
        with translated("user"):
            rows = (await connection.execute(_LIST)).all()
    return [
        Account(
            row.email,
            row.role,
            row.is_active,
            row.display_name or " ".join(filter(None, (row.first_name, row.last_name))),
        )
        for row in rows
    ]


async def add_account(database: Database, email: str, role: str) -> None:
    """Add a user.

    Raises
    ------
    DuplicateName, InvalidDraft
        There is one with this e-mail; the e-mail or the role is none.
    """
    _check_role(role)
    async with database.writing() as connection:
        with translated("user", {"email": email}):
            added = await connection.scalar(_ADD, {"email": email, "role": role})
    if added is None:
        raise DuplicateName(
            f"There is a user {shown(email)} already (or in the trash). Change that one.",
            entity="user",
            field="email",
        )


async def change_account(
    database: Database, email: str, *, role: str | None = None, active: bool | None = None
) -> None:
    """Change a user's role, or whether they may sign in; their logins end at once."""
    _check_role(role)
    async with database.writing() as connection:
        with translated("user"):
            changed = await connection.scalar(
                _CHANGE, {"email": email, "role": role, "active": active}
            )
    if changed is None:
        raise NotFound("user", email, "`workbench users list` shows them.")


def _check_role(role: str | None) -> None:
    if role is not None and role not in _ROLES:
        raise InvalidDraft({"role": f"This is one of {', '.join(_ROLES)}."}, entity="user")


async def acting_user(database: Database, email: str, *, role: str = "admin") -> UUID:
    """Return the id of the user with `email`, who is added when new.

    Until somebody signs in, whoever holds the database's own login is its administrator.

    Raises
    ------
    InTheTrash
        There was such a user, who has been removed.
    """
    async with database.writing() as connection:
        found = await connection.scalar(_FIND, {"email": email})
        if found is None:
            found = await connection.scalar(_ADD, {"email": email, "role": role})
        if found is None:  # somebody else added it at the same moment
            found = await connection.scalar(_FIND, {"email": email})
    if found is None:
        raise InTheTrash(
            f"The user {shown(email)} (WORKBENCH_USER) is in the trash. Act as another user and "
            "restore this one.",
            entity="user",
            field="email",
        )
    return UUID(str(found))
