"""An import that is watched step by step, and ends when nobody watches any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from workbench.transfer.report import LoadReport, Progress, Watcher


class Loading:
    """An import under way, for `async for`: gives how far it is, and then has its report.

    It begins with the loop. Leaving the loop early undoes all of it, as cancelling does.

    Attributes
    ----------
    report
        None until the import has ended.
    """

    def __init__(self, begin: Callable[[Watcher], Awaitable[LoadReport]]) -> None:
        self._begin = begin
        self.report: LoadReport | None = None

    async def __aiter__(self) -> AsyncIterator[Progress]:
        steps: asyncio.Queue[Progress | None] = asyncio.Queue()

        async def work() -> LoadReport:
            try:
                return await self._begin(steps.put_nowait)
            finally:
                steps.put_nowait(None)

        task = asyncio.create_task(work())
        try:
            while (step := await steps.get()) is not None:
                yield step
            self.report = await task
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
