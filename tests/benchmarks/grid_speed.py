"""Whether a grid of 100,000 rows is as quick as one of 100: what it asks of its source.

Two worlds in one database, of 100 and of 100,000 scenes; the blocks are those of the grid.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence

import pyarrow as pa

from tests.benchmarks.measure import (
    Candidate,
    in_turns,
    run,
    server,
    stopwatch,
)
from tests.benchmarks.results import table, write_section
from workbench.editing import RepositorySource
from workbench.transfer.load import load
from workbench.widgets.source import Filter, Page, Sort
from workbench.workspace import Workspace

TITLE = "Grid"
PACKAGES = ("asyncpg", "SQLAlchemy")
SIZES = (100, 100_000)
BLOCK = 50
PER_ACT = 100
ROUNDS = 15
NOTE = (
    "Each is the whole question, total included, as the grid asks it; scrolling on needs no new "
    "count, nor does what ends within its first block. Uncounted is the block alone. Counting "
    "looks at every row of the world, jumping far from both ends at every row before."
)


def world(name: str, scenes: int) -> dict[str, pa.Table]:
    acts = scenes // PER_ACT
    act = [f"Act {1 + n // PER_ACT}" for n in range(scenes)]
    constant = {"world": name, "story": "The story"}

    def made(rows: int, **columns: Sequence[object]) -> pa.Table:
        return pa.table({**{k: [v] * rows for k, v in constant.items()}, **columns})

    return {
        "worlds": pa.table({"name": [name]}),
        "stories": pa.table({"world": [name], "name": ["The story"]}),
        "acts": made(acts, name=[f"Act {n + 1}" for n in range(acts)]),
        "scenes": made(
            scenes,
            act=act,
            name=[f"Scene {n * 7919 % scenes:06}" for n in range(scenes)],
            position=[1 + n % PER_ACT for n in range(scenes)],
            summary=[f"What happens in scene {n}, told in one line." for n in range(scenes)],
        ),
    }


async def ask(
    source: RepositorySource,
    start: int = 0,
    *,
    sort: str = "",
    like: str = "",
    search: str = "",
    total: bool = True,
) -> Page:
    return await source.page(
        start,
        BLOCK,
        sort=[Sort(sort)] if sort else [],
        filters=[Filter("name", "contains", like)] if like else [],
        search=search or None,
        total=total,
    )


def questions(
    source: RepositorySource, rows: int
) -> dict[str, tuple[Callable[[], Awaitable[Page]] | None, Callable[[], Awaitable[Page]]]]:
    """Return by name what is done before, and what counts."""
    return {
        "open": (None, lambda: ask(source)),
        "open, uncounted": (None, lambda: ask(source, total=False)),
        "next block": (lambda: ask(source), lambda: ask(source, BLOCK)),
        "jump to the end": (lambda: ask(source), lambda: ask(source, rows - BLOCK)),
        "jump to the middle": (lambda: ask(source), lambda: ask(source, rows // 2)),
        "next block there": (
            lambda: ask(source, rows // 2 - BLOCK),
            lambda: ask(source, rows // 2),
        ),
        "sort by name": (None, lambda: ask(source, sort="name")),
        "sort by name, uncounted": (None, lambda: ask(source, sort="name", total=False)),
        "next block by name": (
            lambda: ask(source, sort="name"),
            lambda: ask(source, BLOCK, sort="name"),
        ),
        "filter: name has 00005": (None, lambda: ask(source, like="00005")),
        "search: scene 05": (None, lambda: ask(source, search="scene 05")),
        "search, uncounted": (None, lambda: ask(source, search="scene 05", total=False)),
    }


def candidate(
    before: Callable[[], Awaitable[Page]] | None, what: Callable[[], Awaitable[Page]]
) -> Candidate:
    async def work() -> float:
        if before is not None:
            await before()
        with stopwatch() as watch:
            page = await what()
        assert page.rows
        return watch.seconds

    return work


async def main() -> None:
    rows = []
    async with server() as on, on.database() as database:
        wb = Workspace(database)
        sources = {}
        for size in SIZES:
            report = await load(database, world(f"World of {size}", size))
            report.raise_for_problems()
            sources[size] = RepositorySource(wb.scenes, f"World of {size}")
        small, large = (questions(sources[size], size) for size in SIZES)
        for name in small:
            print(name, file=sys.stderr)
            turns = {"small": candidate(*small[name]), "large": candidate(*large[name])}
            for once in turns.values():
                await once()
            took = await in_turns(turns, ROUNDS)
            cells = [f"{took[size] * 1000:.1f}" for size in ("small", "large")]
            rows.append([name, *cells, f"{took['large'] / took['small']:.1f}"])
        await wb.close()
    write_section(
        TITLE,
        f"Milliseconds for a block of {BLOCK} rows, PostgreSQL {on.version}.",
        table(["", *(f"of {size:,}" for size in SIZES), "ratio"], rows),
        NOTE,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    run(main)
