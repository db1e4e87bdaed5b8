"""What was changed in worlds, whatever changed it: heard from PostgreSQL as it is committed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from sqlalchemy import text

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.errors import WorkbenchError

__all__ = ["Heard", "News", "Watch", "listen", "news"]

_CHANNEL = "workbench_changed"
_AGAIN_SECONDS = 1.0  # until a connection that ended is opened again
_SAID = re.compile(r"([0-9a-f-]{36}) ([0-9]{1,18})")
_NEWS = text(
    "SELECT reader, worldid, entity, records, came FROM auth.news(CAST(:changesets AS uuid[]),"
    " CAST(:starts AS bigint[]), CAST(:readers AS uuid[]), CAST(:worlds AS uuid[]))"
)


@dataclass(frozen=True)
class Heard:
    """A changeset, and a number from which on its changes lie. Anybody may have said so."""

    changeset: UUID
    start: int

    @classmethod
    def parse(cls, said: str) -> Heard | None:
        """Return what a notification says; None if it is none of ours."""
        found = _SAID.fullmatch(said)
        try:
            return cls(UUID(found[1]), int(found[2])) if found else None
        except ValueError:
            return None


@dataclass(frozen=True)
class Watch:
    """Somebody who looks at a world, or, without one, at the list of worlds."""

    reader: UUID
    world: UUID | None


@dataclass(frozen=True)
class News:
    """What was changed in what somebody watches.

    Attributes
    ----------
    entity
        None for anything there.
    records
        None for many. Of a link, the records that it is a part of.
    came
        Whether records came, or went.
    """

    watch: Watch
    entity: str | None
    records: tuple[UUID, ...] | None
    came: bool


async def listen(
    database: Database, heard: Callable[[Heard], None], missed: Callable[[], None]
) -> None:
    """Call `heard` for each changeset that is committed, until cancelled.

    `missed` is called whenever a connection begins: what was before, nobody heard.
    """

    def say(_connection: object, _pid: int, _channel: str, said: object) -> None:
        one = Heard.parse(str(said))
        if one is not None:
            heard(one)

    while True:
        ended = asyncio.Event()
        try:
            connection = await database.connect()
        except WorkbenchError:  # it may be restarting
            await asyncio.sleep(_AGAIN_SECONDS)
            continue
        try:
            connection.add_termination_listener(lambda _connection, ended=ended: ended.set())
            await connection.add_listener(_CHANNEL, say)
            missed()
            await ended.wait()
        except (
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            OSError,
        ):
            pass  # it ended at once
        finally:
            connection.terminate()
        await asyncio.sleep(_AGAIN_SECONDS)


async def news(database: Database, heard: Iterable[Heard], watches: Iterable[Watch]) -> list[News]:
    """Return what the changesets did to what is watched: to each what it may read, and no more.

    For a member of `workbench_server`, or the owner of the tables.
    """
    said, watched = list(heard), list(watches)
    values = {
        "changesets": [one.changeset for one in said],
        "starts": [one.start for one in said],
        "readers": [one.reader for one in watched],
        "worlds": [one.world for one in watched],
    }
    async with database.reading() as connection:
        with translated():
            return [
                News(
                    Watch(row.reader, row.worldid),
                    row.entity,
                    None if row.records is None else tuple(row.records),
                    row.came,
                )
                for row in await connection.execute(_NEWS, values)
            ]
