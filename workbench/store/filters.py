"""Filters: which rows, said with the fields' own names.

`kind="individual"` is equality, a list means any of these, None means empty, as tags are where
there are none. A suffix says another comparison: `words__ge=100`, `name__contains="queen"`. A
readable twin filters by the name of what is referred to: `location="Elsinore"`; so does what
lies further above: `story="Hamlet"` fits the scenes of all its acts, and their cast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    ColumnElement,
    LargeBinary,
    Select,
    and_,
    any_,
    func,
    literal,
    literal_column,
    or_,
    select,
)

from workbench.entities import ENTITIES, Link, Stored
from workbench.entities.base import Entity, Record
from workbench.entities.fields import Kind, Reference, Text, Whole
from workbench.errors import InvalidDraft, UnknownField, shown

_OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "eq": lambda column, value: column == value,
    "ne": lambda column, value: column.is_distinct_from(value),
    "lt": lambda column, value: column < value,
    "le": lambda column, value: column <= value,
    "gt": lambda column, value: column > value,
    "ge": lambda column, value: column >= value,
    "contains": lambda column, value: column.icontains(value, autoescape=True),
    "starts": lambda column, value: column.istartswith(value, autoescape=True),
    "has": lambda column, value: literal(value) == any_(column),
    "empty": lambda column, value: _empty(column) if value else ~_empty(column),
}
WRITTEN = Text(one_line=False)
"""What holds for any text that is looked for: PostgreSQL can store it."""

_TEXT_ONLY = frozenset({"contains", "starts"})
_NO_ORDER = (Boolean, JSON, LargeBinary)


def conditions(stored: Stored[Any, Any], filters: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return the SQL conditions that `filters` say.

    Raises
    ------
    UnknownField
        Names the field and the nearest one there is.
    InvalidDraft
        A value is not of the field's kind.
    """
    return [_condition(stored, said, value) for said, value in filters.items()]


def _condition(stored: Stored[Any, Any], said: str, value: Any) -> ColumnElement[bool]:
    name, _, operator = said.partition("__")
    operator = operator or "eq"
    twin = f"{name}id"
    if name not in stored.table.columns and twin in stored.references:
        return _by_name(stored, twin, operator, value)
    if name not in stored.table.columns:
        if (above := _above(stored)) is not None and name in _path(above[1]):
            inner = _condition(above[1], said, value)
            ids = select(above[1].table.c.id).where(inner, above[1].table.c.deleted_at.is_(None))
            return stored.table.columns[above[0]].in_(ids)
        twins = [column.removesuffix("id") for column in stored.references]
        raise UnknownField(
            stored.name, name, {*stored.table.columns.keys(), *twins, *_path(stored)}
        )
    column = stored.table.columns[name]
    if operator not in _OPERATORS:
        raise UnknownField(f"filter on {name}", operator, _OPERATORS)
    if operator in _TEXT_ONLY and column.type.python_type is not str:
        raise InvalidDraft({name: f"Only text can be searched with __{operator}."})
    if operator == "has" and not (isinstance(column.type, ARRAY) and isinstance(value, str)):
        raise InvalidDraft({name: "__has finds one text in a list of texts, such as tags."})
    if operator == "has":
        _storable(name, value)
    if operator in ("lt", "le", "gt", "ge") and isinstance(column.type, _NO_ORDER):
        raise InvalidDraft({name: f"This has no order: it cannot be filtered by __{operator}."})
    if operator == "eq" and isinstance(value, list | tuple | set | frozenset):
        given = [_checked(stored, name, v) for v in value if v is not None]
        return or_(column.in_(given), _empty(column)) if None in value else column.in_(given)
    if value is None and operator in ("eq", "ne"):
        return _OPERATORS["empty"](column, operator == "eq")
    if operator not in ("empty", "has"):
        value = _checked(stored, name, value)
    return _OPERATORS[operator](column, value)


def _empty(column: Any) -> ColumnElement[bool]:
    """Return the condition that nothing is in `column`: lists and objects are never null."""
    if isinstance(column.type, ARRAY):
        return func.cardinality(column) == 0
    if isinstance(column.type, JSON):
        return cast("ColumnElement[bool]", column == literal_column("'{}'::jsonb"))
    empty: ColumnElement[bool] = column.is_(None)
    return empty


