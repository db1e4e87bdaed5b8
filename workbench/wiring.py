"""The only wiring: settings → server → database → workspace.

Not called connect.py: importing a module of that name would hide the function `workbench.connect`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from workbench.auth.identity import Client
from workbench.auth.remote import RemoteServer, who_is_signed_in
from workbench.auth.remote_login import RECYCLED_SECONDS, open_login
from workbench.config import Settings, read_providers, read_settings
from workbench.database.address import Address
from workbench.database.embedded import EmbeddedServer
from workbench.database.engine import Database
from workbench.database.health import Finding
from workbench.database.logins import OwnLogin, login_of
from workbench.database.migrate import migrate, require_current
from workbench.database.users import acting_user
from workbench.errors import BadSettings, StoreUnavailable, WrongDatabase
from workbench.history.origin import notebook_cell
from workbench.workspace import Workspace

__all__ = ["at_server", "connect", "open_database", "open_server", "open_workspace"]

_NOTEBOOK = "notebook"


async def connect(
    url: str | None = None, *, source: str | None = None, **settings: Any
) -> Workspace:
    """Return a workspace on the embedded database, or on what a URL names.

    Parameters
    ----------
    url
        `postgresql://user@host/database?sslmode=verify-full`, or `https://host` of a dashboard
        elsewhere, where you sign in once in a browser. Without it the setting
        WORKBENCH_DATABASE_URL, then WORKBENCH_SERVER, and without those the embedded PostgreSQL,
        which is started, and migrated when it is new or older than this package.
    source
        Where changes come from, for the history; without it, in Jupyter, the notebook and the cell.
    settings
        Fields of `workbench.config.Settings` that win over the environment: `home`, `user`.

    Raises
    ------
    BadSettings, NotAllowed, StoreUnavailable, WrongDatabase
        What is wrong and the way out.
    """
    if url is not None and url.lower().startswith(("https://", "http://")):
        return await open_workspace(at_server(url, **settings), source=source)
    return await open_workspace(read_settings(database_url=url, **settings), source=source)


def at_server(url: str | None, **settings: Any) -> Settings:
    """Return the settings for work at a server elsewhere, by its URL or WORKBENCH_SERVER.

    A token of the environment is for the server of the environment, and goes to no other.
    """
    usual = read_settings(**settings)
    chosen = usual if url is None else read_settings(server=url, **settings)
    if chosen.server is None:
        raise BadSettings(
            "WORKBENCH_SERVER: it is not set. Set it to the address of the dashboard, or give that."
        )
    changed: dict[str, Any] = {"database_url": None}
    if "token" not in settings and usual.server not in (None, chosen.server):
        changed["token"] = None
    return chosen.model_copy(update=changed)


async def open_workspace(settings: Settings, *, source: str | None = None) -> Workspace:
    """Return a workspace as `settings` say; see `connect`."""
    if settings.database_url is None and settings.server is not None:
        return await _open_remote(settings.server, settings, source or _source() or "script")
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


async def _open_remote(url: str, settings: Settings, source: str) -> Workspace:
    """Return a workspace on the database of a server elsewhere, as who is signed in there."""
    login = await open_login(
        RemoteServer(url),
        settings.home,
        token=settings.token.get_secret_value() if settings.token else None,
        client=source,
        say=_say(),
    )
    made = _database(
        await login.address(),
        settings,
        userid=login.userid,
        source=source,
        login=login,
        recycled_seconds=RECYCLED_SECONDS,
    )
    try:
        await require_current(made)
    except (StoreUnavailable, BadSettings) as error:
        await made.close()
        await login.close()
        if isinstance(error, WrongDatabase):
            raise
        raise StoreUnavailable(
            f"{url} gave a login, but its database cannot be reached from here. {error} Its "
            "administrator says how it is reached in WORKBENCH_PUBLIC_DATABASE_URL."
        ) from error
    except BaseException:
        await made.close()
        await login.close()
        raise
    return Workspace(made, login=login)


async def examine_remote(settings: Settings) -> AsyncIterator[Finding]:
    """Yield what is found out about work at a server elsewhere, as who is signed in there."""
    assert settings.server is not None
    token = settings.token.get_secret_value() if settings.token else None
    who = await who_is_signed_in(RemoteServer(settings.server), settings.home, token)
    yield Finding(True, f"{who.account} is signed in at {settings.server}, to {who.scope}.")
    async with await _open_remote(settings.server, settings, "workbench doctor") as workspace:
        yield Finding(True, f"Its database answers: {workspace.database.address.shown}.")


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


async def migrate_configured() -> tuple[str | None, str]:
    """Migrate the configured database; return the revisions before and after."""
    read = read_settings()
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


def provider_clients(settings: Settings) -> list[Client]:
    """Return how this installation is registered with providers of identities.

    Raises
    ------
    BadSettings
        One is set in part, or the public URL is missing, to which they send people back.
    """
    clients = [Client(name, **fields) for name, fields in read_providers().items()]
    if clients and settings.public_url is None:
        raise BadSettings(
            "WORKBENCH_PUBLIC_URL: it is not set, and signing in by a provider needs it: the "
            "address at which people reach the dashboard, such as https://bench.example.org."
        )
    return clients


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
    if settings.server is not None:
        raise BadSettings(
            "WORKBENCH_SERVER: this works on a database itself, not through a server elsewhere. "
            "Run it on that server's machine, or set WORKBENCH_DATABASE_URL, or unset this."
        )
    return await asyncio.to_thread(EmbeddedServer(settings.home).start)


def _address(settings: Settings, embedded: EmbeddedServer | None) -> Address:
    if embedded is not None:
        return Address.parse(embedded.url)
    assert settings.database_url is not None
    return Address.parse(settings.database_url.get_secret_value())


def _database(address: Address, settings: Settings, **options: Any) -> Database:
    made = Database(
        address,
        pool_size=settings.pool_size,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        pool_timeout_seconds=settings.pool_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        **options,
    )
    if options.get("source") == _NOTEBOOK:
        made.provenance.where = notebook_cell
    return made


def _say() -> Callable[[str], None] | None:
    """Return what tells the user something, in a notebook or a terminal; None where nobody is."""
    if _source() is not None:
        return print
    return partial(print, file=sys.stderr) if sys.stderr and sys.stderr.isatty() else None


def _source() -> str | None:
    """Return "notebook" inside a Jupyter kernel."""
    return _NOTEBOOK if "ipykernel" in sys.modules else None
