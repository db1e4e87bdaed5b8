"""Records that lie in one another, as rows of their tables.

A story holds `acts`, an act `scenes`, a scene `personas`: each list is called as a table is, and
each row names what it lies in, as a CSV file would. What does not lie in a record but is linked
to it, as a persona is to a scene, becomes a row of its own and a link.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from workbench.entities import ENTITIES, LINKS, STORED, Entity, Link, Stored
from workbench.transfer.headers import known_columns
from workbench.transfer.json_long import LongList
from workbench.transfer.lookups import lookups
from workbench.transfer.tables import TABLES

_PLURALS = {entity.plural: entity for entity in ENTITIES.values() if entity.plural in TABLES}


@dataclass(frozen=True)
class Row:
    """A row of a table, and where in the document it is."""

    stored: Stored[Any, Any]
    place: str
    values: dict[str, Any]


@dataclass(frozen=True)
class _Inside:
    """What a record lies in: the entity, or None at the top, and the names of all above."""

    entity: Entity[Any, Any] | None
    names: Mapping[str, Any] = field(default_factory=dict)


def holder(record: Mapping[str, Any]) -> Entity[Any, Any] | None:
    """Return what a record is that holds others: a story, if it has acts; None if nothing tells."""
    held = [_PLURALS[n] for n, v in record.items() if n in _PLURALS and _is_list_of_records(v)]
    parents = [ENTITIES[entity.parent or ""] for entity in held if entity.parent in ENTITIES]
    named = [parent for parent in parents if parent.name in record or "name" in record]
    # A story holds acts, and its world's personas perhaps.
    return max(named, key=list(ENTITIES.values()).index, default=None)


def holds_tables(record: Mapping[str, Any]) -> bool:
    """Whether `record` has nothing but lists that are called as tables are."""
    return bool(record) and all(
        name in TABLES and _is_list_of_records(value) for name, value in record.items()
    )


def is_nested(record: Mapping[str, Any], entity: Entity[Any, Any]) -> bool:
    """Whether `record` of `entity` holds others."""
    inside = _Inside(entity, {entity.name: record.get("name", record.get(entity.name))})
    return any(_fits(inside, name, value) for name, value in record.items())


def rows(record: Mapping[str, Any], entity: Entity[Any, Any], place: str) -> Iterator[Row]:
    """Give `record` and all that it holds as rows, each after what it lies in."""
    yield from _rows(record, entity, _Inside(None), place)


def _rows(
    record: Mapping[str, Any], entity: Entity[Any, Any], inside: _Inside, place: str
) -> Iterator[Row]:
    own = dict(record)
    if "name" not in own and entity.name in own:
        own["name"] = own.pop(entity.name)
    names = {**inside.names}
    if "world" in own and entity.name != "world":
        names["world"] = own["world"]
    here = _Inside(entity, {**names, entity.name: own.get("name")})
    below = {name: own.pop(name) for name in record if _fits(here, name, record[name])}
    yield Row(entity, place, {**_path(entity, names), **own})
    for plural, elements in below.items():
        child = _PLURALS[plural]
        for number, element in enumerate(elements):
            where = f"{place}.{plural}[{number}]"
            yield from _element(child, element, here, where, number)


def _element(
    child: Entity[Any, Any], element: Any, inside: _Inside, place: str, number: int
) -> Iterator[Row]:
    said = dict(element) if isinstance(element, Mapping) else {"name": element}
    link = _link(inside, child)
    if link is None:
        if "position" in child.kinds:
            said.setdefault("position", number + 1)
        yield from _rows(said, child, inside, place)
        return
    own = _columns_of_its_own(child.name, link.name)
    name = said.pop("name", said.pop(child.name, None))
    whole = {"name": name} | {key: said.pop(key) for key in list(said) if key in own}
    yield from _rows(whole, child, inside, place)
    yield Row(link, place, {**_path(link, inside.names), child.name: name, **said})


def _path(stored: Stored[Any, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns by which a row of `stored` says what it lies in."""
    return {level: names[level] for level in _levels(stored.name) if level in names}


@cache
def _levels(table: str) -> tuple[str, ...]:
    return ("world", *(lookup.level for lookup in lookups(table)))


@cache
def _columns_of_its_own(child: str, link: str) -> frozenset[str]:
    """Return what columns a listed record has that its link has not."""
    return known_columns(STORED[child]) - known_columns(STORED[link])


def _fits(inside: _Inside, name: str, value: Any) -> bool:
    child = _PLURALS.get(name)
    if child is None or not _is_list_of_records(value):
        return False
    return child.parent in inside.names or _link(inside, child) is not None


def _link(inside: _Inside, child: Entity[Any, Any]) -> Link[Any, Any] | None:
    """Return the table that links `child` to the record it is listed in, if one does."""
    if inside.entity is None or child.parent == inside.entity.name:
        return None
    return _link_between(inside.entity.name, child.name)


@cache
def _link_between(one: str, other: str) -> Link[Any, Any] | None:
    for link in LINKS.values():
        ends = {lookup.level for lookup in lookups(link.name) if lookup.column in link.key}
        if ends == {one, other}:
            return link
    return None


def _is_list_of_records(value: Any) -> bool:
    if isinstance(value, LongList):
        return True
    return isinstance(value, list) and all(isinstance(one, Mapping | str) for one in value)
