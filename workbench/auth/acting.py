"""Transactions of the server, each in the name of the user who is asking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from workbench.database.engine import Database
from workbench.database.translate import translated

__all__ = ["Caller", "acting"]

_ACT = text(
    "SELECT set_config('workbench.userid', :user, true),"
    " set_config('workbench.source', 'dashboard server', true)"
)


@dataclass(frozen=True)
class Caller:
    """Where a request comes from, as far as it can be told.

    Parameters
    ----------
    address
        Of the network, as the proxy in front says it.
    agent
        What the browser or program says of itself: anybody's text.
    """

    address: str
    agent: str


@asynccontextmanager
async def acting(
    database: Database, user: UUID | None, entity: str | None = None
) -> AsyncIterator[AsyncConnection]:
    """Give a connection in a transaction whose changes have `user` as their author.

    Parameters
    ----------
    entity
        What it is about, for the words of an error.
    """
    async with database.writing() as connection:
        with translated(entity):
            await connection.execute(_ACT, {"user": str(user or "")})
            yield connection
