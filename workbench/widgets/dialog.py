"""Questions and short messages: a native dialog and a toast."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from workbench.entities.characters import unturned
from workbench.widgets.rpc import Handler, Rpc

__all__ = ["Messages"]


class Messages(Rpc):
    """Asks and tells. Show it once, anywhere on the page; it takes no room.

    A question that is asked while no page shows this widget is never answered.
    """

    bundle = "dialog"

    def __init__(self, **traits: object) -> None:
        super().__init__(**traits)
        self._asked: dict[str, asyncio.Future[bool]] = {}
        self._actions: dict[str, Callable[[], object]] = {}

    def operations(self) -> Mapping[str, Handler]:
        return {"answer": self._answered}

    async def confirm(
        self,
        title: str,
        text: str = "",
        *,
        agree: str = "Yes",
        refuse: str = "Cancel",
        danger: bool = False,
    ) -> bool:
        """Ask, and return whether the person agreed; dismissing the dialog is a no."""
        id = uuid4().hex
        self._asked[id] = asyncio.get_running_loop().create_future()
        self.tell(
            "ask", id=id, title=unturned(title), text=unturned(text), agree=agree, refuse=refuse,
            danger=danger, compared=[],
        )  # fmt: skip
        try:
            return await self._asked[id]
        finally:
            del self._asked[id]

    def toast(
        self,
        text: str,
        *,
        bad: bool = False,
        action: str = "",
        on_action: Callable[[], object] | None = None,
    ) -> None:
        """Say `text` for some seconds; `action` names a button that calls `on_action`."""
        id = uuid4().hex
        if on_action is not None:
            self._actions[id] = on_action
        self.tell("toast", id=id, text=unturned(text), bad=bad, action=action if on_action else "")

    async def _answered(self, args: Mapping[str, Any]) -> None:
        id, agreed = str(args.get("id")), args.get("answer") == "agree"
        if (asked := self._asked.get(id)) is not None and not asked.done():
            asked.set_result(agreed)
        elif agreed and (action := self._actions.pop(id, None)) is not None:
            action()
