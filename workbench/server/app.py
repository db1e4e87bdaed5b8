"""The dashboard's server: Voilà's application, configured in code and closed by default.

Only what `init_handlers` lists is served. No configuration file is read: what Jupyter is told
in a home folder must not open, change or break the dashboard.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import tornado.web
from jupyter_server.utils import url_path_join
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from traitlets import Dict, Instance, List, Unicode
from traitlets.config import Config
from voila._version import __version__ as voila_version
from voila.app import Voila
from voila.configuration import VoilaConfiguration

from workbench.auth.doors import Doors
from workbench.auth.logout_token import REMEMBERED_SECONDS
from workbench.auth.sessions import Sessions
from workbench.errors import StoreUnavailable, WorkbenchError
from workbench.server import account_pages, api, device_pages, people_pages, provider_pages, sign_in
from workbench.server.assets import AssetHandler, Assets
from workbench.server.dashboard import DashboardHandler, PageKernelHandler
from workbench.server.forking import Zygote
from workbench.server.identity import WorkbenchIdentity, without_token
from workbench.server.kernels import PageKernels, ThisPython, inherited_environment
from workbench.server.live import Live
from workbench.server.logins import EXTENDED_SECONDS, PageLogins
from workbench.server.machine import open_more_files, socket_folder
from workbench.server.pages import IconHandler, NotFoundHandler, template_environment
from workbench.server.run import HOST, listener
from workbench.server.scratch import Scratch
from workbench.server.sockets import (
    MAX_MESSAGE_BYTES,
    OwnKernelsOnly,
    PageSocket,
    WidgetMessages,
)

IDLE_SECONDS = 15 * 60  # a kernel that no page is connected to ends after this long
_STOP_SECONDS = 3.0
_WATCH_SECONDS = 1  # so long may what was open outlive a session that ended elsewhere
_TOUCHED_SECONDS = 60
_MAX_BODY_BYTES = 1024 * 1024  # of a form; widgets send by socket
_MAX_HEADER_BYTES = 32 * 1024
_IDLE_CONNECTION_SECONDS = 90.0  # also for the headers of a request to arrive
_BODY_SECONDS = 30.0
_KERNEL_ID = r"(?P<kernel_id>[0-9a-f-]{36})"
_HERE = Path(__file__).parent
_PARTS = (sign_in, provider_pages, account_pages, people_pages, device_pages, api)

_SETTINGS = Config(
    {
        "VoilaConfiguration": {
            "allow_template_override": "NO",
            "allow_theme_override": "NO",
            "multi_kernel_manager_class": PageKernels,
            "kernel_spec_manager_class": ThisPython,
        },
        "PageKernels": {"cull_idle_timeout": IDLE_SECONDS, "cull_interval": 60},
        # Widgets are their messages: a page that misses some is broken.
        "WidgetMessages": {"limit_rate": False},
        # A kernel that died took the page's widgets with it: the page says so, none is restarted.
        "AsyncIOLoopKernelRestarter": {"restart_limit": 0, "time_to_dead": 1.0},
        # Unix sockets: over TCP any local user may listen to what a kernel publishes.
        "KernelManager": {
            "shutdown_wait_time": 2.0,
            **({"transport": "ipc"} if sys.platform != "win32" else {}),
        },
    }
)


class WorkbenchVoila(Voila):
    """Serves one notebook at `/` to people who are signed in."""

    # What Voilà declares and leaves untyped.
    port: int
    static_paths: list[str]

    home = Instance(Path, help="The folder of our own state.")
    doors = Instance(Doors, help="The ways in.")
    kernel_environment = Dict(help="Variables for every kernel.")
    preload = List(Unicode(), help="Modules that kernels find imported.")
    scripts = List(Unicode(), help="Files of widgets that the browser is to fetch meanwhile.")
    title = Unicode("Workbench", help="The page's title until the notebook sets one.")

    def initialize(self, argv: list[str] | None = None) -> None:
        """Configure from code; Voilà's own way reads arguments and configuration files."""
        self._init_asyncio_patch()
        self.update_config(_SETTINGS)
        self.voila_configuration = VoilaConfiguration(parent=self)
        self.template_paths, self.static_paths = [str(_HERE / "template")], []
        self.templates = template_environment(str(_HERE / "template"))
        self.page_assets = Assets(_HERE / "static")
        self.widget_assets = Assets(_HERE.parent / "widgets" / "static")
        if "page.js" not in self.page_assets:
            raise WorkbenchError(
                "The page's front end is not built. Install workbench again, or run "
                "hatch_build.py in a source checkout."
            )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._used: dict[str, float] = {}

    @property
    def sessions(self) -> Sessions:
        """Who is signed in."""
        return self.doors.sessions

    @property
    def local_user(self) -> UUID | None:
        """Who a one-time link signs in; nobody where people sign in by a provider."""
        return self.doors.local_user if self.doors.by_link else None

    @property
    def public_url(self) -> str | None:
        """Where people reach the server, if that was set."""
        return self.doors.public_url

    @property
    def site_url(self) -> str:
        """The address of the dashboard, never taken from what a request says."""
        return f"{self.public_url or f'http://{HOST}:{self.port}'}{self.base_url}"

    @property
    def origins(self) -> frozenset[str]:
        """What a browser says of the pages of this server when they send something."""
        if self.public_url is None:
            return frozenset(f"http://{name}:{self.port}" for name in (HOST, "localhost"))
        parts = urlsplit(self.public_url)
        standard = {"http": 80, "https": 443}[parts.scheme]
        port = "" if parts.port in (None, standard) else f":{parts.port}"
        return frozenset({f"{parts.scheme}://{parts.hostname}{port}"})

    @property
    def page_static_url(self) -> str:
        """The address of the page's own files."""
        return f"{self.base_url}static/p-{self.page_assets.version}"

    @property
    def page_config(self) -> dict[str, str]:
        """What scripts in the page may know, in the place where JupyterLab keeps it."""
        widgets = f"{self.base_url}static/w-{self.widget_assets.version}"
        return {"baseUrl": self.base_url, "workbenchStaticUrl": widgets}

    def kernel_environment_of(
        self,
        request: HTTPServerRequest,
        database_url: str,
        folder: Path,
        live: Mapping[str, str],
    ) -> dict[str, str]:
        """Return a kernel's environment: the allow-list, ours, its login, the page's address.

        Parameters
        ----------
        folder
            For its temporary files.
        live
            What lets it hear of changes.
        """
        page = {
            "TMPDIR": str(folder),
            **live,
            "WORKBENCH_DATABASE_URL": database_url,
            "SERVER_SOFTWARE": f"voila/{voila_version}",
            "SCRIPT_NAME": request.path,
            "QUERY_STRING": without_token(request.query),
        }
        return inherited_environment({**self.kernel_environment, **page}, self.home)

    def init_settings(self) -> dict[str, Any]:
        """Return the settings of the Tornado application."""
        self.identity_provider_class = WorkbenchIdentity
        self.authorizer_class = OwnKernelsOnly
        self.kernel_websocket_connection_class = WidgetMessages
        settings: dict[str, Any] = super().init_settings()
        self.kernel_manager.zygote = Zygote(
            self.preload, inherited_environment({}, self.home), self.home, self.log
        )
        self.kernel_manager.zygote.start()
        self.identity_provider.on_session_end = lambda session: self.in_background(
            self.kernel_manager.end_session(session)
        )
        self.live = Live(
            self.doors.database,
            Path(self.connection_dir),
            self.kernel_manager.is_connected,
            self.log,
        )
        self.kernel_manager.on_connected = self.live.seen
        self.kernel_manager.on_removed = lambda kernel_id: self.in_background(
            self.kernel_removed(kernel_id)
        )
        hosts = [urlsplit(self.public_url).hostname] if self.public_url else []
        identity = self.identity_provider
        settings.update(
            workbench=self,
            doors=self.doors,
            allow_remote_access=False,  # answers to no other host name: DNS rebinding
            local_hostnames=["localhost", *hosts],
            login_url=f"{self.base_url}sign-in",
            default_handler_class=NotFoundHandler,
            log_function=self.log_request,
            websocket_max_message_size=MAX_MESSAGE_BYTES,
            ws_ping_timeout=30_000,  # ms; Tornado warns about jupyter_server's own default
            xsrf_cookie_name=identity.own_name("workbench-xsrf"),
            xsrf_cookie_kwargs={"httponly": True, "samesite": "Strict", "secure": identity.secure},
        )
        return settings

    def init_handlers(self) -> list[Any]:
        """Return everything that is served."""

        def at(path: str) -> str:
            return str(url_path_join(self.base_url, path))

        static = [(f"p-{self.page_assets.version}", self.page_assets)]
        static.append((f"w-{self.widget_assets.version}", self.widget_assets))
        return [
            (at("/"), DashboardHandler),
            (at("/favicon.ico"), IconHandler),
            *(one for part in _PARTS for one in part.handlers(at)),
            (at(f"/page/{_KERNEL_ID}"), PageKernelHandler),
            (at(f"/api/kernels/{_KERNEL_ID}/channels"), PageSocket),
            *((at(f"/static/{name}/(.*)"), AssetHandler, {"assets": a}) for name, a in static),
        ]

    def log_request(self, handler: tornado.web.RequestHandler) -> None:
        """Log a request by its path alone: a query may hold a token."""
        request = handler.request
        self.log.debug("%s %s %s", handler.get_status(), request.method, request.path)

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something that nobody waits for, and log its failure."""

        def done(task: asyncio.Task[Any]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self.log.error("In the background: %r", error)

        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(done)

    def listen(self) -> None:
        """Serve on the chosen port, or on a free one for port 0, and return at once.

        Raises
        ------
        BadSettings
            The port is in use or may not be used.
        """
        open_more_files()
        socket = listener(self.port)
        socket.setblocking(False)
        self.home.mkdir(parents=True, exist_ok=True)  # where kernels work
        self.port = socket.getsockname()[1]
        self.logins = PageLogins(self.doors.database, f"{platform.node()}:{self.port}")
        self.connection_dir = tempfile.mkdtemp(prefix="wb-", dir=socket_folder())
        self.scratch = Scratch()
        application = tornado.web.Application(**self.init_settings())
        application.add_handlers(".*$", self.init_handlers())
        self._server = HTTPServer(
            application,
            max_body_size=_MAX_BODY_BYTES,
            max_header_size=_MAX_HEADER_BYTES,
            idle_connection_timeout=_IDLE_CONNECTION_SECONDS,
            body_timeout=_BODY_SECONDS,
        )
        self._server.add_socket(socket)
        self.in_background(self._watch())
        self.in_background(self.live.run())

    async def _watch(self) -> None:
        """Close what is open in sessions that ended elsewhere; keep what is in use alive."""
        seconds = 0
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            seconds += _WATCH_SECONDS
            try:
                await self._look_after(seconds)
            except StoreUnavailable as gone:  # it may be restarting
                self.log.warning("Sessions cannot be looked after: %s", gone)

    async def _look_after(self, seconds: int) -> None:
        open_here = self.kernel_manager.sessions
        live = await self.sessions.live([UUID(one) for one in open_here]) if open_here else set()
        for session in open_here - {str(one) for one in live}:
            self.identity_provider.session_ended(session)
        if seconds % _TOUCHED_SECONDS == 0 and (used := self.identity_provider.take_used()):
            await self.sessions.touch([UUID(one) for one in used])
        await self.logins.finish()
        if seconds % EXTENDED_SECONDS == 0:
            self.scratch.keep()
            await self.logins.extend()

    async def kernel_removed(self, kernel_id: str) -> None:
        """End what a kernel had that has ended: its files, and its login."""
        self.live.forget(kernel_id)
        await asyncio.gather(self.logins.end(kernel_id), self.scratch.remove(kernel_id))

    def first_use(self, token_id: str) -> bool:
        """Tell whether a token that counts once comes for the first time."""
        now = time.monotonic()
        self._used = {one: at for one, at in self._used.items() if at > now - REMEMBERED_SECONDS}
        return self._used.setdefault(token_id, now) == now

    async def close(self) -> None:
        """Stop serving and end all kernels, by force those that take too long."""
        self._server.stop()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self.kernel_manager.shutdown_all()
        except (TimeoutError, tornado.web.HTTPError):  # which a kernel that never started raises
            with suppress(tornado.web.HTTPError):
                await self.kernel_manager.shutdown_all(now=True)
        self.kernel_manager.zygote.close()
        with suppress(StoreUnavailable):  # then they expire by themselves
            await self.logins.end_all()
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # each closes what it holds open
        await self.doors.close()
        shutil.rmtree(self.connection_dir, ignore_errors=True)
        self.scratch.close()


def application(
    *,
    home: Path,
    doors: Doors,
    notebook: Path,
    port: int,
    kernel_environment: Mapping[str, str],
    preload: Sequence[str] = (),
    scripts: Sequence[str] = (),
    log_level: int = logging.WARNING,
) -> WorkbenchVoila:
    """Return a configured application that does not listen yet."""
    app = WorkbenchVoila(
        home=home,
        doors=doors,
        port=port,
        root_dir=str(home),
        notebook_path=str(notebook),
        kernel_environment=dict(kernel_environment),
        preload=list(preload),
        scripts=list(scripts),
        open_browser=False,
        log_level=log_level,
    )
    app.initialize()
    return app
