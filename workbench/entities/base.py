"""What the entities share: columns, drafts, records, and the declaration of an entity.

An entity is declared in a file of its own as four things: a row (the table, SQLAlchemy), a
draft (what a person may write, pydantic), a record (what was read back) and an `Entity`
that names them. Everything else in this package is generic over those declarations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Generic, TypeVar, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
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
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column

from workbench import markup
from workbench.entities.fields import JsonObject, Kind, LongText, Name, Reference, ShortText, Tags
from workbench.errors import InvalidDraft, UnknownField

STAMPS = ("created_at", "updated_at", "version")
"""Columns that the database alone writes, in every table."""


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
    else:
        within = ["ownerid"]
    table.append_constraint(
        UniqueConstraint(
            *within,
            "name",
            "deleted_at",
            name=f"uq_{table.name}_name",
            postgresql_nulls_not_distinct=True,
        )
    )


class Model(BaseModel):
    """Base of drafts and records: immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Draft(Model):
    """The fields a person may write; their rules hold here as they hold in the database."""


class NamedDraft(Draft):
    """A draft of something with a name."""

    name: Name
    display_name: ShortText | None = None
    description: LongText | None = None
    tags: Tags = []
    attributes: JsonObject = {}
    ownerid: Annotated[UUID, Reference("user")] | None = None


class WorldDraft(NamedDraft):
    """A draft of something directly in a world."""

    worldid: Annotated[UUID, Reference("world")]


class InnerDraft(NamedDraft):
    """A draft of something whose parent tells the world."""

    worldid: Annotated[UUID, Reference("world")] | None = None


class Record(Model):
    """A row as it was read back; never changes. Times are aware and in UTC."""

    created_at: datetime
    updated_at: datetime
    version: int

    def written(self) -> dict[str, Any]:
        """Return the fields in which something is written: names first, what we write last."""
        last = ("id", "worldid", "ownerid", "deleted_at", *STAMPS)
        names = sorted(
            type(self).model_fields, key=lambda n: (n in last, n not in ("name", "display_name"))
        )
        values = ((name, getattr(self, name)) for name in names)
        return {name: value for name, value in values if value not in (None, [], {})}

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return markup.table(["field", "value"], list(self.written().items()))


class EntityRecord(Record):
    """A record of one of the ten entities."""

    id: UUID
    deleted_at: datetime | None


class NamedRecord(EntityRecord):
    """A record of something with a name and an owner."""

    name: str
    display_name: str | None
    ownerid: UUID

    @property
    def label(self) -> str:
        """What a page shows: the display name, or else the name."""
        return self.display_name or self.name


class WorldRecord(NamedRecord):
    """A record of something in a world."""

    worldid: UUID


DraftT = TypeVar("DraftT", bound=Draft)
RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True)
class Stored(Generic[DraftT, RecordT]):
    """A kind of row: its table, its draft, its record, and what a file may call its columns.

    Attributes
    ----------
    name, plural
        The table's name, and what frames, files and repositories call many of them.
    key
        The natural key: the columns that tell two rows apart among live ones.
    aliases
        Further names of columns in files, to the column they stand for.
    """

    name: str
    plural: str
    row: type[Row]
    draft: type[DraftT]
    record: type[RecordT]
    key: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def table(self) -> Table:
        """The SQLAlchemy table."""
        return self.row.__table__  # type: ignore[return-value]  # declared as FromClause

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """The kind of every field of the draft."""
        return {name: _kind(info) for name, info in self.draft.model_fields.items()}

    @cached_property
    def required(self) -> frozenset[str]:
        """The fields a draft must give."""
        return frozenset(n for n, info in self.draft.model_fields.items() if info.is_required())

    @cached_property
    def references(self) -> dict[str, str]:
        """The columns that refer to another entity, with the name of that entity."""
        return {
            column.name: column.info["reference"]
            for column in self.table.columns
            if "reference" in column.info
        }

    @cached_property
    def shown(self) -> tuple[Column[Any], ...]:
        """The columns that are read; those marked heavy (pictures) only on request."""
        return tuple(c for c in self.table.columns if not c.info.get("heavy"))

    def column(self, name: str) -> Column[Any]:
        """Return the column `name`; UnknownField lists those there are."""
        try:
            return self.table.columns[name]
        except KeyError:
            raise UnknownField(self.name, name, self.table.columns.keys()) from None

    def twin(self, column: str) -> str:
        """Return the readable twin of a foreign key: `story` for `storyid`."""
        return column.removesuffix("id")

    def validate(self, values: Mapping[str, Any]) -> DraftT:
        """Return a draft of `values`; InvalidDraft says what is wrong, by field."""
        unknown = [name for name in values if name not in self.draft.model_fields]
        if unknown:
            raise UnknownField(self.name, str(unknown[0]), self.draft.model_fields)
        try:
            return self.draft.model_validate(dict(values))
        except ValidationError as error:
            raise InvalidDraft(
                {
                    str(e["loc"][0]) if e["loc"] else "*": (
                        "This is required." if e["type"] == "missing" else e["msg"]
                    )
                    for e in error.errors(include_url=False, include_input=False)
                },
                entity=self.name,
            ) from None


@dataclass(frozen=True)
class Entity(Stored[DraftT, RecordT]):
    """One of the ten entities.

    Attributes
    ----------
    parent
        The entity within which the name is unique; None at the top (user).
    label
        The column that stands for the record in a page or a file.
    contains
        Entities whose rows go to the trash, and come back, with this one.
    """

    parent: str | None = None
    label: str = "name"
    contains: tuple[str, ...] = ()

    @property
    def parent_column(self) -> str | None:
        """The column that refers to the parent."""
        if self.parent is None:
            return None
        return "ownerid" if self.name == "world" else f"{self.parent}id"

    @property
    def in_world(self) -> bool:
        """Whether the rows live in a world."""
        return "worldid" in self.table.columns


@dataclass(frozen=True)
class Link(Stored[DraftT, RecordT]):
    """A table that relates records; its rows have no id, their key tells them apart.

    Attributes
    ----------
    home
        The column whose record the row belongs to: the scene of a cast entry. Rows of a
        home in the trash are left out of frames.
    """

    home: str = ""


def _kind(info: FieldInfo) -> Kind:
    for kind in _annotations(info):
        return kind
    raise TypeError(f"{info!r} has no Kind")


def _annotations(info: FieldInfo) -> Iterator[Kind]:
    yield from (m for m in info.metadata if isinstance(m, Kind))
    for part in get_args(info.annotation):  # X | None
        if get_origin(part) is Annotated:
            yield from (m for m in get_args(part) if isinstance(m, Kind))
