"""Everything there is of a table, read, checked and put into the database piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from workbench.entities import STORED, Stored
from workbench.transfer.findings import Findings
from workbench.transfer.outside import Outside
from workbench.transfer.prepare import Prepared, shape_of
from workbench.transfer.readers import Opened
from workbench.transfer.report import Progress, TableCounts, Watcher
from workbench.transfer.source import Feed
from workbench.transfer.stage import Staged, forget, send, sent, stage, staged
from workbench.transfer.stream import Ahead, Piece, checked


@dataclass
class Shape:
    """What is open, what its columns stand for, and what was found out about them.

    Attributes
    ----------
    columns
        As rows are made ready, without rows; None if a column is missing.
    """

    feed: Feed
    columns: Prepared | None
    findings: Findings


def shapes(opened: Opened, world: str | None) -> list[Shape]:
    """Return what the columns of all that is open stand for."""
    found = []
    for feed in opened.feeds:
        findings = Findings()
        found.append(Shape(feed, shape_of(feed, findings, world=world), findings))
    return found


@dataclass
class Intake:
    """Takes in what is open, for one attempt at an import.

    Attributes
    ----------
    pictures
        What lies beside files and was named by their rows.
    """

    connection: asyncpg.Connection
    shapes: Sequence[Shape]
    world: str | None
    findings: Findings
    counts: dict[str, TableCounts]
    outside: Outside
    watch: Watcher
    pictures: set[Path] = field(default_factory=set)

    async def __aenter__(self) -> Intake:
        # One thread reads ahead of all tables: while one is planned, it has begun with the next.
        self._pieces = Ahead(self._all(), self._still_there)
        await self._pieces.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._pieces.__aexit__(*raised)

    def _all(self) -> Iterator[Piece]:
        for stored in STORED.values():
            for shape in self._of(stored):
                yield from checked(shape.feed, shape.columns, world=self.world)

    def _of(self, stored: Stored[Any, Any]) -> list[Shape]:
        return [shape for shape in self.shapes if shape.feed.stored is stored]

    async def table(self, stored: Stored[Any, Any]) -> Staged | None:
        """Put all there is of a table into the database; None if there is nothing.

        Tables are asked for in their order, every one of them.
        """
        mine = self._of(stored)
        table = staged(stored, [shape.columns for shape in mine if shape.columns is not None])
        if table.sources:
            await stage(self.connection, table)
        source, good = 0, False
        for shape in mine:
            if shape.columns is None:
                await self._take(shape, None, 0)
                continue
            if await self._take(shape, table, source):
                good = True
            else:
                await forget(self.connection, table, source)
            source += 1
        if good:
            await sent(self.connection, table)
        return table if good else None

    async def _take(self, shape: Shape, table: Staged | None, source: int) -> bool:
        """Read one source to its end, and put its rows into the table; say whether that went.

        Without a table they are only counted.
        """
        feed, plural = shape.feed, shape.feed.stored.plural
        read, whole, first = 0, False, True
        before = 0 if table is None else table.rows
        self.watch(Progress("check", plural, before, 0))
        self.watch(Progress("send", plural, before, 0))
        async for piece in self._pieces:
            self.findings.merge(piece.findings)
            if first:  # how a file was read is told before what its columns are
                self.findings.merge(shape.findings)
            first = False
            self.pictures |= piece.pictures
            read, whole = read + piece.read, piece.whole
            total = 0 if piece.share is None else round(read / (piece.share or 1))
            total = before + (read if whole else total)
            self.watch(Progress("check", plural, before + read, total))
            if piece.rows is not None and table is not None:
                outside = await self.outside.ids(piece.rows)
                await send(self.connection, table, source, piece.rows, outside)
                self.watch(Progress("send", plural, table.rows, total))
            if piece.last:
                break
        if table is not None:
            self.watch(Progress("send", plural, table.rows, table.rows))
        if whole:
            self.counts.setdefault(plural, TableCounts()).read += read
            if table is None:
                self.findings.reject_all(feed.file, plural, read)
        return whole

    async def _still_there(self) -> None:
        """Let the database know that the transaction goes on."""
        await self.connection.execute("SELECT 1")
