"""A table as columns: the one statement behind frames and exported files.

Whatever a column is in PostgreSQL, it leaves as one of few types (`Column.type`), so that
every way of reading gives the same: ids, enums and JSON as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ARRAY, Boolean, DateTime, Double, Float, Integer, LargeBinary, Text, cast
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

from workbench.entities import ENTITIES, Entity, Stored
from workbench.errors import InvalidDraft, UnknownField
from workbench.store.filters import conditions, live, matching
from workbench.store.keyset import steps

__all__ = ["Column", "Tables", "Which", "chosen", "literal", "selection"]

Type = Literal["text", "integer", "number", "boolean", "time", "labels", "bytes"]


@dataclass(frozen=True)
class Column:
    """One column of a result.

    Attributes
    ----------
    source
        The stored column it comes from; for a readable twin the foreign key.
    twin
        Whether it is a readable twin, or part of the path to one.
    """

    name: str
    type: Type
    value: sa.ColumnElement[Any]
    source: str
    twin: bool = False


class Tables:
    """The table of `stored`, with what it refers to joined as far as columns need it.

    Parameters
    ----------
    world
        The world of all rows that are read, if they are of one. What they refer to is in it too,
        but PostgreSQL does not know, and may read that of every world to find it.
    """

    def __init__(self, stored: Stored[Any, Any], world: UUID | None = None) -> None:
        self.stored = stored
        self._world = world
        self._joins: dict[tuple[str, ...], tuple[sa.FromClause, sa.ColumnElement[bool]]] = {}

    def column(self, name: str) -> Column:
        """Return the stored column `name`."""
        return _plain(self.stored.column(name))

    def twins(self, name: str) -> list[Column]:
        """Return the readable twin of the foreign key `name`, after the path that leads to it.

        For `sceneid`: `story`, `act`, `scene`.
        """
        twins = []
        for keys in self.path(name):
            label = self.target(keys).c[self.entity(keys).label]
            twins.append(Column(self._holder(keys).twin(keys[-1]), "text", label, name, twin=True))
        return twins

    def path(self, name: str) -> list[tuple[str, ...]]:
        """Return the foreign keys to follow to what contains the target of `name`, and to it.

        From below the world down: for `sceneid` those to the story, the act, the scene.
        """
        path: list[tuple[str, ...]] = [(name,)]
        while True:
            entity = self.entity(path[0])
            if not entity.is_inner:
                return path
            path.insert(0, (*path[0], f"{entity.parent}id"))

    def target(self, keys: tuple[str, ...]) -> Any:
        """Return what the foreign keys `keys` lead to, each followed from the one before."""
        if keys not in self._joins:
            here = self.target(keys[:-1]) if len(keys) > 1 else self.stored.table
            there = self.entity(keys).table.alias("_".join(keys))
            condition = there.c.id == here.c[keys[-1]]
            if self._world is not None and "worldid" in there.c:
                condition &= there.c.worldid == self._world
            self._joins[keys] = (there, condition)
        return self._joins[keys][0]

    def entity(self, keys: tuple[str, ...]) -> Entity[Any, Any]:
        """Return the entity of `target`."""
        return ENTITIES[self._holder(keys).references[keys[-1]]]

    def _holder(self, keys: tuple[str, ...]) -> Stored[Any, Any]:
        return self.entity(keys[:-1]) if len(keys) > 1 else self.stored

    def select(self, columns: Iterable[Column]) -> sa.Select[Any]:
        """Return the statement that reads `columns`; null where a reference is null."""
        values = [column.value.label(column.name) for column in columns]
        source: sa.FromClause = self.stored.table
        for there, condition in self._joins.values():
            source = source.outerjoin(there, condition)
        return sa.select(*values).select_from(source)


def chosen(
    stored: Stored[Any, Any], wanted: Sequence[str] | None, *, names: bool
) -> tuple[Tables, list[Column]]:
    """Return the columns to read, and the tables that they need.

    Parameters
    ----------
    wanted
        Columns, readable twins too, in this order; None for all but pictures' bytes.
    names
        Whether each foreign key is followed by its readable twin.

    Raises
    ------
    UnknownField
        Names the column and the nearest one there is.
    """
    tables = Tables(stored)
    if wanted is None:
        wanted = [column.name for column in stored.shown]
    elif isinstance(wanted, str):
        wanted = [wanted]
    else:
        wanted = list(wanted)
    twins = {t.name: t.source for key in stored.references for t in Tables(stored).twins(key)}
    unknown = [n for n in wanted if n not in stored.table.columns and n not in twins]
    if unknown:
        raise UnknownField(stored.name, str(unknown[0]), [*stored.table.columns.keys(), *twins])
    columns: list[Column] = []
    for name in wanted:
        if name in stored.table.columns:
            columns += _followed(tables, name, names=names)
        else:
            columns += [t for t in tables.twins(twins[name]) if t.name == name]
    return tables, list(_once(columns))


def _followed(tables: Tables, name: str, *, names: bool) -> Iterator[Column]:
    yield tables.column(name)
    if names and name in tables.stored.references:
        yield from tables.twins(name)


def _once(columns: Iterable[Column]) -> Iterator[Column]:
    """Leave out columns whose name came before."""
    seen: set[str] = set()
    for column in columns:
        if column.name not in seen:
            seen.add(column.name)
            yield column


class Which(TypedDict, total=False):
    """Which rows of a table, and in which order: the keywords of `selection`.

    Attributes
    ----------
    world
        Only rows of this world.
    filters, search, order
        As in `find`: `{"kind": "individual", "words__ge": 100}`, words of a name,
        `["-words", "name"]`.
    trashed
        Whether to read what is in the trash instead.
    limit
        At most so many rows.
    """

    world: UUID | None
    filters: Mapping[str, Any] | None
    search: str | None
    trashed: bool
    limit: int | None
    order: Sequence[str]


def selection(
    tables: Tables,
    columns: Sequence[Column],
    *,
    world: UUID | None = None,
    filters: Mapping[str, Any] | None = None,
    search: str | None = None,
    trashed: bool = False,
    limit: int | None = None,
    order: Sequence[str] = (),
) -> sa.Select[Any]:
    """Return the statement that reads `columns` of the rows that fit.

    Raises
    ------
    UnknownField, InvalidDraft
        A filter, the order, the search or the limit cannot be used.
    """
    stored = tables.stored
    where = conditions(stored, filters or {})
    if world is not None:
        where.append(_in_world(stored, world))
    alive = live(stored)
    where += [~condition for condition in alive] if trashed else alive
    if search and search.strip():
        if not isinstance(stored, Entity):
            raise InvalidDraft({"search": "Links have no names; filter by a twin instead."})
        where.append(matching(stored, search))
    # Always in some order, which an index of the key makes cheap: rows read twice stand alike.
    by = steps(stored, [order] if isinstance(order, str) else order)
    statement = tables.select(columns).where(*where).order_by(*(step.clause for step in by))
    if limit is not None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise InvalidDraft({"limit": "This must be a whole number, 0 or more."})
        statement = statement.limit(limit)
    return statement


def _in_world(stored: Stored[Any, Any], world: UUID) -> sa.ColumnElement[bool]:
    if "worldid" in stored.table.columns:
        return stored.table.c.worldid == world
    if isinstance(stored, Entity) and stored.parent == "user":  # the world itself
        return stored.table.c.id == world
    raise InvalidDraft({"world": f"A {stored.name} is in no world; leave this out."})


def _plain(column: sa.Column[Any]) -> Column:
    kind = column.type
    if isinstance(kind, Integer):
        return Column(column.name, "integer", column, column.name)
    if isinstance(kind, Float | Double):
        return Column(column.name, "number", column, column.name)
    if isinstance(kind, sa.Enum):
        return Column(column.name, "text", cast(column, Text), column.name)
    if isinstance(kind, Boolean):
        return Column(column.name, "boolean", column, column.name)
    if isinstance(kind, DateTime):
        return Column(column.name, "time", column, column.name)
    if isinstance(kind, ARRAY):
        return Column(column.name, "labels", column, column.name)
    if isinstance(kind, LargeBinary):
        return Column(column.name, "bytes", column, column.name)
    if isinstance(kind, sa.String):
        return Column(column.name, "text", column, column.name)
    return Column(column.name, "text", cast(column, Text), column.name)


_DIALECT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]


def literal(statement: sa.Select[Any]) -> str:
    """Return `statement` as text with its values written into it.

    A binary COPY takes no parameters. Values are quoted by SQLAlchemy's own rules for
    PostgreSQL with `standard_conforming_strings` on, which whoever runs it must ensure: then
    a quote is the only character that means anything inside a text.

    Raises
    ------
    InvalidDraft
        A value cannot be written into a statement: a NUL, or not of the column's type.
    """
    try:
        compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
        text = str(compiled)
    except (SQLAlchemyError, LookupError, AttributeError, TypeError, ValueError) as error:
        raise InvalidDraft(
            {"filters": "One of the values does not fit its column. Use a value of its type."}
        ) from error
    if "\x00" in text:
        raise InvalidDraft({"filters": "A value holds a NUL character. Take it out."})
    return text
