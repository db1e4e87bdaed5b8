"""Changed cells on their way into the database: locked, looked at, written as one set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from workbench.database.translate import translated
from workbench.entities import Entity
from workbench.entities.fields import Choice
from workbench.errors import Conflict, NotAllowed
from workbench.frames.changes import Cells
from workbench.frames.given import Given
from workbench.frames.stored import KEYS, Now, copied, matching
from workbench.store.rights import refusal_in
from workbench.transfer.checks import SQL_TYPES
from workbench.transfer.lookups import references
from workbench.transfer.stage import quoted
from workbench.transfer.verdicts import swapped

__all__ = ["lock", "stage_edits", "trash", "troubles", "write"]

_EDITS = "pg_temp.save_edits"
# To publish or trash a world takes more than to write it; the trigger that says so names nobody.
_NOT_MANAGED = (
    "row_security_active('public.world') AND t.id <> ALL ((SELECT rules.worlds('manager'))::uuid[])"
)


async def lock(
    connection: Any, found: Given, cells: list[Cells], rows: Iterable[int]
) -> dict[int, int]:
    """Hold the records of some rows until the end of the transaction; return their versions.

    In the order of their keys, so that people who save the same records wait for each other
    instead of blocking each other. What is missing from the result may not be written.
    """
    stored = found.stored
    order = ", ".join(f"t.{quoted(name)}" for name in found.keys)
    # What refers to a record need not wait, unless it gets another name.
    strength = "UPDATE" if any(one.column in stored.key for one in cells) else "NO KEY UPDATE"
    held = await connection.fetch(
        f"SELECT s.n, t.version FROM {KEYS} AS s JOIN {quoted(stored.name)} AS t "
        f"ON {matching(stored, 's', 't')} WHERE s.n = ANY ($1::int[]) "
        f"ORDER BY {order} FOR {strength} OF t",
        list(rows),
    )
    return {row["n"]: row["version"] for row in held}


async def stage_edits(
    connection: Any, found: Given, now: Now, cells: list[Cells], rows: npt.NDArray[np.int64]
) -> list[Cells]:
    """Send the changed cells of `rows`; return the columns that have any."""
    columns = {"n": "integer", "seen": "integer"}
    arrays: dict[str, pa.Array] = {
        "n": pa.array(rows.astype(np.int32)),
        "seen": pa.array(now.versions[rows].astype(np.int32)),
    }
    used = []
    for one in cells:
        chosen = np.isin(one.rows, rows)
        if not chosen.any():
            continue
        used.append(one)
        at = np.full(found.rows, -1, np.int64)
        at[one.rows[chosen]] = np.flatnonzero(chosen)
        places = at[rows]
        arrays[one.column] = one.values.take(pa.array(places, mask=places < 0))
        arrays[f"={one.column}"] = pa.array(places >= 0)
        columns[one.column] = SQL_TYPES[found.stored.kinds[one.column].word]
        columns[f"={one.column}"] = "boolean"
    await copied(connection, _EDITS.removeprefix("pg_temp."), columns, pa.table(arrays))
    return used


async def troubles(connection: Any, found: Given, cells: list[Cells]) -> None:
    """Note names that are taken, references that mean nothing, and missing rights, row by row."""
    stored = found.stored
    targets = references(stored)
    names = {one.column for one in cells}
    for column in names & set(targets):
        target = targets[column]
        name = quoted(column)
        rows = await connection.fetch(
            f"SELECT e.n, e.{name}::text FROM {_EDITS} AS e JOIN {KEYS} AS s USING (n) "
            f"JOIN {quoted(stored.name)} AS t ON {matching(stored, 's', 't')} "
            f"LEFT JOIN {quoted(target)} AS r ON r.id = e.{name} AND r.deleted_at IS NULL "
            f"AND r.worldid = {'t.id' if stored.name == 'world' else 't.worldid'} "
            f"WHERE e.{quoted(f'={column}')} AND e.{name} IS NOT NULL AND r.id IS NULL ORDER BY e.n"
        )
        for n, value in rows:
            message = f"There is no {target} with this id in the world of this {stored.name}."
            found.problem(n, column, message, value)
    if isinstance(stored, Entity) and names & set(stored.key):
        await _taken(connection, found, names)
    if stored.name == "world" and "is_public" in names:
        await _published(connection, found)


async def _published(connection: Any, found: Given) -> None:
    """Note worlds that are to be public, or no longer so, by somebody who does not manage them."""
    rows = await connection.fetch(
        f"SELECT e.n, t.name, rules.managers(t.id) AS managers FROM {_EDITS} AS e "
        f"JOIN {KEYS} AS s USING (n) JOIN world AS t ON {matching(found.stored, 's', 't')} "
        f'WHERE e."=is_public" AND e.is_public <> t.is_public AND {_NOT_MANAGED} ORDER BY e.n'
    )
    for n, name, managers in rows:
        message = refusal_in(name, managers, "publish", level="manager")
        found.problem(n, "is_public", message, refused=True)


async def _taken(connection: Any, found: Given, names: set[str]) -> None:
    """Note rows that would have the name of another one in the same place.

    PostgreSQL looks at each row as it is written, so two records cannot swap names at once.
    """
    stored = found.stored
    assert isinstance(stored, Entity)

    def new(column: str) -> str:
        name = quoted(column)
        if column not in names:
            return f"t.{name}"
        return f"CASE WHEN e.{quoted(f'={column}')} THEN e.{name} ELSE t.{name} END"

    joined = (
        f"{_EDITS} AS e JOIN {KEYS} AS s USING (n) "
        f"JOIN {quoted(stored.name)} AS t ON {matching(stored, 's', 't')}"
    )
    keys = ", ".join(new(column) for column in stored.key)
    own = ", ".join(f"t.{quoted(column)}" for column in stored.key)
    taken = " AND ".join(f"o.{quoted(c)} = w.k{i}" for i, c in enumerate(stored.key))
    listed = ", ".join(f"{new(c)} AS k{i}" for i, c in enumerate(stored.key))
    numbered = ", ".join(f"k{i}" for i in range(len(stored.key)))
    rows = await connection.fetch(
        f"WITH w AS (SELECT e.n, t.id, {listed} FROM {joined} "
        f"WHERE ({keys}) IS DISTINCT FROM ({own})) "
        f"SELECT w.n, true, other.n FROM w JOIN {quoted(stored.name)} AS o "
        f"ON {taken} AND o.deleted_at IS NULL AND o.id <> w.id "
        "LEFT JOIN w AS other ON other.id = o.id "
        f"UNION SELECT n, false, NULL FROM (SELECT n, row_number() OVER "
        f"(PARTITION BY {numbered} ORDER BY n) AS place FROM w) AS twice WHERE place > 1 ORDER BY 1"
    )
    label = stored.label
    for n, there, other in rows:
        if other is not None:
            message = (
                f"The {stored.name} of row {found.labels[other].as_py()} has this {label} until it "
                f"is saved, and a save writes all rows at once. {swapped('save')}"
            )
        elif there:
            message = (
                f"Another {stored.name} in the same place has this {label}. Choose another, or "
                "rename that one first."
            )
        else:
            message = f"Another row of this frame gives another {stored.name} this {label} in the "
            message += "same place."
        value = found.cells[label][n].as_py() if label in found.cells else None
        found.problem(n, label, message, value)


async def write(connection: Any, found: Given, cells: list[Cells], count: int) -> None:
    """Write what was staged, `count` records.

    Raises
    ------
    Conflict
        Somebody changed one of them in between.
    Refused
        A rule of the data that is looked at by the database alone says no.
    """
    stored = found.stored
    sets = []
    for one in cells:
        name, column = quoted(one.column), stored.table.columns[one.column]
        value = f"e.{name}"
        if isinstance(stored.kinds[one.column], Choice):
            value += f"::{column.type.name}"  # type: ignore[attr-defined]  # an Enum
        sets.append(
            f"{name} = CASE WHEN e.{quoted(f'={one.column}')} THEN {value} ELSE t.{name} END"
        )
    with translated(stored.name):
        status = await connection.execute(
            f"UPDATE {quoted(stored.name)} AS t SET {', '.join(sets)} "
            f"FROM {_EDITS} AS e JOIN {KEYS} AS s USING (n) "
            f"WHERE {matching(stored, 's', 't')} AND t.version = e.seen"
        )
    if int(status.split()[-1]) != count:
        raise Conflict("Somebody changed the same records at the same moment. Save again.")


async def trash(connection: Any, stored: Entity[Any, Any], ids: list[str]) -> int:
    """Put records into the trash; return how many were not there by themselves.

    Raises
    ------
    Conflict
        One of them is not there: the right to put it there was lost at the same moment.
    NotAllowed
        One of them is a world that somebody else manages.
    """
    if stored.name == "world":
        rows = await connection.fetch(
            "SELECT t.name, rules.managers(t.id) AS managers FROM world AS t "
            f"WHERE t.id = ANY ($1::uuid[]) AND {_NOT_MANAGED} ORDER BY t.name",
            ids,
        )
        if rows:
            said = [refusal_in(name, ask, "trash", level="manager") for name, ask in rows]
            raise NotAllowed("\n".join(said), entity="world")
    with translated(stored.name):
        status = await connection.execute(
            f"UPDATE {quoted(stored.name)} SET deleted_at = clock_timestamp() "
            "WHERE id = ANY ($1::uuid[]) AND deleted_at IS NULL",
            ids,
        )
        there = await connection.fetchval(
            f"SELECT count(*) FROM {quoted(stored.name)} "
            "WHERE id = ANY ($1::uuid[]) AND deleted_at IS NOT NULL",
            ids,
        )
    if there != len(ids):
        raise Conflict("Somebody changed the same records at the same moment. Save again.")
    return int(status.split()[-1])
