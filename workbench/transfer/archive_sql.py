"""The statements that read a world into its archive, made once for all worlds.

To put one together takes longer than to read the few rows of a small world.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from workbench.entities import STORED
from workbench.store.columns import Column, literal
from workbench.transfer.export_columns import count_of
from workbench.transfer.export_layout import layout, picture_statement

__all__ = ["Read", "Statements", "statements"]

_ANY_WORLD = UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Read:
    """A statement, and the one for how many rows it gives."""

    rows: str
    count: str

    @classmethod
    def by(cls, statement: sa.Select[Any]) -> Read:
        """Return both of `statement`."""
        return cls(literal(statement), literal(count_of(statement)))

    def of(self, world: UUID) -> Read:
        """Return both for a world, where they are of `_ANY_WORLD`."""
        return Read(_of(self.rows, world), _of(self.count, world))


@dataclass(frozen=True)
class Statements:
    """What reads a table.

    Attributes
    ----------
    left
        Counts references to what is in the trash.
    pictures
        The bytes of the pictures, of the table that has them.
    """

    columns: list[Column]
    table: Read
    left: str | None
    pictures: Read | None


def statements(name: str, world: UUID) -> Statements:
    """Return what reads the table `name` of a world."""
    any_world = _statements(name)
    return Statements(
        any_world.columns,
        any_world.table.of(world),
        any_world.left and _of(any_world.left, world),
        any_world.pictures and any_world.pictures.of(world),
    )


@cache
def _statements(name: str) -> Statements:
    stored = STORED[name]
    plan = layout(stored, _ANY_WORLD, None, archived=True)
    pictures = "content" in stored.table.columns
    return Statements(
        plan.columns,
        Read.by(plan.statement),
        None if plan.left is None else literal(plan.left),
        Read.by(picture_statement(stored, _ANY_WORLD)) if pictures else None,
    )


def _of(statement: str, world: UUID) -> str:
    return statement.replace(str(_ANY_WORLD), str(world))
