"""What is open, read and checked a piece at a time, while the piece before is on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from workbench.errors import UnreadableFile
from workbench.transfer.findings import Findings
from workbench.transfer.pictures import shares
from workbench.transfer.prepare import Prepared, prepare
from workbench.transfer.readers import picture_places, pieces
from workbench.transfer.source import Feed, Source

T = TypeVar("T")

_IDLE_SECONDS = 15  # PostgreSQL ends a user's transaction in which nothing is done for a minute


@dataclass
class Piece:
    """Some rows of what is open, and what was found out about them.

    Attributes
    ----------
    rows
        None where the rows cannot be used, and of the last piece, which has none.
    read
        How many were read for this piece, refused ones among them.
    pictures
        What lies beside the file and is named by these rows.
    whole
        Of the last piece: whether everything could be read.
    last
        Whether nothing more follows of what it is from.
    share
        How much has been read by now, from 0 to 1, where that is known.
    """

    rows: Prepared | None
    findings: Findings
    read: int = 0
    pictures: set[Path] = field(default_factory=set)
    whole: bool = False
    last: bool = False
    share: float | None = None


def checked(feed: Feed, shape: Prepared | None, *, world: str | None) -> Iterator[Piece]:
    """Read `feed` from its beginning and check its rows by what `shape` makes of them.

    Without a shape they are only counted.
    """
    findings = Findings()
    try:
        for source, given in pieces(feed, findings):
            pictures = set(picture_places(source))
            parts = _parts(source, shape) if shape is not None else []
            for number, part in enumerate(parts):
                assert shape is not None
                rows = prepare(part, shape.columns, findings, world=world)
                read = given.read if number == len(parts) - 1 else 0
                yield Piece(rows, findings.taken(), read, pictures, share=given.share)
            if not parts:
                yield Piece(None, findings.taken(), given.read, pictures, share=given.share)
    except UnreadableFile as error:
        findings.unread(error, feed.file, feed.stored.plural)
        yield Piece(None, findings.taken(), last=True)
    else:
        yield Piece(None, findings.taken(), whole=True, last=True)


def _parts(source: Source, shape: Prepared) -> list[Source]:
    """Return `source` in parts whose pictures fit into memory together."""
    if shape.columns.file is None:
        return [source]
    return [
        replace(source, cells=source.cells.slice(*at), labels=source.labels.slice(*at))
        for at in shares(source.folder, source.cells.column(shape.columns.file).to_pylist())
    ]


class Ahead(Generic[T]):
    """Gives what `pieces` gives; a thread makes the next while one is in use.

    The thread has ended when the block has, however that ends. A piece may take long, as the
    first of a large workbook does: `idle` is called from time to time until it is there.
    """

    def __init__(self, pieces: Iterator[T], idle: Callable[[], Awaitable[object]]) -> None:
        self._pieces = pieces
        self._idle = idle
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="workbench-import")

    async def __aenter__(self) -> Ahead[T]:
        self._loop = asyncio.get_running_loop()
        self._coming = self._next()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._coming.cancel()
        # The piece that is being made is of no use any more, but nothing can stop it.
        ended = self._loop.run_in_executor(self._thread, getattr(self._pieces, "close", _nothing))
        self._thread.shutdown(wait=False)
        await asyncio.shield(ended)
        self._thread.shutdown(wait=True)  # it has nothing left to do

    def __aiter__(self) -> Ahead[T]:
        return self

    async def __anext__(self) -> T:
        while not (await asyncio.wait({self._coming}, timeout=_IDLE_SECONDS))[0]:
            await self._idle()
        piece = await self._coming
        if piece is None:
            raise StopAsyncIteration
        self._coming = self._next()
        return piece

    def _next(self) -> asyncio.Future[T | None]:
        coming = self._loop.run_in_executor(self._thread, next, self._pieces, None)
        coming.add_done_callback(_heard)
        return coming


def _heard(coming: asyncio.Future[T | None]) -> None:
    """Look at what became of a piece, which perhaps nobody waits for any more."""
    if not coming.cancelled():
        coming.exception()


def _nothing() -> None:
    pass
