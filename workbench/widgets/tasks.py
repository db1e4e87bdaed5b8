"""Work that a callback starts: kept until it ends, and never failing unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

_log = logging.getLogger(__name__)


class TaskSet:
    """Runs coroutines on the loop on which it was made, and holds on to them.

    JupyterLab 4.4 and later hands the messages of widgets to a thread of their own with a loop
    of its own (a subshell). Database connections belong to the loop of the cell that made the
    widget; used from another one they break, up to a crash of the kernel. So the work goes home.

    asyncio keeps only weak references to tasks: one that nobody holds may vanish half done.
    `on_failure` is called with whatever a task raises; without it, failures go to the log.
    """

    def __init__(self, on_failure: Callable[[Exception], None] | None = None) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_failure = on_failure
        self._home = _running_loop()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any] | None:
        """Run `work` soon, and return its task; None on another thread than its own."""
        here = _running_loop()
        if self._home is None:
            self._home = here
        if self._home is None or self._home is here:
            return self._begin(work)
        self._home.call_soon_threadsafe(self._begin, work)
        return None

    def _begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if self._on_failure is not None and isinstance(error, Exception):
            self._on_failure(error)
        else:
            _log.error("A widget's task failed.", exc_info=error)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
