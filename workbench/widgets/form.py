"""A form over one row: fields by section, Save and Revert, problems beside their fields."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any, TypeAlias

import ipywidgets
import traitlets

from workbench.widgets.content import Content, Element, element
from workbench.widgets.entry import as_text, in_words
from workbench.widgets.fields import Field
from workbench.widgets.form_model import FormModel
from workbench.widgets.panel import Panel
from workbench.widgets.prose import Writing
from workbench.widgets.source import Column, Source
from workbench.widgets.tasks import TaskSet

__all__ = ["RecordForm", "Who"]

Who: TypeAlias = Callable[[str], Awaitable[str]]
"""Tells of the id of a row who changed it last."""


class RecordForm(Panel):
    """Shows and edits one row of a source; `model` holds its state, `saved` the last stored row.

    `writing` knows what its texts may link to; without it they are shown as they are. `on_open` is
    called with the place of a record whose link is followed.
    """

    saved = traitlets.Dict()

    def __init__(
        self,
        source: Source,
        *,
        noun: str = "row",
        writing: Writing | None = None,
    ) -> None:
        self.source, self.noun, self._writing = source, noun, writing
        self._read: dict[str, list[Element]] = {}  # texts that were made ready to be read
        shown = [c for c in source.columns if not c.hidden and c.kind != "picture"]
        self.model = FormModel(shown)
        self.tasks = TaskSet()
        self.fields = {column.field: Field(column, self.model, source, writing) for column in shown}
        self.heading = ipywidgets.Label("")
        self.heading.add_class("wb-form-heading")
        self.message = ipywidgets.Label("")
        self.save_button = ipywidgets.Button(description="Save", button_style="primary")
        self.revert_button = ipywidgets.Button(description="Revert")
        self.save_button.on_click(lambda _: self.tasks.start(self.save()))
        self.revert_button.on_click(lambda _: self.model.revert())
        buttons = ipywidgets.HBox([self.save_button, self.revert_button])
        buttons.add_class("wb-form-buttons")
        self.message.add_class("wb-form-message")
        foot = ipywidgets.VBox([self.message, buttons])
        foot.add_class("wb-form-foot")
        self.body = ipywidgets.VBox([*self._sections(shown), foot])
        self.on_open: Callable[[str], Awaitable[None]] | None = None
        self.reading = Content(on_action=self._follow)
        self.reading.add_class("wb-reading")
        self.news = self._news()
        super().__init__([self.heading, self.news, self.reading, self.body], "wb-form")
        self.model.observe(self._show, traitlets.All)
        self.model.observe(self._settled, "conflicts")
        self._show()

    def _news(self) -> ipywidgets.HBox:
        """Make what tells that somebody else changed the row: nothing shown is touched unasked."""
        self.told = ipywidgets.Label("")
        self.told.add_class("wb-told")
        self.show_newer = ipywidgets.Button(description="Show the new text")
        self.show_newer.on_click(lambda _: self._taken())
        news = ipywidgets.HBox([self.told, self.show_newer])
        news.add_class("wb-news")
        return news

    def _taken(self) -> None:
        fields = [column.field for column in self.model.changed_columns]
        self.model.show_newer()
        if fields:
            self.style_sheet.lead_to(self._first_wrong() or fields[0], marked=False)

    def _tell_news(self) -> None:
        model = self.model
        who = model.by or "Somebody"
        titles = [column.title for column in model.changed_columns]
        self.told.value = (
            f"{who} removed this {self.noun}." if model.gone
            else f"{who} changed {listed(titles)} meanwhile." if titles
            else ""
        )  # fmt: skip
        self.news.layout.display = None if self.told.value else "none"
        self.show_newer.layout.display = "none" if model.gone else None

    def load(self, row: Mapping[str, Any] | None) -> None:
        """Show `row`; None shows that no row is chosen."""
        self._read.clear()
        self.model.load(row)

    async def save(self) -> None:
        """Store what was typed. A refusal is shown beside its field; nothing typed is lost."""
        row = await self.model.save(self.source)
        if row is not None:
            self.saved = row
        elif (wrong := self._first_wrong()) is not None:
            self.style_sheet.lead_to(wrong)

    async def refresh(self) -> None:
        """Show the row as it is stored now, unless something is typed and not saved."""
        id = self.model.stored.get("id")
        if id is None or self.model.dirty:
            return
        rows = await self.source.stored([id])
        if self.model.stored.get("id") == id and not self.model.dirty:
            self.load(rows[0] if rows else None)

    async def changed_elsewhere(self, ids: Collection[str] | None, who: Who | None = None) -> None:
        """Tell that somebody else changed the row, if it is one of `ids`, or None for any."""
        await self.tasks.settled()  # what is being saved here is nobody else's
        model = self.model
        id = model.stored.get("id")
        if id is None or not (ids is None or id in ids):
            return
        rows = await self.source.stored([id])
        row = rows[0] if rows else None
        news = row is None or row["version"] > model.stored["version"]
        by = await who(id) if news and who is not None else ""
        if model.stored.get("id") != id:
            return
        if not news:
            if row is not None and row["version"] == model.stored["version"]:
                model.reword(row)
            return
        model.changed_elsewhere(row, by)
        if model.read_only or not model.changed_columns:  # nothing that is typed is in its way
            model.show_newer()

    def _settled(self, change: dict[str, Any]) -> None:
        """Go on to the next conflict; after the last one the focus stays at its field."""
        settled = [field for field in change["old"] if field not in change["new"]]
        if self.model.status == "refused" and len(settled) == 1:
            following = self._first_wrong()
            self.style_sheet.lead_to(following or settled[0], marked=following is not None)

    def _first_wrong(self) -> str | None:
        """Return the first field, as they stand in the form, with a conflict or a problem."""
        marked = {**self.model.conflicts, **self.model.problems}
        return next((c.field for c in self._ordered if c.field in marked), None)

    def _sections(self, columns: Sequence[Column]) -> list[ipywidgets.Widget]:
        names = list(dict.fromkeys(column.section for column in columns))
        ordered = sorted(columns, key=lambda column: names.index(column.section))
        self._ordered = ordered
        shown: list[ipywidgets.Widget] = []
        for section, members in groupby(ordered, key=lambda column: column.section):
            if section:
                shown.append(ipywidgets.HTML(f"<h2>{escape(section)}</h2>"))
            grid = ipywidgets.VBox([self.fields[column.field].box for column in members])
            grid.add_class("wb-form-fields")
            shown.append(grid)
        return shown

    def _text(self) -> list[Element]:
        """Describe the row as text: of what cannot be changed, there is nothing to click."""
        shown: list[Element] = []
        rest = self._ordered[1:]  # the first is the heading
        for section, members in groupby(rest, key=lambda column: column.section):
            said = ((column, in_words(column, self.model.stored)) for column in members)
            parts = [
                _described(column, self._drawn(column, words)) for column, words in said if words
            ]
            if section and parts:
                shown.append(element("h2", section))
            if parts:
                shown.append(element("dl", *parts))
        return shown

    async def _follow(self, place: str) -> None:
        if self.on_open is not None:
            await self.on_open(place)

    def _drawn(self, column: Column, words: str) -> list[Element | str]:
        """Return the words, or what they describe once that is known."""
        if self._writing is None or not column.marked_up:
            return [words]
        if words not in self._read:
            self._read[words] = []
            self.tasks.start(self._make_ready(self._writing, words))
        return [*self._read[words]] or [words]

    async def _make_ready(self, writing: Writing, words: str) -> None:
        self._read[words] = await writing.read(words)
        self._show()

    def _show(self, _change: object = None) -> None:
        model = self.model
        for field in self.fields.values():
            field.show()
        first = next(iter(self.fields.values())).column
        empty = model.status == "empty"
        named = as_text(first, model.stored.get(first.field))
        self.heading.value = (
            f"No {self.noun} chosen." if empty else named or f"New {self.noun}"
        )  # fmt: skip
        self.body.layout.display = "none" if empty or model.read_only else None
        self.reading.show(*(self._text() if model.read_only and not empty else ()))
        self.message.value = "Saving…" if model.status == "saving" else model.message
        self.save_button.disabled = model.status == "saving" or bool(model.conflicts)
        self.revert_button.disabled = model.status in ("clean", "saved", "saving")
        self._tell_news()
        for status in ("refused", "saved"):
            (self.add_class if model.status == status else self.remove_class)(f"wb-{status}")


def listed(words: Sequence[str]) -> str:
    """Return words as a sentence has them.

    >>> listed(["Name", "Kind", "Tags"])
    'Name, Kind and Tags'
    """
    return " and ".join([part for part in (", ".join(words[:-1]), *words[-1:]) if part])


def _described(column: Column, words: Sequence[Element | str]) -> Element:
    return element(
        "div",
        element("dt", column.title),
        element("dd", *words),
        kind=f"wb-read wb-read-{'prose' if column.marked_up else column.kind}",
    )
