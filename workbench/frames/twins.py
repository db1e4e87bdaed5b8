"""Readable twins that were changed: `location` beside `locationid`, looked up by name.

A name in a frame may be old without anybody having changed the cell: the location itself was
renamed since. So a twin is changed only if it is none of the names that its record has, or had.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.entities import Entity
from workbench.errors import shown
from workbench.frames.changes import editable
from workbench.frames.given import Given
from workbench.frames.stored import Now
from workbench.frames.values import differs
from workbench.store.columns import Tables
from workbench.transfer.checks import clean_names
from workbench.transfer.outside import disagreement
from workbench.transfer.stage import quoted

__all__ = ["follow", "read_twins"]


@dataclass(frozen=True)
class Path:
    """How a frame names what a foreign key refers to: `story`, `act`, `scene`.

    Attributes
    ----------
    names
        The columns of names, from the outermost to that of the target, and what each names.
    """

    column: str
    names: tuple[tuple[str, Entity[Any, Any]], ...]


@dataclass
class Known:
    """A record that a twin may name: its names now and before, and what it lies in."""

    name: str
    parent: UUID | None
    before: set[str] = field(default_factory=set)


async def read_twins(connection: Any, found: Given, now: Now) -> None:
    """Add the twins that a frame has to what is stored now.

    Each record that is referred to is read once: joined to every row, their names cost more than
    all else of the rows.
    """
    for path in _paths(found):
        ids = now.cells[path.column]
        for name, entity in reversed(path.names):
            distinct = [one for one in pc.unique(ids).to_pylist() if one is not None]
            parent = f"t.{quoted(entity.parent_column or '')}" if entity.is_inner else "NULL"
            rows = await connection.fetch(
                f"SELECT t.id::text, t.{quoted(entity.label)}, {parent}::text "
                f"FROM {quoted(entity.name)} AS t WHERE t.id = ANY ($1::uuid[])",
                distinct,
            )
            keys, labels, parents = (
                pa.array([row[place] for row in rows], pa.string()) for place in range(3)
            )
            at = pc.index_in(ids, value_set=keys)
            now.cells[name] = labels.take(at)
            ids = parents.take(at)


async def follow(connection: Any, found: Given, now: Now) -> None:
    """Put the ids of what changed twins name into the columns of their foreign keys.

    A twin that names nothing, or another record than its foreign key was changed to, is noted
    as a problem.
    """
    for path in _paths(found):
        unlike = np.zeros(found.rows, bool)
        for name, _ in path.names:
            if name in found.cells:
                unlike |= differs(found.cells[name], now.cells[name], "text")
        rows = np.flatnonzero(unlike & now.there).tolist()
        if not rows:
            continue
        lookup = _Lookup(connection, found, now, path)
        if path.column in editable(found.stored):
            await lookup.run(rows)
        else:
            await lookup.refuse(rows)


def _paths(found: Given) -> list[Path]:
    tables = Tables(found.stored)
    made = []
    for column in found.stored.references:
        names = tables.twins(column)
        entities = [tables.entity(keys) for keys in tables.path(column)]
        pairs = tuple((twin.name, one) for twin, one in zip(names, entities, strict=True))
        if any(name in found.columns for name, _ in pairs):
            made.append(Path(column, pairs))
    return made


class _Lookup:
    """The lookup of the twins of one foreign key."""

    def __init__(self, connection: Any, found: Given, now: Now, path: Path) -> None:
        self._connection = connection
        self._found = found
        self._now = now
        self._path = path
        self._known: dict[UUID, Known] = {}
        self._named: dict[tuple[UUID | None, str, str], UUID | None] = {}

    async def run(self, rows: list[int]) -> None:
        found, column = self._found, self._path.column
        base = self._now.base(column)
        await self._learn([base[n].as_py() for n in rows])
        mine = found.cells.get(column, base)
        said: dict[int, str | None] = {}
        for n in rows:
            read = base[n].as_py()
            own = mine[n].as_py()
            touched = own != read and str(own or "").strip().lower() != (read or "")
            changed, doubtful = self._changed(n, read)
            if not changed and not doubtful:
                continue
            there = await self._find(n, read)
            if doubtful and not changed:
                if there not in (None, read) and not touched:
                    self._problem(n, "This was its name before, and is another's now. Say ")
                continue
            if there is None and self._name(n) is not None:
                continue
            if touched and there != str(own or "").strip().lower():
                name = self._path.names[-1][0]
                found.problem(n, name, disagreement(column), self._name(n))
                continue
            said[n] = there
        if said:
            values = mine.cast(pa.string()).to_pylist()
            for n, value in said.items():
                values[n] = value
            found.cells[column] = pa.array(values, pa.string())
            found.columns[column] = Tables(found.stored).column(column)
        elif column not in found.cells:
            found.cells[column] = base
            found.columns[column] = Tables(found.stored).column(column)

    async def refuse(self, rows: list[int]) -> None:
        """Note twins that were changed of a foreign key that does not change."""
        found, name = self._found, self._path.names[-1][0]
        base = self._now.base(self._path.column)
        await self._learn([base[n].as_py() for n in rows])
        for n in rows:
            said = self._name(n)
            if said is None or not self._changed(n, base[n].as_py())[0]:
                continue
            if self._path.names[-1][1].parent is None and not await self._is_user(said):
                continue  # what an address was before, nobody may read
            message = f"The {name} of a {found.stored.name} cannot be changed. Leave it as it was."
            found.problem(n, name, message, said)

    async def _is_user(self, email: str) -> bool:
        statement = 'SELECT EXISTS (SELECT FROM "user" WHERE lower(email) = lower($1))'
        return bool(await self._connection.fetchval(statement, email))

    def _name(self, n: int, level: int = -1) -> str | None:
        """Return the name that the frame has at a level of the path, as it is looked up."""
        name = self._path.names[level][0]
        if name not in self._found.cells:
            return None
        cleaned = clean_names(self._found.cells[name].slice(n, 1)).column[0].as_py()
        return None if cleaned is None else str(cleaned)

    def _changed(self, n: int, read: str | None) -> tuple[bool, bool]:
        """Whether names were changed, and whether they are names of before."""
        record: UUID | None = UUID(read) if read else None
        before = False
        for level in range(len(self._path.names) - 1, -1, -1):
            known = self._known.get(record) if record else None
            if self._path.names[level][0] in self._found.cells:
                name = self._name(n, level)
                if known is None and name is not None:
                    return True, False
                if known is not None and name != known.name:
                    if name not in known.before:
                        return True, False
                    before = True
            record = known.parent if known is not None else None
        return False, before

    async def _learn(self, ids: list[str | None]) -> None:
        """Learn the names, now and before, of what foreign keys refer to, and of what holds it."""
        wanted = {UUID(one) for one in ids if one is not None}
        for _, entity in reversed(self._path.names):
            parent = f"t.{quoted(entity.parent_column or '')}" if entity.is_inner else "NULL::uuid"
            label = quoted(entity.label)
            world = {"world": "t.id", "user": "NULL"}.get(entity.name, "t.worldid")
            rows = await self._connection.fetch(
                f"SELECT t.id, t.{label} AS name, {parent} AS parent, ("
                "SELECT array_agg(h.old ->> $2) FROM history.change AS h "
                f"WHERE h.worldid = {world} AND h.recordid = t.id AND h.entity = $3 "
                "AND h.old ? $2) AS before "
                f"FROM {quoted(entity.name)} AS t WHERE t.id = ANY ($1)",
                list(wanted),
                entity.label,
                entity.name,
            )
            for row in rows:
                self._known[row["id"]] = Known(
                    row["name"], row["parent"], set(row["before"] or ()) - {row["name"]}
                )
            wanted = {row["parent"] for row in rows if row["parent"] is not None}

    async def _find(self, n: int, read: str | None) -> str | None:
        """Return the id of what the names of a row mean; None, with a problem, if nothing."""
        world = UUID(self._now.cells["worldid"][n].as_py())
        above = [UUID(read)] if read else []
        while above and (known := self._known.get(above[0])) and known.parent:
            above.insert(0, known.parent)
        inside: UUID | None = None
        for level, (column, entity) in enumerate(self._path.names):
            if column not in self._found.cells and level < len(above):
                inside = above[level]
                continue
            name = self._name(n, level)
            if name is None:
                if level == len(self._path.names) - 1:
                    return None
                self._problem(n, "Names above it are missing. Say ", level)
                return None
            key = (inside or world, entity.name, name)
            if key not in self._named:
                self._named[key] = await self._one(entity, world, inside, name)
            inside = self._named[key]
            if inside is None and level < len(above) and name in self._known[above[level]].before:
                inside = above[level]
            if inside is None:
                near = await self._near(entity, world, name)
                found = self._found.stored.name
                message = f"There is no {entity.name} {shown(name)} in the world of this {found}."
                self._found.problem(n, column, message + near, name)
                return None
        return str(inside)

    async def _one(
        self, entity: Entity[Any, Any], world: UUID, inside: UUID | None, name: str
    ) -> UUID | None:
        within = f" AND t.{quoted(entity.parent_column or '')} = $3" if entity.is_inner else ""
        values = [world, name, *([inside] if within else [])]
        id_: UUID | None = await self._connection.fetchval(
            f"SELECT t.id FROM {quoted(entity.name)} AS t WHERE t.worldid = $1 "
            f"AND t.{quoted(entity.label)} = $2 AND t.deleted_at IS NULL{within}",
            *values,
        )
        return id_

    async def _near(self, entity: Entity[Any, Any], world: UUID, name: str) -> str:
        rows = await self._connection.fetch(
            f"SELECT name FROM rules.near_{entity.name}($1, $2, 3)", name, world
        )
        names = [row["name"] for row in rows]
        near = get_close_matches(name, names, n=1, cutoff=0.3) or names[:1]
        return f" Did you mean {shown(near[0])}?" if near else ""

    def _problem(self, n: int, why: str, level: int = -1) -> None:
        name = self._path.names[level][0]
        self._found.problem(n, name, f"{why}{self._path.column} instead.", self._name(n, level))
