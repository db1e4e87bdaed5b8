"""How far an import is, told to those who wait; and what is left when they wait no more."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from tests.transfer.held import held_up, import_elsewhere
from workbench import Workspace, progress
from workbench.database.engine import Database
from workbench.transfer import dialect
from workbench.transfer.load import load
from workbench.transfer.report import Paced, Progress

Write = Callable[..., Path]

UNDER_WAY = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND state <> 'idle'"
)
STAGED = (
    "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname ~ '^(load|plan|twice)_'"
)


def personas(count: int) -> str:
    return "world,name\n" + "".join(f"Elsinore,Persona {n}\n" for n in range(count))


@pytest.fixture
async def elsinore(database: Database, write: Write) -> Path:
    """A world, and a file of a hundred personae for it."""
    folder = write(worlds="name\nElsinore\n")
    (await load(database, folder)).raise_for_problems()
    (folder / "worlds.csv").unlink()
    return write(personas=personas(100)) / "personas.csv"


async def nothing_is_left(superuser: asyncpg.Connection) -> None:
    """Wait until what was cancelled has ended; then nothing of it is there."""
    async with asyncio.timeout(30):
        while True:
            if not await superuser.fetchval(UNDER_WAY):
                break
            await asyncio.sleep(0.02)
    assert await superuser.fetchval(STAGED) == 0
    assert await superuser.fetchval("SELECT count(*) FROM persona") == 0
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("workbench-import")]


def test_a_step_tells_its_rate_and_the_time_that_is_left() -> None:
    seen: list[Progress] = []
    times = iter([10.0, 12.0, 14.0])
    paced = Paced(seen.append, clock=lambda: next(times))
    for done in (0, 1_000, 2_000):
        paced(Progress("send", "personas", done, 62_000))
    assert [(step.rate, step.seconds_left) for step in seen] == [
        (0.0, None),
        (500.0, 122.0),
        (500.0, 120.0),
    ]
    assert str(seen[-1]) == "send personas: 2,000 of 62,000 rows, 500 a second, 2:00 left"
    assert str(Progress("check", "acts", 7, 0)) == "check acts: 7 rows"


async def test_how_many_rows_a_file_has_is_estimated_as_it_is_read(
    database: Database, elsinore: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "BLOCK_BYTES", 500)
    seen: list[Progress] = []
    await load(database, elsinore, progress=seen.append)
    steps = [step for step in seen if step.stage == "check" and step.done]
    assert len(steps) > 3
    assert all(80 <= step.total <= 120 for step in steps)
    assert (steps[-1].done, steps[-1].total) == (100, 100)


async def test_an_import_can_be_followed_step_by_step(
    wb: Workspace, sql: asyncpg.Connection, elsinore: Path
) -> None:
    loading = wb.loading(elsinore, reason="followed")
    stages = [step.stage async for step in loading]
    assert list(dict.fromkeys(stages)) == ["check", "send", "plan", "write"]
    assert loading.report is not None
    assert loading.report.tables["personas"].inserted == 100
    assert await sql.fetchval("SELECT count(*) FROM persona") == 100


async def test_what_goes_wrong_in_an_import_that_is_followed_is_raised(wb: Workspace) -> None:
    with pytest.raises(TypeError, match="nonsense"):
        async for _ in wb.loading("nowhere.csv", nonsense=True):
            pass


@pytest.mark.parametrize("stage", ["send", "write"])
async def test_nothing_is_left_of_an_import_that_is_followed_no_more(
    wb: Workspace, superuser: asyncpg.Connection, elsinore: Path, stage: str
) -> None:
    async for step in wb.loading(elsinore):
        if step.stage == stage:
            break
    await nothing_is_left(superuser)
    (await wb.load(elsinore)).raise_for_problems()
    assert await superuser.fetchval("SELECT count(*) FROM persona") == 100


async def test_nothing_is_left_of_an_import_that_is_cancelled_in_its_midst(
    wb: Workspace, sql: asyncpg.Connection, superuser: asyncpg.Connection, elsinore: Path
) -> None:
    async with sql.transaction():
        await sql.execute("LOCK TABLE persona IN SHARE MODE")
        work = asyncio.create_task(wb.load(elsinore))
        await held_up(sql, work.done)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    await nothing_is_left(superuser)
    (await wb.load(elsinore)).raise_for_problems()


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
async def test_nothing_is_left_of_an_import_that_is_interrupted(
    database: Database,
    database_url: str,
    sql: asyncpg.Connection,
    superuser: asyncpg.Connection,
    elsinore: Path,
) -> None:
    async with sql.transaction():
        await sql.execute("LOCK TABLE persona IN SHARE MODE")
        process, _ = await import_elsewhere(sql, database_url, database, elsinore)
        process.send_signal(signal.SIGINT)
        _, said = await asyncio.wait_for(process.communicate(), 30)
    assert "KeyboardInterrupt" in said.decode()
    await nothing_is_left(superuser)


def test_a_notebook_shows_the_last_step_in_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Cell:
        def update(self, what: dict[str, str], *, raw: bool) -> None:
            assert raw
            shown.append(what["text/html"])

    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: Cell())
    with progress.shown_progress() as show:
        assert show is not None
        show(Progress("send", "<b>", 1, 4, 2.0, 65.0))
    said = "send &lt;b&gt;: 1 of 4 rows, 2 a second, 1:05 left"
    assert shown == [f'<progress value="1" max="4"></progress> {said}', ""]


def test_without_a_terminal_or_a_notebook_nothing_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    with progress.shown_progress() as show:
        assert show is None
