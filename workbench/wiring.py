"""The only wiring: settings → server → database → workspace.

Not called connect.py: importing a module of that name would hide the function `workbench.connect`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from workbench.config import Settings, read_settings
from workbench.database.address import Address
from workbench.database.embedded import EmbeddedServer
from workbench.database.engine import Database
from workbench.database.logins import OwnLogin, login_of
from workbench.database.migrate import migrate, require_current
from workbench.database.users import acting_user
from workbench.workspace import Workspace

__all__ = ["connect", "open_database", "open_server", "open_workspace"]


async def connect(
    url: str | None = None, *, source: str | None = None, **settings: Any
) -> Workspace:
    """Return a workspace on the embedded database, or on the one that a URL names.

    Parameters
    ----------
    url
        `postgresql://user@host/database?sslmode=verify-full`; without it the setting
        WORKBENCH_DATABASE_URL, and without that the embedded PostgreSQL, which is started,
        and migrated when it is new or older than this package.
    source
        Where changes come from, for the history; in Jupyter "notebook".
    settings
        Fields of `workbench.config.Settings` that win over the environment: `home`, `user`.

    Raises
    ------
    BadSettings, StoreUnavailable, WrongDatabase
        What is wrong and the way out.
    """
    return await open_workspace(read_settings(database_url=url, **settings), source=source)


async def open_workspace(settings: Settings, *, source: str | None = None) -> Workspace:
    """Return a workspace as `settings` say; see `connect`."""
    server, release = await open_server(settings)
    try:
        source = source or _source()
        mine = await login_of(server)
        if mine is not None:  # the login is somebody's own: a page's, a token's
            made = _database(server.address, settings, userid=mine, source=source)
            await server.close()
            return Workspace(made)
        user = await acting_user(server, settings.user)
        login = OwnLogin(server, user, source or "script")
        made = _database(await login.address(), settings, userid=user, source=source, login=login)
        return Workspace(made, login=login, on_close=release)
    except BaseException:
        await server.close()
        release()
        raise


async def open_server(settings: Settings) -> tuple[Database, Callable[[], None]]:
    """Return the configured database as it is, of this version's schema, and what lets it go.

    The second lets go of the embedded server, which stops when nobody holds it any more.
    """
    embedded = await _embedded(settings)
    release = embedded.close if embedded is not None else lambda: None
    server = _database(_address(settings, embedded), settings)
    try:
        if embedded is not None:
            await _migrate_embedded(server, settings, embedded)
        else:
            await require_current(server)
    except BaseException:
        await server.close()
        release()
        raise
    return server, release


async def migrate_configured(settings: Settings | None = None) -> tuple[str | None, str]:
    """Migrate the configured database; return the revisions before and after."""
    read = settings or read_settings()
    embedded = await _embedded(read)
    server = _database(_address(read, embedded), read)
    try:
        if embedded is not None:
            return await _migrate_embedded(server, read, embedded)
        return await migrate(server)
    finally:
        await server.close()
        if embedded is not None:
            embedded.close()


async def _migrate_embedded(
    server: Database, settings: Settings, embedded: EmbeddedServer
) -> tuple[str | None, str]:
    administrator = _database(
        Address.parse(embedded.administrator_url), settings, role=server.address.user
    )
    try:
        return await migrate(server, administrator=administrator)
    finally:
        await administrator.close()


@asynccontextmanager
async def open_database(settings: Settings | None = None) -> AsyncIterator[Database]:
    """Give the configured database as it is: not migrated, nobody acting."""
    read = settings or read_settings()
    embedded = await _embedded(read)
    try:
        database = _database(_address(read, embedded), read)
        try:
            yield database
        finally:
            await database.close()
    finally:
        if embedded is not None:
            embedded.close()


async def _embedded(settings: Settings) -> EmbeddedServer | None:
    if settings.database_url is not None:
        return None
    return await asyncio.to_thread(EmbeddedServer(settings.home).start)


def _address(settings: Settings, embedded: EmbeddedServer | None) -> Address:
    if embedded is not None:
        return Address.parse(embedded.url)
    assert settings.database_url is not None
    return Address.parse(settings.database_url.get_secret_value())


def _database(address: Address, settings: Settings, **options: Any) -> Database:
    return Database(
        address,
        pool_size=settings.pool_size,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        pool_timeout_seconds=settings.pool_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        **options,
    )


def _source() -> str | None:
    """Return "notebook" inside a Jupyter kernel."""
    return "notebook" if "ipykernel" in sys.modules else None
