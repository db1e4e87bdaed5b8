"""The page of one record: its form, the records before and after it, and what is related."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import ipywidgets

from workbench.dashboard.listing import Within
from workbench.dashboard.record_past import RecordPast
from workbench.dashboard.records import Portrait
from workbench.dashboard.related import RelatedRows
from workbench.dashboard.standing import reading_note
from workbench.dashboard.state import STORY_ENTITIES, Place
from workbench.dashboard.world import Go
from workbench.editing import RepositorySource
from workbench.errors import NotFound
from workbench.store.related import relations
from workbench.widgets.content import Content, Element, element, link
from workbench.widgets.dialog import Messages
from workbench.widgets.form import RecordForm
from workbench.widgets.panel import Panel
from workbench.widgets.source import Choice, Question, Row
from workbench.widgets.tasks import TaskSet

__all__ = ["RecordPage", "record_page"]


async def record_page(within: Within, place: Place, go: Go, among: Question) -> list[Any]:
    """Return the widgets of the page; NotFound if the world has no such record.

    Parameters
    ----------
    among
        What the list that the reader came from showed, and in which order.
    """
    made = RecordPage(within, place, go)
    await made.load(place, among)
    return [made]


class RecordPage(Panel):
    """A record with what is related to it; `load` shows another one of the same entity."""

    def __init__(self, within: Within, place: Place, go: Go) -> None:
        assert place.entity is not None
        self.within, self.place = within, place
        collection = within.wb.collection(place.entity)
        self.entity = collection.entity
        self.source = RepositorySource(collection, within.world.id, role=within.standing.role)
        self.form = RecordForm(self.source, noun=self.entity.name, writing=self.source.writing)
        self.form.on_open = go
        self.messages = Messages()
        self.tasks = TaskSet()
        self.label = ""
        self._coming, self._among = place, Question()
        self._beside: list[Choice | None] = []
        self.head = Content(on_action=go)
        self.portrait = Portrait(within.wb, self.form)
        self.related = [RelatedRows(within, go, one) for one in relations(self.entity.name)]
        self.past = RecordPast(within, self.source, self._reverted)
        past = Panel([Content(element("h2", "Changes")), self.past.content], "wb-past")
        beside = ipywidgets.VBox([*self.related, past])
        beside.add_class("wb-beside")
        columns = ipywidgets.GridBox([self.form, beside])
        columns.add_class("wb-columns")
        self.form.model.observe(self._stored, "stored")
        self.form.observe(self._saved, "saved")
        super().__init__([self.head, columns, self.messages], "wb-record")

    def shows(self, place: Place, within: Within) -> bool:
        """Return whether the record at `place` can be shown in the place of this one."""
        alike = (place.world, place.entity) == (self.place.world, self.place.entity)
        return alike and within.standing == self.within.standing

    async def load(self, place: Place, among: Question) -> None:
        """Show the record at `place`."""
        assert place.record is not None
        self._coming = place
        row = await self.source.row(place.record)
        if row["worldid"] != str(place.world):
            raise NotFound(self.entity.name, place.record)
        beside = await self.source.beside(place.record, among)
        if self._coming != place:  # the reader went on meanwhile
            return
        self.place, self._among, self._beside = place, among, beside
        self.form.load(row)
        self._show_head(row)
        await self._load_beside()

    async def refresh(self) -> None:
        """Show everything as it is stored now; what is typed and not saved stays."""
        await self.form.refresh()
        await self._load_beside()

    async def take_in_related(self, changed: Collection[str | None]) -> None:
        """Show what is beside the form anew, where entities were changed; None is any."""
        assert self.place.record is not None
        for one in self.related:
            listed = one.relation.entity
            shown = {None, one.relation.stored.name, listed.name, *listed.references.values()}
            if shown & set(changed):
                await one.load(self.place.record)
        if {None, self.entity.name} & set(changed):
            await self.past.of(self.place.record)

    async def _load_beside(self) -> None:
        assert self.place.record is not None
        for one in self.related:
            await one.load(self.place.record)
        await self.past.of(self.place.record)

    async def _reverted(self) -> None:
        """Show what was reverted; what is typed stays, upon the row as it is now."""
        assert self.place.record is not None
        row = await self.source.row(self.place.record)
        if row["id"] == self.form.model.stored.get("id"):
            self.form.model.merge(row)
        await self.refresh()

    def _stored(self, change: dict[str, Any]) -> None:
        if change["new"].get("id") == str(self.place.record):
            self._show_head(change["new"])

    def _saved(self, change: dict[str, Any]) -> None:
        if self.place.record is not None:
            self.tasks.start(self.past.of(self.place.record))

    def _show_head(self, row: Row) -> None:
        self.label = str(row["display_name"] or row["name"])
        self.form.heading.layout.display = "none" if self.label == row["name"] else None
        every = Place(self.place.world, self.place.entity)
        before, after = self._beside
        self.head.show(
            element(
                "nav",
                link(f"All {self.entity.plural}", str(every), kind="wb-button wb-small"),
                self._step("Previous", before),
                self._step("Next", after),
                kind="wb-steps-beside",
                aria_label=f"Other {self.entity.plural}",
            ),
            element("h1", self.label, data_focus="true"),
            element("p", *self._above(row), kind="wb-above"),
            reading_note(self.within.standing),
        )

    def _step(self, words: str, to: Choice | None) -> Element:
        """Describe the link to the record before or after; without one, its place is kept."""
        if to is None:
            return element("span", words, kind="wb-button wb-small wb-off", aria_disabled="true")
        place = Place(self.place.world, self.place.entity, UUID(to.value))
        said = f"{words}: {to.label}"
        return link(words, str(place), kind="wb-button wb-small", aria_label=said, title=said)

    def _above(self, row: Row) -> list[Element]:
        """Describe what the record refers to, with links to what can be opened."""
        found = []
        for column in self.source.columns:
            value, entity = row.get(column.field), column.reference
            if value is None or entity not in STORY_ENTITIES:
                continue
            label = str(row.get(f"{column.field}__label") or "")
            place = str(Place(self.place.world, entity, UUID(value)))
            trashed = row.get(f"{column.field}__trashed")
            shown = element("span", f"{label} (in the trash)") if trashed else link(label, place)
            found.append(element("span", element("span", f"{column.title}: "), shown))
        return found
