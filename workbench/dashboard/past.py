"""The page of what was changed in a world, set by set, and how a set is undone."""

from __future__ import annotations

from itertools import groupby
from typing import Any
from uuid import UUID

from workbench.dashboard.changed import DONE, field, moment, summary
from workbench.dashboard.listing import Listing, Within, button, listing_page
from workbench.dashboard.state import STORY_ENTITIES, Place
from workbench.dashboard.world import Go
from workbench.history import changes as history
from workbench.history.undo import told, undo
from workbench.widgets.content import Element, element, link

_AT_ONCE = 30
_RECORDS_SHOWN = 50
_WHAT = (
    "Everything that was changed, whoever and whatever changed it. Undoing a set is a change "
    "like any other: it can be undone too."
)


async def history_page(within: Within, go: Go, first: UUID | None = None) -> list[Any]:
    """Return the widgets of the page; `first` is a set to be shown above all others, opened."""
    return await listing_page(Past(within, go, first), "History", _WHAT, within.standing)


class Past(Listing):
    """The changesets of a world, the latest first. Each can be opened, and undone."""

    empty = "Nothing is kept of what was changed in this world."

    def __init__(self, within: Within, go: Go, first: UUID | None = None) -> None:
        super().__init__(within.done, within.run)
        self.within, self._go, self._first = within, go, first
        self._limit = _AT_ONCE
        self.sets: dict[str, dict[str, Any]] = {}
        self.opened: dict[str, list[dict[str, Any]]] = {}

    async def load(self, *, further: bool = False) -> None:
        self._limit += _AT_ONCE * further
        found = await self._found(self._limit + 1)
        first = await self._found(1, self._first) if self._first is not None else []
        self.sets = {str(one["changeset"]): one for one in (*first, *found[: self._limit])}
        self.more = len(found) > self._limit
        for one in first if not self.opened else []:
            await self.do("open", str(one["changeset"]))

    async def _found(self, limit: int, changeset: UUID | None = None) -> list[dict[str, Any]]:
        which = history.Which(world=self.within.world.id, changeset=changeset)
        return await history.changesets(self.within.wb.database, which=which, limit=limit)

    async def do(self, verb: str, which: str) -> str:
        if verb == "undo":
            return await self._undo(which)
        if verb in STORY_ENTITIES:
            await self._go(f"{verb}/{which}")
            return ""
        if which in self.opened:
            del self.opened[which]
        else:
            self.opened[which] = await history.fields(
                self.within.wb.database,
                self.within.world.id,
                UUID(which),
                limit=_RECORDS_SHOWN + 1,
            )
        return ""

    async def _undo(self, which: str) -> str:
        """Show what it would do, ask, and do it."""
        database = self.within.wb.database
        would = told(await undo(database, which, dry_run=True))
        if not await self.messages.confirm("Undo this?", " ".join(would), agree="Undo"):
            return ""
        said = told(await undo(database, which))
        await self.load()
        return f"Undone. {' '.join(said)}"

    def lines(self) -> list[Element]:
        return [self._line(key, one) for key, one in self.sets.items()]

    def _line(self, key: str, one: dict[str, Any]) -> Element:
        words = one["reason"] or summary(one)
        about = [moment(one["at"]), one["by"], summary(one) if one["reason"] else "", one["source"]]
        is_open = key in self.opened
        show = button("Hide" if is_open else "Show", f"What was changed: {words}", f"open/{key}")
        show["attributes"]["aria-expanded"] = str(is_open).lower()
        doing = [show]
        if self.within.standing.role != "viewer":
            doing.append(button("Undo", f"Undo: {words}", f"undo/{key}"))
        return element(
            "li",
            element(
                "div",
                element("p", element("strong", words)),
                element("small", *(element("span", a) if isinstance(a, str) else a for a in about)),
                _records(self.opened[key], self.within.world.id) if is_open else None,
            ),
            element("div", *doing, kind="wb-doing"),
        )


def _records(rows: list[dict[str, Any]], world: UUID) -> Element:
    """Describe what happened to each record of a changeset."""
    groups = [list(of) for _, of in groupby(rows, key=lambda row: row["change"])]
    lines = [_record(group, world) for group in groups[:_RECORDS_SHOWN]]
    if len(groups) > _RECORDS_SHOWN:
        lines.append(element("li", "… and more."))
    return element("ul", *lines, kind="wb-details")


def _record(rows: list[dict[str, Any]], world: UUID) -> Element:
    first = rows[0]
    noun = first["entity"].replace("_", " ")
    named = f"{noun} “{first['name']}”" if first["name"] else noun
    fields = rows if first["operation"] == "update" else []
    what = f"{named} {DONE[first['operation']]}"
    has_page = first["entity"] in STORY_ENTITIES and first["operation"] not in ("trash", "delete")
    place = Place(world, first["entity"], first["record"])
    return element(
        "li",
        link(what, str(place)) if has_page else element("span", what),
        *(field(row["column"], row["before"], row["after"]) for row in fields),
    )
