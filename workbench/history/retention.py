"""How long details are kept: for ever, unless the installation's owner says otherwise.

What is forgotten is what changed: the values before and after. Who made a changeset, when, why
and where it came from stays. There is no past before what was forgotten, and no undo of it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.errors import InvalidDraft

__all__ = ["forget"]

_FORGET = text("SELECT history.forget(:before)")


async def forget(owner: Database, *, keep_days: int) -> int:
    """Remove the details of changes that are older than so many days; return how many.

    Parameters
    ----------
    owner
        The database with the login of the tables' owner; no user may do this.
    """
    if keep_days < 0:
        raise InvalidDraft({"keep_days": "This must be a whole number, 0 or more."})
    before = datetime.now(UTC) - timedelta(days=keep_days)
    async with owner.writing() as connection:
        with translated("history"):
            return int(await connection.scalar(_FORGET, {"before": before}) or 0)
