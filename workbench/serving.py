"""What `workbench up` and `workbench lab` do: database first, then the server, then a link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from workbench.config import Settings, read_settings, set_variables
from workbench.database.logins import reap
from workbench.demo import demo_folder
from workbench.errors import InvalidRows, StoreUnavailable
from workbench.history.latest import ever_was
from workbench.wiring import open_database, open_workspace
from workbench.workspace import Workspace

Say = Callable[[str], None]

_REAP_SECONDS = 10


def serve_dashboard(*, port: int, demo: bool, say: Say) -> int:
    """Start the database, load the demo world if there never was one, serve; return the status."""
    from workbench.server.run import dashboard_notebook, listener, serve

    settings = read_settings()
    listener(port).close()  # a port that is taken is told before anything starts
    workspace = asyncio.run(_prepare(settings, demo=demo, say=say))
    try:

        def ready(link: str) -> None:
            say(f"Workbench is ready. Open this link; it signs in once:\n\n    {link}\n")
            say("Ctrl-C stops it.")

        return serve(
            home=settings.home,
            notebook=dashboard_notebook(),
            port=port,
            kernel_environment=kernel_environment(settings),
            on_ready=ready,
            on_new_link=lambda link: say(f"Signed in. For another browser: {link}"),
            beside=_keep_house(settings),
        )
    finally:
        workspace.release()


def serve_notebooks(*, folder: Path, port: int, browser: bool, say: Say) -> int:
    """Start the database and JupyterLab on it; return the status."""
    from workbench.server.lab import serve_lab
    from workbench.server.run import listener

    settings = read_settings()
    listener(port).close()
    workspace = asyncio.run(_prepare(settings, demo=False, say=say))
    try:
        return serve_lab(
            home=settings.home,
            root_dir=folder.resolve(),
            port=port,
            kernel_environment=kernel_environment(settings),
            on_ready=lambda link: say(f"JupyterLab is ready:\n\n    {link}\n\nCtrl-C stops it."),
            open_browser=browser,
        )
    finally:
        workspace.release()


async def _ever_a_world(settings: Settings) -> bool:
    async with open_database(settings) as database:  # whose eyes see everybody's
        return await ever_was(database, "world")


async def _keep_house(settings: Settings) -> None:
    """End what is overdue and clear away logins that have ended, for as long as the server runs."""
    async with open_database(settings) as database:
        while True:
            with suppress(StoreUnavailable):  # it may be restarting
                await reap(database)
            await asyncio.sleep(_REAP_SECONDS)


async def _prepare(settings: Settings, *, demo: bool, say: Say) -> Workspace:
    """Return a workspace without open connections, which keeps the embedded server alive."""
    say("Starting the database …")
    workspace = await open_workspace(settings, source="workbench up")
    try:
        # By the data, so that a first start that was cut off is made up for; a server that was
        # named is somebody's own, and gets no world unasked.
        demo = demo and settings.database_url is None
        if demo and not await _ever_a_world(settings):
            say("Loading the demo world …")
            report = await workspace.load(demo_folder(), reason="demo world")
            if report.problems:
                raise InvalidRows(report.problems)
        await workspace.disconnect()
    except BaseException:
        await workspace.close()
        raise
    return workspace


def kernel_environment(settings: Settings) -> dict[str, str]:
    """Return what a kernel needs to open the same database as the same user."""
    given = set_variables()
    given |= {"WORKBENCH_HOME": str(settings.home), "WORKBENCH_USER": settings.user}
    if settings.database_url is not None:
        given["WORKBENCH_DATABASE_URL"] = settings.database_url.get_secret_value()
    return given
