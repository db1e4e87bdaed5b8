"""Work in a thread, which ends when the call that waits for it is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import TypeVar

__all__ = ["in_thread", "still_wanted"]

T = TypeVar("T")

_AGAIN_SECONDS = 0.1
_GIVEN_UP: ContextVar[threading.Event | None] = ContextVar("given_up", default=None)


class _GivenUp(Exception):
    """Ends work that nobody waits for any more; nobody sees it."""


def still_wanted() -> None:
    """End the work in this thread here, if the call that waited for it was cancelled."""
    given_up = _GIVEN_UP.get()
    if given_up is not None and given_up.is_set():
        raise _GivenUp


async def in_thread(work: Callable[[], T], stop: Callable[[], None] | None = None) -> T:
    """Return `work()`, run in a thread.

    Cancelling waits until the work has ended: at its next `still_wanted()`, or at its end. So
    what it has begun to write is gone then. Cancelling once more does not wait.

    Parameters
    ----------
    stop
        Called now and then until a work that was cancelled has ended: what it waits for may be
        hurried along.
    """
    given_up = threading.Event()
    context = copy_context()
    context.run(_GIVEN_UP.set, given_up)

    def whole() -> T:
        still_wanted()
        result = work()
        still_wanted()
        return result

    running = asyncio.get_running_loop().run_in_executor(None, context.run, whole)
    running.add_done_callback(_heard)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        given_up.set()
        while not running.done():
            if stop is not None:
                stop()
            await asyncio.wait({running}, timeout=_AGAIN_SECONDS)
        raise


def _heard(running: asyncio.Future[T]) -> None:
    """Look at what became of a work that perhaps nobody waits for any more."""
    if not running.cancelled():
        running.exception()
