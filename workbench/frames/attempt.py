"""One save in the database: compare, hold, write; all of it in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities import Entity, Stored
from workbench.errors import Problem, error_of
from workbench.frames.conflicts import Clash, Why, as_frame, authors, whom_to_ask
from workbench.frames.given import Given, key_index
from workbench.frames.look import Look, clashes, look
from workbench.frames.refresh import Fresh, refresh
from workbench.frames.result import SaveResult
from workbench.frames.stored import look_back, read_now, stage_keys
from workbench.frames.twins import read_twins
from workbench.frames.values import told
from workbench.frames.write import arrow_from_frame
from workbench.frames.write_back import lock, stage_edits, trash, troubles, write
from workbench.store.columns import Column
from workbench.transfer.load import load

__all__ = ["Attempt", "Outcome"]

_SETTINGS = "SELECT set_config('work_mem', '256MB', true), set_config('jit', 'off', true)"
_STAMPED = ("created_at", "updated_at")
_NOT_SENT = ("id", "version", "created_at", "updated_at", "deleted_at")
_ADDED = """
SELECT c.recordid::text FROM history.change AS c
JOIN history.changeset AS s ON s.id = c.changesetid
WHERE s.started_at = now() AND s.txid = pg_current_xact_id()
  AND c.entity = $1 AND c.operation = 'insert' ORDER BY c.id DESC LIMIT $2
