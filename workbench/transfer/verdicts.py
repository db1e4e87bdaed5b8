"""What is wrong with rows that a plan has found wrong, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Any
from uuid import UUID

import asyncpg

from workbench.entities import Stored
from workbench.errors import InvalidDraft, NotAllowed, Refused, shown
from workbench.transfer.findings import Findings
from workbench.transfer.lookups import Lookup, lookups, references
from workbench.transfer.outside import Outside, disagreement, suggestion
from workbench.transfer.plan import AGAINST, TAKEN
from workbench.transfer.stage import Staged, quoted
from workbench.transfer.staged_rows import said, said_key, staged_rows

_EXPLAINED = 20  # distinct names that are searched for elsewhere, for each table


class Verdicts:
    """Words the problems of one import, table by table."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        tables: Mapping[str, Staged],
        findings: Findings,
        outside: Outside,
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._findings = findings
        self._outside = outside

    @cached_property
    def _worlds(self) -> dict[UUID, str]:
        """What the worlds are called, all of which are known by the first verdict."""
        known = (*self._outside.live.values(), *self._outside.made)
        return {world.id: world.name for world in known}

    async def names(self, table: Staged, wrong: list[str]) -> None:
        """Report names and ids that mean nothing; `wrong` tells what each bit is about."""
        query = f"SELECT n, wrong, worldid AS world FROM {table.plan} WHERE wrong <> 0"
        if TAKEN in wrong:
            query = _with_takers(table, 1 << wrong.index(TAKEN))
        by_level = {lookup.level: lookup for lookup in lookups(table.stored.name)}
        targets = references(table.stored)
        told: dict[tuple[object, ...], str] = {}
        async for row in staged_rows(self._connection, table, query):
            for bit, about in enumerate(wrong):
                if not row["wrong"] & (1 << bit):
                    continue
                lookup = by_level.get(about)
                if about == TAKEN:
                    self._report(table, row, _taken(table, row["other"]), "name")
                    continue
                if about.startswith(AGAINST):
                    lookup = by_level[about.removeprefix(AGAINST)]
                    self._report(table, row, disagreement(lookup.column or ""), lookup.level)
                    continue
                target = lookup.target.name if lookup else targets[about]
                if lookup is None:
                    message = f"There is no {target} with this id in the world of this row."
                elif self._findings.excuses(lookup.target.plural):
                    continue
                else:
                    path = tuple(str(row[f"@{step.level}"]) for step in lookup.path)
                    key = (row["world"], about, path)
                    if key not in told and not self._findings.full:
                        explain = len(told) < _EXPLAINED
                        told[key] = await self._message(lookup, row["world"], path, explain=explain)
                    message = told.get(key, "")  # which is not listed any more
                self._report(table, row, message, about)

    async def circles(self, table: Staged) -> None:
        """Report rows that would lie in themselves, however far up."""
        for column in _upward(table.stored):
            if column not in table.given:
                continue
            query, given = _circles(table, column), table.given[column]
            async for row in staged_rows(self._connection, table, query, given):
                self._report(
                    table,
                    row,
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
            query = f"SELECT n FROM {table.plan} WHERE {quoted(one)} = {quoted(other)}"
            async for row in staged_rows(self._connection, table, query):
                self._report(
                    table,
                    row,
                    f"A {targets[other]} cannot be related to itself. Name another.",
                    table.stored.twin(other),
                    other,
                )

    async def same_ids(self, table: Staged) -> None:
        """Report rows that are about the record of an earlier one, by its id."""
        if not table.by_own_id:
            return
        query = (
            "SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY id ORDER BY n) AS place "
            f"FROM {table.plan}) AS p WHERE place > 1"
        )
        async for row in staged_rows(self._connection, table, query):
            message = f"An earlier row is about the same {table.stored.name}. Take one out."
            self._report(table, row, message, "name")

    async def present(self, table: Staged) -> None:
        """Report rows that are there already, where rows may only be added."""
        query = f"SELECT n FROM {table.plan} WHERE version IS NOT NULL"
        async for row in staged_rows(self._connection, table, query):
            source, label = table.locate(row["n"])
            key = said_key(source, row, self._outside)
            column = next(reversed(key))
            self._findings.cell(
                source.source.file,
                table.stored.plural,
                label,
                f"There is a {table.stored.name} with this key already. Change that one.",
                column=column,
                value=key[column],
            )

    async def waiting(
        self, table: Staged, column: str, target: Staged, rows: Sequence[tuple[int, int]]
    ) -> None:
        """Report rows that wait for others, each with the number of the one it waits for."""
        numbers = [n for n, _ in rows], [other for _, other in rows]
        query = "SELECT * FROM unnest($1::int[], $2::int[]) AS given (n, other)"
        async for row in staged_rows(self._connection, table, query, *numbers):
            source, label = target.locate(row["other"])
            message = f"This waits for row {label} of {source.source.file}, which is rejected."
            self._report(table, row, message, table.stored.twin(column), column)

    def refuse(self, table: Staged, row: asyncpg.Record, message: str, *about: str) -> None:
        """Report a row that may not be written for want of a right."""
        self._report(table, row, message, *about, refused=True)

    async def refused(self, table: Staged, errors: Mapping[int, Refused]) -> None:
        """Report rows that the database has refused, each with why."""
        query = "SELECT n FROM unnest($1::int[]) AS given (n)"
        async for row in staged_rows(self._connection, table, query, list(errors)):
            error = errors[row["n"]]
            field, message = error.field or "", str(error)
            if isinstance(error, InvalidDraft):
                message = " ".join(error.problems.values())
            about = field if field in table.stored.kinds else table.stored.key[-1]
            missing = isinstance(error, NotAllowed)
            self._report(table, row, message, table.stored.twin(about), about, refused=missing)

    def _report(
        self,
        table: Staged,
        row: asyncpg.Record,
        message: str,
        *about: str,
        refused: bool = False,
    ) -> None:
        """Report a cell in the first of the columns `about` that its file has."""
        source, label = table.locate(row["n"])
        header, value = said(source, row, self._outside, *about)
        self._findings.cell(
            source.source.file,
            table.stored.plural,
            label,
            message,
            column=header,
            value=value,
            refused=refused,
        )

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


def swapped(verb: str) -> str:
    """Return the way out for rows one of which is to have the name that another still has.

    PostgreSQL looks at a name as each row is written: in a set, some row is written while
    another has its name. To go by a name in between would tell the history what nobody did.
    """
    return (
        f"{verb.capitalize()} that row alone first; if the two swap names, give one of them a "
        "third name before."
    )


def _taken(table: Staged, other: int | None) -> str:
    """Return what is said of a new name that a record has, the one of row `other` if any."""
    if other is None:
        return f"Another {table.stored.name} is called so already. Choose a name."
    source, label = table.locate(other)
    return (
        f"The {table.stored.name} of row {label} of {source.source.file} is called so until it is "
        f"imported, and an import writes all rows at once. {swapped('import')}"
    )


def _with_takers(table: Staged, bit: int) -> str:
    """Return the query for wrong rows, with the row that is about whose name they are to have."""
    key = " AND ".join(f"t.{quoted(name)} = p.{quoted(name)}" for name in table.stored.key)
    return (
        "SELECT p.n, p.wrong, p.worldid AS world, o.n AS other "
        f"FROM {table.plan} AS p LEFT JOIN {quoted(table.stored.name)} AS t "
        f"ON p.wrong & {bit} <> 0 AND {key} AND t.deleted_at IS NULL "
        f"LEFT JOIN (SELECT id, min(n) AS n FROM {table.plan} GROUP BY id) AS o ON o.id = t.id "
        "WHERE p.wrong <> 0"
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
        "WHERE above.start = above.reached"
    )
