"""The page of one world: what it is, its numbers, its outline, its latest changes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import ipywidgets

from workbench.dashboard.changed import DONE, counted, moment, noun
from workbench.dashboard.standing import reading_note
from workbench.dashboard.state import STORY_ENTITIES, Place
from workbench.entities.world import World
from workbench.history.latest import Changed
from workbench.store.outline import Node as OutlineNode
from workbench.store.outline import Outline
from workbench.store.overview import numbers
from workbench.store.rights import Standing
from workbench.widgets.content import Content, Element, element, picture
from workbench.widgets.outline import Node, OutlineTree
from workbench.widgets.panel import Panel
from workbench.widgets.tasks import TaskSet
from workbench.workspace import Workspace

_CHANGES = 15
_ROWS_SEEN = 16
Go = Callable[[str], Coroutine[Any, Any, None]]


async def world_page(wb: Workspace, world: World, standing: Standing, go: Go) -> list[Any]:
    """Return the widgets of the page."""
    made = Overview(wb, world, standing, go)
    await made.take_in()
    return [made.head, made]


class Overview(ipywidgets.GridBox):  # type: ignore[misc]  # ipywidgets has no type information
    """The outline of a world and its latest changes; `head` stands over them."""

    def __init__(self, wb: Workspace, world: World, standing: Standing, go: Go) -> None:
        self._wb, self._world, self._standing, self._go = wb, world, standing, go
        self._tasks = TaskSet()
        self._entities: dict[str, str] = {}
        add = "" if standing.role == "viewer" else " Add one on the page Stories."
        self.tree = OutlineTree(
            [],
            description=f"Outline of {world.label}",
            empty=f"No stories yet.{add}",
            height="560px",
        )
        self.tree.observe(self._chosen, "selected")
        self.head, self._left_out, self._changes = Content(on_action=go), Content(), Content()
        outline = Panel([Content(element("h2", "Outline")), self.tree, self._left_out])
        super().__init__([outline, self._changes])
        self.add_class("wb-columns")
        self._begun = False

    async def take_in(self) -> None:
        """Show the world as it is now; what is unfolded, chosen and in focus stays so."""
        wb = self._wb
        self._world = world = await wb.worlds.get(self._world.id)
        counts = await numbers(wb.database, world.id)
        outline = await wb.outline(world)
        changes = await wb.latest_changes(world, limit=_CHANGES)
        self.head.show(
            await _head(wb, world, self._standing),
            element("section", element("ul", *_tiles(world, counts)), kind="wb-numbers"),
        )
        self._show_outline(outline)
        self._changes.show(
            element(
                "section",
                element("h2", "Latest changes"),
                element("ul", *(_change(change) for change in changes)),
                kind="wb-changes",
            )
        )

    def _show_outline(self, outline: Outline) -> None:
        if not self._begun:
            self.tree.opened, self._begun = _opened(outline.roots), True
        self._entities = dict(_entities(outline.roots))
        self.tree.show([_node(node) for node in outline.roots])
        left = f"{outline.left_out:,} more scenes are on the page Scenes."
        self._left_out.show(element("p", left, kind="wb-soft") if outline.left_out else None)

    def _chosen(self, change: dict[str, Any]) -> None:
        if (entity := self._entities.get(change["new"])) is not None:
            self._tasks.start(self._go(f"{entity}/{self._world.id}/{change['new']}"))


def _entities(nodes: list[OutlineNode]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        yield str(node.id), node.entity
        yield from _entities(node.children)


async def _head(wb: Workspace, world: World, standing: Standing) -> Element:
    image = None
    if world.imageid is not None:
        image = picture(await wb.thumbnail(world.imageid), "")
    words = element(
        "div",
        element("h1", world.label),
        element("p", world.description) if world.description else None,
        element("p", ", ".join(world.tags), kind="wb-soft") if world.tags else None,
        reading_note(standing),
    )
    return element("header", image, words, kind="wb-head")


def _tiles(world: World, counts: dict[str, int]) -> list[Element]:
    return [
        element(
            "li",
            element(
                "button",
                element("strong", f"{counts[name]:,}"),
                element("span", noun(name, counts[name])),
                action=str(Place(world.id, name)),
            ),
        )
        for name in STORY_ENTITIES
    ]


def _opened(roots: list[OutlineNode]) -> list[str]:
    """Return what is unfolded at first: level by level, as long as all of it is seen at once."""
    opened: list[str] = []
    seen, level = len(roots), roots
    while level:
        below = [child for node in level for child in node.children]
        seen += len(below)
        if seen > _ROWS_SEEN:
            break
        opened += [str(node.id) for node in level if node.children]
        level = below
    return opened


def _node(node: OutlineNode) -> Node:
    below = [_node(child) for child in node.children]
    detail = f"{len(below)}" if below else ""
    return Node(str(node.id), node.label, node.entity, detail, below)


def _change(change: Changed) -> Element:
    what = f"{counted(change.entity, change.count)} {DONE[change.operation]}"
    if change.count == 1 and change.names:
        what = f"{noun(change.entity, 1)} “{change.names[0]}” {DONE[change.operation]}"
    elif change.names:
        more = ", …" if change.count > len(change.names) else ""
        what += f": {', '.join(change.names)}{more}"
    who = f"{change.author} — {change.reason}" if change.reason else change.author
    return element("li", element("span", what), moment(change.at), element("small", who))
