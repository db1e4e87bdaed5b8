"""What is changed anywhere reaches open pages: heard once for the server, told to their kernels.

One connection of the server listens. A kernel says over a socket of this machine which world its
page shows, and is told what of that was changed: what its user may read, as the database says at
that moment, and nothing else. It then reads with its own login.

Anybody who may connect to the database may notify, so what is heard is believed to no more than
this: it is worth a look. Looks are few a second, however much is heard.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from workbench.database.engine import Database
from workbench.database.news import Heard, News, Watch, listen, news
from workbench.errors import WorkbenchError

LIVE = "WB_LIVE"
"""The variable that tells a kernel where to ask; no setting, so it does not begin as those do."""

_PAUSE_SECONDS = 0.1  # between one look and the next
_MOST_HEARD = 200  # in that time: of more, pages are told that anything may have changed
_MOST_UNREAD_BYTES = 64 * 1024  # a kernel that is busy is told later, in one word
_MOST_LINE_BYTES = 4096
_ANYTHING = {"anything": True}


class Page:
    """The kernel of a page, as it is told of news."""

    def __init__(
        self, kernel_id: str, reader: UUID, since: int, writer: asyncio.StreamWriter
    ) -> None:
        self.kernel_id, self.reader, self.since, self._writer = kernel_id, reader, since, writer
        self.watch: Watch | None = None
        self.behind = False

    def hang_up(self) -> None:
        """Say nothing more."""
        self._writer.close()

    def tell(self, said: dict[str, Any]) -> None:
        """Tell the kernel something, unless it has not read what it was told before."""
        if self._writer.transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            self.behind = True
        else:
            self._writer.write(json.dumps(said).encode() + b"\n")


class Live:
    """Tells kernels what others change.

    Parameters
    ----------
    database
        That of the server, for a member of `workbench_server`.
    folder
        Where the socket for kernels is made; nobody else may open it.
    is_seen
        Tells whether somebody looks at the page of a kernel. One that nobody does is told
        afterwards that anything may have changed.

    Attributes
    ----------
    listens
        Whether it has begun to listen.
    """

    def __init__(
        self, database: Database, folder: Path, is_seen: Callable[[str], bool], log: Any
    ) -> None:
        self._database, self._is_seen, self._log = database, is_seen, log
        self._path = folder / "live"
        self._secrets: dict[str, tuple[str, UUID, int]] = {}
        self._pages: set[Page] = set()
        self._heard: set[Heard] = set()
        self._missed = False
        self._times = 0  # that something was heard, or missed
        self._something = asyncio.Event()
        self.listens = False

    def environment(self, kernel_id: str, reader: UUID) -> dict[str, str]:
        """Return the variables that let the kernel of a reader's page ask for news."""
        if sys.platform == "win32":  # where asyncio has no such sockets
            return {}
        secret = secrets.token_urlsafe()
        self._secrets[secret] = (kernel_id, reader, self._times)
        return {LIVE: f"{secret}@{self._path}"}

    def forget(self, kernel_id: str) -> None:
        """Take no more questions from a kernel that has ended."""
        self._secrets = {k: v for k, v in self._secrets.items() if v[0] != kernel_id}

    def seen(self, kernel_id: str) -> None:
        """Note that somebody looks at a page again."""
        if any(page.kernel_id == kernel_id and page.behind for page in self._pages):
            self._something.set()

    async def run(self) -> None:
        """Listen and tell, until cancelled."""
        if sys.platform == "win32":
            return
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(self._path))
        server = await asyncio.start_unix_server(self._met, sock=listening, limit=_MOST_LINE_BYTES)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(listen(self._database, self._hears, self._misses))
                tasks.create_task(self._tell())
        finally:
            server.close()  # waits for nobody: from Python 3.12.1 on, `async with` does
            for page in self._pages:
                page.hang_up()

    def _hears(self, heard: Heard) -> None:
        self._times += 1
        if len(self._heard) < _MOST_HEARD:
            self._heard.add(heard)
        else:
            self._missed = True
        self._something.set()

    def _misses(self) -> None:
        self._times += 1
        self.listens = self._missed = True
        self._something.set()

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Listen to one kernel until it hangs up."""
        page = None
        try:
            known = self._secrets.get((await reader.readline()).decode().strip())
            if known is None:
                return
            page = Page(*known, writer)
            self._pages.add(page)
            while line := await reader.readline():
                world = json.loads(line)["watch"]
                first = page.watch is None
                page.watch = Watch(page.reader, UUID(str(world)) if world else None)
                if first and page.since != self._times:  # while it read what it shows, perhaps
                    page.behind = True
                    self._something.set()
        except (ValueError, KeyError, TypeError, OSError):
            pass  # it says something else: it is no kernel of ours
        finally:
            if page is not None:
                self._pages.discard(page)
            writer.close()

    async def _tell(self) -> None:
        """Look what was changed whenever something was, and tell each kernel what is for it."""
        while True:
            await self._something.wait()
            self._something.clear()
            heard, missed = self._heard, self._missed
            self._heard, self._missed = set(), False
            pages = [page for page in self._pages if page.watch is not None]
            try:
                found = await self._found(heard, pages) if not missed else []
            except WorkbenchError as gone:  # the database may be restarting
                self._log.warning("What was changed elsewhere is told later: %s", gone)
                missed, found = True, []
            for page in pages:
                self._tell_page(page, found, missed)
            await asyncio.sleep(_PAUSE_SECONDS)
            if any(page.behind and self._is_seen(page.kernel_id) for page in pages):
                self._something.set()

    async def _found(self, heard: set[Heard], pages: list[Page]) -> list[News]:
        watches = {page.watch for page in pages if page.watch is not None}
        return await news(self._database, heard, watches) if heard and watches else []

    def _tell_page(self, page: Page, found: list[News], missed: bool) -> None:
        mine = [one for one in found if one.watch == page.watch]
        if not self._is_seen(page.kernel_id):
            page.behind |= missed or bool(mine)
        elif missed or page.behind:
            page.behind = False
            page.tell(_ANYTHING)
        else:
            for one in mine:
                records = None if one.records is None else [str(id) for id in one.records]
                page.tell({"entity": one.entity, "records": records, "came": one.came,
                           "world": str(one.watch.world or "")})  # fmt: skip
