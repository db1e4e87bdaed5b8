"""The page of one entity's records in a world: a grid, and a form with the picture beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from workbench.dashboard.standing import reading_note
from workbench.editing import RepositorySource, editor
from workbench.entities.world import World
from workbench.errors import NotFound
from workbench.store.rights import Standing
from workbench.widgets.content import Content, element, picture
from workbench.widgets.editor import Editor
from workbench.widgets.tasks import TaskSet
from workbench.workspace import Workspace


async def records_page(
    wb: Workspace,
    world: World,
    entity: str,
    record: UUID | None,
    standing: Standing,
    on_write: Callable[[], object],
) -> list[Any]:
    """Return the widgets of the page.

    Parameters
    ----------
    record
        What the form holds at first.
    on_write
        Called after rows came or went.
    """
    collection = wb.collection(entity)
    source = RepositorySource(collection, world.id, role=standing.role, on_write=on_write)
    made = editor(source, height="max(320px, calc(100dvh - 240px))")
    made.add_class("wb-records-editor")
    await made.grid.prefetch()
    Portrait(wb, made)
    if record is not None:
        made.form.load(await source.row(record))
    heading = element("h1", collection.entity.plural.capitalize())
    return [Content(heading, reading_note(standing)), made]


class Portrait:
    """Shows, over the form of an editor, the picture of the record in it."""

    def __init__(self, wb: Workspace, made: Editor) -> None:
        self._wb, self._editor = wb, made
        self._tasks = TaskSet()
        self.content = Content()
        self.content.add_class("wb-portrait")
        made.form.children = (self.content, *made.form.children)
        made.form.model.observe(lambda _: self._tasks.start(self.show()), "stored")

    async def show(self) -> None:
        """Show the picture of the record that the form holds, if there is one."""
        stored = self._editor.form.model.stored
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
