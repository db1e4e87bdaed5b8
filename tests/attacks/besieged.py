"""A dashboard's server in a process of its own, people signed in to it, and ways to misuse it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import struct
import sys
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from workbench.auth.acting import Caller
from workbench.auth.identity import Identity
from workbench.auth.sessions import Sessions
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.users import acting_user

T = TypeVar("T")
_DAY = timedelta(days=1)
PROTOCOL = "v1.kernel.websocket.jupyter.org"
PUBLIC = "https://bench.example.org"
HOST = "bench.example.org"

_sockets: list[WebSocketClientConnection] = []
_CONFTEST = Path(__file__).resolve().parents[1] / "server" / "conftest.py"


def _dashboard() -> Any:
    """Return what the tests of the server use; a conftest is nobody's to import by name."""
    name = "dashboard_of_the_tests"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _CONFTEST)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


dashboard = _dashboard()
wait_until = dashboard.wait_until

NOTEBOOK = """
import json, os, sys, time
import ipywidgets as widgets
from IPython.display import display

text = widgets.Text()
sleep = widgets.Button(description="Sleep")
sleep.on_click(lambda _: time.sleep(float(text.value)))
print(json.dumps({
    "environment": dict(os.environ), "pid": os.getpid(), "cwd": os.getcwd(),
    "text": text.comm.comm_id, "sleep": sleep.comm.comm_id,
}))
display(widgets.VBox([text, sleep]))
"""


class Site:
    """A server, and everybody who comes to it."""

    def __init__(
        self, server: Any, notebook: Path, port: int, public_url: str | None = None
    ) -> None:
        self.server, self.notebook = server, notebook
        self.port, self.public_url = port, public_url

    @property
    def origin(self) -> str:
        return self.public_url or f"http://127.0.0.1:{self.port}"

    @property
    def cookie(self) -> str:
        secure = (self.public_url or "").startswith("https:")
        return "__Host-workbench-session" if secure else f"workbench-session-{self.port}"

    def visitor(self) -> Any:
        """Return somebody who is not signed in."""
        return dashboard.Visitor(self.port)

    def run(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Do something as the owner of the database."""

        async def whole() -> T:
            database = Database(Address.parse(self.server.database))
            try:
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(whole())

    def sql(self, statement: str, *values: object) -> list[asyncpg.Record]:
        async def work(_: Database) -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.server.database)
            try:
                return list(await connection.fetch(statement, *values))
            finally:
                await connection.close()

        return self.run(work)

    def user(self, name: str, role: str = "editor") -> UUID:
        return self.run(lambda owner: acting_user(owner, f"{name}@example.org", role=role))

    def sign_in(self, name: str, role: str = "editor", identity: Identity | None = None) -> Any:
        """Return a browser with a fresh session of somebody, as any sign-in would start it."""
        user = self.user(name, role)
        self.sql(
            "UPDATE \"user\" SET first_name = 'A', last_name = 'B' WHERE id = $1"
            " AND first_name IS NULL",
            user,
        )

        async def start(owner: Database) -> str:
            sessions = Sessions(owner, idle=_DAY, lifetime=_DAY)
            caller = Caller("192.0.2.1", "test")
            return await sessions.start(user, caller, provider="example", identity=identity)

        visitor = self.visitor()
        visitor.cookies[self.cookie] = self.run(start)
        return visitor

    def open_page(self, visitor: Any) -> Any:
        page = visitor.open_page()
        assert page.kernel_id, page.text
        return page

    def raw(self, request: bytes, seconds: float = 20) -> bytes:
        """Send bytes, and return what comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as connection:
            connection.sendall(request)
            parts = []
            try:
                while part := connection.recv(65536):
                    parts.append(part)
            except ConnectionResetError:
                pass
            return b"".join(parts)

    async def socket(
        self,
        visitor: Any,
        kernel_id: str,
        *,
        protocol: str = PROTOCOL,
        client: str = "test",
        **headers: str | None,
    ) -> WebSocketClientConnection:
        given = {"Cookie": visitor.cookie_header, "Origin": self.origin}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        address = f"ws://127.0.0.1:{self.port}/api/kernels/{kernel_id}/channels"
        request = HTTPRequest(
            f"{address}?session_id={client}",
            headers={name: value for name, value in given.items() if value is not None},
        )
        made = await websocket_connect(
            request, subprotocols=[protocol] if protocol else None, max_message_size=2**28
        )
        _sockets.append(made)
        return made

    async def refusal(self, *arguments: Any, **options: Any) -> int:
        """Return the status that a socket is refused with; 0 if it opens."""
        try:
            (await self.socket(*arguments, **options)).close()
        except HTTPClientError as refused:
            return refused.code
        return 0


def hang_up() -> None:
    """Close all sockets that were opened."""
    while _sockets:
        _sockets.pop().close()


def header_of(kind: str) -> dict[str, Any]:
    return {
        "msg_id": uuid4().hex,
        "msg_type": kind,
        "session": "test",
        "username": "",
        "date": "2026-01-01T00:00:00Z",
        "version": "5.3",
    }


def frame(
    channel: str,
    kind: str = "",
    content: object = None,
    *,
    header: bytes | None = None,
    buffers: tuple[bytes, ...] = (),
) -> bytes:
    """Return a message as our page lays it out; `header` is sent as it is."""
    told = header if header is not None else json.dumps(header_of(kind)).encode()
    parts = [channel.encode(), told, b"{}", b"{}", json.dumps(content or {}).encode(), *buffers]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return words(len(offsets), *offsets) + b"".join(parts)


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(8, "little") for number in numbers)


