"""The public object: the ten repositories, the links, frames, files, history and editors."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from workbench.collection import Collection, LinkCollection
from workbench.database.connecting import Login
from workbench.database.engine import Database
from workbench.entities.act import ACT, Act, ActDraft
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
from workbench.errors import UnknownField
from workbench.files import Files
from workbench.history.latest import Changed, latest_changes
from workbench.history.moments import Moment, moment
from workbench.history.verbs import History
from workbench.store.appearances import Appearance, appearances
from workbench.store.names import NearName, WorldKey, near_names, world_id
from workbench.store.outline import Outline, outline
from workbench.store.pictures import content, thumbnail
from workbench.store.places import Place, subtree
from workbench.store.sharing import Sharing

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


class Workspace(Sharing, History, Files):
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
        self._pasts: list[Workspace] = []
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

    def __repr__(self) -> str:
        held = [name for name, value in vars(self).items() if isinstance(value, Collection)]
        then = self.database.moment
        past = "" if then is None else f" as of {then:%Y-%m-%d %H:%M:%S %Z}"
        return f"<Workspace{past}: {', '.join(held)}>"

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
        for past in self._pasts:
            await past.disconnect()
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

    async def outline(self, world: WorldKey) -> Outline:
        """Return a world's tree of books, stories, acts and scenes."""
        return await outline(self.database, await world_id(self.database, world))

    async def latest_changes(self, world: WorldKey, *, limit: int = 20) -> list[Changed]:
        """Return what was done last in a world, the newest first."""
        return await latest_changes(
            self.database, await world_id(self.database, world), limit=limit
        )

    def as_of(self, moment_: Moment, /) -> Workspace:
        """Return a workspace that shows everything as it was at a moment, and only reads.

        Repositories, links, frames, exports and grids work as ever, with the rights of now; a
        world that was purged is gone from its past too. A transaction counts from its beginning.
        Users, and the bytes of pictures, are those of now: of pictures that were changed since,
        the history has facts and hashes, no bytes.

        Parameters
        ----------
        moment_
            A time, or a text such as "2026-01-31 18:00"; in UTC if it names no zone.

        Raises
        ------
        Refused
            Later, by what reads: details of that time are forgotten by now.
        """
        past = Workspace(self.database.at(moment(moment_)))
        self._pasts.append(past)
        return past

    def _frame(self, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
        from workbench.frames.history import told

        return told(rows, columns)

    async def _world_id(self, world: WorldKey) -> UUID:
        return await world_id(self.database, world)

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
