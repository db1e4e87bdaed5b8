"""Connections that do not come about, break, run out; and what is left of them afterwards."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from sqlalchemy import text

import workbench
from workbench.database import columnar
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.logins import issue_login
from workbench.database.migrate import current, migrate, require_server
from workbench.database.users import acting_user
from workbench.errors import (
    BadSettings,
    Conflict,
    NotAllowed,
    StoreUnavailable,
    WorkbenchError,
    WrongDatabase,
)
from workbench.workspace import Workspace

SECRET = "s3cret-word"
DEBIAN = Path("/usr/lib/postgresql/15/bin")


def told(error: BaseException) -> str:
    """Return all that a log or a terminal would show of an error, causes and all."""
    return f"{error!s} {error!r} {''.join(traceback.format_exception(error))}"


async def opened(url: str, **options: Any) -> None:
    database = Database(Address.parse(url), connect_timeout_seconds=5, **options)
    try:
        async with database.reading() as connection:
            await connection.scalar(text("SELECT 1"))
    finally:
        await database.close()


# Addresses


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "starts with 'nothing'"),
        ("somewhere", "starts with 'nothing'"),
        (f"mysql://ada:{SECRET}@db/worlds", "starts with 'mysql'"),
        (f"https://ada:{SECRET}@db/worlds", "must start with postgresql://"),
        (f"ada:{SECRET}@db/worlds", "must start with postgresql://"),
        (f"postgresql://ada:{SECRET}@db", "names no database"),
        (f"postgresql://ada:{SECRET}@db/", "names no database"),
        (f"postgresql://ada:{SECRET}@db/worlds?sslmode=maybe", "sslmode=maybe"),
        (f"postgresql://ada:{SECRET}@db/worlds?sslmode=", "cannot be read|sslmode"),
        (f"postgresql://ada:{SECRET}@db:port/worlds", "cannot be read"),
        (f"postgresql://ada:{SECRET}@db:99999/worlds", "cannot be read"),
        (f"postgresql://ada:{SECRET}/x@db/worlds", "cannot be read"),
        (f"postgresql://ada:{SECRET}#x@db/worlds", "cannot be read|names no database"),
        (f"postgresql://ada:{SECRET}@[db/worlds", "cannot be read"),
        (f"postgresql://ada:{SECRET}@db/worlds?nonsense", "cannot be read"),
    ],
)
def test_a_bad_address_is_told_without_the_password(url: str, words: str):
    with pytest.raises(BadSettings, match=words) as refused:
        Address.parse(url)
    assert "WORKBENCH_DATABASE_URL" in str(refused.value)
    assert SECRET not in told(refused.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_an_address_shows_all_but_the_password(scheme: str):
    address = Address.parse(f"{scheme}://ada:{SECRET}@db.example.org:6543/worlds?sslmode=require")
    assert str(address) == address.shown == "ada@db.example.org:6543/worlds"
    assert SECRET not in f"{address} {address!r} {[address]} {vars(address).keys()}"


def test_a_password_given_as_a_parameter_is_not_shown_either():
    address = Address.parse(f"postgresql://db/worlds?user=ada&password={SECRET}")
    assert SECRET not in f"{address} {address!r}"


# Servers that refuse


@pytest.fixture
async def login(server: Any, database_url: str) -> AsyncIterator[str]:
    """The URL of a database for a role that needs its password, all of odd characters."""
    password = f"{SECRET} @:/?#[]%&='\"\\ é"
    literal = password.replace("'", "''")
    name = database_url.partition("?")[0].rpartition("/")[2]
    await asyncio.to_thread(
        server.run,
        f"CREATE ROLE guest LOGIN CONNECTION LIMIT 2 PASSWORD '{literal}'",
        f"GRANT CONNECT ON DATABASE {name} TO guest",
    )
    yield database_url.replace("//workbench@", f"//guest:{quote(password, safe='')}@")
    await asyncio.to_thread(
        server.run, f"REVOKE ALL ON DATABASE {name} FROM guest", "DROP ROLE guest"
    )


async def test_a_password_of_odd_characters_opens_both_kinds_of_connection(login: str):
    await opened(login)
    database = Database(Address.parse(login))
    table = await columnar.columns(database, "SELECT current_user AS who")
    assert table.to_pylist() == [{"who": "guest"}]
    columnar.close(database)
    await database.close()


async def test_a_wrong_password_is_told_and_not_shown(login: str, caplog):
    url = login.replace(SECRET, f"{SECRET}-wrong")
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreUnavailable) as refused:
        await opened(url)
    assert "refuses the user or the password" in str(refused.value)
    assert SECRET not in told(refused.value) + caplog.text


async def test_a_wrong_password_is_told_by_frames_too(login: str, caplog):
    database = Database(Address.parse(login.replace(SECRET, f"{SECRET}-wrong")))
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreUnavailable) as refused:
        await columnar.columns(database, "SELECT 1")
    await database.close()
    assert "refuses the user or the password" in str(refused.value)
    assert SECRET not in told(refused.value) + caplog.text


async def test_a_database_that_is_not_on_the_server_is_told(server):
    with pytest.raises(StoreUnavailable, match="no such database on that server"):
        await opened(server.url("nowhere"))


async def test_too_many_connections_are_told(login: str):
    held = [await asyncpg.connect(login) for _ in range(2)]
    try:
        with pytest.raises(StoreUnavailable, match="no free connection") as refused:
            await opened(login)
    finally:
        for connection in held:
            await connection.close()
    assert SECRET not in told(refused.value)
    await opened(login)


@pytest.mark.parametrize(
    "where",
    ["127.0.0.1:1", "no-such-host.invalid", "x" * 70 + ".example.org"],
)
async def test_a_server_that_is_not_there_is_told_without_the_password(where: str, caplog):
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreUnavailable) as refused:
        await opened(f"postgresql://ada:{SECRET}@{where}/worlds")
    assert "nothing answers there" in str(refused.value)
    assert f"ada@{where}" in str(refused.value)
    assert SECRET not in told(refused.value) + caplog.text


async def test_a_server_that_never_answers_is_given_up():
    """Something listens and says nothing, as behind some firewalls."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database(
            Address.parse(f"postgresql://ada:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/worlds"),
            connect_timeout_seconds=0.2,
        )
        with pytest.raises(StoreUnavailable, match="no answer in time"):
            await require_server(database)
        await database.close()


