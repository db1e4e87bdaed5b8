"""What a login finds out or takes hold of beside rows: the catalogue, locks, files, hints."""

from __future__ import annotations

import json

import asyncpg
import pytest
from people import IN_WORLD

Refused = asyncpg.InsufficientPrivilegeError

LINT = """
SELECT 'row security is off' AS what, c.oid::regclass::text AS where_ FROM pg_class AS c
  WHERE c.relkind IN ('r', 'p') AND c.relnamespace IN
    ('public'::regnamespace, 'history'::regnamespace, 'auth'::regnamespace)
  AND NOT c.relrowsecurity AND c.relname <> 'alembic_version'
UNION ALL SELECT 'no policy', c.oid::regclass::text FROM pg_class AS c
  WHERE c.relrowsecurity AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid)
UNION ALL SELECT 'an index holds text and does not lead with the world', i.indexrelid::regclass::text
  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
  WHERE c.relrowsecurity AND c.relnamespace IN ('public'::regnamespace, 'history'::regnamespace)
  AND coalesce((SELECT attname FROM pg_attribute AS a
    WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[0]), '')
    <> CASE c.relname WHEN 'world' THEN 'id' ELSE 'worldid' END
  AND EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = i.indrelid
    AND a.attnum = ANY (i.indkey) AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'jsonb'::regtype))
UNION ALL SELECT 'a definer function without its own search_path', p.oid::regprocedure::text
  FROM pg_proc AS p WHERE p.prosecdef AND NOT coalesce(p.proconfig::text LIKE '%search_path%', false)
UNION ALL SELECT 'everybody may call it', p.oid::regprocedure::text FROM pg_proc AS p
  WHERE p.pronamespace IN ('rules'::regnamespace, 'history'::regnamespace, 'auth'::regnamespace)
  AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) AS a WHERE a.grantee = 0))
UNION ALL SELECT 'a policy calls a function for every row', polrelid::regclass || '.' || polname
  FROM pg_policy, LATERAL (SELECT coalesce(pg_get_expr(polqual, polrelid), '') || ' '
    || coalesce(pg_get_expr(polwithcheck, polrelid), '') AS e) AS x
  WHERE regexp_replace(regexp_replace(e, '\\( SELECT rules\\.[a-z_]+\\([^)]*\\) AS [a-z_]+\\)', '', 'g'),
    'rules\\.(among\\(|sees_world\\(|===)', '', 'g') ~ 'rules\\.'
UNION ALL SELECT 'a policy looks into another table', polrelid::regclass || '.' || polname
  FROM pg_policy WHERE coalesce(pg_get_expr(polqual, polrelid), '') ~* '(\\sFROM\\s|EXISTS)'
UNION ALL SELECT 'a right to the whole table', c.oid::regclass::text || ' ' || r FROM pg_class AS c,
  unnest(ARRAY['workbench_viewer', 'workbench_editor']) AS r
  WHERE c.relkind = 'r' AND c.relnamespace IN ('public'::regnamespace, 'history'::regnamespace, 'auth'::regnamespace)
  AND has_table_privilege(r, c.oid, 'UPDATE,DELETE,TRUNCATE,TRIGGER,REFERENCES')
UNION ALL SELECT 'a login that is more than a login', rolname FROM pg_roles
  WHERE rolname LIKE 'workbench\\_login\\_%' AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication)
UNION ALL SELECT 'advisory locks for everybody', oid::regprocedure::text FROM pg_proc
  WHERE proname LIKE 'pg%advisory%lock%' AND proname NOT LIKE '%unlock%'
  AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) AS a WHERE a.grantee = 0))
"""


async def test_the_schema_has_none_of_the_known_holes(people, sql):
    assert [tuple(row) for row in await sql.fetch(LINT)] == []


