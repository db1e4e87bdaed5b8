"""JupyterLab beside the dashboard: the same database, the person's own Python and settings."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from workbench.errors import WorkbenchError
from workbench.server.run import HOST, listener, stop_signals

_START_SECONDS = 60.0
_STOP_SECONDS = 8.0
_POLL_SECONDS = 0.1
_LOG = "lab.log"


def serve_lab(
    *,
    home: Path,
    root_dir: Path,
    port: int,
    kernel_environment: Mapping[str, str],
    on_ready: Callable[[str], None],
    open_browser: bool = False,
    beside: Coroutine[Any, Any, None] | None = None,
) -> int:
    """Run JupyterLab until Ctrl-C or SIGTERM, and return the exit status.

    Parameters
    ----------
    home
        The folder of our own state; what JupyterLab prints goes to `lab.log` in it.
    root_dir
        The folder that JupyterLab shows.
    port
        0 takes any free one.
    kernel_environment
        Variables for JupyterLab and its kernels, besides those of this process that are not
        workbench's: an analyst's own server holds nothing that the analyst may not see.
    on_ready
        Called once with the address to open, when it answers.
    beside
        What runs for as long as JupyterLab does.

    Raises
    ------
    BadSettings
        The port is in use.
    WorkbenchError
        JupyterLab did not start.
    """
    with listener(port) as found:
        port = found.getsockname()[1]
    token = secrets.token_urlsafe(32)
    home.mkdir(parents=True, exist_ok=True)
    with (home / _LOG).open("wb") as log:
        return asyncio.run(
            _serve(
                _command(port, root_dir, open_browser),
                # By environment: every user of the machine can read a command line.
                {
                    # What is set of workbench may be the owner's; kernels hold their user's.
                    **{k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")},
                    **kernel_environment,
                    "JUPYTER_TOKEN": token,
                    "JUPYTER_CONFIG_PATH": _configured(home),
                },
                log,
                port,
                beside,
                lambda: on_ready(f"http://{HOST}:{port}/lab?token={token}"),
            )
        )


def _configured(home: Path) -> str:
    """Write our configuration of JupyterLab, and return the search path with it."""
    folder = home / "jupyter"
    (folder / "labconfig").mkdir(parents=True, exist_ok=True)
    # It would ask whether it may fetch news from another server.
    off = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (folder / "labconfig" / "page_config.json").write_text(json.dumps(off), encoding="utf-8")
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("JUPYTER_CONFIG_PATH")]))


def _command(port: int, root_dir: Path, open_browser: bool) -> list[str]:
    settings = {
        "ServerApp.ip": HOST,
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": root_dir,
        "ServerApp.open_browser": open_browser,
        "ServerApp.identity_provider_class": "workbench.server.lab_identity.LabIdentity",
        "ServerApp.kernel_spec_manager_class": "workbench.server.kernels.ThisPython",
        # Its version is the package's to choose; looking for others would ask another server.
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "ServerApp.allow_root": True,  # the dashboard runs for root too; both listen here only
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    return [sys.executable, "-m", "jupyterlab", *options]


async def _serve(
    command: list[str],
    environment: Mapping[str, str],
    log: IO[bytes],
    port: int,
    beside: Coroutine[Any, Any, None] | None,
    on_ready: Callable[[], None],
) -> int:
    with stop_signals() as stop:
        besides = asyncio.ensure_future(beside) if beside is not None else None
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C is for us: JupyterLab would ask whether it is meant.
            start_new_session=True,
        )
        try:
            await _first_of(_answers(port), process.wait(), stop.wait())
            if process.returncode is None and not stop.is_set():
                on_ready()
                await _first_of(process.wait(), stop.wait())
            if not stop.is_set():
                raise WorkbenchError(f"JupyterLab ended. What it said is in {log.name}.")
        finally:
            await _end(process)
            if besides is not None:
                besides.cancel()
                await asyncio.gather(besides, return_exceptions=True)
    return 0


async def _first_of(*events: Coroutine[Any, Any, object]) -> None:
    """Wait until one of several things happened."""
    waits = [asyncio.ensure_future(event) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _answers(port: int) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(HOST, port)
                writer.close()
                return
            await asyncio.sleep(_POLL_SECONDS)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End JupyterLab, which ends its kernels; after some seconds everything it started."""
    if process.returncode is None:
        process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