async def test_something_else_that_answers_is_told():
    """A web server on that port, say."""

    async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    web = await asyncio.start_server(chatter, "127.0.0.1", 0)
    port = web.sockets[0].getsockname()[1]
    with pytest.raises(StoreUnavailable, match=r"nothing answers there|TLS"):
        await opened(f"postgresql://ada:{SECRET}@127.0.0.1:{port}/worlds")
    web.close()


@pytest.mark.parametrize("option", ["user=ada&target_session_attrs=nonsense", "sslnegotiation=x"])
async def test_a_parameter_that_cannot_be_is_a_bad_setting(option: str):
    with pytest.raises(BadSettings, match="WORKBENCH_DATABASE_URL cannot be used") as refused:
        await opened(f"postgresql://ada:{SECRET}@127.0.0.1:1/worlds?{option}")
    assert SECRET not in told(refused.value)


# Pools


async def test_a_pool_that_is_all_in_use_is_told_and_serves_again(database_url: str):
    database = Database(Address.parse(database_url), pool_size=1, pool_timeout_seconds=0.2)
    async with database.reading(), database.reading():  # the pool may grow to twice its size
        with pytest.raises(StoreUnavailable, match="WORKBENCH_POOL_SIZE"):
            async with database.reading():
                pass
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await database.close()


async def end_sessions(server: Any, url: str) -> None:
    """End every session on a database, as a restart of its server does."""
    name = url.partition("?")[0].rpartition("/")[2]
    await asyncio.to_thread(
        server.run,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        f" WHERE datname = '{name}' AND pid <> pg_backend_pid()",
    )


