"""Rows on their way into temporary tables of the database, by COPY."""

from __future__ import annotations

import asyncio
import io
from bisect import bisect_right
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

_CHUNK_ROWS = 20_000
ANALYZED_FROM_ROWS = 500  # of a temporary table


OWN = "#id"
"""The column of `load_…` with the ids that rows give for their own records."""


def quoted(name: str) -> str:
    """Return `name` as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class _Run:
    """Rows from the number `start` on that follow each other in one source: called by numbers
    from `label` on, or else by `labels`.
    """

    start: int
    source: int
    label: int
    labels: pa.Array | None = None


@dataclass
class Staged:
    """The rows of one table in `pg_temp`: what the files say in `load_…`, what follows in
    `plan_…`, joined by the number `n`.

    Attributes
    ----------
    sources
        What the files are without their rows; these are nowhere but in the database.
    columns
        The columns of `load_…`; those that hold names have an @ in front.
    given
        For every column of the table that some source speaks of, the sources that do.
    rows
        How many there are by now.
    fresh
        Whether all of them go to worlds that this import makes: none is there already, and all
        may be written.
    """

    stored: Stored[Any, Any]
    sources: list[Prepared]
    columns: dict[str, str] = field(default_factory=dict)
    given: dict[str, list[int]] = field(default_factory=dict)
    rows: int = 0
    fresh: bool = False
    _runs: list[_Run] = field(default_factory=list)

    @property
    def load(self) -> str:
        """The temporary table with what the files say."""
        return f"pg_temp.load_{self.stored.name}"

    @property
    def plan(self) -> str:
        """The temporary table with what is to be done."""
        return f"pg_temp.plan_{self.stored.name}"

    @property
    def twice(self) -> str:
        """The temporary table of the rows that repeat the key of another."""
        return f"pg_temp.twice_{self.stored.name}"

    @property
    def by_id(self) -> bool:
        """Whether rows refer to others by id, which are there then."""
        named = references(self.stored)
        return any(name in named for source in self.sources for name in source.fields)

    @property
    def by_own_id(self) -> bool:
        """Whether rows may tell their record by its id, and so change its key."""
        return OWN in self.columns

    @property
    def kept(self) -> set[str]:
        """The columns in which an empty cell leaves things as they are."""
        return {column for source in self.sources for column in source.kept}

    def locate(self, n: int) -> tuple[Prepared, object]:
        """Return the source of the row `n`, and what messages call it there."""
        run = self._runs[bisect_right(self._runs, n, key=lambda run: run.start) - 1]
        place = n - run.start
        label = run.label + place if run.labels is None else run.labels[place].as_py()
        return self.sources[run.source], label

    def numbers(self, source: int, labels: set[object]) -> list[int]:
        """Return the numbers of the rows of a source that messages call by `labels`."""
        found: list[int] = []
        ends = [*(run.start for run in self._runs[1:]), self.rows]
        for run, end in zip(self._runs, ends, strict=False):
            if run.source != source:
                continue
            if run.labels is not None:
                called = run.labels.to_pylist()
                places = [place for place, label in enumerate(called) if label in labels]
            else:
                last = run.label + end - run.start
                places = [
                    label - run.label
                    for label in labels
                    if isinstance(label, int) and run.label <= label < last
                ]
            found += (run.start + place for place in places)
        return found

    def numbered(self) -> tuple[list[int], list[int], list[int | None]]:
        """Return where runs of rows begin, their sources, and what makes row numbers of theirs.

        None stands for rows that are not of a file, or not called by numbers.
        """
        added = [
            run.label - run.start
            if run.labels is None and self.sources[run.source].source.written
            else None
            for run in self._runs
        ]
        return [run.start for run in self._runs], [run.source for run in self._runs], added

    def number(self, source: int, labels: pa.Array) -> pa.Array:
        """Return numbers for some more rows of a source, and learn what they are called."""
        start, count = self.rows, len(labels)
        self.rows += count
        numbers = np.arange(start, start + count, dtype=np.int32)
        if count:
            self._learn(source, start, labels)
        return pa.array(numbers)

    def _learn(self, source: int, start: int, labels: pa.Array) -> None:
        first = labels[0].as_py()
        places = np.arange(len(labels))
        if not pa.types.is_integer(labels.type) or (np.asarray(labels) - first != places).any():
            self._runs.append(_Run(start, source, 0, labels))
            return
        last = self._runs[-1] if self._runs else None
        goes_on = last is not None and last.source == source and last.labels is None
        if last is None or not goes_on or last.label - last.start != first - start:
            self._runs.append(_Run(start, source, first))


def staged(stored: Stored[Any, Any], sources: list[Prepared]) -> Staged:
    """Return where the rows of `sources` will be."""
    made = Staged(stored, sources)
    for number, source in enumerate(sources):
        for name in (*source.fields, *source.outside):
            made.columns[name] = SQL_TYPES[stored.kinds[name].word]
        for level in source.names:
            made.columns[f"@{level}"] = "text"
        if source.own is not None:
            made.columns[OWN] = "uuid"
        for column in source.given:
            made.given.setdefault(column, []).append(number)
    for lookup in lookups(stored.name):  # so that statements need not ask
        made.columns.setdefault(f"@{lookup.level}", "text")
    for name in (*stored.references, *stored.key):
        if name in stored.kinds:
            made.columns.setdefault(name, SQL_TYPES[stored.kinds[name].word])
    return made


async def stage(connection: asyncpg.Connection, table: Staged) -> None:
    """Make `load_…`, empty."""
    columns = [f"{quoted(name)} {kind}" for name, kind in table.columns.items()]
    if isinstance(table.stored, Entity):
        columns.insert(0, "id uuid NOT NULL DEFAULT rules.new_id()")
    await connection.execute(
        f"DROP TABLE IF EXISTS {table.load}, {table.plan};"
        f"CREATE TEMP TABLE load_{table.stored.name} (n integer NOT NULL, file integer NOT NULL, "
        f"{', '.join(columns)}) ON COMMIT DROP"
    )


async def send(
    connection: asyncpg.Connection,
    table: Staged,
    source: int,
    rows: Prepared,
    outside: dict[str, pa.Array],
) -> None:
    """Put some more rows of a source into `load_…`.

    Parameters
    ----------
    source
        Which of `table.sources` they are of.
    outside
        The ids of worlds and users that they name, by foreign key.
    """
    cells = {**rows.fields, **outside}
    cells |= {f"@{level}": names for level, names in rows.names.items()}
    if rows.own is not None:
        cells[OWN] = rows.own
    numbers = table.number(source, rows.source.labels)
    filed = pa.repeat(pa.scalar(source, pa.int32()), rows.rows)
    await _copy(connection, table, pa.table({"n": numbers, "file": filed, **cells}))


async def forget(connection: asyncpg.Connection, table: Staged, source: int) -> None:
    """Take the rows of a source out again, which turned out to be unreadable."""
    await connection.execute(f"DELETE FROM {table.load} WHERE file = $1", source)


async def sent(connection: asyncpg.Connection, table: Staged) -> None:
    """Let the database look at what is in `load_…`, now that all is there."""
    if table.rows >= ANALYZED_FROM_ROWS:
        await connection.execute(f"ANALYZE {table.load} ({', '.join(_joined(table))})")


def _joined(table: Staged) -> list[str]:
    """Return the columns that statements join by."""
    names = [n for n in table.columns if n.startswith("@") or n in table.stored.references]
    return ["n", *(quoted(n) for n in dict.fromkeys((*names, *table.stored.key)))]


async def _copy(connection: asyncpg.Connection, table: Staged, arrow: pa.Table) -> None:
    options = arrow_csv.WriteOptions(include_header=False)  # texts in quotes, nothing for NULL
    for at in range(0, arrow.num_rows, _CHUNK_ROWS):
        out = io.BytesIO()
        await asyncio.to_thread(arrow_csv.write_csv, arrow.slice(at, _CHUNK_ROWS), out, options)
        # Each chunk is a COPY of its own: in one that goes on and on, asyncpg 0.32 waits for ever
        # to write more when the server goes away. And bytes it would take for a path.
        await connection.copy_to_table(
            f"load_{table.stored.name}",
            source=out.getbuffer(),
            columns=arrow.column_names,
            schema_name="pg_temp",
            format="csv",
        )
