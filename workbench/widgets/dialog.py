"""Questions: a native dialog."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from workbench.entities.characters import unturned
from workbench.widgets.rpc import Handler, Rpc

__all__ = ["Messages"]


class Messages(Rpc):
    """Asks. Show it once, anywhere on the page; it takes no room.

    A question that is asked while no page shows this widget is never answered.
    """

    bundle = "dialog"

    def __init__(self, **traits: object) -> None:
        super().__init__(**traits)
        self._asked: dict[str, asyncio.Future[bool]] = {}

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
            danger=danger,
        )  # fmt: skip
        try:
            return await self._asked[id]
        finally:
            del self._asked[id]

    async def _answered(self, args: Mapping[str, Any]) -> None:
        id, agreed = str(args.get("id")), args.get("answer") == "agree"
        if (asked := self._asked.get(id)) is not None and not asked.done():
            asked.set_result(agreed)
