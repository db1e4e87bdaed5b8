"""Who administers the installation, as the database says at this moment."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from workbench.errors import NotAllowed, Refused

__all__ = ["locked_administrators", "require_administrator", "require_one_left"]

_IS_ONE = text("SELECT EXISTS (SELECT FROM auth.administrator WHERE id = :user)")
# In one order, so that two who take each other's place wait and do not clash.
_LOCK = text(
    "SELECT id FROM \"user\" WHERE role = 'admin' AND is_active AND deleted_at IS NULL"
    " ORDER BY id FOR NO KEY UPDATE"
)
# 2: some who can come in; 1: some who cannot; 0: none.
_LEVEL = text(
    "SELECT coalesce(max(CASE WHEN comes_in THEN 2 ELSE 1 END), 0) FROM auth.administrator"
)

_REFUSAL = "Only an administrator of this installation may do this. Ask one."


async def require_administrator(connection: AsyncConnection, by: UUID | None) -> None:
    """Raise NotAllowed unless `by` is one; None is whoever holds the database's own login."""
    if by is not None and not await connection.scalar(_IS_ONE, {"user": by}):
        raise NotAllowed(_REFUSAL, entity="user")


async def locked_administrators(connection: AsyncConnection, by: UUID | None) -> int:
    """Require an administrator, and let none of them change until this transaction ends.

    Returns
    -------
    How well the installation is administered; see `require_one_left`.
    """
    found = set(await connection.scalars(_LOCK))
    if by is not None and by not in found:
        raise NotAllowed(_REFUSAL, entity="user")
    return int(await connection.scalar(_LEVEL) or 0)


async def require_one_left(connection: AsyncConnection, before: int) -> None:
    """Raise Refused, which undoes the transaction, if it has left no administrator.

    One who cannot come in, having never signed in where others do, is none.

    Parameters
    ----------
    before
        What `locked_administrators` returned.
    """
    if int(await connection.scalar(_LEVEL) or 0) < before:
        raise Refused(
            "The last administrator who can sign in stays one and active. Make another one first, "
            "who signs in.",
            entity="user",
        )
