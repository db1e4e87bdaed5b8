"""Statements that no part of ours would send, of whoever has taken a login out of a kernel."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress

import asyncpg
import pytest
from people import IN_WORLD, LINKS

from workbench.database.logins import revoke_login

Refused = asyncpg.InsufficientPrivilegeError
Ended = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.exceptions.InternalClientError,
    ConnectionError,
)
TEMPLATE = "template_workbench"
READABLE = ("world", *IN_WORLD, *LINKS, "world_member", "history.change", "history.entry")

WAYS = (
    "UPDATE persona SET display_name = 'mine' WHERE id = $1",
    "MERGE INTO persona AS p USING (SELECT $1::uuid AS id) AS s ON p.id = s.id"
    " WHEN MATCHED THEN UPDATE SET display_name = 'mine'"
    " WHEN NOT MATCHED THEN DO NOTHING",
    "INSERT INTO persona (worldid, name) SELECT worldid, name FROM persona WHERE id = $1"
    " ON CONFLICT (worldid, name, deleted_at) DO UPDATE SET display_name = 'mine'",
    "WITH done AS (UPDATE persona SET display_name = 'mine'"
    " WHERE id = $1 RETURNING 1) SELECT count(*) FROM done",
    "UPDATE persona AS p SET display_name = 'mine'"
    " FROM persona AS s WHERE s.id = p.id AND p.id = $1",
    "SELECT pg_temp.change($1)",
)
CHANGE = """
CREATE FUNCTION pg_temp.change(one uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN EXECUTE 'UPDATE persona SET display_name = ''mine'' WHERE id = $1' USING one; END $$
"""


async def test_no_way_of_writing_goes_past_the_rights(people):
    for name in ("eve", "vera", "ivo"):
        await people[name].execute(CHANGE)
        for way in WAYS:
            with suppress(Refused):
                await people[name].fetch(way, people.rows["persona"])
    found = await people["ann"].fetchrow(
        "SELECT count(*), count(display_name), max(version) FROM persona"
    )
    assert tuple(found) == (2, 0, 1)


async def test_an_insert_that_meets_a_hidden_row_neither_changes_nor_shows_it(people):
    for name in ("eve", "vera"):
        with pytest.raises(Refused):
            await people[name].fetch(
                "INSERT INTO persona (worldid, name) VALUES ($1, 'one persona')"
                " ON CONFLICT (worldid, name, deleted_at)"
                " DO UPDATE SET display_name = 'mine' RETURNING id",
                people.world,
            )


async def test_switching_row_security_off_shows_nothing(people):
    eve = people["eve"]
    await eve.execute("SET row_security = off")
    for table in READABLE:
        with suppress(Refused):
            assert await eve.fetch(f"SELECT * FROM {table}") == [], table


async def test_a_function_of_ones_own_is_shown_no_hidden_row(people):
    """A cheap one would be called first, if the order of conditions were free."""
    eve, heard = people["eve"], []
    eve.add_log_listener(lambda _, notice: heard.append(notice.message))
    await eve.execute(
        "CREATE FUNCTION pg_temp.heard(text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE NOTICE 'heard %', $1; RETURN true; END $$"
    )
    await eve.execute("CREATE OPERATOR pg_temp.<<< (FUNCTION = pg_temp.heard, RIGHTARG = text)")
    for table in ("world", *IN_WORLD):
        for test in (
            "pg_temp.heard(name)",
            "OPERATOR(pg_temp.<<<) name",
            "1 / (length(name) * 0) = 1",
        ):
            assert await eve.fetch(f"SELECT 1 FROM {table} WHERE {test}") == []
    assert await eve.fetchval("SELECT pg_temp.heard('me')")
    assert heard == ["heard me"]


async def test_copying_out_gives_what_one_may_read_and_no_more(people):
    for table in ("world", *IN_WORLD, *LINKS):
        for name, rows in (("eve", False), ("vera", True)):
            out = io.BytesIO()
            await people[name].copy_from_query(f"SELECT * FROM {table}", output=out)
            assert bool(out.getvalue()) is rows, table
            whole = io.BytesIO()
            await people[name].copy_from_table(table, output=whole)
            assert whole.getvalue() == out.getvalue(), table


GREEDY = (
    "SET ROLE {other}",
    "SET SESSION AUTHORIZATION {other}",
    "GRANT {other} TO {own}",
    "ALTER ROLE {own} SUPERUSER",
    "ALTER ROLE {own} BYPASSRLS",
    "ALTER ROLE {own} CREATEROLE",
    "ALTER ROLE {own} CONNECTION LIMIT 1000",
    "ALTER ROLE {own} VALID UNTIL 'infinity'",
    "ALTER ROLE {other} PASSWORD 'mine'",
    "DROP ROLE {other}",
    "GRANT SELECT ON persona TO PUBLIC",
    "ALTER TABLE persona OWNER TO {own}",
    "COMMENT ON TABLE persona IS 'mine'",
    "REASSIGN OWNED BY {other} TO {own}",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_creat(-1)",
    "SELECT lo_export(1, 'x')",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_stat_reset()",
    "SELECT pg_stat_file('postgresql.conf')",
    "SELECT current_setting('data_directory')",
    "CREATE SERVER mine FOREIGN DATA WRAPPER postgres_fdw",
    "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION pg_temp.x()",
    "CREATE DATABASE mine",
    "VACUUM FULL persona",
)


async def test_a_login_gives_itself_nothing_and_takes_nothing_of_others(people):
    bob, own, other = people["bob"], people.logins["bob"].role, people.logins["ann"].role
    roles = "SELECT r::text FROM pg_roles AS r ORDER BY 1"
    before, said = await bob.fetch(roles), []
    bob.add_log_listener(lambda _, notice: said.append(notice.message))
    for statement in GREEDY:
        said.clear()
        try:
            await bob.execute(statement.format(own=own, other=other))
        except (Refused, asyncpg.UndefinedFunctionError, asyncpg.UndefinedObjectError):
            continue
        # Some only warn:
        assert any("permission denied" in text or "no privileges" in text for text in said)
    assert await bob.fetch(roles) == before


async def test_other_databases_of_the_server_are_closed_to_a_login(people):
    login = people.logins["ann"]
    for name in ("postgres", "template1"):
        with pytest.raises(Refused):
            await asyncpg.connect(
                people.url, database=name, user=login.role, password=login.password
            )


async def test_in_another_workbench_of_the_server_a_login_is_nobody(people, postgres):
    """Roles are those of the whole server, so it may come in; what it may is in each database."""
    name, login = await asyncio.to_thread(postgres.new_database, TEMPLATE), people.logins["ann"]
    session = await asyncpg.connect(
        people.url, database=name, user=login.role, password=login.password
    )
    assert await session.fetchval("SELECT rules.acting_user()") is None
    for table in (*READABLE, '"user"'):
        assert await session.fetch(f"SELECT * FROM {table}") == [], table
    with pytest.raises(asyncpg.PostgresError):
        await session.execute("INSERT INTO world (name) VALUES ('Nobody''s')")
    await session.close()
    await asyncio.to_thread(postgres.drop, name)


async def test_what_a_login_gives_away_keeps_nobody_from_clearing_it_away(people, sql):
    bob, role = people["bob"], people.logins["bob"].role
    await bob.execute(
        f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {people.logins['eve'].role}"
    )
    await bob.execute("CREATE TEMP TABLE kept (a int)")
    await revoke_login(people.owner, role)
    with pytest.raises(Ended):
        await bob.fetchval("SELECT 1")
    await sql.execute("SELECT auth.reap()")
    left = await sql.fetch("SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", role)
    assert [row["rolcanlogin"] for row in left] in ([], [False])
    assert await people["eve"].fetchval("SELECT 1") == 1


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
async def test_an_old_snapshot_ends_with_its_login(people, level):
    bob = people["bob"]
    await bob.execute(f"BEGIN ISOLATION LEVEL {level}")
    assert await bob.fetchval("SELECT count(*) FROM persona") == 2
    await revoke_login(people.owner, people.logins["bob"].role)
    with pytest.raises(Ended):
        await bob.fetchval("SELECT count(*) FROM persona")


async def test_a_statement_without_end_is_ended_whatever_it_set(people, sql, superuser):
    bob = people["bob"]
    await bob.execute("SET statement_timeout = 0; SET lock_timeout = 0")
    running = asyncio.ensure_future(bob.execute("SELECT pg_sleep(600)"))
    begun = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = $1"
    async with asyncio.timeout(20):
        while not await superuser.fetchval(begun, people.logins["bob"].role):
            assert not running.done()
    await sql.execute("SELECT auth.reap(longest_transaction => '0 seconds')")
    async with asyncio.timeout(20):
        with pytest.raises(Ended):
            await running


async def test_whoever_reads_locks_no_row(people):
    for strength in ("KEY SHARE", "SHARE", "NO KEY UPDATE", "UPDATE"):
        for name in ("eve", "vera", "ivo"):
            try:
                assert await people[name].fetch(f"SELECT 1 FROM persona FOR {strength}") == []
            except Refused:
                continue
    await people["ann"].execute("SET lock_timeout = '5s'")
    await people["ann"].execute("UPDATE persona SET display_name = 'free'")
