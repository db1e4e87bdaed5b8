"""How the rows of a table name other rows: by a path of names from the world down.

A scene names its act by the columns `world`, `story`, `act`, its location by `location`.
Each such column below the world is a lookup: a name, and what it is to be found in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from workbench.entities import ENTITIES, STORED, Entity, Stored

GLOBAL = ("world", "user")
"""Entities outside any world: few are named in one import, so Python finds them."""


@dataclass(frozen=True)
class Lookup:
    """A column of names, and where to find what they name.

    Attributes
    ----------
    level
        The column, as files call it: `act`, `location`, `parent`.
    target
        The entity whose rows it names.
    within
        The lookup that finds what contains the row, or None for the world itself.
    column
        The foreign key it fills; None for a step on the way.
    late
        Whether it names rows that are planned at the same time as, or after, its own.
    """

    level: str
    target: Entity[Any, Any]
    within: Lookup | None
    column: str | None
    late: bool = False

    @property
    def path(self) -> tuple[Lookup, ...]:
        """The lookups from the world down to this one."""
        return (*(self.within.path if self.within else ()), self)


@cache
def lookups(name: str) -> tuple[Lookup, ...]:
    """Return the lookups of the table `name`, each after what it is within."""
    stored = STORED[name]
    order = list(STORED)
    made: dict[str, Lookup] = {}
    for column, target in references(stored).items():
        within = None
        for step in reversed(_above(ENTITIES[target])):
            within = made.setdefault(step.name, Lookup(step.name, step, within, None))
        late = order.index(target) >= order.index(name)
        level = stored.twin(column)
        made[level] = Lookup(level, ENTITIES[target], within, column, late)
    return tuple(made.values())


def references(stored: Stored[Any, Any]) -> dict[str, str]:
    """Return the columns a person may write that refer to something in a world."""
    return {
        column: target
        for column, target in stored.references.items()
        if target not in GLOBAL and column in stored.kinds
    }


def outside(stored: Stored[Any, Any]) -> dict[str, str]:
    """Return the columns a person may write that refer to a world or to a user."""
    return {
        column: target
        for column, target in stored.references.items()
        if target in GLOBAL and column in stored.kinds
    }


def _above(entity: Entity[Any, Any]) -> list[Entity[Any, Any]]:
    """Return what contains `entity`, from its parent up to just below the world."""
    above = []
    while entity.parent is not None and entity.parent != "world":
        entity = ENTITIES[entity.parent]
        above.append(entity)
    return above