def opened(message: Any) -> tuple[str, dict, dict, bytes]:
    """Return kind, header of the message it answers, and content of a message from the server."""
    count = int.from_bytes(message[:8], "little")
    offsets = [int.from_bytes(message[8 * i : 8 * i + 8], "little") for i in range(1, count + 1)]
    parts = [message[a:b] for a, b in pairwise(offsets)]
    header, parent, _, content = (json.loads(part) for part in parts[1:5])
    return header["msg_type"], parent, content, parts[0]


async def answered(connection: WebSocketClientConnection, seconds: float = 30) -> dict:
    """Ask the kernel who it is, and return what it says: everything before has been dealt with."""
    connection.write_message(frame("shell", "kernel_info_request"), binary=True)
    async with asyncio.timeout(seconds):
        while True:
            message = await connection.read_message()
            assert message is not None, f"closed with {connection.close_code}"
            kind, _, content, _ = opened(message)
            if kind == "kernel_info_reply":
                return content


async def closed(connection: WebSocketClientConnection, seconds: float = 20) -> int | None:
    """Wait until the server closes a socket, and return the code."""
    async with asyncio.timeout(seconds):
        while await connection.read_message() is not None:
            pass
    return connection.close_code


def compressed_frame(plain: bytes) -> bytes:
    """Return a WebSocket frame whose payload is compressed, as a browser would mask it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(plain) + packer.flush(zlib.Z_SYNC_FLUSH)
    payload = packed.removesuffix(b"\x00\x00\xff\xff")
    return b"\xc2" + b"\xff" + struct.pack("!Q", len(payload)) + bytes(4) + payload


@contextmanager
def raw_socket(site: Site, visitor: Any, kernel_id: str) -> Iterator[socket.socket]:
    """Give a WebSocket whose frames are written by hand."""
    with socket.create_connection(("127.0.0.1", site.port), 20) as connection:
        lines = [
            f"GET /api/kernels/{kernel_id}/channels?session_id=raw HTTP/1.1",
            f"Host: 127.0.0.1:{site.port}",
            f"Origin: {site.origin}",
            f"Cookie: {visitor.cookie_header}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            f"Sec-WebSocket-Protocol: {PROTOCOL}",
            "Sec-WebSocket-Extensions: permessage-deflate",
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(1)
        assert b" 101 " in answer, answer
        assert b"permessage-deflate" in answer
        yield connection


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])
