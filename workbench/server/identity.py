"""Who is asking: sessions by cookie, and the identity they give to handlers of Jupyter's kind."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl, quote, urlencode
from uuid import UUID

from jupyter_server.auth.identity import IdentityProvider, User
from tornado.web import RequestHandler

from workbench.auth.acting import Caller
from workbench.auth.identity import Identity
from workbench.auth.sessions import Person


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
    person: Person | None = field(default=None, repr=False)
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


class SessionStore(Protocol):
    """Where sessions are: see `workbench.auth.sessions.Sessions`."""

    lifetime: timedelta

    async def start(
        self, user: UUID, caller: Caller, *, provider: str, identity: Identity | None = None
    ) -> str: ...

    async def find(self, secret: str) -> Person | None: ...

    async def end(self, session: UUID, user: UUID) -> Sequence[UUID]: ...


class Site(Protocol):
    """What an identity provider knows of the server it is for."""

    @property
    def port(self) -> int: ...

    @property
    def base_url(self) -> str: ...

    @property
    def sessions(self) -> SessionStore: ...

    @property
    def local_user(self) -> UUID | None: ...

    @property
    def site_url(self) -> str: ...

    @property
    def public_url(self) -> str | None: ...


def caller_of(handler: RequestHandler, public_url: str | None) -> Caller:
    """Return where a request comes from.

    TLS takes a proxy, which appends an address to X-Forwarded-For: that one counts, and what
    stands before it anybody may have written.
    """
    address = handler.request.remote_ip or ""
    if (public_url or "").startswith("https://"):
        forwarded = handler.request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        address = forwarded[:64] or address
    return Caller(address, handler.request.headers.get("User-Agent", ""))


class WorkbenchIdentity(IdentityProvider):
    """Knows people by the session in their cookie; its parent is the `Site`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.site = self.site_of(self.parent)
        self.on_new_link: Callable[[str], None] = lambda link: None
        self.on_session_end: Callable[[str], None] = lambda session: None
        self._token = OneTimeToken()
        self._ended: set[str] = set()
        self._used: set[str] = set()

    def site_of(self, parent: Any) -> Site:
        """Return what the identity provider is for."""
        return cast(Site, parent)

    # Voilà passes an empty token, which the base class would read as "no sign-in needed".
    auth_enabled = property(lambda self: True)
    login_available = property(lambda self: True)

    @property
    def secure(self) -> bool:
        """Whether browsers come over TLS."""
        return (self.site.public_url or "").startswith("https://")

    def new_link(self) -> str:
        """Return a link that signs in the browser that opens it, once."""
        return f"{self.site.site_url}?token={quote(self._token.issue())}"

    async def redeem(self, handler: RequestHandler, token: str) -> bool:
        """Sign in by token: True if it was good; a fresh link is announced then."""
        user = self.site.local_user
        if user is None or not self._token.redeem(token):
            return False
        await self.start_session(handler, user, "link")
        self.on_new_link(self.new_link())
        return True

    async def start_session(
        self,
        handler: RequestHandler,
        user: UUID,
        provider: str,
        identity: Identity | None = None,
    ) -> None:
        """Start a session and set its cookie on the answer of `handler`.

        The secret is always a new one, and what the browser had before ends: a cookie that
        somebody else planted is worth nothing after the sign-in.
        """
        await self.sign_out(handler)
        caller = caller_of(handler, self.site.public_url)
        secret = await self.site.sessions.start(user, caller, provider=provider, identity=identity)
        self.set_session_cookie(handler, secret)

    def set_session_cookie(self, handler: RequestHandler, secret: str) -> None:
        """Set the cookie of a session on the answer of `handler`."""
        handler.set_cookie(
            self.get_cookie_name(handler),
            secret,
            httponly=True,
            # Not Strict: that loses the cookie on the redirect after a link in a web mail.
            samesite="Lax",
            secure=self.secure,
            path=self.site.base_url,
            max_age=int(self.site.sessions.lifetime.total_seconds()),
        )

    async def sign_out(self, handler: RequestHandler) -> None:
        """End the session of a request, and what runs in it."""
        handler.clear_cookie(
            self.get_cookie_name(handler), path=self.site.base_url, secure=self.secure
        )
        user = handler.current_user
        if isinstance(user, SignedIn) and user.person is not None:
            await self.site.sessions.end(user.person.session, user.person.userid)
            self.session_ended(user.session)

    def session_ended(self, session: str) -> None:
        """Close what is open in a session that has ended."""
        self._ended.add(session)
        self.on_session_end(session)

    def get_cookie_name(self, handler: RequestHandler) -> str:
        """Return the name of a session's cookie."""
        return self.own_name("workbench-session")

    def own_name(self, name: str) -> str:
        """Return a cookie's name: over TLS with the prefix that no other host can set it by.

        Without TLS it is named after the port, because cookies do not tell ports apart.
        """
        if self.secure and self.site.base_url == "/":
            return f"__Host-{name}"
        return f"{name}-{self.site.port}"

    async def get_user(self, handler: RequestHandler) -> SignedIn | None:
        """Return who the request's cookie belongs to, or None."""
        secret = handler.get_cookie(self.get_cookie_name(handler))
        person = await self.site.sessions.find(secret) if secret else None
        if person is None:
            return None
        return SignedIn(
            str(person.userid),
            person.name,
            session=str(person.session),
            person=person,
            sees_tracebacks=person.role == "admin",
        )

    def identity_model(self, user: User) -> dict[str, Any]:
        """Return what a page may know of its user: no session, and no more of the person."""
        return {known.name: getattr(user, known.name) for known in fields(User)}

    def is_live(self, user: SignedIn) -> bool:
        """Tell whether the session behind an open socket still stands, as far as is known here."""
        self._used.add(user.session)
        return user.session not in self._ended

    def take_used(self) -> set[str]:
        """Return the sessions whose pages were used since this was asked last."""
        used, self._used = self._used - self._ended, set()
        return used