"""


@dataclass
class Outcome:
    """What became of a save.

    Attributes
    ----------
    clashes
        What was not written, in the order of `result.conflicts`.
    versions
        Of records that were to be trashed and are in conflict: their version now.
    """

    result: SaveResult
    look: Look
    clashes: list[Clash]
    versions: dict[str, int]
    fresh: list[Fresh] = field(default_factory=list)


@dataclass
class Attempt:
    """One save.

    Attributes
    ----------
    new
        Rows to be added.
    doomed
        Records to be trashed, with the versions that were read.
    stop
        Whether a conflict stops everything.
    frames
        What is brought up to date afterwards, in these `columns`.
    """

    database: Database
    stored: Stored[Any, Any]
    found: Given
    new: pd.DataFrame | None
    doomed: dict[str, int]
    stop: bool
    frames: list[pd.DataFrame]
    columns: dict[str, Column]

    async def run(self, reason: str | None) -> Outcome:
        """Do it, again if another transaction gets in its way.

        Raises
        ------
        InvalidRows, NotAllowed, Refused
            Nothing was written.
        """
        if not self.database.in_transaction:
            outcome = await self.database.atomically(self._once, reason=reason)
        else:
            async with self.database.transaction(reason=reason):
                outcome = await self._once()
        for fresh in outcome.fresh:
            for frame in self.frames:
                refresh(self.stored, frame, fresh)
        return outcome

    async def _once(self) -> Outcome:
        async with self.database.writing() as connection:
            await connection.exec_driver_sql(_SETTINGS)  # SQLAlchemy begins here
            raw = await self.database.driver(connection)
            with translated(self.stored.name):
                going, left, versions = await self._doomed(raw)
                made = await self._settled(raw)
                there_already = len(self.doomed) - len(going) - len(left)
                left = [*await clashes(raw, made), *left]
                result = SaveResult(self.stored.plural, as_frame(left))
                result.trashed_before = there_already
                result.managers = await whom_to_ask(raw, self.stored, left)
                result.written = not (self.stop and left)
                outcome = Outcome(result, made, left, versions)
                if result.written and not made.found.problems:
                    await self._write(raw, made, result, going)
                    result.unchanged = self.found.rows - result.changed - len(made.why)
        await self._add(made, result)
        if result.written:
            outcome.fresh = await self._fresh(made, result.added)
        return outcome

    async def _settled(self, raw: Any) -> Look:
        """Compare, and hold what is to be written, until both are of the same moment."""
        await stage_keys(raw, self.found)
        held: dict[int, int] = {}
        refused: set[int] = set()
        while True:
            made = await look(raw, self.found)
            for n in refused & set(made.mine.tolist()):
                made.why.setdefault(n, "rights")
            if made.found.problems or (self.stop and made.why):
                return made
            wanted = [n for n in made.writable.tolist() if n not in held]
            held |= await lock(raw, made.found, made.cells, wanted)
            refused |= {n for n in wanted if n not in held}
            if all(held.get(n) == made.now.versions[n] for n in made.writable.tolist()):
                return made

    async def _write(self, raw: Any, made: Look, result: SaveResult, going: list[str]) -> None:
        rows = made.writable
        if len(rows):
            cells = await stage_edits(raw, made.found, made.now, made.cells, rows)
            await troubles(raw, made.found, cells)
            if made.found.problems:
                return
            await write(raw, made.found, cells, len(rows))
            result.changed = len(rows)
            result.cells = sum(int((np.isin(c.rows, rows) & ~c.same).sum()) for c in cells)
        if going and isinstance(self.stored, Entity):
            result.trashed = await trash(raw, self.stored, going)

    async def _doomed(self, raw: Any) -> tuple[list[str], list[Clash], dict[str, int]]:
        """Return what is to be trashed, and what is in its way: changed since, gone, or a right.

        What is in the trash already is where it was to go.
        """
        going: list[str] = []
        left: list[Clash] = []
        current: dict[str, int] = {}
        if not self.doomed or not isinstance(self.stored, Entity):
            return going, left, current
        ids, rows = list(self.doomed), range(len(self.doomed))
        versions = pa.array(list(self.doomed.values()), pa.int64())
        found = Given(self.stored, {"id": pa.array(ids)}, versions, pa.array(rows), {}, {})
        await stage_keys(raw, found)
        held = await lock(raw, found, [], rows)
        label = self.stored.label
        now = await read_now(raw, found, [label])
        who = await authors(raw, found, list(rows))
        if not now.there.all():
            await look_back(raw, found, now)  # for the names of what is gone
        for n, id_ in enumerate(ids):
            if not now.there[n]:
                name = now.since.get(label, {}).get(n)
                left.append(Clash(id_, name, "deleted_at", None, "trash", None, None, None, "gone"))
                continue
            if now.trashed[n]:
                continue
            if n in held and now.versions[n] == self.doomed[id_]:
                going.append(id_)
                continue
            _, author, at = who[n][0] if n in who else (None, None, None)
            why: Why = "changed" if n in held else "rights"
            current[id_] = int(now.versions[n])
            name = now.cells[label][n].as_py()
            left.append(Clash(id_, name, "deleted_at", None, "trash", None, author, at, why))
        return going, left, current

    async def _add(self, made: Look, result: SaveResult) -> None:
        """Add the new rows by the import of frames; if there are problems, tell of all."""
        problems = list(made.found.problems)
        if self.new is not None and len(self.new) and (result.written or problems):
            rows = self._placed(self.new, made)
            report = await load(
                self.database,
                {self.stored.plural: arrow_from_frame(self.stored, rows)},
                dry_run=bool(problems),
                add_only=True,
            )
            problems += [replace(problem, file=None) for problem in report.problems]
            result.added = report.tables[self.stored.plural].inserted
        if problems:
            places = {label: n for n, label in enumerate(self.found.labels.to_pylist())}
            end = len(places)

            def place(problem: Problem) -> int:
                return places.get(problem.row, end)

            raise error_of(sorted(problems, key=place))

    def _placed(self, rows: pd.DataFrame, made: Look) -> pd.DataFrame:
        """Return new rows, in the world of all others if they name none and there is one."""
        rows = rows.drop(columns=[name for name in _NOT_SENT if name in rows])
        if not isinstance(self.stored, Entity) or self.stored.parent != "world":
            return rows
        worlds = {world for world in made.now.cells["worldid"].to_pylist() if world is not None}
        named = [name for name in ("worldid", "world") if name in rows]
        if len(worlds) != 1 or rows[named].notna().any(axis=None):
            return rows
        return rows.drop(columns=named).assign(worldid=worlds.pop())

    async def _fresh(self, made: Look, added: int) -> list[Fresh]:
        """Read what was written, so that the frame can have it.

        Of a frame that was looked at in part, only rows that nobody else has changed: what others
        changed in its other columns would seem to be changed back by the next save.
        """
        rows = made.writable
        if self.found.partial:
            rows = rows[made.now.versions[rows] == np.asarray(self.found.versions)[rows]]
        fresh = []
        async with self.database.writing() as connection:
            raw = await self.database.driver(connection)
            with translated(self.stored.name):
                if len(rows):
                    fresh.append(await self._read(raw, self.found, rows.tolist(), new=False))
                if added and isinstance(self.stored, Entity):
                    ids = [row[0] for row in await raw.fetch(_ADDED, self.stored.name, added)][::-1]
                    blank = pa.array([1] * len(ids), pa.int64())
                    keys = {"id": pa.array(ids)}
                    found = Given(self.stored, keys, blank, blank, {}, {})
                    await stage_keys(raw, found)
                    fresh.append(await self._read(raw, found, list(range(len(ids))), new=True))
        return fresh

    async def _read(self, raw: Any, found: Given, rows: list[int], *, new: bool) -> Fresh:
        found = replace(found, columns=self.columns)
        sources = {column.source for column in self.columns.values()}
        now = await read_now(raw, found, sorted({*sources, *_STAMPED}), rows=rows)
        await read_twins(raw, found, now)
        at = pa.array(rows, pa.int64())
        cells = {
            name: told(self.columns[name].type if name in self.columns else "", column.take(at))
            for name, column in now.cells.items()
            if name in self.columns or name in _STAMPED
        }
        cells |= {name: column.take(at) for name, column in found.keys.items()} if new else {}
        cells["version"] = pa.array(now.versions[rows])
        keys = key_index(found.keys)
        return Fresh([keys[n] for n in rows], cells, new=new)
