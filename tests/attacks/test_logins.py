"""Logins live as long as they should, and not longer."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from workbench.database import columnar, logins
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.logins import OwnLogin, login_of, revoke_login
from workbench.errors import NotAllowed, StoreUnavailable, WorkbenchError

Ended = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError)


async def until(people, login: str, statement: str = "SELECT 1") -> None:
    """Wait until the session of somebody has ended."""
    async with asyncio.timeout(10):
        while True:
            try:
                await people[login].execute(statement)
            except (*Ended, asyncpg.exceptions.InternalClientError):
                return
            await asyncio.sleep(0.01)


async def test_an_expired_login_sees_nothing_and_opens_no_session(people):
    login = await people.login("bob", lifetime=timedelta(seconds=1))
    session = await people.connect(login)
    assert await session.fetchval("SELECT count(*) FROM scene") == 1
    await session.execute("SELECT pg_sleep(extract(epoch FROM $1 - now()))", login.expires_at)
    assert await session.fetchval("SELECT count(*) FROM scene") == 0
    with pytest.raises(asyncpg.InvalidPasswordError):
        await people.connect(login)
    assert await session.execute("UPDATE scene SET name = 'late'") == "UPDATE 0"
    with pytest.raises(asyncpg.PostgresError):
        await session.execute("INSERT INTO world (name) VALUES ('late')")
    await session.close()


async def test_a_revoked_login_is_ended_and_stays_so(people):
    bob, login = people["bob"], people.logins["bob"]
    await bob.execute(f"ALTER ROLE {login.role} PASSWORD 'my-own-choice'")
    await revoke_login(people.owner, login.role)
    await until(people, "bob")
    for password in (login.password, "my-own-choice"):
        with pytest.raises(asyncpg.PostgresError):
            await asyncpg.connect(people.url, user=login.role, password=password)


async def change(people, name: str, what: str) -> None:
    async with people.owner.writing() as connection:
        await connection.exec_driver_sql(
            f"UPDATE \"user\" SET {what} WHERE email = '{name}@example.org'"
        )


RENAMED = "UPDATE persona SET name = name || '!' WHERE id = $1"


async def test_a_changed_role_counts_at_once_in_sessions_that_are_open(people):
    bob, persona = people["bob"], people.rows["persona"]
    changing = await bob.prepare(RENAMED)
    await changing.fetch(persona)
    await change(people, "bob", "role = 'viewer'")
    for attempt in (changing.fetch(persona), bob.execute(RENAMED, persona)):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await attempt
    assert await bob.fetchval("SELECT count(*) FROM persona") == 2
    await change(people, "bob", "role = 'admin'")
    assert await bob.execute(RENAMED, persona) == "UPDATE 1"


async def test_a_login_that_only_reads_writes_nothing_after_its_user_is_promoted(people):
    reader = await people.connect(await people.login("bob", read_only=True))
    await change(people, "bob", "role = 'admin'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute(RENAMED, people.rows["persona"])
    await reader.close()


@pytest.mark.parametrize("changed", ["is_active = false", "deleted_at = now()"])
async def test_a_user_who_is_put_to_rest_loses_all_logins_at_once(people, changed):
    second = await people.connect(await people.login("bob"))
    await change(people, "bob", changed)
    await until(people, "bob")
    with pytest.raises((*Ended, asyncpg.exceptions.InternalClientError)):
        await second.execute("SELECT 1")
    with pytest.raises(NotAllowed):
        await people.login("bob")


async def test_a_login_that_only_reads_writes_nothing(people):
    session = await people.connect(await people.login("ann", read_only=True))
    assert await session.fetchval("SELECT count(*) FROM scene") == 1
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await session.execute("UPDATE scene SET name = 'changed'")
    await session.close()


async def test_an_administrators_login_is_an_editors(people):
    groups = await people["ada"].fetch(
        "SELECT g.rolname FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid"
        " JOIN pg_roles AS u ON u.oid = m.member WHERE u.rolname = current_user"
    )
    assert [row["rolname"] for row in groups] == ["workbench_editor"]


async def test_a_user_has_forty_logins_at_most(people):
    for _ in range(30):
        await people.login("eve", connections=1)
    with pytest.raises(StoreUnavailable, match="logins"):
        await several(people, 10, connections=1)
    await people.login("bob")


async def test_all_logins_of_a_user_leave_connections_to_others(people, sql):
    most = int(await sql.fetchval("SHOW max_connections"))
    with pytest.raises(StoreUnavailable, match="logins"):
        await several(people, 12, connections=30)
    limits = await sql.fetch(
        "SELECT rolconnlimit AS n FROM pg_roles JOIN auth.login AS l USING (rolname)"
        " WHERE l.userid = $1",
        people.ids["eve"],
    )
    assert sum(row["n"] for row in limits) == min(100, most * 2 // 5)
    assert min(row["n"] for row in limits) >= 1
    await people.login("bob")


async def test_connections_are_kept_back_for_the_server(sql):
    kept = "SELECT pg_has_role(current_user, 'pg_use_reserved_connections', 'USAGE')"
    assert await sql.fetchval(kept)


async def test_a_login_opens_as_many_sessions_as_it_may(people):
    login = await people.login("bob", connections=2)
    sessions = [await people.connect(login) for _ in range(2)]
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await people.connect(login)
    for session in sessions:
        await session.close()


async def test_what_has_ended_is_cleared_away(people, sql):
    before = await sql.fetchval("SELECT count(*) FROM auth.login")
    login = await people.login("bob", lifetime=timedelta(milliseconds=1))
    async with asyncio.timeout(10):
        while await sql.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", login.role):
            await sql.execute("SELECT * FROM auth.reap()")
    assert await sql.fetchval("SELECT count(*) FROM auth.login") == before
    assert await people["bob"].fetchval("SELECT count(*) FROM scene") == 1


async def test_a_transaction_that_is_idle_for_long_is_ended_whatever_it_set(people, sql):
    bob = people["bob"]
    await bob.execute("SET idle_in_transaction_session_timeout = 0")
    await bob.execute("BEGIN")
    await bob.execute("UPDATE scene SET display_name = 'held'")
    ended = await sql.fetchval("SELECT ended FROM auth.reap(longest_idle => '0 seconds')")
    assert ended == 1
    await until(people, "bob")
    assert await people["ann"].execute("UPDATE scene SET display_name = 'free'") == "UPDATE 1"


async def test_only_the_server_issues_and_revokes(people):
    for name in ("ada", "ann", "ivo"):
        for statement in (
            "SELECT auth.issue_login(rules.acting_user(), 'x', 'mine')",
            f"SELECT auth.revoke_login('{people.logins['bob'].role}')",
            "SELECT auth.reap()",
            "SELECT * FROM auth.login",
            "GRANT workbench_editor TO current_user",
            "CREATE ROLE mine LOGIN",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await people[name].execute(statement)


async def test_what_a_killed_process_left_is_cleared_away(people, sql):
    left = await people.login("bob")
    async with asyncio.timeout(10):
        while await sql.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", left.role):
            await sql.execute("SELECT auth.reap(longest_unused => '0 seconds')")
    assert await people["bob"].fetchval("SELECT count(*) FROM scene") == 1, "it is in use"


async def test_a_process_whose_login_was_cleared_away_gets_another(people):
    login = OwnLogin(Database(Address.parse(people.url)), people.ids["bob"], "tests")
    database = Database(await login.address(), login=login)
    for end in ("auth.revoke_login", "auth.clear_away"):
        first = database.address
        async with people.owner.writing() as connection:
            await connection.exec_driver_sql(f"SELECT {end}('{first.user}')")
        async with database.reading() as connection:
            assert await connection.exec_driver_sql("SELECT FROM scene")
        assert database.address != first
        assert (await columnar.columns(database, "SELECT id FROM scene")).num_rows == 1
        await database.close()
        columnar.close(database)
    await login.close()


async def test_a_process_renews_its_own_login_and_revokes_it_at_the_end(people, monkeypatch):
    login = OwnLogin(Database(Address.parse(people.url)), people.ids["bob"], "tests")
    first = await login.address()
    assert await login.address() == first
    monkeypatch.setattr(logins, "_RENEWED_BEFORE", timedelta(hours=9))
    assert await login.address() != first
    database = Database(first)
    assert await login_of(database) == people.ids["bob"]
    await database.close()
    await login.close()
    with pytest.raises(WorkbenchError):
        await login_of(database)
    assert await login_of(people.owner) is None


async def several(people, count: int, *, connections: int) -> None:
    for _ in range(count):
        await people.login("eve", connections=connections)
