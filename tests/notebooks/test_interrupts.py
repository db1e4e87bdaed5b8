"""A cell that is interrupted while it waits: what it began is undone, and the kernel goes on."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager, start_new_async_kernel

from tests.transfer.held import held_up

ROWS = 100_000
UNDER_WAY = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND state <> 'idle'"
)
STAGED = (
    "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname ~ '^(load|plan|twice)_'"
)
BEGIN = """
import threading, workbench
wb = await workbench.connect()
await wb.worlds.add(name="Elsinore")

def watch(step):
    if step.done and step.stage not in told:
        told.add(step.stage)
        print("at", step.stage, step.table, flush=True)
"""
IMPORT = "told = set(); await wb.load('personas.csv', world='Elsinore', progress=watch)"
AGAIN = """
report = await wb.load("few/personas.csv", world="Elsinore")
print(report.written, await wb.personas.count(), flush=True)
print([t.name for t in threading.enumerate() if t.name.startswith("workbench-import")])
"""


@dataclass
class Kernel:
    """A kernel, and what its cells say."""

    manager: AsyncKernelManager
    client: AsyncKernelClient

    def begin(self, code: str) -> str:
        """Run a cell; return by what it is known."""
        return str(self.client.execute(code, stop_on_error=False))

    async def ended(self, asked: str) -> tuple[str, str]:
        """Return what a cell has printed in all, and the name of its error."""
        return await self.said(asked, None)

    async def said(self, asked: str, words: str | None) -> tuple[str, str]:
        """Return what a cell has printed until it says `words`, or ends."""
        text = error = ""
        while words is None or words not in text:
            message = await self.client.get_iopub_msg(timeout=120)
            if message["parent_header"].get("msg_id") != asked:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                text += content["text"]
            elif message["msg_type"] == "error":
                error = content["ename"]
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                assert words is None, f"the cell ended: {text} {error}"
                return text, error
        return text, error


@pytest.fixture
async def kernel(database_url: str, tmp_path: Path) -> AsyncIterator[Kernel]:
    variables = {n: value for n, value in os.environ.items() if not n.startswith("WORKBENCH_")}
    variables |= {"WORKBENCH_DATABASE_URL": database_url, "WORKBENCH_USER": "tester@localhost"}
    manager, client = await start_new_async_kernel(
        kernel_name="python3", env=variables, cwd=str(tmp_path)
    )
    yield Kernel(manager, client)
    client.stop_channels()
    await manager.shutdown_kernel(now=True)


async def nothing_is_left(superuser: asyncpg.Connection) -> None:
    async with asyncio.timeout(60):
        while True:
            if not await superuser.fetchval(UNDER_WAY):
                break
            await asyncio.sleep(0.02)
    assert await superuser.fetchval(STAGED) == 0
    assert await superuser.fetchval("SELECT count(*) FROM persona") == 0
    entries = "SELECT count(*) FROM history.change WHERE entity = 'persona'"
    assert await superuser.fetchval(entries) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="kernels are interrupted otherwise there")
async def test_an_import_that_is_interrupted_in_a_notebook_leaves_nothing(
    kernel: Kernel, sql: asyncpg.Connection, superuser: asyncpg.Connection, tmp_path: Path
) -> None:
    names = "".join(f"Persona {number}\n" for number in range(ROWS))
    (tmp_path / "personas.csv").write_text(f"name\n{names}")
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "personas.csv").write_text("name\nHamlet\nOphelia\n")
    assert await kernel.ended(kernel.begin(BEGIN)) == ("", "")

    asked = kernel.begin(IMPORT)  # while rows are sent
    await kernel.said(asked, "at send personas")
    await kernel.manager.interrupt_kernel()
    assert (await kernel.ended(asked))[1] == "CancelledError"
    await nothing_is_left(superuser)

    async with sql.transaction():  # while one statement writes, for as long as it may
        await sql.execute("LOCK TABLE persona IN SHARE MODE")
        asked = kernel.begin(IMPORT.replace("personas.csv", "few/personas.csv"))
        await held_up(sql, lambda: False)
        await kernel.manager.interrupt_kernel()
        async with asyncio.timeout(20):  # a loop that nothing wakes takes half a minute
            assert (await kernel.ended(asked))[1] == "CancelledError"
    await nothing_is_left(superuser)

    assert await kernel.ended(kernel.begin(AGAIN)) == ("True 2\n[]\n", "")
    assert await superuser.fetchval(STAGED) == 0
