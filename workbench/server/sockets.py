"""The way from the browser to a page's kernel: who may use it, and for which messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.ioloop import IOLoop
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from workbench.server.identity import WorkbenchIdentity
from workbench.server.journal import Journal
from workbench.server.kernels import INCOMPLETE_CODE, SESSION_ENDED_CODE, TooManyPages
from workbench.server.pages import security_headers

PROTOCOL = "v1.kernel.websocket.jupyter.org"
MAX_MESSAGE_BYTES = 32 * 1024 * 1024  # a picture to upload goes in one message
POLICY_VIOLATION_CODE = 1008
TRY_LATER_CODE = 1013

_MAX_UNSENT_BYTES = 64 * 1024 * 1024  # for a browser that does not read
_MAX_PAUSE_SECONDS = 300.0
_MAX_PARTS = 1000  # a channel, four of JSON, and buffers
_MAX_JSON_BYTES = 64 * 1024  # of what is looked at here; what widgets say is not
_MAX_ID_CHARACTERS = 64
_MAX_DIGITS = 15

_ALLOWED = {"comm_open", "comm_msg", "comm_close", "comm_info_request", "kernel_info_request"}
_HEADER = {"msg_id", "msg_type", "session", "username", "date", "version"}
# Opening `jupyter.widget` would let the browser make any registered widget class in the kernel.
_COMM_TARGET = "jupyter.widget.control"


class BadFrame(Exception):
    """A message that is not laid out as the v1 protocol says."""


@dataclass(frozen=True)
class Said:
    """What a message from the browser is."""

    id: str
    refusal: str | None
    """Why it may not go to the kernel, or None if it may."""


def said(frame: object) -> Said:
    """Return what a message is.

    A frame is a count, that many little-endian 64-bit offsets, and the parts they separate:
    channel, header, parent header, metadata, content, buffers. Another reader must find the same
    in it, so there is one way to lay it out, and no key comes twice.

    Raises
    ------
    BadFrame
        The message is no frame of the v1 protocol.
    """
    parts = _parts(frame)
    try:
        channel, header = parts[0].decode(), _json(parts[1])
        kind, message_id = header["msg_type"], header["msg_id"]
        if not set(header) <= _HEADER or not all(isinstance(v, str) for v in header.values()):
            raise BadFrame
        if not 0 < len(message_id) <= _MAX_ID_CHARACTERS:
            raise BadFrame
        target = _json(parts[4]).get("target_name") if kind == "comm_open" else _COMM_TARGET
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadFrame from None
    if channel != "shell":
        return Said(message_id, f"channel {channel[:_MAX_ID_CHARACTERS]!r}")
    if kind not in _ALLOWED:
        return Said(message_id, f"message {kind[:_MAX_ID_CHARACTERS]!r}")
    if target != _COMM_TARGET:
        return Said(message_id, f"comm target {str(target)[:_MAX_ID_CHARACTERS]!r}")
    return Said(message_id, None)


def refusal(frame: object) -> str | None:
    """Return why a message may not go to the kernel, or None if it may."""
    return said(frame).refusal


def _parts(frame: object) -> list[bytes]:
    """Return the parts of a frame, which must follow one another and fill it.

    Parts that overlap would make gigabytes of a small message.
    """
    if not isinstance(frame, bytes):
        raise BadFrame
    count = int.from_bytes(frame[:8], "little")
    start = 8 * (count + 1)
    if not 6 <= count <= _MAX_PARTS or start > len(frame):
        raise BadFrame
    offsets = [int.from_bytes(frame[i : i + 8], "little") for i in range(8, start, 8)]
    if (offsets[0], offsets[-1]) != (start, len(frame)) or offsets != sorted(offsets):
        raise BadFrame
    return [frame[a:b] for a, b in pairwise(offsets)]


def _json(part: bytes) -> Any:
    if len(part) > _MAX_JSON_BYTES:
        raise BadFrame
    # Decoded here: given bytes, json also reads UTF-16, which the kernel does not.
    return json.loads(part.decode(), object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise BadFrame
    return found


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
            message = said(incoming_msg)
        except BadFrame:
            handler.close(POLICY_VIOLATION_CODE, "not a v1 message")
            return
        identity = cast(WorkbenchIdentity, handler.identity_provider)
        if not identity.is_live(handler.current_user):
            handler.close(SESSION_ENDED_CODE, "session ended")
            return
        if message.refusal is not None:
            self.log.warning("Refused a %s from the browser.", message.refusal)
            return
        if handler.journal.is_new(message.id):
            handler.journal.waits(message.id, len(incoming_msg))
            super().handle_incoming_message(incoming_msg)

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        """Pass one message on to the browser, and note what the kernel has dealt with."""
        handler = cast(PageSocket, self.websocket_handler)
        if handler.journal.backlog and getattr(stream, "channel", stream) == "iopub":
            _, parts = self.session.feed_identities(outgoing_msg)
            header, parent, content = (cast(bytes, parts[i]) for i in (1, 2, 4))
            status = json.loads(header)["msg_type"] == "status"  # others may be large
            if status and json.loads(content)["execution_state"] == "idle":
                handler.journal.done(json.loads(parent).get("msg_id", ""))
        super().handle_outgoing_message(stream, outgoing_msg)

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
    _unsent_bytes = 0
    _paused = False

    @property
    def log(self) -> Any:
        """The application's log."""
        return self.settings["workbench"].log

    def check_origin(self, origin: str | None = None) -> bool:
        """Tell whether a page of ours opens the socket, whatever host the request names."""
        return self.request.headers.get("Origin") in self.settings["workbench"].origins

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Speak v1: with any other the kernel's side would read frames in another way."""
        return PROTOCOL if PROTOCOL in subprotocols else None

    async def pre_get(self) -> None:
        """Refuse what stock handlers let through, then connect."""
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        if self.select_subprotocol([one.strip() for one in offered]) is None:
            raise HTTPError(400, "This socket speaks the v1 kernel protocol only.")
        self.client = self.get_query_argument("session_id", "")
        if not 0 < len(self.client) <= _MAX_ID_CHARACTERS or not self.client.isascii():
            raise HTTPError(400, "The page did not say which it is.")
        if not self.check_origin():
            raise HTTPError(403, "This socket is for pages of this server.")
        await super().pre_get()
        try:
            self.journal = self.kernel_manager.journal(self.kernel_id, self.client)
        except TooManyPages as refused:
            raise HTTPError(429, str(refused)) from None

    async def open(self, kernel_id: str) -> None:
        """Take the place of the page's earlier socket, and send what was lost with it."""
        for earlier in self.kernel_manager.socket_opened(kernel_id, self):
            if earlier.client == self.client:
                earlier.let_go()
                earlier.close()
        received = self.get_query_argument("received", "")[:_MAX_DIGITS]
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

    def on_message(self, ws_message: Any) -> Awaitable[None] | None:
        """Pass a message on; one that comes after the next socket opened is sent there again.

        Nothing more is read from the browser while what is returned is awaited.
        """
        if self.connection is None:
            return None
        super().on_message(ws_message)
        return self._pause() if self.journal.is_full else None

    async def _pause(self) -> None:
        """Wait until the kernel has dealt with enough of what it was sent."""
        self._paused = True
        try:
            async with asyncio.timeout(_MAX_PAUSE_SECONDS):
                await self.journal.room()
        except TimeoutError:
            self.close(TRY_LATER_CODE, "the kernel is busy")
        finally:
            self._paused = False
            self.last_pong = self.last_ping  # the answer was not read meanwhile

    def write_message(self, message: Any, binary: bool = False) -> Any:
        """Send a message, and keep it for the case that it does not arrive."""
        try:
            sending = super().write_message(message, binary)
        except WebSocketClosedError:
            sending = None
        else:
            if sending is None:
                return None  # Voilà does not send code
            self._sending(sending, len(message))
        self.journal.sent(message)
        return sending

    def _sending(self, sending: asyncio.Future[None], size: int) -> None:
        """Close the socket when more waits for the browser than it seems to read."""

        def sent(done: asyncio.Future[None]) -> None:
            self._unsent_bytes -= size
            if not done.cancelled():
                done.exception()  # a browser that is gone: `on_close` hears of it

        self._unsent_bytes += size
        sending.add_done_callback(sent)
        if self._unsent_bytes > _MAX_UNSENT_BYTES:
            self.log.warning("A page does not read what it is sent; its socket is closed.")
            self.let_go()
            self.close(TRY_LATER_CODE, "not read")

    def send_ping(self) -> None:
        """Ping the browser, and close the socket if the last ping had no answer.

        jupyter_server counts from the last answer, which is as old as the interval when the next
        ping is due: with the longest timeout Tornado takes it would close every socket.
        """
        if self.ws_connection is None:
            self.ping_callback.stop()
            return
        if self.last_pong < self.last_ping and not self._paused:
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
        for name, value in security_headers("", secure=self.identity_provider.secure).items():
            self.set_header(name, value)
        WebSocketHandler.write_error(self, status_code, **kwargs)
