"""The page of what was put into the trash of a world, and how it comes back."""

from __future__ import annotations

from typing import Any

from workbench.dashboard.changed import moment
from workbench.dashboard.listing import Done, Listing, Run, Within, button, listing_page
from workbench.entities import ENTITIES
from workbench.entities.world import World
from workbench.history import changes as history
from workbench.widgets.content import Element, element
from workbench.workspace import Workspace

_AT_ONCE = 100
_WORLDS = 20
_WHAT = "What is removed waits here, with all that lies in it, until somebody takes it out again."
_FOR_GOOD = (
    "All that lies in it goes too. Only a manager can bring it back, from the history, and "
    "without the pictures."
)


async def trash_page(within: Within) -> list[Any]:
    """Return the widgets of the page."""
    return await listing_page(Trash(within), "Trash", _WHAT, within.standing)


class Trash(Listing):
    """What is in the trash of a world; what went there along with something else is not told."""

    empty = "Nothing is in the trash of this world."

    def __init__(self, within: Within) -> None:
        super().__init__(within.done, within.run)
        self.within = within
        self._limit = _AT_ONCE
        self.rows: dict[str, dict[str, Any]] = {}

    async def load(self, *, further: bool = False) -> None:
        self._limit += _AT_ONCE * further
        found = await history.trash(
            self.within.wb.database, self.within.world.id, limit=self._limit + 1, whole=False
        )
        self.rows = {str(row["record"]): row for row in found[: self._limit]}
        self.more = len(found) > self._limit

    async def do(self, verb: str, which: str) -> str:
        row = self.rows[which]
        collection = self.within.wb.collection(row["entity"])
        if verb == "restore":
            await collection.restore(which)
            said = f"“{row['name']}” is back."
        elif await self._sure(row["name"]):
            await collection.purge(which)
            said = f"“{row['name']}” is removed for good."
        else:
            return ""
        await self.load()
        return said

    async def _sure(self, name: str) -> bool:
        title = f"Remove “{name}” for good?"
        return await self.messages.confirm(title, _FOR_GOOD, agree="Remove for good", danger=True)

    def lines(self) -> list[Element]:
        return [self._line(row) for row in self.rows.values()]

    def _line(self, row: dict[str, Any]) -> Element:
        name, which, role = row["name"], row["record"], self.within.standing.role
        doing = []
        if role != "viewer":
            doing.append(button("Restore", f"Restore {name}", f"restore/{which}"))
        if role == "manager":
            doing.append(button("Remove for good", f"Remove {name} for good", f"purge/{which}"))
        lies = ENTITIES[row["entity"]].contains
        what = f"{row['entity']}, with what lies in it" if lies else row["entity"]
        about = [moment(row["deleted_at"]), row["by"], row["reason"]]
        return element(
            "li",
            element(
                "div",
                element("p", element("strong", name), element("span", what, kind="wb-soft")),
                element("small", *(element("span", a) if isinstance(a, str) else a for a in about)),
            ),
            element("div", *doing, kind="wb-doing") if doing else None,
        )


class TrashedWorlds(Listing):
    """The worlds in the trash that the user may take out again; nothing is shown where none are."""

    def __init__(self, wb: Workspace, done: Done, run: Run) -> None:
        super().__init__(done, run)
        self._wb = wb
        self.worlds: dict[str, World] = {}

    async def load(self, *, further: bool = False) -> None:
        found = await self._wb.worlds.find(trashed=True, order=["-updated_at"], limit=_WORLDS)
        self.worlds = {
            str(world.id): world for world in found if await self._wb.role_in(world.id) == "manager"
        }

    async def do(self, verb: str, which: str) -> str:
        world = await self._wb.worlds.restore(which)
        await self.load()
        return f"“{world.label}” is back."

    def show(self) -> None:
        if not self.worlds:
            self.content.show()
            return
        self.content.show(
            element("h2", "Worlds in the trash"), element("ul", *self.lines(), kind="wb-list")
        )

    def lines(self) -> list[Element]:
        return [
            element(
                "li",
                element("p", element("strong", world.label)),
                element("div", button("Restore", f"Restore {world.label}", f"restore/{which}")),
            )
            for which, world in self.worlds.items()
        ]
