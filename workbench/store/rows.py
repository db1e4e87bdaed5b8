"""The rows of one table as records: what entities and links have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from workbench import markup
from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities import Stored
from workbench.entities.base import STAMPS, DraftT, Entity, RecordT
from workbench.errors import InvalidDraft, shown
from workbench.store.filters import conditions, counted, live, matching
from workbench.store.keyset import after as after_cursor
from workbench.store.keyset import cursor, steps
from workbench.store.names import resolve_many, with_world_id
from workbench.store.rights import telling_whom_to_ask
from workbench.store.search import narrowed

PAGE_ROWS = 50
PAGE_MAXIMUM_ROWS = 10_000
_UNSEEN = frozenset({"id", "worldid", "ownerid", "deleted_at", *STAMPS})


@dataclass(frozen=True, repr=False)
class Page(Sequence[RecordT]):
    """Some records in order, and where the rest begins.

    Attributes
    ----------
    next
        The cursor for `find(after=…)`; None on the last page.
    total
        How many there are over all pages, if it was asked for.
    """

    records: tuple[RecordT, ...]
    next: str | None
    total: int | None = None

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: Any) -> Any:
        return self.records[index]

    def __iter__(self) -> Iterator[RecordT]:
        return iter(self.records)

    def __repr__(self) -> str:
        named = [repr(record.label) for record in self.records[:3] if hasattr(record, "label")]
        listed = ", ".join([*named, *(["…"] if len(self) > len(named) else [])])
        return f"<Page of {self._size}{': ' * bool(named)}{listed if named else ''}>"

    @property
    def _size(self) -> str:
        total = "" if self.total is None else f" of {self.total:,}"
        noun = "record" if max(len(self), self.total or 0) == 1 else "records"
        return f"{len(self):,}{total} {noun}{'' if self.next is None else ', more follow'}"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: what people wrote, without ids where there are names."""
        rows = [record.written() for record in self.records]
        named = any(hasattr(record, "label") for record in self.records)
        said = sorted(
            dict.fromkeys(name for row in rows for name in row),
            key=lambda name: name not in ("name", "display_name"),
        )
        columns = [
            name
            for name in said
            if name not in _UNSEEN
            and not (named and any(isinstance(row.get(name), UUID) for row in rows))
        ]
        size = markup.paragraph(f"{self._size}.")
        return markup.table(columns, [[row.get(name) for name in columns] for row in rows]) + size


