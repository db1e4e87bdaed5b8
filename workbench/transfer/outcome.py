"""What a plan does to each row and each cell, read out of the database it was worked out in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pyarrow as pa

from workbench.entities import Entity
from workbench.entities.composite import Labels
from workbench.entities.fields import Bytes
from workbench.errors import Problem, shown
from workbench.transfer import apply
from workbench.transfer.lookups import lookups, references
from workbench.transfer.spool import batches
from workbench.transfer.stage import Staged, quoted

Tables: TypeAlias = Mapping[str, Staged]

UPDATES = pa.schema(
    [(name, pa.string()) for name in ("table", "file", "row", "id", "name")]
    + [(name, pa.large_string()) for name in ("column", "old", "new")]
)
INSERTS = pa.schema([(name, pa.string()) for name in ("table", "file", "row", "name")])
ROWS = pa.schema(
    [
        ("n", pa.int32()),
        ("action", pa.string()),
        ("id", pa.string()),
        ("version", pa.int32()),
        ("refers", pa.string()),
    ]
)
_AT_ONCE = 5_000
_CELL_CHARACTERS = 10_000
_SHOWN_DIFFERENCES = 1_000
_CURSORS = count()


async def write_rows(connection: asyncpg.Connection, tables: Tables, folder: Path) -> None:
    """Write what becomes of each row, a file for each table."""
    for name, table in tables.items():
        query = f"{_rows(table, tables)} ORDER BY n"
        await _write(connection, folder / f"{name}.arrow", ROWS, [(table, query)])


async def write_updates(connection: asyncpg.Connection, tables: Tables, place: Path) -> None:
    """Write what changes in rows that are there, cell by cell."""
    queries = [(table, query) for table in tables.values() if (query := _updates(table, tables))]
    await _write(connection, place, UPDATES, queries)


async def write_inserts(connection: asyncpg.Connection, tables: Tables, place: Path) -> None:
    """Write which rows are new."""
    queries = [(table, _inserts(table)) for table in tables.values()]
    await _write(connection, place, INSERTS, queries)


async def _write(
    connection: asyncpg.Connection,
    place: Path,
    schema: pa.Schema,
    queries: list[tuple[Staged, str]],
) -> None:
    with pa.ipc.new_file(str(place), schema) as out:
        for table, query in queries:
            async for rows in _fetched(connection, query):
                out.write_batch(_batch(table, schema, rows))


async def _fetched(
    connection: asyncpg.Connection, query: str
) -> AsyncIterator[list[asyncpg.Record]]:
    """Give the rows of a query some thousands at a time.

    The cursor is closed at once, as one that is open keeps its tables from being dropped; its
    name is its own, as the driver remembers what the columns of a statement were.
    """
    cursor = f"shown_{next(_CURSORS)}"
    await connection.execute(f"DECLARE {cursor} NO SCROLL CURSOR FOR {query}")
    while rows := await connection.fetch(f"FETCH {_AT_ONCE} FROM {cursor}"):
        yield rows
    await connection.execute(f"CLOSE {cursor}")


def _batch(table: Staged, schema: pa.Schema, rows: list[asyncpg.Record]) -> pa.RecordBatch:
    places = [table.locate(row["n"]) for row in rows]
    columns: dict[str, list[Any]] = {
        "table": [table.stored.plural] * len(rows),
        "file": [source.source.file for source, _ in places],
        "row": [str(label) for _, label in places],
    }
    arrays = [
        pa.array(columns.get(field.name) or [row[field.name] for row in rows], field.type)
        for field in schema
    ]
    return pa.record_batch(arrays, schema=schema)


async def differences(
    connection: asyncpg.Connection, tables: Tables, folder: Path
) -> list[Problem]:
    """Return what becomes of rows otherwise than the files in `folder` say, a thousand at most."""
    found: list[Problem] = []
    for name, table in tables.items():
        place = folder / f"{name}.arrow"
        await connection.execute(
            f"CREATE TEMP TABLE shown_{name} (n integer, action text, id text, version integer, "
            "refers text) ON COMMIT DROP"
        )
        for batch in batches(place) if place.exists() else ():
            await connection.copy_records_to_table(
                f"shown_{name}", records=_records(batch), schema_name="pg_temp"
            )
        rows = await connection.fetch(
            f"SELECT coalesce(o.n, r.n) AS n, o.action AS was, r.action AS now, "
            "o.id IS NOT DISTINCT FROM r.id AS same, "
            "o.version IS NOT DISTINCT FROM r.version AS unchanged, "
            f"(SELECT {_named(table)} FROM {table.load} AS s "
            "WHERE s.n = coalesce(o.n, r.n)) AS name "
            f"FROM pg_temp.shown_{name} AS o FULL JOIN ({_rows(table, tables)}) AS r ON r.n = o.n "
            "WHERE (o.action, o.id, o.refers) IS DISTINCT FROM (r.action, r.id, r.refers) "
            "OR (o.action = 'update' AND o.version IS DISTINCT FROM r.version) "
            f"ORDER BY 1 LIMIT {_SHOWN_DIFFERENCES}"
        )
        for row in rows:
            if 0 <= row["n"] < table.rows:
                source, label = table.locate(row["n"])
                message = _difference(table, row)
                found.append(Problem(source.source.file, label, None, None, message))
            else:
                found.append(Problem(None, None, None, None, "The plan has rows it does not hold."))
        await connection.execute(f"DROP TABLE pg_temp.shown_{name}")
    return found[:_SHOWN_DIFFERENCES]


def _records(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(batch.column(field.name).to_pylist() for field in ROWS), strict=True)


def _difference(table: Staged, row: asyncpg.Record) -> str:
    what = f"{table.stored.name.replace('_', ' ')} {shown(row['name'])}"
    if row["now"] is None:
        return f"The {what} cannot be written any more; it has a problem now."
    if row["was"] is None:
        return f"The {what} had a problem when the plan was made, and has none now."
    if row["was"] == "insert" and row["now"] != "insert":
        return f"The {what} was to be added; somebody has added it meanwhile."
    if row["was"] != "insert" and row["now"] == "insert":
        return f"The {what} was there, and is gone: renamed, in the trash, or not to be seen."
    if not row["same"]:
        return f"The {what} is another record now."
    if not row["unchanged"] or row["was"] != row["now"]:
        return f"The {what} was changed meanwhile."
    return f"What the {what} refers to is another record now."


def _rows(table: Staged, tables: Tables) -> str:
    """Return the query for what becomes of each row of a plan.

    Ids of new records are made anew each time, so of these only that they are new counts.
    """
    joins, refers = [], []
    for place, (column, target) in enumerate(_references(table).items()):
        value = f"p.{quoted(column)}::text"
        if target in tables:
            alias = quoted(f"r{place}")
            joins.append(
                f"LEFT JOIN {tables[target].plan} AS {alias} "
                f"ON {alias}.id = p.{quoted(column)} AND {alias}.version IS NULL"
            )
            value = f"CASE WHEN {alias}.id IS NULL THEN {value} ELSE 'new' END"
        refers.append(f"coalesce({value}, '-')")
    entity = isinstance(table.stored, Entity)
    return (
        "SELECT p.n, CASE WHEN p.version IS NULL THEN 'insert' WHEN p.changed THEN 'update' "
        "ELSE 'same' END AS action, "
        f"{'CASE WHEN p.version IS NOT NULL THEN p.id::text END' if entity else 'NULL::text'} "
        f"AS id, p.version, concat_ws(' ', NULL{''.join(f', {r}' for r in refers)}) AS refers "
        f"FROM {table.plan} AS p {' '.join(joins)}"
    )


def _references(table: Staged) -> dict[str, str]:
    """Return the columns of a plan that refer to records, and to what."""
    stored = table.stored
    found = {lookup.column: lookup.target.name for lookup in lookups(stored.name)}
    found = {column: target for column, target in found.items() if column in table.given}
    found |= {c: t for c, t in references(stored).items() if c in stored.key}
    if "worldid" in stored.table.columns:
        found["worldid"] = "world"
    return {column: target for column, target in found.items() if column}


def _named(table: Staged) -> str:
    """Return the name by which people know a row as it was read, as an expression."""
    stored = table.stored
    if isinstance(stored, Entity):
        return f"s.{quoted(stored.label)}::text"
    levels = []
    for column in stored.key:
        if (target := references(stored).get(column)) is not None:
            by_id = f"(SELECT x.name FROM {quoted(target)} AS x WHERE x.id = s.{quoted(column)})"
            levels.append(f"coalesce(s.{quoted(f'@{stored.twin(column)}')}, {by_id})")
    if not levels:
        levels = [f"s.{quoted(column)}::text" for column in stored.key[1:]]
    return f"concat_ws(' – ', {', '.join(levels)})"


def _inserts(table: Staged) -> str:
    return (
        f"SELECT p.n, left({_named(table)}, 1000) AS name FROM {table.plan} AS p "
        f"JOIN {table.load} AS s ON s.n = p.n WHERE p.version IS NULL ORDER BY p.n"
    )


def _attribute(held: str) -> str:
    """Return a key's value as an expression: as text, but as JSON where only its type changes."""
    alike = "t.attributes ->> k = a.new ->> k"
    return f"CASE WHEN {alike} THEN ({held} -> k)::text ELSE {held} ->> k END"


