"""What a workspace does about its history: who changed what, what was there, undoing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from workbench import markup
from workbench.database.engine import Database
from workbench.entities.base import Record
from workbench.entities.user import User
from workbench.entities.world import World
from workbench.history import changes as read
from workbench.history.moments import Moment, moment
from workbench.history.undo import told, undo

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["History", "UndoReport"]

_ROWS = 1_000
_CHANGESETS = 100

HISTORY = ("at", "by", "reason", "source", "operation", "column", "before", "after", "changeset",
    "version", "change")  # fmt: skip
CHANGES = ("at", "by", "entity", "record", "name", "operation", "columns", "reason", "source",
    "changeset", "version", "change")  # fmt: skip
CHANGESETS = ("at", "by", "reason", "source", "entities", "inserted", "updated", "trashed",
    "restored", "deleted", "changeset")  # fmt: skip
DIFF = ("entity", "record", "name", "column", "before", "after", "operation")
TRASH = ("entity", "record", "name", "deleted_at", "by", "reason", "changeset")
KEPT = ("entity", "record", "name", "column", "was", "now", "by", "at", "changeset")


@dataclass(frozen=True, repr=False)
class UndoReport:
    """What an undo did, or in a dry run would do.

    Attributes
    ----------
    changeset
        The changeset of the undo itself, which can be undone too; None if nothing was done.
    removed, changed, returned
        How many rows went to the trash or were unlinked, got old values or left the trash, and
        were brought back after a purge or an unlinking, by table.
    kept
        A frame, shape (n, 9), of what is not as it was before the changeset: `was` would be
        there, `now` is; who changed it later (`by`, `at`, `changeset`). Without a `column` it is
        a row: one that came is still there, or one that went is still gone.
    hidden
        How many rows of your own changeset lie in worlds that you may no longer read; they stay.
    """

    changeset: UUID | None
    written: bool
    removed: Mapping[str, int]
    changed: Mapping[str, int]
    returned: Mapping[str, int]
    kept: pd.DataFrame
    hidden: int = 0

    def __str__(self) -> str:
        lines = told(self)
        if len(self.kept):
            lines.append("See `.kept`.")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        said = "".join(markup.paragraph(line) for line in str(self).splitlines())
        return said + (self.kept.head(20).to_html() if len(self.kept) else "")


class History:
    """The verbs of a workspace; frames and names of worlds are the workspace's to make."""

    database: Database

    async def history(
        self, record: Record | UUID | str, *, limit: int = _ROWS, after: int | None = None
    ) -> pd.DataFrame:
        """Return what was done to one record, the newest first.

        Users have no history that others read.

        Parameters
        ----------
        record
            A record or a link as it was read; or an id, of a purged record too.
        limit
            At most so many changes of the record.
        after
            The last `change` of the frame before, for what came earlier.

        Returns
        -------
        DataFrame
            One row for each changed field: at (when its transaction began, UTC), by, reason,
            source, operation, column, before, after (as text), changeset, version (of the record
            after it), change (its number).
        """
        return self._frame(
            await read.history(self.database, record, limit=limit, after=after), HISTORY
        )

    async def changes(
        self,
        *,
        world: World | UUID | str | None = None,
        by: User | UUID | str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        entity: str | None = None,
        changeset: UUID | str | None = None,
        limit: int = _ROWS,
        after: int | None = None,
    ) -> pd.DataFrame:
        """Return which records were changed in the worlds that you may read, the newest first.

        Parameters
        ----------
        by
            A user: the record, an id or an e-mail; or a database login.
        entity
            A table: "scene" or "scenes".
        limit, after
            As for `history`: at most so many records; those before a number.

        Returns
        -------
        DataFrame
            One row for each changed record: at, by, entity, record (of a link: of its home),
            name, operation, columns (which changed), reason, source, changeset, version, change.
        """
        rows = await read.changes(
            self.database,
            which=await self._which(world, by, since, until),
            entity=entity,
            changeset=None if changeset is None else UUID(str(changeset)),
            limit=limit,
            after=after,
        )
        return self._frame(rows, CHANGES)

    async def changesets(
        self,
        *,
        world: World | UUID | str | None = None,
        by: User | UUID | str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        limit: int = _CHANGESETS,
    ) -> pd.DataFrame:
        """Return which changesets there were in the worlds that you may read, the newest first.

        A changeset is what one transaction did: an import, a save, a press on a button.

        Parameters
        ----------
        by, since, until
            As for `changes`; of a changeset only what fits is counted.
        limit
            At most so many. Each takes the longer, the more rows it has: all are counted.

        Returns
        -------
        DataFrame
            One row for each: at, by, reason, source, entities, inserted, updated, trashed,
            restored, deleted (how many rows), changeset (for `undo`).
        """
        which = await self._which(world, by, since, until)
        rows = await read.changesets(self.database, which=which, limit=limit)
        return self._frame(rows, CHANGESETS)

    async def _which(
        self,
        world: World | UUID | str | None,
        by: User | UUID | str | None,
        since: Moment | None,
        until: Moment | None,
    ) -> read.Which:
        return read.Which(
            world=None if world is None else await self._world_id(world),
            by=by,
            since=None if since is None else moment(since, "since"),
            until=None if until is None else moment(until, "until"),
        )

    async def diff(
        self,
        start: Moment,
        end: Moment,
        *,
        world: World | UUID | str,
        entity: str | None = None,
        limit: int = read.CHANGES_MAXIMUM_ROWS,
    ) -> pd.DataFrame:
        """Return what was different in a world at `end` from what it was at `start`.

        Returns
        -------
        DataFrame
            One row for each field that differs, of what came or went each that holds something:
            entity, record, name, column, before, after (as text), operation.
        """
        rows = await read.diff(
            self.database,
            await self._world_id(world),
            moment(start, "start"),
            moment(end, "end"),
            entity=entity,
            limit=limit,
        )
        return self._frame(rows, DIFF)

    async def trash(self, world: World | UUID | str, *, limit: int = _ROWS) -> pd.DataFrame:
        """Return what is in the trash of a world, the latest first; `undo` brings a set back.

        Returns
        -------
        DataFrame
            One row for each record: entity, record, name, deleted_at, by, reason, changeset.
        """
        rows = await read.trash(self.database, await self._world_id(world), limit=limit)
        return self._frame(rows, TRASH)

    async def undo(
        self, changeset: UUID | str, *, reason: str | None = None, dry_run: bool = False
    ) -> UndoReport:
        """Undo what still stands of a changeset, however old, all or nothing.

        What it added goes to the trash, a cell that still has the value it was given gets the
        old one back, what it trashed is restored, what it purged comes back into the trash (by a
        manager, and without the bytes of pictures). Later edits stay, and the report tells them.
        The undo is a changeset of its own, so it can be undone. What the changeset did in worlds
        that you may not read stays: of your own it is told how much, of another's it is not.

        Parameters
        ----------
        changeset
            Its id, from `changesets`, `history`, `changes`, `trash` or `latest_changes`.
        dry_run
            Whether to find out only what would be done.

        Raises
        ------
        NotFound, NotAllowed, DuplicateName, InTheTrash
            Nothing was undone.
        """
        undone = await undo(self.database, changeset, reason=reason, dry_run=dry_run)
        return UndoReport(
            undone.changeset,
            undone.written,
            undone.removed,
            undone.changed,
            undone.returned,
            self._frame(undone.kept, KEPT),
            undone.hidden,
        )

    def _frame(self, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
        raise NotImplementedError

    async def _world_id(self, world: World | UUID | str) -> UUID:
        raise NotImplementedError
