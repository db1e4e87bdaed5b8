"""Opening connections to one database, with the login and the settings of one user."""

from __future__ import annotations

import re
from typing import Protocol
from uuid import UUID

import asyncpg

from workbench.database.address import Address
from workbench.database.network import SERVER_SETTINGS, notice_silence
from workbench.database.translate import unreachable
from workbench.errors import BadSettings

__all__ = ["Connecting", "Login"]


class Login(Protocol):
    """Gives the address of a database with a login that is good for some hours."""

    async def address(self, *, afresh: bool = False) -> Address:
        """Return the address; with a new login if the last one is refused."""
        ...

    async def close(self) -> None:
        """End the logins that were given."""
        ...


class Connecting:
    """Where a database is, as whom, and with which settings; `Database` tells the parameters."""

    def __init__(
        self,
        address: Address,
        *,
        userid: UUID | None,
        source: str | None,
        role: str | None,
        login: Login | None,
        connect_timeout_seconds: float,
        statement_timeout_seconds: float,
    ) -> None:
        self.address = address
        self.userid = userid
        self._login = login
        self.connect_timeout_seconds = connect_timeout_seconds
        self.settings = {
            "application_name": "workbench",
            "TimeZone": "UTC",
            "search_path": "public",
            **SERVER_SETTINGS,
            "statement_timeout": str(int(statement_timeout_seconds * 1000)),
            "workbench.userid": str(userid or ""),
            "workbench.source": source or "",
        }
        if role is not None:
            self.settings["role"] = role

    async def connect(self) -> asyncpg.Connection:
        """Open a connection outside the pool; the caller closes it."""
        await self.sign_in()
        try:
            try:
                return await self._connected()
            except asyncpg.InvalidAuthorizationSpecificationError:  # or a wrong password
                if self._login is None:
                    raise
                self.address = await self._login.address(afresh=True)
                return await self._connected()
        except (
            OSError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            TimeoutError,
            UnicodeError,  # a host whose name cannot be one
        ) as error:
            trouble = self.address.trouble_with_files()
            if trouble:
                raise BadSettings(trouble) from error
            raise unreachable(error, self.address.shown, self._grant()) from error

    def _grant(self) -> str:
        """Return what lets the role of the address connect."""
        user = _quoted(self.address.user or "…")
        if "role" in self.settings:
            return f"GRANT {_quoted(self.settings['role'])} TO {user}"
        return f"GRANT CONNECT ON DATABASE {_quoted(self.address.database)} TO {user}"

    async def _connected(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(
            self.address.url,
            timeout=self.connect_timeout_seconds,
            server_settings=self.settings,
        )
        notice_silence(connection)
        return connection

    async def sign_in(self) -> None:
        """Make sure that `address` holds a login that lives for some hours."""
        if self._login is not None:
            self.address = await self._login.address()


def _quoted(name: str) -> str:
    """Return the name of a role or a database as a statement holds it."""
    return (
        name if re.fullmatch(r"[a-z_][a-z0-9_]*|…", name) else '"' + name.replace('"', '""') + '"'
    )
