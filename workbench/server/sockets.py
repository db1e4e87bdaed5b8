"""The way from the browser to a page's kernel: who may use it, and for which messages."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.ioloop import IOLoop
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from workbench.server.identity import WorkbenchIdentity
from workbench.server.journal import Journal
from workbench.server.kernels import INCOMPLETE_CODE, SESSION_ENDED_CODE

PROTOCOL = "v1.kernel.websocket.jupyter.org"
MAX_MESSAGE_BYTES = 32 * 1024 * 1024  # a picture to upload goes in one message
POLICY_VIOLATION_CODE = 1008

_ALLOWED = {"comm_open", "comm_msg", "comm_close", "comm_info_request", "kernel_info_request"}
# Opening `jupyter.widget` would let the browser make any registered widget class in the kernel.
_COMM_TARGET = "jupyter.widget.control"


class BadFrame(Exception):
    """A message that is not laid out as the v1 protocol says."""


def _parts(frame: object) -> tuple[str, Any, Any]:
    if not isinstance(frame, bytes):
        raise BadFrame
    count = int.from_bytes(frame[:8], "little")
    if count < 6 or 8 * (count + 1) > len(frame):
        raise BadFrame
    offsets = [int.from_bytes(frame[8 * i : 8 * i + 8], "little") for i in range(1, 7)]
    return (
        frame[offsets[0] : offsets[1]].decode(),
        json.loads(frame[offsets[1] : offsets[2]]),
        json.loads(frame[offsets[4] : offsets[5]]),
    )


def refusal(frame: object) -> str | None:
    """Return why a message may not go to the kernel, or None if it may.

    A frame is a count, that many little-endian 64-bit offsets, and the parts they separate:
    channel, header, parent header, metadata, content, buffers.

    Raises
    ------
    BadFrame
        The message is no frame of the v1 protocol.
    """
    try:
        channel, header, content = _parts(frame)
        kind = header["msg_type"]
        target = content.get("target_name") if kind == "comm_open" else _COMM_TARGET
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadFrame from None
    if channel != "shell":
        return f"channel {channel!r}"
    if kind not in _ALLOWED:
        return f"message {kind!r}"
    if target != _COMM_TARGET:
        return f"comm target {target!r}"
    return None


def message_id(frame: object) -> str:
    """Return the id of a message that may go to the kernel."""
    return str(_parts(frame)[1].get("msg_id", ""))


class OwnKernelsOnly(Authorizer):
    """A session may use the kernels it started. Nothing else that asks for leave is served."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Tell whether a request may do `action` to `resource`."""
        kernel_id = handler.path_kwargs.get("kernel_id", "")
        return resource == "kernels" and handler.kernel_manager.owns(user.session, kernel_id)


class WidgetMessages(ZMQChannelsWebsocketConnection):
    """A connection that carries the messages widgets need and no code to run."""

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Pass one message on to the kernel, or refuse it."""
        handler = cast(PageSocket, self.websocket_handler)
        try:
            reason = refusal(incoming_msg)
        except BadFrame:
            handler.close(POLICY_VIOLATION_CODE, "not a v1 message")
            return
        identity = cast(WorkbenchIdentity, handler.identity_provider)
        if not identity.is_live(handler.current_user):
            handler.close(SESSION_ENDED_CODE, "session ended")
            return
        if reason is not None:
            self.log.warning("Refused a %s from the browser.", reason)
            return
        if handler.journal.is_new(message_id(incoming_msg)):
            super().handle_incoming_message(incoming_msg)

    def nudge(self) -> asyncio.Future[None]:
        """Wait until a kernel speaks, unless this connection goes on with the channels of another.

        Those are known to work, and waiting would swallow what comes meanwhile.
        """
        if not self.channels["iopub"].receiving():
            return super().nudge()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class PageSocket(VoilaKernelWebsocketHandler):
    """The socket of a page: v1 protocol only, from our own pages only."""

    last_ping: float
    last_pong: float
    connection: WidgetMessages | None
    journal: Journal
    client: str

    @property
    def log(self) -> Any:
        """The application's log."""
        return self.settings["workbench"].log

    async def pre_get(self) -> None:
        """Refuse what stock handlers let through, then connect."""
        if PROTOCOL not in self.request.headers.get("Sec-WebSocket-Protocol", ""):
            raise HTTPError(400, "This socket speaks the v1 kernel protocol only.")
        if self.request.headers.get("Origin") is None:
            raise HTTPError(403, "This socket is for pages of this server.")
        await super().pre_get()

    async def open(self, kernel_id: str) -> None:
        """Take the place of the page's earlier socket, and send what was lost with it."""
        self.client = self.get_query_argument("session_id", "")
        self.journal = self.kernel_manager.journal(kernel_id, self.client)
        for earlier in self.kernel_manager.socket_opened(kernel_id, self):
            if earlier.client == self.client:
                earlier.let_go()
        received = self.get_query_argument("received", "")
        missed = self.journal.since(int(received)) if received.isdecimal() else []
        for frame in missed or []:
            super().write_message(frame, binary=True)
        await super().open(kernel_id)
        if missed is None:
            self.close(INCOMPLETE_CODE, "more was lost than is kept")

    def let_go(self) -> None:
        """Let go of the kernel at once: closing waits for a browser that may be gone."""
        if self.connection is not None:
            self.connection.disconnect()
            self.connection = None

    def on_message(self, ws_message: Any) -> None:
        """Pass a message on; one that comes after the next socket opened is sent there again."""
        if self.connection is not None:
            super().on_message(ws_message)

    def write_message(self, message: Any, binary: bool = False) -> Any:
        """Send a message, and keep it for the case that it does not arrive."""
        try:
            sending = super().write_message(message, binary)
        except WebSocketClosedError:
            sending = None
        else:
            if sending is None:
                return None  # Voilà does not send code
        self.journal.sent(message)
        return sending

    def send_ping(self) -> None:
        """Ping the browser, and close the socket if the last ping had no answer.

        jupyter_server counts from the last answer, which is as old as the interval when the next
        ping is due: with the longest timeout Tornado takes it would close every socket.
        """
        if self.ws_connection is None:
            self.ping_callback.stop()
            return
        if self.last_pong < self.last_ping:
            self.log.info("A page did not answer; its socket is closed.")
            self.close()
            return
        self.last_ping = IOLoop.current().time()
        self.ping(b"")

    def on_close(self) -> None:
        """Forget the socket."""
        self.kernel_manager.socket_closed(self.kernel_id, self)
        self.let_go()

    def get_compression_options(self) -> dict[str, Any] | None:
        """Compress lightly: tables of text shrink to a quarter at little cost."""
        return {"compression_level": 1}

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer a refused handshake without a page: no person reads it."""
        WebSocketHandler.write_error(self, status_code, **kwargs)
