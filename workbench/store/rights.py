"""What the signed-in user may do, asked of the database, which decides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Uuid,
    any_,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    text,
)

from workbench.database.engine import Database
from workbench.database.translate import refused, translated, whom_to_ask
from workbench.entities import ENTITIES, LINKS, Stored
from workbench.entities.world import WORLD
from workbench.errors import NotAllowed, shown

__all__ = [
    "RoleInWorld",
    "Standing",
    "may_write",
    "not_allowed",
    "owners",
    "refusal",
    "refusal_in",
    "role_of",
    "standing",
    "telling_whom_to_ask",
]

RoleInWorld: TypeAlias = Literal["manager", "editor", "viewer"]

# Asked in a subquery, PostgreSQL computes each once for a statement, not once for a row. The
# owner of the tables is bound by no rights.
_UNBOUND: ColumnElement[bool] = literal_column("(SELECT NOT row_security_active('public.world'))")
_WRITES: ColumnElement[bool] = literal_column(
    "(SELECT has_any_column_privilege('public.world', 'INSERT')"
    " AND current_setting('transaction_read_only') = 'off')"
)

_OWNERS = text("SELECT worldid, name FROM rules.owners(CAST(:worlds AS uuid[]))")
_MANAGERS = text("SELECT rules.managers(:world)")


@dataclass(frozen=True)
class Standing:
    """What the acting user is in a world.

    Attributes
    ----------
    role
        manager, who also publishes, trashes and shares; editor; viewer, who may change nothing.
    writes
        Whether the account may write at all: in some world, and add one.
    member
        Whether the world is theirs or shared with them; if not, it is public.
    managers
        The names of whom to ask, five at most.
    """

    role: RoleInWorld
    writes: bool
    member: bool
    managers: tuple[str, ...]


def role_of(world: ColumnElement[UUID]) -> ColumnElement[Any]:
    """Return an expression for the acting user's role in `world`, a column or a value."""
    return case(
        (~_WRITES, "viewer"),
        (_UNBOUND, "manager"),
        (_among("manager", world), "manager"),
        (_among("editor", world), "editor"),
        else_="viewer",
    )


def _among(level: RoleInWorld, world: ColumnElement[UUID]) -> ColumnElement[bool]:
    worlds = select(literal_column(f"rules.worlds('{level}')")).scalar_subquery()
    return world == any_(cast(worlds, ARRAY(Uuid)))


async def standing(database: Database, world: UUID) -> Standing:
    """Return what the acting user is in `world` now: a role may change at any time."""
    value = literal(world, Uuid)
    shared = cast(select(func.rules.shared()).scalar_subquery(), ARRAY(Uuid))
    asked = select(role_of(value), _WRITES, value == any_(shared), func.rules.managers(value))
    async with database.reading() as connection:
        with translated("world"):
            role, writes, member, managers = (await connection.execute(asked)).one()
    return Standing(role, writes, member, tuple(managers))


async def may_write(database: Database) -> bool:
    """Return whether the acting user's account may write at all, such as add a world."""
    async with database.reading() as connection:
        with translated("world"):
            return bool(await connection.scalar(select(_WRITES)))


async def owners(database: Database, worlds: Iterable[UUID]) -> dict[UUID, str]:
    """Return the names of those to whom worlds belong; of those that may be read."""
    async with database.reading() as connection:
        with translated("world"):
            rows = await connection.execute(_OWNERS, {"worlds": list(worlds)})
    return {row.worldid: row.name for row in rows}


@asynccontextmanager
async def telling_whom_to_ask(
    database: Database, stored: Stored[Any, Any], values: Mapping[str, Any]
) -> AsyncIterator[None]:
    """Say of what the database refuses in the block who grants it, by the names of managers.

    Inside a transaction, which has failed then, and of a world that one may not read, nobody can
    be named.

    Parameters
    ----------
    values
        Of the row that is being written: its id (`key`), its world or what it lies in.
    """
    try:
        yield
    except NotAllowed as error:
        if database.in_transaction or str(error) != refused(error.entity):
            raise
        async with database.reading() as connection:
            with translated(stored.name):
                managers = await connection.scalar(
                    select(func.rules.managers(_world_of(stored, values)))
                )
        if not managers:
            raise
        raise NotAllowed(refused(error.entity, managers), entity=error.entity) from error


def _world_of(stored: Stored[Any, Any], values: Mapping[str, Any]) -> ColumnElement[Any]:
    """Return an expression for the world of a row of which some values are known."""
    if values.get("worldid") is not None:
        return literal(values["worldid"], Uuid)
    known = [(stored.table, values.get("key"))]
    for column, target in stored.references.items():
        known.append((ENTITIES[target].table, values.get(column)))
    for table, id_ in known:
        if id_ is not None and ("worldid" in table.c or table is WORLD.table):
            world = table.c["worldid" if "worldid" in table.c else "id"]
            return select(world).where(table.c.id == id_).scalar_subquery()
    return null()


async def not_allowed(
    database: Database, entity: str, world: UUID | None, doing: str = "change"
) -> NotAllowed:
    """Return the error for something that row rights left undone, with whom to ask.

    The transaction goes on: leaving rows as they are is no error to the database.

    Parameters
    ----------
    world
        The world of the record, if it is known.
    doing
        The verb: add, change, remove, restore.
    """
    managers: list[str] = []
    if world is not None:
        async with database.reading() as connection:
            with translated():
                managers = await connection.scalar(_MANAGERS, {"world": world}) or []
    return refusal(entity, managers, doing)


def refusal(entity: str, managers: Iterable[str], doing: str = "change") -> NotAllowed:
    """Return the error for what row rights left undone; `managers` are whom to ask."""
    managed = entity in LINKS and LINKS[entity].managed
    level = "a manager's" if managed else "an editor's"
    return NotAllowed(
        f"You may read this {entity}, but not {doing} it: that takes {level} rights in its "
        f"world, and an account that may edit. {whom_to_ask(managers)}",
        entity=entity,
    )


def refusal_in(
    world: str,
    managers: Iterable[str],
    doing: Literal["add", "change", "publish", "trash"],
    plural: str | None = None,
    *,
    level: RoleInWorld = "editor",
) -> str:
    """Return what is said of rows of a world that one may not write.

    Parameters
    ----------
    plural
        Of which table; None if it is the world itself.
    """
    what = {
        "add": f"add {plural} to it",
        "change": f"change its {plural}" if plural else "change it",
        "publish": "change whether it is public",
        "trash": "put it into the trash",
    }[doing]
    article = "an" if level == "editor" else "a"
    return (
        f"You may read the world {shown(world)}, but not {what}: that takes {article} {level}'s "
        f"rights in it, and an account that may edit. {whom_to_ask(managers)}"
    )
