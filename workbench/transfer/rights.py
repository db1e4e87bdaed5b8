"""What of a plan its user may not do, by the same rules as the policies of the database.

Told before anything is written, row by row, so that a plan says what the import would say. The
database has the last word: it refuses whatever this does not foresee.
"""

from __future__ import annotations

from uuid import UUID

import asyncpg

from workbench.database.translate import refused
from workbench.entities import Link
from workbench.store.rights import RoleInWorld, refusal_in
from workbench.transfer import apply
from workbench.transfer.outside import Outside
from workbench.transfer.stage import Staged
from workbench.transfer.staged_rows import staged_rows
from workbench.transfer.verdicts import Verdicts

__all__ = ["Rights"]

_MINE = """
SELECT row_security_active('public.world') AS bound, rules.acting_user() AS acting,
  rules.worlds('editor') AS editor, rules.worlds('manager') AS manager
"""
_ABOUT = "SELECT id, name, rules.managers(id) AS managers FROM world WHERE id = ANY ($1)"
_GRANTED = "SELECT bool_and(has_column_privilege($1, c, 'UPDATE')) FROM unnest($2::text[]) AS c"


class Rights:
    """The rights of whoever imports, asked once for an import."""

    def __init__(
        self, connection: asyncpg.Connection, mine: asyncpg.Record, outside: Outside
    ) -> None:
        self._connection = connection
        self._bound: bool = mine["bound"]
        self._acting: UUID | None = mine["acting"]
        # What the import itself adds is its user's.
        self._editor = [*mine["editor"], *outside.fresh]
        self._manager = [*mine["manager"], *outside.fresh]

    @classmethod
    async def of(cls, connection: asyncpg.Connection, outside: Outside) -> Rights:
        """Ask the database; the owner of its tables is bound by nothing."""
        return cls(connection, await connection.fetchrow(_MINE), outside)

    async def judge(self, table: Staged, verdicts: Verdicts) -> None:
        """Report the rows of a plan that its user may not write, once it is known which change."""
        if not self._bound:
            return
        if table.stored.name == "world":
            await self._worlds(table, verdicts)
        elif table.stored.name == "user":
            await self._users(table, verdicts)
        elif not table.fresh:
            await self._rows(table, verdicts)
        if "ownerid" in table.given:
            await self._owners(table, verdicts)

    async def _rows(self, table: Staged, verdicts: Verdicts) -> None:
        managed = isinstance(table.stored, Link) and table.stored.managed
        level: RoleInWorld = "manager" if managed else "editor"
        query = (
            "SELECT n, worldid AS world, CASE WHEN version IS NULL THEN 'add' ELSE 'change' END "
            f"AS doing FROM {table.plan} WHERE (version IS NULL OR changed) "
            "AND worldid IS NOT NULL AND worldid <> ALL ($1::uuid[])"
        )
        may = self._manager if level == "manager" else self._editor
        await self._refuse(table, verdicts, level, "worldid", query, may)

    async def _worlds(self, table: Staged, verdicts: Verdicts) -> None:
        query = (
            f"SELECT n, id AS world, 'change' AS doing FROM {table.plan} "
            "WHERE changed AND id <> ALL ($1::uuid[])"
        )
        await self._refuse(table, verdicts, "editor", "name", query, self._editor)
        if "is_public" in table.given:
            public = apply.moved(table, "is_public")
            query = (
                f"SELECT n, id AS world, 'publish' AS doing FROM ({public}) AS p "
                "WHERE id = ANY ($1::uuid[]) AND id <> ALL ($2::uuid[])"
            )
            may = (self._editor, self._manager)
            await self._refuse(table, verdicts, "manager", "is_public", query, *may)

    async def _refuse(
        self,
        table: Staged,
        verdicts: Verdicts,
        level: RoleInWorld,
        about: str,
        query: str,
        *arguments: list[UUID],
    ) -> None:
        """Report the rows of `query`, which has the `world` of each, and what they are `doing`.

        Of a world that one may not even read it was said already that there is none.
        """
        found = await self._connection.fetch(
            f"SELECT DISTINCT world FROM ({query}) AS c", *arguments
        )
        if not found:
            return
        worlds = await self._connection.fetch(_ABOUT, [row["world"] for row in found])
        known = {row["id"]: row for row in worlds}
        query = f"SELECT * FROM ({query}) AS c WHERE world = ANY (${len(arguments) + 1})"
        async for row in staged_rows(self._connection, table, query, *arguments, list(known)):
            world = known[row["world"]]
            plural = table.stored.plural if about == "worldid" else None
            message = refusal_in(
                world["name"], world["managers"], row["doing"], plural, level=level
            )
            verdicts.refuse(table, row, message, table.stored.twin(about), about)

    async def _owners(self, table: Staged, verdicts: Verdicts) -> None:
        """Report new rows that are to be somebody else's, and rows that are to change owners."""
        name = table.stored.name
        message = f"You may not make this {name} somebody else's. Leave this column out."
        if name == "world":
            message += " A manager hands a world over by `hand_over`."
        new = (
            f"SELECT p.n FROM {table.load} AS s JOIN {table.plan} AS p ON p.n = s.n "
            "WHERE s.ownerid <> $1 AND p.version IS NULL"
        )
        for query, arguments in ((new, [self._acting]), (apply.moved(table, "ownerid"), [])):
            async for row in staged_rows(self._connection, table, query, *arguments):
                verdicts.refuse(table, row, message, "owner", "ownerid")

    async def _users(self, table: Staged, verdicts: Verdicts) -> None:
        """Report users other than the one who imports, and what nobody changes of themselves."""
        sets = [column.name for column in apply.changeable(table)]
        granted = await self._connection.fetchval(_GRANTED, 'public."user"', sets)
        query = (
            f"SELECT n FROM {table.plan} "
            "WHERE version IS NULL OR changed AND (id <> $1 OR NOT $2::boolean)"
        )
        async for row in staged_rows(self._connection, table, query, self._acting, bool(granted)):
            verdicts.refuse(table, row, refused("user"), "email")
