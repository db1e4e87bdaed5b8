"""An open page takes in what others change, without moving what somebody looks at or types."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.dashboard.live import News
from workbench.editing import RepositorySource
from workbench.widgets.editor import Editor


async def take_in(editor: Editor, source: RepositorySource, news: Sequence[News]) -> None:
    """Show what was changed among the rows of a grid, and in the form beside it."""
    mine = [one for one in news if one.is_of(source.entity.name)]
    named = {one.entity for one in news} & set(source.entity.references.values())
    if named or any(one.came or one.records is None for one in mine):
        source.forget()
        await editor.changed_elsewhere(None)
    elif mine:
        await editor.changed_elsewhere(frozenset[str]().union(*(one.records or () for one in mine)))
