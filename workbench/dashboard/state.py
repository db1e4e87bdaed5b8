"""Where the reader is: a page, without any widget."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import traitlets

STORY_ENTITIES = ("book", "story", "act", "scene", "persona", "location", "thing", "image")
"""The eight that a world holds, in the order people look for them."""

HISTORY, TRASH, MEMBERS = "history", "trash", "members"
"""The pages of what was done in a world, of what was put away, and of who may read and edit it."""

IMPORT, EXPORT = "import", "export"
"""The pages that take files in, and give files out."""

PAGES = (HISTORY, TRASH, IMPORT, EXPORT, MEMBERS)

_WORLDS, _WORLD = "worlds", "world"


@dataclass(frozen=True)
class Place:
    """A page: all worlds, one world, the records of one entity in it, one record, one of `PAGES`.

    `entity` is the name of the page in a world: an entity's, one of `PAGES`, None for the overview.
    With an entity, `record` is one of its records, which has a page of its own; in the history it
    is a set of changes.

    >>> Place.parse("persona/0198c6f0-0000-7000-8000-000000000001").entity
    'persona'
    >>> str(Place())
    'worlds'
    """

    world: UUID | None = None
    entity: str | None = None
    record: UUID | None = None

    def __str__(self) -> str:
        if self.world is None:
            return _WORLDS
        parts = [self.entity or _WORLD, str(self.world), str(self.record or "")]
        return "/".join(part for part in parts if part)

    @property
    def query(self) -> str:
        """What the browser's address of this page asks for."""
        return f"place={self}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Return the place that `text` says; the list of worlds if it says none."""
        page, _, rest = text.partition("/")
        world, _, record = rest.partition("/")
        entity = None if page == _WORLD else page
        if page == _WORLDS or (entity is not None and entity not in (*STORY_ENTITIES, *PAGES)):
            return cls()
        try:
            has_records = page in (*STORY_ENTITIES, HISTORY)
            return cls(UUID(world), entity, UUID(record) if record and has_records else None)
        except ValueError:
            return cls()


class State(traitlets.HasTraits):
    """`place` is the page that is shown; `problem` what went wrong last, `said` what was done."""

    place = traitlets.Instance(Place, args=())
    problem = traitlets.Unicode("")
    said = traitlets.Unicode("")

    def go(self, place: Place | str) -> None:
        """Show another page."""
        self.problem = self.said = ""
        self.place = Place.parse(place) if isinstance(place, str) else place
