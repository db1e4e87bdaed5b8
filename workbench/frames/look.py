"""A frame beside what is stored at one moment: what is mine, and what is in its way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.entities import ENTITIES, Entity, Stored
from workbench.errors import InvalidDraft, NotFound, WorkbenchError
from workbench.frames.changes import Cells, compare, refuse_fixed
from workbench.frames.conflicts import Clash, Why, authors
from workbench.frames.given import Given, key_index
from workbench.frames.stored import KEYS, Now, look_back, read_now
from workbench.frames.twins import follow, read_twins
from workbench.frames.values import told
from workbench.transfer.stage import quoted

__all__ = ["Look", "clashes", "look"]


@dataclass
class Look:
    """The changes of a frame as of one moment.

    Attributes
    ----------
    why
        For each row that is not to be written, what is in its way.
    """

    found: Given
    now: Now
    cells: list[Cells]
    why: dict[int, Why] = field(default_factory=dict)

    @property
    def mine(self) -> npt.NDArray[np.int64]:
        """The rows with cells that are mine and are not stored already."""
        rows = [one.rows[~one.same] for one in self.cells]
        return np.unique(np.concatenate([*rows, np.array([], np.int64)]))

    @property
    def writable(self) -> npt.NDArray[np.int64]:
        """The rows to be written."""
        return self.mine[~np.isin(self.mine, list(self.why))]

    def name(self, n: int) -> str | None:
        """Return the name of the record in a row, now or before; links have none."""
        stored = self.found.stored
        if not isinstance(stored, Entity):
            return None
        name: str | None = self.now.cells[stored.label][n].as_py()
        return name or self.now.since.get(stored.label, {}).get(n)


async def look(connection: Any, given: Given) -> Look:
    """Compare what a frame says with what is stored now; its keys are staged.

    Raises
    ------
    InvalidDraft, NotFound
        None of its rows is here: it is a frame of others, or of another database.
    """
    found = replace(
        given,
        cells=dict(given.cells),
        columns=dict(given.columns),
        problems=list(given.problems),
    )
    label = [found.stored.label] if isinstance(found.stored, Entity) else []
    sources = {column.source for column in found.columns.values()}
    now = await read_now(connection, found, sorted({*sources, *label}))
    await read_twins(connection, found, now)
    await look_back(connection, found, now)
    if found.rows and len(now.lost) == found.rows and not now.there.any():
        raise await _elsewhere(connection, found)
    await follow(connection, found, now)
    made = Look(found, now, await asyncio.to_thread(compare, found, now))
    refuse_fixed(found, now)
    for one in made.cells:
        for n in one.rows[~now.there[one.rows]].tolist():
            made.why[n] = "gone"
        for n in one.rows[now.trashed[one.rows]].tolist():
            made.why[n] = "trashed"
        for n in one.rows[one.clash].tolist():
            made.why.setdefault(n, "changed")
    made.why |= {n: "gone" for n in now.lost if not now.versions[n]}
    return made


async def clashes(connection: Any, made: Look) -> list[Clash]:
    """Return the cells that are not to be written."""
    found = made.found
    rows = sorted(made.why)
    if not rows:
        return []
    who = await authors(connection, found, rows)
    keys = key_index(found.keys)
    columns: dict[int, list[str]] = {n: [] for n in rows}
    for one in made.cells:
        for place, n in enumerate(one.rows.tolist()):
            if n in columns and (made.why[n] != "changed" or one.clash[place]):
                columns[n].append(one.column)
    listed = []
    for n in rows:
        told_by = who.get(n, [])
        listed += [_clash(made, n, column, keys[n], told_by) for column in columns[n]]
        if not columns[n]:
            name = made.name(n)
            listed.append(Clash(keys[n], name, None, None, None, None, None, None, made.why[n]))
    return listed


def _clash(made: Look, n: int, column: str, key: Any, who: list[Any]) -> Clash:
    found, now, why = made.found, made.now, made.why[n]
    kind = found.columns[column].type
    base = None if n in now.lost else told(kind, now.base(column).slice(n, 1))[0].as_py()
    theirs = told(kind, now.cells[column].slice(n, 1))[0].as_py()
    about = "deleted_at" if why == "trashed" else column
    author, at = next(((author, at) for names, author, at in who if about in names), (None, None))
    mine = found.cells[column][n].as_py()
    return Clash(key, made.name(n), column, base, mine, theirs, author, at, why)


async def _elsewhere(connection: Any, found: Given) -> WorkbenchError:
    """Return the error for a frame none of whose records is here."""
    stored: Stored[Any, Any] = found.stored
    others = [one for one in ENTITIES.values() if one is not stored and "id" in found.keys]
    for one in others:
        statement = f"SELECT FROM {quoted(one.name)} AS t JOIN {KEYS} AS s USING (id)"
        if await connection.fetchval(f"SELECT EXISTS ({statement})"):
            message = f"These rows are {one.plural}, not {stored.plural}. Use `{one.plural}.save`."
            return InvalidDraft({"frame": message}, entity=stored.name)
    return NotFound(
        stored.name,
        key_index(found.keys)[0],
        "None of the rows of this frame is here: they were read from another database, or purged, "
        "or are no longer yours to read. `wb.load` tells rows by their names.",
    )
