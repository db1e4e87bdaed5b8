"""What others change, as the dashboard's server tells the kernel of a page."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

__all__ = ["Live", "News"]

_log = logging.getLogger(__name__)

_VARIABLE = "WB_LIVE"  # what the server sets; in a notebook there is none
_SHARE = 3  # so much longer than it took to take news in, a page rests before the next


@dataclass(frozen=True)
class News:
    """What was changed in the world that a page shows, or in the list of worlds.

    Attributes
    ----------
    entity
        None for anything.
    records
        The ids of what was changed; None for many. Of a link, the records that it is a part of.
    came
        Whether records came, or went.
    """

    entity: str | None = None
    records: frozenset[str] | None = None
    came: bool = True

    def is_of(self, entity: str) -> bool:
        return self.entity in (None, entity)


class Live:
    """Hears what others change in what a page shows.

    `watch` says what that is: a world, or none for the list of worlds. `taken` is given all that
    was heard since the last time, and awaited: a page that is slow is told less often, not later
    and later.
    """

    def __init__(self, taken: Callable[[Sequence[News]], Awaitable[None]]) -> None:
        self._taken = taken
        self._writer: asyncio.StreamWriter | None = None
        self._world: str | None = None
        self._said: object = self  # nothing yet
        self._heard: list[News] = []
        self._something = asyncio.Event()

    def watch(self, world: UUID | None) -> None:
        """Hear of another world from now on."""
        self._world = None if world is None else str(world)
        if self._writer is not None and self._said != self._world:
            self._said = self._world
            self._writer.write(json.dumps({"watch": self._world}).encode() + b"\n")

    async def run(self) -> None:
        """Listen until the server hangs up; nothing at all where there is no server."""
        secret, _, path = os.environ.get(_VARIABLE, "").partition("@")
        if not path:
            return
        reader, self._writer = await asyncio.open_unix_connection(path)
        self._writer.write(secret.encode() + b"\n")
        self.watch(None if self._world is None else UUID(self._world))
        taking = asyncio.ensure_future(self._take())
        try:
            while line := await reader.readline():
                self._hear(json.loads(line))
        finally:
            taking.cancel()
            self._writer.close()
            self._writer = None

    def _hear(self, said: dict[str, object]) -> None:
        if said.get("anything"):
            self._heard.append(News())
        elif said["world"] == (self._world or ""):  # not of what was shown before
            records = said["records"]
            entity = said["entity"]
            self._heard.append(
                News(
                    None if entity is None else str(entity),
                    frozenset(map(str, records)) if isinstance(records, list) else None,
                    bool(said["came"]),
                )
            )
        self._something.set()

    async def _take(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await self._something.wait()
            self._something.clear()
            heard, self._heard = self._heard, []
            started = clock()
            try:
                await self._taken(heard)
            except Exception:  # the next news may be taken in, whatever became of these
                _log.warning("What others changed could not be shown.", exc_info=True)
            await asyncio.sleep(_SHARE * (clock() - started))
