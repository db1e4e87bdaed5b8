"""Going anywhere by typing: Ctrl-K opens a list that is searched where the records are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from workbench.widgets.rpc import Handler, Rpc
from workbench.widgets.source import Choice

__all__ = ["Palette"]


class Palette(Rpc):
    """Asks `find` for what fits the words that are typed, and tells `open` what was chosen.

    It shows a button; Ctrl-K opens it from anywhere in the page.
    """

    bundle = "palette"

    def __init__(
        self,
        find: Callable[[str], Awaitable[Sequence[Choice]]],
        go: Callable[[str], Awaitable[None]],
    ) -> None:
        self._find, self._go = find, go
        super().__init__()

    def operations(self) -> Mapping[str, Handler]:
        return {"find": self._found, "open": self._chosen}

    async def _found(self, args: Mapping[str, Any]) -> object:
        return [asdict(choice) for choice in await self._find(str(args.get("term", "")))]

    async def _chosen(self, args: Mapping[str, Any]) -> None:
        await self._go(str(args.get("value", "")))
