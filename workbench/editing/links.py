"""The links of one record as rows of a grid: a scene's cast, a persona's relations."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select

from workbench.database.translate import translated
from workbench.editing.choices import choices
from workbench.editing.columns import column_of
from workbench.editing.filtering import said
from workbench.errors import NotFound, Refused, StaleRecord, UnknownField
from workbench.store.filters import conditions, counted, matching
from workbench.store.links import LinkRepository
from workbench.store.names import label_of
from workbench.store.related import Relation, path
from workbench.widgets.source import (
    Choice,
    Column,
    Edit,
    Filter,
    Page,
    Row,
    Sort,
    StoredRow,
)
from workbench.widgets.wire import json_safe

__all__ = ["LinkSource"]


class LinkSource:
    """The rows of a link at one of whose ends is one record; see `widgets.source.Source`.

    A row's id is what tells it apart from the others, as JSON: links have none. That is written
    once, with the row. Blocks are counted off, not found by key: they are few.
    """

    def __init__(
        self,
        repository: LinkRepository[Any, Any],
        relation: Relation,
        world: UUID,
        record: UUID,
        *,
        on_write: Callable[[], object] = lambda: None,
    ) -> None:
        """Give a source of rows; `on_write` is called after any was changed, came or went."""
        self.repository, self.relation = repository, relation
        self.database = repository.database
        self._world, self._record, self._on_write = world, record, on_write
        link = relation.stored
        self._own = tuple(c for c in repository.link.key if c not in ("worldid", relation.column))
        title = relation.entity.name.capitalize()
        self.columns: list[Column] = [
            replace(column_of(link, relation.other), title=title),
            *(column_of(link, name) for name in relation.fields),
        ]

    async def page(
        self,
        start: int,
        count: int,
        *,
        sort: Sequence[Sort],
        filters: Sequence[Filter],
        search: str | None,
        total: bool = True,
    ) -> Page:
        fitting = self._fitting(filters, search)
        block = fitting.order_by(*self._order(sort)).offset(start).limit(count)
        async with self.database.reading() as connection:
            with translated(self.relation.stored.name):
                rows = (await connection.execute(block)).all()
                number = await connection.scalar(counted(fitting))
        return Page([self._row(dict(row._mapping)) for row in rows], int(number or 0))

    async def total(self, *, filters: Sequence[Filter], search: str | None) -> int:
        return (await self.page(0, 0, sort=(), filters=filters, search=search)).total or 0

    async def lookup(self, field: str, term: str, row: Mapping[str, Any] | None) -> list[Choice]:
        if field != self.relation.other:
            raise UnknownField(self.relation.stored.name, field, [self.relation.other])
        return await choices(self.database, self.relation.entity, term, self._world)

    async def save(self, id: str, version: int, changes: Mapping[str, object]) -> Row:
        await self._save(Edit(id, version, changes))
        self._on_write()
        return await self._one(id)

    async def stored(self, ids: Sequence[str]) -> list[Row]:
        found = []
        for id in ids:
            same = conditions(self.relation.stored, self._key(id))
            async with self.database.reading() as connection:
                with translated(self.relation.stored.name):
                    rows = (await connection.execute(self._fitting((), None).where(*same))).all()
            found += [self._row(dict(row._mapping)) for row in rows]
        return found

    async def save_all(self, edits: Sequence[Edit], *, reason: str) -> None:
        async def work() -> None:
            for edit in edits:
                try:
                    await self._save(edit)
                except StaleRecord as stale:
                    raise Refused(
                        "A row was changed by somebody else meanwhile. Nothing was changed: look "
                        "at what would be done again.",
                        entity=self.relation.stored.name,
                    ) from stale

        await self.database.atomically(work, reason=reason)
        self._on_write()

    async def add(self, values: Mapping[str, object]) -> Row:
        added = await self.repository.add(**{**values, **self._fixed})
        self._on_write()
        return await self._one(self._id(added.model_dump()))

    async def remove(self, ids: Sequence[str]) -> str:
        """Remove rows, as one changeset. Links have no trash: what they said is the token."""
        gone: list[Any] = []

        async def work() -> None:
            gone.clear()
            for id in ids:
                record = await self._get(id)
                gone.append(json_safe({n: getattr(record, n) for n in self._drafted}))
                await self.repository.remove(record)

        reason = f"removed {len(ids)} {self.relation.stored.plural.replace('_', ' ')}"
        await self.database.atomically(work, reason=reason)
        self._on_write()
        return json.dumps(gone)

    async def restore(self, token: str) -> None:
        given = [{**row, **self._fixed} for row in json.loads(token)]
        reason = f"restored {self.relation.stored.plural.replace('_', ' ')}"
        await self.repository.add_many(given, reason=reason)
        self._on_write()

    @property
    def _fixed(self) -> dict[str, Any]:
        return {self.relation.column: self._record}

    @property
    def _drafted(self) -> list[str]:
        return [n for n in self.relation.stored.draft.model_fields if n != "worldid"]

    async def _get(self, id: str) -> Any:
        return await self.repository.get(**self._fixed, **self._key(id))

    async def _one(self, id: str) -> Row:
        for row in await self.stored([id]):
            return row
        raise NotFound(self.relation.stored.name, id, "Somebody removed it.")

    async def _save(self, edit: Edit) -> None:
        changes: dict[str, Any] = dict(edit.changes)
        for field in changes.keys() - set(self.relation.fields):
            raise UnknownField(self.relation.stored.name, field, self.relation.fields)
        record = await self._get(edit.id)
        stale = record.version != edit.version
        if not stale:
            try:
                await self.repository.update(record, **changes)
            except StaleRecord:
                stale = True
        if stale:
            current = StoredRow(await self._one(edit.id))
            name = self.relation.stored.name
            raise StaleRecord(name, current, expected_version=edit.version)

    def _fitting(self, filters: Sequence[Filter], search: str | None) -> Select[Any]:
        relation, entity = self.relation, self.relation.entity
        rows, there = relation.stored.table, entity.table
        joined = rows.join(there, there.c.id == rows.c[relation.other])
        for above, condition in path(entity)[2]:
            joined = joined.join(above, condition)
        names = [*self._own, relation.other, *relation.fields, "version"]
        where = [
            rows.c.worldid == self._world,
            rows.c[relation.column] == self._record,
            there.c.deleted_at.is_(None),
            *conditions(relation.stored, said(relation.stored, filters)),
        ]
        if search and search.strip():
            where.append(matching(entity, search))
        label = label_of(entity, there).label(f"{relation.other}__label")
        return (
            select(*(rows.c[name] for name in dict.fromkeys(names)), label)
            .select_from(joined)
            .where(*where)
        )

    def _order(self, sort: Sequence[Sort]) -> list[ColumnElement[Any]]:
        entity, link = self.relation.entity, self.relation.stored
        order: list[ColumnElement[Any]] = []
        for one in sort:
            other = one.field == self.relation.other
            by = label_of(entity, entity.table) if other else link.column(one.field)
            order.append(by.desc() if one.descending else by.asc())
        return [*order, *path(entity)[1], *(link.table.c[name] for name in self._own)]

    def _id(self, values: Mapping[str, Any]) -> str:
        return json.dumps([str(values[name]) for name in self._own])

    def _key(self, id: str) -> dict[str, Any]:
        """Return what tells the row with this id, which comes from a browser."""
        kinds = self.relation.stored.kinds
        try:
            key = {
                name: kinds[name].clean(value)
                for name, value in zip(self._own, json.loads(id), strict=True)
            }
        except (ValueError, TypeError):
            raise NotFound(self.relation.stored.name, id) from None
        if any(kinds[name].problem(value) for name, value in key.items()):
            raise NotFound(self.relation.stored.name, id)
        return key

    def _row(self, values: Mapping[str, Any]) -> Row:
        row: Row = json_safe(values)
        return {"id": self._id(values), **row, "__fixed": list(self._own)}
