"""Who administers the installation, as the database says at this moment."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from workbench.errors import NotAllowed, Refused

__all__ = ["locked_administrators", "require_administrator", "require_one_left"]

_ACTIVE = "FROM \"user\" WHERE role = 'admin' AND is_active AND deleted_at IS NULL"
_IS_ONE = text(f"SELECT EXISTS (SELECT {_ACTIVE} AND id = :user)")
_ANY = text(f"SELECT EXISTS (SELECT {_ACTIVE})")
# In one order, so that two who take each other's place wait and do not clash.
_LOCK = text(f"SELECT id {_ACTIVE} ORDER BY id FOR NO KEY UPDATE")

_REFUSAL = "Only an administrator of this installation may do this. Ask one."


async def require_administrator(connection: AsyncConnection, by: UUID | None) -> None:
    """Raise NotAllowed unless `by` is one; None is whoever holds the database's own login."""
    if by is not None and not await connection.scalar(_IS_ONE, {"user": by}):
        raise NotAllowed(_REFUSAL, entity="user")


async def locked_administrators(connection: AsyncConnection, by: UUID | None) -> bool:
    """Require an administrator, and let none of them change until this transaction ends.

    Returns
    -------
    Whether there is any; see `require_one_left`.
    """
    found = set(await connection.scalars(_LOCK))
    if by is not None and by not in found:
        raise NotAllowed(_REFUSAL, entity="user")
    return bool(found)


async def require_one_left(connection: AsyncConnection) -> None:
    """Raise Refused, which undoes the transaction, if it has left no administrator."""
    if not await connection.scalar(_ANY):
        raise Refused(
            "The last administrator stays one and active. Make another one first.", entity="user"
        )