async def test_calls_go_on_after_the_server_was_restarted(server, database_url, wb: Workspace):
    world = await wb.worlds.add(name="Denmark")
    assert len(await wb.worlds.frame()) == 1
    await end_sessions(server, database_url)
    assert (await wb.worlds.get(world.id)).name == "Denmark"
    assert len(await wb.worlds.frame()) == 1
    await end_sessions(server, database_url)
    assert len(await wb.worlds.frame()) == 1
    await wb.worlds.add(name="Norway")
    assert await wb.worlds.count() == 2


async def test_a_connection_lost_inside_a_transaction_writes_nothing(
    server, database_url, wb: Workspace
):
    async def work() -> None:
        async with wb.transaction():
            await wb.worlds.add(name="Denmark")
            await end_sessions(server, database_url)
            await wb.worlds.add(name="Norway")

    with pytest.raises((StoreUnavailable, Conflict)) as lost:
        await work()
    assert type(lost.value) in (StoreUnavailable, Conflict)
    assert await wb.worlds.count() == 0
    await wb.worlds.add(name="Denmark")


async def test_a_connection_lost_before_the_end_of_a_transaction_is_told(
    server, database_url, wb: Workspace
):
    async def work() -> None:
        async with wb.transaction():
            await wb.worlds.add(name="Denmark")
            await end_sessions(server, database_url)

    with pytest.raises(StoreUnavailable):
        await work()
    assert await wb.worlds.count() == 0


async def test_work_that_lost_its_connection_is_not_done_twice(server, database_url, wb: Workspace):
    """Whether it was written is not known to us, so a person has to look."""
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        await wb.worlds.add(name=f"World {attempts}")
        await end_sessions(server, database_url)

    with pytest.raises(StoreUnavailable):
        await wb.atomically(work)
    assert attempts == 1


async def test_a_statement_that_takes_too_long_is_stopped_and_told(database_url: str):
    database = Database(Address.parse(database_url), statement_timeout_seconds=0.1)
    with pytest.raises(WorkbenchError, match="STATEMENT_TIMEOUT") as stopped:
        async with database.reading() as connection:
            await connection.execute(text("SELECT pg_sleep(60)"))
    assert type(stopped.value) is WorkbenchError
    with pytest.raises(WorkbenchError, match="STATEMENT_TIMEOUT"):
        await columnar.columns(database, "SELECT pg_sleep(60)::text")
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    columnar.close(database)
    await database.close()


