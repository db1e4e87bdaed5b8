"""Working from another machine: signing in at a server, and the database logins that it gives."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from workbench.auth.credentials import Credentials
from workbench.auth.reach import address_of
from workbench.auth.wire import Wire, not_a_workbench
from workbench.auth.words import plain
from workbench.database.address import Address
from workbench.errors import BadSettings, NotAllowed, StoreUnavailable

__all__ = [
    "RECYCLED_SECONDS",
    "RemoteLogin",
    "RemoteServer",
    "Whoami",
    "open_login",
    "sign_in",
    "sign_out",
    "who_is_signed_in",
]

_CLIENT_ID = "workbench"
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

RECYCLED_SECONDS = 300.0
"""A connection of the pool is used for so long at most, so that none outlives its login."""

_RENEWED_AFTER = 1 / 6  # of a login's life, so that work on it has the rest of an hour
_LEAST_SECONDS = 2 * RECYCLED_SECONDS  # of a login that is used on while the server is away
_SLOWER_SECONDS = 5  # RFC 8628, section 3.5
_LONGEST_PAUSE_SECONDS = 60
_CLOSE_SECONDS = 3.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Whoami:
    """Whose a token is, and what it may."""

    account: str
    role: str
    scope: str
    token: str
    expires_at: str


@dataclass(frozen=True)
class _Told:
    """A database login, as the server told it."""

    role: str
    address: Address = field(repr=False)
    userid: UUID
    account: str
    asked_at: float  # by this machine's clock
    seconds: float

    @property
    def left(self) -> float:
        return self.asked_at + self.seconds - time.time()

    @property
    def due(self) -> bool:
        return self.left < self.seconds * (1 - _RENEWED_AFTER)


class RemoteServer:
    """A dashboard's server elsewhere, as a program sees it.

    Parameters
    ----------
    url
        https:// and a host, without a slash at the end.
    sleep
        How to wait between two questions.
    """

    def __init__(self, url: str, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep):
        self.url = url
        self._wire = Wire(url)
        self._sleep = sleep

    async def sign_in(self, client: str, scope: str, say: Say) -> str:
        """Return a token, once the user has approved in a browser; RFC 8628.

        Parameters
        ----------
        client
            What the page says is asking.
        say
            Tells the user where to go.

        Raises
        ------
        NotAllowed
            The user denied, or did not answer in time.
        """
        await self._check()
        asked = {"client_id": _CLIENT_ID, "client_name": client, "scope": scope}
        begun = await self._wire.ask("POST", "/api/device", form=asked)
        try:
            code, device = plain(str(begun["user_code"])), str(begun["device_code"])
            pause = min(float(begun.get("interval", 5)), _LONGEST_PAUSE_SECONDS)
            seconds = float(begun["expires_in"])
        except (KeyError, TypeError, ValueError):
            raise not_a_workbench(self.url) from None
        say(
            f"To sign in at {self.url}, open this link and check that it shows the code {code}:\n\n"
            f"    {self.url}/device?user_code={code}\n\n"
            f"Waiting, for {seconds / 60:.0f} minutes at most …"
        )
        form = {"client_id": _CLIENT_ID, "grant_type": _GRANT, "device_code": device}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self._sleep(pause)
            try:
                answer = await self._wire.ask("POST", "/api/token", form=form, errors=True)
            except StoreUnavailable:  # away for a moment: ask on, less often
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                continue
            error = answer.get("error")
            if error == "slow_down":
                pause += _SLOWER_SECONDS
            elif error == "access_denied":
                raise NotAllowed(f"The sign-in at {self.url} was denied in the browser.")
            elif error == "expired_token":
                break
            elif error is None and isinstance(answer.get("access_token"), str):
                return str(answer["access_token"])
            elif error != "authorization_pending":
                said = plain(str(answer.get("error_description") or error))
                raise NotAllowed(f"The sign-in at {self.url} did not come about: {said}")
        raise NotAllowed(f"Nobody approved the sign-in at {self.url} in time. Begin again.")

    async def _check(self) -> None:
        """Refuse what is no server of ours, or goes by another name."""
        about = await self._wire.ask("GET", "/.well-known/oauth-authorization-server")
        if "workbench_login_endpoint" not in about:
            raise not_a_workbench(self.url)
        if about.get("issuer") != self.url:
            raise BadSettings(
                f"The server at {self.url} goes by the name {plain(str(about.get('issuer')))}. "
                "Use that address, if it is the one you trust."
            )

    async def login(self, token: str) -> Mapping[str, Any]:
        """Return a database login for a token, as the server tells it."""
        return await self._wire.ask("POST", "/api/login", token=token)

    async def end_login(self, token: str, role: str) -> None:
        """End a login that was issued for this token."""
        await self._wire.ask("DELETE", f"/api/login/{role}", token=token, seconds=_CLOSE_SECONDS)

    async def whoami(self, token: str) -> Whoami:
        """Return whose a token is."""
        told = await self._wire.ask("GET", "/api/whoami", token=token)
        names = ("account", "role", "scope", "token", "expires_at")
        return Whoami(**{name: plain(str(told.get(name, "")), most=300) for name in names})

    async def revoke(self, token: str) -> None:
        """End a token, and the logins issued for it."""
        form = {"client_id": _CLIENT_ID, "token": token}
        await self._wire.ask("POST", "/api/revoke", form=form)


class RemoteLogin:
    """The database logins of a token, renewed for as long as somebody works.

    Parameters
    ----------
    home
        The folder of our own state, for authorities that the server tells of.
    """

    def __init__(self, server: RemoteServer, token: str, home: Path) -> None:
        self._server, self._token, self._home = server, token, home
        self._told: list[_Told] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn: asyncio.Lock

    @property
    def userid(self) -> UUID:
        """The user whose logins these are; known once there is an address."""
        return self._told[-1].userid

    @property
    def account(self) -> str:
        """The e-mail address of that user."""
        return self._told[-1].account

    async def address(self, *, afresh: bool = False) -> Address:
        """Return the database's address for the login, a new one if that has not long to live."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # a script may run one after another
            self._loop, self._turn = loop, asyncio.Lock()
        async with self._turn:  # connections of a pool open together, and share a login
            if afresh or not self._told or self._told[-1].due:
                try:
                    self._told.append(await self._renewed())
                except StoreUnavailable:
                    if afresh or not self._told or self._told[-1].left < _LEAST_SECONDS:
                        raise
            return self._told[-1].address

    async def _renewed(self) -> _Told:
        asked = time.time()
        told = await self._server.login(self._token)
        try:
            return _Told(
                str(told["user"]),
                address_of(told, self._server.url, self._home),
                UUID(told["userid"]),
                plain(str(told["account"]), most=300),
                asked,
                float(told["expires_in"]),
            )
        except (KeyError, TypeError, ValueError):
            raise not_a_workbench(self._server.url) from None

    async def close(self) -> None:
        """End what was issued. A server that is away cannot; there the logins expire."""
        with suppress(StoreUnavailable, NotAllowed):
            while self._told:
                await self._server.end_login(self._token, self._told[-1].role)
                self._told.pop()
        self._told.clear()


