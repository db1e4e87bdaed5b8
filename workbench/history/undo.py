"""Undoing a changeset: what of it still stands goes back, later edits stay and are told.

Set-based SQL for each table, in one transaction that is a changeset of its own:

* what it added goes to the trash (links are removed), unless it was changed later or holds
  something that came later;
* a cell that still has the value it was given gets the old one back; so does the trash: what was
  trashed is restored, what was restored is trashed again;
* what it purged is brought back into the trash, by a manager, with its id and without the bytes
  of pictures, which no history holds; links that it removed are added again.

What is not as it was before the changeset is told afterwards, whatever the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text

from workbench.database.engine import Database
from workbench.database.translate import translated, whom_to_ask
from workbench.entities import ENTITIES, LINKS, STORED, Link, Stored
from workbench.errors import Conflict, InvalidDraft, NotAllowed, NotFound, WorkbenchError
from workbench.history import undo_sql as sql

__all__ = ["Told", "Undone", "told", "undo"]

_REASON_MAXIMUM_CHARACTERS = 200
_MANAGED = [link.name for link in LINKS.values() if link.managed]


@dataclass(frozen=True)
class Undone:
    """What an undo did.

    Attributes
    ----------
    changeset
        The changeset of the undo itself, which can be undone too; None if nothing was changed.
    written
        Whether it was done; a dry run only finds out.
    removed, changed, returned
        How many rows went to the trash or were unlinked, got old values or left the trash, and
        were brought back, by table.
    kept
        What is not as it was before the changeset: one mapping for each cell, or row (`column`
        is None), with who changed it later.
    hidden
        How many rows of the user's own changeset lie where the user may read no more; they stay.
    """

    changeset: UUID | None
    written: bool
    removed: Mapping[str, int]
    changed: Mapping[str, int]
    returned: Mapping[str, int]
    kept: list[dict[str, Any]] = field(default_factory=list)
    hidden: int = 0


class Told(Protocol):
    """What of an undo is put in words: of one, or of the report that is made of it."""

    @property
    def written(self) -> bool: ...
    @property
    def removed(self) -> Mapping[str, int]: ...
    @property
    def changed(self) -> Mapping[str, int]: ...
    @property
    def returned(self) -> Mapping[str, int]: ...
    @property
    def kept(self) -> Sized: ...
    @property
    def hidden(self) -> int: ...


def told(undone: Told) -> list[str]:
    """Return sentences that tell what was undone, or would be, and what stays."""
    lines = [
        f"{what if undone.written else f'Would be {what.lower()}'}: {_listed(counts)}."
        for what, counts in (
            ("Removed", undone.removed),
            ("Changed back", undone.changed),
            ("Brought back", undone.returned),
        )
        if counts
    ]
    lines = lines or ["Nothing was left to undo."]
    if count := len(undone.kept):
        one = count == 1
        stay = "later edit or other thing stays" if one else "later edits or other things stay"
        lines.append(f"{count:,} {stay}.")
    if count := undone.hidden:
        lie, stay = ("row lies", "stays") if count == 1 else ("rows lie", "stay")
        lines.append(f"{count:,} {lie} in worlds that you may no longer read, and {stay}.")
    return lines


def _listed(counts: Mapping[str, int]) -> str:
    """Return `2 personas, 1 scene thing`."""
    return ", ".join(
        f"{count:,} {(table if count == 1 else STORED[table].plural).replace('_', ' ')}"
        for table, count in counts.items()
    )


class _DryRun(Exception):
    """Ends a transaction that is not to be kept; carries what it found out."""

    def __init__(self, undone: Undone) -> None:
        super().__init__()
        self.undone = undone


async def undo(
    database: Database, changeset: UUID | str, *, reason: str | None = None, dry_run: bool = False
) -> Undone:
    """Undo what still stands of a changeset, all or nothing.

    Raises
    ------
    NotFound
        There is no such changeset in the worlds that the user reads, or its details are
        forgotten.
    NotAllowed
        The user may not change one of the worlds that it changed. Nothing was written.
    DuplicateName, InTheTrash
        A name was given to another meanwhile, or what a row lies in was trashed. Nothing was
        written.
    """
    try:
        key = changeset if isinstance(changeset, UUID) else UUID(str(changeset))
    except ValueError:
        raise InvalidDraft({"changeset": "A changeset is told by its id."}) from None
    if database.in_transaction and dry_run:
        raise WorkbenchError("A dry run undoes itself, so it takes no part in a transaction.")
    async with database.reading() as connection:
        with translated():
            said = await connection.scalar(text(sql.REASON), {"changeset": key})
    about = reason or f"undo of {said or key}"[:_REASON_MAXIMUM_CHARACTERS]

    async def work() -> Undone:
        undone = await _Undo(database, key).run(written=not dry_run)
        if dry_run:
            raise _DryRun(undone)
        return undone

    try:
        return await database.atomically(work, reason=about)
    except _DryRun as end:
        return end.undone


def _forbidden(row: Any) -> NotAllowed:
    what = "changed a world that you may read, but not change"
    if row.managed:
        what = "changed members, or purged something: to undo that takes a manager's rights"
    return NotAllowed(f"This changeset {what}. Nothing was undone. {whom_to_ask(row.managers)}")


class _Undo:
    """One attempt, inside a transaction."""

    def __init__(self, database: Database, changeset: UUID) -> None:
        self._database = database
        self._values: dict[str, Any] = {"changeset": changeset}
        self._removed: Counter[str] = Counter()
        self._changed: Counter[str] = Counter()
        self._returned: Counter[str] = Counter()

    async def run(self, *, written: bool) -> Undone:
        about = {
            row.entity: ({c for c in row.columns if c}, set(row.operations))
            for row in await self._rows(sql.ABOUT)
        }
        if not about:
            raise NotFound(
                "changeset",
                self._values["changeset"],
                "You may not read its worlds, or its details are kept no more.",
            )
        if forbidden := await self._rows(sql.FORBIDDEN, managed=_MANAGED):
            raise _forbidden(forbidden[0])
        await self._rows(sql.TOGETHER, on="on")
        for entity in [e for e in reversed(ENTITIES.values()) if e.name in about]:
            await self._count(self._removed, entity.name, sql.trashing(entity))
        await self._rows(sql.TOGETHER, on="")
        for link in [k for k in LINKS.values() if k.name in about]:
            await self._count(self._removed, link.name, sql.unlinking(link))
        for entity in [e for e in ENTITIES.values() if e.name in about]:
            if "delete" in about[entity.name][1] and entity.in_world:
                await self._count(self._returned, entity.name, sql.reviving(entity))
        for stored in [s for s in STORED.values() if s.name in about]:
            columns, operations = about[stored.name]
            if isinstance(stored, Link) and "delete" in operations:
                await self._count(self._returned, stored.name, sql.linking(stored))
            await self._cells(stored, columns)
        own = await self._rows(sql.OWN)
        kept = await self._kept(own[0][0] if own else None, about)
        hidden = (await self._rows(sql.HIDDEN))[0][0]
        return Undone(
            own[0][0] if own and written else None,
            written,
            dict(self._removed),
            dict(self._changed),
            dict(self._returned),
            kept,
            hidden,
        )

    async def _cells(self, stored: Stored[Any, Any], columns: set[str]) -> None:
        statement = sql.cells(stored, columns)
        if statement is None:
            return
        expected, done = (await self._rows(statement, stored.name))[0]
        if expected != done:
            raise Conflict("Somebody changed the same rows at the same moment. Undo it again.")
        if done:
            self._changed[stored.name] += done

    async def _kept(
        self, own: UUID | None, about: Mapping[str, tuple[set[str], set[str]]]
    ) -> list[dict[str, Any]]:
        kept = []
        for stored in [s for s in STORED.values() if s.name in about]:
            found = await self._rows(sql.kept(stored, about[stored.name][0]), own=own)
            kept += [dict(row._mapping) for row in found]
        for row in kept:
            key = row.pop("key")
            if key is not None:
                row["name"] = ", ".join(f"{name}={value}" for name, value in sorted(key.items()))
        return kept

    async def _count(self, counts: Counter[str], entity: str, statement: str) -> None:
        done = len(await self._rows(statement, entity))
        if done:
            counts[entity] += done

    async def _rows(self, statement: str, entity: str | None = None, **more: Any) -> list[Any]:
        async with self._database.writing() as connection:
            with translated(entity):
                found = await connection.execute(text(statement), {**self._values, **more})
                return list(found.all())
