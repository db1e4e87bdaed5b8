"""Files from the browser: dropped or chosen, sent in pieces, and what each is taken for."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

import traitlets

from workbench.widgets.inbox import PIECE_BYTES
from workbench.widgets.rpc import Handler, Rpc

__all__ = ["Desk", "Upload"]


class Desk(Protocol):
    """Where files arrive, and where it is said what they are."""

    def begin(self, name: str, size: int) -> str:
        """Make room for a file, and return its key."""

    def write(self, key: str, offset: int, data: bytes) -> None:
        """Take its next piece."""

    def end(self, key: str) -> Awaitable[None]:
        """Take note that all of it has come."""

    def drop(self, key: str) -> Awaitable[None]:
        """Let go of a file."""

    def choose(self, key: str, table: str) -> Awaitable[None]:
        """Take its rows for those of a table."""

    def mean(self, key: str, header: str, name: str) -> Awaitable[None]:
        """Let a column stand for one of the table."""


class Upload(Rpc):
    """A place to drop files on, with a button; below it the files that are there.

    Attributes
    ----------
    files
        What is shown of each: `key`, `name`, `size`, `told`, the columns that somebody said the
        meaning of, and `looks`, what it was taken for.
    accept
        The endings that the browser offers.
    note
        What is taken, and how much of it.
    busy
        Whether nothing may be changed now.
    """

    bundle = "upload"

    files = traitlets.List(traitlets.Dict()).tag(sync=True)
    tables = traitlets.List(traitlets.Unicode()).tag(sync=True)
    accept = traitlets.Unicode("").tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)
    piece_bytes = traitlets.Int(PIECE_BYTES).tag(sync=True)

    def __init__(self, desk: Desk, **traits: object) -> None:
        self._desk = desk
        super().__init__(**traits)

    def operations(self) -> Mapping[str, Handler]:
        return {
            "begin": self._begin,
            "piece": self._piece,
            "end": self._end,
            "drop": self._drop,
            "table": self._table,
            "column": self._column,
        }

    async def _begin(self, args: Mapping[str, Any]) -> object:
        return {"key": self._desk.begin(str(args.get("name", "")), args.get("size", -1))}

    async def _piece(self, args: Mapping[str, Any]) -> None:
        self._desk.write(str(args.get("key")), args.get("offset", -1), args["bytes"])

    async def _end(self, args: Mapping[str, Any]) -> None:
        await self._desk.end(str(args.get("key")))

    async def _drop(self, args: Mapping[str, Any]) -> None:
        await self._desk.drop(str(args.get("key")))

    async def _table(self, args: Mapping[str, Any]) -> None:
        await self._desk.choose(str(args.get("key")), str(args.get("table", "")))

    async def _column(self, args: Mapping[str, Any]) -> None:
        await self._desk.mean(
            str(args.get("key")), str(args.get("header", "")), str(args.get("name", ""))
        )
