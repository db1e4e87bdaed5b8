"""The way from the browser to a page's kernel: who may use it, and for which messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any, cast

from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.ioloop import IOLoop
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from workbench.server.frames import PROTOCOL, BadFrame, said
from workbench.server.identity import WorkbenchIdentity
from workbench.server.journal import Journal
from workbench.server.kernels import INCOMPLETE_CODE, SESSION_ENDED_CODE, TooManyPages
from workbench.server.pages import security_headers

MAX_MESSAGE_BYTES = 32 * 1024 * 1024  # a picture to upload goes in one message
POLICY_VIOLATION_CODE = 1008
TRY_LATER_CODE = 1013

# For a browser that does not read: so much, and it is not listened to; then it is let go.
_UNSENT_MESSAGES = 500
_MAX_UNSENT_MESSAGES = 20_000
_MAX_UNSENT_BYTES = 64 * 1024 * 1024
_MAX_REFUSED = 20  # of a socket; our own page sends none
_MAX_PAUSE_SECONDS = 300.0
_MAX_CLIENT_CHARACTERS = 64
_MAX_DIGITS = 15
_TOLD = ("stream", "error")  # kinds of messages that may say what went wrong


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
            handler.end(POLICY_VIOLATION_CODE, "not a v1 message")
            return
        identity = cast(WorkbenchIdentity, handler.identity_provider)
        if not identity.is_live(handler.current_user):
            handler.end(SESSION_ENDED_CODE, "session ended")
            return
        if message.refusal is not None:
            self.log.warning("Refused a %s from the browser.", message.refusal)
            handler.refused += 1
            if handler.refused >= _MAX_REFUSED:
                handler.end(POLICY_VIOLATION_CODE, "refused")
            return
        if handler.journal.is_new(message.id):
            handler.journal.waits(message.id, len(incoming_msg))
            super().handle_incoming_message(incoming_msg)

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        """Pass one message on to the browser; note what the kernel has dealt with, or failed at."""
        if getattr(stream, "channel", stream) == "iopub":
            _, parts = self.session.feed_identities(outgoing_msg)
            header, parent, content = (cast(bytes, parts[i]) for i in (1, 2, 4))
            kind = json.loads(header)["msg_type"]  # contents may be large: most stay unread
            if kind in _TOLD:
                self.tell(json.loads(content))
            elif kind == "status" and json.loads(content)["execution_state"] == "idle":
                cast(PageSocket, self.websocket_handler).journal.done(
                    json.loads(parent).get("msg_id", "")
                )
        super().handle_outgoing_message(stream, outgoing_msg)

    def tell(self, content: Any) -> None:
        """Log what went wrong in a page after it was shown: nobody else is told."""
        if content.get("name") == "stderr":
            self.log.warning("A page of the dashboard says: %s", content["text"].rstrip())
        elif "traceback" in content:
            self.log.error("A page of the dashboard failed:\n%s", "\n".join(content["traceback"]))

    def request_kernel_info(self) -> asyncio.Future[Any]:
        """Ask nothing before the browser is answered: the kernel is ours, and its cells may run."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result({})
        return done

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
    refused = 0
    _unsent = _unsent_bytes = 0
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
        self._read = asyncio.Event()
        self.client = self.get_query_argument("session_id", "")
        if not 0 < len(self.client) <= _MAX_CLIENT_CHARACTERS or not self.client.isascii():
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
                earlier.end()
        received = self.get_query_argument("received", "")[:_MAX_DIGITS]
        missed = self.journal.since(int(received)) if received.isdecimal() else []
        for frame in missed or []:
            super().write_message(frame, binary=True)
        await self.kernel_manager.until_shown(kernel_id)
        if kernel_id not in self.kernel_manager:
            self.close()
            return
        await super().open(kernel_id)
        if missed is None:
            self.close(INCOMPLETE_CODE, "more was lost than is kept")

    def let_go(self) -> None:
        """Let go of the kernel at once: closing waits for a browser that may be gone."""
        if self.connection is not None:
            self.connection.disconnect()
            self.connection = None

    def end(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the socket, and take nothing more from it until the browser has closed it too."""
        self.let_go()
        self.close(code, reason)

    def on_message(self, ws_message: Any) -> Awaitable[None] | None:
        """Pass a message on; one that comes after the next socket opened is sent there again.

        Nothing more is read from the browser while what is returned is awaited.
        """
        if self.connection is None:
            return None
        super().on_message(ws_message)
        seconds = self.journal.pace(len(ws_message))
        full = self.journal.is_full or self._unsent > _UNSENT_MESSAGES
        return self._pause(seconds) if seconds or full else None

    async def _pause(self, seconds: float) -> None:
        """Wait until the kernel has dealt with enough, and the browser has read enough."""
        self._paused = True
        try:
            async with asyncio.timeout(seconds + _MAX_PAUSE_SECONDS):
                await asyncio.sleep(seconds)
                await self.journal.room()
                while self._unsent > _UNSENT_MESSAGES and self.ws_connection is not None:
                    self._read.clear()
                    await self._read.wait()
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
            self._unsent -= 1
            self._unsent_bytes -= size
            if self._unsent <= _UNSENT_MESSAGES:
                self._read.set()
            if not done.cancelled():
                done.exception()  # a browser that is gone: `on_close` hears of it

        self._unsent += 1
        self._unsent_bytes += size
        sending.add_done_callback(sent)
        if self._unsent > _MAX_UNSENT_MESSAGES or self._unsent_bytes > _MAX_UNSENT_BYTES:
            self.log.warning("A page does not read what it is sent; its socket is closed.")
            self.end(TRY_LATER_CODE, "not read")

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
