"""Connections and transactions of one user to one database."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from workbench.database.address import Address
from workbench.database.translate import translated, unreachable
from workbench.errors import BadSettings, Conflict, InvalidDraft

__all__ = ["Database"]

T = TypeVar("T")

_ATTEMPTS = 8
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0
_REASON = text(
    "SELECT set_config('workbench.reason', :reason, true),"
    " set_config('workbench.source', coalesce(:source, ''), true)"
)


@dataclass
class _Transaction:
    connection: AsyncConnection
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Database:
    """A pool of connections, on which everybody inside one `transaction` block shares one.

    Parameters
    ----------
    address
        Where the database is.
    userid
        The acting user: owner of what is added, author of every change.
    source
        What changes are made by, for the history: a notebook, a page, a command.
    """

    def __init__(
        self,
        address: Address,
        *,
        userid: UUID | None = None,
        source: str | None = None,
        pool_size: int = 5,
        connect_timeout_seconds: float = 10,
        pool_timeout_seconds: float = 10,
        statement_timeout_seconds: float = 600,
    ) -> None:
        self.address = address
        self.userid = userid
        self.source = source
        self._connect_timeout_seconds = connect_timeout_seconds
        self.settings = {
            "application_name": "workbench",
            "TimeZone": "UTC",
            "search_path": "public",
            "statement_timeout": str(int(statement_timeout_seconds * 1000)),
            "workbench.userid": str(userid or ""),
            "workbench.source": source or "",
        }
        self.engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self.connect,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=pool_timeout_seconds,
            pool_pre_ping=True,
        )
        # Single reads need no BEGIN and COMMIT: a third of their cost.
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._current: ContextVar[_Transaction | None] = ContextVar("transaction", default=None)

    async def connect(self) -> asyncpg.Connection:
        """Open a connection outside the pool; the caller closes it."""
        try:
            return await asyncpg.connect(
                self.address.url,
                timeout=self._connect_timeout_seconds,
                server_settings=self.settings,
            )
        except (
            OSError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            TimeoutError,
            UnicodeError,  # a host whose name cannot be one
        ) as error:
            trouble = self.address.trouble_with_files()
            if trouble:
                raise BadSettings(trouble) from error
            raise unreachable(error, self.address.shown) from error

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()

    @property
    def in_transaction(self) -> bool:
        """Whether the caller is inside a `transaction` block."""
        return self._current.get() is not None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for single statements, each a transaction by itself.

        Inside a transaction of the caller's it is that one's connection.
        """
        current = self._current.get()
        if current is not None:
            async with current.turn:
                yield current.connection
            return
        with translated():
            async with self._autocommit.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection inside the caller's transaction, or inside one of its own."""
        current = self._current.get()
        if current is not None:
            async with current.turn:
                yield current.connection
            return
        with translated():
            async with self.engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(
        self, *, reason: str | None = None, source: str | None = None
    ) -> AsyncIterator[None]:
        """Make all that is done in the block one transaction and one changeset.

        An error undoes all of it and goes on. A block within a block is undone alone.
        Work started in parallel inside the block takes turns on its one connection.

        Parameters
        ----------
        reason, source
            Kept with the changeset in the history.

        Raises
        ------
        Conflict
            Another transaction got in the way. Nothing was written; a block cannot run
            itself again, `atomically` can.
        """
        for value in (reason, source):
            if value is not None and "\x00" in value:
                raise InvalidDraft({"reason": "This holds a NUL character. Take it out."})
        outer = self._current.get()
        if outer is not None:
            with translated():
                async with outer.turn:
                    savepoint = await outer.connection.begin_nested()
                try:
                    yield
                except BaseException:
                    async with outer.turn:
                        await savepoint.rollback()
                    raise
                async with outer.turn:
                    await savepoint.commit()
            return
        with translated():
            async with self.engine.begin() as connection:
                if reason or source:
                    await connection.execute(
                        _REASON, {"reason": reason or "", "source": source or self.source}
                    )
                token = self._current.set(_Transaction(connection))
                try:
                    yield
                finally:
                    self._current.reset(token)

    async def atomically(
        self,
        work: Callable[[], Awaitable[T]],
        *,
        reason: str | None = None,
        source: str | None = None,
    ) -> T:
        """Run `work` in a transaction, again if another one gets in its way.

        Only serialization failures and deadlocks are repeated, up to 8 times, with pauses
        that grow. Inside a transaction `work` runs once: that one is to be repeated whole.
        """

        async def whole() -> T:
            async with self.transaction(reason=reason, source=source):
                return await work()

        return await (work() if self.in_transaction else _repeated(whole))

    async def repeated(self, work: Callable[[], Awaitable[T]], *, reason: str | None = None) -> T:
        """Run `work`, a single statement, again if another transaction got in its way.

        A reason needs a transaction to be kept with; without one the statement is its own.
        """
        if reason is not None:
            return await self.atomically(work, reason=reason)
        return await (work() if self.in_transaction else _repeated(work))

    async def driver(self, connection: AsyncConnection) -> asyncpg.Connection:
        """Return asyncpg's own connection, for COPY."""
        raw: Any = await connection.get_raw_connection()
        return raw.driver_connection


async def _repeated(work: Callable[[], Awaitable[T]]) -> T:
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
