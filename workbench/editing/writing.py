"""Links between texts and records: found while writing, followed while reading."""

from __future__ import annotations

from workbench.database.engine import Database
from workbench.store.finding import find_anywhere, reached
from workbench.store.names import WorldKey, world_id
from workbench.widgets.content import Element
from workbench.widgets.markdown import Mentioned, described, mention, mentions
from workbench.widgets.source import Choice

__all__ = ["RecordWriting"]


class RecordWriting:
    """What the texts of a world link to; see `widgets.prose.Writing`."""

    def __init__(self, database: Database, world: WorldKey | None) -> None:
        self._database, self._world = database, world

    async def find(self, term: str) -> list[Choice]:
        world = None if self._world is None else await world_id(self._database, self._world)
        found = await find_anywhere(self._database, term, world=world)
        return [
            Choice(mention(one.entity, str(one.id), one.label), one.label, one.entity)
            for one in found
            if one.worldid is not None
        ]

    async def read(self, text: str) -> list[Element]:
        """Describe a text; of records that the reader may not see nothing is told."""
        known = {
            (one.entity, one.id): Mentioned(f"{one.entity}/{one.worldid}/{one.id}", one.label)
            for one in await reached(self._database, mentions(text))
        }
        return described(text, known)
