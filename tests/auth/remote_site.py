"""The server's handlers for programs, devices and ways to sign in, in this process, on a port of its own."""

from __future__ import annotations

import logging
import re
import ssl
from pathlib import Path
from types import SimpleNamespace

import httpx2
import tornado.web
from jupyter_server.auth.authorizer import AllowAllAuthorizer
from remote_server import HERE, Door
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from traitlets.config import Configurable

from workbench.auth.doors import Doors
from workbench.server import api, device_pages, provider_pages
from workbench.server.identity import WorkbenchIdentity
from workbench.server.pages import template_environment

TEMPLATES = Path(api.__file__).parent / "template"


class Site(Configurable):
    """What handlers know of the application that they are in."""

    base_url = "/"
    page_static_url = "/static"
    local_user = None
    public_url = None
    log = logging.getLogger("tests.site")

    def __init__(self, doors: Doors, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.doors, self.sessions = doors, doors.sessions
        self.templates = template_environment(str(TEMPLATES))
        sockets = bind_sockets(0, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        scheme, host = ("https", "localhost") if tls else ("http", "127.0.0.1")
        self.site_url = f"{scheme}://{host}:{self.port}/"
        self.logged: list[str] = []
        self.visitors: list[httpx2.AsyncClient] = []
        identity = WorkbenchIdentity(parent=self)
        application = tornado.web.Application(
            [*api.handlers(str), *device_pages.handlers(str), *provider_pages.handlers(str)],
            workbench=self,
            doors=doors,
            base_url="/",
            local_hostnames=["localhost"],
            login_url="/sign-in",
            identity_provider=identity,
            authorizer=AllowAllAuthorizer(parent=self, identity_provider=identity),
            xsrf_cookies=True,
            cookie_secret="tests",
            log_function=lambda handler: self.logged.append(handler.request.path),
            config_manager=SimpleNamespace(),
        )
        self.server = HTTPServer(application, ssl_options=tls)
        self.server.add_sockets(sockets)

    @property
    def origins(self) -> set[str]:
        return {self.url}

    @property
    def url(self) -> str:
        return self.site_url.rstrip("/")

    async def close(self) -> None:
        for visitor in self.visitors:
            await visitor.aclose()
        self.server.stop()
        await self.server.close_all_connections()


class Visitor:
    """A browser of somebody who is signed in, without eyes."""

    def __init__(self, site: Site, cookies: dict[str, str]) -> None:
        self.client = httpx2.AsyncClient(base_url=site.url, cookies=cookies)
        site.visitors.append(self.client)

    @classmethod
    async def of(cls, site: Site, door: Door, name: str) -> Visitor:
        secret = await site.sessions.start(door.ids[name], HERE, provider="tests")
        return cls(site, {f"workbench-session-{site.port}": secret})

    async def xsrf(self) -> str:
        page = await self.client.get("/device")
        return re.search(r'name="_xsrf" value="([^"]+)"', page.text)[1]

    async def send(self, code: str, decision: str = "") -> httpx2.Response:
        form = {"_xsrf": await self.xsrf(), "user_code": code, "decision": decision}
        return await self.client.post("/device", data=form)
