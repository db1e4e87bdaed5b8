"""The rows of one link table: who appears where, and the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, func, select, update

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.base import DraftT, Link, RecordT
from workbench.errors import InvalidDraft, NotFound, StaleRecord
from workbench.store.names import resolve
from workbench.store.rights import not_allowed, telling_whom_to_ask
from workbench.store.rows import Rows


class LinkRepository(Rows[DraftT, RecordT]):
    """The rows of one link. They have no id: the records they relate tell them apart."""

    def __init__(self, database: Database, link: Link[DraftT, RecordT]) -> None:
        super().__init__(database, link)
        self.link = link
        # The ends alone are the key: they tell the world.
        self._key = tuple(c for c in link.key if c != "worldid" or "world" in self._ends)

    @property
    def _ends(self) -> set[str]:
        given = self.link.draft.model_fields["worldid"]
        return {"world"} if given.is_required() else set()

    async def get(self, **key: Any) -> RecordT:
        """Return one row by its key, such as `get(sceneid=…, personaid=…)`; or NotFound."""
        values = self._keyed(await resolve(self.database, self.link, key))
        async with self.database.reading() as connection:
            with translated(self.link.name):
                row = (await connection.execute(self._select.where(*self._same(values)))).first()
        if row is None:
            raise NotFound(self.link.name, self._said(values))
        return self._record(row)

    async def add(
        self, draft: DraftT | None = None, /, *, reason: str | None = None, **fields: Any
    ) -> RecordT:
        """Store a new row and return it; raises as `Repository.add` does."""
        if draft is None:
            draft = self.link.validate(await resolve(self.database, self.link, fields))
        return (await self.add_many([draft], reason=reason))[0]

    async def update(
        self, record: RecordT, /, *, reason: str | None = None, **fields: Any
    ) -> RecordT:
        """Change some fields of a row as it was read; raises as `Repository.update` does."""
        world = getattr(record, "worldid", None)
        values = await resolve(self.database, self.link, fields, world=world)
        known = {name: getattr(record, name) for name in self.link.draft.model_fields}
        draft = self.link.validate({**known, **values})
        changed = {name: getattr(draft, name) for name in values}
        key = self._keyed(known)
        statement = (
            update(self.link.table)
            .where(*self._same(key), self.link.table.c.version == record.version)
            .values(changed)
            .returning(*self._columns)
        )

        async def work() -> RecordT | None:
            async with self.database.reading() as connection:
                with translated(self.link.name, changed):
                    row = (await connection.execute(statement)).first()
            return None if row is None else self._record(row)

        saved = await self.database.repeated(work, reason=reason)
        if saved is not None:
            return saved
        stored: Any = await self.get(**key)
        if stored.version == record.version:
            raise await not_allowed(self.database, self.link.name, world)
        raise StaleRecord(self.link.name, stored, expected_version=record.version)

    async def remove(self, record: RecordT, /, *, reason: str | None = None) -> None:
        """Remove a row. Links have no trash; `add` the same record again to undo it."""
        key = self._keyed({name: getattr(record, name) for name in self.link.key})
        unlink = getattr(func.rules, f"unlink_{self.link.name}")
        statement = select(unlink(*(getattr(record, name) for name in self.link.key)))

        async def work() -> bool:
            async with self.database.reading() as connection:
                with translated(self.link.name, removing=True):
                    return bool(await connection.scalar(statement))

        async with telling_whom_to_ask(self.database, self.link, key):
            removed = await self.database.repeated(work, reason=reason)
        if not removed:
            raise NotFound(self.link.name, self._said(key))

    def _keyed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        missing = [name for name in self._key if values.get(name) is None]
        if missing:
            raise InvalidDraft(dict.fromkeys(missing, "This is part of the key: say it."))
        return {name: values[name] for name in self._key}

    def _same(self, key: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        return [self.link.table.c[name] == value for name, value in key.items()]

    @staticmethod
    def _said(key: Mapping[str, Any]) -> str:
        return ", ".join(f"{name}={value}" for name, value in key.items())
