"""A network between a program and its database that is cut for a while, or for good."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text

from tests.faults.conftest import until
from workbench.database import columnar
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.errors import StoreUnavailable
from workbench.workspace import Workspace

CUT_SECONDS = 10
WORLD = "Far away"


class Wire:
    """Carries bytes between a port and the server's socket, while it is not cut."""

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.whole = asyncio.Event()
        self.whole.set()
        self.held = 0
        self.ends: set[asyncio.StreamWriter] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward = await asyncio.open_unix_connection(self.behind)
        self.ends |= {writer, onward[1]}
        await asyncio.gather(self._carry(reader, onward[1]), self._carry(onward[0], writer))
        self.ends -= {writer, onward[1]}

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            while data := await reader.read(65536):
                if not self.whole.is_set():
                    self.held += 1
                    await self.whole.wait()
                writer.write(data)
                await writer.drain()

    def tear(self) -> None:
        """End all connections as a network does that forgets them."""
        for writer in self.ends:
            writer.transport.abort()


@pytest.fixture
async def wire(postgres: Any) -> AsyncIterator[Wire]:
    where = parse_qs(urlsplit(postgres.owner).query)
    made = Wire(f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}")
    listening = await asyncio.start_server(made, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    made.whole.set()
    listening.close()


@pytest.fixture
async def far(wire: Wire, wb: Workspace, database: Database) -> AsyncIterator[Workspace]:
    """A workspace at the other end of the wire, with the same user's login."""
    parts = urlsplit(database.address.url)
    who = parts.netloc.rpartition("@")[0]
    address = Address.parse(f"postgresql://{who}@127.0.0.1:{wire.port}{parts.path}")
    workspace = Workspace(Database(address, userid=database.userid, source="far"))
    await wb.worlds.add(name=WORLD)
    yield workspace
    await workspace.close()


@pytest.fixture
def few(tmp_path: Path) -> Path:
    path = tmp_path / "personas.csv"
    path.write_text("name,description\n" + "".join(f"P{n},{'w' * 500}\n" for n in range(5_000)))
    return path


async def test_a_cut_of_ten_seconds_is_waited_out(wire: Wire, far: Workspace, few: Path) -> None:
    await far.worlds.count()
    wire.whole.clear()
    work = asyncio.create_task(far.load(few, world=WORLD))
    await until(lambda: wire.held)
    await asyncio.sleep(CUT_SECONDS)  # so long the network is gone
    assert not work.done()
    wire.whole.set()
    assert (await work).written
    assert await far.personas.count() == 5_000


async def test_a_network_that_forgets_a_connection_leaves_nothing_half_done(
    wire: Wire, far: Workspace, wb: Workspace, few: Path, superuser: Any
) -> None:
    await superuser.execute("BEGIN; LOCK TABLE persona IN SHARE MODE")  # the import waits for it
    work = asyncio.create_task(far.load(few, world=WORLD))
    waiting = (
        "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'persona'::regclass"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    await until(lambda: superuser.fetchval(waiting))
    wire.tear()
    with pytest.raises(StoreUnavailable):
        await work
    await superuser.execute("ROLLBACK")
    busy = "SELECT count(*) = 0 FROM pg_locks WHERE relation = 'persona'::regclass"
    await until(lambda: superuser.fetchval(busy))
    assert await wb.personas.count() == 0
    assert (await far.load(few, world=WORLD)).written
    assert await wb.personas.count() == 5_000


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
async def test_a_network_that_is_gone_for_good_ends_connections_in_half_a_minute(
    far: Workspace,
) -> None:
    async with far.database.reading() as connection:
        raw = await far.database.driver(connection)
        sock = raw._transport.get_extra_info("socket")
        tcp = {
            name: sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        }
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert tcp["TCP_KEEPIDLE"] + tcp["TCP_KEEPINTVL"] * tcp["TCP_KEEPCNT"] == 30
        assert tcp["TCP_USER_TIMEOUT"] == 30_000


async def test_the_server_and_frames_notice_it_too(far: Workspace) -> None:
    settings = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
    async with far.database.reading() as connection:
        # On a Unix socket, where the wire ends, they count for nothing and are shown as 0.
        for name in settings:
            told = await connection.scalar(
                text(f"SELECT reset_val FROM pg_settings WHERE name = '{name}'")
            )
            assert int(told) > 0, name
    for word in ("keepalives_idle=15", "keepalives_interval=5", "tcp_user_timeout=30000"):
        assert word in columnar._uri(far.database)
