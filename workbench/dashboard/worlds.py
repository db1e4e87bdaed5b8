"""The page of all worlds: cards of the latest, and all of them in a grid."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from workbench.dashboard.listing import Done, Run
from workbench.dashboard.standing import ACCOUNT_READS
from workbench.dashboard.state import Place
from workbench.dashboard.trash import TrashedWorlds
from workbench.dashboard.world import Go
from workbench.editing import RepositorySource, editor
from workbench.entities.world import World
from workbench.store.rights import may_write, owners
from workbench.widgets.content import Content, Element, element, picture
from workbench.widgets.editor import Editor
from workbench.workspace import Workspace

_CARDS = 12
_EMPTY = (
    "There is no world yet. Add one below: its page Import takes files, as “workbench import” does."
)
_NOTHING_SHARED = "There is no world that you may read yet. Ask somebody who has one to share it."


async def worlds_page(wb: Workspace, go: Go, done: Done, run: Run) -> list[Any]:
    """Return the widgets of the page; `done` and `run` are those of `Within`."""
    latest = await wb.worlds.find(order=["-updated_at"], limit=_CARDS)
    mine = wb.database.userid
    names = await owners(wb.database, [one.id for one in latest if one.ownerid != mine])
    cards = [await _card(wb, world, names.get(world.id)) for world in latest]
    writes = await may_write(wb.database)
    note = None if writes else element("p", ACCOUNT_READS, kind="wb-soft wb-reads")
    head = element("header", element("h1", "Worlds"), note)
    none = _EMPTY if writes else _NOTHING_SHARED
    shown = element("ul", *cards) if cards else element("p", none, kind="wb-soft")
    top = Content(head, element("section", shown, kind="wb-cards"), on_action=go)
    grid = editor(RepositorySource(wb.worlds, role=None if writes else "viewer"), height="360px")
    await grid.grid.prefetch()
    _lead_in(grid, go)
    gone = TrashedWorlds(wb, done, run)
    await gone.load()
    gone.show()
    return [top, Content(element("h2", "All worlds in a table")), grid, gone.content]


def _lead_in(made: Editor, go: Go) -> None:
    """Put over the form what opens the world in it: only the latest worlds have a card."""
    way = Content(on_action=go)
    way.add_class("wb-way-in")

    def show(change: dict[str, Any]) -> None:
        world = change["new"]
        if "id" not in world:
            way.show()
            return
        label = world.get("display_name") or world["name"]
        action = str(Place(UUID(str(world["id"]))))
        way.show(element("button", f"Open {label}", kind="wb-button", action=action))

    made.form.model.observe(show, "stored")
    made.form.children = (way, *made.form.children)


async def _card(wb: Workspace, world: World, owner: str | None) -> Element:
    """Describe the card of a world; `owner` is whose it is, if it is somebody else's."""
    image = None
    if world.imageid is not None:
        image = picture(await wb.thumbnail(world.imageid), "")
    words = element(
        "span",
        element("strong", world.label),
        element("small", f"of {owner}", kind="wb-owner") if owner else None,
        element("small", world.description or ""),
    )
    card = element("button", image, words, kind="wb-card", action=str(Place(world.id)))
    return element("li", card)
