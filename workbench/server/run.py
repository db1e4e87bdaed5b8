"""Run the servers until they are told to stop: the work of `workbench up` and `workbench lab`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from workbench.errors import BadSettings, WorkbenchError

if TYPE_CHECKING:
    from workbench.auth.doors import Doors
    from workbench.server.app import WorkbenchVoila

HOST = "127.0.0.1"  # people on other machines come in through a proxy with TLS
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NOTEBOOK = "dashboard.ipynb"


def dashboard_notebook() -> Path:
    """Return the dashboard's notebook: packaged beside this file, or in a source checkout."""
    here = Path(__file__).resolve()
    for path in (here.with_name(_NOTEBOOK), here.parents[2] / "notebooks" / _NOTEBOOK):
        if path.is_file():
            return path
    raise WorkbenchError(
        f"The dashboard's notebook {_NOTEBOOK} is missing. Install workbench again."
    )


def listener(port: int) -> socket.socket:
    """Return a socket that listens on a port of this machine, for 0 on any free one.

    Raises
    ------
    BadSettings
        The port is in use or may not be used.
    """
    try:
        return socket.create_server((HOST, port), backlog=128)
    except OSError as failure:
        raise BadSettings(
            f"Port {port} cannot be used: {os.strerror(failure.errno or 0).lower()}. "
            "Choose another with --port, or --port 0 for any free one."
        ) from None


@contextlib.contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """Yield an event that Ctrl-C or a request to terminate sets."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)


def serve(
    *,
    home: Path,
    doors: Doors,
    notebook: Path,
    port: int,
    kernel_environment: Mapping[str, str],
    preload: Sequence[str] = (),
    scripts: Sequence[str] = (),
    on_ready: Callable[[str], None],
    on_new_link: Callable[[str], None] = lambda link: None,
    beside: Coroutine[Any, Any, None] | None = None,
    log_level: int = logging.WARNING,
) -> int:
    """Serve the dashboard until Ctrl-C or SIGTERM, and return the exit status.

    Parameters
    ----------
    home
        The folder of our own state.
    doors
        The ways in; closed at the end.
    port
        0 takes any free one.
    kernel_environment
        What every kernel gets besides an allow-list of this process's own variables.
    preload
        Modules that every page needs: kernels are forked from a process that has imported them.
    scripts
        Files of widgets that every page needs: browsers fetch them while the kernel starts.
    on_ready
        Called once with the address, when the server answers: a link that signs in, unless
        people sign in by a provider.
    on_new_link
        Called with a fresh link whenever one was used.
    beside
        What runs for as long as the server does.

    Raises
    ------
    BadSettings
        The port is in use.
    """
    app = _application_factory()(
        home=home,
        doors=doors,
        notebook=notebook,
        port=port,
        kernel_environment=kernel_environment,
        preload=preload,
        scripts=scripts,
        log_level=log_level,
    )
    return asyncio.run(_serve(app, on_ready, on_new_link, beside))


def _application_factory() -> Callable[..., WorkbenchVoila]:
    """Import the application. It takes a second, which only the command that serves pays."""
    # Far below, jsonschema builds a grammar of international web addresses as it is imported,
    # which is half of that second. It does without where the module is missing.
    grammar = "rfc3987_syntax"
    absent = grammar not in sys.modules
    if absent:
        sys.modules[grammar] = cast(ModuleType, None)
    try:
        from workbench.server.app import application
    finally:
        if absent:
            del sys.modules[grammar]
    return application


async def _serve(
    app: WorkbenchVoila,
    on_ready: Callable[[str], None],
    on_new_link: Callable[[str], None],
    beside: Coroutine[Any, Any, None] | None,
) -> int:
    with stop_signals() as stop:
        app.listen()
        try:
            app.identity_provider.on_new_link = on_new_link
            on_ready(app.identity_provider.new_link() if app.doors.by_link else app.site_url)
            if beside is not None:
                app.in_background(beside)
            await stop.wait()
        finally:
            await app.close()
    return 0