@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE workbench",
        "SET ROLE workbench_logins",
        "SET ROLE workbench_server",
        "SET ROLE postgres",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_user_mapping",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('.')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_create(0)",
        "COPY world TO '/tmp/world'",
        "COPY world FROM PROGRAM 'id'",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "COPY scene (worldid, name) FROM STDIN",
        "LOAD 'plpgsql'",
        "CREATE TABLE public.mine (a int)",
        "CREATE TABLE rules.mine (a int)",
        "CREATE SCHEMA mine",
        "CREATE EXTENSION dblink",
        "CREATE FUNCTION rules.worlds(integer) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION rules.acting_user() RENAME TO other",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_xact_lock(1)",
        "SELECT pg_export_snapshot()",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "SELECT pg_reload_conf()",
        "CREATE PUBLICATION everything FOR ALL TABLES",
        "SELECT pg_create_logical_replication_slot('s', 'test_decoding')",
    ],
)
async def test_the_server_is_out_of_reach(people, statement):
    with pytest.raises(asyncpg.PostgresError) as refused:
        await people["ann"].execute(statement)
    assert refused.value.sqlstate in ("42501", "0A000", "58P01", "55000"), refused.value


async def test_the_sessions_of_others_are_neither_seen_nor_ended(people):
    await people["ann"].execute("SELECT 'Operation Nightfall'")
    seen = await people["eve"].fetch("SELECT query FROM pg_stat_activity WHERE query <> ''")
    assert not [row for row in seen if "Nightfall" in row["query"]]
    pid = await people["ann"].fetchval("SELECT pg_backend_pid()")
    for function in ("pg_cancel_backend", "pg_terminate_backend"):
        with pytest.raises(Refused):
            await people["eve"].fetchval(f"SELECT {function}($1)", pid)


async def test_statistics_do_not_tell_what_rows_hold(people, sql):
    await sql.execute("ANALYZE scene")
    known = await people["eve"].fetch("SELECT DISTINCT tablename FROM pg_stats")
    assert not {row["tablename"] for row in known} & {*IN_WORLD, "world", "user", "change"}


TEXTS = {
    **dict.fromkeys(("world", *IN_WORLD), "name"),
    "persona_relation": "kind",
    '"user"': "email",
    "history.changeset": "source",
    "history.entry": "source",
}
OFF = ("", "seqscan", "indexscan", "bitmapscan", "seqscan bitmapscan", "indexscan bitmapscan")


@pytest.mark.parametrize("table", TEXTS)
async def test_explain_does_not_tell_what_a_hidden_text_is(people, sql, table):
    """Whatever the plan, it counts the same for a bound below the text as for one above it."""
    column, eve = TEXTS[table], people["eve"]
    await people["ann"].execute("SET workbench.source = 'a hidden source'")
    await people["ann"].execute("UPDATE scene SET display_name = 'x'")
    hidden = await sql.fetchval(f"SELECT max({column}) FROM {table.replace('entry', 'changeset')}")
    world = {"world": "id", '"user"': "NULL", "history.changeset": "NULL"}.get(table, "worldid")
    owned = f" AND ownerid = '{people.ids['ann']}'" if table == "world" else ""
    where = ["", f" AND {world} = '{people.world}'" if world != "NULL" else "", owned]
    tests = [
        "{column} < '{bound}'",
        "{column} < ANY (ARRAY['{bound}'])",
        "{column} = '{bound}'",
        "lower({column}) < '{bound}'",
        "{column} ILIKE '{bound}%'",
    ]
    for off in OFF:
        for one in off.split():
            await eve.execute(f"SET enable_{one} = off")
        for also in dict.fromkeys(where):
            for test in tests:
                told = []
                for bound in (hidden[:-1], hidden, hidden + "z"):
                    plan = await eve.fetchval(
                        f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1 FROM {table} WHERE "
                        f"{test.format(column=column, bound=bound)}{also}"
                    )
                    told.append(sorted(_counts(json.loads(plan))))
                assert told[0] == told[1] == told[2], (off, test, also)
        await eve.execute("RESET ALL")


def _counts(plan) -> list[tuple[str, object]]:
    """The numbers of a plan that come from rows it met."""
    if isinstance(plan, list):
        return [pair for part in plan for pair in _counts(part)]
    if not isinstance(plan, dict):
        return []
    found = [
        (key, value)
        for key, value in plan.items()
        if key.startswith("Rows Removed")
        or key in ("Actual Rows", "Actual Loops", "Heap Fetches", "Node Type")
    ]
    return found + [pair for part in plan.values() for pair in _counts(part)]


