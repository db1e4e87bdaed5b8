"""An open page takes in what others change, without moving what somebody looks at or types."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.dashboard.live import News
from workbench.dashboard.record import RecordPage
from workbench.editing import RepositorySource
from workbench.history.changes import history
from workbench.widgets.editor import Editor
from workbench.widgets.form import Who
from workbench.workspace import Workspace


async def take_in(wb: Workspace, shown: Editor | RecordPage, news: Sequence[News]) -> None:
    """Show what was changed among the rows of a grid, in a form, and in what is related to it."""
    who = _who(wb)
    source = shown.form.source
    assert isinstance(source, RepositorySource)
    mine = [one for one in news if one.is_of(source.entity.name)]
    of_form = frozenset[str]().union(*(one.records or () for one in mine))
    any_of_them = any(one.came or one.records is None for one in mine)
    ids = None if any_of_them else of_form
    named = {one.entity for one in news} & set(source.entity.references.values())
    if isinstance(shown, RecordPage):
        if mine or named:
            await shown.form.changed_elsewhere(None if named else ids, who)
        await shown.take_in_related({one.entity for one in news})
        return
    if named or any_of_them:
        source.forget()
        await shown.changed_elsewhere(None, who)
    elif mine:
        await shown.changed_elsewhere(ids, who)


def _who(wb: Workspace) -> Who:
    async def who(id: str) -> str:
        last = await history(wb.database, id, limit=1)
        return str(last[0]["by"]) if last else ""

    return who
