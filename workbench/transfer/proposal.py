"""What an import would do, as a value: to look at, to save, to show somebody, and to apply."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import UTC, datetime
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pyarrow as pa

from workbench import markup
from workbench.database.engine import Database
from workbench.database.threads import in_thread
from workbench.errors import NotAllowed, PlanMoved, Problem, WorkbenchError, error_of
from workbench.transfer.findings import Findings
from workbench.transfer.load import OnProblem, load
from workbench.transfer.options import HOW_IT_IS, Reading
from workbench.transfer.outcome import (
    Tables,
    differences,
    write_inserts,
    write_rows,
    write_updates,
)
from workbench.transfer.plan_file import ABOUT, About, Counts, pack, unpack
from workbench.transfer.readers import Opened, Sources, open_all
from workbench.transfer.report import LoadReport, Watcher
from workbench.transfer.source import Feed
from workbench.transfer.spool import Spool, Told, batches, spool

_APPLY = "await plan.apply()"
_SHOWN = 20
_SHOWN_CHARACTERS = 60
_PREFIX = "workbench-plan-"


class _Folder:
    """A folder of our own, which is removed when nobody has this any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class Plan:
    """What an import would do; nothing of it is done yet.

    Attributes
    ----------
    report
        Counts by table, problems and notes, as of a dry run.
    on_problem
        Whether problems keep it from being applied, or rows that have some are left out.
    changeset
        What the history has of the last `apply`, known before that is committed.
    """

    def __init__(
        self,
        database: Database,
        held: _Folder,
        about: About,
        origins: Mapping[int, Feed] | None = None,
    ) -> None:
        self._database = database
        self._origins = origins or {}
        self._held = held
        self._folder = held.path
        self._about = about
        self.report: LoadReport = about.report()
        self.on_problem: OnProblem = about.on_problem
        self.changeset: UUID | None = None

    @property
    def updates(self) -> pa.Table:
        """The cells that change: table, file, row, id, name, column, old, new."""
        return _table(self._folder / "updates.arrow")

    @property
    def inserts(self) -> pa.Table:
        """The rows that are new: table, file, row, name."""
        return _table(self._folder / "inserts.arrow")

    @property
    def problems(self) -> list[Problem]:
        """Every bad cell, row and file."""
        return self.report.problems

    def save(self, path: Path | str) -> Path:
        """Write the plan to a file, for `open_plan`; another one there is replaced."""
        place = Path(path)
        pack(self._folder, place)
        return place

    async def apply(
        self,
        *,
        reason: str | None = None,
        progress: Watcher | None = None,
        rejects: Path | str | None = None,
    ) -> LoadReport:
        """Do what the plan shows, no more and no less.

        Parameters
        ----------
        rejects
            The folder for files of the rows that are left out, in the format of their source
            while it is there as it was; else as CSV (as lines of JSON where they are more than
            texts), but for rows that could not be read, for their cells are too few or too many.
            Without it they are in the report, as Arrow tables.

        Raises
        ------
        PlanMoved
            Something else would be done by now; `differences` says what. Nothing was written.
        InvalidRows
            The plan has problems, and none of its rows are to be skipped.
        NotAllowed
            A right is missing, for all that is in the way. Nothing was written.
        """
        if self.problems and self.on_problem == "stop":
            raise error_of(self.problems)

        async def compare(connection: asyncpg.Connection, tables: Tables, found: Findings) -> None:
            await self._compare(connection, tables, found)

        return await load(
            self._database,
            self._spool(),
            world=self._about.world,
            reason=reason,
            progress=progress,
            on_problem=self.on_problem,
            rejects=None if rejects is None else Path(rejects),
            inspect=compare,
            on_written=partial(setattr, self, "changeset"),
        )

    def _spool(self) -> Spool:
        return Spool(self._folder, self._about.opened, self._about.sources, self._origins)

    async def _compare(
        self, connection: asyncpg.Connection, tables: Tables, findings: Findings
    ) -> None:
        """Raise PlanMoved, or NotAllowed, unless what is worked out anew is what the plan shows."""
        if findings.any and self.on_problem == "stop":  # and it had none
            raise _moved(findings.problems)
        found = await differences(connection, tables, self._folder / "rows")
        if not found and set(tables) != {path.stem for path in (self._folder / "rows").glob("*")}:
            found = [Problem(None, None, None, None, "The plan is about other tables.")]
        if found:
            known = {(problem.file, str(problem.row)) for problem in found}
            now = [p for p in findings.problems if (p.file, str(p.row)) in known]
            if {(p.file, str(p.row)) for p in now} == known:
                raise _moved(now, found)
            raise PlanMoved([*found, *now])
        with tempfile.TemporaryDirectory(prefix=_PREFIX) as held:
            for write, name in ((write_updates, "updates"), (write_inserts, "inserts")):
                made = Path(held) / f"{name}.arrow"
                await write(connection, tables, made)
                if not _equal(made, self._folder / f"{name}.arrow"):
                    message = "What this plan shows is not what it would do. Make it again."
                    raise PlanMoved([Problem(None, None, None, None, message)])

    def told(self, apply: str = _APPLY) -> str:
        """Return what the plan shows, as text; `apply` is what carries it out."""
        done, total = self.first_updates()
        lines = self.report.lines(problems=_SHOWN)
        lines[:0] = ["Plan of an import: nothing is written yet."]
        if total:
            lines += ["Changes:", *(f"  {_change(row)}" for row in done)]
            if total > len(done):
                lines.append(f"  … and {total - len(done):,} more cells in `.updates`.")
        added, new = self.first_inserts()
        if new:
            lines += ["New:", *(f"  {row['table']}: {_short(row['name'])}" for row in added)]
            if new > len(added):
                lines.append(f"  … and {new - len(added):,} more rows in `.inserts`.")
        return "\n".join([*lines, self._way_on(apply)])

    def __str__(self) -> str:
        return self.told()

    __repr__ = __str__

    def _way_on(self, apply: str = _APPLY) -> str:
        if self.report.refused and self.on_problem == "stop":
            return "It takes rights that you do not have, so it cannot be applied."
        if self.problems and self.on_problem == "stop":
            return "It has problems, so it cannot be applied. Mend them, or plan to skip the rows."
        return f"`{apply}` does just this, or nothing."

    def first_updates(self) -> tuple[list[dict[str, Any]], int]:
        """Return the first of `updates`, and how many there are."""
        return _first(self._folder / "updates.arrow")

    def first_inserts(self) -> tuple[list[dict[str, Any]], int]:
        """Return the first of `inserts`, and how many there are."""
        return _first(self._folder / "inserts.arrow")

    def _repr_html_(self) -> str:
        """Return what a notebook shows: counts, changed cells, new rows, problems and notes."""
        kinds = ["read", "to insert", "to update", "unchanged", "rejected"]
        counts = [[plural, *astuple(counted)] for plural, counted in self.report.tables.items()]
        parts = [
            markup.paragraph("Plan of an import: nothing is written yet."),
            markup.table(["", *kinds], counts),
        ]
        shown, total = self.first_updates()
        if total:
            columns = ["table", "name", "column", "old", "new"]
            parts.append(markup.paragraph("Changes:"))
            parts.append(_some(columns, shown, total, "changed cells", "`.updates`"))
        added, new = self.first_inserts()
        if new:
            parts.append(markup.paragraph("New:"))
            parts.append(_some(["table", "name"], added, new, "new rows", "`.inserts`"))
        if self.problems:
            where = ("file", "row", "column", "value", "message")
            bad = [[getattr(problem, name) for name in where] for problem in self.problems]
            parts.append(markup.table(where, bad, more="All are in `.problems`."))
        parts += [markup.paragraph(note) for note in (*self.report.notes[:_SHOWN], self._way_on())]
        return "".join(parts)


