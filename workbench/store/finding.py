"""Finding records of every entity by parts of their names, or by what was meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, case, func, literal, null, select

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities import ENTITIES
from workbench.entities.base import Entity
from workbench.entities.world import WORLD
from workbench.store.filters import WRITTEN, matching
from workbench.store.names import near_names
from workbench.store.search import found_ids

__all__ = ["Found", "find_anywhere", "reached"]

_SHORTEST_NEAR = 3
_RANKED = 500
_ALIKE = literal(0)


@dataclass(frozen=True)
class Found:
    """A record that was found: where it lies, what it is, and what it is called.

    `worldid` is None for a world. `near` says that its name is only like what was looked for.
    """

    entity: str
    id: UUID
    worldid: UUID | None
    label: str
    near: bool = False


async def find_anywhere(
    database: Database, term: str, *, world: UUID | None = None, limit: int = 5
) -> list[Found]:
    """Return records whose names hold every word of `term`, at most `limit` of each entity.

    First the very name, then names that begin with it. Where no name holds it, the likest ones.

    Parameters
    ----------
    world
        The world that is searched; without it all that the user reads, and their names.
    """
    words = term.split()
    if not words or WRITTEN.problem(term):
        return []
    searched = [e for e in ENTITIES.values() if e.in_world] + ([] if world else [WORLD])
    ranked: list[tuple[int, Found]] = []
    for entity in searched:
        ranked += await _held(database, entity, term.strip(), words, world, limit)
    found = [one for _, one in sorted(ranked, key=_place)]
    if found or len(term.strip()) < _SHORTEST_NEAR:
        return found
    for entity in searched:
        like = await near_names(database, entity, term, world=world, limit=limit)
        ids = [one.id for one in like]
        rows = await _read(database, entity, entity.table.c.id.in_(ids), _ALIKE, limit)
        found += [replace(one, near=True) for _, one in rows]
    return found


async def reached(database: Database, wanted: Iterable[tuple[str, UUID]]) -> list[Found]:
    """Return those of some records, told by entity and id, that live and the user may see."""
    ids: dict[str, list[UUID]] = {}
    for name, id in wanted:
        if name in ENTITIES and ENTITIES[name].in_world:
            ids.setdefault(name, []).append(id)
    found: list[Found] = []
    for name, some in ids.items():
        entity = ENTITIES[name]
        rows = await _read(database, entity, entity.table.c.id.in_(some), _ALIKE, len(some))
        found += [one for _, one in rows]
    return found


def _place(ranked: tuple[int, Found]) -> tuple[int, bool]:
    """Return what to order by: among equals, pictures are seldom what is looked for."""
    rank, found = ranked
    return rank, found.entity == "image"


async def _held(
    database: Database,
    entity: Entity[Any, Any],
    term: str,
    words: Sequence[str],
    world: UUID | None,
    limit: int,
) -> list[tuple[int, Found]]:
    table = entity.table.c
    if entity.in_world:
        ids = await found_ids(database, entity, words, world, _RANKED)
        if not ids:
            return []
        fits: ColumnElement[bool] = table.id.in_(ids)
    else:
        fits = matching(entity, term)
    shown = func.coalesce(table.display_name, table.name)
    rank = case(
        (func.lower(shown) == term.lower(), 0),
        (shown.istartswith(term, autoescape=True), 1),
        else_=2,
    )
    return await _read(database, entity, fits, rank, limit)


async def _read(
    database: Database,
    entity: Entity[Any, Any],
    fits: ColumnElement[bool],
    rank: ColumnElement[int],
    limit: int,
) -> list[tuple[int, Found]]:
    table = entity.table.c
    worldid = table.worldid if entity.in_world else null().cast(Uuid)
    shown = func.coalesce(table.display_name, table.name)
    statement = (
        select(rank, table.id, worldid, shown)
        .where(table.deleted_at.is_(None), fits)
        .order_by(rank, func.length(shown), shown)
        .limit(limit)
    )
    async with database.reading() as connection:
        with translated(entity.name):
            rows = await connection.execute(statement)
            return [(row[0], Found(entity.name, row[1], row[2], row[3])) for row in rows]
