"""The server is started again while people work: nothing that was told as saved is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import asyncpg

from tests.faults.conftest import Standing, until
from workbench.errors import Conflict, StoreUnavailable
from workbench.workspace import Workspace

EDITORS = 5
SAVES = 15  # by each editor, after the last restart
RESTARTS = 2
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'persona'::regclass"


async def restart(standing: Standing) -> None:
    """Restart the server as its administrators do: sessions are ended, not waited for."""
    os.kill(standing.embedded.pid, signal.SIGINT)
    await standing.rise()


async def test_editors_who_save_during_restarts_lose_nothing(
    standing: Standing, frail: Workspace
) -> None:
    world = await frail.worlds.add(name="Restarted")
    saved: dict[str, str] = {}
    refused: list[BaseException] = []
    up = asyncio.Event()

    async def edit(number: int) -> None:
        one = await frail.personas.add(name=f"Editor {number}", worldid=world.id)
        times = left = 0
        while left < SAVES:
            times += 1
            left += up.is_set()
            word = f"save {times}"
            try:
                one = await frail.personas.update(one, kind=word)
                saved[one.name] = word
            except (StoreUnavailable, Conflict) as error:
                refused.append(error)
                assert not up.is_set(), "the server is up, and yet a save failed"
                await asyncio.sleep(0.05)  # as a person who tries again

    editors = [asyncio.create_task(edit(number)) for number in range(EDITORS)]
    for _ in range(RESTARTS):
        saved.clear()
        await until(lambda: len(saved) == EDITORS)
        await restart(standing)
    await frail.worlds.count()
    up.set()
    await asyncio.gather(*editors)
    kept = {one.name: one.kind for one in await frail.personas.find(worldid=world.id)}
    assert kept == saved


async def test_an_import_during_a_restart_is_refused_whole_and_succeeds_afterwards(
    standing: Standing, frail: Workspace, many: Path
) -> None:
    await frail.worlds.add(name="Interrupted")
    holding = await asyncpg.connect(standing.embedded.administrator_url)
    await holding.execute("BEGIN; LOCK TABLE persona IN SHARE MODE")  # the import waits for it
    work = asyncio.create_task(frail.load(many, world="Interrupted"))
    async with asyncio.timeout(60):
        while not await holding.fetchval(WAITING):
            assert not work.done(), work
            await asyncio.sleep(0.01)
    await restart(standing)
    [said] = await asyncio.gather(work, return_exceptions=True)
    assert isinstance(said, StoreUnavailable), said
    assert await frail.personas.count(world="Interrupted") == 0
    report = await frail.load(many, world="Interrupted")
    assert report.written, report
    assert await frail.personas.count(world="Interrupted") == report.tables["personas"].inserted
    await holding.close()