async def make_plan(
    database: Database,
    sources: Sources | Opened,
    *,
    world: str | None = None,
    reading: Reading = HOW_IT_IS,
    on_problem: OnProblem = "stop",
    progress: Watcher | None = None,
) -> Plan:
    """Work out what an import would do, and keep the rows as they were read."""
    held = _Folder()
    folder = held.path
    opened = sources
    if not isinstance(opened, Opened):
        opened = await asyncio.to_thread(open_all, opened, reading)
    kept = await in_thread(partial(spool, opened, folder))

    async def collect(connection: asyncpg.Connection, tables: Tables, _: Findings) -> None:
        await write_rows(connection, tables, folder / "rows")
        await write_updates(connection, tables, folder / "updates.arrow")
        await write_inserts(connection, tables, folder / "inserts.arrow")

    (folder / "rows").mkdir()
    report = await load(
        database,
        kept,
        world=world,
        dry_run=True,
        progress=progress,
        on_problem=on_problem,
        inspect=collect,
    )
    about = About(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        world=world,
        on_problem=on_problem,
        tables={plural: _counts(counted) for plural, counted in report.tables.items()},
        problems=[Told.of(problem) for problem in report.problems],
        notes=report.notes,
        unreadable=report.unreadable,
        opened=kept.opened,
        sources=kept.sources,
    )
    (folder / ABOUT).write_text(about.model_dump_json(), encoding="utf-8")
    return Plan(database, held, about, kept.origins)


def _moved(problems: list[Problem], differences: Sequence[Problem] = ()) -> WorkbenchError:
    """Return the error for problems that a plan did not have: that it moved, or a missing right."""
    found = error_of(problems)
    return found if isinstance(found, NotAllowed) else PlanMoved([*differences, *problems])


def open_plan(database: Database, path: Path | str) -> Plan:
    """Return the plan in a file; UnreadableFile if there is none, or it is damaged."""
    held = _Folder()
    return Plan(database, held, unpack(Path(path), held.path))


def _counts(counted: Any) -> Counts:
    read, inserted, updated, unchanged, rejected = astuple(counted)
    return Counts(
        read=read, inserted=inserted, updated=updated, unchanged=unchanged, rejected=rejected
    )


def _table(place: Path) -> pa.Table:
    with pa.OSFile(str(place)) as source:
        return pa.ipc.open_file(source).read_all()


def _first(place: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the first rows of a file, and how many it has."""
    rows: list[dict[str, Any]] = []
    total = 0
    for batch in batches(place):
        rows += batch.slice(0, _SHOWN - len(rows)).to_pylist() if len(rows) < _SHOWN else []
        total += batch.num_rows
    return rows, total


def _equal(one: Path, other: Path) -> bool:
    ours, theirs = batches(one), batches(other)
    return all(a is not None and a == b for a, b in zip_longest(ours, theirs))


def _short(value: str | None) -> str:
    if value is None:
        return "(empty)"
    line = repr(value)
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…'"


def _change(row: dict[str, Any]) -> str:
    old, new = _short(row["old"]), _short(row["new"])
    return f"{row['table']} {_short(row['name'])}, {row['column']}: {old} → {new}"


def _some(
    columns: Sequence[str], rows: list[dict[str, Any]], total: int, what: str, where: str
) -> str:
    made = markup.table(columns, [[row[name] for name in columns] for row in rows])
    if total > len(rows):
        made += markup.paragraph(f"… of {total:,} {what}. All are in {where}.")
    return made
