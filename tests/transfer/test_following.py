"""How far exports, archives and restores are, and what is left when nobody waits any more."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from PIL import Image

from tests.transfer.held import held_up, waiting
from workbench import Workspace, progress
from workbench.entities.world import World
from workbench.transfer import archive_file, export_file, export_folder
from workbench.transfer.report import Progress

ROWS = 6_000  # more than are written to a text file at once

Write = Callable[..., Awaitable[Any]]


@pytest.fixture
async def elsinore(wb: Workspace, sql: asyncpg.Connection) -> World:
    world = await wb.worlds.add(name="Elsinore")
    for shade in (1, 2):
        out = io.BytesIO()
        Image.new("L", (3, 2), shade).save(out, "PNG")
        await wb.images.add(worldid=world.id, name=f"Ghost {shade}", content=out.getvalue())
    await sql.execute(
        "INSERT INTO persona (worldid, name) "
        f"SELECT $1, 'Persona ' || n FROM generate_series(1, {ROWS}) AS n",
        world.id,
    )
    await sql.execute("ANALYZE persona")
    return world


@pytest.fixture
async def held(sql: asyncpg.Connection) -> AsyncIterator[None]:
    """Nobody can read relations, which come after personae, for now."""
    async with sql.transaction():
        await sql.execute("LOCK TABLE persona_relation IN ACCESS EXCLUSIVE MODE")
        yield


def ends(steps: list[Progress], stage: str) -> dict[str, int]:
    """Return how many rows of each table there were in the end, of as many as were said."""
    assert all(step.done <= step.total for step in steps if step.stage == stage)
    found = {step.table: step.done for step in steps if step.stage == stage}
    assert found == {step.table: step.total for step in steps if step.stage == stage}
    return found


@pytest.mark.parametrize("format", ["csv", "xlsx", "parquet"])
async def test_an_export_can_be_followed_step_by_step(
    wb: Workspace, elsinore: World, tmp_path: Path, format: str
) -> None:
    exporting = wb.exporting(tmp_path / "out", world=elsinore, format=format)
    steps = [step async for step in exporting]
    assert exporting.report is not None
    assert ends(steps, "write") == {"pictures": 2, **exporting.report.tables}
    assert exporting.report.tables["personas"] == ROWS
    assert {step.stage for step in steps} == {"write"}


async def test_an_archive_and_its_restoring_can_be_followed_step_by_step(
    wb: Workspace, elsinore: World, tmp_path: Path
) -> None:
    archiving = wb.archiving(elsinore, tmp_path / "elsinore.zip", history=True)
    written = ends([step async for step in archiving], "write")
    assert archiving.report is not None
    tables = archiving.report.tables
    assert {name: rows for name, rows in written.items() if name in tables} == tables
    assert written["pictures"] == 2
    assert written["history/changes"] == archiving.report.changes

    restoring = wb.restoring(tmp_path / "elsinore.zip", merge=True)
    steps = [step async for step in restoring]
    some = {name: rows for name, rows in tables.items() if rows}
    assert ends(steps, "unpack") == {"pictures": 2, **some}
    stages = list(dict.fromkeys(step.stage for step in steps))
    assert stages == ["unpack", "check", "send", "plan", "write"]
    assert restoring.report is not None
    assert restoring.report.tables["personas"].unchanged == ROWS


async def test_rows_and_frames_that_are_written_tell_their_steps(
    wb: Workspace, elsinore: World, tmp_path: Path
) -> None:
    steps: list[Progress] = []
    await wb.personas.export(tmp_path / "p.csv", name="Persona 7", progress=steps.append)
    assert ends(steps, "write") == {"personas": 1}
    frame = await wb.personas.frame(columns=["name"])
    steps.clear()
    await wb.write(frame, tmp_path / "f.csv", progress=steps.append)
    assert ends(steps, "write") == {"f.csv": ROWS}


async def test_a_notebook_and_a_terminal_show_an_export(
    wb: Workspace, elsinore: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    class Cell:
        def update(self, what: dict[str, str], *, raw: bool) -> None:
            shown.append(what["text/plain"])

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with monkeypatch.context() as notebook:
        notebook.setattr(progress, "_in_notebook", lambda: True)
        notebook.setattr("IPython.display.display", lambda *_, **__: Cell())
        await wb.export(tmp_path / "out", world=elsinore, progress=True)
        assert any(text.startswith("write personas: 6,000 of 6,000 rows") for text in shown)
        await wb.archive(elsinore, tmp_path / "elsinore.zip", progress=True)
        shown.clear()
        await wb.restore(tmp_path / "elsinore.zip", merge=True, dry_run=True, progress=True)
        assert any(text.startswith("unpack personas: 6,000 of 6,000 rows") for text in shown)
        assert any(text.startswith("send personas: 6,000 of 6,000 rows") for text in shown)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    await wb.export(tmp_path / "again", world=elsinore, progress=True)
    assert "write " in terminal.getvalue()


async def test_what_a_watcher_raises_ends_an_export(
    wb: Workspace, elsinore: World, tmp_path: Path
) -> None:
    def watch(step: Progress) -> None:
        raise ZeroDivisionError(step.table)

    with pytest.raises(ZeroDivisionError):
        await wb.export(tmp_path / "out", world=elsinore, progress=watch)


def writings(wb: Workspace, world: World, folder: Path) -> list[Callable[[], Awaitable[Any]]]:
    return [
        lambda: wb.export(folder / "out", world=world),
        lambda: wb.export(folder / "out", world=world, format="xlsx"),
        lambda: wb.archive(world, folder / "elsinore.zip", history=True),
        lambda: wb.persona_relations.export(folder / "relations.csv"),
        lambda: wb.bible(world, folder / "elsinore.html"),
    ]


@pytest.mark.parametrize("number", range(5))
async def test_cancelling_leaves_no_file_though_the_database_does_not_answer(
    wb: Workspace, elsinore: World, sql: asyncpg.Connection, held: None, tmp_path: Path, number: int
) -> None:
    under_way = asyncio.ensure_future(writings(wb, elsinore, tmp_path)[number]())
    await held_up(sql, under_way.done)
    assert number == 3 or os.listdir(tmp_path)
    under_way.cancel()
    with pytest.raises(asyncio.CancelledError):
        await under_way
    assert os.listdir(tmp_path) == []
    assert await waiting(sql) is None


@pytest.mark.parametrize("number", range(5))
async def test_cancelling_at_the_last_moment_leaves_no_file(
    wb: Workspace, elsinore: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    reached, cancelled = threading.Event(), threading.Event()

    def sync(path: Path) -> None:
        reached.set()
        assert cancelled.wait(30)

    monkeypatch.setattr(export_file, "sync", sync)
    monkeypatch.setattr(export_folder, "sync", sync)
    under_way = asyncio.ensure_future(writings(wb, elsinore, tmp_path)[number]())
    assert await asyncio.to_thread(reached.wait, 30)
    under_way.cancel()
    for _ in range(10):  # turns of the loop, until everybody knows
        await asyncio.sleep(0)
    assert not under_way.done()
    cancelled.set()
    with pytest.raises(asyncio.CancelledError):
        await under_way
    assert os.listdir(tmp_path) == []


async def test_a_frame_that_is_cancelled_leaves_no_file(
    wb: Workspace, elsinore: World, tmp_path: Path
) -> None:
    frame = await wb.personas.frame()
    steps = asyncio.Queue[Progress]()
    writing = asyncio.create_task(
        wb.write(frame, tmp_path / "frame.xlsx", progress=steps.put_nowait)
    )
    await steps.get()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("stage", ["unpack", "send"])
async def test_a_restoring_that_is_cancelled_leaves_nothing(
    wb: Workspace,
    elsinore: World,
    superuser: asyncpg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    await wb.archive(elsinore, tmp_path / "elsinore.zip")
    await wb.worlds.update(elsinore, name="Kronborg")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(archive_file, "_CHUNK_BYTES", 100)

    def watch(step: Progress) -> None:
        if step.stage == stage:
            restoring.cancel()

    restoring = asyncio.create_task(wb.restore(tmp_path / "elsinore.zip", progress=watch))
    with pytest.raises(asyncio.CancelledError):
        await restoring
    assert os.listdir(tmp_path / "temporary") == []
    assert await superuser.fetchval("SELECT count(*) FROM world") == 1
    staged = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname ~ '^load_'"
    assert await superuser.fetchval(staged) == 0
    monkeypatch.undo()
    (await wb.restore(tmp_path / "elsinore.zip")).raise_for_problems()


async def test_the_connection_serves_after_an_export_was_cancelled(
    wb: Workspace, elsinore: World, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    async with sql.transaction():
        await sql.execute("LOCK TABLE persona_relation IN ACCESS EXCLUSIVE MODE")
        under_way = asyncio.create_task(wb.export(tmp_path / "out", world=elsinore))
        await held_up(sql, under_way.done)
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
    assert len(await wb.personas.frame()) == ROWS
    report = await wb.export(tmp_path / "out", world=elsinore)
    assert report.tables["personas"] == ROWS
