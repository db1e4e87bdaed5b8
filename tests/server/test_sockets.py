"""What may go from a browser to a kernel, and whose kernel."""

from __future__ import annotations

import asyncio
import json
import logging
from types import SimpleNamespace
from uuid import uuid4

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketClientConnection, websocket_connect

from workbench.server.frames import PROTOCOL, BadFrame, refusal
from workbench.server.kernels import PageKernels, TooManyPages
from workbench.server.sockets import PageSocket


def frame(channel: str, kind: str, content: dict) -> bytes:
    header = {
        "msg_id": uuid4().hex,
        "msg_type": kind,
        "session": "test",
        "username": "",
        "date": "2026-01-01T00:00:00Z",
        "version": "5.3",
    }
    parts = [channel.encode(), *(json.dumps(part).encode() for part in (header, {}, {}, content))]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    numbers = [len(offsets), *offsets]
    return b"".join(number.to_bytes(8, "little") for number in numbers) + b"".join(parts)


def read(message: bytes) -> tuple[str, dict]:
    offsets = [int.from_bytes(message[8 * i : 8 * i + 8], "little") for i in range(1, 7)]
    kind = json.loads(message[offsets[1] : offsets[2]])["msg_type"]
    return kind, json.loads(message[offsets[4] : offsets[5]])


async def connect(
    visitor,
    kernel_id: str,
    protocol: str = PROTOCOL,
    origin: str | None = "",
    client: str = "test",
    received: int | None = None,
) -> WebSocketClientConnection:
    headers = {"Cookie": visitor.cookie_header}
    if origin is not None:
        headers["Origin"] = origin or f"http://127.0.0.1:{visitor.port}"
    address = f"ws://127.0.0.1:{visitor.port}/api/kernels/{kernel_id}/channels?session_id={client}"
    if received is not None:
        address += f"&received={received}"
    request = HTTPRequest(address, headers=headers)
    return await websocket_connect(request, subprotocols=[protocol])


async def received(socket: WebSocketClientConnection, kind: str) -> dict:
    """Return the content of the next message of one kind."""
    async with asyncio.timeout(20):
        while True:
            message = await socket.read_message()
            assert message is not None, f"closed with {socket.close_code}"
            found, content = read(message)
            if found == kind:
                return content


async def status_of_refusal(*arguments, **options) -> int:
    with pytest.raises(HTTPClientError) as refused:
        await connect(*arguments, **options)
    return refused.value.code


@pytest.fixture(scope="module")
def visitor(server):
    return server.signed_in()


@pytest.fixture(scope="module")
def page(visitor):
    return visitor.open_page()


async def test_a_page_reaches_its_own_kernel(visitor, page):
    socket = await connect(visitor, page.kernel_id)
    socket.write_message(frame("shell", "kernel_info_request", {}), binary=True)
    assert (await received(socket, "kernel_info_reply"))["status"] == "ok"
    socket.close()


async def test_a_socket_without_a_cookie_is_refused(server, page):
    assert await status_of_refusal(server.visitor(), page.kernel_id) == 403


async def test_a_socket_from_another_site_is_refused(visitor, page):
    for origin in ("http://evil.example", f"http://127.0.0.1:{visitor.port + 1}", "null"):
        assert await status_of_refusal(visitor, page.kernel_id, origin=origin) == 403


async def test_a_socket_that_does_not_say_where_it_comes_from_is_refused(visitor, page):
    assert await status_of_refusal(visitor, page.kernel_id, origin=None) == 403


async def test_only_the_v1_protocol_is_spoken(visitor, page):
    assert await status_of_refusal(visitor, page.kernel_id, protocol="other") == 400


async def test_the_kernel_of_another_session_is_not_reachable(server, page):
    other = server.signed_in()
    assert await status_of_refusal(other, page.kernel_id) == 403
    assert await status_of_refusal(other, str(uuid4())) == 403
    assert other.ask(f"/page/{page.kernel_id}").status == 404
    xsrf = other.open_page().xsrf
    assert other.ask(f"/page/{page.kernel_id}", "POST", {"_xsrf": xsrf}).status == 404


