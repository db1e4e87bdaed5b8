"""What the doctor finds, each thing made wrong once."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from workbench.database import health, migrate
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.health import Finding, examine
from workbench.database.migrate import head, require_current
from workbench.database.migrate import migrate as migrate_it
from workbench.database.users import acting_user
from workbench.errors import NotAllowed, WrongDatabase

SECRET = "s3cret-word"


async def findings(url: str, *, embedded: bool = False) -> list[Finding]:
    database = Database(Address.parse(url), connect_timeout_seconds=5)
    try:
        return [finding async for finding in examine(database, embedded=embedded)]
    finally:
        await database.close()


def bad(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if not finding.well]


def said(found: list[Finding]) -> str:
    return " ".join(f"{finding.what} {finding.remedy}" for finding in found)


def is_plain(found: list[Finding]) -> bool:
    """Sentences, without secrets, each trouble with a way out; errors of a connection say it."""
    return all(
        finding.what.endswith((".", "?"))
        and (finding.well or finding.remedy.endswith(".") or finding is found[0])
        and SECRET not in finding.what + finding.remedy
        for finding in found
    )


async def test_all_well(database_url, wb):
    await wb.worlds.add(name="Denmark")
    found = await findings(database_url)
    assert bad(found) == []
    assert is_plain(found)
    words = said(found)
    assert f"revision {head()}, as this version needs" in words
    assert "PostgreSQL 18" in words
    assert "local socket" in words
    assert "1 world and 1 user." in words


async def test_worlds_and_users_are_counted_without_the_trash(database_url, wb):
    for name in ("Denmark", "Norway", "Poland"):
        await wb.worlds.add(name=name)
    await wb.worlds.remove((await wb.worlds.find(search="Poland"))[0])
    assert "2 worlds and 1 user." in said(await findings(database_url))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:{SECRET}@127.0.0.1:1/worlds",
        f"postgresql://ada:{SECRET}@no-such-host.invalid/worlds",
        f"postgresql://ada:{SECRET}@/worlds?host=/nowhere",
    ],
)
async def test_a_server_out_of_reach_is_the_only_finding(url):
    found = await findings(url)
    assert len(found) == 1
    assert not found[0].well
    assert "nothing answers there" in found[0].what
    assert is_plain(found)


@pytest.mark.parametrize(
    ("options", "way_out"),
    [
        ("", "Create it, or mend WORKBENCH_DATABASE_URL."),
        ("&sslmode=verify-full&sslrootcert=/no/such.pem", "Give the file of the authorities"),
    ],
)
async def test_what_to_do_is_said_once_by_what_was_found(server: Any, options: str, way_out: str):
    (trouble,) = await findings(server.url("no_such_database") + options)
    assert way_out in trouble.what
    assert trouble.remedy == ""


async def test_a_server_that_is_too_old_is_told(database_url, monkeypatch):
    monkeypatch.setattr(migrate, "OLDEST_SERVER", 99)
    found = await findings(database_url)
    assert len(found) == 1
    assert "workbench needs 99 or later" in found[0].what
    assert is_plain(found)


async def test_a_database_without_tables_is_told_to_be_migrated(empty_database):
    found = await findings(empty_database)
    (trouble,) = bad(found)
    assert trouble.remedy == "Run `workbench migrate`."
    assert "none" in trouble.what
    assert trouble is found[-1], "the rest would be pointless"
    assert is_plain(found)


async def test_an_older_schema_is_told_to_be_migrated(database_url, sql):
    await sql.execute("UPDATE alembic_version SET version_num = '0003'")
    (trouble,) = bad(await findings(database_url))
    assert "0003" in trouble.what
    assert trouble.remedy == "Run `workbench migrate`."


async def test_a_newer_schema_is_told_to_need_a_newer_package(database_url, sql):
    await sql.execute("UPDATE alembic_version SET version_num = '9999'")
    (trouble,) = bad(await findings(database_url))
    assert "9999" in trouble.what
    assert "newer workbench" in trouble.remedy


async def test_an_invalid_index_is_named_with_its_remedy(server: Any, database_url, sql):
    """As CREATE INDEX CONCURRENTLY leaves one behind when it is stopped."""
    name = database_url.partition("?")[0].rpartition("/")[2]
    admin = await asyncpg.connect(server.admin.replace("/postgres?", f"/{name}?"))
    await admin.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_book_search'::regclass"
    )
    await admin.close()
    found = await findings(database_url)
    (trouble,) = bad(found)
    assert "ix_book_search" in trouble.what
    assert trouble.remedy.startswith("Run REINDEX INDEX ix_book_search")
    await sql.execute("REINDEX INDEX ix_book_search")
    assert bad(await findings(database_url)) == []


async def test_a_transaction_left_open_is_counted(database_url, sql, monkeypatch):
    found = await findings(database_url)
    assert bad(found) == []
    monkeypatch.setattr(health, "IDLE_TRANSACTION_MINUTES", 0)
    async with sql.transaction():
        await sql.execute("SELECT 1")
        (trouble,) = bad(await findings(database_url))
    assert "1 session " in trouble.what
    assert is_plain([trouble])


async def test_transactions_in_other_databases_are_no_business_of_ours(
    server: Any, database_url, monkeypatch
):
    monkeypatch.setattr(health, "IDLE_TRANSACTION_MINUTES", 0)
    other = await asyncio.to_thread(server.new_database)
    connection = await asyncpg.connect(server.url(other))
    async with connection.transaction():
        await connection.execute("SELECT 1")
        assert bad(await findings(database_url)) == []
    await connection.close()
    await asyncio.to_thread(server.drop, other)


async def test_missing_extensions_are_told(database_url, monkeypatch):
    monkeypatch.setattr(health, "NEEDED_EXTENSIONS", ("pg_trgm", "no_such_thing"))
    (trouble,) = bad(await findings(database_url))
    assert "no extension no_such_thing" in trouble.what
    assert "contrib" in trouble.remedy


async def test_a_role_that_may_not_make_tables_is_told_before_migrating(server: Any):
    """On PostgreSQL 15 and later only the owner may make tables in a database."""
    name = await asyncio.to_thread(server.new_database)
    await asyncio.to_thread(
        server.run,
        f"CREATE ROLE reader LOGIN PASSWORD '{SECRET}'",
        f"GRANT CONNECT ON DATABASE {name} TO reader",
    )
    url = server.url(name).replace("//workbench@", f"//reader:{SECRET}@")
    found = await findings(url)
    await asyncio.to_thread(server.drop, name)
    await asyncio.to_thread(server.run, "DROP ROLE reader")
    assert is_plain(found)
    (trouble,) = bad(found)
    assert "The role reader may not make tables" in trouble.what
    assert f"ALTER DATABASE {name} OWNER TO reader." in trouble.remedy


async def test_a_role_without_any_grant_is_told_one_statement_after_the_other(
    server: Any, database_url: str
):
    name = Address.parse(database_url).database
    await asyncio.to_thread(
        server.run,
        f"CREATE ROLE \"Dash-1\" LOGIN PASSWORD '{SECRET}'",
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",  # as 0009 does; a copy forgets
    )
    database = Database(Address.parse(database_url).signed_in("Dash-1", SECRET))
    try:
        (trouble,) = await findings(database.address.url)
        assert f'GRANT CONNECT ON DATABASE {name} TO "Dash-1".' in trouble.what
        await asyncio.to_thread(server.run, f'GRANT CONNECT ON DATABASE {name} TO "Dash-1"')
        (trouble,) = bad(await findings(database.address.url))
        assert 'As an administrator: GRANT workbench_server TO "Dash-1".' in trouble.what
        for work in (require_current, migrate_it):
            with pytest.raises(NotAllowed, match='GRANT workbench_server TO "Dash-1"'):
                await work(database)
        await database.close()
        await asyncio.to_thread(server.run, 'GRANT workbench_server TO "Dash-1"')
        assert bad(await findings(database.address.url)) == []
    finally:
        await database.close()
        await asyncio.to_thread(
            server.run,
            f'REVOKE ALL ON DATABASE {name} FROM "Dash-1"',
            'DROP ROLE "Dash-1"',
        )


async def test_who_cannot_migrate_an_older_schema_is_told_whose_tables_they_are(
    server: Any, database_url: str, sql
):
    await sql.execute("UPDATE alembic_version SET version_num = '0003'")
    await asyncio.to_thread(
        server.run, f"CREATE ROLE dash LOGIN PASSWORD '{SECRET}' IN ROLE workbench_server"
    )
    database = Database(Address.parse(database_url).signed_in("dash", SECRET))
    try:
        (trouble,) = bad(await findings(database.address.url))
        assert trouble.remedy.endswith("as the owner of the tables, workbench.")
        for work, error in ((require_current, WrongDatabase), (migrate_it, NotAllowed)):
            with pytest.raises(error, match="as the owner of the tables, workbench"):
                await work(database)
    finally:
        await database.close()
        await asyncio.to_thread(server.run, "DROP ROLE dash")


async def test_a_role_that_may_not_issue_logins_is_told(server: Any, database_url):
    await asyncio.to_thread(server.run, f"CREATE ROLE clerk LOGIN PASSWORD '{SECRET}'")
    url = database_url.replace("//workbench@", f"//clerk:{SECRET}@")
    await asyncio.to_thread(server.run, "GRANT workbench_viewer TO clerk")
    (trouble,) = bad(await findings(url))
    assert "may not issue logins" in trouble.what
    assert trouble.what.endswith("As an administrator: GRANT workbench_server TO clerk.")
    stranger = Database(Address.parse(url))
    with pytest.raises(NotAllowed, match=r"GRANT workbench_server TO clerk\."):
        await acting_user(stranger, "tester@localhost")
    await stranger.close()
    await asyncio.to_thread(server.run, "GRANT workbench_server TO clerk")
    assert bad(await findings(url)) == []
    await asyncio.to_thread(server.run, "DROP ROLE clerk")


async def test_an_owner_who_may_not_make_roles_is_told_before_migrating(other_server: Any):
    other = await asyncio.to_thread(other_server)
    await asyncio.to_thread(
        other.run,
        f"CREATE ROLE ada LOGIN PASSWORD '{SECRET}'",
        "CREATE DATABASE worlds OWNER ada ENCODING 'UTF8' TEMPLATE template0",
    )
    url = other.url("worlds", user="ada", password=SECRET)
    (trouble,) = bad(await findings(url))
    assert "may not make the roles" in trouble.what
    assert trouble.remedy == "As an administrator: ALTER ROLE ada CREATEROLE."
    (trouble,) = bad(await findings(url, embedded=True))  # which is migrated as its administrator
    assert trouble.what.startswith("The schema is at revision none;")
    assert trouble.remedy == "Run `workbench migrate`."


async def test_a_member_of_the_servers_role_is_well(database_url: str, postgres):
    name = "dashboard_of_doctor"
    postgres.run(f"CREATE ROLE {name} LOGIN PASSWORD 'p' IN ROLE workbench_server")
    try:
        found = await findings(Address.parse(database_url).signed_in(name, "p").url)
    finally:
        postgres.run(f"DROP ROLE {name}")
    assert bad(found) == []
