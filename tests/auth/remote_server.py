"""People with accounts, and the half of the server that programs talk to."""

from __future__ import annotations

from uuid import UUID

from workbench.auth.acting import Caller
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.users import acting_user

HERE = Caller("203.0.113.7", "tests")


class Door:
    """The server's own database, and two accounts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.owner = Database(Address.parse(url))
        self.database = Database(Address.parse(url), role="workbench_server")
        self.ids: dict[str, UUID] = {}

    async def add(self, **people: str) -> None:
        for name, role in people.items():
            self.ids[name] = await acting_user(self.owner, f"{name}@example.org", role=role)

    async def run(self, statement: str, **values: object) -> None:
        """Change what time or an administrator would."""
        from sqlalchemy import text

        async with self.owner.writing() as connection:
            await connection.execute(text(statement), values)

    async def events(self) -> list[tuple[str, str | None]]:
        from workbench.auth.events import Events

        return [(event.kind, event.account) for event in await Events(self.database).latest()]

    async def close(self) -> None:
        await self.database.close()
        await self.owner.close()
