"""Rows on their way into temporary tables of the database, by COPY."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from workbench.entities import Entity, Stored
from workbench.transfer.checks import SQL_TYPES
from workbench.transfer.lookups import lookups, references
from workbench.transfer.prepare import Prepared
from workbench.transfer.report import Progress, Watcher

_CHUNK_ROWS = 20_000
ANALYZED_FROM_ROWS = 500  # of a temporary table


def quoted(name: str) -> str:
    """Return `name` as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


@dataclass
class Staged:
    """The rows of one table in `pg_temp`: what the files say in `load_…`, what follows in
    `plan_…`, joined by the number `n`.

    Attributes
    ----------
    columns
        The columns of `load_…`; those that hold names have an @ in front.
    given
        For every column of the table that some source speaks of, the sources that do.
    """

    stored: Stored[Any, Any]
    sources: list[Prepared]
    columns: dict[str, str] = field(default_factory=dict)
    given: dict[str, list[int]] = field(default_factory=dict)

    @property
    def load(self) -> str:
        """The temporary table with what the files say."""
        return f"pg_temp.load_{self.stored.name}"

    @property
    def plan(self) -> str:
        """The temporary table with what is to be done."""
        return f"pg_temp.plan_{self.stored.name}"

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(source.rows for source in self.sources)

    @property
    def by_id(self) -> bool:
        """Whether rows refer to others by id, which are there then."""
        named = references(self.stored)
        return any(name in named for source in self.sources for name in source.fields)

    @property
    def kept(self) -> set[str]:
        """The columns in which an empty cell leaves things as they are."""
        return {column for source in self.sources for column in source.kept}

    def locate(self, n: int) -> tuple[Prepared, int]:
        """Return the source of the row `n`, and its place there."""
        for source in self.sources:
            if n < source.rows:
                return source, n
            n -= source.rows
        raise IndexError(n)


def staged(stored: Stored[Any, Any], sources: list[Prepared]) -> Staged:
    """Return where the rows of `sources` will be."""
    made = Staged(stored, sources)
    for number, source in enumerate(sources):
        for name in (*source.fields, *source.outside):
            made.columns[name] = SQL_TYPES[stored.kinds[name].word]
        for level in source.names:
            made.columns[f"@{level}"] = "text"
        for column in source.given:
            made.given.setdefault(column, []).append(number)
    for lookup in lookups(stored.name):  # so that statements need not ask
        made.columns.setdefault(f"@{lookup.level}", "text")
    for name in (*stored.references, *stored.key):
        if name in stored.kinds:
            made.columns.setdefault(name, SQL_TYPES[stored.kinds[name].word])
    return made


async def stage(
    connection: asyncpg.Connection,
    table: Staged,
    outside: Sequence[dict[str, pa.Array]],
    *,
    watch: Watcher,
) -> None:
    """Fill `load_…`.

    Parameters
    ----------
    outside
        For each source the ids of worlds and users that its rows name, by foreign key.
    """
    columns = [f"{quoted(name)} {kind}" for name, kind in table.columns.items()]
    if isinstance(table.stored, Entity):
        columns.insert(0, "id uuid NOT NULL DEFAULT rules.new_id()")
    name = f"load_{table.stored.name}"
    await connection.execute(
        f"DROP TABLE IF EXISTS {table.load}, {table.plan};"
        f"CREATE TEMP TABLE {name} (n integer NOT NULL, file integer NOT NULL, "
        f"{', '.join(columns)}) ON COMMIT DROP"
    )
    start = 0
    for number, source in enumerate(table.sources):
        cells = {**source.fields, **outside[number]}
        cells |= {f"@{level}": names for level, names in source.names.items()}
        rows = source.rows
        numbers = pa.array(np.arange(start, start + rows, dtype=np.int32))
        filed = pa.repeat(pa.scalar(number, pa.int32()), rows)
        arrow = pa.table({"n": numbers, "file": filed, **cells})
        await _copy(connection, name, arrow, table, start, watch)
        start += rows
    if table.rows >= ANALYZED_FROM_ROWS:
        await connection.execute(f"ANALYZE {table.load} ({', '.join(_joined(table))})")


def _joined(table: Staged) -> list[str]:
    """Return the columns that statements join by."""
    names = [n for n in table.columns if n.startswith("@") or n in table.stored.references]
    return ["n", *(quoted(n) for n in dict.fromkeys((*names, *table.stored.key)))]


async def _copy(
    connection: asyncpg.Connection,
    name: str,
    arrow: pa.Table,
    table: Staged,
    start: int,
    watch: Watcher,
) -> None:
    options = arrow_csv.WriteOptions(include_header=False)  # texts in quotes, nothing for NULL
    for at in range(0, arrow.num_rows, _CHUNK_ROWS):
        out = io.BytesIO()
        arrow_csv.write_csv(arrow.slice(at, _CHUNK_ROWS), out, options)
        # Each chunk is a COPY of its own: in one that goes on and on, asyncpg 0.32 waits for ever
        # to write more when the server goes away. And bytes it would take for a path.
        await connection.copy_to_table(
            name,
            source=out.getbuffer(),
            columns=arrow.column_names,
            schema_name="pg_temp",
            format="csv",
        )
        done = start + min(at + _CHUNK_ROWS, arrow.num_rows)
        watch(Progress("send", table.stored.plural, done, table.rows))
