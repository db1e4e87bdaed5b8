"""Brings the schema of a database to the version of this package."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from workbench.database.engine import Database
from workbench.database.roles import lacking, no_server
from workbench.database.translate import translated
from workbench.errors import NotAllowed, WrongDatabase

OLDEST_SERVER = 15
"""The oldest major version of PostgreSQL that works (NULLS NOT DISTINCT, SET NULL (column))."""

_LOCK = 7_215_663_011  # of our own choice: one migration at a time


_READABLE = text(
    "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
    " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'public' AND c.relname = 'alembic_version'"
)


def scripts() -> Path:
    """Return the folder with the migrations: in the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def head() -> str:
    """Return the newest revision that this package has; they are numbered."""
    return max(path.name[:4] for path in (scripts() / "versions").glob("[0-9]*.py"))


async def current(database: Database) -> str | None:
    """Return the revision that the database has; None if it has none of our tables.

    Raises
    ------
    NotAllowed
        The role may not even see it.
    """
    async with database.reading() as connection:
        readable = await connection.scalar(_READABLE)
        if readable is None:
            return None
        if readable:
            found = await connection.scalar(text("SELECT version_num FROM public.alembic_version"))
            return None if found is None else str(found)
    raise await no_server(database)


async def migrate(
    database: Database, *, administrator: Database | None = None
) -> tuple[str | None, str]:
    """Migrate to the newest revision, in one transaction; return those before and after.

    Parameters
    ----------
    administrator
        The same database for a superuser who acts as its owner: makes the roles that are
        missing and closes what only a superuser can. Without it the owner needs CREATEROLE
        for the first.

    Raises
    ------
    WrongDatabase
        The database is newer than this package, or older than PostgreSQL 15.
    NotAllowed
        The role may not do it; says which statement lets it.
    """
    await require_server(database)
    before = await current(database)
    if before is not None and before > head():
        raise _newer(before)
    if before == head():
        return before, before
    if administrator is None and (lack := await lacking(database)) is not None:
        raise NotAllowed(f"{database.address}: {' '.join(lack)}")
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=(administrator or database).connect,
        poolclass=NullPool,
    )
    try:
        with translated():
            async with engine.connect() as connection:
                await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()
    return before, await current(database) or ""


def _upgrade(connection: Connection) -> None:
    from alembic import command  # heavy, and rarely needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.attributes["connection"] = connection
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    command.upgrade(config, "head")
    connection.commit()


async def require_server(database: Database) -> int:
    """Return the server's major version; WrongDatabase if it is too old."""
    async with database.reading() as connection:
        number = int(await connection.scalar(text("SHOW server_version_num")) or 0)
    if number // 10_000 < OLDEST_SERVER:
        raise WrongDatabase(
            f"{database.address}: this is PostgreSQL {number // 10_000}; workbench needs "
            f"{OLDEST_SERVER} or later. Upgrade the server, or leave WORKBENCH_DATABASE_URL out "
            "to use the embedded one."
        )
    return number // 10_000


async def require_current(database: Database) -> None:
    """Raise WrongDatabase unless the schema is the one this package works with."""
    await require_server(database)
    found = await current(database)
    if found == head():
        return
    if found is not None and found > head():
        raise _newer(found)
    state = "no tables of workbench" if found is None else f"the schema of revision {found}"
    lack = await lacking(database) if found is not None else None
    remedy = "Run `workbench migrate`." if lack is None else lack[1]
    raise WrongDatabase(f"{database.address} has {state}; this version needs {head()}. {remedy}")


def _newer(found: str) -> WrongDatabase:
    return WrongDatabase(
        f"The database has revision {found}, which is newer than this version of workbench "
        f"({head()}). Install the newer workbench; going back would lose data."
    )
