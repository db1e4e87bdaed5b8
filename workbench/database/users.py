"""Users: who acts."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from workbench.database.engine import Database
from workbench.database.roles import no_server
from workbench.errors import BadSettings, InTheTrash, NotAllowed, shown

_FIND = text('SELECT id, deleted_at FROM "user" WHERE lower(email) = lower(:email)')
_ADD = text(
    'INSERT INTO "user" (email, role)'
    " SELECT :email, CAST(coalesce(:role, 'admin') AS user_role)"
    ' WHERE CAST(:role AS text) IS NOT NULL OR NOT EXISTS (SELECT FROM "user")'
    " ON CONFLICT (lower(email)) DO NOTHING"
)


async def acting_user(database: Database, email: str, *, role: str | None = None) -> UUID:
    """Return the id of the user with `email`.

    Whoever holds the database's own login is the administrator of a fresh installation, where
    there is no user at all yet: that one is added.

    Parameters
    ----------
    role
        Add the user with this role when new, whoever else there is.

    Raises
    ------
    BadSettings
        There are users, but no such one.
    InTheTrash
        There was such a user, who has been removed.
    NotAllowed
        The role that connects is none of the server's.
    """
    given = {"email": email, "role": role}
    try:
        async with database.writing() as connection:
            found = (await connection.execute(_FIND, given)).one_or_none()
            if found is None:
                await connection.execute(_ADD, given)  # somebody else may, at the same moment
                found = (await connection.execute(_FIND, given)).one_or_none()
    except NotAllowed as error:
        raise await no_server(database) from error
    if found is None:
        raise BadSettings(
            f"There is no user {email}. `workbench users add {email}` "
            "makes one, or set WORKBENCH_USER to one there is: "
            "`workbench users list`."
        )
    if found.deleted_at is not None:
        raise InTheTrash(
            f"The user {shown(email)} (WORKBENCH_USER) is in the trash. Act as another user and "
            "restore this one.",
            entity="user",
            field="email",
        )
    return UUID(str(found.id))
