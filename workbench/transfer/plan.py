"""What an import would do, worked out in the database for whole tables at once.

For every row: which worlds, parents and other records its names mean (rows of this import
come before those that are there), whether it is there already, and whether it differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from workbench.entities import Entity, Link, Stored
from workbench.entities.fields import Address, Text
from workbench.transfer.lookups import Lookup, lookups, references
from workbench.transfer.stage import ANALYZED_FROM_ROWS, OWN, Staged, quoted

AGAINST = "≠"
"""In front of a lookup's level: its name and its id are both given, and do not agree."""

TAKEN = "=id"
"""The key of a row that is told by its id is that of another record."""


@dataclass
class Statement:
    """The joins and columns of a plan as they are put together.

    Attributes
    ----------
    found
        The id that each lookup finds, as an expression.
    wrong
        For every way in which a name can mean nothing, the condition: the place of each
        is the place of its bit in `wrong`.
    """

    table: Staged
    others: Mapping[str, Staged]
    live: bool
    joins: list[str] = field(default_factory=list)
    found: dict[str, str] = field(default_factory=dict)
    wrong: list[tuple[str, str]] = field(default_factory=list)
    world: str = "s.worldid"

    def by_id(self, column: str, target: str) -> str:
        """Join what the ids in `column` refer to; return its id where it is in reach."""
        alias = quoted(f"i:{column}")
        self.joins.append(
            f"LEFT JOIN {quoted(target)} AS {alias} "
            f"ON {alias}.id = s.{quoted(column)} AND {alias}.deleted_at IS NULL"
        )
        return alias

    def by_name(self, lookup: Lookup) -> str:
        """Join what the names of `lookup` mean; return the id as an expression."""
        target, level = lookup.target, quoted(f"@{lookup.level}")
        ids = []
        sources = []
        if target.name in self.others:
            sources.append(("p", self.others[target.name].plan, ""))
        if self.live:
            sources.append(("l", quoted(target.name), " AND {alias}.deleted_at IS NULL"))
        for prefix, table, live in sources:
            alias = quoted(f"{prefix}:{lookup.level}")
            inside = ""
            if lookup.within is not None:
                parent = quoted(target.parent_column or "")
                inside = f" AND {alias}.{parent} = {self.found[lookup.within.level]}"
            self.joins.append(
                f"LEFT JOIN {table} AS {alias} ON {alias}.worldid = {self.world}{inside} "
                f"AND {alias}.{quoted(target.label)} = s.{level}{live.format(alias=alias)}"
            )
            ids.append(f"{alias}.id")
        return f"coalesce({', '.join(ids)})" if ids else "NULL::uuid"


def statement(table: Staged, others: Mapping[str, Staged], *, live: bool) -> Statement:
    """Return the statement that makes the plan of `table`, but for its SELECT."""
    stored = table.stored
    made = Statement(table, others, live)
    ids = [column for column in references(stored) if _given_by_id(table, column)]
    reached = {column: made.by_id(column, references(stored)[column]) for column in ids}
    worlds = ["s.worldid"] if "worldid" in table.columns else []
    worlds += [f"{reached[c]}.worldid" for c in ids if c in stored.required]
    made.world = f"coalesce({', '.join(worlds)})" if len(worlds) > 1 else "".join(worlds)
    if "worldid" not in stored.table.columns:
        itself = "coalesce(self.id, t.id, s.id)" if table.by_own_id else "coalesce(t.id, s.id)"
        made.world = itself if stored.name == "world" else "NULL::uuid"
    for column, alias in reached.items():
        given = f"s.{quoted(column)} IS NOT NULL"
        away = f"({alias}.id IS NULL OR {alias}.worldid IS DISTINCT FROM {made.world})"
        made.wrong.append((column, f"{given} AND {away}"))
    for lookup in lookups(stored.name):
        if lookup.late:
            made.found[lookup.level] = "NULL::uuid"
            continue
        found = made.by_name(lookup)
        named = f"s.{quoted(f'@{lookup.level}')} IS NOT NULL"
        if lookup.column in reached:
            given = f"s.{quoted(lookup.column or '')}"
            other = f"{found} IS DISTINCT FROM {given}"
            made.wrong.append(
                (AGAINST + lookup.level, f"{given} IS NOT NULL AND {named} AND {other}")
            )
            named = f"{given} IS NULL AND {named}"
            found = f"coalesce({reached[lookup.column or '']}.id, {found})"
        made.found[lookup.level] = found
        inside = f" AND {made.found[lookup.within.level]} IS NOT NULL" if lookup.within else ""
        made.wrong.append(
            (lookup.level, f"{named}{inside} AND {made.world} IS NOT NULL AND {found} IS NULL")
        )
    return made


