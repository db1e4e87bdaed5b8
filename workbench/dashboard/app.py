"""The application: a navigation beside the page that the state names."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import ipywidgets
from IPython.display import display

from workbench.dashboard.export_page import export_page
from workbench.dashboard.finding import places, title
from workbench.dashboard.following import take_in
from workbench.dashboard.import_page import ImportView, import_page
from workbench.dashboard.listing import Within
from workbench.dashboard.live import Live, News
from workbench.dashboard.members import members_page
from workbench.dashboard.navigation import navigation
from workbench.dashboard.past import history_page
from workbench.dashboard.record import RecordPage, record_page
from workbench.dashboard.records import records_page
from workbench.dashboard.state import (
    EXPORT,
    HISTORY,
    IMPORT,
    MEMBERS,
    TRASH,
    Place,
    State,
)
from workbench.dashboard.trash import trash_page
from workbench.dashboard.undoing import SOURCE, Undoing
from workbench.dashboard.world import Overview, world_page
from workbench.dashboard.worlds import worlds_page
from workbench.entities.characters import unturned
from workbench.entities.world import World
from workbench.errors import NotFound, WorkbenchError
from workbench.store.rights import Standing, standing
from workbench.widgets.content import Content, element
from workbench.widgets.dialog import Messages
from workbench.widgets.editor import Editor
from workbench.widgets.keys import Keys
from workbench.widgets.palette import Palette
from workbench.widgets.panel import Panel
from workbench.widgets.source import Choice, Question
from workbench.widgets.tasks import TaskSet
from workbench.workspace import Workspace

_log = logging.getLogger(__name__)

_UNEXPECTED = (
    "Something went wrong in workbench itself. The terminal that runs “workbench up” says more."
)


class Dashboard(ipywidgets.GridBox):
    """Everything editors see: all worlds, and the pages of each, as `Place` tells them.

    Callbacks only change `state`; the page that it names is then made and shown.
    """

    def __init__(self, workspace: Workspace, place: Place | None = None) -> None:
        self.workspace = workspace
        self.state = State()
        workspace.database.provenance.where = self._where
        self.tasks = TaskSet(self._failed)
        self.live, self.following = Live(self._take_in), TaskSet()
        self._showing = asyncio.Lock()
        self.undoing = Undoing(workspace)
        self.shortcuts = Keys({"undo": self._undo, "redo": self._redo}, self._visit)
        self.nav = Content(on_action=self._go)
        self.nav.add_class("wb-nav")
        self.editor: Editor | RecordPage | None = None
        self._asked: dict[Place, Question] = {}  # what each list showed when one left it
        self.notice = Content()
        self.page = ipywidgets.VBox()
        self.page.add_class("wb-page")
        self.messages = Messages()
        main = Panel([self.notice, self.page, self.shortcuts, self.messages])
        self.palette = Palette(self._places, self._go)
        aside = ipywidgets.VBox([self.palette, self.nav])
        aside.add_class("wb-aside")
        self.world: World | None = None
        self.mine: Standing | None = None
        super().__init__([aside, main])
        self.add_class("wb-dashboard")
        self.state.go(place or Place())
        self.state.observe(lambda _: self.tasks.start(self.show()), "place")
        self.state.observe(lambda _: self._notify(), ["problem", "said"])

    def _where(self) -> str:
        """Return where changes come from; an import is not undone step by step."""
        place = self.state.place
        return f"{'import page' if place.entity == IMPORT else SOURCE}, {place}"

    async def _go(self, action: str) -> None:
        if action in ("undo", "redo"):
            await (self._undo if action == "undo" else self._redo)()
        elif await self._may_leave():
            self.state.go(action)

    async def _places(self, term: str) -> list[Choice]:
        member = self.mine is not None and self.mine.member
        return await places(self.workspace, self.world, term, member=member)

    async def _may_leave(self) -> bool:
        """Ask before a form with something unsaved in it, or an import, goes away."""
        if any(isinstance(part, ImportView) and part.running for part in self.page.children):
            return await self.messages.confirm(
                "Cancel the import?",
                "It is under way. Leaving this page cancels it, and nothing is written.",
                agree="Cancel it",
                refuse="Stay",
                danger=True,
            )
        editor = self.editor
        if editor is None or not editor.form.model.dirty:
            return True
        return await editor.messages.confirm(
            "Leave unsaved changes?",
            f"{editor.form.heading.value} has changes that are not saved.",
            agree="Discard them",
            refuse="Stay",
            danger=True,
        )

    async def _visit(self, place: str) -> None:
        """Go where the browser's Back or Forward leads; the address is there already."""
        if await self._may_leave():
            self.state.go(place)
        else:
            self._tell_browser(self.world)

    async def _undo(self) -> None:
        self._run(self._walk(self.undoing.undo))

    async def _redo(self) -> None:
        self._run(self._walk(self.undoing.redo))

    async def _walk(self, step: Callable[[], Coroutine[Any, Any, str]]) -> None:
        """Go a step back or forth, and show what is there then."""
        said = await step()
        if self.editor is not None:
            await self.editor.refresh()
        elif self.state.place.entity not in (IMPORT, EXPORT):  # what is under way there goes on
            await self.show()
        self._done(said)

    async def show(self) -> None:
        """Make the page of the current place, and show it."""
        async with self._showing:
            await self._show()

    async def _show(self) -> None:
        await self.undoing.begin()
        place = self.state.place
        self.live.watch(place.world)  # before anything of it is read: nothing falls in between
        try:
            world = None if place.world is None else await self.workspace.worlds.get(place.world)
        except NotFound as error:
            self.state.go(Place())
            self.state.problem = str(error)
            return
        mine = None if world is None else await standing(self.workspace.database, world.id)
        self.world, self.mine = world, mine
        await self._draw_nav(world, mine)
        try:
            page = await self._page(place, world, mine)
        except NotFound:
            if place.record is None:
                raise
            self.state.go(Place(place.world, place.entity))
            self.state.problem = await self._gone(place, mine)
            return
        if place != self.state.place:
            return  # the reader went on meanwhile
        old = self.page.children
        self.editor = next((p for p in page if isinstance(p, Editor | RecordPage)), None)
        self._tell_browser(world)  # first: who sees the page may go on, or back, at once
        self.page.children = page
        for widget in old:
            if widget not in page:
                _close(widget)

    async def _take_in(self, news: Sequence[News]) -> None:
        """Show what others changed; in the page that is being made, once it is there."""
        async with self._showing:
            pass  # not held: a page that is made later reads what is news now
        if any(one.came for one in news):
            await self._draw_nav(self.world, self.mine)
        for part in self.page.children:
            if isinstance(part, Overview):
                await part.take_in()
        if self.editor is not None:
            await take_in(self.workspace, self.editor, news)

    async def _again(self, words: str, of: str = "problem") -> None:
        """Show the page anew, after what is on it, or may be done there, has changed."""
        await self.show()
        self.state.set_trait(of, words)

    async def _gone(self, place: Place, mine: Standing | None) -> str:
        """Say what became of a record that an address names and that is not to be had."""
        assert place.entity is not None
        collection = self.workspace.collection(place.entity)
        try:
            record = await collection.get(place.record, trashed=True)
        except NotFound:
            return f"The {place.entity} of this address does not exist any more."
        if record.worldid != place.world:
            return f"The {place.entity} of this address does not exist any more."
        words = f"The {place.entity} {record.label!r} is in the trash."
        if mine is None or mine.role == "viewer":
            return words
        return f"{words} The page Trash brings it back."

    def _tell_browser(self, world: World | None) -> None:
        """Name the page, and give it an address that a reload or a link comes back to."""
        if "QUERY_STRING" not in os.environ:  # in a notebook the page is somebody else's
            return
        place = self.state.place
        words = [self.editor.label] if isinstance(self.editor, RecordPage) else []
        words += [title(place.entity)] if place.entity else []
        words += [unturned(world.label)] if world else ["Worlds"]
        about = {"title": " – ".join([*words, "Workbench"]), "query": place.query}
        display({"application/vnd.workbench.page+json": about}, raw=True)

    async def _page(self, place: Place, world: World | None, mine: Standing | None) -> list[Any]:
        go: Callable[[str], Any] = self._go
        if world is None or mine is None:
            return await worlds_page(self.workspace, go, self._world_is_back, self._run)
        if place.entity is None:
            return await world_page(self.workspace, world, mine, go)
        if place.entity == MEMBERS:
            return await members_page(
                self.workspace,
                world,
                mine,
                again=lambda words: self.tasks.start(self._again(words)),
            )
        within = Within(self.workspace, world, mine, self._done, self._run)
        if place.entity == TRASH:
            return await trash_page(within)
        if place.entity == HISTORY:
            return await history_page(within, go, place.record)
        if place.entity == IMPORT:
            return await import_page(
                within, go, lambda: self.tasks.start(self._draw_nav(self.world, self.mine))
            )
        if place.entity == EXPORT:
            return await export_page(within)
        if place.record is not None:
            return await self._record_page(within, place)
        return await records_page(
            self.workspace,
            world,
            place.entity,
            mine,
            on_write=lambda: self.tasks.start(self._draw_nav(world, mine)),
            on_open=self._open,
            go=self._go,
        )

    async def _record_page(self, within: Within, place: Place) -> list[Any]:
        """Return the page of a record: the one that is there, where it shows its like."""
        among = self._asked.get(Place(place.world, place.entity), Question())
        here = self.editor
        if not isinstance(here, RecordPage) or not here.shows(place, within):
            return await record_page(within, place, self._go, among)
        await here.load(place, among)
        return list(self.page.children)

    async def _open(self, id: str, among: Question) -> None:
        """Go from a list to the page of one of its records."""
        here = self.state.place
        self._asked[here] = among
        await self._go(str(Place(here.world, here.entity, UUID(id))))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self.state.problem = self.state.said = ""
        self.tasks.start(work)

    def _done(self, words: str) -> None:
        """Say what was done, and count again what it may have changed."""
        self.state.said = words
        self.tasks.start(self._draw_nav(self.world, self.mine))

    def _world_is_back(self, words: str) -> None:
        self.tasks.start(self._again(words, "said"))

    async def _draw_nav(self, world: World | None, mine: Standing | None) -> None:
        self.nav.show(*await navigation(self.workspace, self.state.place, world, mine))

    def _notify(self) -> None:
        said, problem = self.state.said, self.state.problem
        self.notice.show(
            element("div", problem, kind="wb-notice", role="alert") if problem else None,
            element("div", said, kind="wb-said", role="status") if said else None,
        )

    def _failed(self, error: Exception) -> None:
        if isinstance(error, WorkbenchError):
            self.state.problem = str(error)
            return
        _log.error("A page of the dashboard failed.", exc_info=error)
        self.state.problem = _UNEXPECTED


def _close(widget: Any) -> None:
    """Close a widget with all that is in it: each holds a channel to the browser."""
    for child in getattr(widget, "children", ()):
        _close(child)
    widget.close()


async def dashboard(workspace: Workspace, place: str | None = None) -> Dashboard:
    """Return the dashboard with its first page made.

    Parameters
    ----------
    place
        As `Place.parse` reads it; without it what the page's address says.
    """
    if place is None:
        place = parse_qs(os.environ.get("QUERY_STRING", "")).get("place", [""])[0]
    made = Dashboard(workspace, Place.parse(place))
    made.following.start(made.live.run())
    await made.show()
    if made.state.place == Place() and place not in ("", str(Place())) and not made.state.problem:
        made.state.problem = "There is no page of this address. These are the worlds."
    return made
