"""Requests from a widget's front end, answered by coroutines in the kernel.

The browser sends {t: "req", id, op, args} and is answered {t: "res", id, ok, data} or
{t: "res", id, ok: false, error: {kind, message, …}}; see `wire.failure` for the kinds.

Bytes travel beside the JSON: those of a request are `args["bytes"]`, and a handler that returns
bytes answers with them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import anywidget
import traitlets

from workbench.widgets import assets
from workbench.widgets.tasks import TaskSet
from workbench.widgets.wire import failure, json_safe

Handler: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[object]]


class Rpc(anywidget.AnyWidget):
    """Base of our own widgets: a bundle to load and operations to answer."""

    bundle: ClassVar[str]
    _esm = traitlets.Unicode().tag(sync=True)

    def __init__(self, **traits: object) -> None:
        super().__init__(**traits)
        self.tasks = TaskSet()
        self.on_msg(self._received)

    @traitlets.default("_esm")
    def _stub(self) -> str:
        return assets.stub(self.bundle)

    def operations(self) -> Mapping[str, Handler]:
        """Return what the front end may ask for; nothing else is ever called."""
        return {}

    def tell(self, kind: str, **content: object) -> None:
        """Send the front end a message that answers no request."""
        self.send({"t": kind, **json_safe(content)})

    def _received(
        self, _widget: object, message: Mapping[str, Any], buffers: Sequence[Any]
    ) -> None:
        if message.get("t") == "req":
            self.tasks.start(self._answer(message, buffers))
        elif message.get("t") == "source":
            self.tell("source", text=assets.source(self.bundle))

    async def _answer(self, request: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        answer = {"t": "res", "id": request.get("id")}
        try:
            handler = self.operations()[str(request.get("op"))]
            args = {**(request.get("args") or {}), "bytes": bytes(buffers[0]) if buffers else b""}
            data = await handler(args)
        except Exception as error:  # whatever it is, the browser must be answered
            self.send({**answer, "ok": False, "error": json_safe(failure(error))})
        else:
            if isinstance(data, bytes):
                self.send({**answer, "ok": True}, [data])
            else:
                self.send({**answer, "ok": True, "data": json_safe(data)})
