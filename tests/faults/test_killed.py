"""Whoever dies in the midst of an import, none of it is there, or all of it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.conftest import PERSONAS, Standing, until
from workbench.errors import StoreUnavailable
from workbench.workspace import Workspace

TIMES = 10  # each of the two
AT_WORK = "backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()"

# Loads what takes long once; each import is a process of its own, by fork, that can be killed.
IMPORTER = """
import asyncio, os, sys, uuid
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.transfer.load import load
import pyarrow.csv, pyarrow.compute
pyarrow.set_cpu_count(1)
url, user, path = sys.argv[1:]

async def work(world):
    database = Database(Address.parse(url), userid=uuid.UUID(user))
    report = await load(database, path, world=world)
    await database.close()
    report.raise_for_problems()

for line in sys.stdin:
    child = os.fork()
    if not child:
        try:
            asyncio.run(work(line.strip()))
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
async def worlds(frail: Workspace, request: pytest.FixtureRequest) -> list[str]:
    """Names of worlds without anything in them, one for each attempt and one for the clock."""
    names = [f"{request.node.name} {number}" for number in range(TIMES + 1)]
    await frail.worlds.add_many([{"name": name} for name in names])
    return names


async def personas(standing: Standing, world: str) -> object:
    return await standing.ask(
        "SELECT count(*) FROM persona WHERE worldid = (SELECT id FROM world WHERE name = $1)",
        world,
    )


async def nobody_imports(standing: Standing) -> None:
    """Wait until the server has noticed that nobody is there any more."""
    await until(lambda: standing.ask(f"SELECT count(*) = 0 FROM pg_stat_activity WHERE {AT_WORK}"))


async def nothing_is_left(standing: Standing) -> None:
    assert await standing.ask("SELECT count(*) FROM pg_class WHERE relname ~ '^(load|plan)_'") == 0
    assert await standing.ask("SELECT count(*) FROM pg_prepared_xacts") == 0
    unknown = "SELECT count(*) FROM history.change c LEFT JOIN history.changeset s ON s.id = c.changesetid"
    assert await standing.ask(f"{unknown} WHERE s.id IS NULL") == 0


@pytest.mark.skipif(sys.platform == "win32", reason="processes do not fork there")
async def test_an_importer_that_is_killed_at_any_moment_leaves_all_or_nothing(
    standing: Standing, frail: Workspace, worlds: list[str], many: Path
) -> None:
    chance = random.Random(1897)
    importer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IMPORTER, standing.url, str(standing.user), str(many),
        stdin=PIPE, stdout=PIPE,
    )  # fmt: skip
    assert importer.stdin is not None
    assert importer.stdout is not None

    async def begin(world: str) -> int:
        importer.stdin.write(f"{world}\n".encode())
        return int(await importer.stdout.readline())

    async def end() -> int:
        return int(await importer.stdout.readline())

    await begin(worlds[0])
    start = time.monotonic()
    assert await end() == 0
    took = time.monotonic() - start
    whole = await personas(standing, worlds[0])
    assert whole == PERSONAS
    killed = 0
    for world in worlds[1:]:
        pid = await begin(world)
        await asyncio.sleep(chance.uniform(0, took))  # the moment of the kill
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        killed += await end() == -signal.SIGKILL
        await nobody_imports(standing)
        assert await personas(standing, world) in (0, whole)
    importer.stdin.close()
    assert await importer.wait() == 0
    assert killed > TIMES // 2
    await nothing_is_left(standing)
    again = await frail.load(many, world=worlds[1])
    assert not again.problems
    assert await personas(standing, worlds[1]) == whole


async def test_a_server_that_is_killed_at_any_moment_has_all_or_nothing(
    standing: Standing, frail: Workspace, worlds: list[str], many: Path
) -> None:
    chance = random.Random(1818)
    start = time.monotonic()
    await frail.load(many, world=worlds[0])
    took = time.monotonic() - start
    whole = await personas(standing, worlds[0])
    failed = 0
    for world in worlds[1:]:
        work = asyncio.create_task(frail.load(many, world=world))
        await asyncio.sleep(chance.uniform(0, took))  # the moment of the kill
        standing.kill()
        [said] = await asyncio.gather(work, return_exceptions=True)
        await standing.rise()
        kept = await personas(standing, world)
        if isinstance(said, BaseException):
            assert isinstance(said, StoreUnavailable), said
            failed += 1
            assert kept in (0, whole)  # the answer to a commit may be lost on its way
        else:
            assert kept == whole
    assert failed > 1
    await nothing_is_left(standing)
    assert not (await frail.load(many, world=worlds[1])).problems
    assert await personas(standing, worlds[1]) == whole
