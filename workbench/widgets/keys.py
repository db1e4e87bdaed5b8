"""Keys that work wherever the focus is, outside of fields; and Back and Forward."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from workbench.widgets.rpc import Handler, Rpc

__all__ = ["Keys"]


class Keys(Rpc):
    """Hears Ctrl-Z (`undo`) and Ctrl-Shift-Z or Ctrl-Y (`redo`); takes no room.

    `visit` is called with the place that the browser's Back or Forward leads to.

    In a notebook it hears them only inside the dashboard that it is part of: there they have
    another meaning elsewhere.
    """

    bundle = "keys"

    def __init__(
        self,
        actions: Mapping[str, Callable[[], Awaitable[None]]],
        visit: Callable[[str], Awaitable[None]],
    ) -> None:
        self._actions, self._visit = actions, visit
        super().__init__()

    def operations(self) -> Mapping[str, Handler]:
        return {"key": self._key, "visit": self._visited}

    async def _visited(self, args: Mapping[str, Any]) -> None:
        await self._visit(str(args.get("place", "")))

    async def _key(self, args: Mapping[str, Any]) -> None:
        action = self._actions.get(str(args.get("name")))
        if action is not None:
            await action()
