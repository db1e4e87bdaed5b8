"""What the plan says, done: which rows differ, then inserts and updates of whole tables."""

from __future__ import annotations

from typing import Any

import asyncpg
from sqlalchemy import Column
from sqlalchemy.dialects import postgresql

from workbench.entities import Entity
from workbench.entities.fields import Bytes, Choice
from workbench.errors import Conflict
from workbench.store.rights import refusal
from workbench.transfer.lookups import lookups
from workbench.transfer.report import TableCounts
from workbench.transfer.stage import Staged, quoted

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


async def compare(connection: asyncpg.Connection, table: Staged) -> None:
    """Mark the rows of the plan that are there and differ from what the files say.

    Only what the files speak of is compared.
    """
    differs = [
        f"{new_value(table, column)} IS DISTINCT FROM t.{quoted(column.name)}"
        for column in changeable(table)
        if not (_is_bytes(table, column) and "sha256" in table.given)
    ]
    if not differs or table.fresh:
        return
    await connection.execute(
        f"UPDATE {table.plan} AS p SET changed = true "
        f"FROM {table.load} AS s, {quoted(table.stored.name)} AS t "
        f"WHERE p.version IS NOT NULL AND s.n = p.n AND {same(table)} "
        f"AND ({' OR '.join(differs)})"
    )


async def count(connection: asyncpg.Connection, table: Staged, counts: TableCounts) -> None:
    """Fill in how many rows of the plan are new, changed, and as they were."""
    row = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE version IS NULL) AS inserted, "
        "count(*) FILTER (WHERE changed) AS updated, "
        "count(*) FILTER (WHERE version IS NOT NULL AND NOT changed) AS unchanged "
        f"FROM {table.plan}"
    )
    counts.inserted, counts.updated, counts.unchanged = row


async def insert(
    connection: asyncpg.Connection, table: Staged, among: list[int] | None = None
) -> None:
    """Insert the new rows, or those of `among`, in the order of the files: that of their ids.

    Ids grow with time, so each new entry of an index by id goes beside the one before it,
    into a page that is at hand; in any other order the entries go all over the index.
    """
    stored = table.stored
    columns: dict[str, str] = {"id": "p.id"} if isinstance(stored, Entity) else {}
    for column in stored.table.columns:
        if column.name in _planned(table):
            columns[column.name] = f"p.{quoted(column.name)}"
        elif column.name in table.given:
            columns[column.name] = _said(table, column)
    await connection.execute(
        f"INSERT INTO {quoted(stored.name)} ({', '.join(map(quoted, columns))}) "
        f"SELECT {', '.join(columns.values())} "
        f"FROM {table.plan} AS p JOIN {table.load} AS s ON s.n = p.n "
        f"WHERE p.version IS NULL{_some(among)} ORDER BY p.n",
        *_numbers(among),
    )


async def update(
    connection: asyncpg.Connection,
    table: Staged,
    expected: int | None,
    among: list[int] | None = None,
) -> None:
    """Update the changed rows, or those of `among`, as they were when the plan was made.

    Raises
    ------
    Conflict
        Somebody changed one of them in between.
    NotAllowed
        Row rights left one of them as it was.
    """
    columns = changeable(table)
    if not columns:
        return
    if "ownerid" in table.given and not await connection.fetchval(
        f"SELECT EXISTS ({moved(table, 'ownerid')})"
    ):
        columns = [c for c in columns if c.name != "ownerid"]  # which a user may not write
    sets = [f"{quoted(c.name)} = {new_value(table, c)}" for c in columns]
    status = await connection.execute(
        f"UPDATE {quoted(table.stored.name)} AS t SET {', '.join(sets)} "
        f"FROM {table.plan} AS p JOIN {table.load} AS s ON s.n = p.n "
        f"WHERE p.changed AND {same(table)} AND t.version = p.version{_some(among)}",
        *_numbers(among),
    )
    if expected is not None and int(status.split()[-1]) != expected:
        await _check_rights(connection, table)
        raise Conflict(
            f"Somebody changed rows of {table.stored.plural} during the import. Nothing was "
            "written. Import again."
        )


