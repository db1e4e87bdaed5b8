"""How the work grows with the rows, from ten thousand to ten million personae.

`python -m tests.benchmarks.growth_speed 10_000 100_000` measures fewer sizes.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import log10
from pathlib import Path

from tests.benchmarks.measure import Server, run, server, stopwatch
from tests.benchmarks.results import RESULTS, table, write_section
from workbench.transfer.load import load
from workbench.workspace import Workspace

TITLE = "Growth"
PACKAGES = ("pandas", "pyarrow", "adbc-driver-postgresql", "asyncpg", "SQLAlchemy")
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
PICTURE = RESULTS.with_name("growth.svg")
WORLD = "Many"
PAGES = 21
NOTE = (
    "Import and frame: microseconds for each row, one run of each size, so a level line grows as "
    "the rows do. Pages of 50 and the search are milliseconds of one call, medians of 21, as a "
    "user whom rights bind."
)
COLORS = ("#1b5e8c", "#2e8b57", "#c2571a")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 64, 150, 24, 48


def personae(rows: int, folder: Path) -> Path:
    """Write so many personae as CSV."""
    path = folder / "personas.csv"
    with path.open("w", encoding="utf-8") as out:
        out.write("name,kind,description,speeches\n")
        out.writelines(
            f"Persona {n},human,Somebody of note no. {n},{n % 99}\n" for n in range(rows)
        )
    return path


async def median_ms(work: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(PAGES):
        with stopwatch() as watch:
            await work()
        took.append(watch.seconds * 1000)
    return statistics.median(took)


async def measured(on: Server, rows: int) -> dict[str, float]:
    """Return what was measured with so many rows."""
    async with on.database() as database:
        wb = Workspace(database)
        path = personae(rows, on.home)
        world = await wb.worlds.add(name=WORLD)
        took: dict[str, float] = {}
        for what in ("import", "import again"):
            with stopwatch() as watch:
                report = await load(database, path, world=WORLD)
            assert report.written
            took[what] = watch.seconds / rows * 1e6
        path.unlink()
        await wb.personas.frame(limit=1)
        with stopwatch() as watch:
            assert len(await wb.personas.frame()) == rows
        took["frame"] = watch.seconds / rows * 1e6
        page = await wb.personas.find(worldid=world.id, order="name", limit=50)
        took["first page"] = await median_ms(
            lambda: wb.personas.find(worldid=world.id, order="name", limit=50)
        )
        took["page after it"] = await median_ms(
            lambda: wb.personas.find(worldid=world.id, order="name", limit=50, after=page.next)
        )
        took["search"] = await median_ms(
            lambda: wb.personas.find(worldid=world.id, search=f"Persona {rows // 2}", limit=50)
        )
        await wb.close()
    return took


def picture(sizes: Sequence[int], lines: Mapping[str, Sequence[float]]) -> str:
    """Return microseconds a row over rows, both as powers of ten, as SVG."""
    everything = [value for values in lines.values() for value in values]
    low, high = int(log10(min(everything))), int(log10(max(everything))) + 1
    first, last = log10(sizes[0]), max(log10(sizes[-1]), log10(sizes[0]) + 1)

    def x(rows: float) -> float:
        return LEFT + (log10(rows) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="12"><title>Microseconds a row, by the number of rows'
        f'</title><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    ]
    for power in range(low, high + 1):
        at = y(10.0**power)
        parts.append(
            f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g} µs</text>'
        )
    parts += [
        f'<text x="{x(rows):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{rows:,}</text>'
        for rows in sizes
    ]
    for color, (what, values) in zip(COLORS, lines.items(), strict=True):
        points = " ".join(f"{x(r):.1f},{y(v):.1f}" for r, v in zip(sizes, values, strict=True))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>'
            f'<text x="{x(sizes[-1]) + 8:.1f}" y="{y(values[-1]) + 4:.1f}" fill="{color}">{what}'
            "</text>"
        )
    return "".join([*parts, "</svg>\n"])


async def main() -> None:
    sizes = [int(word) for word in sys.argv[1:]] or list(SIZES)
    took = {}
    async with server() as on:
        await measured(on, 1_000)  # what is loaded when it is first used
        for rows in sizes:
            took[rows] = await measured(on, rows)
            print(rows, took[rows], file=sys.stderr)
    columns = list(took[sizes[0]])
    lines = {what: [took[rows][what] for rows in sizes] for what in columns[:3]}
    PICTURE.write_text(picture(sizes, lines), encoding="utf-8")
    write_section(
        TITLE,
        f"PostgreSQL {on.version}. [A picture of the first three]({PICTURE.name}).",
        table(
            ["rows", *(f"{c}, {'µs a row' if c in lines else 'ms'}" for c in columns)],
            [[f"{rows:,}", *(f"{took[rows][c]:.1f}" for c in columns)] for rows in sizes],
        ),
        NOTE,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    run(main)
