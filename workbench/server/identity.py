"""Who is asking: one-time links, sessions, and the identity they give to Voilà's handlers.

A link holds a token that is good for one use. Using it starts a session: an opaque secret in
a cookie, of which the server keeps only the hash, in a file, so that a restart does not sign
the browser out. Another way to sign in ends in `LinkIdentity.start_session` as well.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl, quote, urlencode

from jupyter_server.auth.identity import IdentityProvider, User
from tornado.web import RequestHandler

SESSION_SECONDS = 30 * 24 * 3600
SESSIONS_FILE = "sessions.json"


def _digest(secret: str) -> str:
    """Return the hash that stands for a secret: 256 random bits need no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def without_token(query: str) -> str:
    """Return a URL's query without its sign-in token.

    >>> without_token("world=Hamlet&token=abc")
    'world=Hamlet'
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, value) for name, value in pairs if name != "token"])


@dataclass
class SignedIn(User):
    """A signed-in user; `session` names the session without being its secret."""

    session: str = field(default="", repr=False)
    sees_tracebacks: bool = False


class OneTimeToken:
    """The one token that signs somebody in now; redeeming it makes room for a fresh one."""

    def __init__(self) -> None:
        self._current: str | None = None

    def issue(self) -> str:
        """Return a fresh token; an earlier one that nobody used is no longer good."""
        self._current = secrets.token_urlsafe(32)
        return self._current

    def redeem(self, token: str) -> bool:
        """Tell whether `token` is the current one, and use it up if so."""
        expected = self._current or ""
        if not expected or not hmac.compare_digest(expected.encode(), token.encode()):
            return False
        self._current = None
        return True


class Sessions:
    """Sessions by the hash of their secret, kept in a file that only its owner may read.

    Servers on several ports may share the file, so it is read again before each change of it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._expiry = self._read()

    def start(self) -> str:
        """Start a session and return its secret, which is kept nowhere but in the cookie."""
        secret = secrets.token_urlsafe(32)
        self._expiry = self._read()
        self._expiry[_digest(secret)] = time.time() + SESSION_SECONDS
        self._write()
        return secret

    def find(self, secret: str) -> str | None:
        """Return the name of the session that `secret` opens, or None."""
        name = _digest(secret)
        return name if self.is_live(name) else None

    def is_live(self, name: str) -> bool:
        """Tell whether a session has neither ended nor expired."""
        return self._expiry.get(name, 0.0) > time.time()

    def end(self, name: str) -> None:
        """End a session; one that is not there is no error."""
        self._expiry = self._read()
        if self._expiry.pop(name, None) is not None:
            self._write()

    def _read(self) -> dict[str, float]:
        try:
            stored = json.loads(self._file.read_text("utf-8"))
            return {str(name): float(expiry) for name, expiry in stored.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError):
            # A damaged file costs a sign-in, not the start of the server.
            return {}

    def _write(self) -> None:
        now = time.time()
        self._expiry = {name: end for name, end in self._expiry.items() if end > now}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(f".{os.getpid()}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(self._expiry, file)
        fresh.replace(self._file)


class Site(Protocol):
    """What an identity provider knows of the server it is for."""

    home: Path
    port: int
    base_url: str

    @property
    def site_url(self) -> str: ...


class LinkIdentity(IdentityProvider):
    """Signs in by one-time link; its parent is the `Site`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.site = cast(Site, self.parent)
        self.sessions = Sessions(self.site.home / SESSIONS_FILE)
        self.on_new_link: Callable[[str], None] = lambda link: None
        self.on_session_end: Callable[[str], None] = lambda session: None
        self._token = OneTimeToken()

    # Voilà passes an empty token, which the base class would read as "no sign-in needed".
    auth_enabled = property(lambda self: True)
    login_available = property(lambda self: True)

    def new_link(self) -> str:
        """Return a link that signs in the browser that opens it, once."""
        return f"{self.site.site_url}?token={quote(self._token.issue())}"

    def redeem(self, handler: RequestHandler, token: str) -> bool:
        """Sign in by token: True if it was good; a fresh link is announced then."""
        if not self._token.redeem(token):
            return False
        self.start_session(handler)
        self.on_new_link(self.new_link())
        return True

    def start_session(self, handler: RequestHandler) -> None:
        """Start a session and set its cookie on the answer of `handler`."""
        handler.set_cookie(
            self.get_cookie_name(handler),
            self.sessions.start(),
            httponly=True,
            # Not Strict: that loses the cookie on the redirect after a link in a web mail.
            samesite="Lax",
            secure=handler.request.protocol == "https",
            path=self.site.base_url,
            max_age=SESSION_SECONDS,
        )

    def sign_out(self, handler: RequestHandler) -> None:
        """End the session of a request, and what runs in it."""
        user = self.get_user(handler)
        handler.clear_cookie(self.get_cookie_name(handler), path=self.site.base_url)
        if user is not None:
            self.sessions.end(user.session)
            self.on_session_end(user.session)

    def get_cookie_name(self, handler: RequestHandler) -> str:
        """Name the cookie after the port, because cookies do not tell ports apart."""
        return f"workbench-session-{self.site.port}"

    def get_user(self, handler: RequestHandler) -> SignedIn | None:
        """Return who the request's cookie belongs to, or None."""
        session = self.sessions.find(handler.get_cookie(self.get_cookie_name(handler)) or "")
        if session is None:
            return None
        return SignedIn("local", "Local user", session=session, sees_tracebacks=True)

    def is_live(self, user: SignedIn) -> bool:
        """Tell whether the session behind an open socket still stands."""
        return self.sessions.is_live(user.session)