def _given_by_id(table: Staged, column: str) -> bool:
    return any(column in source.fields for source in table.sources)


def values(made: Statement, acting: UUID | None) -> dict[str, str]:
    """Return the columns of the plan that say what the row is and what it refers to."""
    stored = made.table.stored
    columns = {"worldid": made.world}
    for lookup in lookups(stored.name):
        if lookup.column is not None:
            columns[lookup.column] = made.found[lookup.level]
    for name in stored.key:
        columns.setdefault(name, f"s.{quoted(name)}")
    if "ownerid" in stored.key:
        # A world that is told by its id, by one of its managers maybe, stays its owner's.
        owners = ["s.ownerid", *(["self.ownerid"] if made.table.by_own_id else [])]
        owners += [f"'{acting}'::uuid"] if acting else []
        columns["ownerid"] = f"coalesce({', '.join(owners)})"
    return columns


async def plan(
    connection: asyncpg.Connection,
    table: Staged,
    others: Mapping[str, Staged],
    *,
    acting: UUID | None,
    live: bool,
) -> Statement:
    """Fill `plan_…`: n, id, version (none for a new row), references, key, wrong, changed."""
    stored = table.stored
    made = statement(table, others, live=live)
    columns = values(made, acting)
    joins = list(made.joins)
    version = "NULL::integer"
    own = "s.id"
    table.fresh = not live and "worldid" in stored.table.columns
    if not table.fresh:
        same = [
            f"{_key(stored, name, f't.{quoted(name)}')} = {_key(stored, name, columns[name])}"
            for name in stored.key
        ]
        if isinstance(stored, Entity):
            same.append("t.deleted_at IS NULL")
            own = "coalesce(t.id, s.id)"
        version = "t.version"
        if table.by_own_id:
            # An id that is none of this world's is nobody's: the row is told by its key then. So
            # is one of a world that is not to be seen.
            inside = "" if stored.name == "world" else f"AND self.worldid = {made.world} "
            joins.append(
                f"LEFT JOIN {quoted(stored.name)} AS self ON self.id = s.{quoted(OWN)} "
                f"{inside}AND self.deleted_at IS NULL"
            )
            own = "coalesce(self.id, t.id, s.id)"
            version = "coalesce(self.version, t.version)"
            made.wrong.append((TAKEN, "self.id <> t.id"))
        joins.append(f"LEFT JOIN {quoted(stored.name)} AS t ON {' AND '.join(same)}")
    bits = [f"(CASE WHEN {c} THEN {1 << i} ELSE 0 END)" for i, (_, c) in enumerate(made.wrong)]
    selected = {
        "n": "s.n",
        **({} if isinstance(stored, Link) else {"id": own}),
        "version": version,
        **columns,
        "wrong": " | ".join(bits) or "0",
        "changed": "false",
    }
    select = ", ".join(f"{value} AS {quoted(name)}" for name, value in selected.items())
    await connection.execute(
        f"CREATE TEMP TABLE plan_{stored.name} ON COMMIT DROP AS "
        f"SELECT {select} FROM {table.load} AS s {' '.join(joins)}"
    )
    if table.rows >= ANALYZED_FROM_ROWS:
        await connection.execute(f"ANALYZE {table.plan}")
    return made