class Rows(Generic[DraftT, RecordT]):
    """The rows of one table."""

    def __init__(self, database: Database, stored: Stored[DraftT, RecordT]) -> None:
        self.database = database
        self.stored = stored
        self._fields = tuple(stored.record.model_fields)
        self._written = set(self._fields)
        self._columns = tuple(stored.table.columns[field] for field in self._fields)
        self._select = select(*self._columns)
        self._insert = insert(stored.table).returning(*self._columns)

    async def find(
        self,
        *,
        search: str | None = None,
        order: Sequence[str] = (),
        limit: int = PAGE_ROWS,
        after: str | None = None,
        total: bool = False,
        trashed: bool = False,
        **filters: Any,
    ) -> Page[RecordT]:
        """Return the records that fit, a page of them; it may be empty.

        Parameters
        ----------
        search
            Words that are each part of the name or the display name, in any case.
        order
            Fields, `"-words"` for the greatest first; without it in order of making.
        limit
            Rows of a page, 1 to 10,000.
        after
            `next` of the page before, with the same order.
        total
            Whether to count all that fit; a second statement that looks at every one.
        trashed
            Whether to find what is in the trash instead.
        filters
            `kind="individual"`, `world="The Tragedies"`, `words__ge=100`; see
            `workbench.store.filters`.

        Raises
        ------
        NotFound
            There is no such world.
        UnknownField
            A filter or the order names a field that does not exist.
        InvalidDraft
            A filter's value, `limit` or `after` cannot be used.
        """
        if type(limit) is not int or not 1 <= limit <= PAGE_MAXIMUM_ROWS:
            raise InvalidDraft({"limit": f"This must be 1 to {PAGE_MAXIMUM_ROWS}."})
        filters = dict(await with_world_id(self.database, self.stored, filters))
        fitting = await self._fitting(filters, search, trashed=trashed)
        by = steps(self.stored, [order] if isinstance(order, str) else order)
        page = fitting.order_by(*(step.clause for step in by)).limit(limit + 1)
        if after is not None:
            page = page.where(after_cursor(by, after))
        async with self.database.reading() as connection:
            with translated(self.stored.name):
                rows = (await connection.execute(page)).all()
                count = await connection.scalar(counted(fitting)) if total else None
        more = len(rows) > limit
        rows = rows[:limit]
        return Page(
            tuple(self._record(row) for row in rows),
            cursor(by, rows[-1]._mapping) if more else None,
            count,
        )

    async def count(
        self, *, search: str | None = None, trashed: bool = False, **filters: Any
    ) -> int:
        """Return how many records fit; the parameters are those of `find`."""
        told = await with_world_id(self.database, self.stored, filters)
        statement = counted(await self._fitting(told, search, trashed=trashed))
        async with self.database.reading() as connection:
            with translated(self.stored.name):
                return int(await connection.scalar(statement) or 0)

    async def add_many(
        self, drafts: Iterable[DraftT | Mapping[str, Any]], *, reason: str | None = None
    ) -> list[RecordT]:
        """Store new rows, all or none, and return them in the same order.

        For more than some thousands, `Workspace` takes a frame or files, at the speed of COPY.

        Raises
        ------
        As `add`; `InvalidDraft.problems` are those of the first bad draft.
        """
        given = self._listed(drafts)
        fields = await resolve_many(
            self.database, self.stored, [d for d in given if isinstance(d, Mapping)]
        )
        told = iter(fields)
        values = [
            (self.stored.validate(next(told)) if isinstance(d, Mapping) else d).model_dump()
            for d in given
        ]
        if not values:
            return []

        async def work() -> list[RecordT]:
            async with self.database.writing() as connection:
                return await self._insert_all(connection, values)

        async with telling_whom_to_ask(self.database, self.stored, values[0]):
            return await self.database.atomically(work, reason=reason)

    def _listed(self, drafts: Any) -> list[DraftT | Mapping[str, Any]]:
        """Return what `add_many` was given as a list, if it is one of drafts and mappings."""
        # A mapping can be gone through too, and gives names of fields.
        several = isinstance(drafts, Iterable) and not isinstance(drafts, str)
        given = list(drafts) if several else [drafts]
        for one in given:
            if not isinstance(one, Mapping | self.stored.draft):
                raise InvalidDraft(
                    {
                        "drafts": "Give a list of drafts or of mappings of fields, or a DataFrame; "
                        f"{shown(one)} is no {self.stored.name}."
                    },
                    entity=self.stored.name,
                )
        return given

    async def _insert_all(
        self, connection: AsyncConnection, values: list[dict[str, Any]]
    ) -> list[RecordT]:
        with translated(self.stored.name, values[0]):
            rows = await connection.execute(self._insert, values)
            return [self._record(row) for row in rows]

    async def _fitting(
        self, filters: Mapping[str, Any], search: str | None, *, trashed: bool
    ) -> Select[Any]:
        where: list[ColumnElement[bool]] = conditions(self.stored, filters)
        alive = live(self.stored)
        where += [~condition for condition in alive] if trashed else alive
        if search and search.strip():
            if not isinstance(self.stored, Entity):
                raise InvalidDraft({"search": "Links have no names; filter by a twin instead."})
            world = filters.get("worldid")
            where.append(matching(self.stored, search))
            where += await narrowed(self.database, self.stored, search.split(), world)
        return self._select.where(*where)

    def _record(self, row: Row[Any]) -> RecordT:
        """Return the record of a row of `_columns`, which obeys the rules already.

        As `model_construct`, which looks for aliases and defaults of every field too: twice
        the cost, which for a page is more than what the database takes.
        """
        record = self.stored.record
        made = record.__new__(record)
        object.__setattr__(made, "__dict__", dict(zip(self._fields, row, strict=True)))
        object.__setattr__(made, "__pydantic_fields_set__", self._written)
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made
