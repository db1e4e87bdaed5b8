"""The navigation beside every page: the pages of a world with their numbers."""

from __future__ import annotations

from workbench.dashboard.finding import title
from workbench.dashboard.state import MEMBERS, PAGES, STORY_ENTITIES, Place
from workbench.entities.world import World
from workbench.store.overview import numbers
from workbench.store.rights import Standing
from workbench.widgets.content import Element, element
from workbench.workspace import Workspace


async def navigation(
    wb: Workspace, here: Place, world: World | None, mine: Standing | None
) -> list[Element]:
    """Describe the navigation; `mine` is what the reader is in `world`."""
    parts = [element("ul", _item("All worlds", Place(), here))]
    if world is not None:
        counts = await numbers(wb.database, world.id)
        member = mine is not None and mine.member
        pages = [Place(world.id, page) for page in PAGES if page != MEMBERS or member]
        within = [
            _item("Overview", Place(world.id), here),
            *(_item(title(n), Place(world.id, n), here, counts[n]) for n in STORY_ENTITIES),
            *(_item(title(place.entity or ""), place, here) for place in pages),
        ]
        parts += [element("h2", world.label), element("ul", *within)]
    nodes = [element("nav", *parts, aria_label="Pages")]
    if mine is not None and mine.role != "viewer":
        nodes.append(_steps())
    return nodes


def _item(text: str, place: Place, here: Place, count: int | None = None) -> Element:
    current = (place.world, place.entity) == (here.world, here.entity)
    attributes = {"aria_current": "page"} if current else {}
    number = None if count is None else element("span", f"{count:,}", kind="wb-count")
    words = element("span", text)
    return element("li", element("button", words, number, action=str(place), **attributes))


def _steps() -> Element:
    """Describe the buttons that walk through one's own changes."""
    return element(
        "section",
        element("button", "Undo", action="undo", title="Undo my last change (Ctrl-Z)"),
        element("button", "Redo", action="redo", title="Do it again (Ctrl-Shift-Z)"),
        kind="wb-steps",
    )
