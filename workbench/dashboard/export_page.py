"""The page that gives a world out: as an archive, as tables, or as a book to read."""

from __future__ import annotations

from typing import Any

from workbench.dashboard.exporting import ARCHIVE, BOOK, FORMATS, TABLES, ExportModel
from workbench.dashboard.listing import Within
from workbench.dashboard.under_way import WorkView, choice, to_save, troubles, under_way
from workbench.widgets.content import Content, Element, element
from workbench.widgets.download import Download
from workbench.widgets.panel import Panel

_WHAT = "A copy of all that is in this world now, in a file of your own."
_ABOUT = {
    ARCHIVE: ("Archive", "One file with all tables and pictures, which “workbench restore” reads."),
    TABLES: ("Tables", "Files for spreadsheets and programs. They import again to the same world."),
    BOOK: ("Book", "To be read: scenes in order, personae, places, things and an index."),
}


async def export_page(within: Within) -> list[Any]:
    """Return the widgets of the page."""
    from workbench.transfer.export import WORLD_TABLES

    head = Content(element("h1", "Export"), element("p", _WHAT, kind="wb-soft"))
    tables = [stored.plural for stored in WORLD_TABLES]
    return [head, ExportView(ExportModel(within.wb, within.world, tables), within)]


class ExportView(WorkView):
    """What can be chosen, how far the writing is, and the file."""

    def __init__(self, model: ExportModel, within: Within) -> None:
        self.model, self._within = model, within
        self.save = Panel([])
        super().__init__(model, below=self.save)

    async def act(self, action: str) -> None:
        model = self.model
        verb, _, which = action.partition(":")
        if verb == "cancel":
            model.cancel()
        elif verb == "write":
            self._within.run(model.write())
        elif model.running:
            return
        elif verb == "what" and which in _ABOUT:
            model.choose(which)
        elif verb == "format":
            model.form(which)
        elif verb == "table" and which in model.all_tables:
            model.toggle(which)
        elif verb == "tables":
            model.all_or_none()
        elif verb == "history":
            model.with_history()

    def show(self) -> None:
        model = self.model
        parts = [self._choices(), *troubles(model)]
        if model.active:
            parts.append(under_way("Writing", model.step))
        elif model.made is None and (model.what != TABLES or model.tables):
            write = element("button", "Write the file", kind="wb-button wb-primary", action="write")
            parts.append(element("p", write))
        elif model.made is None:
            parts.append(element("p", "Choose a table, or several.", kind="wb-soft"))
        else:
            parts.append(
                element("div", element("h2", "The file is ready", data_next=""), role="status")
            )
            parts += [element("p", note, kind="wb-soft") for note in model.made.notes]
        self.body.show(*parts)
        self._offer()

    def _offer(self) -> None:
        made = self.model.made
        old = self.save.children
        if made is None:
            self.save.children = ()
        elif not any(isinstance(one, Download | Content) for one in old):
            self.save.children = (to_save(made.path, made.name, primary=True),)
        for widget in old:
            if widget not in self.save.children:
                widget.close()

    def _choices(self) -> Element:
        model = self.model
        cards = [
            choice(words, about, f"what:{what}", on=model.what == what)
            for what, (words, about) in _ABOUT.items()
        ]
        formats = FORMATS.get(model.what, {})
        return element(
            "section",
            _group("What to write", cards, "wb-choices-of-two"),
            _group(
                "Format",
                [
                    _toggle(words, f"format:{name}", on=model.format == name)
                    for name, words in formats.items()
                ],
            )
            if formats
            else None,
            self._tables() if model.what == TABLES else None,
            _group("Along with it", [_toggle("The history", "history", on=model.history)])
            if model.what == ARCHIVE
            else None,
            kind="wb-asked",
        )

    def _tables(self) -> Element:
        model = self.model
        every = _toggle("All", "tables", on=model.tables == model.all_tables)
        each = [
            _toggle(name.replace("_", " "), f"table:{name}", on=name in model.tables)
            for name in model.all_tables
        ]
        return _group("Tables", [every, *each])


def _group(heading: str, inside: list[Element], kind: str = "wb-toggles") -> Element:
    group = element("div", *inside, kind=kind, role="group", aria_label=heading)
    return element("div", element("h2", heading), group)


def _toggle(words: str, action: str, *, on: bool) -> Element:
    return element(
        "button",
        words,
        kind="wb-button wb-small wb-toggle",
        action=action,
        aria_pressed=str(on).lower(),
    )
