"""What is related to a record: rows that refer to it, and what links relate to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities import ENTITIES, LINKS, Stored
from workbench.entities.base import Entity, Link
from workbench.store.names import label_of

__all__ = ["Related", "Relation", "path", "related", "relations"]


@dataclass(frozen=True)
class Relation:
    """One way in which records are related to those of an entity.

    Attributes
    ----------
    stored
        The table whose rows refer to the record.
    column
        The column of it that does.
    other
        Of a link, the column of the record at its other end; "" where the row is the record.
    """

    stored: Stored[Any, Any]
    column: str
    other: str = ""

    @property
    def name(self) -> str:
        return f"{self.stored.name}.{self.column}"

    @property
    def entity(self) -> Entity[Any, Any]:
        """What is listed."""
        return ENTITIES[self.stored.references[self.other] if self.other else self.stored.name]

    @property
    def fields(self) -> tuple[str, ...]:
        """What a link says beside whom it links."""
        left_out = ("worldid", self.column, self.other, "attributes")
        return tuple(n for n in self.stored.draft.model_fields if self.other and n not in left_out)


@dataclass(frozen=True)
class Related:
    """A related record: its words, those of what it lies in, and what the link says of it."""

    id: UUID
    label: str
    within: tuple[str, ...]
    values: Mapping[str, Any]


@cache
def relations(entity: str) -> tuple[Relation, ...]:
    """Return the ways in which records are related to those of `entity`, links first.

    >>> [relation.name for relation in relations("scene")]
    ['scene_persona.sceneid', 'scene_thing.sceneid']
    """
    found = [
        Relation(link, column, other)
        for link in LINKS.values()
        if not link.managed
        for column, other in _ends(link)
        if link.references[column] == entity
    ]
    for stored in ENTITIES.values():
        found += [
            Relation(stored, column)
            for column, target in stored.references.items()
            if target == entity and stored.in_world and column not in ("worldid", "ownerid")
        ]
    return tuple(found)


def _ends(link: Link[Any, Any]) -> list[tuple[str, str]]:
    one, other = (column for column in link.references if column != "worldid")
    return [(one, other), (other, one)]


async def related(
    database: Database, relation: Relation, world: UUID, record: UUID, *, limit: int
) -> list[Related]:
    """Return the first `limit` records that are related so to a live record, in their order.

    In the order of the stories, what has no position by name; without what is in the trash. The
    cost is that of the record's own rows, however large its world.
    """
    entity = relation.entity
    lies, order, ways = path(entity)
    rows = relation.stored.table
    table = entity.table
    values = [rows.c[name] for name in relation.fields]
    within = [] if relation.column == entity.parent_column else lies  # the reader knows
    statement: Select[Any] = select(table.c.id, label_of(entity, table), *within, *values)
    joined = table if rows is table else rows.join(table, table.c.id == rows.c[relation.other])
    for above, condition in ways:
        joined = joined.join(above, condition)
    statement = (
        statement.select_from(joined)
        .where(
            # The world first: keys and indexes of links lead with it.
            rows.c.worldid == world,
            rows.c[relation.column] == record,
            table.c.deleted_at.is_(None),
        )
        .order_by(*order, *values, table.c.id)
        .limit(limit)
    )
    async with database.reading() as connection:
        with translated(relation.stored.name):
            found = (await connection.execute(statement)).all()
    start = 2 + len(within)
    return [
        Related(
            row[0],
            row[1],
            tuple(row[2:start]),
            dict(zip(relation.fields, row[start:], strict=True)),
        )
        for row in found
    ]


Words: TypeAlias = list[ColumnElement[Any]]
Ways: TypeAlias = list[tuple[Any, ColumnElement[bool]]]


def path(entity: Entity[Any, Any]) -> tuple[Words, list[ColumnElement[Any]], Ways]:
    """Return how to say, to order and to reach what records of `entity` lie in.

    Words from the inside out; the order of a telling; tables to join, with their conditions.
    """
    lies: Words = []
    ways: Ways = []
    order = _order(entity.table)
    at = entity
    table: Any = entity.table
    while at.is_inner:
        assert at.parent is not None
        column, at = at.parent_column or "", ENTITIES[at.parent]
        above = at.table.alias(f"above_{at.name}")
        ways.append((above, above.c.id == table.c[column]))
        lies.append(label_of(at, above))
        order = [*_order(above), *order]
        table = above
    return lies, order, ways


def _order(table: Any) -> list[ColumnElement[Any]]:
    return [table.c[name] for name in ("position", "name") if name in table.c]
