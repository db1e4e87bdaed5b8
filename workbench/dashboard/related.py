"""What is related to a record, beside its form: lists of links, edited in a grid on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from workbench.dashboard.listing import Within, button
from workbench.dashboard.state import Place
from workbench.dashboard.world import Go
from workbench.editing.links import LinkSource
from workbench.store.related import Related, Relation, related
from workbench.widgets.content import Content, Element, element, link
from workbench.widgets.grid import Grid
from workbench.widgets.panel import Panel

__all__ = ["RelatedRows"]

_AT_ONCE = 12
_FURTHER = 100
_SHOWN_CHARACTERS = 80
_ROW_PIXELS, _HEAD_PIXELS, _MOST_PIXELS = 42, 160, 480


class _Words(NamedTuple):
    title: str
    noun: str = ""
    plural: str = ""


_WORDS = {
    "scene_persona.sceneid": _Words("Cast", "cast member", "cast"),
    "scene_persona.personaid": _Words("Scenes", "appearance", "appearances"),
    "scene_thing.sceneid": _Words("Things", "thing in it", "things in it"),
    "scene_thing.thingid": _Words("Scenes", "appearance", "appearances"),
    "persona_relation.personaid": _Words("Relations", "relation", "relations"),
    "persona_relation.otherid": _Words("Relations from others", "relation", "relations"),
    "thing.personaid": _Words("Holds"),
    "thing.locationid": _Words("Things here"),
    "scene.locationid": _Words("Scenes here"),
    "location.parentid": _Words("Parts"),
}


class RelatedRows(Panel):
    """The records that one relation relates to a record, the first ones and more on request."""

    def __init__(self, within: Within, go: Go, relation: Relation) -> None:
        self._within, self._go, self.relation = within, go, relation
        self.words = _WORDS.get(relation.name, _Words(relation.entity.plural.capitalize()))
        self.record: UUID | None = None
        self.rows: list[Related] = []
        self.more = False
        self.grid: Grid | None = None
        self._limit = _AT_ONCE
        self.content = Content(on_action=self._act)
        super().__init__([self.content], "wb-related")

    @property
    def may_edit(self) -> bool:
        return bool(self.relation.other) and self._within.standing.role != "viewer"

    async def load(self, record: UUID) -> None:
        """Show what is related to another record; to the same one, what is by now."""
        if record != self.record:
            self.record, self._limit = record, _AT_ONCE
            self._close_grid()
        found = await related(
            self._within.wb.database,
            self.relation,
            self._within.world.id,
            record,
            limit=self._limit + 1,
        )
        if record != self.record:  # another one is to be shown by now
            return
        self.rows, self.more = found[: self._limit], len(found) > self._limit
        if self.grid is not None:
            self.grid.refresh()
        self.show()

    def show(self) -> None:
        """Draw the rows as they were read."""
        if not self.rows and not self.may_edit:
            self.content.show()
            return
        title = self.words.title
        verb = "Done" if self.grid is not None else "Edit"
        edit = button(verb, f"{verb}: {title}", "edit") if self.may_edit else None
        head = element("header", element("h2", title), edit, kind="wb-related-head")
        if self.grid is not None:
            self.content.show(head)
            return
        more = element("button", "Show more", kind="wb-button wb-small", action="more")
        self.content.show(
            head,
            element("ul", *(self._line(row) for row in self.rows), kind="wb-related-list")
            if self.rows
            else element("p", f"No {self.words.plural} yet.", kind="wb-soft"),
            more if self.more else None,
        )

    def _line(self, row: Related) -> Element:
        place = Place(self._within.world.id, self.relation.entity.name, row.id)
        about = [said(row.values), ", ".join(row.within)]
        return element(
            "li",
            link(row.label, str(place)),
            element("small", " · ".join(part for part in about if part)) if any(about) else None,
        )

    async def _act(self, action: str) -> None:
        assert self.record is not None
        if action == "more":
            self._limit += _FURTHER
            await self.load(self.record)
        elif action == "edit":
            await (self._open_grid() if self.grid is None else self._done())
        else:
            await self._go(action)

    async def _open_grid(self) -> None:
        """Put a grid in the place of the list, with rows that can be edited, added and removed."""
        within, record = self._within, self.record
        assert record is not None
        links = getattr(within.wb, self.relation.stored.plural)
        source = LinkSource(links, self.relation, within.world.id, record)
        height = min(_HEAD_PIXELS + _ROW_PIXELS * (len(self.rows) + 1), _MOST_PIXELS)
        noun, plural = self.words.noun, self.words.plural
        self.grid = Grid(source, noun=noun, plural=plural, height=f"{height}px", can_open=True)
        self.grid.on_open = self._open
        await self.grid.prefetch()
        self.show()
        self._hold(self.grid)

    async def _open(self, id: str) -> None:
        """Go to the record at the other end of a row of the grid."""
        assert self.grid is not None
        row = self.grid.row(id)
        if row is not None:
            other = UUID(row[self.relation.other])
            await self._go(str(Place(self._within.world.id, self.relation.entity.name, other)))

    async def _done(self) -> None:
        self._close_grid()
        assert self.record is not None
        await self.load(self.record)

    def _close_grid(self) -> None:
        if self.grid is not None:
            self._hold()
            self.grid.close()
            self.grid = None

    def _hold(self, *grids: Grid) -> None:
        self.children = (self.content, *grids, self.style_sheet)


def said(values: Mapping[str, Any]) -> str:
    """Return what a link says of the record beside it.

    >>> said({"role": "prince", "speeches": 358, "words": 11563, "mutual": False})
    'prince · speeches: 358 · words: 11,563'
    """
    parts = []
    for name, value in values.items():
        if value is True:
            parts.append(name)
        elif isinstance(value, str):
            parts.append(value[:_SHOWN_CHARACTERS] + "…" * (len(value) > _SHOWN_CHARACTERS))
        elif value is not None and value is not False:
            parts.append(f"{name}: {value:,}")
    return " · ".join(parts)