def _updates(table: Staged, tables: Tables) -> str | None:
    """Return the query for the cells that change; None if nothing ever may."""
    stored = table.stored
    joins, cells = [], []
    for column in apply.changeable(table):
        name = quoted(column.name)
        old, new = f"t.{name}", apply.new_value(table, column)
        said = f"'{column.name}'"
        if column.name == "attributes":
            continue
        if isinstance(stored.kinds[column.name], Bytes):
            digest = "octet_length({0}) || ' bytes, ' || left(encode(sha256({0}), 'hex'), 12)"
            cells.append(f"({said}, {digest.format(old)}, {digest.format(new)})")
            continue
        if isinstance(stored.kinds[column.name], Labels):
            old, new = (f"array_to_string({value}, '; ')" for value in (old, new))
        target = stored.references.get(column.name)
        if target is None:
            cells.append(f"({said}, {old}::text, {new}::text)")
            continue
        label = "email" if target == "user" else "name"
        was, becomes, planned = (quoted(f"{kind}:{column.name}") for kind in ("o", "n", "p"))
        joins.append(f"LEFT JOIN {quoted(target)} AS {was} ON {was}.id = {old}")
        joins.append(f"LEFT JOIN {quoted(target)} AS {becomes} ON {becomes}.id = {new}")
        named = [f"{becomes}.{label}"]
        if target in tables:
            joins.append(f"LEFT JOIN {tables[target].plan} AS {planned} ON {planned}.id = {new}")
            named.append(f"{planned}.name")
        named.append(f"{new}::text")
        cells.append(
            f"('{stored.twin(column.name)}', coalesce({was}.{label}, {old}::text), "
            f"coalesce({', '.join(named)}))"
        )
    parts = []
    if cells:
        parts.append(f"SELECT * FROM (VALUES {', '.join(cells)}) AS v")
    attributes = [c for c in apply.changeable(table) if c.name == "attributes"]
    if attributes:
        new = apply.new_value(table, attributes[0])
        parts.append(
            f"SELECT 'attributes.' || k, {_attribute('t.attributes')}, {_attribute('a.new')} "
            f"FROM (SELECT {new} AS new) AS a, "
            "LATERAL jsonb_object_keys(t.attributes || a.new) AS k"
        )
    if not parts:
        return None
    cut = ", ".join(f"left(c.{name}, {_CELL_CHARACTERS}) AS {name}" for name in ("old", "new"))
    return (
        f"SELECT p.n, {'p.id::text' if isinstance(stored, Entity) else 'NULL'} AS id, "
        f'left({_named(table)}, 1000) AS name, c."column", {cut} '
        f"FROM {table.plan} AS p JOIN {table.load} AS s ON s.n = p.n "
        f"JOIN {quoted(stored.name)} AS t ON {apply.same(table)} {' '.join(joins)}, "
        f'LATERAL ({" UNION ALL ".join(parts)}) AS c ("column", old, new) '
        "WHERE p.changed AND c.old IS DISTINCT FROM c.new "
        'ORDER BY p.n, c."column"'
    )
