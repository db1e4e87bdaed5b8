"""What the history keeps of a change beside it: for which reason, and from where."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from workbench.errors import InvalidDraft

__all__ = ["Provenance", "refuse_unstorable"]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SOURCE_MAXIMUM_CHARACTERS = 500
_SOURCE_KEY = "workbench.source"
_SOURCE = text("SELECT set_config('workbench.source', :source, false)")
_REASON = text(
    "SELECT set_config('workbench.reason', :reason, true),"
    " set_config('workbench.source', coalesce(:source, ''), true)"
)


def refuse_unstorable(value: str | None) -> None:
    """Raise InvalidDraft if `value` is a reason that no text of PostgreSQL can be."""
    if value is not None and _UNSTORABLE.search(value):
        raise InvalidDraft(
            {"reason": "This holds a NUL or half a character (a lone surrogate). Take it out."}
        )


class Provenance:
    """What one program tells the history of all that it changes.

    Attributes
    ----------
    where
        Says where the program is at each change (a cell of a notebook, a page), instead of
        `source`, which is what its connections say from their beginning.
    """

    def __init__(self, source: str | None) -> None:
        self._source = source
        self.where: Callable[[], str | None] | None = None

    async def tell(
        self, connection: AsyncConnection, reason: str | None = None, source: str | None = None
    ) -> None:
        """Tell a transaction its reason and source, for its changeset."""
        source = source or self._here()
        if reason or source:
            values = {"reason": reason or "", "source": source or self._source}
            await connection.execute(_REASON, values)

    async def tell_source(self, connection: AsyncConnection) -> None:
        """Tell a connection where its single statements come from, when that has changed."""
        if self.where is not None:
            sync = connection.sync_connection
            assert sync is not None, "it is open"
            known, here = sync.info, self._here() or self._source
            if known.get(_SOURCE_KEY, self._source) != here:
                await connection.execute(_SOURCE, {"source": here or ""})
                known[_SOURCE_KEY] = here

    def _here(self) -> str | None:
        said = self.where() if self.where is not None else None
        return _UNSTORABLE.sub("", said)[:_SOURCE_MAXIMUM_CHARACTERS] if said else None
