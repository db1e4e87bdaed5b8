from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from workbench.database import migrate as migration
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.migrate import current, head, migrate, require_current, scripts
from workbench.entities.rows import Row
from workbench.errors import StoreUnavailable, WrongDatabase
from workbench.history.tables import CHANGE

SHAPE = """
SELECT 'column', n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
       a.attnotnull::text, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname IN ('public', 'history') AND c.relkind = 'r' AND a.attnum > 0
  AND c.relname <> 'alembic_version'
UNION ALL
SELECT 'constraint', n.nspname, c.relname, k.conname, k.contype::text, '', pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'history') AND c.relname <> 'alembic_version' AND k.contype <> 'n'
UNION ALL
SELECT 'index', schemaname, tablename, indexname, '', '', indexdef
FROM pg_indexes WHERE schemaname IN ('public', 'history') AND tablename <> 'alembic_version'
ORDER BY 1, 2, 3, 4
"""
FUNCTIONS = "SELECT proname, prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE nspname IN ('rules', 'history', 'auth') AND proname NOT IN ('among', 'same') ORDER BY 1"  # these depend on who migrates
TRIGGERS = "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2"


async def shape(url: str, *queries: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for query in queries for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def to(url: str, revision: str | Callable[[Config], object]) -> None:
    """Run Alembic up or down to `revision`, or another of its commands."""

    def run(connection):
        config = Config()
        config.set_main_option("script_location", str(scripts()))
        config.attributes["connection"] = connection
        if callable(revision):
            revision(config)
        else:
            (command.downgrade if revision == "base" else command.upgrade)(config, revision)
        connection.commit()

    database = Database(Address.parse(url))
    async with database.engine.connect() as connection:
        await connection.run_sync(run)
    await database.close()


async def test_models_equal_migrations(empty_database, database_url):
    """Tables made from the models are, to the last constraint, those of the migrations."""
    await to(empty_database, "0001")  # the functions that defaults and checks call
    database = Database(Address.parse(empty_database))
    async with database.engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA history"))
        await connection.run_sync(Row.metadata.create_all)
    await database.close()
    assert CHANGE.metadata is Row.metadata
    made, migrated = await shape(empty_database, SHAPE), await shape(database_url, SHAPE)
    assert [row for row in made if row not in migrated] == []
    assert [row for row in migrated if row not in made] == []
    assert len(migrated) > 250


async def test_alembic_finds_nothing_to_add(database_url):
    """`alembic check`, and so `--autogenerate`, sees the models as the migrations made them."""
    await to(database_url, command.check)


async def test_up_down_up_with_data(database_url, wb):
    await wb.worlds.add(name="Denmark")
    before = await shape(database_url, SHAPE, FUNCTIONS, TRIGGERS)
    await wb.close()
    await to(database_url, "base")
    left = await shape(database_url, SHAPE, FUNCTIONS, TRIGGERS)
    assert left == []
    await to(database_url, "head")
    assert await shape(database_url, SHAPE, FUNCTIONS, TRIGGERS) == before


async def test_rows_that_were_noted_by_record_are_told_by_change(database_url, wb, sql):
    world = await wb.worlds.add(name="Denmark")
    await wb.close()
    await to(database_url, lambda config: command.downgrade(config, "0014"))
    note = "SELECT history.note_rows($1, 'persona', 'personas.csv', ARRAY[$2::uuid], '{7}')"
    async with sql.transaction():
        one = await sql.fetchval(
            "INSERT INTO persona (worldid, name, ownerid) "
            "SELECT id, 'HAMLET', ownerid FROM world RETURNING id"
        )
        await sql.execute(note, world.id, one)
    await to(database_url, "head")
    noted = await sql.fetchrow(
        "SELECT o.file, o.rows, o.counts, c.recordid FROM history.origin AS o "
        "JOIN history.change AS c ON c.id = o.first AND o.changes = ARRAY[c.id] AND c.id = o.last"
    )
    assert tuple(noted) == ("personas.csv", [7], [1], one)


@pytest.mark.parametrize(
    "revision", sorted(p.name[:4] for p in (scripts() / "versions").glob("0*.py"))
)
async def test_every_step_goes_up_down_and_up_again(empty_database, revision):
    await to(empty_database, revision)
    await to(empty_database, "base")
    await to(empty_database, revision)


async def test_migrate_says_where_from_and_where_to(empty_database):
    database = Database(Address.parse(empty_database))
    assert await current(database) is None
    assert await migrate(database) == (None, head())
    assert await migrate(database) == (head(), head())
    await require_current(database)
    await database.close()


async def test_two_migrations_at_once_are_one(empty_database):
    databases = [Database(Address.parse(empty_database)) for _ in range(3)]
    results = await asyncio.gather(*(migrate(database) for database in databases))
    assert {after for _, after in results} == {head()}
    for database in databases:
        await database.close()


async def test_a_database_without_our_tables_says_to_migrate(empty_database):
    database = Database(Address.parse(empty_database))
    with pytest.raises(WrongDatabase, match="Run `workbench migrate`"):
        await require_current(database)
    await database.close()


async def test_a_newer_database_is_refused(database_url, sql):
    await sql.execute("UPDATE alembic_version SET version_num = '9999'")
    database = Database(Address.parse(database_url))
    for refused in (require_current, migrate):
        with pytest.raises(WrongDatabase, match="9999, which is newer"):
            await refused(database)
    await database.close()


async def test_an_older_server_is_refused(database, monkeypatch):
    monkeypatch.setattr(migration, "OLDEST_SERVER", 99)
    with pytest.raises(WrongDatabase, match="needs 99 or later"):
        await require_current(database)


async def test_a_migration_that_fails_leaves_nothing(empty_database, tmp_path, monkeypatch):
    folder = tmp_path / "migrations"
    shutil.copytree(scripts(), folder)
    (folder / "versions" / "9999_broken.py").write_text(
        f"from alembic import op\nrevision = '9999'\ndown_revision = '{head()}'\n"
        "def upgrade():\n    op.execute('CREATE TABLE half()')\n    op.execute('SELECT 1 / 0')\n"
    )
    monkeypatch.setattr(migration, "scripts", lambda: folder)
    database = Database(Address.parse(empty_database))
    with pytest.raises(Exception, match="22012"):
        await migrate(database)
    assert await current(database) is None
    assert await shape(empty_database, SHAPE) == []
    await database.close()


async def test_a_migration_waits_for_a_reader_only_so_long(database_url, tmp_path, monkeypatch):
    """While it waits, everybody who comes after it waits too."""
    folder = tmp_path / "migrations"
    shutil.copytree(scripts(), folder)
    env = (folder / "env.py").read_text()
    assert '_LOCK_TIMEOUT = "10s"' in env
    (folder / "env.py").write_text(env.replace('"10s"', '"50ms"'))
    (folder / "versions" / "9999_more.py").write_text(
        f"from alembic import op\nrevision = '9999'\ndown_revision = '{head()}'\n"
        "def upgrade():\n    op.execute('ALTER TABLE persona ADD COLUMN more integer')\n"
    )
    before = head()
    monkeypatch.setattr(migration, "scripts", lambda: folder)
    database = Database(Address.parse(database_url))
    reader = await asyncpg.connect(database_url)
    async with reader.transaction():
        await reader.fetch("SELECT FROM persona")
        async with asyncio.timeout(30):
            with pytest.raises(StoreUnavailable):
                await migrate(database)
        assert await reader.fetch("SELECT FROM persona") == []
    assert await current(database) == before
    await reader.close()
    await database.close()


async def test_a_database_that_is_not_there_is_unavailable():
    for url in (
        "postgresql://nobody@127.0.0.1:1/nothing",
        "postgresql://nobody@/nothing?host=/nowhere",
        "postgresql://nobody@no-such-host.invalid/nothing",
    ):
        database = Database(Address.parse(url), connect_timeout_seconds=5)
        with pytest.raises(StoreUnavailable, match="nothing answers there"):
            await require_current(database)
        await database.close()
