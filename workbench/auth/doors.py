"""All that signs people in, put together: what the pages of a server ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from workbench.auth.accounts import Accounts, SignUp
from workbench.auth.events import Events
from workbench.auth.flow import Flow
from workbench.auth.identity import Client
from workbench.auth.invitations import Invitations
from workbench.auth.pending import Attempts
from workbench.auth.people import People
from workbench.auth.sessions import Sessions
from workbench.auth.tokens import Tokens
from workbench.database.address import Address
from workbench.database.engine import Database

__all__ = ["Doors"]


class Doors:
    """The ways into an installation.

    Parameters
    ----------
    database
        For a member of `workbench_server`, or the owner of the tables; closed by `close`.
    local_user
        Who comes in by a one-time link, where no provider is set up.
    public_url
        Where people reach the server; what providers send them back to is made of it.
    public_database
        Where programs elsewhere reach the database, if not where the server does.
    """

    def __init__(
        self,
        database: Database,
        *,
        local_user: UUID | None,
        clients: Sequence[Client] = (),
        public_url: str | None = None,
        public_database: Address | None = None,
        sign_up: SignUp | None = None,
        idle: timedelta = timedelta(days=7),
        lifetime: timedelta = timedelta(days=30),
    ) -> None:
        self.database = database
        self.local_user = local_user
        self.public_url = public_url
        self.public_database = public_database
        self.flow = Flow(clients, lambda name: f"{public_url}/sign-in/{name}/callback")
        self.sessions = Sessions(database, idle=idle, lifetime=lifetime)
        self.events = Events(database)
        self.attempts = Attempts(database)
        self.tokens = Tokens(database)
        self.invitations = Invitations(database, self.events)
        self.people = People(database, self.events)
        self.accounts = Accounts(database, self.events, sign_up or SignUp())

    @property
    def by_link(self) -> bool:
        """Whether people sign in by one-time link, for there is no other way."""
        return self.local_user is not None and not self.flow.offered()

    async def close(self) -> None:
        """Close what is open to the database and to providers."""
        await self.flow.close()
        await self.database.close()
