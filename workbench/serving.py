"""What `workbench up` and `workbench lab` do: database first, then the server, then a link."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from workbench.auth.accounts import SignUp
from workbench.config import Settings, read_settings, set_variables
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.logins import (
    extend_logins,
    issue_login,
    login_of,
    reap,
    revoke_login,
    revoke_logins_of,
    tidy,
)
from workbench.database.users import acting_user
from workbench.demo import demo_folder
from workbench.errors import BadSettings, InvalidRows, StoreUnavailable
from workbench.history.latest import ever_was
from workbench.wiring import open_server, open_workspace, provider_clients

Say = Callable[[str], None]

_REAP_SECONDS = 10
_EXTENDED_SECONDS = 240
_LAB_CONNECTIONS = 20  # of all its kernels together
_PRELOAD = ("workbench.wiring", "workbench.dashboard", "sqlalchemy.dialects.postgresql.asyncpg")
_SCRIPTS = ("content.js", "grid.js")
_PAGE_POOL = "1"  # and another one at need: pages are many, and each does little at once


def serve_dashboard(*, port: int, demo: bool, say: Say) -> int:
    """Start the database, load the demo world if there never was one, serve; return the status."""
    from workbench.auth.doors import Doors
    from workbench.server.run import dashboard_notebook, listener, serve

    settings = read_settings()
    clients = provider_clients(settings)
    listener(port).close()  # a port that is taken is told before anything starts
    database, release = asyncio.run(_started(settings, say))
    try:
        local_user = None
        if not clients:
            local_user = asyncio.run(_local(settings, database, demo=demo, say=say))
        doors = Doors(
            database,
            local_user=local_user,
            clients=clients,
            public_url=settings.public_url,
            public_database=_public_database(settings),
            sign_up=SignUp(settings.sign_up, tuple(settings.sign_up_domains.split())),
            idle=timedelta(hours=settings.session_idle_hours),
            lifetime=timedelta(hours=settings.session_hours),
        )

        def ready(link: str) -> None:
            once = "" if clients else " Open this link; it signs in once:"
            say(f"Workbench is ready.{once}\n\n    {link}\n")
            say("Ctrl-C stops it.")

        return serve(
            home=settings.home,
            doors=doors,
            notebook=dashboard_notebook(),
            port=port,
            kernel_environment={**page_environment(settings), "WORKBENCH_POOL_SIZE": _PAGE_POOL},
            preload=_PRELOAD,
            scripts=_SCRIPTS,
            on_ready=ready,
            on_new_link=lambda link: say(f"Signed in. For another browser: {link}"),
            beside=_keep_house(database),
        )
    finally:
        release()


def _public_database(settings: Settings) -> Address | None:
    told = settings.public_database_url
    if told is None:
        return None
    try:
        return Address.parse(told.get_secret_value())
    except BadSettings as wrong:
        name = "WORKBENCH_PUBLIC_DATABASE_URL"
        raise BadSettings(str(wrong).replace("WORKBENCH_DATABASE_URL", name)) from None


async def _started(settings: Settings, say: Say) -> tuple[Database, Callable[[], None]]:
    say("Starting the database …")
    database, release = await open_server(settings)
    await database.close()  # connections open again on the loop that serves
    return database, release


async def _local(settings: Settings, database: Database, *, demo: bool, say: Say) -> UUID:
    """Return the user who signs in by link; give them the demo world if there never was one."""
    try:
        # By the data, so that a first start that was cut off is made up for; a server that was
        # named is somebody's own, and gets no world unasked.
        if demo and settings.database_url is None and not await ever_was(database, "world"):
            say("Loading the demo world …")
            async with await open_workspace(settings, source="workbench up") as workspace:
                report = await workspace.load(demo_folder(), reason="demo world")
            if report.problems:
                raise InvalidRows(report.problems)
        return await acting_user(database, settings.user)
    finally:
        await database.close()


async def _keep_house(database: Database) -> None:
    """End what is overdue and clear away what has ended, for as long as the server runs."""
    while True:
        with suppress(StoreUnavailable):  # it may be restarting
            await tidy(database)
            await reap(database)
        await asyncio.sleep(_REAP_SECONDS)


def serve_notebooks(*, folder: Path, port: int, browser: bool, say: Say) -> int:
    """Start the database and JupyterLab on it; return the status.

    JupyterLab and its kernels hold a login of the user, which this process issues and keeps alive.
    """
    from workbench.server.lab import serve_lab
    from workbench.server.run import listener

    settings = read_settings()
    listener(port).close()
    lab = NotebookLogin(settings, f"lab of {platform.node()}:{port}")
    environment = asyncio.run(lab.start(say))
    try:
        return serve_lab(
            home=settings.home,
            root_dir=folder.resolve(),
            port=port,
            kernel_environment=environment,
            on_ready=lambda link: say(f"JupyterLab is ready:\n\n    {link}\n\nCtrl-C stops it."),
            open_browser=browser,
            beside=lab.keep(),
        )
    finally:
        asyncio.run(lab.end())


class NotebookLogin:
    """The login that JupyterLab and its kernels share, for as long as `workbench lab` runs."""

    def __init__(self, settings: Settings, purpose: str) -> None:
        self._settings, self._purpose = settings, purpose
        self._database: Database | None = None
        self._release: Callable[[], None] = lambda: None
        self._role: str | None = None

    async def start(self, say: Say) -> dict[str, str]:
        """Issue the login, and return the variables that kernels need."""
        given = page_environment(self._settings)
        if self._settings.database_url is None and self._settings.server is not None:
            token = self._settings.token
            mine = {} if token is None else {"WORKBENCH_TOKEN": token.get_secret_value()}
            return {**given, **mine, "WORKBENCH_SERVER": self._settings.server}
        self._database, self._release = await _started(self._settings, say)
        try:
            if await login_of(self._database) is not None:  # it is somebody's own already
                return {**given, "WORKBENCH_DATABASE_URL": self._database.address.url}
            user = await acting_user(self._database, self._settings.user)
            await revoke_logins_of(self._database, self._purpose)
            login = await issue_login(
                self._database, user, self._purpose, connections=_LAB_CONNECTIONS, kept=True
            )
        except BaseException:
            await self.end()
            raise
        finally:
            await self._database.close()
        self._role = login.role
        address = self._database.address.signed_in(login.role, login.password)
        return {**given, "WORKBENCH_DATABASE_URL": address.url}

    async def keep(self) -> None:
        """Let the login live on, until cancelled."""
        while self._database is not None and self._role is not None:
            with suppress(StoreUnavailable):
                await extend_logins(self._database, [self._role], timedelta(hours=8))
                await self._database.close()
            await asyncio.sleep(_EXTENDED_SECONDS)

    async def end(self) -> None:
        """Revoke the login and let the database go."""
        try:
            if self._database is not None and self._role is not None:
                with suppress(StoreUnavailable):
                    await revoke_login(self._database, self._role)
                await self._database.close()
        finally:
            self._release()


def page_environment(settings: Settings) -> dict[str, str]:
    """Return what every kernel needs besides its login: nothing that is secret."""
    of_connections = ("POOL_SIZE", "_SECONDS")
    given = {
        name: value
        for name, value in set_variables().items()
        if name.upper().endswith(of_connections)
    }
    return {**given, "WORKBENCH_HOME": str(settings.home)}
