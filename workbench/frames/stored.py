"""What the database has of the records of a frame: now, and as of the version that was read.

Nothing of what was read need be remembered: the history holds the old value of every change,
so a record as of an earlier version is the stored one with the later changes taken back.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from workbench.entities import Link, Stored
from workbench.frames.given import Given, key_of
from workbench.frames.values import WIRE, from_json
from workbench.store.columns import Column, Tables, literal
from workbench.transfer.stage import ANALYZED_FROM_ROWS, quoted

__all__ = ["KEYS", "Now", "copied", "entries", "look_back", "matching", "read_now", "stage_keys"]

KEYS = "pg_temp.save_keys"

_CHUNK_ROWS = 20_000
_NEVER = 1 << 40


@dataclass
class Now:
    """The records of a frame as they are stored, in the order of the frame.

    Attributes
    ----------
    versions
        0 where there is no record that the user may read.
    trashed
        Which are in the trash.
    cells
        The columns that were asked for, as they compare; null where there is no record.
    since
        For each column the rows in which it was changed after the version that was read, with
        the value it had then.
    lost
        Rows whose history does not reach back to the version that was read.
    """

    versions: npt.NDArray[np.int64]
    trashed: npt.NDArray[np.bool_]
    cells: dict[str, pa.Array]
    since: dict[str, dict[int, Any]] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    _bases: dict[str, pa.Array] = field(default_factory=dict)

    @property
    def there(self) -> npt.NDArray[np.bool_]:
        """Which records there are."""
        return self.versions > 0

    def base(self, name: str) -> pa.Array:
        """Return the column `name` as of the versions that were read."""
        changed = self.since.get(name)
        if not changed:
            return self.cells[name]
        if name in self._bases:
            return self._bases[name]
        cells = self.cells[name]
        rows = sorted(changed)
        mask = np.zeros(len(cells), bool)
        mask[rows] = True
        # Null in the history is null in the column; `replace_with_mask` takes both.
        values = pa.array([changed[n] for n in rows], cells.type)
        self._bases[name] = pc.replace_with_mask(cells, pa.array(mask), values)
        return self._bases[name]


async def copied(connection: Any, name: str, columns: Mapping[str, str], cells: pa.Table) -> None:
    """Make the temporary table `name` anew, of `columns` and their types, and fill it."""
    said = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns.items())
    await connection.execute(
        f"DROP TABLE IF EXISTS pg_temp.{name}; CREATE TEMP TABLE {name} ({said}) ON COMMIT DROP"
    )
    options = csv.WriteOptions(include_header=False)
    for at in range(0, cells.num_rows, _CHUNK_ROWS):
        out = io.BytesIO()
        csv.write_csv(cells.slice(at, _CHUNK_ROWS), out, options)
        # As in an import: a COPY for each chunk, and no bytes, which would be taken for a path.
        await connection.copy_to_table(
            name,
            source=out.getbuffer(),
            columns=cells.column_names,
            schema_name="pg_temp",
            format="csv",
        )
    if cells.num_rows >= ANALYZED_FROM_ROWS:
        await connection.execute(f"ANALYZE pg_temp.{name}")


async def stage_keys(connection: Any, found: Given) -> None:
    """Send the keys and versions of a frame; `n` is the number of the row."""
    types = {
        name: "uuid" if name in found.stored.references or name == "id" else "text"
        for name in found.keys
    }
    numbers = pa.array(np.arange(found.rows, dtype=np.int32))
    rows = pa.table({"n": numbers, **found.keys, "version": found.versions})
    columns = {"n": "integer", **types, "version": "integer"}
    await copied(connection, KEYS.removeprefix("pg_temp."), columns, rows)


def matching(stored: Stored[Any, Any], one: str, other: str) -> str:
    """Return the condition that two rows have one primary key."""
    return " AND ".join(f"{one}.{quoted(n)} = {other}.{quoted(n)}" for n in key_of(stored))


async def read_now(
    connection: Any, found: Given, names: Iterable[str], *, rows: Sequence[int] | None = None
) -> Now:
    """Return what is stored now of the records of a frame: the columns `names`.

    Parameters
    ----------
    rows
        Only these; None for all.
    """
    stored = found.stored
    tables = Tables(stored)
    own = [name for name in ("version", "worldid", "deleted_at") if name in stored.table.columns]
    wanted = [*own, *names]
    columns = [tables.column(name) for name in dict.fromkeys(wanted)]
    # As they are stored: what is read has ids as text, which no index serves.
    keys = [replace(tables.column(n), name=f"={n}", value=stored.table.c[n]) for n in found.keys]
    inner = literal(tables.select([*columns, *keys]))
    same = " AND ".join(f"s.{quoted(n)} = q.{quoted(f'={n}')}" for n in found.keys)
    said = ", ".join(_sent(column) for column in columns)
    some = "" if rows is None else f" WHERE s.n = ANY ('{{{', '.join(map(str, rows))}}}'::int[])"
    out = io.BytesIO()
    await connection.copy_from_query(
        f"SELECT s.n, {said} FROM {KEYS} AS s JOIN ({inner}) AS q ON {same}{some}",
        output=out,
        format="csv",
    )
    types = {"n": pa.int64(), **{column.name: WIRE[column.type] for column in columns}}
    return _placed(found.rows, _parsed(out, types), types)


def _sent(column: Column) -> str:
    name = f"q.{quoted(column.name)}"
    if column.type != "labels":
        return name
    joined = f"array_to_string({name}, E'\\x1f')"
    return f"cardinality({name}) || E'\\x1f' || {joined}"


def _parsed(out: io.BytesIO, types: dict[str, pa.DataType]) -> pa.Table:
    if not out.tell():
        return pa.table({name: pa.array([], kind) for name, kind in types.items()})
    out.seek(0)
    return csv.read_csv(
        out,
        read_options=csv.ReadOptions(column_names=list(types), block_size=1 << 24),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    ).combine_chunks()


def _placed(count: int, found: pa.Table, types: dict[str, pa.DataType]) -> Now:
    """Put the rows that were found where they belong, nothing where there is none."""
    places = np.full(count, -1, np.int64)
    places[found.column("n").to_numpy()] = np.arange(found.num_rows)
    at = pa.array(places, mask=places < 0)
    cells = {}
    for name in types:
        column = found.column(name)
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        cells[name] = whole.take(at)
    versions = np.asarray(cells.pop("version").fill_null(0))
    trashed = np.zeros(count, bool)
    if "deleted_at" in cells:
        trashed = np.asarray(cells["deleted_at"].is_valid())
    cells.pop("n")
    return Now(versions, trashed, cells)


async def look_back(connection: Any, found: Given, now: Now) -> None:
    """Find what the records that were changed since had when they were read."""
    versions = np.asarray(found.versions.fill_null(0))
    stale = np.flatnonzero(now.versions != versions)
    if not len(stale):
        return
    due = {n: int(now.versions[n] - versions[n]) for n in stale.tolist()}
    now.since = {name: {} for name in now.cells}
    for n, operation, version, old in await connection.fetch(_past(found.stored), stale.tolist()):
        if operation != "delete" and 0 < now.versions[n] < version:
            continue  # written after `now` was read; who writes will see it
        if operation == "delete":
            # The last entry of what is gone; else somebody purged it and brought it back.
            gone = not now.versions[n] and due[n] < 0
            due[n] = due[n] + int(version) + 1 if gone else _NEVER
        due[n] -= 1
        for name, text in json.loads(old).items():
            rows = now.since.get(name)
            if rows is not None and n not in rows:
                rows[n] = _value(found, name, text)
    now.lost = {n for n, entries in due.items() if entries}


def _past(stored: Stored[Any, Any]) -> str:
    """Return the statement that reads later changes of the rows $1, the earliest first.

    What was purged is found by its last entry, in whichever world it was.
    """
    some, same = entries(stored)
    key = some.key
    gone = (
        f"SELECT s.n, s.version, h.worldid, {some.home}, {key} FROM {KEYS} AS s "
        "JOIN history.change AS h ON h.worldid = ANY ((SELECT rules.worlds('viewer'))::uuid[]) "
        f"AND h.entity = '{stored.name}' AND h.recordid = {some.home} "
        f"AND h.operation = 'delete'{same.replace('r.key', key)} WHERE s.n = ANY ($1::int[]) "
        f"AND NOT EXISTS (SELECT FROM {quoted(stored.name)} AS t "
        f"WHERE {matching(stored, 's', 't')})"
    )
    return (
        f"WITH r AS ({some.there} UNION {gone}) "
        "SELECT r.n, h.operation, h.version, (SELECT jsonb_object_agg(e.key, e.value::text) "
        "FROM jsonb_each(h.old) AS e)::text FROM r JOIN history.change AS h "
        f"ON h.worldid = r.world AND h.recordid = r.home AND h.entity = '{stored.name}'{same} "
        "WHERE h.old IS NOT NULL AND (h.version > r.was OR h.operation = 'delete') "
        "ORDER BY r.n, h.id"
    )


@dataclass(frozen=True)
class Subjects:
    """How the history calls the rows of a frame: their world, their home, their key.

    `there` is the statement that reads that of the rows $1 that are stored.
    """

    there: str
    home: str
    key: str


def entries(stored: Stored[Any, Any]) -> tuple[Subjects, str]:
    """Return how the history calls rows, and the condition on the key of a link."""
    world = {"world": "t.id", "user": "NULL::uuid"}.get(stored.name, "t.worldid")
    home, key, same = "s.id", "NULL::jsonb", ""
    if isinstance(stored, Link):
        home = f"s.{quoted(stored.home)}"
        # The world is told by the home, and is not in the key, but where it is the home.
        parts = [name for name in stored.key if name != "worldid" or stored.home == "worldid"]
        pairs = ", ".join(f"'{name}', s.{quoted(name)}" for name in parts)
        key = f"jsonb_build_object({pairs})"
        same = " AND h.key = r.key"
    there = (
        f"SELECT s.n, s.version AS was, {world} AS world, {home} AS home, {key} AS key "
        f"FROM {KEYS} AS s JOIN {quoted(stored.name)} AS t ON {matching(stored, 's', 't')} "
        "WHERE s.n = ANY ($1::int[])"
    )
    return Subjects(there, home, key), same


def _value(found: Given, name: str, text: str | None) -> Any:
    kind = found.columns[name].type if name in found.columns else "text"
    value = from_json(kind, text)
    if kind == "time" and value is not None:
        return datetime.fromisoformat(value)
    return value
