"""What ends with a session or a token, and what becomes of worlds whose people come and go."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta

import asyncpg
import pytest

from workbench.database.logins import extend_logins, issue_login
from workbench.database.translate import translate
from workbench.errors import NotAllowed

REFUSED = (asyncpg.InsufficientPrivilegeError,)
ENDED = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.exceptions.InternalClientError,
    ConnectionError,
)


async def session_of(people, sql, name: str) -> object:
    return await sql.fetchval(
        "INSERT INTO auth.session (digest, userid, provider, agent, address, idle, expires_at)"
        " VALUES ($1, $2, 'link', 'tests', '127.0.0.1', '1 hour', now() + interval '1 day') RETURNING id",
        secrets.token_bytes(32),
        people.ids[name],
    )


async def token_of(people, sql, name: str) -> object:
    return await sql.fetchval(
        "INSERT INTO auth.token (digest, userid, kind, name, scope, expires_at)"
        " VALUES ($1, $2, 'personal', 'job', 'write', now() + interval '1 day') RETURNING id",
        secrets.token_bytes(32),
        people.ids[name],
    )


ENDINGS = {
    "session": "UPDATE auth.session SET ended_at = now() WHERE id = $1",
    "token": "UPDATE auth.token SET revoked_at = now() WHERE id = $1",
}


@pytest.mark.parametrize("what", ENDINGS)
async def test_logins_end_with_the_session_or_token_they_were_issued_for(people, sql, what):
    source = await (session_of if what == "session" else token_of)(people, sql, "bob")
    login = await issue_login(people.owner, people.ids["bob"], "page", **{what: source})
    session = await people.connect(login)
    assert await session.fetchval("SELECT count(*) FROM persona") == 2
    await sql.execute(ENDINGS[what], source)
    with pytest.raises(ENDED):
        await session.fetchval("SELECT 1")
    with pytest.raises(asyncpg.PostgresError):
        await people.connect(login)
    with pytest.raises(NotAllowed):
        await issue_login(people.owner, people.ids["bob"], "page", **{what: source})


async def test_a_session_of_somebody_else_gives_no_login(people, sql):
    of_ann = await session_of(people, sql, "ann")
    with pytest.raises(NotAllowed):
        await issue_login(people.owner, people.ids["bob"], "page", session=of_ann)


@pytest.mark.parametrize(
    "column", ["expires_at = now() - interval '1 s'", "seen_at = now() - interval '2 h'"]
)
async def test_a_session_that_ran_out_takes_its_logins_with_it(people, sql, column):
    source = await session_of(people, sql, "bob")
    login = await issue_login(people.owner, people.ids["bob"], "page", session=source)
    await sql.execute(f"UPDATE auth.session SET {column} WHERE id = $1", source)
    await sql.execute("SELECT auth.tidy()")
    with pytest.raises(asyncpg.PostgresError):
        await people.connect(login)


async def test_a_login_that_is_kept_stays_though_nobody_uses_it(people, sql):
    login = await people.login("bob", kept=True)
    await sql.execute("SELECT auth.reap(longest_unused => '0')")
    await (await people.connect(login)).close()


async def test_a_login_that_is_extended_outlives_its_time(people, sql):
    login = await people.login("bob", lifetime=timedelta(seconds=30))
    assert await extend_logins(people.owner, [login.role], timedelta(hours=1)) == 1
    left = await sql.fetchval(
        "SELECT least(l.expires_at, r.rolvaliduntil) - now() FROM auth.login l"
        " JOIN pg_roles r USING (rolname) WHERE rolname = $1",
        login.role,
    )
    assert left > timedelta(minutes=59)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM auth.session",
        "SELECT * FROM auth.token",
        "SELECT * FROM auth.event",
        "SELECT * FROM auth.invitation",
        "SELECT * FROM auth.identity",
        "SELECT * FROM auth.device",
        "INSERT INTO auth.event (kind) VALUES ('signed_in')",
        "SELECT auth.tidy()",
        "SELECT auth.take_shares(rules.acting_user())",
        "SELECT auth.delete_account(rules.acting_user())",
        "SELECT auth.give_world(gen_random_uuid(), rules.acting_user())",
        "SELECT auth.regrant_login(session_user, true)",
        "SELECT auth.extend_logins(ARRAY[session_user], '8 hours')",
    ],
)
async def test_a_login_does_not_reach_what_signs_people_in(people, query):
    for name in ("ada", "eve", "ivo"):
        with pytest.raises(REFUSED):
            await people[name].execute(query)


async def test_a_share_waits_for_an_address_until_somebody_has_proved_it(people, sql):
    await people["ann"].execute("SELECT rules.share($1, 'New@example.org', 'editor')", people.world)
    new = await sql.fetchval("INSERT INTO \"user\" (email) VALUES ('new@EXAMPLE.org') RETURNING id")
    assert await sql.fetchval("SELECT auth.take_shares($1)", new) == 0, "not verified"
    await sql.execute('UPDATE "user" SET is_verified = true WHERE id = $1', new)
    assert await sql.fetchval("SELECT auth.take_shares($1)", new) == 1
    assert (
        await sql.fetchval("SELECT role::text FROM world_member WHERE userid = $1", new) == "editor"
    )
    assert await sql.fetchval("SELECT count(*) FROM auth.share") == 0


async def test_members_are_told_to_members_and_addresses_to_managers(people):
    await people["max"].execute(
        "SELECT rules.share($1, 'late@example.org', 'viewer')", people.world
    )
    query = "SELECT email, role, pending FROM rules.members($1)"
    told = {row["email"]: row["role"] for row in await people["max"].fetch(query, people.world)}
    assert told["late@example.org"] == "viewer"
    assert told["ann@example.org"] == "owner"
    assert told["bob@example.org"] == "editor"
    seen = await people["vera"].fetch(query, people.world)
    assert len(seen) == len(told) - 1
    assert {row["email"] for row in seen} == {None}
    assert await people["eve"].fetch(query, people.world) == []


@pytest.mark.parametrize("name", ["bob", "vera", "ivo", "eve", "ada"])
@pytest.mark.parametrize(
    "query",
    [
        "rules.share($1, 'eve@example.org', 'manager')",
        "rules.unshare($1, 'max@example.org')",
        "rules.hand_over($1, 'eve@example.org')",
    ],
)
async def test_only_managers_share_and_hand_over(people, name, query):
    with pytest.raises(REFUSED):
        await people[name].execute(f"SELECT {query}", people.world)


async def test_who_was_removed_sees_the_world_no_more(people):
    assert await people["ann"].fetchval("SELECT rules.unshare($1, 'BOB@example.org')", people.world)
    assert await people["bob"].fetchval("SELECT count(*) FROM persona") == 0


async def test_a_world_that_is_handed_over_has_a_new_owner_and_a_manager_more(people, sql):
    await people["max"].execute("SELECT rules.hand_over($1, 'bob@example.org')", people.world)
    told = {
        r["name"]: r["role"]
        for r in await people["bob"].fetch(
            "SELECT email AS name, role FROM rules.members($1)", people.world
        )
    }
    assert told["bob@example.org"] == "owner"
    assert told["ann@example.org"] == "manager"
    assert (
        await sql.fetchval("SELECT count(*) FROM world_member WHERE userid = $1", people.ids["bob"])
        == 0
    )
    author = await sql.fetchval(
        "SELECT userid FROM history.change AS c JOIN history.changeset AS s ON s.id = c.changesetid WHERE entity = 'world' ORDER BY c.id DESC LIMIT 1"
    )
    assert author == people.ids["max"]


async def test_an_account_goes_only_when_its_worlds_have_heirs(people, sql):
    ann = people.ids["ann"]
    with pytest.raises(asyncpg.RestrictViolationError):
        await sql.execute("SELECT auth.delete_account($1)", ann)
    for heir in ("eve", "ann"):  # no member; oneself
        heirs = json.dumps({str(people.world): str(people.ids[heir])})
        with pytest.raises(asyncpg.RestrictViolationError):
            await sql.execute("SELECT auth.delete_account($1, $2)", ann, heirs)
    assert await people["ann"].fetchval("SELECT count(*) FROM persona") == 2
    heirs = json.dumps({str(people.world): str(people.ids["bob"])})
    await sql.execute("SELECT auth.delete_account($1, $2)", ann, heirs)
    assert (
        await sql.fetchval("SELECT ownerid FROM world WHERE id = $1", people.world)
        == people.ids["bob"]
    )
    with pytest.raises(ENDED):
        await people["ann"].fetchval("SELECT 1")


async def test_the_last_administrator_stays(people, sql):
    await sql.execute(
        "UPDATE \"user\" SET role = 'editor' WHERE role = 'admin' AND id <> $1", people.ids["ada"]
    )
    with pytest.raises(asyncpg.RestrictViolationError):
        await sql.execute("SELECT auth.delete_account($1)", people.ids["ada"])


async def test_the_last_administrator_who_can_sign_in_stays(people, sql):
    identify = (
        "INSERT INTO auth.identity (issuer, subject, userid, provider) VALUES ('i', $1, $2, 'p')"
    )
    await sql.execute(identify, "ada", people.ids["ada"])
    with pytest.raises(asyncpg.RestrictViolationError):  # tester@localhost has no way in
        await sql.execute("SELECT auth.delete_account($1)", people.ids["ada"])
    await sql.execute("SELECT auth.delete_account($1)", people.ids["eve"])  # who is none
    await sql.execute("UPDATE \"user\" SET role = 'admin' WHERE id = $1", people.ids["bob"])
    await sql.execute(identify, "bob", people.ids["bob"])
    await sql.execute("SELECT auth.delete_account($1)", people.ids["ada"])


async def test_no_world_goes_to_somebody_who_may_only_read(people, sql):
    with pytest.raises(asyncpg.RestrictViolationError) as refused:
        await people["ann"].execute("SELECT rules.hand_over($1, 'ivo@example.org')", people.world)
    assert "may only read" in str(translate(refused.value))
    heirs = json.dumps({str(people.world): str(people.ids["ivo"])})
    with pytest.raises(asyncpg.RestrictViolationError) as refused:
        await sql.execute("SELECT auth.delete_account($1, $2)", people.ids["ann"], heirs)
    assert "whose account may edit" in str(translate(refused.value))
    await sql.execute("UPDATE \"user\" SET role = 'viewer' WHERE id = $1", people.ids["max"])
    assert await people["ann"].fetchval("SELECT rules.managers($1)", people.world) == [
        "ann@example.org"
    ]


@pytest.fixture
async def dashboard(people, superuser):
    """A session as the dashboard's server has it where it is not the owner."""
    name = f"dashboard_{secrets.token_hex(4)}"
    await superuser.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p' IN ROLE workbench_server")
    session = await asyncpg.connect(people.url, user=name, password="p")
    yield session
    await session.close()
    await superuser.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize("table", ["persona", "scene", "image", "scene_persona", "history.change"])
