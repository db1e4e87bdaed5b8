"""What the palette finds: pages by their titles, and records by parts of their names."""

from __future__ import annotations

from uuid import UUID

from workbench.dashboard.state import PAGES, STORY_ENTITIES, Place
from workbench.entities import ENTITIES
from workbench.entities.world import World
from workbench.store.finding import Found, find_anywhere
from workbench.widgets.source import Choice
from workbench.workspace import Workspace


def title(entity: str) -> str:
    """Return what the page of `entity` is called."""
    return (entity if entity in PAGES else ENTITIES[entity].plural).capitalize()


async def places(wb: Workspace, world: World | None, term: str, *, member: bool) -> list[Choice]:
    """Return where somebody may want to go who types `term`: pages first, then records.

    Parameters
    ----------
    world
        The world that the reader is in, which is searched alone; without it all of them.
    member
        Whether the reader is a member of it, and has its page of members.
    """
    pages = [Choice(str(place), name, "page") for name, place in _pages(world, member)]
    term = term.strip()
    fitting = [page for page in pages if term.lower() in page.label.lower()]
    if not term:
        return fitting
    found = await find_anywhere(wb.database, term, world=world.id if world else None)
    named = {} if world else await _worlds(wb, found)
    return [*fitting, *(_choice(one, named) for one in found)]


def _pages(world: World | None, member: bool) -> list[tuple[str, Place]]:
    everywhere = [("All worlds", Place())]
    if world is None:
        return everywhere
    pages = [*STORY_ENTITIES, *(page for page in PAGES if page != "members" or member)]
    within = [(title(page), Place(world.id, page)) for page in pages]
    return [("Overview", Place(world.id)), *within, *everywhere]


async def _worlds(wb: Workspace, found: list[Found]) -> dict[UUID, str]:
    ids = {one.worldid for one in found if one.worldid is not None}
    return {id: (await wb.worlds.get(id)).label for id in ids}


def _choice(found: Found, worlds: dict[UUID, str]) -> Choice:
    if found.worldid is None:
        return Choice(str(Place(found.id)), found.label, found.entity)
    about = [found.entity, worlds.get(found.worldid, ""), "is like it" if found.near else ""]
    place = Place(found.worldid, found.entity, found.id)
    return Choice(str(place), found.label, " · ".join(part for part in about if part))
