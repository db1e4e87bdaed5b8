"""Work of widgets runs where the widget was made."""

from __future__ import annotations

import asyncio

from workbench.widgets.tasks import TaskSet


async def test_work_started_on_another_threads_loop_runs_at_home():
    ran_on: list[asyncio.AbstractEventLoop] = []
    done = asyncio.Event()

    async def work() -> None:
        ran_on.append(asyncio.get_running_loop())
        done.set()

    tasks = TaskSet()

    async def a_subshell() -> None:
        tasks.start(work())

    await asyncio.to_thread(asyncio.run, a_subshell())
    async with asyncio.timeout(10):
        await done.wait()
    assert ran_on == [asyncio.get_running_loop()]