async def test_the_server_reads_and_writes_nothing_of_any_world(people, dashboard, table):
    for query in (f"SELECT * FROM {table}", f"DELETE FROM {table}"):
        with pytest.raises(REFUSED):
            await dashboard.execute(query)


async def test_the_server_neither_forges_nor_forgets_what_happened(people, dashboard):
    await dashboard.execute(
        "INSERT INTO auth.event (kind, userid) VALUES ('signed_in', $1)", people.ids["bob"]
    )
    for query in (
        "UPDATE auth.event SET kind = 'x'",
        "DELETE FROM auth.event",
        "TRUNCATE auth.event",
        'DELETE FROM "user"',
        "UPDATE world SET ownerid = NULL",
        "INSERT INTO world_member (worldid, userid, role) VALUES (NULL, NULL, 'manager')",
        "UPDATE history.changeset SET userid = NULL",
        "CREATE ROLE mine",
        "CREATE TABLE public.mine (a int)",
    ):
        with pytest.raises(REFUSED):
            await dashboard.execute(query)


async def test_what_the_server_changes_of_accounts_has_an_author(people, dashboard, sql):
    async with dashboard.transaction():
        await dashboard.execute(
            "SELECT set_config('workbench.userid', $1, true)", str(people.ids["ada"])
        )
        await dashboard.execute(
            "UPDATE \"user\" SET role = 'viewer' WHERE id = $1", people.ids["bob"]
        )
    author = await sql.fetchval(
        "SELECT userid FROM history.change AS c JOIN history.changeset AS s ON s.id = c.changesetid WHERE entity = 'user' ORDER BY c.id DESC LIMIT 1"
    )
    assert author == people.ids["ada"]


