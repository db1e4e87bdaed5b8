"""How fast a frame of 100,000 rows saves 2,000 changed cells, beside reading the same frame.

Each round reads the frame, changes cells of 2,000 random rows and saves it, all with a user's
login, rights and history on. What else writes frames is `to_sql` into a table of its own and one
UPDATE from there, which looks at no version and no rule, and is told which rows were changed.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

import numpy as np
import pandas as pd
from sqlalchemy import Engine, text

from tests.benchmarks.measure import (
    Candidate,
    Server,
    in_turns,
    run,
    scaled_world,
    server,
    stopwatch,
)
from tests.benchmarks.results import table, write_section
from workbench.transfer.load import load
from workbench.workspace import Workspace

TITLE = "Save"
PACKAGES = ("pandas", "pyarrow", "asyncpg", "SQLAlchemy", "psycopg")
SCENES = 100_000
EDITS = 2_000
ROUNDS = 5
NOTE = (
    "Every save finds the changed cells by itself among all cells of the frame. Stale: somebody "
    "else has changed another column of half of the edited rows since the frame was read, so what "
    "was read comes from the history. In conflict: the same column. `to_sql` and UPDATE write "
    "2,000 rows that are known to be changed, over whatever others wrote."
)


class Work:
    """Frames with changed cells, made outside of what is timed."""

    def __init__(self, wb: Workspace, engine: Engine) -> None:
        self.wb, self.engine = wb, engine
        self.rng = np.random.default_rng(1603)
        self.count = 0

    async def edited(self, *, names: bool = False) -> tuple[pd.DataFrame, list[int]]:
        """Return a frame as read, with other descriptions in random rows, and which."""
        frame = await self.wb.scenes.frame(names=names)
        at = self.rng.choice(len(frame), EDITS, replace=False)
        self.count += 1
        cells = list(frame["description"])
        for place in at:
            cells[place] = f"Edit {self.count} of row {place}."
        frame["description"] = pd.array(cells, dtype=frame["description"].dtype)
        return frame, at.tolist()

    def somebody(self, ids: list[str], column: str) -> None:
        """Change a column of some rows, as somebody else would."""
        value = "coalesce(position, 0) + 1" if column == "position" else "'Theirs ' || version"
        statement = f"UPDATE scene SET {column} = {value} WHERE id = ANY (CAST(:ids AS uuid[]))"
        with self.engine.begin() as connection:
            connection.execute(text(statement), {"ids": ids})

    def read(self, *, names: bool) -> Candidate:
        async def once() -> float:
            with stopwatch() as watch:
                frame = await self.wb.scenes.frame(names=names)
            assert len(frame) == SCENES
            return watch.seconds

        return once

    def save(self, *, names: bool = False, theirs: str | None = None) -> Candidate:
        async def once() -> float:
            frame, at = await self.edited(names=names)
            half = frame["id"].iloc[at[: EDITS // 2]].tolist()
            if theirs is not None:
                self.somebody(half, theirs)
            with stopwatch() as watch:
                result = await self.wb.scenes.save(frame, reason="benchmark")
            clashing = len(half) if theirs == "description" else 0
            assert (result.changed, len(result.conflicts)) == (EDITS - clashing, clashing)
            return watch.seconds

        return once

    async def nothing(self) -> float:
        frame = await self.wb.scenes.frame()
        with stopwatch() as watch:
            result = await self.wb.scenes.save(frame)
        assert result.unchanged == SCENES
        return watch.seconds

    async def to_sql(self) -> float:
        frame, at = await self.edited()
        changed = frame.iloc[at][["id", "description"]]
        with stopwatch() as watch, self.engine.begin() as connection:
            changed.to_sql(
                "edits", connection, if_exists="replace", index=False, method="multi",
                chunksize=10_000,
            )  # fmt: skip
            connection.execute(
                text(
                    "UPDATE scene SET description = edits.description FROM edits "
                    "WHERE scene.id = CAST(edits.id AS uuid)"
                )
            )
        return watch.seconds


async def measured(on: Server, name: str) -> list[list[str]]:
    async with on.database(name) as database:
        wb, engine = Workspace(database), on.engine(name)
        work = Work(wb, engine)
        turns: dict[str, Callable[[], Awaitable[float]]] = {
            "read": work.read(names=False),
            "save 2,000 edits": work.save(),
            "save an unchanged frame": work.nothing,
            "save 2,000 edits, half of the rows stale": work.save(theirs="position"),
            "save 2,000 edits, half in conflict": work.save(theirs="description"),
            "read with names": work.read(names=True),
            "save 2,000 edits of a frame with names": work.save(names=True),
            "`to_sql` and UPDATE": work.to_sql,
        }
        for once in turns.values():
            await once()
        took = await in_turns(turns, ROUNDS)
        engine.dispose()
        await wb.close()
    rows = []
    for label, seconds in took.items():
        read = took["read with names" if "names" in label else "read"]
        rows.append([label, f"{seconds:.2f}", f"{seconds / read:.1f}"])
    return rows


async def main() -> None:
    async with server() as on:
        name = await on.copy_of()
        async with on.database(name) as database:
            (await load(database, scaled_world(SCENES, on.home))).raise_for_problems()
        print("measuring", file=sys.stderr)
        rows = await measured(on, name)
    write_section(
        TITLE,
        f"A frame of {SCENES:,} scenes, seconds, PostgreSQL {on.version}.",
        table(["", "seconds", "times reading the same frame"], rows),
        NOTE,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    run(main)
