"""The tables of the history; the database alone writes them, by trigger."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    column,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

from workbench.entities.rows import Row

__all__ = ["CHANGE", "CHANGESET", "ENTRY", "FORGOTTEN", "ORIGIN"]


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's xid8: the number of a transaction."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        return "XID8"


CHANGESET = Table(
    "changeset",
    Row.metadata,
    Column("id", Uuid, server_default=text("rules.new_id()"), nullable=False),
    Column("started_at", DateTime(timezone=True), server_default=text("now()"), nullable=False),
    Column("txid", TransactionId, server_default=text("pg_current_xact_id()"), nullable=False),
    Column("userid", Uuid, server_default=text("rules.acting_user()")),
    Column("login", Text, server_default=text("SESSION_USER"), nullable=False),
    Column(
        "reason",
        Text,
        server_default=text(
            "\"left\"(NULLIF(current_setting('workbench.reason'::text, true), ''::text), 1000)"
        ),
    ),
    Column(
        "source",
        Text,
        server_default=text(
            "\"left\"(NULLIF(current_setting('workbench.source'::text, true), ''::text), 1000)"
        ),
    ),
    PrimaryKeyConstraint("id", name="pk_changeset"),
    UniqueConstraint("started_at", "txid", name="uq_changeset_txid"),
    schema="history",
)

CHANGE = Table(
    "change",
    Row.metadata,
    Column("id", BigInteger, Identity(always=True)),
    Column("changesetid", Uuid, nullable=False),
    Column(
        "changed_at",
        DateTime(timezone=True),
        server_default=text("now()"),
        nullable=False,
    ),
    Column("entity", Text, nullable=False),
    Column("recordid", Uuid),
    Column("key", JSONB),
    Column("worldid", Uuid),
    Column("operation", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("old", JSONB),
    Column("new", JSONB),
    PrimaryKeyConstraint("id", name="pk_change"),
    CheckConstraint(
        "operation IN ('insert', 'update', 'trash', 'restore', 'delete')",
        name="ck_change_operation",
    ),
    schema="history",
)
Index("ix_change_worldid", CHANGE.c.worldid, CHANGE.c.id)
Index("ix_change_recordid", CHANGE.c.worldid, CHANGE.c.recordid, CHANGE.c.changed_at)
Index(
    "ix_change_gone",
    CHANGE.c.worldid,
    CHANGE.c.entity,
    CHANGE.c.recordid,
    postgresql_where=CHANGE.c.operation == text("'delete'::text"),
)
Index("ix_change_changesetid", CHANGE.c.changesetid, postgresql_using="brin")

ORIGIN = Table(
    "origin",
    Row.metadata,
    Column("id", BigInteger, Identity(always=True)),
    Column("changesetid", Uuid, nullable=False),
    Column("noted_at", DateTime(timezone=True), server_default=text("now()"), nullable=False),
    Column("worldid", Uuid, nullable=False),
    Column("entity", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("changes", ARRAY(BigInteger), nullable=False),
    Column("counts", ARRAY(Integer), nullable=False),
    Column("rows", ARRAY(Integer), nullable=False),
    PrimaryKeyConstraint("id", name="pk_origin"),
    schema="history",
)
"""From which rows of which files changes came: the numbers of changes in stretches."""
Index("ix_origin_worldid", ORIGIN.c.worldid, ORIGIN.c.changesetid, ORIGIN.c.entity, ORIGIN.c.last)

FORGOTTEN = Table(
    "forgotten",
    Row.metadata,
    Column("id", BigInteger, Identity(always=True)),
    Column("before", DateTime(timezone=True), nullable=False),
    Column("forgotten_at", DateTime(timezone=True), server_default=text("now()"), nullable=False),
    Column("login", Text, server_default=text("SESSION_USER"), nullable=False),
    Column("changes", BigInteger, nullable=False),
    PrimaryKeyConstraint("id", name="pk_forgotten"),
    schema="history",
)
"""Of which times the details are no longer kept."""

ENTRY = table(
    "entry",
    *(column(c.name, c.type) for c in CHANGE.columns),
    column("userid", Uuid),
    column("login", Text),
    column("reason", Text),
    column("source", Text),
    schema="history",
)
"""The view of changes with who made them and why, of the worlds that the user may read."""
