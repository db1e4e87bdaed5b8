"""Working from another machine: what a server is asked, and signing in and out there."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.auth.credentials import Credentials
from workbench.auth.wire import Wire, not_a_workbench
from workbench.auth.words import plain
from workbench.errors import BadSettings, NotAllowed, StoreUnavailable

__all__ = [
    "RemoteServer",
    "Whoami",
    "sign_in",
    "sign_out",
    "who_is_signed_in",
]

_CLIENT_ID = "workbench"
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

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
