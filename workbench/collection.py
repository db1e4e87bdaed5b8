"""The collections of a workspace: repositories that also speak DataFrames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from workbench.entities.base import DraftT, RecordT
from workbench.store.links import LinkRepository
from workbench.store.names import WorldKey, world_id
from workbench.store.repository import Repository
from workbench.store.rows import Rows

if TYPE_CHECKING:
    import pandas as pd

    from workbench.frames.result import SaveResult
    from workbench.frames.save import OnConflict


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

    async def export(
        self,
        path: Path | str,
        *,
        world: WorldKey | None = None,
        names: bool = True,
        columns: Sequence[str] | None = None,
        search: str | None = None,
        order: Sequence[str] = (),
        limit: int | None = None,
        trashed: bool = False,
        overwrite: bool = False,
        progress: Callable[[Any], None] | bool | None = None,
        **filters: Any,
    ) -> int:
        """Write the rows that fit to a file, and return how many those are.

        As `frame`, with readable twins, but never in memory whole. The file appears when it is
        whole.

        Parameters
        ----------
        path
            Its end tells the format: .csv, .xlsx, .json, .jsonl, .parquet or .arrow.
        overwrite
            Whether a file that is there is replaced.
        progress
            True shows a bar in a notebook or a terminal; or what is called with each step.

        Raises
        ------
        Refused
            The name tells no format, the file is there, or Excel cannot hold the rows.
        """
        from workbench.progress import watched
        from workbench.transfer.export_rows import export_rows

        within = None if world is None else await world_id(self.database, world)
        with watched(progress) as watch:
            return await export_rows(
                self.database,
                self.stored,
                Path(path),
                world=within,
                filters=filters,
                search=search,
                columns=columns,
                names=names,
                trashed=trashed,
                limit=limit,
                order=[order] if isinstance(order, str) else order,
                overwrite=overwrite,
                progress=watch,
            )

    async def save(
        self,
        frame: pd.DataFrame,
        *,
        reason: str | None = None,
        add: bool = False,
        trash: bool = False,
        on_conflict: OnConflict = "report",
        columns: Sequence[str] | None = None,
        based_on: pd.DataFrame | None = None,
    ) -> SaveResult:
        """Write the cells of a frame that were changed since it was read.

        Rows are told by their key (`id`), in columns or in the index; what was read is what the
        history has of their `version`. So the frame may have been sorted, filtered, indexed
        anew, copied or stored in between, and rows that it lacks are left alone. A cell that
        somebody else has changed meanwhile to something else is in conflict, and nothing of its
        record is written; what others have changed and you have not stays theirs. Afterwards
        the rows of `frame` that were written are as stored, in place, so that it can be edited
        and saved again.

        Parameters
        ----------
        frame
            Shape (n, k): the key, `version` and columns of `frame()`, readable twins among them:
            a changed `location` is looked up by name. NaN, NaT, NA, None and blank text clear a
            field. Times without a zone are in UTC.
        reason
            Kept with the changeset in the history.
        add
            Whether to store rows without a key as new ones, as `add_many` does.
        trash
            Whether to put records into the trash that `based_on` has and `frame` has not.
        on_conflict
            "report" writes all records that are in no conflict, "stop" nothing if one is.
        columns
            Look at these columns only; without it every column must be a field.
        based_on
            The frame as it was read: for `trash`, and for versions that `frame` lacks.

        Returns
        -------
        SaveResult
            Counts, and `conflicts`, which `resolve` settles.

        Raises
        ------
        InvalidRows
            Rows or columns break rules; all are listed. Nothing was written.
        InvalidDraft, NotFound
            The frame is none of these records, or lacks what tells them. Nothing was written.
        NotAllowed, Refused
            A right or a rule that the database alone looks at. Nothing was written.
        """
        from workbench.frames.save import save

        return await save(
            self.database,
            self.stored,
            frame,
            reason=reason,
            add=add,
            trash=trash,
            on_conflict=on_conflict,
            columns=columns,
            based_on=based_on,
        )

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
        if type(drafts).__module__.split(".")[0] == "pandas":
            return await self._add_frame(drafts, reason)
        return await super().add_many(drafts, reason=reason)

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

    def editor(self, *, world: WorldKey | None = None) -> Any:
        """Return a widget that shows the records in a grid and edits them, in a notebook."""
        from workbench.editing import RepositorySource, editor

        if self.database.moment is not None:  # nobody changes the past
            return editor(RepositorySource(self, world, role="viewer"))
        return editor(RepositorySource(self, world))


class LinkCollection(LinkRepository[DraftT, RecordT], Frames[DraftT, RecordT]):
    """The rows of one link: a repository that also speaks DataFrames."""
