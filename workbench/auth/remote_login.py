"""The database logins that a server elsewhere gives to whoever has a token."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from workbench.auth.credentials import Credentials
from workbench.auth.reach import address_of
from workbench.auth.remote import RemoteServer, Say, sign_in
from workbench.auth.wire import not_a_workbench
from workbench.auth.words import plain
from workbench.database.address import Address
from workbench.errors import NotAllowed, StoreUnavailable

__all__ = ["RECYCLED_SECONDS", "RemoteLogin", "open_login"]

RECYCLED_SECONDS = 300.0
"""A connection of the pool is used for so long at most, so that none outlives its login."""

_RENEWED_AFTER = 1 / 6  # of a login's life, so that work on it has the rest of an hour
_LEAST_SECONDS = 2 * RECYCLED_SECONDS  # of a login that is used on while the server is away


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
