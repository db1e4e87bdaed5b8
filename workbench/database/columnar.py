"""Reading whole columns: Arrow, straight from the server's binary COPY, through ADBC.

These connections are not the pool's: ADBC speaks through libpq. They act as the same user,
with the same settings, and see what is committed.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from workbench.database.engine import Database
from workbench.database.network import LIBPQ_OPTIONS
from workbench.database.threads import in_thread, still_wanted
from workbench.database.translate import translate
from workbench.errors import Refused, StoreUnavailable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Stream", "close", "columns", "snapshot"]

T = TypeVar("T")
Stream = Callable[[str], AbstractContextManager[Any]]
"""Gives the batches of rows of a statement."""

_BROKEN = frozenset({"57P01", "57P02", "57P03", "25P03"})  # shut down, crashed, starting, idle


class _NotOpened(StoreUnavailable):
    """No connection through libpq; why, only its own text says."""


class _Source:
    """Connections of one Database; at most one of them waits for the next call.

    Opening one costs 50 ms (the driver reads the catalogue of types), using it again 1 ms.
    """

    def __init__(self, database: Database) -> None:
        self.address = database.address
        self._uri = _uri(database)
        self._idle: list[Any] = []
        self._guard = threading.Lock()

    def run(self, work: Callable[[Any], T], busy: list[Any]) -> T:
        """Return `work(connection)`; again, on a new connection, if the one that waited broke.

        `busy` holds the connection meanwhile, so that somebody else can cancel it.
        """
        waiting = self._take()
        if waiting is not None:
            try:
                return self._with(waiting, work, busy)
            except _errors() as error:
                if not _is_broken(error):
                    raise translate(error) from error
        try:
            return self._with(self._open(), work, busy)
        except _errors() as error:
            broken = ConnectionError() if _is_broken(error) else error
            raise translate(broken) from error

    def _with(self, connection: Any, work: Callable[[Any], T], busy: list[Any]) -> T:
        with self._guard:
            busy.append(connection)
        try:
            result = work(connection)
            still_wanted()  # else a cancel on its way to it would meet the next statement
        except BaseException:
            self._let_go(busy)
            with contextlib.suppress(Exception):
                connection.close()
            raise
        self._let_go(busy)
        with self._guard:
            if not self._idle:
                self._idle.append(connection)
                return result
        connection.close()
        return result

    def _let_go(self, busy: list[Any]) -> None:
        with self._guard:
            busy.clear()

    def cancel(self, busy: list[Any]) -> None:
        """Stop the statement that runs on a connection, if it is still in use."""
        with self._guard:
            for connection in busy:
                with contextlib.suppress(Exception):
                    connection.adbc_cancel()

    def _take(self) -> Any:
        with self._guard:
            return self._idle.pop() if self._idle else None

    def _open(self) -> Any:
        from adbc_driver_postgresql.dbapi import connect

        try:
            return connect(self._uri, autocommit=True)
        except _errors():
            # libpq's message may quote the address.
            raise _NotOpened(
                f"{self.address.shown}: the connection for frames and files did not come about. "
                "`workbench doctor` looks into it."
            ) from None

    def close(self) -> None:
        """Close the connection that waits."""
        with self._guard:
            waiting, self._idle = self._idle, []
        for connection in waiting:
            with contextlib.suppress(Exception):
                connection.close()


_sources: weakref.WeakKeyDictionary[Database, _Source] = weakref.WeakKeyDictionary()


def _source(database: Database) -> _Source:
    source = _sources.get(database)
    if source is not None and source.address != database.address:  # its login was renewed
        source.close()
        source = None
    if source is None:
        source = _sources[database] = _Source(database)
        weakref.finalize(database, source.close)
    return source


def close(database: Database) -> None:
    """Close what `database` keeps open for reading columns; the next read opens it again."""
    source = _sources.pop(database, None)
    if source is not None:
        source.close()


async def columns(database: Database, statement: str) -> pa.Table:
    """Return all rows of `statement`, as committed."""

    def read(connection: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetch_arrow_table()

    return await _in_thread(database, read)


async def snapshot(database: Database, work: Callable[[Stream], T]) -> T:
    """Return `work(stream)`, run in a thread; all its reads see the database at one moment.

    `stream(statement)` is a context that gives the batches of rows one after another, so that
    no table is in memory whole. `work` runs again from its beginning if the connection turns
    out to have broken since it was last used. Cancelling ends it, and waits until it has ended.

    Raises
    ------
    Refused
        The caller is inside a transaction, and what that has changed is not to be seen here.
    """
    if database.in_transaction:
        raise Refused(
            "This writes what is committed, not what a transaction is about to change. Call it "
            "before or after the block."
        )

    def whole(connection: Any) -> T:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        result = work(lambda statement: _batches(connection, statement))
        with connection.cursor() as cursor:
            cursor.execute("COMMIT")
        return result

    return await _in_thread(database, whole)


async def _in_thread(database: Database, work: Callable[[Any], T]) -> T:
    """Run `work` in a thread; cancelling stops its statement on the server too."""

    async def run() -> T:
        source, busy = _source(database), list[Any]()
        return await in_thread(lambda: source.run(work, busy), stop=lambda: source.cancel(busy))

    await database.sign_in()
    try:
        return await run()
    except _NotOpened:
        # The pool's driver fails for the same reason, as a rule, and knows to tell it; unless
        # the login was refused, and it now has another.
        before = database.address
        await (await database.connect()).close()
        if database.address == before:
            raise
        return await run()


@contextmanager
def _batches(connection: Any, statement: str) -> Iterator[Any]:
    still_wanted()
    with connection.cursor() as cursor:
        cursor.execute(statement)
        with cursor.fetch_record_batch() as reader:
            yield _wanted(reader)


def _wanted(reader: Any) -> Iterator[Any]:
    for batch in reader:
        yield batch
        still_wanted()


def _errors() -> type[Exception]:
    from adbc_driver_manager.dbapi import Error

    return Error


def _is_broken(error: BaseException) -> bool:
    """Whether the connection is gone: libpq then has no SQLSTATE to tell."""
    state = getattr(error, "sqlstate", None) or ""
    code = getattr(error, "status_code", None)
    return state.startswith("08") or state in _BROKEN or (not state and code is not None)


def _uri(database: Database) -> str:
    """Return the address with the settings of the pool's connections as libpq takes them."""
    settings = {
        **database.settings,
        "work_mem": "64MB",  # frames with names sort and join 100,000 rows without the disk
        "standard_conforming_strings": "on",  # what values written into a statement rely on
    }
    given = " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())
    parts = urlsplit(database.address.url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    before = " ".join(value for name, value in query if name == "options")
    query = [(name, value) for name, value in query if name != "options"]
    query.append(("options", f"{before} {given}".strip()))
    if "connect_timeout" not in dict(query):
        # libpq knows whole seconds only, and takes 0 for ever.
        query.append(("connect_timeout", str(max(1, ceil(database.connect_timeout_seconds)))))
    said = dict(query)
    query += [(name, value) for name, value in LIBPQ_OPTIONS.items() if name not in said]
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def _escaped(value: str) -> str:
    r"""Return `value` as one word of libpq's `options`: blanks and backslashes escaped.

    >>> _escaped("a b")
    'a\\ b'
    """
    return "".join(f"\\{c}" if c.isspace() or c == "\\" else c for c in value)
