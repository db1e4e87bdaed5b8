"""Keyset paging: a page costs the same wherever it lies, and rows added meanwhile shift nothing.

A cursor holds the order and the values of the last row shown; the next page is what comes
after them. Nulls stand where PostgreSQL puts them: last going up, first going down.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    LargeBinary,
    UnaryExpression,
    and_,
    false,
    or_,
    tuple_,
)

from workbench.entities import Link, Stored
from workbench.errors import InvalidDraft


@dataclass(frozen=True)
class Step:
    """One column of an order."""

    column: Column[Any]
    descending: bool

    @property
    def said(self) -> str:
        """How a caller says it."""
        return f"-{self.column.name}" if self.descending else self.column.name

    @property
    def clause(self) -> UnaryExpression[Any]:
        """The ORDER BY clause."""
        return self.column.desc() if self.descending else self.column.asc()


def steps(stored: Stored[Any, Any], order: Sequence[str]) -> list[Step]:
    """Return the order said as `["-words", "name"]`, made total by the key.

    UnknownField names a column that does not exist, InvalidDraft one that has no order.
    """
    said = [Step(stored.column(o.lstrip("-+")), o.startswith("-")) for o in order]
    for step in said:
        if isinstance(step.column.type, JSON | LargeBinary):
            raise InvalidDraft({"order": f"{step.column.name} has no order. Choose another field."})
    key = stored.key if isinstance(stored, Link) else ("id",)
    missing = [column for column in key if column not in {s.column.name for s in said}]
    # The last direction goes on: an index serves either way, but not a mixture.
    down = bool(said) and all(s.descending for s in said)
    return [*said, *(Step(stored.table.columns[column], down) for column in missing)]


def cursor(order: Sequence[Step], row: Mapping[str, Any]) -> str:
    """Return the cursor that stands behind `row`."""
    values = [_plain(row[step.column.name]) for step in order]
    text = json.dumps([[step.said for step in order], values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def after(order: Sequence[Step], token: str) -> ColumnElement[bool]:
    """Return the condition that a row comes after the cursor `token`.

    InvalidDraft says that the token is none, or belongs to another order.
    """
    try:
        said, values = json.loads(base64.urlsafe_b64decode(token.encode()))
        if said != [step.said for step in order] or len(values) != len(order):
            raise ValueError(said)
        typed = [_typed(step.column, value) for step, value in zip(order, values, strict=True)]
    except (ValueError, TypeError, binascii.Error):
        raise InvalidDraft(
            {"after": "This is no cursor of this order. Take `next` of the page before."}
        ) from None
    one_way = len({step.descending for step in order}) == 1
    if one_way and None not in typed and not any(step.column.nullable for step in order):
        row, last = tuple_(*(step.column for step in order)), tuple_(*typed)
        return row < last if order[0].descending else row > last
    ways: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for step, value in zip(order, typed, strict=True):
        ways.append(and_(*same, _behind(step, value)))
        same.append(step.column.is_(None) if value is None else step.column == value)
    # The start follows from the rest; said, an index begins there and not with the first row.
    return and_(*_start(order[0], typed[0]), or_(*ways))


def _start(step: Step, value: Any) -> list[ColumnElement[bool]]:
    """Return the condition that a row stands at `value` or behind, where it is one range."""
    column = step.column
    if value is None:
        return [] if step.descending else [column.is_(None)]
    if step.descending:
        return [column <= value]
    return [] if column.nullable else [column >= value]


def _behind(step: Step, value: Any) -> ColumnElement[bool]:
    column = step.column
    if step.descending:
        return column.is_not(None) if value is None else column < value
    if value is None:
        return false()
    return or_(column > value, column.is_(None) if column.nullable else false())


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _typed(column: Column[Any], value: Any) -> Any:
    kind = column.type.python_type
    if value is None:
        return None
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is UUID:
        return UUID(value)
    if not isinstance(value, int | float | str | bool | list):
        raise ValueError(f"{column.name} cannot be paged by")
    return value
