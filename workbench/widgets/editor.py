"""A grid with a form beside it: choose a row in one, edit it in either."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import ipywidgets

from workbench.widgets.dialog import Messages
from workbench.widgets.form import RecordForm, Who
from workbench.widgets.grid import Grid
from workbench.widgets.panel import Panel
from workbench.widgets.prose import Writing
from workbench.widgets.source import Source
from workbench.widgets.tasks import TaskSet

__all__ = ["Editor"]


class Editor(Panel):
    """`grid`, `form` and `messages` are its parts; each can be used on."""

    def __init__(
        self,
        source: Source,
        *,
        noun: str = "row",
        plural: str = "rows",
        writing: Writing | None = None,
        **traits: object,
    ) -> None:
        self.tasks = TaskSet()
        self.grid = Grid(source, noun=noun, plural=plural, **traits)
        self.form = RecordForm(source, noun=noun, writing=writing)
        self.messages = Messages()
        self._asking = False
        self.grid.observe(self._chosen, "active")
        self.grid.observe(self._saved_in_grid, "changed")
        self.grid.observe(self._removed, "removed")
        self.form.observe(self._saved_in_form, "saved")
        parts = ipywidgets.HBox([self.grid, self.form])
        parts.add_class("wb-editor-parts")
        super().__init__([parts, self.messages], "wb-editor")

    async def refresh(self) -> None:
        """Show the rows as they are stored now; what is typed and not saved stays."""
        self.grid.refresh()
        await self.form.refresh()

    async def changed_elsewhere(self, ids: Collection[str] | None, who: Who | None = None) -> None:
        """Show what others did to rows, and move nothing that is looked at or typed.

        Parameters
        ----------
        ids
            None for any rows, and those that came or went.
        """
        await self.grid.tasks.settled()  # what is being saved here is nobody else's
        if ids is None:
            self.grid.refresh()
        else:
            await self.grid.changed_elsewhere(ids)
        await self.form.changed_elsewhere(ids, who)

    async def choose(self, id: str) -> None:
        """Load the row into the form; asks first if something there is not saved."""
        await self.form.tasks.settled()  # a save under way may yet make the form clean
        model = self.form.model
        row = self.grid.row(id)
        if row is None or model.stored.get("id") == id or self._asking:
            return
        if model.dirty and not await self._may_leave():
            return
        self.form.load(row)

    async def _may_leave(self) -> bool:
        self._asking = True
        try:
            return await self.messages.confirm(
                "Leave unsaved changes?",
                f"{self.form.heading.value} has changes that are not saved.",
                agree="Discard them",
                refuse="Stay",
                danger=True,
            )
        finally:
            self._asking = False

    def _chosen(self, change: dict[str, Any]) -> None:
        self.tasks.start(self.choose(change["new"]))

    def _saved_in_grid(self, change: dict[str, Any]) -> None:
        if change["new"].get("id") == self.form.model.stored.get("id"):
            self.form.model.merge(change["new"])

    def _saved_in_form(self, change: dict[str, Any]) -> None:
        self.grid.show(change["new"])

    def _removed(self, change: dict[str, Any]) -> None:
        if self.form.model.stored.get("id") in change["new"]:
            self.form.load(None)
