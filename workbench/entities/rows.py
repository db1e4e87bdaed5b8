"""The tables: columns that the entities share, and the constraints that follow from columns."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column


class Row(DeclarativeBase):
    """A table of this schema; the database sets the times and the version, by trigger.

    Constraints follow from the columns: `reference` makes a foreign key, `check` in a
    column's info a check, both named after the column, so that a database error names the
    field. Every key and index of a table in a world leads with the world: row rights then
    never look at another world's rows.
    """

    metadata: ClassVar[MetaData] = MetaData()
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB,
    }

    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"), sort_order=97)
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"), sort_order=98)
    version: Mapped[int] = mapped_column(server_default=text("1"), sort_order=100)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__tablename__" in vars(cls):
            _constrain(cls.__table__)  # type: ignore[arg-type]  # declared as FromClause


class EntityRow(Row):
    """One of the ten: an id made by the server, and a place in the trash."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(
        server_default=text("rules.new_id()"), sort_order=-10, primary_key=True
    )
    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=99)


class NamedRow(EntityRow):
    """One of the nine that have a name, an owner, tags and free attributes."""

    __abstract__ = True

    name: Mapped[str] = mapped_column(
        String(255), sort_order=-8, info={"check": "rules.is_name(name)"}
    )
    display_name: Mapped[str | None] = mapped_column(
        String(255), sort_order=-7, info={"check": "rules.is_name(display_name)"}
    )
    description: Mapped[str | None] = mapped_column(Text, sort_order=-6)
    ownerid: Mapped[UUID] = mapped_column(
        server_default=text("rules.acting_user()"), sort_order=90, info={"reference": "user"}
    )
    tags: Mapped[list[str]] = mapped_column(
        server_default=text("'{}'::text[]"),
        sort_order=91,
        info={"check": "rules.are_labels(tags)"},
    )
    attributes: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'::jsonb"),
        sort_order=92,
        info={"check": "jsonb_typeof(attributes) = 'object'"},
    )


class WorldRow(NamedRow):
    """One of the eight that live in a world."""

    __abstract__ = True

    worldid: Mapped[UUID] = mapped_column(sort_order=-9, info={"reference": "world"})


class LinkRow(Row):
    """A row that relates records; free attributes, so that no column of a file is lost."""

    __abstract__ = True

    worldid: Mapped[UUID] = mapped_column(
        sort_order=-9, info={"reference": "world"}, primary_key=True
    )
    attributes: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'::jsonb"),
        sort_order=92,
        info={"check": "jsonb_typeof(attributes) = 'object'"},
    )


def parent(entity: str) -> MappedColumn[Any]:
    """Return the column that refers to what contains the row; names are unique within it."""
    return mapped_column(sort_order=-9, info={"reference": entity, "parent": True})


def reference(entity: str) -> MappedColumn[Any]:
    """Return a column that may refer to a record of the same world."""
    return mapped_column(info={"reference": entity})


def end(entity: str) -> MappedColumn[Any]:
    """Return a column of a link's key: one of the records that it relates."""
    return mapped_column(primary_key=True, info={"reference": entity, "parent": True})


def checked(condition: str, *arguments: Any) -> MappedColumn[Any]:
    """Return a column whose values satisfy the SQL `condition`."""
    return mapped_column(*arguments, info={"check": condition})


def position() -> MappedColumn[Any]:
    """Return the column that orders siblings, from 1."""
    return checked("position >= 1")


def kind() -> MappedColumn[Any]:
    """Return the column for a word that classifies, of the user's own choice."""
    return checked("rules.is_name(kind)", String(255))


def _constrain(table: Table) -> None:
    """Add the keys, checks and indexes that follow from the columns of `table`."""
    name = table.name
    table.primary_key.name = f"pk_{name}"
    for column in table.columns:
        if "check" in column.info:
            table.append_constraint(
                CheckConstraint(column.info["check"], name=f"ck_{name}_{column.name}")
            )
        if "reference" in column.info:
            if column.name != "worldid" or not _has_parent(table):
                table.append_constraint(_foreign_key(table, column))
            if column.nullable:
                world = "id" if name == "world" else "worldid"
                Index(
                    f"ix_{name}_{column.name}",
                    table.columns[world],
                    column,
                    postgresql_where=column.isnot(None),
                )
    if "name" in table.columns:
        _unique_name(table)


def searched(row: type[WorldRow]) -> None:
    """Index `row` for finding by any part of a name, and by nearly the same name."""
    Index(
        f"ix_{row.__tablename__}_search",
        row.worldid,
        row.name,
        row.display_name,
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops", "display_name": "gin_trgm_ops"},
    )


def _has_parent(table: Table) -> bool:
    """Whether a reference to a parent of the same world proves the world already.

    One foreign key less to check for every row of an import.
    """
    return any("parent" in c.info and c.info["reference"] != "user" for c in table.columns)


def _foreign_key(table: Table, column: Column[Any]) -> ForeignKeyConstraint:
    target = column.info["reference"]
    name = f"fk_{table.name}_{column.name}"
    if target == "user":
        delete = "CASCADE" if table.name == "world_member" else None
        return ForeignKeyConstraint([column.name], ["user.id"], name=name, ondelete=delete)
    if target == "world":
        return ForeignKeyConstraint([column.name], ["world.id"], name=name, ondelete="CASCADE")
    if table.name == "world":
        # The world's picture lies in the world itself: an import writes both, then checks.
        return ForeignKeyConstraint(
            ["id", column.name],
            [f"{target}.worldid", f"{target}.id"],
            name=name,
            ondelete=f"SET NULL ({column.name})",
            deferrable=True,
            use_alter=True,
        )
    return ForeignKeyConstraint(
        ["worldid", column.name],
        [f"{target}.worldid", f"{target}.id"],
        name=name,
        ondelete="CASCADE" if "parent" in column.info else f"SET NULL ({column.name})",
    )


def _unique_name(table: Table) -> None:
    """Make names unique under their parent among live rows.

    Rows in the trash have a time in `deleted_at` and are out of the way; live ones have
    NULL there, which counts as equal. One full index, so purging finds its rows by it too.
    """
    if "worldid" in table.columns:
        table.append_constraint(UniqueConstraint("worldid", "id", name=f"uq_{table.name}_id"))
        within = ["worldid", *(c.name for c in table.columns if "parent" in c.info)]
        if len(within) > 1:  # the key serves names within a parent; this those of a world
            Index(
                f"ix_{table.name}_name",
                *(table.columns[name] for name in ("worldid", "name", "id")),
                postgresql_where=table.columns["deleted_at"].is_(None),
            )
        table.append_constraint(
            UniqueConstraint(
                *within,
                "name",
                "deleted_at",
                name=f"uq_{table.name}_name",
                postgresql_nulls_not_distinct=True,
            )
        )
        return
    # An index that does not lead with the world tells by EXPLAIN what it is searched by.
    columns = table.columns
    Index(
        f"uq_{table.name}_name",
        columns["ownerid"],
        func.hashtextextended(columns["name"], 0),
        columns["deleted_at"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
