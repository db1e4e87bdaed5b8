"""What the entities share: drafts, records, and the declaration of an entity.

An entity is declared in a file of its own as four things: a row (the table, SQLAlchemy), a
draft (what a person may write, pydantic), a record (what was read back) and an `Entity`
that names them. Everything else in this package is generic over those declarations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from sqlalchemy import Column, Table

from workbench import markup
from workbench.entities.fields import Kind, Reference
from workbench.entities.rows import Row
from workbench.entities.types import JsonObject, LongText, Name, ShortText, Tags
from workbench.errors import InvalidDraft, UnknownField

STAMPS = ("created_at", "updated_at", "version")
"""Columns that the database alone writes, in every table."""


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
    def is_inner(self) -> bool:
        """Whether it lies in something that lies in a world: a name alone says little then."""
        return self.parent not in ("world", "user", None)

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
    managed
        Whether a manager of the world writes the rows, and an editor does not.
    """

    home: str = ""
    managed: bool = False


def _kind(info: FieldInfo) -> Kind:
    for kind in _annotations(info):
        return kind
    raise TypeError(f"{info!r} has no Kind")


def _annotations(info: FieldInfo) -> Iterator[Kind]:
    yield from (m for m in info.metadata if isinstance(m, Kind))
    for part in get_args(info.annotation):  # X | None
        if get_origin(part) is Annotated:
            yield from (m for m in get_args(part) if isinstance(m, Kind))