async def open_login(
    server: RemoteServer,
    home: Path,
    *,
    token: str | None = None,
    client: str = "script",
    say: Say | None = None,
) -> RemoteLogin:
    """Return a login that is good: of a token that was given, that is kept, or that is got now.

    Parameters
    ----------
    say
        Tells the user what to do; None if nobody is there.

    Raises
    ------
    NotAllowed
        The token is not good, or there is none and nobody to ask.
    """
    credentials = Credentials(home)
    kept = token or credentials.find(server.url)
    if kept is not None:
        login = RemoteLogin(server, kept, home)
        try:
            await login.address()
            return login
        except NotAllowed as refused:
            if token is not None:
                raise NotAllowed(
                    f"{refused} It is the one in WORKBENCH_TOKEN: make another on the page of your "
                    "account."
                ) from None
            if say is None:
                raise NotAllowed(
                    f"{refused} Sign in again: `workbench login {server.url}`."
                ) from None
            say(str(refused))
    if say is None:
        raise NotAllowed(
            f"Nobody is signed in at {server.url} on this machine, and nobody is here to do so. "
            f"Run `workbench login {server.url}` in a terminal once, or give a personal access "
            "token in WORKBENCH_TOKEN."
        )
    await sign_in(server, home, client=client, say=say)
    return await open_login(server, home)


async def sign_in(
    server: RemoteServer, home: Path, *, client: str, scope: str = "write", say: Say
) -> Whoami:
    """Let the user approve in a browser, and keep the token; the one before ends."""
    credentials = Credentials(home)
    before = credentials.find(server.url)
    token = await server.sign_in(f"{client} on {platform.node()}", scope, say)
    credentials.keep(server.url, token)
    who = await server.whoami(token)
    if before is not None:
        with suppress(StoreUnavailable):  # then it ends when it has not been used for long
            await server.revoke(before)
    say(f"Signed in as {who.account}.")
    return who


async def sign_out(server: RemoteServer, home: Path) -> bool:
    """Forget the token that is kept, and end it at the server; False if there was none.

    Raises
    ------
    StoreUnavailable
        The server cannot be told. The token is forgotten here all the same.
    """
    credentials = Credentials(home)
    token = credentials.find(server.url)
    if token is None:
        return False
    credentials.forget(server.url)
    try:
        await server.revoke(token)
    except StoreUnavailable as error:
        raise StoreUnavailable(
            f"The token is forgotten here, but the server could not be told: {error} Revoke the "
            "token on the page of your account."
        ) from error
    return True


async def who_is_signed_in(server: RemoteServer, home: Path, token: str | None = None) -> Whoami:
    """Return whose the token is that was given, or is kept.

    Raises
    ------
    NotAllowed
        There is none, or it is not good.
    """
    token = token or Credentials(home).find(server.url)
    if token is None:
        raise NotAllowed(
            f"Nobody is signed in at {server.url} on this machine. `workbench login {server.url}` "
            "signs in."
        )
    return await server.whoami(token)