async def test_errors_of_constraints_do_not_quote_hidden_rows(people):
    eve = people["eve"]
    world = await eve.fetchval("INSERT INTO world (name) VALUES ('Nightfall') RETURNING id")
    with pytest.raises(asyncpg.ForeignKeyViolationError) as refused:
        await eve.execute(
            "INSERT INTO scene (worldid, actid, name) VALUES ($1, $2, 'x')",
            world,
            people.rows["act"],
        )
    assert str(people.world) not in str(refused.value.detail)
    with pytest.raises(asyncpg.PostgresError) as refused:
        await eve.execute("INSERT INTO scene (actid, name) VALUES ($1, 'x')", people.rows["act"])
    assert str(people.world) not in f"{refused.value} {refused.value.detail}"


async def test_functions_that_search_look_at_rights_by_themselves(people):
    for table in IN_WORLD:
        for name, expected in (("vera", 1), ("eve", 0)):
            found = await people[name].fetchval(
                f"SELECT rules.found_{table}(ARRAY['%one%'], $1, 10)", people.world
            )
            near = await people[name].fetch(f"SELECT * FROM rules.near_{table}('one {table}')")
            assert (len(found), len(near) >= 1) == (expected, bool(expected))
    assert await people["vera"].fetchval("SELECT rules.managers($1)", people.world) != []
    assert await people["eve"].fetchval("SELECT rules.managers($1)", people.world) == []


async def test_people_are_known_to_those_they_share_a_world_with(people):
    async def known(name: str) -> set[str]:
        rows = await people[name].fetch('SELECT email FROM "user"')
        return {row["email"].partition("@")[0] for row in rows}

    assert await known("eve") == {"eve"}
    assert await known("vera") == {"ann", "max", "bob", "vera", "ivo"}
    await people["ann"].execute("UPDATE world SET is_public = true")
    assert await known("eve") == {"eve"}
    assert await known("vera") == {"ann", "max", "bob", "vera", "ivo"}


async def test_who_owns_a_public_world_is_told_by_name_only(people):
    query = "SELECT name FROM rules.owners(ARRAY[$1::uuid])"
    assert await people["eve"].fetchval(query, people.world) is None
    await people["ann"].execute("UPDATE world SET is_public = true")
    assert await people["eve"].fetchval(query, people.world) == "ann"
    managers = "SELECT rules.managers($1)"
    assert await people["eve"].fetchval(managers, people.world) == ["ann", "max"]
    await people["ann"].execute(
        "UPDATE \"user\" SET first_name = 'Ann', last_name = 'Archer' WHERE id = $1",
        people.ids["ann"],
    )
    assert await people["eve"].fetchval(query, people.world) == "Ann Archer"


async def test_people_change_their_own_names_and_nothing_else(people):
    bob = people["bob"]
    assert await bob.execute("UPDATE \"user\" SET first_name = 'Bob'") == "UPDATE 1"
    for column, value in (
        ("role", "'admin'"),
        ("email", "'ann@example.org'"),
        ("is_active", "true"),
        ("is_verified", "true"),
    ):
        with pytest.raises(Refused):
            await bob.execute(f'UPDATE "user" SET {column} = {value}')


async def test_temporary_objects_do_not_stand_in_for_the_products(people):
    """What a session puts into pg_temp is not what functions with rights find."""
    bob = people["bob"]
    await bob.execute("CREATE TEMP TABLE world_member AS SELECT * FROM public.world_member")
    await bob.execute("UPDATE pg_temp.world_member SET role = 'manager'")
    await bob.execute("CREATE TEMP TABLE world AS SELECT id, true AS is_public FROM public.world")
    with pytest.raises(Refused):
        await bob.execute("UPDATE public.world SET is_public = true")
    await bob.execute(
        "CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'epoch'::timestamptz $$"
    )
    await bob.execute("UPDATE public.scene SET display_name = 'x'")
    assert (await bob.fetchval("SELECT updated_at FROM public.scene")).year > 2000
