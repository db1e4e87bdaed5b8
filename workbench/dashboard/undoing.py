"""Undo and redo of what one's own pages did, step by step, across pages and worlds."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

from workbench.dashboard.changed import summary
from workbench.history import changes as history
from workbench.history.undo import told, undo
from workbench.workspace import Workspace

_LOOKED_AT = 20
SOURCE = "dashboard"
"""What the source of every change of a page begins with."""


class Undoing:
    """Walks back and forth through what the acting user changed in pages since a moment.

    What was done in a notebook, by an import or by somebody else is never undone so; the page of
    the history does that.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._database = workspace.database
        self._since: datetime | None = None
        self._done: set[UUID] = set()  # what was undone, and its undoing
        self._again: set[UUID] = set()  # what was done again: it can be undone once more
        self._undone: list[tuple[UUID, str]] = []
        self._turn = asyncio.Lock()  # keys are pressed faster than a step is taken

    async def begin(self) -> None:
        """Leave alone what was changed before."""
        self._since = self._since or await history.clock(self._database)

    async def undo(self) -> str:
        """Undo the last change that is not undone yet; return what was undone."""
        async with self._turn:
            return await self._back()

    async def redo(self) -> str:
        """Do again what was undone last, unless something else was changed since."""
        async with self._turn:
            return await self._forth()

    async def _back(self) -> str:
        last = next((one for one in await self._mine() if one["changeset"] not in self._done), None)
        if last is None:
            return "There is nothing of yours to undo since this page was opened."
        what = last["reason"] or summary(last)
        undone = await undo(self._database, last["changeset"])
        self._done.add(last["changeset"])
        if undone.changeset is not None:
            self._done.add(undone.changeset)
            self._undone.append((undone.changeset, what))
        return f"Undone ({what}). {' '.join(told(undone))}"

    async def _forth(self) -> str:
        if not self._undone or await self._is_stale(self._undone[-1][0]):
            self._undone.clear()
            return "There is nothing to do again."
        key, what = self._undone.pop()
        done = await undo(self._database, key, reason=what)
        if done.changeset is not None:
            self._again.add(done.changeset)
        return f"Done again ({what}). {' '.join(told(done))}"

    async def _is_stale(self, key: UUID) -> bool:
        for one in await self._mine():
            if one["changeset"] == key:
                return False
            if one["changeset"] not in self._done | self._again:
                return True
        return True

    async def _mine(self) -> list[dict[str, Any]]:
        """Return what the user changed in pages, the latest first."""
        which = history.Which(by=self._database.userid, since=self._since)
        count = _LOOKED_AT + len(self._done) + len(self._again)
        found = await history.changesets(self._database, which=which, limit=count)
        return [one for one in found if (one["source"] or "").startswith(SOURCE)]
