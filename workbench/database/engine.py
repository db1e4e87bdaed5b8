"""Connections and transactions of one user to one database."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from workbench.database.address import Address
from workbench.database.network import SERVER_SETTINGS, notice_silence
from workbench.database.translate import translated, unreachable
from workbench.errors import BadSettings, Conflict, InvalidDraft, NotAllowed, WorkbenchError

__all__ = ["Database", "Login"]

T = TypeVar("T")

# The role of a user whose login writes nowhere; null for everybody else.
_READER = text(
    'SELECT u.role::text FROM public."user" AS u WHERE u.id = rules.acting_user()'
    " AND NOT has_any_column_privilege('public.world', 'INSERT')"
)
_TOKEN_READS = "This token may only read. Use one that may write: your account's page makes one."
_ACCOUNT_READS = "Your account may only read. An administrator of this installation changes that."


_ATTEMPTS = 8
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0
_RECYCLED_SECONDS = 3 * 3600
_PAST_CONNECTIONS = 1  # and another for a moment: a login may open ten in all
_STILL_GOOD = text("SELECT 1")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SOURCE_MAXIMUM_CHARACTERS = 500
_SOURCE_KEY = "workbench.source"
_SOURCE = text("SELECT set_config('workbench.source', :source, false)")
_REASON = text(
    "SELECT set_config('workbench.reason', :reason, true),"
    " set_config('workbench.source', coalesce(:source, ''), true)"
)


@dataclass
class _Transaction:
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


class Login(Protocol):
    """Gives the address of a database with a login that is good for some hours."""

    async def address(self, *, afresh: bool = False) -> Address:
        """Return the address; with a new login if the last one is refused."""
        ...

    async def close(self) -> None:
        """End the logins that were given."""
        ...


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
    where
        Says where the program is at each change, for the history, instead of `source`.
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
        self.address = address
        self.userid = userid
        self.source = source
        self._login = login
        self.connect_timeout_seconds = connect_timeout_seconds
        self.pool_timeout_seconds = pool_timeout_seconds
        self.recycled_seconds = recycled_seconds
        self.moment: datetime | None = None
        self.where: Callable[[], str | None] | None = None
        self.settings = {
            "application_name": "workbench",
            "TimeZone": "UTC",
            "search_path": "public",
            **SERVER_SETTINGS,
            "statement_timeout": str(int(statement_timeout_seconds * 1000)),
            "workbench.userid": str(userid or ""),
            "workbench.source": source or "",
        }
        if role is not None:
            self.settings["role"] = role
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
        self._current: ContextVar[_Transaction | None] = ContextVar("transaction", default=None)

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

    async def connect(self) -> asyncpg.Connection:
        """Open a connection outside the pool; the caller closes it."""
        await self.sign_in()
        try:
            try:
                return await self._connected()
            except asyncpg.InvalidAuthorizationSpecificationError:  # or a wrong password
                if self._login is None:
                    raise
                self.address = await self._login.address(afresh=True)
                return await self._connected()
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
            raise unreachable(error, self.address.shown, self._grant()) from error

    def _grant(self) -> str:
        """Return what lets the role of the address connect."""
        user = _quoted(self.address.user or "…")
        if "role" in self.settings:
            return f"GRANT {_quoted(self.settings['role'])} TO {user}"
        return f"GRANT CONNECT ON DATABASE {_quoted(self.address.database)} TO {user}"

    async def _connected(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(
            self.address.url,
            timeout=self.connect_timeout_seconds,
            server_settings=self.settings,
        )
        notice_silence(connection)
        return connection

    async def sign_in(self) -> None:
        """Make sure that `address` holds a login that lives for some hours."""
        if self._login is not None:
            self.address = await self._login.address()

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
            with translated(), self._kept_past():
                async with self.engine.connect() as connection:
                    await self._tell_source(connection)
                    yield connection

    @asynccontextmanager
    async def _explained(self) -> AsyncIterator[None]:
        """Say of what is refused to a user who may write nowhere why that is so."""
        try:
            yield
        except NotAllowed as error:
            login = (self.address.user or "").startswith("workbench_login_")
            if not login or self.moment is not None or error.entity in ("user", "login"):
                raise
            role = None
            with suppress(DBAPIError, WorkbenchError):  # it may have ended meanwhile
                async with self.engine.connect() as connection:
                    role = await connection.scalar(_READER)
            if role is None:
                raise
            raise NotAllowed(
                _ACCOUNT_READS if role == "viewer" else _TOKEN_READS, entity=error.entity
            ) from error

    @contextmanager
    def _kept_past(self) -> Iterator[None]:
        """Say of what a read-only connection refuses that it is a past that is looked at."""
        try:
            yield
        except NotAllowed as error:
            if self.moment is None:
                raise
            raise self._is_past() from error

    def _is_past(self) -> NotAllowed:
        return NotAllowed(
            f"This workspace shows {self.moment:%Y-%m-%d %H:%M:%S %Z} and only reads. Write in the "
            "one that `as_of` was asked of."
        )

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection inside the caller's transaction, or inside one of its own."""
        if self.moment is not None:
            raise self._is_past()
        current = self._current.get()
        if current is not None:
            async with current.taking_turn() as connection:
                yield connection
            return
        self._keep_to_one_loop()
        async with self._explained():
            with translated():
                async with self._transactions.begin() as connection:
                    await self._tell(connection)
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
            raise self._is_past()
        for value in (reason, source):
            _refuse_unstorable(value)
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
                    await self._tell(connection, reason, source)
                    async with self._block(connection):
                        yield

    @asynccontextmanager
    async def _block(self, connection: AsyncConnection) -> AsyncIterator[None]:
        """Make `connection` the one of everybody inside the block."""
        block = _Transaction(connection)
        token = self._current.set(block)
        try:
            yield
            await block.check()
        finally:
            block.ended = True
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
        that grow. Inside a transaction `work` runs once: that one is to be repeated whole. Its
        reason is the first that is given.
        """

        async def whole() -> T:
            async with self.transaction(reason=reason, source=source):
                return await work()

        if self.in_transaction:
            await self._note(reason)
            return await work()
        return await _repeated(whole)

    async def repeated(self, work: Callable[[], Awaitable[T]], *, reason: str | None = None) -> T:
        """Run `work`, a single statement, again if another transaction got in its way.

        A reason needs a transaction to be kept with; without one the statement is its own.
        """
        if reason is not None:
            return await self.atomically(work, reason=reason)
        return await (work() if self.in_transaction else _repeated(work))

    async def _note(self, reason: str | None) -> None:
        """Tell the database the reason of a transaction that is under way.

        It is kept if nothing was changed before: a changeset has one reason, the first.
        """
        if reason is not None:
            _refuse_unstorable(reason)
            async with self.writing() as connection:
                await self._tell(connection, reason)

    async def _tell(
        self, connection: AsyncConnection, reason: str | None = None, source: str | None = None
    ) -> None:
        """Tell a transaction its reason and source, for its changeset."""
        source = source or self._here()
        if reason or source:
            values = {"reason": reason or "", "source": source or self.source}
            await connection.execute(_REASON, values)

    async def _tell_source(self, connection: AsyncConnection) -> None:
        """Tell a connection where its single statements come from, when that has changed."""
        if self.where is not None and self.moment is None:
            sync = connection.sync_connection
            assert sync is not None, "it is open"
            known, here = sync.info, self._here() or self.source
            if known.get(_SOURCE_KEY, self.source) != here:
                await connection.execute(_SOURCE, {"source": here or ""})
                known[_SOURCE_KEY] = here

    def _here(self) -> str | None:
        """Return where the program is, if it knows: a cell of a notebook, a page."""
        said = self.where() if self.where is not None else None
        return _UNSTORABLE.sub("", said)[:_SOURCE_MAXIMUM_CHARACTERS] if said else None

    async def driver(self, connection: AsyncConnection) -> asyncpg.Connection:
        """Return asyncpg's own connection, for COPY."""
        raw: Any = await connection.get_raw_connection()
        return raw.driver_connection


def _quoted(name: str) -> str:
    """Return the name of a role or a database as a statement holds it."""
    return (
        name if re.fullmatch(r"[a-z_][a-z0-9_]*|…", name) else '"' + name.replace('"', '""') + '"'
    )


def _refuse_unstorable(value: str | None) -> None:
    if value is not None and _UNSTORABLE.search(value):
        raise InvalidDraft(
            {"reason": "This holds a NUL or half a character (a lone surrogate). Take it out."}
        )


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