async def test_a_manager_takes_a_world_only_from_an_owner_who_is_gone(people, sql):
    query = "SELECT rules.hand_over($1, 'max@example.org')"
    with pytest.raises(REFUSED):
        await people["max"].execute(query, people.world)
    await change_user(sql, people.ids["ann"], "is_active = false")
    await people["max"].execute(query, people.world)
    assert await sql.fetchval("SELECT ownerid FROM world") == people.ids["max"]


async def change_user(sql, user: object, what: str) -> None:
    await sql.execute(f'UPDATE "user" SET {what} WHERE id = $1', user)


async def test_a_member_may_leave_and_remove_nobody_else(people):
    assert await people["vera"].fetchval(
        "SELECT rules.unshare($1, 'vera@example.org')", people.world
    )
    assert await people["vera"].fetchval("SELECT count(*) FROM persona") == 0
    with pytest.raises(REFUSED):
        await people["ivo"].execute("SELECT rules.unshare($1, 'bob@example.org')", people.world)


async def test_nobody_is_listed_twice_who_got_an_account_after_a_share(people, sql):
    share = "SELECT rules.share($1, 'late@example.org', 'viewer')"
    await people["ann"].execute(share, people.world)
    await sql.execute("INSERT INTO \"user\" (email) VALUES ('late@example.org')")
    await people["ann"].execute(share, people.world)
    told = await people["ann"].fetch("SELECT email FROM rules.members($1)", people.world)
    assert [row["email"] for row in told].count("late@example.org") == 1
