"""The records of one entity: get, find, count, add, update, remove, restore, purge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Row, bindparam, delete, func, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.base import DraftT, Entity, EntityRecord, RecordT
from workbench.errors import Ambiguous, InTheTrash, InvalidDraft, NotFound, StaleRecord
from workbench.store.filters import conditions
from workbench.store.names import near_names, resolve, suggested
from workbench.store.rights import not_allowed, telling_whom_to_ask
from workbench.store.rows import Rows

_NEW_IDS = text("SELECT rules.new_id() FROM generate_series(1, :count)")
_PURGE = text("SELECT 1 FROM rules.purge(:entity, :key) AS purged WHERE purged")
_BATCH_ROWS = 1_000
_IN_THE_TRASH = "It is in the trash; `restore` brings it back."


class Repository(Rows[DraftT, RecordT]):
    """The records of one entity.

    Every verb is a transaction of its own unless it runs inside `Workspace.transaction`.
    Clashes with other transactions are repeated; errors of the database arrive as
    `WorkbenchError`, and then nothing of the call was written.
    """

    def __init__(self, database: Database, entity: Entity[DraftT, RecordT]) -> None:
        super().__init__(database, entity)
        self.entity = entity
        table = entity.table
        by_id = table.c.id == bindparam("key")
        self._get = self._select.where(by_id)
        self._update = (
            update(table)
            .where(by_id, table.c.version == bindparam("expected"), table.c.deleted_at.is_(None))
            .returning(*self._columns)
        )
        self._remove = (
            update(table)
            .where(by_id, table.c.deleted_at.is_(None))
            .values(deleted_at=func.now())
            .returning(*self._columns)
        )
        self._restore = (
            update(table)
            .where(by_id, table.c.deleted_at.is_not(None))
            .values(deleted_at=None)
            .returning(*self._columns)
        )
        # Rows in a world, and worlds, go by a function, which looks at the rights by itself.
        self._purge: Executable = (
            delete(table).where(by_id, table.c.deleted_at.is_not(None)).returning(table.c.id)
            if entity.parent is None
            else _PURGE.bindparams(entity=entity.name)
        )

    async def get(
        self, key: UUID | str | None = None, /, *, trashed: bool = False, **within: Any
    ) -> RecordT:
        """Return one record, by id or by its name and what it lies in.

        `get(id)`; `get(name="Hamlet", world="The Tragedies")`;
        `get(name="Act I", story="Hamlet")`.

        Parameters
        ----------
        trashed
            Whether a record in the trash may be returned (by id only).

        Raises
        ------
        NotFound
            There is none; near names are suggested.
        Ambiguous
            Several have the name: say more of what it lies in.
        """
        if key is None:
            return await self._by_name(within)
        row = await self._one(self._get, {"key": self._id(key)})
        if row is None:
            raise NotFound(self.entity.name, key)
        record = self._record(row)
        if row.deleted_at is not None and not trashed:
            raise NotFound(self.entity.name, key, _IN_THE_TRASH)
        return record

    async def _by_name(self, within: Mapping[str, Any]) -> RecordT:
        if not within:
            raise InvalidDraft({"name": "Say which one: get(id) or get(name=…)."})
        deleted_at = self.entity.table.c.deleted_at
        statement = self._select.where(*conditions(self.entity, within))
        trashed: Sequence[Any] = ()
        async with self.database.reading() as connection:
            with translated(self.entity.name):
                live = statement.where(deleted_at.is_(None)).limit(2)
                rows = (await connection.execute(live)).all()
                if not rows:
                    gone = statement.where(deleted_at.is_not(None)).limit(1)
                    trashed = (await connection.execute(gone)).all()
        said = within.get(self.entity.label) or ", ".join(f"{k}={v}" for k, v in within.items())
        if trashed:
            raise NotFound(self.entity.name, said, _IN_THE_TRASH)
        if not rows:
            near = await near_names(self.database, self.entity, str(said), limit=3)
            raise NotFound(self.entity.name, said, suggested(near))
        if len(rows) > 1:
            more = [c.removesuffix("id") for c in self.entity.key if c.endswith("id")]
            raise Ambiguous(self.entity.name, said, f"Say also its {' or '.join(more)}, or its id.")
        return self._record(rows[0])

    async def add(
        self, draft: DraftT | None = None, /, *, reason: str | None = None, **fields: Any
    ) -> RecordT:
        """Store a new record and return it, with its id, its times and version 1.

        Takes a draft, or its fields; a readable twin may stand for a foreign key:
        `add(name="Yorick", world="The Tragedies")`.

        Raises
        ------
        InvalidDraft, UnknownField, DuplicateName, MissingReference, InTheTrash
            Nothing was written.
        """
        if draft is None:
            draft = self.entity.validate(await resolve(self.database, self.entity, fields))
        values = draft.model_dump(exclude_unset=True)
        for column in ("ownerid", "worldid"):  # left out, the database knows them
            if values.get(column, 0) is None:
                del values[column]
        row = await self._one(self._insert, values, reason=reason)
        assert row is not None
        return self._record(row)

    async def _insert_all(
        self, connection: AsyncConnection, values: list[dict[str, Any]]
    ) -> list[RecordT]:
        with translated(self.entity.name):
            ids = (await connection.scalars(_NEW_IDS, {"count": len(values)})).all()
        for new_id, row in zip(ids, values, strict=True):
            row["id"] = new_id
            if row.get("ownerid", 0) is None:
                row["ownerid"] = self.database.userid
        with translated(self.entity.name, self._twice(values)):
            made = {}
            for start in range(0, len(values), _BATCH_ROWS):
                batch = values[start : start + _BATCH_ROWS]
                rows = await connection.execute(self._insert, batch)
                made.update({row.id: self._record(row) for row in rows})
        return [made[new_id] for new_id in ids]

    def _twice(self, values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the name that two of `values` have in the same place, by its field; {} if none."""
        seen = set()
        for row in values:
            key = tuple(row[column] for column in self.entity.key)
            if key in seen:
                return {self.entity.label: row[self.entity.label]}
            seen.add(key)
        return {}

    async def update(
        self,
        record: RecordT | UUID | str,
        changes: Mapping[str, Any] | None = None,
        /,
        *,
        version: int | None = None,
        reason: str | None = None,
        **fields: Any,
    ) -> RecordT:
        """Change some fields of a record, unless somebody else changed it first.

        Parameters
        ----------
        record
            The record as it was read, which tells the expected version; or its id, together
            with `version`.
        changes, fields
            New values by field; other fields keep theirs. The merged draft is validated whole.

        Raises
        ------
        StaleRecord
            The record has another version; the error carries it. Nothing was written.
        NotFound, InvalidDraft, UnknownField, DuplicateName, MissingReference, InTheTrash
            Nothing was written.
        """
        given = {**(changes or {}), **fields}
        if isinstance(record, EntityRecord):
            current: Any = record
            version = record.version if version is None else version
        else:
            if version is None:
                raise InvalidDraft(
                    {"version": "Say which version you change, or give the record itself."}
                )
            current = await self.get(self._id(record))
            if current.version != version:
                raise StaleRecord(self.entity.name, current, expected_version=version)
        world = getattr(current, "worldid", None)
        values = await resolve(self.database, self.entity, given, world=world)
        known = {
            n: getattr(current, n) for n in self.entity.draft.model_fields if hasattr(current, n)
        }
        draft = self.entity.validate({**known, **values})
        changed = {name: getattr(draft, name) for name in values}
        if not changed:
            return await self.get(current.id)
        parameters = {**changed, "key": current.id, "expected": version}
        row = await self._one(self._update, parameters, values=changed, reason=reason)
        if row is not None:
            return self._record(row)
        stored: Any = await self.get(current.id)  # NotFound says if it is gone
        if stored.version == version:
            raise await not_allowed(self.database, self.entity.name, self._world(stored))
        raise StaleRecord(self.entity.name, stored, expected_version=version)

    async def remove(self, record: RecordT | UUID | str, *, reason: str | None = None) -> RecordT:
        """Put a record, and what it contains, into the trash; return it as it is there.

        NotFound if it does not exist or is there already.
        """
        return await self._move(
            self._remove, record, reason, "remove", "It may be in the trash already."
        )

    async def restore(self, record: RecordT | UUID | str, *, reason: str | None = None) -> RecordT:
        """Take a record out of the trash, with what went there along with it.

        Raises
        ------
        NotFound
            It is not in the trash.
        InTheTrash
            What it lies in is in the trash: restore that first.
        DuplicateName
            Its name was given to another meanwhile.
        """
        return await self._move(self._restore, record, reason, "restore", "It is not in the trash.")

    async def purge(self, record: RecordT | UUID | str, *, reason: str | None = None) -> None:
        """Remove a record in the trash, and what it contains, for good.

        The history keeps its values, but not the bytes of pictures.

        Raises
        ------
        NotFound, StillInUse
            Nothing was removed.
        """
        key = self._id(record)
        row = await self._one(self._purge, {"key": key}, reason=reason, removing=True)
        if row is None:
            await self.get(key, trashed=True)
            raise InTheTrash(
                f"Only a {self.entity.name} in the trash can be purged. Remove it first.",
                entity=self.entity.name,
            )

    async def _move(
        self,
        statement: Executable,
        record: RecordT | UUID | str,
        reason: str | None,
        doing: str,
        hint: str,
    ) -> RecordT:
        key = self._id(record)
        row = await self._one(statement, {"key": key}, reason=reason)
        if row is not None:
            return self._record(row)
        seen = await self._one(self._get, {"key": key})
        if seen is None or (seen.deleted_at is None) is not (doing == "remove"):
            raise NotFound(self.entity.name, key, hint)
        world = self._world(self._record(seen))
        raise await not_allowed(self.database, self.entity.name, world, doing)

    def _world(self, record: RecordT) -> UUID | None:
        """Return the world that a record lies in, or is."""
        world: UUID | None = getattr(record, "worldid", None) or getattr(record, "id", None)
        return world if self.entity.parent is not None else None

    async def _one(
        self,
        statement: Executable,
        parameters: Mapping[str, Any],
        *,
        values: Mapping[str, Any] | None = None,
        reason: str | None = None,
        removing: bool = False,
    ) -> Row[Any] | None:
        """Run a statement that returns at most one row; again if it clashed."""

        async def work() -> Row[Any] | None:
            async with self.database.reading() as connection:
                with translated(self.entity.name, values or parameters, removing=removing):
                    return (await connection.execute(statement, dict(parameters))).first()

        async with telling_whom_to_ask(self.database, self.entity, parameters):
            return await self.database.repeated(work, reason=reason)

    def _id(self, key: RecordT | UUID | str) -> UUID:
        if isinstance(key, EntityRecord):
            return key.id
        try:
            return key if isinstance(key, UUID) else UUID(str(key))
        except ValueError:
            raise NotFound(
                self.entity.name, key, "An id is a UUID; for a name use name=…"
            ) from None