async def sessions(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    finally:
        await connection.close()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask the database again and again until it is so; 5 seconds at most."""
    for _ in range(500):
        if await holds():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def no_sessions(url: str, but: int = 0) -> None:
    async def gone() -> bool:
        return await sessions(url) <= but

    await until(gone)


async def test_a_closed_workspace_leaves_no_connection(database_url: str, tmp_path: Path):
    wb = await workbench.connect(database_url, user="tester@localhost", home=tmp_path)
    await wb.worlds.add(name="Denmark")
    await wb.worlds.frame()
    await asyncio.gather(*(wb.worlds.count() for _ in range(5)))
    assert await sessions(database_url) >= 2
    await wb.close()
    await no_sessions(database_url)


async def test_a_workspace_that_fails_to_open_leaves_no_connection(empty_database: str):
    with pytest.raises(WrongDatabase, match="workbench migrate"):
        await workbench.connect(empty_database)
    await no_sessions(empty_database)


async def test_a_cancelled_call_leaves_the_pool_whole(database_url: str):
    database = Database(Address.parse(database_url), pool_size=1, pool_timeout_seconds=5)

    async def long() -> None:
        async with database.reading() as connection:
            await connection.execute(text("SELECT pg_sleep(60)"))

    for _ in range(5):
        task = asyncio.create_task(long())
        await until(lambda: busy(database_url))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await database.close()
    await no_sessions(database_url)


async def busy(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
            )
        )
    finally:
        await connection.close()


# Who acts


async def test_an_acting_user_is_added_once_even_when_many_connect_at_once(empty_database: str):
    fresh = Database(Address.parse(empty_database))
    await migrate(fresh)
    await fresh.close()
    opened = await asyncio.gather(
        *(
            workbench.connect(empty_database, user=user)
            for user in ["new@example.org"] * 4 + ["NEW@Example.org"]
        )
    )
    assert len({wb.database.userid for wb in opened}) == 1
    for wb in opened:
        await wb.close()
    sql = await asyncpg.connect(empty_database)
    assert await sql.fetch('SELECT lower(email), role::text FROM "user"') == [
        ("new@example.org", "admin")
    ]
    await sql.close()


async def test_an_acting_user_nobody_knows_is_refused_once_there_is_somebody(
    database_url: str, sql: asyncpg.Connection
):
    with pytest.raises(BadSettings, match=r"no user stranger@example\.org.*users add stranger@"):
        await workbench.connect(database_url, user="stranger@example.org")
    assert await sql.fetchval('SELECT count(*) FROM "user"') == 1
    await no_sessions(database_url, but=1)  # the plain connection of `sql`


async def test_an_acting_user_in_the_trash_is_told(database_url: str, sql: asyncpg.Connection):
    await sql.execute(
        "INSERT INTO \"user\" (email, role, deleted_at) VALUES ('gone@example.org', 'admin', now())"
    )
    with pytest.raises(WorkbenchError, match=r"gone@example\.org.*trash"):
        await workbench.connect(database_url, user="gone@example.org")
    await no_sessions(database_url, but=1)  # the plain connection of `sql`


# Any PostgreSQL from 15 on


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(
            15,
            marks=pytest.mark.skipif(
                not (DEBIAN / "postgres").exists(), reason="needs Debian's postgresql-15"
            ),
        ),
        18,
    ],
)
async def test_an_owner_who_may_make_roles_is_enough(other_server, tmp_path: Path, version: int):
    """As managed services have it: an administrator who is no superuser."""
    programs = DEBIAN if version == 15 else None
    other = await asyncio.to_thread(other_server, programs=programs)
    await asyncio.to_thread(
        other.run,
        f"CREATE ROLE ada LOGIN PASSWORD '{SECRET}' NOSUPERUSER NOCREATEDB NOCREATEROLE",
        "CREATE DATABASE worlds OWNER ada ENCODING 'UTF8' TEMPLATE template0",
    )
    url = other.url("worlds", user="ada", password=SECRET)
    database = Database(Address.parse(url))
    assert await require_server(database) == version
    with pytest.raises(NotAllowed, match="CREATEROLE"):
        await migrate(database)
    assert await current(database) is None
    await asyncio.to_thread(other.run, "ALTER ROLE ada CREATEROLE")
    await migrate(database)
    await acting_user(database, "ada@example.org")
    user = await acting_user(database, "eve@example.org", role="editor")
    stranger = await issue_login(database, user, "tests")
    await database.close()
    async with await workbench.connect(url, user="ada@example.org", home=tmp_path) as wb:
        world = await wb.worlds.add(name="Denmark")
        story = await wb.stories.add(name="Hamlet", worldid=world.id)
        act = await wb.acts.add(name="I", storyid=story.id)
        scenes = await wb.scenes.add_many([{"name": str(n), "actid": act.id} for n in range(9)])
        assert {scene.id.version for scene in scenes} == {7}
        assert len(await wb.scenes.frame(world=world, names=True)) == 9
        await wb.export(tmp_path / "files", world="Denmark")
        report = await wb.load(tmp_path / "files")
        assert (report.problems, report.tables["scenes"].unchanged) == ([], 9)
        await wb.acts.remove(act)
        assert await wb.scenes.count() == 0
        await wb.acts.restore(act)
    eve = Database(Address.parse(url).signed_in(stranger.role, stranger.password))
    async with eve.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM scene")) == 0
        told = []
        for bound in ("0", "9"):
            plan = await connection.execute(
                text(
                    f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS OFF) SELECT FROM scene WHERE name < '{bound}'"
                )
            )
            told.append([row[0] for row in plan if "Time" not in row[0] and "name" not in row[0]])
        assert told[0] == told[1]
    await eve.close()
