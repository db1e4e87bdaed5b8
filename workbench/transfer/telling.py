"""How far a thread is that writes or unpacks, told where the call was made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from time import monotonic

import pyarrow as pa

from workbench.database.threads import still_wanted
from workbench.transfer.export_columns import parts
from workbench.transfer.report import Paced, Progress, Watcher

__all__ = ["Telling"]

_EACH_SECONDS = 0.1


class Telling:
    """Takes steps from a thread, and gives them to a watcher in the thread of the loop.

    With each step the thread learns whether it is to go on. Not every step is told, but the
    first and the last one of a table are.
    """

    def __init__(self, watch: Watcher | None) -> None:
        self.watched = watch is not None
        self._watch = Paced(watch) if watch else None
        self._loop = asyncio.get_running_loop()
        self._failed: Exception | None = None
        self._told = (("", ""), 0.0)

    def __call__(self, stage: str, table: str, done: int, total: int) -> None:
        """Tell a step; raise what the watcher raised at an earlier one."""
        still_wanted()
        self.check()
        if self._watch is None:
            return
        now, (last, at) = monotonic(), self._told
        if last == (stage, table) and done != total and now - at < _EACH_SECONDS:
            return
        self._told = (stage, table), now
        self._loop.call_soon_threadsafe(self._pass_on, Progress(stage, table, done, total))

    def rows(
        self, table: str, total: int, batches: Iterable[pa.RecordBatch], *, whole: bool
    ) -> Iterator[pa.RecordBatch]:
        """Give `batches` on to what writes them, and tell how many rows are written.

        Parameters
        ----------
        whole
            Whether batches stay as large as they come; else there are more steps.
        """
        done = 0
        self("write", table, 0, total)
        for batch in batches if whole else parts(batches):
            yield batch
            done += batch.num_rows
            self("write", table, done, total)

    def check(self) -> None:
        """Raise what the watcher raised."""
        if self._failed is not None:
            raise self._failed

    def _pass_on(self, step: Progress) -> None:
        assert self._watch is not None
        try:
            self._watch(step)
        except Exception as error:
            self._failed = error
