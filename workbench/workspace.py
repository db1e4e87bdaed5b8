"""The public object: the ten repositories, the links, frames, import, export and editors."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload
from uuid import UUID

from workbench.database.engine import Database, Login
from workbench.entities import STORED, Stored
from workbench.entities.act import ACT, Act, ActDraft
from workbench.entities.base import DraftT, RecordT
from workbench.entities.book import BOOK, Book, BookDraft
from workbench.entities.image import IMAGE, Image, ImageDraft
from workbench.entities.links import (
    PERSONA_RELATION,
    SCENE_PERSONA,
    SCENE_THING,
    WORLD_MEMBER,
    PersonaRelation,
    PersonaRelationDraft,
    ScenePersona,
    ScenePersonaDraft,
    SceneThing,
    SceneThingDraft,
    WorldMember,
    WorldMemberDraft,
)
from workbench.entities.location import LOCATION, Location, LocationDraft
from workbench.entities.persona import PERSONA, Persona, PersonaDraft
from workbench.entities.scene import SCENE, Scene, SceneDraft
from workbench.entities.story import STORY, Story, StoryDraft
from workbench.entities.thing import THING, Thing, ThingDraft
from workbench.entities.user import USER, User, UserDraft
from workbench.entities.world import WORLD, World, WorldDraft
from workbench.errors import InvalidDraft, UnknownField, shown
from workbench.history.latest import Changed, latest_changes
from workbench.store.appearances import Appearance, appearances
from workbench.store.links import LinkRepository
from workbench.store.names import NearName, WorldKey, near_names, world_id
from workbench.store.outline import Outline, outline
from workbench.store.pictures import content, thumbnail
from workbench.store.places import Place, subtree
from workbench.store.repository import Repository
from workbench.store.rows import Rows
from workbench.store.sharing import Sharing

if TYPE_CHECKING:
    import pandas as pd

    from workbench.transfer.export import ExportReport
    from workbench.transfer.report import LoadReport

T = TypeVar("T")


class Frames(Rows[DraftT, RecordT]):
    """Reading rows as DataFrames; pandas loads when this is first used."""

    async def frame(
        self,
        *,
        world: WorldKey | None = None,
        names: bool = False,
        columns: Sequence[str] | None = None,
        search: str | None = None,
        order: Sequence[str] = (),
        limit: int | None = None,
        trashed: bool = False,
        **filters: Any,
    ) -> pd.DataFrame:
        """Return the rows that fit as a DataFrame, one row each.

        Parameters
        ----------
        world
            Only rows of this world: its record, id or name.
        names
            Whether a readable twin follows each foreign key: `story` after `storyid`.
        columns
            Only these columns, in this order.
        search, order, limit, trashed, filters
            As for `find`; without `limit` all that fit.

        Returns
        -------
        DataFrame
            Shape (n, k), Arrow-backed; `workbench.frames` lists the types. Columns and types
            are the same when n is 0. Ids are text, times are in UTC.

        Raises
        ------
        NotFound
            There is no such world.
        UnknownField, InvalidDraft
            A filter, a column or the order cannot be used.
        """
        from workbench.frames import frame

        return await frame(
            self.database,
            self.stored,
            world=None if world is None else await world_id(self.database, world),
            filters=filters,
            search=search,
            columns=columns,
            names=names,
            trashed=trashed,
            limit=limit,
            order=[order] if isinstance(order, str) else order,
        )

    async def _add_frame(self, frame: pd.DataFrame, reason: str | None) -> int:
        from workbench.frames import arrow_from_frame
        from workbench.transfer.load import load

        report = await load(
            self.database,
            {self.stored.plural: arrow_from_frame(self.stored, frame)},
            reason=reason,
            add_only=True,
        )
        report.raise_for_problems()
        return report.tables[self.stored.plural].inserted


class Collection(Repository[DraftT, RecordT], Frames[DraftT, RecordT]):
    """The records of one entity: a repository that also speaks DataFrames and shows itself."""

    @overload
    async def add_many(self, drafts: pd.DataFrame, *, reason: str | None = None) -> int: ...

    @overload
    async def add_many(
        self, drafts: Iterable[DraftT | Mapping[str, Any]], *, reason: str | None = None
    ) -> list[RecordT]: ...

    async def add_many(self, drafts: Any, *, reason: str | None = None) -> Any:
        """Store new records, all or none.

        Parameters
        ----------
        drafts
            Drafts or mappings of fields, which give back the records in the same order; or a
            DataFrame, shape (n, k), n records by k fields or readable twins, at the speed of
            COPY, which gives back n.

        Raises
        ------
        InvalidRows
            Rows of a frame break rules; all of them are listed. Nothing was written.
        InvalidDraft, DuplicateName, MissingReference
            As `add`. Nothing was written.
        """
        if _is_frame(drafts):
            return await self._add_frame(drafts, reason)
        return await super().add_many(_listed(self.stored, drafts), reason=reason)

    def editor(self, *, world: WorldKey | None = None) -> Any:
        """Return a widget that shows the records in a grid and edits them, in a notebook."""
        from workbench.editing import RepositorySource, editor

        return editor(RepositorySource(self, world))


class LinkCollection(LinkRepository[DraftT, RecordT], Frames[DraftT, RecordT]):
    """The rows of one link: a repository that also speaks DataFrames."""

    @overload
    async def add_many(self, drafts: pd.DataFrame, *, reason: str | None = None) -> int: ...

    @overload
    async def add_many(
        self, drafts: Iterable[DraftT | Mapping[str, Any]], *, reason: str | None = None
    ) -> list[RecordT]: ...

    async def add_many(self, drafts: Any, *, reason: str | None = None) -> Any:
        """Store new rows, all or none; as `Collection.add_many`."""
        if _is_frame(drafts):
            return await self._add_frame(drafts, reason)
        return await super().add_many(_listed(self.stored, drafts), reason=reason)


def _listed(stored: Stored[DraftT, Any], drafts: Any) -> list[DraftT | Mapping[str, Any]]:
    """Return what `add_many` was given as a list, if it is one of drafts and mappings."""
    # A mapping can be gone through too, and gives names of fields.
    several = isinstance(drafts, Iterable) and not isinstance(drafts, str)
    given = list(drafts) if several else [drafts]
    for one in given:
        if not isinstance(one, Mapping | stored.draft):
            raise InvalidDraft(
                {
                    "drafts": "Give a list of drafts or of mappings of fields, or a DataFrame; "
                    f"{shown(one)} is no {stored.name}."
                },
                entity=stored.name,
            )
    return given


def _is_frame(value: object) -> bool:
    return type(value).__module__.split(".")[0] == "pandas"


class Workspace(Sharing):
    """One user's access to one database.

    >>> import asyncio, workbench
    >>> async def main():
    ...     async with await workbench.connect() as wb:
    ...         return await wb.worlds.count()
    >>> asyncio.run(main())  # doctest: +SKIP
    1
    """

    def __init__(
        self,
        database: Database,
        *,
        login: Login | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.database = database
        self._login = login
        self._on_close = on_close
        self.users: Collection[UserDraft, User] = Collection(database, USER)
        self.worlds: Collection[WorldDraft, World] = Collection(database, WORLD)
        self.books: Collection[BookDraft, Book] = Collection(database, BOOK)
        self.stories: Collection[StoryDraft, Story] = Collection(database, STORY)
        self.acts: Collection[ActDraft, Act] = Collection(database, ACT)
        self.scenes: Collection[SceneDraft, Scene] = Collection(database, SCENE)
        self.personas: Collection[PersonaDraft, Persona] = Collection(database, PERSONA)
        self.locations: Collection[LocationDraft, Location] = Collection(database, LOCATION)
        self.things: Collection[ThingDraft, Thing] = Collection(database, THING)
        self.images: Collection[ImageDraft, Image] = Collection(database, IMAGE)
        self.scene_personas: LinkCollection[ScenePersonaDraft, ScenePersona] = LinkCollection(
            database, SCENE_PERSONA
        )
        self.scene_things: LinkCollection[SceneThingDraft, SceneThing] = LinkCollection(
            database, SCENE_THING
        )
        self.persona_relations: LinkCollection[PersonaRelationDraft, PersonaRelation] = (
            LinkCollection(database, PERSONA_RELATION)
        )
        self.world_members: LinkCollection[WorldMemberDraft, WorldMember] = LinkCollection(
            database, WORLD_MEMBER
        )

    def collection(self, entity: str) -> Collection[Any, Any]:
        """Return the collection of the entity with this name or plural, or raise UnknownField."""
        known = {
            name: value
            for value in vars(self).values()
            if isinstance(value, Collection)
            for name in (value.stored.name, value.stored.plural)
        }
        if entity not in known:
            raise UnknownField("workspace", entity, known)
        return known[entity]

    async def __aenter__(self) -> Workspace:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections, and let go of the embedded server."""
        await self.disconnect()
        self.release()

    async def disconnect(self) -> None:
        """Close all connections; they open again when needed."""
        columnar = sys.modules.get("workbench.database.columnar")
        if columnar is not None:  # somebody read a frame, or exported
            columnar.close(self.database)
        await self.database.close()
        if self._login is not None:
            await self._login.close()

    def release(self) -> None:
        """Let go of the embedded server, which stops when nobody else uses it."""
        if self._on_close is not None:
            self._on_close()

    def transaction(
        self, *, reason: str | None = None, source: str | None = None
    ) -> AbstractAsyncContextManager[None]:
        """Make all that is done in the block one transaction and one changeset.

        `async with wb.transaction(reason="casting notes"): …` An error undoes all of it. A
        block cannot run itself again after `Conflict`; `atomically` can.
        """
        return self.database.transaction(reason=reason, source=source)

    async def atomically(self, work: Callable[[], Awaitable[T]], *, reason: str | None = None) -> T:
        """Run `work` in a transaction, again after a serialization failure or a deadlock."""
        return await self.database.atomically(work, reason=reason)

    async def load(
        self,
        sources: Path | str | Sequence[Path | str] | Mapping[str, pd.DataFrame],
        *,
        world: WorldKey | None = None,
        dry_run: bool = False,
        reason: str | None = None,
        progress: Callable[[Any], None] | None = None,
    ) -> LoadReport:
        """Import files, folders or frames, all or nothing.

        Parameters
        ----------
        sources
            A folder, a file or several, tables told by the files' names; or frames by table,
            `{"personas": frame}`.
        world
            The world of rows that name none.
        dry_run
            Whether to say what would be done, and write nothing.

        Returns
        -------
        LoadReport
            Counts by table, problems and notes. With problems nothing was written.
        """
        from workbench.transfer.load import load

        given = _arrow(sources) if isinstance(sources, Mapping) else sources
        name = None if world is None else await self._world_path(world)
        return await load(
            self.database, given, world=name, dry_run=dry_run, reason=reason, progress=progress
        )

    async def export(
        self, folder: Path | str, *, world: WorldKey, format: str = "csv", overwrite: bool = False
    ) -> ExportReport:
        """Write a world as files that import again to the same world."""
        from workbench.transfer.export import export

        where = await world_id(self.database, world)
        return await export(self.database, where, _path(folder), format=format, overwrite=overwrite)

    async def outline(self, world: WorldKey) -> Outline:
        """Return a world's tree of books, stories, acts and scenes."""
        return await outline(self.database, await world_id(self.database, world))

    async def latest_changes(self, world: WorldKey, *, limit: int = 20) -> list[Changed]:
        """Return what was done last in a world, the newest first."""
        return await latest_changes(
            self.database, await world_id(self.database, world), limit=limit
        )

    async def appearances(
        self, *, persona: Persona | UUID | None = None, scene: Scene | UUID | None = None
    ) -> list[Appearance]:
        """Return where a persona appears, or who appears in a scene."""
        return await appearances(
            self.database,
            persona=persona.id if isinstance(persona, Persona) else persona,
            scene=scene.id if isinstance(scene, Scene) else scene,
        )

    async def subtree(self, location: Location | UUID) -> list[Place]:
        """Return a location and all that lies in it, parents before children."""
        return await subtree(
            self.database, location.id if isinstance(location, Location) else location
        )

    async def near_names(
        self, entity: str, name: str, *, world: WorldKey | None = None, limit: int = 5
    ) -> list[NearName]:
        """Return the records of an entity whose names are most like `name`."""
        within = None if world is None else await world_id(self.database, world)
        found = self.collection(entity).entity
        return await near_names(self.database, found, name, world=within, limit=limit)

    async def picture(self, image: Image | UUID) -> bytes | None:
        """Return the bytes of an image; None if only facts about it are known."""
        return await content(self.database, image.id if isinstance(image, Image) else image)

    async def thumbnail(self, image: Image | UUID) -> bytes | None:
        """Return the bytes of an image's thumbnail, or None."""
        return await thumbnail(self.database, image.id if isinstance(image, Image) else image)

    async def _world_path(self, world: WorldKey) -> str:
        if isinstance(world, str):
            return world
        # Read again: a record may be older than its world's name.
        found = await self.worlds.get(world.id if isinstance(world, World) else world)
        owner = await self.users.get(found.ownerid)
        return f"{owner.email}/{found.name}"


def _path(value: Path | str) -> Path:
    return Path(value)


def _arrow(frames: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return frames as Arrow tables; those of no known table as they are, to be told of."""
    from workbench.frames import arrow_from_frame

    tables = {stored.plural: stored for stored in STORED.values()}
    return {
        plural: arrow_from_frame(tables[plural], frame) if plural in tables else frame
        for plural, frame in frames.items()
    }
