"""Who may use a JupyterLab of `workbench lab`: its one analyst, by the link that was printed.

JupyterLab runs any code, so it holds nothing that signs other people in, no provider's secret and
no way to the sessions of the dashboard. Its own sessions live and die with it.
"""

from __future__ import annotations

import hmac
import os
import signal
import time
from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import Any, cast
from uuid import UUID, uuid4

from jupyter_server.auth.identity import User
from tornado.web import RequestHandler

from workbench.auth.acting import Caller
from workbench.auth.identity import Identity
from workbench.auth.secrets import digest, new_secret
from workbench.auth.sessions import Person
from workbench.server.identity import SignedIn, Site, WorkbenchIdentity

_ANALYST = UUID(int=0)
_LOOK_SECONDS = 1.0


def _end_with(parent: int) -> None:
    """End this JupyterLab when `workbench lab` is gone, which ends it otherwise: it was killed."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


class LabSessions:
    """Sessions of one JupyterLab, in its memory."""

    lifetime = timedelta(days=30)

    def __init__(self, email: str) -> None:
        self.person = Person(_ANALYST, "link", _ANALYST, email, "editor", None, None, None)
        self._open: dict[bytes, Person] = {}

    def begin(self) -> str:
        """Start a session, and return its secret."""
        secret = new_secret()
        self._open[digest(secret)] = replace(self.person, session=uuid4())
        return secret

    async def start(
        self, user: UUID, caller: Caller, *, provider: str, identity: Identity | None = None
    ) -> str:
        """As `begin`; there is one user, and one way in."""
        return self.begin()

    async def find(self, secret: str) -> Person | None:
        """Return the analyst, if the secret is a session's."""
        return self._open.get(digest(secret))

    async def end(self, session: UUID, user: UUID) -> list[UUID]:
        """End a session."""
        return self.ended(session)

    def ended(self, session: UUID) -> list[UUID]:
        """End a session; return its id if it was there."""
        known = [secret for secret, one in self._open.items() if one.session == session]
        return [self._open.pop(secret).session for secret in known]


class LabSite:
    """A JupyterLab as an identity provider sees it."""

    public_url = None
    local_user = _ANALYST

    def __init__(self, app: Any) -> None:
        self._app = app
        self.sessions = LabSessions(os.environ.get("WORKBENCH_USER", "analyst@localhost"))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._app.port)

    @property
    def base_url(self) -> str:
        """Its first path."""
        return str(self._app.base_url)

    @property
    def site_url(self) -> str:
        """Its address."""
        return f"http://{self._app.ip}:{self.port}{self.base_url}"


class LabIdentity(WorkbenchIdentity):
    """As in the dashboard, a session by an opaque cookie. It begins with the server's token.

    The token is good for as long as the server runs, for editors that work on it, such as
    VS Code, send it with every request.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Read it before it goes: kernels inherit the environment.
        self._known = str(self.token)
        os.environ.pop("JUPYTER_TOKEN", None)
        Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()

    def site_of(self, parent: Any) -> Site:
        """Return the JupyterLab it is for."""
        return LabSite(parent)

    @property
    def _sessions(self) -> LabSessions:
        return cast(LabSite, self.site).sessions

    async def get_user(self, handler: RequestHandler) -> SignedIn | None:
        """Return the analyst if the request has a session's cookie, or the token."""
        found = await super().get_user(handler)
        if found is not None or not self._fits(self.get_token(handler)):
            return found
        if "Authorization" in handler.request.headers:
            # Asked before XSRF is checked, which only cookies make possible.
            cast(Any, handler)._token_authenticated = True
        else:  # a browser, which came by the link
            self.set_session_cookie(handler, self._sessions.begin())
        return SignedIn(self._sessions.person.email)

    def process_login_form(self, handler: RequestHandler) -> User | None:
        """Return the analyst if the token was typed."""
        if not self._fits(handler.get_argument("password", "")):
            return None
        return SignedIn("analyst")

    def set_login_cookie(self, handler: RequestHandler, user: User) -> None:
        """Start a session."""
        self.set_session_cookie(handler, self._sessions.begin())

    def clear_login_cookie(self, handler: RequestHandler) -> None:
        """End the session of a request."""
        user = handler.current_user
        if isinstance(user, SignedIn) and user.person is not None:
            self._sessions.ended(user.person.session)
        handler.clear_cookie(self.get_cookie_name(handler), path=self.site.base_url)

    def _fits(self, token: str | None) -> bool:
        known = self._known
        return bool(known and token) and hmac.compare_digest(str(token).encode(), known.encode())