def _above(stored: Stored[Any, Any]) -> tuple[str, Entity[Any, Any]] | None:
    """Return the column that leads to what a row lies in, and that entity."""
    column = stored.home if isinstance(stored, Link) else getattr(stored, "parent_column", None)
    return (column, ENTITIES[stored.references[column]]) if column else None


def _path(stored: Stored[Any, Any]) -> list[str]:
    """Return what lies above, by the words of its twins: `act`, `story` for a scene."""
    above = _above(stored)
    if above is None or not above[1].in_world:
        return []
    return [above[0].removesuffix("id"), *_path(above[1])]


def _checked(stored: Stored[Any, Any], name: str, value: Any) -> Any:
    """Return `value` as the column takes it; a record stands for its id."""
    if isinstance(value, Record):
        return value.id if hasattr(value, "id") else value
    if value is None:
        raise InvalidDraft({name: "Nothing compares with None; __empty=True finds empty fields."})
    kind = stored.kinds.get(name) or _server_kind(stored, name)
    if kind is None:
        return _time(name, value)
    if kind.word == "text":
        if not isinstance(value, str):
            raise InvalidDraft({name: f"This is filtered by text, not {shown(value)}."})
        _storable(name, value)
        return value
    cleaned = kind.clean(value)
    if message := kind.problem(cleaned):
        raise InvalidDraft({name: f"{message} (Filtered by {shown(value)}.)"})
    return cleaned


def _storable(name: str, value: str) -> None:
    """Refuse a text that cannot be in the database, nor be sent there."""
    if message := WRITTEN.problem(value):
        raise InvalidDraft({name: message})


def _server_kind(stored: Stored[Any, Any], name: str) -> Kind | None:
    """Return the kind of a column that is in no draft: an id, the version; None for a time."""
    served: dict[type, Kind] = {UUID: Reference(stored.name), int: Whole()}
    return served.get(stored.table.columns[name].type.python_type)


def _time(name: str, value: Any) -> datetime:
    """Return a time as the database takes it; one without a zone is in UTC, as all are shown."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        time = None
    if not isinstance(time, datetime):
        raise InvalidDraft(
            {name: f"This is a time, such as '2026-01-31 18:00', not {shown(value)}."}
        )
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _by_name(
    stored: Stored[Any, Any], column: str, operator: str, value: Any
) -> ColumnElement[bool]:
    """Return the condition that what `column` refers to has a name (or is a given record)."""
    if isinstance(value, Record):
        return _condition(stored, column, value)
    if value is None:
        return stored.table.columns[column].is_(None)
    target = ENTITIES[stored.references[column]]
    named = select(target.table.c.id).where(
        target.table.c.deleted_at.is_(None),
        _condition(target, f"{target.label}__{operator}", value),
    )
    return stored.table.columns[column].in_(named)


def live(stored: Stored[Any, Any]) -> list[ColumnElement[bool]]:
    """Return the conditions that leave out what is in the trash.

    A link goes with its home: the cast of a trashed scene is out, an appearance of a trashed
    persona in a live scene stays.
    """
    if not isinstance(stored, Link):
        return [stored.table.c.deleted_at.is_(None)]
    home = ENTITIES[stored.references[stored.home]].table
    column = stored.table.columns[stored.home]
    return [~select(home.c.id).where(home.c.id == column, home.c.deleted_at.is_not(None)).exists()]


def matching(entity: Entity[Any, Any], search: str) -> ColumnElement[bool]:
    """Return the condition that every word of `search` is part of a name of the record."""
    _storable("search", search)
    names = [entity.table.c[n] for n in ("name", "display_name") if n in entity.table.c]
    if not names:
        names = [entity.table.c[n] for n in ("email", "first_name", "last_name", "display_name")]
    return and_(
        *(
            or_(*(column.icontains(word, autoescape=True) for column in names))
            for word in search.split()
        )
    )


def counted(statement: Select[Any]) -> Select[int]:
    """Return the statement that counts the rows of `statement`."""
    return select(func.count()).select_from(statement.order_by(None).subquery())
