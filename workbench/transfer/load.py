"""Imports: files or frames into the database, all of it or nothing.

Read (Arrow), check in columns, COPY into temporary tables, one plan by set-based SQL, then
inserts and updates of whole tables, in one transaction. Nothing is written before the whole
plan is known to be good. Rows come a piece at a time and are nowhere but in the database then,
so that memory is bounded; an attempt that another transaction gets in the way of reads again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias
from uuid import UUID

import asyncpg
from sqlalchemy import text

from workbench.database.engine import Database
from workbench.entities import STORED
from workbench.errors import BadSettings
from workbench.history.undo_sql import OWN
from workbench.transfer import apply
from workbench.transfer.counting import count_anew
from workbench.transfer.findings import Findings
from workbench.transfer.intake import Intake, Shape, shapes
from workbench.transfer.options import HOW_IT_IS, Reading
from workbench.transfer.outside import Outside, World
from workbench.transfer.plan import plan, repeated, resolve_late
from workbench.transfer.readers import Opened, Sources, note_unused, open_all
from workbench.transfer.rejects import Rejects
from workbench.transfer.repeats import judge_repeats
from workbench.transfer.report import LoadReport, Paced, Progress, TableCounts, Watcher, several
from workbench.transfer.rights import Rights
from workbench.transfer.skip import leave_out
from workbench.transfer.spool import Spool
from workbench.transfer.stage import Staged
from workbench.transfer.verdicts import Verdicts
from workbench.transfer.writing import Attempts, Unforeseen, Writing

__all__ = ["Inspect", "OnProblem", "load"]

OnProblem: TypeAlias = Literal["stop", "skip"]
Inspect: TypeAlias = Callable[[asyncpg.Connection, Mapping[str, Staged], Findings], Awaitable[None]]

_SETTINGS = text("SELECT set_config('work_mem', '256MB', true), set_config('jit', 'off', true)")


class _Undone(Exception):
    """Ends a transaction that is not to be kept; carries what is to be reported."""

    def __init__(self, report: LoadReport) -> None:
        super().__init__()
        self.report = report


async def load(
    database: Database,
    sources: Sources | Spool | Opened,
    *,
    world: str | None = None,
    dry_run: bool = False,
    reason: str | None = None,
    progress: Watcher | None = None,
    add_only: bool = False,
    reading: Reading = HOW_IT_IS,
    remember: bool = False,
    on_problem: OnProblem = "stop",
    rejects: Path | None = None,
    inspect: Inspect | None = None,
    on_written: Callable[[UUID | None], None] | None = None,
) -> LoadReport:
    """Import a folder, files, or tables in memory.

    Rows are told by their natural key: one that is there is changed where the source differs
    from it, in the columns that the source has; one that is not is added. An empty cell
    clears its field.

    Parameters
    ----------
    sources
        A folder, a file, several of them, or Arrow tables by the plural of their table; or what
        is open already.
    world
        The world of rows that name none.
    dry_run
        Whether to find out only what would be done.
    reason
        Kept with the changeset in the history.
    progress
        Called now and then with how far the import is, in the caller's thread.
    reading
        How to read the files, where they do not tell it themselves.
    remember
        Whether to write how each file is read into a TOML file beside it.
    add_only
        Whether a row that is there already is a problem, instead of being changed.
    on_problem
        `stop`: with problems nothing is written. `skip`: rows with problems, and those that wait
        for them, are left out and written to a file of rejects for each source.
    rejects
        The folder for these files; without it each lies beside its source.
    inspect
        Looks at the plan before it is carried out, and may stop it by an error.
    on_written
        Called with the changeset before the commit: who cancels learns by it if that was too late.

    Returns
    -------
    LoadReport
        With `problems`, and not `written`, nothing was.
    """
    if on_problem not in ("stop", "skip"):
        raise BadSettings(f"on_problem is 'stop' or 'skip'; {on_problem!r} is neither.")
    watch = Paced(progress) if progress else lambda _: None
    # That is quick, and needs no database.
    if isinstance(sources, Opened):
        opened = sources
    elif isinstance(sources, Spool):
        opened = sources.open()
    else:
        opened = await asyncio.to_thread(open_all, sources, reading, keep=remember)
    known = shapes(opened, world)
    opened.findings.skips = on_problem == "skip"
    if reason is None:
        files = [shape.feed.file for shape in known if shape.columns is not None]
        reason = f"import of {several(files)}"
    left_out = Rejects(rejects)

    attempts = Attempts()

    async def work() -> LoadReport:
        left_out.discard()  # of an attempt that was undone
        attempts.counted.clear()
        made = _Import(database, opened, known, world, watch, left_out, attempts)
        report = await made.run(dry_run=dry_run, add_only=add_only, inspect=inspect)
        if on_written is not None:
            on_written(report.changeset)
        return report

    async def whole() -> LoadReport:
        if not database.in_transaction:
            report = await database.atomically(work, reason=reason)
            await count_anew(database, report, attempts.counted)
            return report
        async with database.transaction(reason=reason):
            return await work()

    try:
        try:
            return await whole()
        except Unforeseen:
            attempts.careful = True
            return await whole()
    except _Undone as undone:
        left_out.discard()
        return undone.report
    except BaseException:
        left_out.discard()
        raise


class _Import:
    """One attempt at an import, inside a transaction: it reads everything anew."""

    def __init__(
        self,
        database: Database,
        opened: Opened,
        known: list[Shape],
        world: str | None,
        watch: Watcher,
        rejects: Rejects,
        attempts: Attempts,
    ) -> None:
        self._database = database
        self._opened = opened
        self._known = known
        self._world = world
        self._findings = opened.findings.fork()
        self._counts: dict[str, TableCounts] = {}
        self._watch = watch
        self._rejects = rejects
        self._tables: dict[str, Staged] = {}
        self._wrong: dict[str, list[str]] = {}
        self._attempts = attempts
        self._same: dict[str, list[tuple[int, int]]] = {}

    async def run(self, *, dry_run: bool, add_only: bool, inspect: Inspect | None) -> LoadReport:
        async with self._database.writing() as connection:
            await connection.execute(_SETTINGS)  # SQLAlchemy begins the transaction here
            raw = await self._database.driver(connection)
            await self._plan(raw, add_only=add_only)
            if inspect is not None:
                await inspect(raw, self._tables, self._findings)
            done = not dry_run and not self._stops and await self._writing(raw).run()
            report = self._report(done=done, dry_run=dry_run)
            if not done:
                raise _Undone(report)
            report.changeset = await raw.fetchval(OWN)
            if self._findings.any:
                feeds = [shape.feed for shape in self._known if shape.columns is not None]
                await asyncio.to_thread(self._rejects.write, feeds, self._findings)
                report.rejects = self._rejects.written
            names = ", ".join(f"{t.load}, {t.plan}, {t.twice}" for t in self._tables.values())
            if names:
                await raw.execute(f"DROP TABLE IF EXISTS {names}")
        return report

    async def _plan(self, raw: asyncpg.Connection, *, add_only: bool) -> None:
        outside = Outside(raw, self._database.userid, self._findings)
        self._verdicts = verdicts = Verdicts(raw, self._tables, self._findings, outside)
        intake = Intake(
            raw, self._known, self._world, self._findings, self._counts, outside, self._watch
        )
        async with intake:
            self._same = await self._stage(raw, intake)
        note_unused(self._opened, intake.pictures, self._findings)
        for table in self._tables.values():
            wrong = self._wrong[table.stored.name]
            wrong += await resolve_late(raw, table, self._tables, len(wrong))
            await verdicts.names(table, wrong)
            await verdicts.circles(table)
            await verdicts.selves(table)
            await verdicts.same_ids(table)
            if add_only:
                await verdicts.present(table)
        rights = await Rights.of(raw, outside)
        for table in self._tables.values():
            await apply.compare(raw, table)
            await rights.judge(table, verdicts)
        await self._settle(raw)

    async def _settle(self, raw: asyncpg.Connection) -> None:
        """Leave out what is to be left out, and count what remains."""
        if self._findings.any and self._findings.skips:
            await leave_out(raw, self._tables, self._same, self._findings, self._verdicts)
        for name, table in self._tables.items():
            counts = self._counts[table.stored.plural]
            await apply.count(raw, table, counts)
            counts.unchanged += len(self._same.get(name, ()))

    async def _stage(
        self, raw: asyncpg.Connection, intake: Intake
    ) -> dict[str, list[tuple[int, int]]]:
        """Take in and plan one table after the other; return which rows repeat an earlier one."""
        outside = intake.outside
        same = {}
        for stored in STORED.values():
            table = await intake.table(stored)
            if table is None:
                continue
            self._watch(Progress("plan", stored.plural, 0, table.rows))
            made = await plan(
                raw,
                table,
                self._tables,
                acting=self._database.userid,
                live=not outside.only_fresh or table.by_id,
            )
            self._tables[stored.name] = table
            self._wrong[stored.name] = [about for about, _ in made.wrong]
            if await repeated(raw, table):
                same[stored.name] = await judge_repeats(raw, table, self._findings, outside)
            if stored.name == "world":
                await _made_worlds(raw, table, outside)
            self._watch(Progress("plan", stored.plural, table.rows, table.rows))
        return same

    def _writing(self, raw: asyncpg.Connection) -> Writing:
        return Writing(
            raw,
            self._tables,
            self._counts,
            self._findings,
            self._verdicts,
            self._watch,
            self._attempts,
            self._settle,
        )

    def _report(self, *, done: bool, dry_run: bool) -> LoadReport:
        problems, good = self._findings.any, 0
        for plural, counts in self._counts.items():
            counts.rejected = self._findings.rejected(plural)
            if self._findings.skips:
                counts.rejected = counts.read - counts.good
            if problems and not done and not (dry_run and self._findings.skips):
                counts.inserted = counts.updated = 0
            good += counts.good
        written = done and (good > 0 or not problems)
        return self._findings.report(self._counts, written=written, dry_run=dry_run)

    @property
    def _stops(self) -> bool:
        """Whether problems keep everything from being written."""
        return self._findings.any and not self._findings.skips


async def _made_worlds(raw: asyncpg.Connection, table: Staged, outside: Outside) -> None:
    """Tell which worlds this import brings, so that its other rows may name them."""
    rows = await raw.fetch(
        f"SELECT p.id, p.name, p.ownerid, lower(u.email) AS email, p.version IS NULL AS fresh "
        f'FROM {table.plan} AS p LEFT JOIN "user" AS u ON u.id = p.ownerid'
    )
    outside.made = [World(row["id"], row["name"], row["ownerid"], row["email"]) for row in rows]
    outside.fresh = {row["id"] for row in rows if row["fresh"]}
