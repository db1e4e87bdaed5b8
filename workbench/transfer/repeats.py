"""Rows with the key of an earlier row: copies, facts told twice, and contradictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import asyncpg

from workbench.entities import Link
from workbench.errors import shown
from workbench.transfer.findings import Findings
from workbench.transfer.outside import Outside
from workbench.transfer.prepare import Prepared
from workbench.transfer.stage import Staged, quoted
from workbench.transfer.staged_rows import said_key, staged_rows


async def judge_repeats(
    connection: asyncpg.Connection, table: Staged, findings: Findings, outside: Outside
) -> list[tuple[int, int]]:
    """Report the rows in `twice_…`; return those that do no harm, and the one each repeats.

    A copy of an earlier row does no harm. A link has no name of its own: what two rows say
    of the same records is one fact where their fields agree, and what they say in columns
    of their own is kept of both. Where the fields differ it is not known which is right.
    """
    harmless: list[tuple[int, int]] = []
    kept: dict[int, dict[str, Any]] = {}
    async for row in staged_rows(connection, table, _pairs(table)):
        source, label = table.locate(row["n"])
        other, earlier = table.locate(row["first"])
        where = f"Row {earlier}"
        if other is not source:
            where += f" of {other.source.file}"
        agree = _said(source) == _said(other) and not _said(source) & {*row["differ"]}
        one, both = _free(other, row["free_first"]), _free(source, row["free"])
        out = f"{source.source.file}: row {label} is left out; {where.lower()}"
        if isinstance(table.stored, Link) and agree:
            free = kept.get(row["first"]) or one
            together = joined(free, both)
            if together is not None:
                harmless.append((row["n"], row["first"]))
                differ = [name for name in together if together[name] != free.get(name)]
                kept |= {row["first"]: together} if differ else {}
                more = f", and keeps its {', '.join(differ)} too" if differ else ""
                findings.note(f"{out} relates the same records in the same way{more}.")
                continue
        elif agree and one == both:
            harmless.append((row["n"], row["first"]))
            findings.note(f"{out} says the same.")
            continue
        key = said_key(source, row, outside)
        column = next(reversed(key))
        way_out = f"Give this one another {column}, or take one of them out."
        if isinstance(table.stored, Link):
            said = ", ".join(f"{name} {shown(value)}" for name, value in key.items())
            way_out = f"Both relate the same records ({said}): make one row of the two."
        message = f"{where} has the same key. {way_out}"
        plural, value = table.stored.plural, key[column]
        findings.cell(source.source.file, plural, label, message, column=column, value=value)
    for n, free in kept.items():
        await connection.execute(
            f"UPDATE {table.load} SET attributes = $2 WHERE n = $1", n, json.dumps(free)
        )
    return harmless


def _pairs(table: Staged) -> str:
    """Return the query for the rows that repeat another, and what they say differently."""
    compared = sorted(set().union(*map(_said, table.sources)))
    differ = "".join(
        f", CASE WHEN a.{quoted(name)} IS DISTINCT FROM b.{quoted(name)} THEN {_text(name)} END"
        for name in compared
    )
    free = ("a.attributes::text", "b.attributes::text")
    if "attributes" not in table.columns:
        free = ("NULL", "NULL")
    return (
        f"SELECT t.n, t.first, array_remove(ARRAY[NULL::text{differ}], NULL) AS differ, "
        f"{free[0]} AS free, {free[1]} AS free_first FROM {table.twice} AS t "
        f"JOIN {table.load} AS a ON a.n = t.n JOIN {table.load} AS b ON b.n = t.first"
    )


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _said(source: Prepared) -> set[str]:
    """Return the staged columns in which rows must agree to be copies."""
    names = {f"@{level}" for level in source.names}
    return {*source.fields, *source.outside, *names} - {"attributes"}


def _free(source: Prepared, attributes: str | None) -> dict[str, Any]:
    """Return what a row says in columns that no field has, in the order of these."""
    found: dict[str, Any] = json.loads(attributes or "{}")
    return {name: found[name] for name in (*source.keys, *found) if name in found}


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
