"""What whoever holds a page's socket, or a kernel's own login, may try to get out of it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import stat
import struct
import time
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import asyncpg
import psutil
import pytest
from besieged import (
    HOST,
    PROTOCOL,
    PUBLIC,
    answered,
    closed,
    compressed_frame,
    dashboard,
    frame,
    hang_up,
    header_of,
    opened,
    raw_socket,
    wait_until,
    words,
)

from workbench.server import journal
from workbench.server.frames import BadFrame, refusal
from workbench.server.journal import Journal
from workbench.server.logins import PageLogins
from workbench.server.sockets import MAX_MESSAGE_BYTES, PageSocket

END_SECONDS = 5.0
"""Within this nothing of a session that ended is left."""


@pytest.fixture(autouse=True)
async def hung_up():
    yield
    hang_up()


@pytest.fixture(scope="module")
def ann(site):
    return site.sign_in("ann")


@pytest.fixture(scope="module")
def page(site, ann):
    return site.open_page(ann)


def login_of(page) -> str:
    return page.printed["environment"]["WORKBENCH_DATABASE_URL"]


def within(seconds: float, condition) -> float:
    """Wait until a condition holds, and return how long it took."""
    start = time.monotonic()
    wait_until(condition)
    took = time.monotonic() - start
    assert took < seconds
    return took


def lives(login: str) -> bool:
    async def work() -> bool:
        try:
            connection = await asyncpg.connect(login)
        except (asyncpg.PostgresError, OSError):
            return False
        await connection.close()
        return True

    return asyncio.run(work())


# The way in: which frames are frames


def test_a_key_that_comes_twice_is_no_header():
    for first, second in (("comm_msg", "execute_request"), ("execute_request", "comm_msg")):
        told = json.dumps(header_of(first))[:-1] + f', "msg_type": "{second}"}}'
        with pytest.raises(BadFrame):
            refusal(frame("shell", header=told.encode()))
        escaped = json.dumps(header_of(first))[:-1] + f', "msg_typ\\u0065": "{second}"}}'
        with pytest.raises(BadFrame):
            refusal(frame("shell", header=escaped.encode()))


def test_a_header_says_what_headers_say_and_no_more():
    for extra in ({"subshell_id": "x"}, {"msg_type": ["comm_msg"]}, {"version": 5}, {"msg_id": ""}):
        told = json.dumps(header_of("comm_msg") | extra).encode()
        with pytest.raises(BadFrame):
            refusal(frame("shell", header=told))
    with pytest.raises(BadFrame):
        refusal(
            frame(
                "shell", header=json.dumps(header_of("comm_msg") | {"msg_id": "x" * 1000}).encode()
            )
        )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be", "utf-8-sig"])
def test_a_header_in_another_encoding_is_none(encoding):
    with pytest.raises(BadFrame):
        refusal(frame("shell", header=json.dumps(header_of("comm_msg")).encode(encoding)))


@pytest.mark.parametrize("header", [b"[" * 60_000, b'{"a":' * 10_000, b"9" * 60_000, b"x" * 70_000])
def test_a_header_that_is_nested_or_long_is_none(header):
    with pytest.raises(BadFrame):
        refusal(frame("shell", header=header))


def test_parts_may_not_overlap_or_leave_anything_out():
    good = frame("shell", "comm_msg", buffers=(b"abc",))
    assert refusal(good) is None
    count = int.from_bytes(good[:8], "little")
    offsets = [int.from_bytes(good[8 * i : 8 * i + 8], "little") for i in range(1, count + 1)]
    body = good[8 * (count + 1) :]
    for changed in (
        [*offsets[:-1], offsets[-1] - 1],
        [*offsets[:-1], offsets[-1] + 1],
        [*offsets[:-2], offsets[-2] - 20, offsets[-1]],
        [0, *offsets[1:]],
        [offsets[0], *offsets[2:3], *offsets[1:2], *offsets[3:]],
    ):
        with pytest.raises(BadFrame):
            refusal(words(count, *changed) + body)
    with pytest.raises(BadFrame):
        refusal(good + b"more")


def test_a_small_message_does_not_become_gigabytes():
    """Its parts are right; its buffers are each a copy of all that follows."""
    parts = [b"shell", json.dumps(header_of("comm_msg")).encode(), b"{}", b"{}", b"{}"]
    for count in (500, 100_000):
        offsets = [8 * (count + 1)]
        for part in parts:
            offsets.append(offsets[-1] + len(part))
        end = offsets[-1] + 2**20
        offsets += [end, offsets[-1]] * (count // 2)
        bomb = words(count, *offsets[: count - 1], end) + b"".join(parts) + bytes(2**20)
        with pytest.raises(BadFrame):
            refusal(bomb)


async def test_no_other_protocol_is_spoken_by_a_name_that_holds_ours(site, ann, page):
    for protocol in (f"x{PROTOCOL}", f"{PROTOCOL}x", PROTOCOL.upper(), "kernel", ""):
        assert await site.refusal(ann, page.kernel_id, protocol=protocol) == 400, protocol
    assert await site.refusal(ann, page.kernel_id, protocol=f"other, {PROTOCOL}") == 0


@pytest.mark.parametrize("channel", ["shell", "control", "stdin", "iopub", "SHELL", "shell\0", ""])
async def test_no_channel_takes_code(site, ann, page, tmp_path, channel):
    proof = tmp_path / "proof"
    socket = await site.socket(ann, page.kernel_id)
    code = {"code": f"open({str(proof)!r}, 'w')", "silent": False, "store_history": False}
    for kind in (
        "execute_request",
        "execute_input",
        "input_reply",
        "debug_request",
        "complete_request",
    ):
        socket.write_message(frame(channel, kind, code), binary=True)
    # A channel within the content, as the older protocol has it:
    inner = {"channel": "control", "header": header_of("execute_request"), "content": code}
    socket.write_message(
        frame("shell", "comm_msg", inner | {"comm_id": "x", "data": {}}), binary=True
    )
    await answered(socket)
    assert not proof.exists()
    socket.close()


@pytest.mark.parametrize(
    "message",
    [
        "{}",
        json.dumps({"channel": "shell", "header": {"msg_type": "execute_request"}}),
        b"",
        b"\x00" * 7,
        b"\xff" * 4096,
        words(2**62, *range(10)),
        frame("shell", "comm_msg")[:-1],
        frame("shell", header=b"[" * 60_000),
        frame("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "comm_msg")[:50],
    ],
)
async def test_what_is_no_frame_ends_the_socket_and_not_the_kernel(site, ann, page, message):
    socket = await site.socket(ann, page.kernel_id)
    socket.write_message(message, binary=isinstance(message, bytes))
    assert await closed(socket) == 1008
    again = await site.socket(ann, page.kernel_id)
    assert (await answered(again))["status"] == "ok"
    again.close()


async def test_a_message_over_the_limit_ends_the_socket(site, ann, page):
    socket = await site.socket(ann, page.kernel_id)
    big = frame(
        "shell", "comm_msg", {"comm_id": "x", "data": {}}, buffers=(bytes(MAX_MESSAGE_BYTES),)
    )
    socket.write_message(big, binary=True)
    assert await closed(socket) in (1009, 1006, None)


def test_a_small_message_that_inflates_to_more_is_refused_with_little_memory(site, ann, page):
    process = psutil.Process(site.server.process.pid)
    bomb = compressed_frame(bytes(1024 * 1024 * 1024))
    assert len(bomb) < 2 * 1024 * 1024
    before = process.memory_info().rss
    for _ in range(3):
        with raw_socket(site, ann, page.kernel_id) as connection:
            connection.sendall(bomb)
            told = b""
            while part := connection.recv(65536):
                told += part
            assert b"\x03\xf1" in told  # 1009: too large
    assert process.memory_info().rss - before < 150 * 1024 * 1024


# Who may open a socket


async def test_a_socket_is_opened_by_pages_of_the_very_same_origin(site, ann, page):
    port = site.port
    for origin in (
        None,
        "",
        "null",
        "http://evil.example",
        f"https://127.0.0.1:{port}",
        f"http://127.0.0.1:{port + 1}",
        "http://127.0.0.1",
        f"http://127.0.0.1:{port}.evil.example",
        f"http://evil@127.0.0.1:{port}",
        f"http://127.0.0.1:{port}/",
        f"HTTP://127.0.0.1:{port}",
        "file://",
    ):
        assert await site.refusal(ann, page.kernel_id, Origin=origin) == 403, origin
    assert await site.refusal(ann, page.kernel_id, Origin=f"http://localhost:{port}") == 0


async def test_an_origin_that_agrees_with_a_forged_host_is_not_ours(site, ann, page):
    for host, origin in (
        ("evil.example", "http://evil.example"),
        ("127.0.0.2:80", "http://127.0.0.2:80"),
        (f"[::1]:{site.port}", f"http://[::1]:{site.port}"),
    ):
        assert await site.refusal(ann, page.kernel_id, Host=host, Origin=origin) == 403
    older = {"Origin": None, "Sec_WebSocket_Origin": site.origin}
    assert await site.refusal(ann, page.kernel_id, **older) == 403


async def test_behind_a_proxy_the_public_origin_alone_opens_sockets(public):
    visitor = await asyncio.to_thread(public.sign_in, "ann")
    text = visitor.ask("/", Host=HOST).text
    kernel = text.partition('id="page-kernel">')[2][:80].partition('"id": "')[2][:36]
    for origin in (
        "http://bench.example.org",
        "https://bench.example.org:8443",
        "https://x.bench.example.org",
        f"http://127.0.0.1:{public.port}",
        f"http://localhost:{public.port}",
    ):
        assert await public.refusal(visitor, kernel, Host=HOST, Origin=origin) == 403, origin
    for host in (HOST, f"127.0.0.1:{public.port}"):  # not every proxy passes the name on
        assert await public.refusal(visitor, kernel, Host=host, Origin=PUBLIC) == 0
    assert await public.refusal(visitor, kernel, Host="evil.example", Origin=PUBLIC) == 403


async def test_the_kernel_of_somebody_else_opens_for_nobody(site, ann, page):
    carol = await asyncio.to_thread(site.sign_in, "carol")
    again = await asyncio.to_thread(site.sign_in, "ann")
    for visitor in (carol, again, site.visitor()):
        assert await site.refusal(visitor, page.kernel_id) == 403
        assert await site.refusal(visitor, page.kernel_id.upper()) in (403, 404)
    assert await site.refusal(ann, page.kernel_id + "x") == 404


async def test_a_page_says_which_it_is_in_few_letters(site, ann, page):
    for client in ("", "x" * 65, "%00", "%ff", "%C3%A9"):
        assert await site.refusal(ann, page.kernel_id, client=client) in (400, 403), client


# Bounds


async def test_a_kernel_has_few_clients_and_each_one_socket(site, ann):
    page = await asyncio.to_thread(site.open_page, ann)
    sockets = [await site.socket(ann, page.kernel_id, client="tab") for _ in range(5)]
    for earlier in sockets[:-1]:
        assert await closed(earlier) in (1000, 1005, 1006, None)
    assert (await answered(sockets[-1]))["status"] == "ok"
    for number in range(3):
        (await site.socket(ann, page.kernel_id, client=f"other{number}")).close()
    assert await site.refusal(ann, page.kernel_id, client="one-more") == 429
    sockets[-1].close()


def test_what_a_kernel_has_not_dealt_with_is_bounded(monkeypatch):
    monkeypatch.setattr(journal, "BACKLOG_MESSAGES", 3)
    monkeypatch.setattr(journal, "BACKLOG_BYTES", 100)
    kept = Journal()
    kept.waits("a", 10)
    kept.waits("b", 89)
    assert not kept.is_full
    kept.waits("c", 1)
    assert kept.is_full
    kept.done("unknown")
    assert kept.is_full
    kept.done("b")  # kernels take one after the other: what said that a is done was lost
    assert kept.backlog == 1
    kept.waits("large", 100)
    assert kept.is_full


async def test_a_page_waits_while_its_kernel_has_enough_to_do():
    kept = Journal()
    for number in range(journal.BACKLOG_MESSAGES):
        kept.waits(str(number), 1)
    waiting = asyncio.ensure_future(kept.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    kept.done("0")
    async with asyncio.timeout(5):
        await waiting


def test_a_page_that_sends_without_end_is_listened_to_now_and_then():
    now = 0.0
    kept = Journal(clock=lambda: now)
    assert all(kept.pace(100) == 0 for _ in range(journal.SENT_AT_ONCE))
    assert 0 < kept.pace(100) < 0.1
    now += 1
    assert all(kept.pace(100) == 0 for _ in range(journal.SENT_PER_SECOND - 1))
    assert kept.pace(MAX_MESSAGE_BYTES) > 1, "a large message counts for many"
    now += 3600
    assert all(kept.pace(100) == 0 for _ in range(journal.SENT_AT_ONCE))
    assert kept.pace(100) > 0


def test_a_socket_that_asks_for_what_is_refused_again_and_again_is_closed(site, ann):
    page = site.open_page(ann)
    before = site.server.log.count("Refused a message 'execute_request'")
    with raw_socket(site, ann, page.kernel_id) as connection:
        message = frame("shell", "execute_request")
        told = b"\x82\xfe" + struct.pack("!H", len(message)) + bytes(4) + message
        connection.sendall(told * 200)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert b"\x03\xf0refused" in answer  # 1008
    assert site.server.log.count("Refused a message 'execute_request'") - before == 20


async def test_what_is_sent_to_a_busy_kernel_does_not_pile_up_in_the_server(site, ann):
    page = await asyncio.to_thread(site.open_page, ann)
    about = page.printed
    process = psutil.Process(site.server.process.pid)
    socket = await site.socket(ann, page.kernel_id)
    state = {"method": "update", "state": {"value": "600"}, "buffer_paths": []}
    socket.write_message(
        frame("shell", "comm_msg", {"comm_id": about["text"], "data": state}), binary=True
    )
    await answered(socket)
    press = {"method": "custom", "content": {"event": "click"}}
    socket.write_message(
        frame("shell", "comm_msg", {"comm_id": about["sleep"], "data": press}), binary=True
    )
    before = process.memory_info().rss
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while sent < 100:
            big = frame("shell", "comm_msg", {"comm_id": "x"}, buffers=(os.urandom(8 * 2**20),))
            await socket.write_message(big, binary=True)
            sent += 1

    flooding = asyncio.ensure_future(flood())
    waited = 0
    last = -1
    while waited < 20 and not flooding.done():  # until nothing more is taken
        await asyncio.sleep(0.1)
        waited, last = (waited + 1, last) if sent == last else (0, sent)
    assert not flooding.done(), "800 MB were taken for a kernel that sleeps"
    assert process.memory_info().rss - before < 400 * 2**20
    other = await asyncio.to_thread(site.open_page, ann)
    assert other.kernel_id, "others are served"
    flooding.cancel()
    socket.close()
    ann.ask(f"/page/{page.kernel_id}", "POST", {"_xsrf": page.xsrf})


async def test_a_flood_of_messages_from_one_page_does_not_stop_others(site, ann, page):
    other = await asyncio.to_thread(site.sign_in, "patient")
    process = psutil.Process(site.server.process.pid)
    socket = await site.socket(ann, page.kernel_id)
    before = process.memory_info().rss

    async def flood() -> None:
        while True:
            await socket.write_message(frame("shell", "comm_info_request", {}), binary=True)

    async def read() -> None:
        while await socket.read_message() is not None:
            pass

    tasks = [asyncio.ensure_future(flood()), asyncio.ensure_future(read())]
    took = []
    for _ in range(10):
        start = time.monotonic()
        answer = await asyncio.to_thread(other.ask, "/account")
        took.append(time.monotonic() - start)
        assert answer.status == 200
    for task in tasks:
        task.cancel()
    socket.close()
    assert sorted(took)[5] < 1.0
    assert process.memory_info().rss - before < 200 * 2**20


class Unread(PageSocket):
    """A socket whose browser reads nothing."""

    last_ping = last_pong = 0.0

    def __init__(self) -> None:
        self.journal, self.connection = Journal(), None
        self._read = asyncio.Event()
        self.ended: list[int | None] = []
        self.sendings: list[asyncio.Future[None]] = []
        self.ws_connection = SimpleNamespace(
            is_closing=lambda: False,
            write_message=self.sending,
            close=lambda code, reason: self.ended.append(code),
        )

    def sending(self, *_: object, **__: object) -> asyncio.Future[None]:
        self.sendings.append(asyncio.get_running_loop().create_future())
        return self.sendings[-1]

    @property
    def log(self) -> logging.Logger:
        return logging.getLogger(__name__)


@pytest.mark.parametrize(("messages", "size"), [(30_000, 200), (40, 2 * 2**20)])
async def test_a_page_that_does_not_read_is_let_go(messages, size):
    socket = Unread()
    message = frame("iopub", "comm_msg", buffers=(bytes(size),))
    sent = 0
    while sent < messages and not socket.ended:
        socket.write_message(message, binary=True)
        sent += 1
    assert socket.ended == [1013]
    assert sent < messages


async def test_a_page_that_does_not_read_is_not_listened_to():
    socket = Unread()
    socket.connection = SimpleNamespace(handle_incoming_message=lambda message: None)
    for _ in range(501):
        socket.write_message(frame("iopub", "comm_msg"), binary=True)
    listening = asyncio.ensure_future(socket.on_message(frame("shell", "comm_msg")))
    await asyncio.sleep(0)
    assert not listening.done()
    for sending in socket.sendings:
        sending.set_result(None)
    async with asyncio.timeout(5):
        await listening
    assert socket.on_message(frame("shell", "comm_msg")) is None


# Endings


async def ended_in_time(site, visitor, end, first=None) -> float:
    """Open a page, let `end` end its session, and see that nothing of it is left in time."""
    page = await asyncio.to_thread(site.open_page, visitor)
    login, process = login_of(page), page.printed["pid"]
    held = await asyncpg.connect(login)
    assert await held.fetchval("SELECT count(*) FROM world") is not None
    socket = await site.socket(visitor, page.kernel_id)
    if first is not None:
        await first(socket, page.printed)
    start = time.monotonic()
    await asyncio.to_thread(end, page)
    assert await closed(socket) == 4401
    await asyncio.to_thread(wait_until, held.is_closed)
    await asyncio.to_thread(
        wait_until, lambda: process not in [k.pid for k in site.server.kernels()]
    )
    took = time.monotonic() - start
    assert not await asyncio.to_thread(lives, login)
    assert visitor.ask("/account").status == 302
    assert visitor.ask(f"/page/{page.kernel_id}").status == 302
    assert await site.refusal(visitor, page.kernel_id) == 403
    assert took < END_SECONDS
    return took


async def test_a_sign_out_ends_kernels_logins_and_sockets_in_time(site):
    visitor = await asyncio.to_thread(site.sign_in, "leaver")

    def end(page) -> None:
        visitor.ask("/sign-out", "POST", {"_xsrf": page.xsrf})

    await ended_in_time(site, visitor, end)


async def test_a_kernel_that_is_busy_ends_in_time_too(site):
    visitor = await asyncio.to_thread(site.sign_in, "busy")

    async def sleep(socket, about) -> None:
        state = {"method": "update", "state": {"value": "600"}, "buffer_paths": []}
        press = {"method": "custom", "content": {"event": "click"}}
        for comm, data in (("text", state), ("sleep", press)):
            content = {"comm_id": about[comm], "data": data}
            socket.write_message(frame("shell", "comm_msg", content), binary=True)
        busy = 0
        while busy < 2:
            kind, _, content, _ = opened(await socket.read_message())
            busy += kind == "status" and content["execution_state"] == "busy"

    def end(page) -> None:
        visitor.ask("/sign-out", "POST", {"_xsrf": page.xsrf})

    await ended_in_time(site, visitor, end, first=sleep)


async def test_a_session_that_another_one_revokes_ends_in_time(site):
    visitor = await asyncio.to_thread(site.sign_in, "two")
    [session] = await asyncio.to_thread(
        site.sql,
        'SELECT s.id FROM auth.session AS s JOIN "user" AS u ON u.id = s.userid'
        " WHERE u.email LIKE 'two@%'",
    )
    other = await asyncio.to_thread(site.sign_in, "two")

    def end(page) -> None:
        text = other.ask("/account").text
        xsrf = text.partition('name="_xsrf" value="')[2].partition('"')[0]
        form = {"_xsrf": xsrf, "session": str(session["id"])}
        assert other.ask("/account/session", "POST", form).status == 302

    await ended_in_time(site, visitor, end)
    assert other.ask("/account").status == 200


async def test_a_session_that_is_ended_in_the_database_ends_in_time(site):
    visitor = await asyncio.to_thread(site.sign_in, "elsewhere")

    def end(_) -> None:
        site.sql(
            "UPDATE auth.session SET ended_at = clock_timestamp() WHERE userid ="
            " (SELECT id FROM \"user\" WHERE email LIKE 'elsewhere@%')"
        )

    await ended_in_time(site, visitor, end)


async def test_a_user_who_is_put_to_rest_loses_everything_in_time(site):
    visitor = await asyncio.to_thread(site.sign_in, "rested")

    def end(_) -> None:
        site.sql("UPDATE \"user\" SET is_active = false WHERE email LIKE 'rested@%'")

    await ended_in_time(site, visitor, end)


async def test_a_role_that_is_lowered_counts_at_once_in_pages_that_are_open(site):
    visitor = await asyncio.to_thread(site.sign_in, "lowered")
    page = await asyncio.to_thread(site.open_page, visitor)
    held = await asyncpg.connect(login_of(page))
    world = await held.fetchval("INSERT INTO world (name) VALUES ('Mine') RETURNING id")
    await asyncio.to_thread(
        site.sql, "UPDATE \"user\" SET role = 'viewer' WHERE email LIKE 'lowered@%'"
    )
    for change in (
        "INSERT INTO world (name) VALUES ('More')",
        f"INSERT INTO persona (worldid, name) VALUES ('{world}', 'More')",
        f"UPDATE world SET name = 'Changed' WHERE id = '{world}'",
    ):
        try:
            told = await held.execute(change)
        except asyncpg.InsufficientPrivilegeError:
            continue
        assert told.endswith(" 0"), change
    assert await held.fetchval("SELECT name FROM world WHERE id = $1", world) == "Mine"
    assert visitor.ask(f"/page/{page.kernel_id}").status == 204, "the kernel runs on"
    await held.close()


def test_closing_a_page_ends_its_login(site, ann):
    page = site.open_page(ann)
    login = login_of(page)
    assert lives(login)
    ann.ask(f"/page/{page.kernel_id}", "POST", {"_xsrf": page.xsrf})
    within(END_SECONDS, lambda: not lives(login))


def test_a_kernel_that_dies_takes_its_login_with_it(site, ann):
    page = site.open_page(ann)
    login = login_of(page)
    os.kill(page.printed["pid"], signal.SIGKILL)
    wait_until(lambda: not lives(login))
    assert ann.ask(f"/page/{page.kernel_id}").status == 404


async def test_a_login_that_could_not_be_revoked_is_revoked_later(people, monkeypatch):
    from workbench.auth.sessions import Person
    from workbench.errors import StoreUnavailable
    from workbench.server import logins

    person = Person(None, "test", people.ids["bob"], "bob@example.org", "editor", "B", "B", None)
    of_pages = PageLogins(people.owner, "test")
    await of_pages.issue("a page", person)
    [row] = await people["ada"].fetch("SELECT 1")
    assert row
    count = "SELECT count(*) FROM auth.login WHERE purpose = 'page of test' AND revoked_at IS NULL"
    owner = await asyncpg.connect(people.url)
    revoke = logins.revoke_login

    async def away(*_) -> None:
        raise StoreUnavailable("The database is being restarted.")

    monkeypatch.setattr(logins, "revoke_login", away)
    with pytest.raises(StoreUnavailable):
        await of_pages.end("a page")
    assert await owner.fetchval(count) == 1
    monkeypatch.setattr(logins, "revoke_login", revoke)
    await of_pages.finish()
    assert await owner.fetchval(count) == 0
    await owner.close()


def test_the_logins_of_a_server_that_was_killed_end_with_its_next_first_page(besiege):
    site = besiege()
    visitor = site.sign_in("ann")
    login = login_of(site.open_page(visitor))
    kernels = site.server.kernels()
    site.server.process.kill()
    site.server.process.wait()
    assert lives(login), "nobody was left to end it"
    again = dashboard.Server(site.server.home, site.notebook, site.server.database, site.port)
    try:
        site.server = again
        assert lives(login_of(site.open_page(visitor)))
        within(END_SECONDS, lambda: not lives(login))
        wait_until(lambda: not any(map(psutil.pid_exists, [one.pid for one in kernels])))
    finally:
        again.stop()


# What a kernel holds


SECRETS = {
    "WORKBENCH_DATABASE_URL": "postgresql://owner:ownerspassword@192.0.2.1/workbench",
    "WORKBENCH_OAUTH_GOOGLE_CLIENT_SECRET": "googles-client-secret",
    "WORKBENCH_OAUTH_EXAMPLE_CLIENT_SECRET": "examples-client-secret",
    "WORKBENCH_TOKEN": "a-personal-token",
    "WORKBENCH_PUBLIC_DATABASE_URL": "postgresql://public:publicpassword@192.0.2.1/workbench",
    "PGPASSWORD": "a-password-of-libpq",
    "AWS_SECRET_ACCESS_KEY": "somebodys-key",
}
WORDS = [
    *("ownerspassword", "client-secret", "a-personal-token", "publicpassword"),
    *("a-password-of-libpq", "somebodys-key"),
]


@pytest.fixture(scope="module")
def careful(besiege):
    return besiege(**SECRETS)


def test_no_secret_of_the_server_is_in_a_kernel(careful):
    visitor = careful.sign_in("ann")
    page = careful.open_page(visitor)
    told = page.printed["environment"]
    assert urlsplit(told["WORKBENCH_DATABASE_URL"]).username.startswith("workbench_login_")
    assert {name for name in told if name.startswith(("WORKBENCH", "PG", "AWS"))} == {
        "WORKBENCH_DATABASE_URL",
        "WORKBENCH_GIVEN",
    }
    [kernel] = careful.server.kernels()
    password = unquote(urlsplit(told["WORKBENCH_DATABASE_URL"]).password)
    seen = json.dumps([kernel.environ(), kernel.parent().environ()])
    argv = " ".join([*kernel.cmdline(), *kernel.parent().cmdline()])
    assert password not in seen, "the login comes after the process began"
    cookie = visitor.cookies[careful.cookie]
    for word in [*WORDS, cookie, careful.server.token]:
        assert word not in seen
        assert word not in argv
        assert word not in page.text
    assert password not in argv
    assert password not in " ".join(psutil.Process(careful.server.process.pid).cmdline())


def test_no_secret_is_logged_even_when_everything_is(careful):
    visitor = careful.sign_in("ann")
    token = careful.server.token
    cookie = visitor.cookies[careful.cookie]
    page = careful.open_page(visitor)
    url = login_of(page)
    visitor.ask(f"/?token={token}")
    visitor.ask("/sign-in?token=wrong-token-of-somebody")
    visitor.ask("/sign-out", "POST", {"_xsrf": page.xsrf})
    wait_until(lambda: "POST /sign-out" in careful.server.log)
    told = careful.server.log
    assert "GET /account" in told or "GET /sign-in" in told, "it does log everything"
    for word in (
        *WORDS,
        unquote(urlsplit(url).password),
        cookie,
        page.xsrf,
        token,
        "wrong-token-of-somebody",
    ):
        assert word not in told


def test_what_connects_to_a_kernel_is_its_users_alone(site, ann, page):
    kernel = psutil.Process(page.printed["pid"])
    folder = site.server.folder_of(kernel)
    assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0
    for file in folder.glob("*.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    listening = [one for one in kernel.net_connections("inet") if one.status == "LISTEN"]
    # ipykernel's way in for what its own children print: it takes only what begins with a secret.
    assert [one.laddr.ip for one in listening] in ([], ["127.0.0.1"])


def test_a_kernel_works_in_our_home_and_not_where_the_server_was_started(site, page):
    assert page.printed["cwd"] == str(site.server.home)
    assert page.printed["cwd"] != os.getcwd()


async def test_a_kernels_login_reads_and_changes_nothing_of_the_door(site, page, ann):
    held = await asyncpg.connect(login_of(page))
    for table in (
        *("session", "login", "event", "identity", "invitation", "token", "attempt", "device"),
        *("live_session",),
    ):
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedTableError)):
            await held.fetch(f"SELECT * FROM auth.{table}")
    me = await held.fetchval("SELECT rules.acting_user()")
    verifier = "SCRAM-SHA-256$4096:c2FsdA==$" + "A" * 43 + "=:" + "A" * 43 + "="
    for statement in (
        f"SELECT auth.issue_login('{me}', '{verifier}', 'x', '1 hour', 1, false, NULL, NULL, false)",
        "SELECT auth.reap()",
        "SELECT auth.tidy()",
        "SELECT auth.revoke_login(session_user)",
        "SELECT auth.extend_logins(ARRAY[session_user]::name[], '8 hours')",
        f"INSERT INTO auth.session (digest, userid) VALUES ('x', '{me}')",
        "DELETE FROM auth.event",
        "UPDATE \"user\" SET role = 'admin'",
    ):
        with pytest.raises(asyncpg.PostgresError) as refused:
            await held.execute(statement)
        assert refused.value.sqlstate in ("42501", "42883"), (statement, refused.value)
    await held.close()


async def test_a_widget_message_reaches_its_own_kernel_alone(site, ann, page):
    """Ids of widgets are no secret between kernels: each kernel has its own."""
    carol = await asyncio.to_thread(site.sign_in, "carol")
    theirs = await asyncio.to_thread(site.open_page, carol)
    socket = await site.socket(carol, theirs.kernel_id)
    heard = await site.socket(ann, page.kernel_id)
    state = {"method": "update", "state": {"value": "from carol"}, "buffer_paths": []}
    message = {"comm_id": page.printed["text"], "data": state}
    socket.write_message(frame("shell", "comm_msg", message), binary=True)
    await answered(socket)
    heard.write_message(
        frame(
            "shell",
            "comm_msg",
            {"comm_id": page.printed["text"], "data": {"method": "request_state"}},
        ),
        binary=True,
    )
    async with asyncio.timeout(20):
        while True:
            kind, _, content, _ = opened(await heard.read_message())
            if kind == "comm_msg":
                assert content["data"]["state"]["value"] != "from carol"
                break
    socket.close()
    heard.close()


def test_pages_of_one_user_are_limited_in_all_sessions_together(besiege):
    site = besiege()
    visitors = [site.sign_in("many") for _ in range(2)]
    for number in range(12):
        site.open_page(visitors[number % 2])
    answer = visitors[0].ask("/")
    assert answer.status == 503
    assert "12 pages open" in answer.text
    site.open_page(site.sign_in("another"))
