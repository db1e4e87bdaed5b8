"""The page of one entity's records in a world: a grid, and a form with the picture beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID

from workbench.dashboard.standing import reading_note
from workbench.dashboard.state import Place
from workbench.dashboard.world import Go
from workbench.editing import RepositorySource, editor
from workbench.entities.world import World
from workbench.errors import NotFound
from workbench.store.rights import Standing
from workbench.widgets.content import Content, element, link, picture
from workbench.widgets.editor import Editor
from workbench.widgets.form import RecordForm
from workbench.widgets.source import Question
from workbench.widgets.tasks import TaskSet
from workbench.workspace import Workspace

Open: TypeAlias = Callable[[str, Question], Awaitable[None]]
"""Goes to the page of a record, which was found among what a question asked for."""


async def records_page(
    wb: Workspace,
    world: World,
    entity: str,
    standing: Standing,
    *,
    on_write: Callable[[], object],
    on_open: Open,
    go: Go,
) -> list[Any]:
    """Return the widgets of the page; `on_write` is called after rows came or went."""
    collection = wb.collection(entity)
    source = RepositorySource(collection, world.id, role=standing.role, on_write=on_write)
    place = Place(world.id, entity)
    height = "max(320px, calc(100dvh - 240px))"
    made = editor(source, height=height, can_open=True, query=place.query)
    made.add_class("wb-records-editor")
    await made.grid.prefetch()
    Portrait(wb, made.form)
    made.form.on_open = go
    Door(made, place, on_open)
    heading = element("h1", collection.entity.plural.capitalize())
    return [Content(heading, reading_note(standing)), made]


class Door:
    """Leads from an editor to the page of a record: by a link over the form, and by key."""

    def __init__(self, made: Editor, place: Place, on_open: Open) -> None:
        self._editor, self._place, self._on_open = made, place, on_open
        self.content = Content(on_action=self.open)
        self.content.add_class("wb-door")
        made.grid.on_open = self.open
        made.form.children = (self.content, *made.form.children)
        made.form.model.observe(lambda _: self.show(), "stored")

    async def open(self, id: str) -> None:
        await self._on_open(id, self._editor.grid.question)

    def show(self) -> None:
        id = self._editor.form.model.stored.get("id")
        if id is None:
            self.content.show()
            return
        place = Place(self._place.world, self._place.entity, UUID(id))
        title = "Ctrl-Enter in the grid"
        self.content.show(element("p", link("Open page", str(place), action=id, title=title)))


class Portrait:
    """Shows, over the fields of a form, the picture of the record in it."""

    def __init__(self, wb: Workspace, form: RecordForm) -> None:
        self._wb, self._form = wb, form
        self._tasks = TaskSet()
        self.content = Content()
        self.content.add_class("wb-portrait")
        form.children = (self.content, *form.children)
        form.model.observe(lambda _: self._tasks.start(self.show()), "stored")

    async def show(self) -> None:
        """Show the picture of the record that the form holds, if there is one."""
        stored = self._form.model.stored
        own = "media_type" in stored  # a picture itself
        image = stored.get("id") if own else stored.get("imageid")
        if not image:
            self.content.show()
            return
        try:
            data = await self._wb.thumbnail(UUID(str(image)))
        except NotFound:
            data = None
        words = stored.get("imageid__label") or stored.get("name") or ""
        self.content.show(picture(data, str(words)))
