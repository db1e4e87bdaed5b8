"""Names: finding records by nearly the same name, and turning readable twins into ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, any_, cast, func, select

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities import ENTITIES, Stored
from workbench.entities.base import Entity, EntityRecord
from workbench.entities.world import WORLD, World
from workbench.errors import Ambiguous, MissingReference, NotFound, shown
from workbench.store.filters import WRITTEN, conditions

WorldKey: TypeAlias = World | UUID | str
"""What tells a world: its record, its id, its name, or `owner@mail/name`."""


@dataclass(frozen=True)
class NearName:
    """A record whose name is like another; `likeness` is 0 to 1, by shared trigrams."""

    id: UUID
    name: str
    likeness: float


async def near_names(
    database: Database,
    entity: Entity[Any, Any],
    name: str,
    *,
    world: UUID | None = None,
    limit: int = 5,
) -> list[NearName]:
    """Return the live records whose names are most like `name`, the likest first.

    By pg_trgm, whose threshold (0.3) `%` obeys. What lies in worlds is looked for by a function
    of the database, which uses the trigram index; under row rights the query itself could not.
    """
    if WRITTEN.problem(name):
        return []
    statement: Select[Any]
    if entity.in_world and database.moment is None:  # the index is of now
        near = getattr(func.rules, f"near_{entity.name}")(name, world, limit)
        statement = select(near.table_valued("id", "name", "likeness"))
    else:
        column = entity.table.c[entity.label]
        likeness = func.similarity(column, name)
        here = [entity.table.c.worldid == world] if world is not None and entity.in_world else []
        statement = (
            select(entity.table.c.id, column, likeness)
            .where(entity.table.c.deleted_at.is_(None), column.op("%")(name), *here)
            .order_by(likeness.desc(), column)
            .limit(limit)
        )
    async with database.reading() as connection:
        with translated(entity.name):
            return [NearName(*row) for row in await connection.execute(statement)]


def label_of(entity: Entity[Any, Any], table: Any) -> ColumnElement[Any]:
    """Return what stands for a record to people, in `table`, the entity's own or an alias."""
    return func.coalesce(table.c.display_name, table.c[entity.label])


def suggested(near: Iterable[NearName]) -> str:
    """Return the question whether one of these is meant, each name once; "" if there is none."""
    names = dict.fromkeys(repr(one.name) for one in near)
    return f"Did you mean {' or '.join(names)}?" if names else ""


async def resolve(
    database: Database,
    stored: Stored[Any, Any],
    values: Mapping[str, Any],
    *,
    world: UUID | None = None,
) -> dict[str, Any]:
    """Return `values` with readable twins turned into ids.

    A twin holds a record, an id, or a name; a name is looked up in `world`, or else in the
    world that is given along with it, itself or by a record that lies in it.

    Raises
    ------
    MissingReference, Ambiguous
        Nothing or several things have the name.
    """
    resolved = {
        name: value for name, value in values.items() if f"{name}id" not in stored.references
    }
    twins = {name: value for name, value in values.items() if name not in resolved}
    world = world or resolved.get("worldid")
    # The world first, then records: they narrow the others.
    for name in sorted(twins, key=lambda twin: (twin != "world", isinstance(twins[twin], str))):
        column, value = f"{name}id", twins[name]
        if isinstance(value, EntityRecord):
            world = world or getattr(value, "worldid", None)
            value = value.id
        if isinstance(value, str):
            target = ENTITIES[stored.references[column]]
            value = await _by_name(database, target, value, world)
        resolved[column] = value
        world = world or resolved.get("worldid")
    return resolved


async def _by_name(
    database: Database, target: Entity[Any, Any], name: str, world: UUID | None
) -> UUID:
    if target is WORLD:
        try:
            return await world_id(database, name)
        except NotFound as error:
            raise MissingReference(f"{error} Add it first.", entity="world", field="name") from None
    filters: dict[str, Any] = {target.label: name}
    if world is not None and target.in_world:
        filters["worldid"] = world
    table = target.table
    statement = select(table.c.id).where(*conditions(target, filters), table.c.deleted_at.is_(None))
    async with database.reading() as connection:
        with translated(target.name):
            found = (await connection.scalars(statement.limit(2))).all()
    if not found:
        near = await near_names(database, target, name, world=world, limit=1)
        raise MissingReference(
            f"There is no {target.name} {shown(name)} there. {suggested(near) or 'Add it first.'}",
            entity=target.name,
            field=target.label,
        )
    if len(found) > 1:
        raise Ambiguous(target.name, name, "Give its id instead.")
    return UUID(str(found[0]))


async def resolve_many(
    database: Database, stored: Stored[Any, Any], rows: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return `rows` with readable twins turned into ids; each set of names is looked up once."""
    known: dict[tuple[object, ...], dict[str, Any]] = {}
    resolved = []
    for row in rows:
        twins = {name: row[name] for name in row if f"{name}id" in stored.references}
        given = (*twins.items(), row.get("worldid"))
        if twins and given not in known:
            known[given] = await resolve(database, stored, twins, world=row.get("worldid"))
        rest = {name: value for name, value in row.items() if name not in twins}
        resolved.append({**rest, **known.get(given, {})})
    return resolved


async def with_world_id(
    database: Database, stored: Stored[Any, Any], filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return `filters` with a world's name turned into its id; NotFound if there is none.

    A mistyped world would else look like an empty one.
    """
    world = filters.get("world")
    if not isinstance(world, str | UUID) or "worldid" not in stored.references:
        return filters
    rest = {name: value for name, value in filters.items() if name != "world"}
    return {**rest, "worldid": await world_id(database, world)}


async def world_id(database: Database, world: WorldKey) -> UUID:
    """Return the id of a live world told by record, id (as text too), name or `owner@mail/name`.

    A name that looks like the latter is a name where no such owner has such a world. Worlds that
    are one's own or shared come first: what others publish does not change what a name means.

    Raises
    ------
    NotFound, Ambiguous
        No world has the name, or several owners' worlds have it.
    """
    if isinstance(world, World):
        return world.id
    if isinstance(world, UUID):
        return world
    with suppress(ValueError):
        return UUID(world)
    table = WORLD.table
    shared = cast(select(func.rules.shared()).scalar_subquery(), ARRAY(Uuid))
    mine = (table.c.id == any_(shared)).label("mine")
    owner, _, name = world.partition("/")
    readings: list[dict[str, Any]] = [{"name": world}]
    if "@" in owner and name:
        readings.insert(0, {"name": name, "owner": owner})
    for said in readings:
        statement = (
            select(table.c.id, mine)
            .where(*conditions(WORLD, said), table.c.deleted_at.is_(None))
            .order_by(mine.desc())
            .limit(2)
        )
        async with database.reading() as connection:
            with translated("world"):
                found = (await connection.execute(statement)).all()
        if found:
            break
    if len(found) > 1 and found[0].mine == found[1].mine:
        raise Ambiguous(
            "world", world, f"Write its owner before it: somebody@mail/{world}, or give its id."
        )
    if not found:
        near = await near_names(database, WORLD, readings[0]["name"], limit=3)
        raise NotFound("world", world, suggested(near))
    return UUID(str(found[0].id))
