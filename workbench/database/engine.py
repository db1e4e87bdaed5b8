"""Connections and transactions of one user to one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from workbench.database.address import Address
from workbench.database.connecting import Connecting, Login
from workbench.database.provenance import Provenance, refuse_unstorable
from workbench.database.refusals import in_the_past, of_a_reader
from workbench.database.transaction import Transaction, repeatedly
from workbench.database.translate import translated
from workbench.errors import NotAllowed, WorkbenchError

__all__ = ["Database"]

T = TypeVar("T")

_RECYCLED_SECONDS = 3 * 3600
_PAST_CONNECTIONS = 1  # and another for a moment: a login may open ten in all


class Database(Connecting):
    """A pool of connections, on which everybody inside one `transaction` block shares one.

    Parameters
    ----------
    address
        Where the database is.
    userid
        The acting user: owner of what is added, author of every change.
    source
        What changes are made by, for the history: a notebook, a page, a command.
    role
        A role to act as, which the one in the address may be set to.
    login
        What gives the address to connect to: its login is renewed from time to time.
    recycled_seconds
        How long a connection is used; no longer than the login that opened it lives.

    Attributes
    ----------
    moment
        When this is, if it is a past (`at`); None for the present.
    provenance
        What is told to the history: it may say where the program is, instead of `source`.
    """

    def __init__(
        self,
        address: Address,
        *,
        userid: UUID | None = None,
        source: str | None = None,
        role: str | None = None,
        login: Login | None = None,
        pool_size: int = 5,
        connect_timeout_seconds: float = 10,
        pool_timeout_seconds: float = 10,
        statement_timeout_seconds: float = 600,
        recycled_seconds: float = _RECYCLED_SECONDS,
    ) -> None:
        super().__init__(
            address,
            userid=userid,
            source=source,
            role=role,
            login=login,
            connect_timeout_seconds=connect_timeout_seconds,
            statement_timeout_seconds=statement_timeout_seconds,
        )
        self.pool_timeout_seconds = pool_timeout_seconds
        self.recycled_seconds = recycled_seconds
        self.moment: datetime | None = None
        self.provenance = Provenance(source)
        self.engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self.connect,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=pool_timeout_seconds,
            pool_pre_ping=True,
            pool_recycle=int(recycled_seconds),
            # Single statements need no BEGIN and COMMIT, nor does the ping before each use:
            # two round trips to the server instead of four.
            isolation_level="AUTOCOMMIT",
        )
        self._transactions = self.engine.execution_options(isolation_level="READ COMMITTED")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._current: ContextVar[Transaction | None] = ContextVar("transaction", default=None)

    def at(self, moment: datetime) -> Database:
        """Return the same database as it was at `moment`, for reading alone; the caller closes it.

        Its connections find the schema `past`, whose views stand for the tables, before those.
        """
        past = Database(
            self.address,
            userid=self.userid,
            login=self._login,
            pool_size=_PAST_CONNECTIONS,
            connect_timeout_seconds=self.connect_timeout_seconds,
            pool_timeout_seconds=self.pool_timeout_seconds,
            recycled_seconds=self.recycled_seconds,
        )
        past.moment = moment
        past.settings |= self.settings | {
            "search_path": "past, public",
            "workbench.moment": moment.isoformat(),
            "default_transaction_read_only": "on",
            "jit": "off",  # what PostgreSQL expects of these views is more than they cost
        }
        return past

    async def close(self) -> None:
        """Close all connections; the next use opens new ones, on whatever loop it runs."""
        await self.engine.dispose()
        self._loop = None

    def _keep_to_one_loop(self) -> None:
        """Refuse a second event loop: connections used from two crash the process."""
        loop = asyncio.get_running_loop()
        if self._loop is None or self._loop.is_closed():
            if self._loop is not None:  # its connections ended with it
                self.engine.sync_engine.dispose(close=False)
            self._loop = loop
        if self._loop is not loop:
            raise WorkbenchError(
                "This workspace is in use on another event loop (another thread, or a subshell "
                "of the kernel). Open one here too: `await workbench.connect()`."
            )

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
            async with current.taking_turn() as connection:
                yield connection
            return
        self._keep_to_one_loop()
        async with self._explained():
            with translated():
                async with self.engine.connect() as connection:
                    await self.provenance.tell_source(connection)
                    yield connection

    @asynccontextmanager
    async def _explained(self) -> AsyncIterator[None]:
        """Say of what is refused to whom only reads why that is so."""
        try:
            yield
        except NotAllowed as error:
            if self.moment is not None:
                raise in_the_past(self.moment) from error
            login = (self.address.user or "").startswith("workbench_login_")
            if not login or error.entity in ("user", "login"):
                raise
            told = await of_a_reader(self.engine, error)
            if told is None:
                raise
            raise told from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection inside the caller's transaction, or inside one of its own."""
        if self.moment is not None:
            raise in_the_past(self.moment)
        current = self._current.get()
        if current is not None:
            async with current.taking_turn() as connection:
                yield connection
            return
        self._keep_to_one_loop()
        async with self._explained():
            with translated():
                async with self._transactions.begin() as connection:
                    await self.provenance.tell(connection)
                    yield connection

    @asynccontextmanager
    async def transaction(
        self, *, reason: str | None = None, source: str | None = None
    ) -> AsyncIterator[None]:
        """Make all that is done in the block one transaction and one changeset.

        An error undoes all of it and goes on. A block within a block is undone alone; its
        reason is that of the outer one. Work started in parallel inside the block takes turns
        on its one connection, and blocks within it do so whole.

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
        if self.moment is not None:
            raise in_the_past(self.moment)
        for value in (reason, source):
            refuse_unstorable(value)
        outer = self._current.get()
        if outer is not None:
            # The turn is held to the block's end: savepoints of parallel blocks must not cross.
            with translated(around=True):
                async with (
                    outer.turn,
                    outer.connection.begin_nested(),
                    self._block(outer.connection),
                ):
                    yield
            return
        self._keep_to_one_loop()
        async with self._explained():
            with translated(around=True):
                async with self._transactions.begin() as connection:
                    await self.provenance.tell(connection, reason, source)
                    async with self._block(connection):
                        yield

    @asynccontextmanager
    async def _block(self, connection: AsyncConnection) -> AsyncIterator[None]:
        """Make `connection` the one of everybody inside the block."""
        block = Transaction(connection)
        token = self._current.set(block)
        try:
            yield
            await block.check()
        finally:
            block.ended = True
            self._current.reset(token)

    async def atomically(self, work: Callable[[], Awaitable[T]], *, reason: str | None = None) -> T:
        """Run `work` in a transaction, again if another one gets in its way.

        Only serialization failures and deadlocks are repeated, up to 8 times, with pauses
        that grow. Inside a transaction `work` runs once: that one is to be repeated whole. Its
        reason is the first that is given.
        """

        async def whole() -> T:
            async with self.transaction(reason=reason):
                return await work()

        if self.in_transaction:
            if reason is not None:  # kept if nothing was changed before: a changeset has one
                refuse_unstorable(reason)
                async with self.writing() as connection:
                    await self.provenance.tell(connection, reason)
            return await work()
        return await repeatedly(whole)

    async def repeated(self, work: Callable[[], Awaitable[T]], *, reason: str | None = None) -> T:
        """Run `work`, a single statement, again if another transaction got in its way.

        A reason needs a transaction to be kept with; without one the statement is its own.
        """
        if reason is not None:
            return await self.atomically(work, reason=reason)
        return await (work() if self.in_transaction else repeatedly(work))

    async def driver(self, connection: AsyncConnection) -> asyncpg.Connection:
        """Return asyncpg's own connection, for COPY."""
        raw: Any = await connection.get_raw_connection()
        return raw.driver_connection