async def test_a_page_is_not_told_of_widgets_before_it_is_there_to_show_them(
    start_server, until, tmp_path
):
    go = tmp_path / "go"
    wait = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)"
    server = start_server(["import ipywidgets", f"{wait}\nipywidgets.Text()"])
    visitor = server.signed_in()
    opening = asyncio.ensure_future(asyncio.to_thread(visitor.open_page))
    await asyncio.to_thread(until, server.kernels)
    (kernel,) = server.kernels()
    await asyncio.to_thread(until, lambda: server.log.count("activity on") > 1)
    (file,) = server.folder_of(kernel).glob("*.json")
    socket = await connect(visitor, file.stem.removeprefix("kernel-"))
    go.touch()
    assert (await opening).kernel_id
    socket.write_message(frame("shell", "kernel_info_request", {}), binary=True)
    kinds = []
    while "kernel_info_reply" not in kinds:
        kinds.append(read(await socket.read_message())[0])
    assert "comm_open" not in kinds
    socket.close()


def test_a_page_that_never_comes_keeps_no_socket_waiting():
    kernels = PageKernels(connection_dir=".")

    async def wait() -> None:
        kernel_id = kernels.reserve("session", "user")
        waiting = asyncio.ensure_future(kernels.until_shown(kernel_id))
        await asyncio.sleep(0)
        assert not waiting.done()
        kernels.give_back(kernel_id)
        await waiting
        await kernels.until_shown(kernel_id)

    asyncio.run(wait())


async def test_code_from_the_browser_is_not_run(visitor, page, tmp_path):
    proof = tmp_path / "proof"
    socket = await connect(visitor, page.kernel_id)
    code = f"open({str(proof)!r}, 'w')"
    for channel in ("shell", "control"):
        content = {"code": code, "silent": False}
        socket.write_message(frame(channel, "execute_request", content), binary=True)
    socket.write_message(frame("shell", "kernel_info_request", {}), binary=True)
    await received(socket, "kernel_info_reply")
    assert not proof.exists()
    socket.close()


async def test_a_message_that_is_no_frame_closes_the_socket(visitor, page):
    socket = await connect(visitor, page.kernel_id)
    socket.write_message("{}")
    while await socket.read_message() is not None:
        pass
    assert socket.close_code == 1008
    socket.close()


async def test_signing_out_closes_open_sockets(server):
    visitor = server.signed_in()
    page = visitor.open_page()
    socket = await connect(visitor, page.kernel_id)
    visitor.ask("/sign-out", "POST", {"_xsrf": page.xsrf})
    while await socket.read_message() is not None:
        pass
    assert socket.close_code == 4401
    socket.close()


async def test_a_page_that_missed_more_than_is_kept_is_told(visitor, page):
    socket = await connect(visitor, page.kernel_id, received=1000)
    while await socket.read_message() is not None:
        pass
    assert socket.close_code == 4410
    socket.close()


async def test_a_socket_takes_the_place_of_one_that_hangs(visitor, page):
    hanging = await connect(visitor, page.kernel_id, client="tab")
    message = frame("shell", "kernel_info_request", {})
    hanging.write_message(message, binary=True)
    await received(hanging, "kernel_info_reply")
    fresh = await connect(visitor, page.kernel_id, client="tab", received=0)
    fresh.write_message(message, binary=True)  # again: the answer is sent again, not asked for
    fresh.write_message(frame("shell", "comm_info_request", {}), binary=True)
    assert (await received(fresh, "kernel_info_reply"))["status"] == "ok"
    kinds = []
    async with asyncio.timeout(20):
        while "comm_info_reply" not in kinds:
            kinds.append(read(await fresh.read_message())[0])
    assert "kernel_info_reply" not in kinds
    fresh.close()
    hanging.close()


FAILING = """
import logging, sys
import ipywidgets
from IPython.display import display

def logs(_):
    try:
        raise RuntimeError("the first that went wrong")
    except RuntimeError as error:
        logging.getLogger("workbench.page").error("It failed.", exc_info=error)

def raises(_):
    raise RuntimeError("the second that went wrong")

buttons = [ipywidgets.Button(), ipywidgets.Button()]
for button, doing in zip(buttons, (logs, raises)):
    button.on_click(doing)
    display(button)
"""


