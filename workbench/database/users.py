"""Users: who acts."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from workbench.database.engine import Database
from workbench.errors import InTheTrash, shown

_FIND = text('SELECT id FROM "user" WHERE lower(email) = lower(:email) AND deleted_at IS NULL')
_ADD = text(
    'INSERT INTO "user" (email, role) VALUES (:email, :role)'
    " ON CONFLICT (lower(email)) DO NOTHING RETURNING id"
)


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
