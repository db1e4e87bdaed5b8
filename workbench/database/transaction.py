"""The block of a transaction, on whose connection work takes turns; and work that runs again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from workbench.errors import Conflict, WorkbenchError

__all__ = ["Transaction", "repeatedly"]

T = TypeVar("T")

_ATTEMPTS = 8
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0
_STILL_GOOD = text("SELECT 1")


@dataclass
class Transaction:
    """A block: its connection, which work inside it takes turns on.

    `doubtful` says that something failed inside. Whoever caught that may have left the
    transaction failed, and PostgreSQL answers the COMMIT of such a one with a silent ROLLBACK.
    """

    connection: AsyncConnection
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    doubtful: bool = False
    ended: bool = False

    @asynccontextmanager
    async def taking_turn(self) -> AsyncIterator[AsyncConnection]:
        async with self.turn:
            if self.ended:
                raise WorkbenchError(
                    "The transaction in which this work was started has ended, and this is not "
                    "done. Await work inside the block that starts it."
                )
            try:
                yield self.connection
            except BaseException:
                self.doubtful = True
                raise

    async def check(self) -> None:
        """Raise if the transaction has failed: what was written in it is lost."""
        if self.doubtful:
            async with self.turn:
                await self.connection.execute(_STILL_GOOD)


async def repeatedly(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work`, again if another transaction got in its way: up to 8 times, with pauses."""
    for attempt in range(_ATTEMPTS - 1):
        try:
            return await work()
        except Conflict:
            await asyncio.sleep(_pause_seconds(attempt))
    return await work()


def _pause_seconds(attempt: int) -> float:
    """Return a random pause below a bound that doubles: clashing writers part ways."""
    bound = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0**attempt)
    return random.uniform(bound / 2, bound)