def _key(stored: Stored[Any, Any], name: str, value: str) -> str:
    """Return `value` as it counts in the key: the case of an e-mail address does not."""
    return f"lower({value})" if isinstance(stored.kinds[name], Address) else value


async def repeated(connection: asyncpg.Connection, table: Staged) -> bool:
    """Take rows with the key of an earlier row out of the plan, and into `twice_…`.

    There, `first` is the number of the earliest row. A blank name is no key: it is a problem of
    its own row. Says whether there are any.
    """
    stored = table.stored
    keys = {f"key{i}": _key(stored, name, quoted(name)) for i, name in enumerate(stored.key)}
    known = " AND ".join(
        f"{quoted(name)} <> ''"
        if isinstance(stored.kinds[name], Text)
        else f"{quoted(name)} IS NOT NULL"
        for name in stored.key
    )
    several = (
        f"SELECT {', '.join(f'{key} AS {name}' for name, key in keys.items())}, min(n) AS first "
        f"FROM {table.plan} WHERE {known} GROUP BY {', '.join(keys)} HAVING count(*) > 1"
    )
    if not await connection.fetchval(f"SELECT EXISTS ({several})"):
        return False
    same = " AND ".join(f"{key} = several.{name}" for name, key in keys.items())
    await connection.execute(
        f"DROP TABLE IF EXISTS {table.twice};"
        f"CREATE TEMP TABLE twice_{stored.name} ON COMMIT DROP AS SELECT n, first "
        f"FROM {table.plan} JOIN ({several}) AS several ON {same} AND n <> first;"
        f"DELETE FROM {table.plan} AS p USING {table.twice} AS t WHERE t.n = p.n"
    )
    return True


async def resolve_late(
    connection: asyncpg.Connection, table: Staged, others: Mapping[str, Staged], first_bit: int
) -> list[str]:
    """Find what late lookups name, rows planned with or after their own; say which bits tell."""
    bits: list[str] = []
    for lookup in lookups(table.stored.name):
        level, column = quoted(f"@{lookup.level}"), quoted(lookup.column or "")
        if not lookup.late or lookup.column not in table.given:
            continue
        given = f"s.{level} IS NOT NULL"
        if _given_by_id(table, lookup.column or ""):
            # `plan` has looked at these ids already.
            await connection.execute(
                f"UPDATE {table.plan} AS p SET {column} = s.{column} FROM {table.load} AS s "
                f"WHERE s.n = p.n AND s.{column} IS NOT NULL"
            )
            given += f" AND s.{column} IS NULL"
        label = quoted(lookup.target.label)
        planned = others.get(lookup.target.name)
        first = "NULL::uuid"
        if planned is not None:
            first = (
                f"(SELECT o.id FROM {planned.plan} AS o "
                f"WHERE o.worldid = p.worldid AND o.{label} = s.{level})"
            )
            await connection.execute(
                f"CREATE INDEX IF NOT EXISTS late_{lookup.target.name} "
                f"ON {planned.plan} (worldid, {label})"
            )
        found = (
            f"coalesce({first}, (SELECT o.id FROM {quoted(lookup.target.name)} AS o "
            f"WHERE o.worldid = p.worldid AND o.{label} = s.{level} AND o.deleted_at IS NULL))"
        )
        bit = 1 << (first_bit + len(bits))
        await connection.execute(
            f"UPDATE {table.plan} AS p SET {column} = f.id, "
            f"wrong = p.wrong | CASE WHEN f.id IS NULL THEN {bit} ELSE 0 END "
            f"FROM (SELECT p.n, {found} AS id FROM {table.plan} AS p "
            f"JOIN {table.load} AS s ON s.n = p.n WHERE {given} AND p.worldid IS NOT NULL) AS f "
            f"WHERE f.n = p.n"
        )
        bits.append(lookup.level)
    return bits
