"""What the signed-in user may do, asked of the database, which decides."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.types import MemberRole
from workbench.errors import InvalidDraft, NotAllowed

__all__ = ["not_allowed", "share"]

_SHARE = text("SELECT rules.share(:world, :email, CAST(:role AS member_role))")
_MANAGERS = text("SELECT rules.managers(:world)")


async def not_allowed(
    database: Database, entity: str, world: UUID | None, doing: str = "change"
) -> NotAllowed:
    """Return the error for something that row rights left undone, with whom to ask.

    Parameters
    ----------
    world
        The world of the record, if it is known.
    doing
        The verb: add, change, remove, restore.
    """
    managers: list[str] = []
    if world is not None and not database.in_transaction:  # which may have failed by now
        async with database.reading() as connection:
            with translated():
                managers = await connection.scalar(_MANAGERS, {"world": world}) or []
    ask = f"Ask {' or '.join(managers)}." if managers else "Ask a manager of the world."
    return NotAllowed(
        f"You may read this {entity}, but not {doing} it: that takes an editor's rights in its "
        f"world, and an account that may edit. {ask}",
        entity=entity,
    )


async def share(database: Database, world: UUID, email: str, role: str) -> None:
    """Make whoever has an e-mail address a member of a world, or change their role there."""
    roles = [one.value for one in MemberRole]
    if role not in roles:
        raise InvalidDraft({"role": f"This is one of {', '.join(roles)}."})
    async with database.reading() as connection:
        with translated("world_member"):
            await connection.execute(_SHARE, {"world": world, "email": email, "role": role})
