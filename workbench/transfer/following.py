"""A transfer that is watched step by step, and ends when nobody watches any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from workbench.transfer.report import Progress, Watcher

T = TypeVar("T")


class Following(Generic[T]):
    """An import, an export or the like, for `async for`: how far it is, and then its report.

    It begins with the loop. Leaving the loop early undoes all of it, as cancelling does.

    Attributes
    ----------
    report
        None until it has ended.
    """

    def __init__(self, begin: Callable[[Watcher], Awaitable[T]]) -> None:
        self._begin = begin
        self.report: T | None = None

    async def __aiter__(self) -> AsyncIterator[Progress]:
        steps: asyncio.Queue[Progress | None] = asyncio.Queue()

        async def work() -> T:
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
