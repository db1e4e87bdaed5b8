"""Sign-ins under way: kept between leaving for a provider and coming back, for ten minutes.

The browser that left holds a secret in a cookie of its own for each attempt, so that a state
which somebody else sees, or makes somebody open, is of no use.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import text

from workbench.auth.identity import Pending
from workbench.auth.secrets import digest, new_secret
from workbench.database.engine import Database
from workbench.database.translate import translated

__all__ = ["PENDING_SECONDS", "Attempt", "Attempts"]

PENDING_SECONDS = 600

_PUT = text(
    "INSERT INTO auth.pending (digest, provider, kept, wanted, invitation, sessionid)"
    " VALUES (:digest, :provider, CAST(:kept AS jsonb), :wanted, :invitation, :session)"
)
# Taken by one statement, so that a callback counts once however often it comes.
_TAKE = text(
    "DELETE FROM auth.pending WHERE digest = :digest AND provider = :provider"
    " AND kept ->> 'state' = :state"
    " AND created_at > clock_timestamp() - make_interval(secs => :seconds)"
    " RETURNING kept, wanted, invitation, sessionid"
)


@dataclass(frozen=True)
class Attempt:
    """What somebody left for a provider with.

    Parameters
    ----------
    wanted
        The page to go to afterwards.
    invitation
        The hash of an invitation's secret that was opened before.
    session
        The session from whose profile an identity is being linked; None for a sign-in.
    """

    kept: Pending
    wanted: str
    invitation: bytes | None = None
    session: UUID | None = None


class Attempts:
    """Sign-ins under way, in PostgreSQL: any server may answer the callback."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, attempt: Attempt) -> str:
        """Keep an attempt, and return the secret for the browser that makes it."""
        secret = new_secret()
        values = {
            "digest": digest(secret),
            "provider": attempt.kept["provider"],
            "kept": json.dumps(attempt.kept),
            "wanted": attempt.wanted,
            "invitation": attempt.invitation,
            "session": attempt.session,
        }
        async with self._database.reading() as connection:
            with translated("sign-in"):
                await connection.execute(_PUT, values)
        return secret

    async def take(self, secret: str, provider: str, state: str) -> Attempt | None:
        """Return the attempt of this browser, provider and state, once."""
        values = {
            "digest": digest(secret),
            "provider": provider,
            "state": state,
            "seconds": PENDING_SECONDS,
        }
        async with self._database.reading() as connection:
            with translated("sign-in"):
                row = (await connection.execute(_TAKE, values)).one_or_none()
        if row is None:
            return None
        return Attempt(cast(Pending, row.kept), row.wanted, row.invitation, row.sessionid)
