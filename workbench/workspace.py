"""The public object: the ten repositories, the links, frames, import, export and editors."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import UUID

from workbench.collection import Collection, LinkCollection
from workbench.database.engine import Database, Login
from workbench.entities import STORED
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

    from workbench.transfer.archive import ArchiveReport
    from workbench.transfer.export import ExportReport
    from workbench.transfer.loading import Loading
    from workbench.transfer.proposal import Plan
    from workbench.transfer.report import LoadReport

T = TypeVar("T")


class Workspace(Sharing, History):
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

    async def load(
        self,
        sources: Path | str | Sequence[Path | str] | Mapping[str, Any],
        *,
        world: WorldKey | None = None,
        dry_run: bool = False,
        reason: str | None = None,
        progress: Callable[[Any], None] | bool | None = None,
        table: str | None = None,
        columns: Mapping[str, str] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        sheet: str | None = None,
        header_row: int | None = None,
        remember: bool = False,
        on_problem: Literal["stop", "skip"] = "stop",
        rejects: Path | str | None = None,
    ) -> LoadReport:
        """Import files, folders or frames: all or nothing, or what is good of them.

        Files are CSV, TSV, Excel workbooks, JSON, JSON lines, Parquet or Arrow. How one is to be
        read is found out; what is given here, or in a TOML file beside it, is right.

        Parameters
        ----------
        sources
            A folder, a file or several, tables told by the files' names; or frames, files and
            queries (`wb.query`) by table, `{"personas": frame, "scenes": "old.csv"}`.
        world
            The world of rows that name none.
        dry_run
            Whether to say what would be done, and write nothing.
        progress
            True shows a bar in a notebook or a terminal; or what is called with each step.
        table
            The table of files whose names tell none.
        columns
            What columns of the files stand for: `{"Rolle": "role"}`.
        sheet, header_row
            Of a workbook: the sheet by name, and the row that has the column names, from 1.
        remember
            Whether to write how each file was read into `<file>.toml`, for the next time.
        on_problem
            `stop` writes nothing if there is a problem. `skip` leaves out the rows that have
            one, and those that refer to them: they go, each with its problem, to a file
            `<name>.rejects.<ending>` of their own format, to be mended and imported.
        rejects
            The folder for these files; without it they lie beside their sources.

        Returns
        -------
        LoadReport
            Counts by table, problems and notes. `written` tells whether anything was written;
            `rejects` has what was left out: paths, and frames for frames.
        """
        from workbench.progress import shown_progress
        from workbench.transfer.load import load
        from workbench.transfer.options import Reading

        reading = Reading(table, encoding, delimiter, sheet, header_row, columns or {})
        given = _arrow(sources) if isinstance(sources, Mapping) else sources
        name = None if world is None else await self._world_path(world)
        with shown_progress(quiet=progress is not True) as bar:
            report = await load(
                self.database,
                given,
                world=name,
                dry_run=dry_run,
                reason=reason,
                progress=progress if callable(progress) else bar,
                reading=reading,
                remember=remember,
                on_problem=on_problem,
                rejects=None if rejects is None else _path(rejects),
            )
        if isinstance(sources, Mapping):
            from workbench.frames import rejected_rows

            report.rejects = {
                file: rejected_rows(sources[file], rows) if file in sources else rows
                for file, rows in report.rejects.items()
            }
        return report

    async def plan(
        self,
        sources: Path | str | Sequence[Path | str] | Mapping[str, Any],
        *,
        world: WorldKey | None = None,
        on_problem: Literal["stop", "skip"] = "stop",
        progress: Callable[[Any], None] | None = None,
        table: str | None = None,
        columns: Mapping[str, str] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        sheet: str | None = None,
        header_row: int | None = None,
    ) -> Plan:
        """Work out what `load` would do, to look at it, save it, and apply it later.

        The plan holds the rows as they were read: what becomes of the files does not matter.
        `await plan.apply(reason="…")` does what it shows, or nothing.

        Parameters
        ----------
        on_problem
            With `skip` the plan is about the rows that have no problem.
        """
        from workbench.transfer.options import Reading
        from workbench.transfer.proposal import make_plan

        return await make_plan(
            self.database,
            _arrow(sources) if isinstance(sources, Mapping) else sources,
            world=None if world is None else await self._world_path(world),
            reading=Reading(table, encoding, delimiter, sheet, header_row, columns or {}),
            on_problem=on_problem,
            progress=progress,
        )

    @staticmethod
    def query(url: str, statement: str) -> Any:
        """Return a SELECT on another PostgreSQL as a source for `load` and `plan`.

        `await wb.load({"personas": wb.query(url, "SELECT world, name FROM cast_list")})`. Its rows
        are read as they come, in a transaction that cannot write; nothing keeps the address.
        """
        from workbench.database.elsewhere import Elsewhere

        return Elsewhere.of(url, statement)

    def open_plan(self, path: Path | str) -> Plan:
        """Return a plan that was saved, by whomever; it is applied with one's own rights."""
        from workbench.transfer.proposal import open_plan

        return open_plan(self.database, path)

    def loading(self, sources: Any, **options: Any) -> Loading:
        """Import as `load` does, with its options, and give each step to an `async for`.

        Leaving the loop early undoes the import; after it, `report` has what `load` returns.

        Examples
        --------
        >>> loading = wb.loading("plays/")  # doctest: +SKIP
        >>> async for step in loading:  # doctest: +SKIP
        ...     print(step)
        >>> loading.report  # doctest: +SKIP
        """
        from workbench.transfer.loading import Loading

        return Loading(lambda watch: self.load(sources, progress=watch, **options))

    async def export(
        self, folder: Path | str, *, world: WorldKey, format: str = "csv", overwrite: bool = False
    ) -> ExportReport:
        """Write a world as files that import again to the same world.

        Parameters
        ----------
        format
            "csv", "json", "jsonl", "parquet" or "arrow": a file for each table; "xlsx": one
            workbook with a sheet for each.
        overwrite
            Whether the folder may hold something already; files of the same name are replaced.
        """
        from workbench.transfer.export import export

        where = await world_id(self.database, world)
        return await export(self.database, where, _path(folder), format=format, overwrite=overwrite)

    async def archive(
        self,
        world: WorldKey,
        path: Path | str,
        *,
        history: bool = False,
        overwrite: bool = False,
    ) -> ArchiveReport:
        """Write a whole world, as it is at one moment, to one file that `restore` reads.

        Parameters
        ----------
        history
            Whether ids, owners, versions, times and all changes go along, to be read.
        overwrite
            Whether a file that is there is replaced.
        """
        from workbench.transfer.archive import archive

        where = await world_id(self.database, world)
        return await archive(
            self.database, where, _path(path), history=history, overwrite=overwrite
        )

    async def restore(
        self,
        path: Path | str,
        *,
        merge: bool = False,
        dry_run: bool = False,
        reason: str | None = None,
        progress: Callable[[Any], None] | None = None,
    ) -> LoadReport:
        """Bring the world in an archive into this database, all or nothing.

        It belongs to you then; ids, versions and times are new. With `merge`, the rows go into
        your world of the same name, if there is one, as an import's do.

        Raises
        ------
        UnreadableFile
            It is no archive, or not as it was written. Nothing was written.
        Refused
            You have a world of this name, and `merge` is not said.
        """
        from workbench.transfer.restore import restore

        return await restore(
            self.database,
            _path(path),
            merge=merge,
            dry_run=dry_run,
            reason=reason,
            progress=progress,
        )

    async def bible(self, world: WorldKey, path: Path | str, *, overwrite: bool = False) -> int:
        """Write a world as a book to read, in one file: .html or .md; return its bytes.

        The outline with every scene, personae with their appearances and relations, places,
        things, small pictures (HTML), and an index. The file needs nothing from elsewhere.
        """
        from workbench.transfer.bible import bible

        where = await world_id(self.database, world)
        return await bible(self.database, where, _path(path), overwrite=overwrite)

    async def write(self, frame: pd.DataFrame, path: Path | str, *, overwrite: bool = False) -> int:
        """Write any frame to a file, whose end tells the format; return how many rows it has.

        CSV, Excel, JSON, JSON lines, Parquet or Arrow; texts that a spreadsheet would run as
        formulas are marked as text. The file appears when it is whole.
        """
        from workbench.frames import write

        return await write(frame, _path(path), overwrite=overwrite)

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


def _path(value: Path | str) -> Path:
    return Path(value)


def _arrow(frames: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return frames as Arrow tables; those of no known table as they are, to be told of."""
    from workbench.frames import arrow_from_frame

    tables = {stored.plural: stored for stored in STORED.values()}
    return {
        plural: arrow_from_frame(tables[plural], frame)
        if plural in tables and hasattr(frame, "columns") and hasattr(frame, "index")
        else frame
        for plural, frame in frames.items()
    }
