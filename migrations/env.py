"""Runs migrations over a connection that somebody else opened, or over the configured database."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.base import ischema_names

from workbench.entities import STORED
from workbench.entities.rows import Row
from workbench.history.tables import CHANGE, TransactionId

TABLES = (STORED, CHANGE)  # their import fills the metadata

ischema_names["xid8"] = TransactionId  # SQLAlchemy does not know this type when it reads a schema

_LOCK_TIMEOUT = "10s"  # an idle reader must not make everybody else queue behind a migration


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Row.metadata,
        transactional_ddl=True,
        # One transaction for all steps: a migration that is killed leaves nothing.
        transaction_per_migration=False,
        compare_server_default=True,
        include_schemas=True,
        include_name=lambda name, kind, _: kind != "schema" or name in (None, "history"),
    )
    with context.begin_transaction():
        connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
        context.run_migrations()


async def migrate_configured() -> None:
    from workbench.wiring import open_database

    async with open_database() as database, database.engine.connect() as connection:
        await connection.run_sync(migrate)


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=Row.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
elif (given := context.config.attributes.get("connection")) is not None:
    migrate(given)
else:
    asyncio.run(migrate_configured())