async def _check_rights(connection: asyncpg.Connection, table: Staged) -> None:
    """Raise NotAllowed if a row that was to be updated is there, and is as it was planned for."""
    world = "worldid" if "worldid" in table.stored.table.columns else "id"
    left = await connection.fetchrow(
        f"SELECT rules.managers(t.{world}) AS managers FROM {table.plan} AS p "
        f"JOIN {quoted(table.stored.name)} AS t ON {same(table)} AND t.version = p.version "
        "WHERE p.changed LIMIT 1"
    )
    if left is not None:
        raise refusal(table.stored.name, left["managers"] or ())


def moved(table: Staged, name: str) -> str:
    """Return the query for the rows that are to have another value in the column `name`."""
    column = table.stored.table.c[name]
    return (
        f"SELECT p.* FROM {table.plan} AS p JOIN {table.load} AS s ON s.n = p.n "
        f"JOIN {quoted(table.stored.name)} AS t ON {same(table)} "
        f"WHERE p.changed AND {new_value(table, column)} IS DISTINCT FROM t.{quoted(name)}"
    )


def _some(among: list[int] | None) -> str:
    return "" if among is None else " AND p.n = ANY($1::int[])"


def _numbers(among: list[int] | None) -> list[list[int]]:
    return [] if among is None else [among]


def same(table: Staged) -> str:
    """Return the condition that a row of the plan is a row of the table."""
    stored = table.stored
    if not isinstance(stored, Entity):
        names = stored.key
    elif "worldid" in stored.table.columns:
        names = ("worldid", "id")
    else:
        names = ("id",)
    return " AND ".join(f"t.{quoted(name)} = p.{quoted(name)}" for name in names)


def _planned(table: Staged) -> set[str]:
    """Return the columns whose values are in the plan."""
    stored = table.stored
    found = {lookup.column for lookup in lookups(stored.name) if lookup.column in table.given}
    return {*(f for f in found if f), *stored.key, "worldid"}


def changeable(table: Staged) -> list[Column[Any]]:
    """Return the columns that the files speak of and that may change."""
    key = () if table.by_own_id else table.stored.key
    fixed = {"id", "worldid", *key}
    return [c for c in table.stored.table.columns if c.name in table.given and c.name not in fixed]


def _is_bytes(table: Staged, column: Column[Any]) -> bool:
    return isinstance(table.stored.kinds[column.name], Bytes)


def _said(table: Staged, column: Column[Any]) -> str:
    """Return what the files say of `column`; an empty cell stands for its default."""
    name = quoted(column.name)
    value = f"s.{name}"
    if isinstance(table.stored.kinds[column.name], Choice):
        value = f"s.{name}::{column.type.compile(dialect=_DIALECT)}"
    default = getattr(column.server_default, "arg", None)
    return value if column.nullable or default is None else f"coalesce({value}, {default})"


def new_value(table: Staged, column: Column[Any]) -> str:
    """Return what `column` of a row that is there becomes."""
    name = quoted(column.name)
    if column.name == "attributes":
        value = f"(t.{name} - {_keys(table)}) || coalesce(s.{name}, '{{}}'::jsonb)"
    elif column.name in _planned(table):
        value = f"p.{name}"
    elif column.name in table.kept or (not column.nullable and "reference" in column.info):
        value = f"coalesce(s.{name}, t.{name})"
    else:
        value = _said(table, column)
    files = table.given[column.name]
    if len(files) == len(table.sources):
        return f"({value})"
    numbers = ", ".join(map(str, files))
    return f"(CASE WHEN s.file IN ({numbers}) THEN {value} ELSE t.{name} END)"


def _keys(table: Staged) -> str:
    """Return the keys of `attributes` that the file of a row has columns for."""
    arrays = [_array(source.keys) for source in table.sources]
    if len(set(arrays)) == 1:
        return arrays[0]
    cases = " ".join(f"WHEN {number} THEN {array}" for number, array in enumerate(arrays))
    return f"(CASE s.file {cases} END)"


def _array(keys: list[str]) -> str:
    quoted_keys = ", ".join("'" + key.replace("'", "''") + "'" for key in keys)
    return f"ARRAY[{quoted_keys}]::text[]"
