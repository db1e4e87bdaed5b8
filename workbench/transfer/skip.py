"""Rows with problems taken out of a plan, so that the others can be written.

A row that refers to one which is taken out, and which is not there without it, is taken out too;
so is one that refers to a record whose new name is taken out, for it may be meant by that name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import asyncpg

from workbench.transfer.findings import Findings
from workbench.transfer.lookups import references
from workbench.transfer.stage import Staged, quoted
from workbench.transfer.verdicts import Verdicts


async def leave_out(
    connection: asyncpg.Connection,
    tables: Mapping[str, Staged],
    copies: dict[str, list[tuple[int, int]]],
    findings: Findings,
    verdicts: Verdicts,
) -> None:
    """Take the rows that have problems out of the plan, and those that wait for them.

    The latter are reported, each with the row that it waits for.

    Parameters
    ----------
    copies
        Rows that say what an earlier one says, with the number of that one, by table: these are
        gone from the plan already. Those of rows that are taken out are removed here.
    """
    for table in tables.values():
        numbers = _rejected(table, findings)
        if numbers:
            await connection.execute(
                f"UPDATE {table.plan} SET wrong = 1 WHERE n = ANY($1::int[])", numbers
            )
        if refused := _refused(table, findings):
            await connection.execute(
                f"UPDATE {table.plan} AS p SET wrong = 1 FROM {table.load} AS s "
                "WHERE s.n = p.n AND s.file = ANY($1::int[])",
                refused,
            )
    found = True
    while found:  # a location may wait for one that waits for a third
        found = False
        for table in tables.values():
            for column, target in _planned(table, tables):
                absent = "o.version IS NULL"
                if target.by_own_id:
                    absent = f"({absent} OR {_renamed(target)})"
                waiting = await connection.fetch(
                    f"UPDATE {table.plan} AS p SET wrong = 1 FROM {target.plan} AS o "
                    f"WHERE p.wrong = 0 AND o.id = p.{quoted(column)} AND o.wrong <> 0 "
                    f"AND {absent} RETURNING p.n, o.n"
                )
                await verdicts.waiting(table, column, target, sorted(waiting))
                found = found or bool(waiting)
    for table in tables.values():
        rows = await connection.fetch(f"DELETE FROM {table.plan} WHERE wrong <> 0 RETURNING n")
        gone = {row["n"] for row in rows}
        pairs = copies.get(table.stored.name, [])
        again = [(n, first) for n, first in pairs if first in gone]
        copies[table.stored.name] = [(n, first) for n, first in pairs if first not in gone]
        await verdicts.waiting(table, table.stored.key[-1], table, again)


def _planned(table: Staged, tables: Mapping[str, Staged]) -> Iterator[tuple[str, Staged]]:
    """Give the columns of a plan that refer to rows of this import, and where these are."""
    targets = references(table.stored)
    if "worldid" in table.stored.table.columns:
        targets = {"worldid": "world", **targets}
    for column, target in targets.items():
        if target in tables:
            yield column, tables[target]


def _renamed(table: Staged) -> str:
    """Return the condition that a row `o` of a plan gives its record another name."""
    name = quoted(table.stored.key[-1])
    return (
        f"EXISTS (SELECT FROM {quoted(table.stored.name)} AS t "
        f"WHERE t.id = o.id AND t.{name} IS DISTINCT FROM o.{name})"
    )


def _rejected(table: Staged, findings: Findings) -> list[int]:
    """Return the numbers of the rows that have problems, of files that are not refused whole."""
    numbers: list[int] = []
    for number, source in enumerate(table.sources):
        file = source.source.file
        if not findings.refused(file):
            numbers += table.numbers(number, set(findings.rejects(file, table.stored.plural)))
    return numbers


def _refused(table: Staged, findings: Findings) -> list[int]:
    """Return the numbers of the sources that have a problem which concerns all of their rows."""
    return [n for n, source in enumerate(table.sources) if findings.refused(source.source.file)]
