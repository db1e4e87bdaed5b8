"""What is refused to those who only read, in words that say why."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from workbench.errors import NotAllowed, WorkbenchError

__all__ = ["in_the_past", "of_a_reader"]

# The role of a user whose login writes nowhere; null for everybody else.
_READER = text(
    'SELECT u.role::text FROM public."user" AS u WHERE u.id = rules.acting_user()'
    " AND NOT has_any_column_privilege('public.world', 'INSERT')"
)
_TOKEN_READS = "This token may only read. Use one that may write: your account's page makes one."
_ACCOUNT_READS = "Your account may only read. An administrator of this installation changes that."


def in_the_past(moment: datetime) -> NotAllowed:
    """Return the refusal to write to the past."""
    return NotAllowed(
        f"This workspace shows {moment:%Y-%m-%d %H:%M:%S %Z} and only reads. Write in the one "
        "that `as_of` was asked of."
    )


async def of_a_reader(engine: AsyncEngine, refused: NotAllowed) -> NotAllowed | None:
    """Return what was `refused` to a user who may write nowhere, and why; None if they may."""
    role = None
    with suppress(DBAPIError, WorkbenchError):  # the login may have ended meanwhile
        async with engine.connect() as connection:
            role = await connection.scalar(_READER)
    if role is None:
        return None
    return NotAllowed(_ACCOUNT_READS if role == "viewer" else _TOKEN_READS, entity=refused.entity)
