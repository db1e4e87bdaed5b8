"""What is wrong with rows that a plan has found wrong, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any
from uuid import UUID

import asyncpg

from workbench.entities import Link, Stored
from workbench.errors import shown
from workbench.transfer.lookups import Lookup, lookups, references
from workbench.transfer.outside import Outside, disagreement, suggestion
from workbench.transfer.plan import AGAINST
from workbench.transfer.prepare import Prepared
from workbench.transfer.report import Findings
from workbench.transfer.stage import Staged, quoted

_EXPLAINED = 20  # distinct names that are searched for elsewhere, for each table


class Verdicts:
    """Words the problems of one import, table by table."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        tables: Mapping[str, Staged],
        findings: Findings,
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._findings = findings
        self._worlds: dict[UUID, str] = {}

    def learn(self, outside: Outside) -> None:
        """Learn what the worlds are called."""
        self._worlds = {world.id: world.name for world in (*outside.live.values(), *outside.made)}

    async def names(self, table: Staged, wrong: list[str]) -> None:
        """Report names and ids that mean nothing; `wrong` tells what each bit is about."""
        rows = await self._connection.fetch(
            f"SELECT n, wrong, worldid FROM {table.plan} WHERE wrong <> 0 ORDER BY n"
        )
        by_level = {lookup.level: lookup for lookup in lookups(table.stored.name)}
        targets = references(table.stored)
        told: dict[tuple[object, ...], str] = {}
        for row in rows:
            for bit, about in enumerate(wrong):
                if not row["wrong"] & (1 << bit):
                    continue
                lookup = by_level.get(about)
                if about.startswith(AGAINST):
                    lookup = by_level[about.removeprefix(AGAINST)]
                    self._report(table, row["n"], disagreement(lookup.column or ""), lookup.level)
                    continue
                target = lookup.target.name if lookup else targets[about]
                if lookup is None:
                    message = f"There is no {target} with this id in the world of this row."
                elif self._findings.excuses(lookup.target.plural):
                    continue
                else:
                    path = self._path(table, row["n"], lookup)
                    key = (row["worldid"], about, path)
                    if key not in told:
                        explain = len(told) < _EXPLAINED
                        told[key] = await self._message(
                            lookup, row["worldid"], path, explain=explain
                        )
                    message = told[key]
                self._report(table, row["n"], message, about)

    async def circles(self, table: Staged) -> None:
        """Report rows that would lie in themselves, however far up."""
        for column in _upward(table.stored):
            if column not in table.given:
                continue
            for row in await self._connection.fetch(_circles(table, column), table.given[column]):
                self._report(
                    table,
                    row["n"],
                    f"A {table.stored.name} cannot lie in itself, however far up. "
                    f"Choose another {table.stored.twin(column)}.",
                    table.stored.twin(column),
                    column,
                )

    async def selves(self, table: Staged) -> None:
        """Report rows that relate a record to itself."""
        targets = references(table.stored)
        for one, other in combinations([c for c in table.stored.key if c in targets], 2):
            if targets[one] != targets[other]:
                continue
            rows = await self._connection.fetch(
                f"SELECT n FROM {table.plan} WHERE {quoted(one)} = {quoted(other)} ORDER BY n"
            )
            for row in rows:
                self._report(
                    table,
                    row["n"],
                    f"A {targets[other]} cannot be related to itself. Name another.",
                    table.stored.twin(other),
                    other,
                )

    async def repeated(self, table: Staged, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Report rows that have the key of an earlier one; return those that do no harm.

        A copy of an earlier row does no harm. A link has no name of its own: what two rows say
        of the same records is one fact where their fields agree, and what they say in columns
        of their own is kept of both. Where the fields differ it is not known which is right.
        """
        harmless: list[tuple[int, int]] = []
        kept: dict[int, dict[str, Any]] = {}
        for n, first in pairs:
            source, at = table.locate(n)
            other, place = table.locate(first)
            where = f"Row {other.source.labels[place].as_py()}"
            if other is not source:
                where += f" of {other.source.file}"
            if isinstance(table.stored, Link) and _agree(source, at, other, place):
                free = kept.get(first) or _free(other, place)
                both = joined(free, _free(source, at))
                if both is not None:
                    harmless.append((n, first))
                    differ = [name for name in both if both[name] != free.get(name)]
                    kept |= {first: both} if differ else {}
                    self._findings.note(
                        f"{source.source.file}: row {source.source.labels[at].as_py()} is left "
                        f"out; {where.lower()} relates the same records in the same way"
                        f"{', and keeps its ' + ', '.join(differ) + ' too' if differ else ''}."
                    )
                    continue
            elif _agree(source, at, other, place) and _free(source, at) == _free(other, place):
                harmless.append((n, first))
                self._findings.note(
                    f"{source.source.file}: row {source.source.labels[at].as_py()} is left out; "
                    f"{where.lower()} says the same."
                )
                continue
            key = _key(source, at)
            way_out = f"Give this one another {next(reversed(key))}, or take one of them out."
            if isinstance(table.stored, Link):
                said = ", ".join(f"{column} {shown(value)}" for column, value in key.items())
                way_out = f"Both relate the same records ({said}): make one row of the two."
            self._findings.cell(
                source.source.file,
                table.stored.plural,
                source.source.labels[at].as_py(),
                f"{where} has the same key. {way_out}",
                column=next(reversed(key)),
                value=key[next(reversed(key))],
            )
        for n, both in kept.items():
            await self._connection.execute(
                f"UPDATE {table.load} SET attributes = $2 WHERE n = $1", n, json.dumps(both)
            )
        return harmless

    async def present(self, table: Staged) -> None:
        """Report rows that are there already, where rows may only be added."""
        rows = await self._connection.fetch(
            f"SELECT n FROM {table.plan} WHERE version IS NOT NULL ORDER BY n"
        )
        for row in rows:
            source, at = table.locate(row["n"])
            key = _key(source, at)
            self._findings.cell(
                source.source.file,
                table.stored.plural,
                source.source.labels[at].as_py(),
                f"There is a {table.stored.name} with this key already. Change that one.",
                column=next(reversed(key)),
                value=key[next(reversed(key))],
            )

    def waiting(
        self, table: Staged, column: str, target: Staged, rows: Iterable[tuple[int, int]]
    ) -> None:
        """Report rows that wait for others, each with the number of the one it waits for."""
        for n, other in rows:
            source, at = target.locate(other)
            self._report(
                table,
                n,
                f"This waits for row {source.source.labels[at].as_py()} of {source.source.file}, "
                "which is rejected.",
                table.stored.twin(column),
                column,
            )

    def _report(self, table: Staged, n: int, message: str, *about: str) -> None:
        """Report a cell in the first of the columns `about` that its file has."""
        source, at = table.locate(n)
        header: str | None = source.columns.header(*about)
        if header not in source.source.cells.column_names:  # the world to import into, say
            header = None
        cell = None if header is None else source.source.cells.column(header)[at].as_py()
        self._findings.cell(
            source.source.file,
            table.stored.plural,
            source.source.labels[at].as_py(),
            message,
            column=header,
            value=cell,
        )

    @staticmethod
    def _path(table: Staged, n: int, lookup: Lookup) -> tuple[str, ...]:
        source, at = table.locate(n)
        return tuple(str(source.names[step.level][at].as_py()) for step in lookup.path)

    async def _message(
        self, lookup: Lookup, world: UUID, path: tuple[str, ...], *, explain: bool
    ) -> str:
        steps = list(zip(lookup.path, path, strict=True))
        inside = [f"the {step.target.name} {shown(name)}" for step, name in steps[:-1]]
        where = ", ".join([*reversed(inside), f"the world {shown(self._worlds.get(world, ''))}"])
        message = f"There is no {lookup.target.name} {shown(path[-1])} in {where}."
        if not explain:
            return message
        parent: UUID | None = None
        for step, name in steps[:-1]:
            parent = await self._find(step, world, parent, name)
        return message + await self._hint(lookup, world, parent, path[-1])

    def _rows(self, lookup: Lookup) -> str:
        """Return all rows of the target, planned and live, as a subquery."""
        target = lookup.target
        columns = f"id, worldid, {quoted(target.parent_column or 'worldid')} AS parentid, name"
        parts = [f"SELECT {columns}, deleted_at FROM {quoted(target.name)}"]
        planned = self._tables.get(target.name)
        if planned is not None:
            parts.insert(
                0, f"SELECT {columns}, NULL::timestamptz AS deleted_at FROM {planned.plan}"
            )
        return f"({' UNION ALL '.join(parts)}) AS o"

    async def _find(
        self, lookup: Lookup, world: UUID, parent: UUID | None, name: str
    ) -> UUID | None:
        return await self._connection.fetchval(  # type: ignore[no-any-return]  # untyped driver
            f"SELECT id FROM {self._rows(lookup)} WHERE worldid = $1 AND name = $2 "
            "AND ($3::uuid IS NULL OR parentid = $3) AND deleted_at IS NULL LIMIT 1",
            world,
            name,
            parent,
        )

    async def _hint(self, lookup: Lookup, world: UUID, parent: UUID | None, name: str) -> str:
        rows = self._rows(lookup)
        trashed = await self._connection.fetchval(
            f"SELECT true FROM {rows} WHERE worldid = $1 AND name = $2 "
            "AND ($3::uuid IS NULL OR parentid = $3) AND deleted_at IS NOT NULL LIMIT 1",
            world,
            name,
            parent,
        )
        if trashed:
            return " One of that name is in the trash: restore it first."
        near = await self._connection.fetch(
            f"SELECT name FROM {rows} WHERE worldid = $1 AND deleted_at IS NULL "
            "AND ($2::uuid IS NULL OR parentid = $2) AND similarity(name, $3) > 0.3 "
            "ORDER BY similarity(name, $3) DESC LIMIT 5",
            world,
            parent,
            name,
        )
        meant = suggestion(name, [row["name"] for row in near])
        if meant or lookup.within is not None:
            return meant
        elsewhere = await self._connection.fetchval(
            f"SELECT worldid FROM {rows} "
            "WHERE worldid <> $1 AND name = $2 AND deleted_at IS NULL LIMIT 1",
            world,
            name,
        )
        if elsewhere is None:
            return ""
        other = self._worlds.get(elsewhere) or await self._connection.fetchval(
            "SELECT name FROM world WHERE id = $1", elsewhere
        )
        return (
            f" The world {shown(other)} has one, but a row refers only to records of its own world."
        )


def _upward(stored: Stored[Any, Any]) -> list[str]:
    """Return the columns by which rows lie in others of their own table."""
    return [column for column, target in references(stored).items() if target == stored.name]


def _circles(table: Staged, column: str) -> str:
    """Return the query for new and moved rows that would lie in themselves.

    It goes up from each of them, by what the plan says of a row or else by what is there, as
    the trigger does that has the last word. $1 has the numbers of the files with `column`.
    """
    name, target = quoted(column), quoted(table.stored.name)
    return (
        "WITH RECURSIVE said AS ("
        f"SELECT p.n, p.id, t.{name} AS was, "
        f"CASE WHEN s.file = ANY($1::int[]) THEN p.{name} ELSE t.{name} END AS up "
        f"FROM {table.plan} AS p JOIN {table.load} AS s ON s.n = p.n "
        f"LEFT JOIN {target} AS t ON t.id = p.id"
        "), above (start, reached) AS ("
        "SELECT id, up FROM said WHERE up IS DISTINCT FROM was AND up IS NOT NULL UNION "
        f"SELECT a.start, CASE WHEN said.n IS NULL THEN t.{name} ELSE said.up END "
        "FROM above AS a LEFT JOIN said ON said.id = a.reached "
        f"LEFT JOIN {target} AS t ON t.id = a.reached "
        "WHERE a.reached IS NOT NULL AND a.reached <> a.start"
        ") SELECT said.n FROM above JOIN said ON said.id = above.start "
        "WHERE above.start = above.reached ORDER BY said.n"
    )


def _key(source: Prepared, at: int) -> dict[str, str]:
    """Return what the row at `at` says of its key, by the columns of the file."""
    stored, cells = source.source.stored, source.source.cells
    paths = {lookup.column: lookup.path for lookup in lookups(stored.name)}
    found: dict[str, str] = {}
    for column in stored.key:
        levels = [step.level for step in paths.get(column, ())] or [stored.twin(column)]
        for name in dict.fromkeys((*levels, column)):
            header = source.columns.header(name)
            if name in source.columns.values:
                found[header] = str(source.fields[name][at].as_py())
            elif header in cells.column_names:
                found[header] = str(cells.column(header)[at].as_py())
    return found


def _agree(source: Prepared, at: int, other: Prepared, place: int) -> bool:
    """Whether two rows say the same in all fields."""
    return _said(source, at) == _said(other, place)


def _said(source: Prepared, at: int) -> dict[str, object]:
    # Compared as text: to Python, 1 and True are equal.
    return {
        name: str(column[at].as_py())
        for name, column in source.fields.items()
        if name != "attributes"
    }


def _free(source: Prepared, at: int) -> dict[str, Any]:
    """Return what a row says in columns that no field has."""
    cells = source.fields.get("attributes")
    found: dict[str, Any] = json.loads((cells[at].as_py() if cells is not None else None) or "{}")
    return found


def joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the attributes of two rows as one; where they differ, both values, in a list.

    None if a value is a list or an object itself, which no list of values can hold apart.

    >>> joined({"play": "Medea"}, {"play": "Die Argonauten", "act": 1})
    {'play': ['Medea', 'Die Argonauten'], 'act': 1}
    >>> joined({"tags": ["a"]}, {"tags": ["b"]}) is None
    True
    """
    made = dict(one)
    for name, value in other.items():
        if name not in made or json.dumps(made[name]) == json.dumps(value):
            made[name] = value
            continue
        values = made[name] if isinstance(made[name], Values) else Values([made[name]])
        if any(isinstance(v, list | dict) for v in (value, *values)):
            return None
        made[name] = values if value in values else Values([*values, value])
    return made


class Values(list[Any]):
    """The values of several rows under one name."""
