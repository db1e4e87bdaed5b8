"""Writing what is planned, table by table, and telling what the database does not take of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import asyncpg

from workbench.database.translate import translated
from workbench.errors import Conflict, DuplicateName, InvalidDraft, NotAllowed, Refused
from workbench.transfer import apply
from workbench.transfer.counting import plan_anew
from workbench.transfer.findings import Findings
from workbench.transfer.lookups import lookups
from workbench.transfer.origin import note_origin
from workbench.transfer.refused import refused_rows
from workbench.transfer.report import Progress, TableCounts, Watcher
from workbench.transfer.stage import Staged
from workbench.transfer.verdicts import Verdicts

_CAREFUL_ATTEMPTS = 20  # a table is written again for each that rows are refused in
_CIRCLE = "fk_world_imageid"  # a world's picture lies in the world itself


@dataclass
class Attempts:
    """What the attempts at an import have met.

    Attributes
    ----------
    careful
        Whether the database refused rows that the plan had no doubts about: the next attempt
        finds out which.
    clashed
        The tables in which a new row had the key of one that the plan had not seen.
    counted
        The tables that PostgreSQL has counted in the last attempt.
    """

    careful: bool = False
    clashed: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)


class Unforeseen(Exception):
    """Ends an attempt whose rows the database refused."""


@dataclass
class Writing:
    """Writes what is planned.

    Attributes
    ----------
    settle
        Leaves rows out of the plan that turned out to be problems.
    """

    connection: asyncpg.Connection
    tables: Mapping[str, Staged]
    counts: Mapping[str, TableCounts]
    findings: Findings
    verdicts: Verdicts
    watch: Watcher
    attempts: Attempts
    settle: Callable[[asyncpg.Connection], Awaitable[None]]
    _refused: bool = False

    async def run(self) -> bool:
        """Write what is planned; return whether the database took it.

        Rows that it refuses are left out, if that is asked for, some tables' at most.
        """
        if not self.attempts.careful:
            return await self._apply()
        for _ in range(_CAREFUL_ATTEMPTS):
            await self.connection.execute("SAVEPOINT nothing_written")
            if await self._apply():
                return True
            await self.connection.execute("ROLLBACK TO nothing_written")
            if self._refused or (self.findings.any and not self.findings.skips):
                break
            await self.settle(self.connection)
        return False

    async def _apply(self) -> bool:
        """Write what is planned; return whether the database took it."""
        circle = any(lookup.late for lookup in lookups("world")) and "world" in self.tables
        if circle:
            await self.connection.execute(f"SET CONSTRAINTS {_CIRCLE} DEFERRED")
        for table in self.tables.values():
            plural = table.stored.plural
            counts = self.counts[plural]
            total = counts.inserted + counts.updated
            self.watch(Progress("write", plural, 0, total))
            if self.attempts.careful:
                await self.connection.execute("SAVEPOINT one_table")
            try:
                with translated(table.stored.name):
                    if counts.inserted:
                        await apply.insert(self.connection, table)
                        if await plan_anew(self.connection, table.stored.name, counts.inserted):
                            self.attempts.counted.add(table.stored.name)
                    if counts.updated:
                        await apply.update(self.connection, table, counts.updated)
                    if total:
                        await note_origin(self.connection, table)
            except Refused as error:
                await self._judge(table, error)
                return False
            self.watch(Progress("write", plural, total, total))
        if circle:
            await self.connection.execute(f"SET CONSTRAINTS {_CIRCLE} IMMEDIATE")
        return True

    async def _judge(self, table: Staged, error: Refused) -> None:
        """Report the rows that broke a rule which no plan has foreseen.

        Raises
        ------
        Conflict
            The plan has seen no such row, so somebody has just added it.
        Unforeseen
            Which rows these are, another attempt may find out: this one writes no more.
        """
        if isinstance(error, DuplicateName) and table.stored.name not in self.attempts.clashed:
            self.attempts.clashed.add(table.stored.name)
            raise Conflict(f"{error} It was added during the import.") from error
        if not self.attempts.careful:
            raise Unforeseen from error
        await self.connection.execute("ROLLBACK TO one_table")
        rows = await refused_rows(self.connection, table)
        if rows:
            await self.verdicts.refused(table, rows)
        else:
            self._refused = True
            self._refuse(table, error)

    def _refuse(self, table: Staged, error: Refused) -> None:
        """Report a rule that was broken by no row alone, or by too many."""
        files = ", ".join(source.source.file for source in table.sources)
        field, message = error.field, str(error)
        if isinstance(error, InvalidDraft):
            message = " ".join(error.problems.values())
        if field in table.stored.kinds:
            field = table.sources[0].columns.header(table.stored.twin(field), field)
        refused = isinstance(error, NotAllowed)
        self.findings.file(files, message, column=field, refused=refused)