async def test_what_fails_after_a_page_was_shown_is_in_the_log(start_server, until):
    server = start_server([FAILING])
    visitor = server.signed_in()
    page = visitor.open_page()
    socket = await connect(visitor, page.kernel_id)
    for output in page.outputs:
        model = output["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
        data = {"method": "custom", "content": {"event": "click"}}
        socket.write_message(frame("shell", "comm_msg", {"comm_id": model, "data": data}), True)
        while (await received(socket, "status"))["execution_state"] != "idle":
            pass
    until(lambda: "the second that went wrong" in server.log)
    assert "It failed.\nTraceback" in server.log
    assert "RuntimeError: the first that went wrong" in server.log
    socket.close()


class QuietSocket(PageSocket):
    """A socket without a connection that notes what is done to it."""

    ping_interval = ping_timeout = 30_000

    def __init__(self, *, pinged: float, answered: float) -> None:
        self.ws_connection = SimpleNamespace(client_terminated=False)
        self.last_ping, self.last_pong = pinged, answered
        self.done: list[str] = []

    @property
    def log(self) -> logging.Logger:
        return logging.getLogger(__name__)

    def ping(self, data: bytes = b"") -> None:
        self.done.append("ping")

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.done.append("close")


async def test_a_socket_that_answered_the_last_ping_stays_open():
    then = IOLoop.current().time() - 30.001
    for answered in (then, then + 0.0005):  # the first ping of all has none before it
        socket = QuietSocket(pinged=then, answered=answered)
        socket.send_ping()
        assert socket.done == ["ping"]
        assert socket.last_ping > then


async def test_a_socket_that_left_the_last_ping_unanswered_is_closed():
    then = IOLoop.current().time() - 30.001
    socket = QuietSocket(pinged=then, answered=then - 30)
    socket.send_ping()
    assert socket.done == ["close"]


async def test_closing_a_page_ends_its_kernel(visitor, until, server):
    page = visitor.open_page()
    process = page.printed["pid"]
    assert visitor.ask(f"/page/{page.kernel_id}").status == 204
    assert visitor.ask(f"/page/{page.kernel_id}", "POST", {}).status == 403
    assert visitor.ask(f"/page/{page.kernel_id}", "POST", {"_xsrf": page.xsrf}).status == 204
    until(lambda: process not in [kernel.pid for kernel in server.kernels()])
    assert visitor.ask(f"/page/{page.kernel_id}").status == 404


@pytest.mark.parametrize(
    ("channel", "kind", "content"),
    [
        ("shell", "execute_request", {"code": "1"}),
        ("shell", "complete_request", {}),
        ("shell", "inspect_request", {}),
        ("shell", "history_request", {}),
        ("shell", "shutdown_request", {}),
        ("control", "shutdown_request", {}),
        ("control", "debug_request", {}),
        ("control", "comm_msg", {}),
        ("stdin", "input_reply", {}),
        ("iopub", "comm_msg", {}),
        ("shell", "comm_open", {"target_name": "jupyter.widget"}),
        ("shell", "comm_open", {}),
    ],
)
def test_what_widgets_do_not_need_is_refused(channel: str, kind: str, content: dict):
    assert refusal(frame(channel, kind, content))


@pytest.mark.parametrize("kind", ["comm_msg", "comm_close", "kernel_info_request"])
def test_what_widgets_need_goes_through(kind: str):
    assert refusal(frame("shell", kind, {"comm_id": "x", "data": {}})) is None
    control = {"target_name": "jupyter.widget.control"}
    assert refusal(frame("shell", "comm_open", control)) is None


@pytest.mark.parametrize(
    "message",
    [
        "{}",
        b"",
        b"\x07",
        (2**63).to_bytes(8, "little") + b"x" * 100,
        (6).to_bytes(8, "little") * 8,
        frame("shell", "comm_msg", {})[:-60],
        frame("shell", "comm_open", []),
        (6).to_bytes(8, "little") + (2**62).to_bytes(8, "little") * 6,
    ],
)
def test_what_is_no_frame_is_told_apart(message: object):
    with pytest.raises(BadFrame):
        refusal(message)


def test_a_user_has_a_limited_number_of_pages_in_all_sessions_together():
    kernels = PageKernels(max_kernels=3, max_kernels_per_user=2)
    kernels.reserve("one", "ann")
    kernels.reserve("two", "ann")
    with pytest.raises(TooManyPages, match="Close one"):
        kernels.reserve("three", "ann")
    kernels.reserve("four", "bob")
    with pytest.raises(TooManyPages, match="no room"):
        kernels.reserve("five", "eve")
