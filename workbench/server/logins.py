"""The database logins of what a server runs: one for each kernel, for as long as it runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from workbench.auth.sessions import Person
from workbench.database.engine import Database
from workbench.database.logins import (
    extend_logins,
    issue_login,
    revoke_login,
    revoke_logins_of,
)

EXTENDED_SECONDS = 240
_CONNECTIONS = 3  # of a user's share, which all their pages have together
_LIFETIME = timedelta(hours=8)  # long enough for a machine that sleeps over night


class PageLogins:
    """Issues logins for kernels, lets them live while their kernels do, and ends them.

    Parameters
    ----------
    server
        Names the server, the same each time it starts: what it left behind when it was killed
        is ended then.
    """

    def __init__(self, database: Database, server: str) -> None:
        self._database = database
        self._purpose = f"page of {server}"
        self._roles: dict[str, str] = {}
        self._ended: set[str] = set()
        self._first = asyncio.Lock()
        self._begun = False

    async def issue(self, kernel_id: str, person: Person) -> str:
        """Return the database's URL for a kernel of `person`, with a login of its own."""
        async with self._first:
            if not self._begun:
                await revoke_logins_of(self._database, self._purpose)
                self._begun = True
        login = await issue_login(
            self._database,
            person.userid,
            self._purpose,
            lifetime=_LIFETIME,
            connections=_CONNECTIONS,
            session=person.session,
            kept=True,
        )
        self._roles[kernel_id] = login.role
        return self._database.address.signed_in(login.role, login.password).url

    async def extend(self) -> None:
        """Let the logins of all kernels live on."""
        if self._roles:
            await extend_logins(self._database, list(self._roles.values()), _LIFETIME)

    async def end(self, kernel_id: str) -> None:
        """End a kernel's login; one that has none is no error."""
        role = self._roles.pop(kernel_id, None)
        if role is not None:
            self._ended.add(role)
            await self.finish()

    async def finish(self) -> None:
        """Revoke what has ended, also what could not be revoked when it did."""
        for role in list(self._ended):
            await revoke_login(self._database, role)
            self._ended.discard(role)

    async def end_all(self) -> None:
        """End every login."""
        self._ended.update(self._roles.values())
        self._roles.clear()
        await self.finish()
