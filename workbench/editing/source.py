"""Rows of a repository as a grid and a form want them: blocks, labels, choices, undo."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, select

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.editing.blocks import Looks
from workbench.editing.choices import choices
from workbench.editing.columns import BY_MANAGERS, columns_of
from workbench.editing.filtering import said
from workbench.editing.writing import RecordWriting
from workbench.entities import ENTITIES
from workbench.entities.base import Entity
from workbench.entities.world import WORLD
from workbench.errors import NotAllowed, Refused, StaleRecord, UnknownField
from workbench.store.filters import conditions, counted, matching
from workbench.store.keyset import Step, after, cursor, steps
from workbench.store.names import WorldKey, label_of, world_id
from workbench.store.repository import Repository
from workbench.store.rights import RoleInWorld, may_write, role_of, standing
from workbench.store.search import narrowed
from workbench.widgets.editor import Editor
from workbench.widgets.source import (
    Choice,
    Column,
    Edit,
    Filter,
    Page,
    Question,
    Row,
    Sort,
    StoredRow,
)
from workbench.widgets.wire import json_safe

if TYPE_CHECKING:
    from workbench.editing.pasting import PastedRows

_NAMES = ("name", "display_name")
_UNSEEN = "not to be seen"  # a user whom row rights hide, as a rule
_ROLE = "__role"


class RepositorySource:
    """The rows of one repository, of one world or of all.

    Rows say what the acting user may not do with them; a viewer's columns say it of all rows.

    Blocks are found by keyset from the nearest block that was read before, so scrolling
    through ten million rows costs what scrolling through a thousand does.
    """

    def __init__(
        self,
        repository: Repository[Any, Any],
        world: WorldKey | None = None,
        *,
        role: RoleInWorld | None = None,
        on_write: Callable[[], object] = lambda: None,
    ) -> None:
        """Give a source of rows.

        Parameters
        ----------
        role
            What the acting user is in all of these rows, if that is known; else it is asked
            with each.
        on_write
            Called after rows came or went.
        """
        self.repository = repository
        self.database: Database = repository.database
        self.entity: Entity[Any, Any] = repository.entity
        self.role = role
        columns = columns_of(self.entity)
        self.columns: list[Column] = (
            [replace(column, editable=False) for column in columns] if role == "viewer" else columns
        )
        self._world = world
        self._on_write = on_write
        self._looks = Looks()
        self.writing = RecordWriting(self.database, world)

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
        """Return rows `start` to `start + count` of those that fit.

        Without `total` the page has a total only if it is known already: a block costs the
        same however many rows fit, counting them does not.
        """
        look = self._looks.at((tuple(sort), repr(filters), search), afresh=start == 0)
        order = self._steps(sort)
        fitting = select(*self.entity.shown).where(*await self._fitting(filters, search))
        block = look.block(fitting, order, start, count)
        async with self.database.reading() as connection:
            with translated(self.entity.name):
                found = await connection.execute(self._labelled(block, order))
                rows = [dict(row._mapping) for row in found]
                if len(rows) < count and (rows or start == 0):
                    look.total = start + len(rows)  # their end says it
                elif look.total is None and total:
                    look.total = int(await connection.scalar(counted(fitting)) or 0)
        if len(rows) == count:
            look.marks[start + count] = cursor(order, rows[-1])
        if not rows and start == 0:
            await self._require_world()
        return Page([_row(row) for row in rows], look.total)

    async def total(self, *, filters: Sequence[Filter], search: str | None) -> int:
        """Return how many rows fit: what a page that was asked for uncounted left out."""
        fitting = select(self.entity.table.c.id).where(*await self._fitting(filters, search))
        async with self.database.reading() as connection:
            with translated(self.entity.name):
                found = int(await connection.scalar(counted(fitting)) or 0)
        self._looks.counted(repr(filters), search, found)
        return found

    async def row(self, id: UUID) -> Row:
        """Return one row; NotFound if there is none."""
        record = await self.repository.get(id)
        return (await self._rows([record.id]))[0]

    async def beside(self, id: UUID, question: Question) -> list[Choice | None]:
        """Return the rows before and after one, among those that fit and in the order asked for.

        Found by keyset, so each costs the same wherever the row lies, and whether it fits or not.
        """
        order = self._steps(question.sort)
        back = [Step(step.column, not step.descending) for step in order]
        table = self.entity.table
        own = select(*(step.column for step in order)).where(table.c.id == id)
        fitting = await self._fitting(question.filters, question.search)
        found: list[Choice | None] = []
        async with self.database.reading() as connection:
            with translated(self.entity.name):
                row = dict((await connection.execute(own)).one()._mapping)
                for way in (back, order):
                    following = (
                        select(table.c.id, label_of(self.entity, table))
                        .where(*fitting, after(way, cursor(way, row)))
                        .order_by(*(step.clause for step in way))
                        .limit(1)
                    )
                    one = (await connection.execute(following)).first()
                    found.append(Choice(str(one[0]), one[1]) if one else None)
        return found

    async def lookup(self, field: str, term: str, row: Mapping[str, Any] | None) -> list[Choice]:
        """Return the records of the same world that a reference may point to, best first."""
        target = self._target(field)
        world = await self._world_of(row) if target.in_world else None
        return await choices(self.database, target, term, world)

    async def save(self, id: str, version: int, changes: Mapping[str, object]) -> Row:
        """Store the changes of one row, unless somebody else changed it first."""
        try:
            saved = await self.repository.update(id, dict(changes), version=version)
        except StaleRecord as stale:
            current = StoredRow((await self._rows([stale.current.id]))[0])
            raise StaleRecord(self.entity.name, current, expected_version=version) from stale
        return (await self._rows([saved.id]))[0]

    async def stored(self, ids: Sequence[str]) -> list[Row]:
        """Return these rows as they are stored now; those that are gone are left out."""
        return await self._rows([UUID(id) for id in ids], live=True)

    async def save_all(self, edits: Sequence[Edit], *, reason: str) -> None:
        """Store the changes of many rows as one changeset, all or none."""

        async def work() -> None:
            for edit in edits:
                try:
                    await self.repository.update(edit.id, edit.changes, version=edit.version)
                except StaleRecord as stale:
                    raise Refused(
                        f"“{stale.current.label}” was changed by somebody else meanwhile. Nothing "
                        "was changed: look at what would be done again.",
                        entity=self.entity.name,
                    ) from stale

        await self.database.atomically(work, reason=reason)

    async def add(self, values: Mapping[str, object]) -> Row:
        """Store a new row; the world is known, so nobody needs to say it."""
        given: dict[str, Any] = dict(values)
        world = await self._world_id()
        if world is not None and self.entity.in_world:
            given.setdefault("worldid", world)
        added = await self.repository.add(**given)
        self._wrote()
        return (await self._rows([added.id]))[0]

    async def paste(
        self, cells: Sequence[Sequence[str]], *, fields: Sequence[str], rows: Sequence[Row]
    ) -> PastedRows:
        """Return what pasted cells would do, see `pasted`."""
        from workbench.editing.pasting import pasted

        world = await self._world_id()
        return await pasted(
            self.database,
            self.entity,
            self.columns,
            world,
            cells=cells,
            fields=fields,
            rows=rows,
            wrote=self._wrote,
        )

    async def remove(self, ids: Sequence[str]) -> str:
        """Put rows into the trash, as one changeset; return what `restore` takes."""

        async def work() -> None:
            for id_ in ids:
                await self.repository.remove(id_)

        await self.database.atomically(work, reason=f"removed {len(ids)} {self.entity.plural}")
        self._wrote()
        return json.dumps(list(ids))

    async def restore(self, token: str) -> None:
        """Take the rows that were removed together out of the trash."""

        async def work() -> None:
            for id_ in json.loads(token):
                await self.repository.restore(id_)

        await self.database.atomically(work, reason=f"restored {self.entity.plural}")
        self._wrote()

    async def may_add(self) -> bool:
        """Return whether the acting user may add rows now."""
        world = await self._world_id()
        if world is None or not self.entity.in_world:
            return await may_write(self.database)
        return (await standing(self.database, world)).role != "viewer"

    def forget(self) -> None:
        """Forget where blocks begin, and how many rows there are: rows came or went elsewhere."""
        self._looks.forget()

    def _wrote(self) -> None:
        self.forget()
        self._on_write()

    def _steps(self, sort: Sequence[Sort]) -> list[Step]:
        said = [f"-{s.field}" if s.descending else s.field for s in sort]
        return steps(self.entity, said or self._order())

    def _order(self) -> list[str]:
        """Return the order in which people expect the rows: within a parent by position."""
        columns = self.entity.table.c
        if self.entity.is_inner:
            return [f"{self.entity.parent}id", "position" if "position" in columns else "name"]
        return ["position", "name"] if "position" in columns else [self.entity.label]

    async def _fitting(
        self, filters: Sequence[Filter], search: str | None
    ) -> list[ColumnElement[bool]]:
        where = [
            self.entity.table.c.deleted_at.is_(None),
            *conditions(self.entity, said(self.entity, filters)),
        ]
        world = await self._world_id()
        if world is not None and self.entity.in_world:
            where.append(self.entity.table.c.worldid == world)
        parts = [str(f.value) for f in filters if f.test == "contains" and f.field in _NAMES]
        if search and search.strip():
            where.append(matching(self.entity, search))
            parts += search.split()
        return [*where, *await narrowed(self.database, self.entity, parts, world)]

    async def _require_world(self) -> None:
        """Refuse to tell a world without such rows from one that may not be read any more."""
        world = await self._world_id()
        if world is None:
            return
        async with self.database.reading() as connection:
            with translated("world"):
                there = await connection.scalar(
                    select(WORLD.table.c.id).where(WORLD.table.c.id == world)
                )
        if there is None:
            raise NotAllowed(
                "You may not read this world any more, or it is gone. Reload the page to see the "
                "worlds that you may read.",
                entity="world",
            )

    @property
    def _world_column(self) -> str:
        """The column that tells in which world a row lies; "" for users, who lie in none."""
        if self.entity.in_world:
            return "worldid"
        return "id" if self.entity is WORLD else ""

    def _labelled(self, block: Select[Any], order: Sequence[Step] = ()) -> Select[Any]:
        """Add to the rows of `block` the words for what they refer to."""
        rows = block.subquery("block")
        labels: list[ColumnElement[Any]] = []
        joined: Any = rows
        for column, entity in self.entity.references.items():
            if column == "worldid":
                continue
            target = ENTITIES[entity]
            there = target.table.alias(f"to_{column}")
            joined = joined.outerjoin(there, there.c.id == rows.c[column])
            unseen = rows.c[column].is_not(None) & there.c.id.is_(None)
            words = case((unseen, _UNSEEN), else_=label_of(target, there))
            labels.append(words.label(f"{column}__label"))
            labels.append(there.c.deleted_at.is_not(None).label(f"{column}__trashed"))
        if self.role is None and (world := rows.c.get(self._world_column)) is not None:
            labels.append(role_of(world).label(_ROLE))
        clauses = [
            rows.c[s.column.name].desc() if s.descending else rows.c[s.column.name] for s in order
        ]
        return select(*rows.c, *labels).select_from(joined).order_by(*clauses)

    async def _rows(self, ids: Sequence[UUID], *, live: bool = False) -> list[Row]:
        table = self.entity.table.c
        block = select(*self.entity.shown).where(table.id.in_(ids))
        if live:
            block = block.where(table.deleted_at.is_(None))
        async with self.database.reading() as connection:
            with translated(self.entity.name):
                return [
                    _row(dict(row._mapping))
                    for row in await connection.execute(self._labelled(block))
                ]

    def _target(self, field: str) -> Entity[Any, Any]:
        try:
            return ENTITIES[self.entity.references[field]]
        except KeyError:
            raise UnknownField(self.entity.name, field, self.entity.references) from None

    async def _world_of(self, row: Mapping[str, Any] | None) -> UUID | None:
        if not self.entity.in_world:  # a world itself: what it refers to lies in it
            return UUID(str(row["id"])) if row and row.get("id") else None
        if row and row.get("worldid"):
            return UUID(str(row["worldid"]))
        return await self._world_id()

    async def _world_id(self) -> UUID | None:
        if self._world is not None and not isinstance(self._world, UUID):
            self._world = await world_id(self.database, self._world)
        return self._world


def _row(values: Mapping[str, Any]) -> Row:
    row: Row = json_safe(values)
    role = row.pop(_ROLE, None)
    if role == "viewer":
        row["__fixed"] = row["__kept"] = True
    elif role == "editor" and (fixed := [name for name in BY_MANAGERS if name in row]):
        row |= {"__fixed": fixed, "__kept": True}
    return {k: v for k, v in row.items() if not (k.endswith("__trashed") and not v)}


def editor(source: RepositorySource, **traits: object) -> Editor:
    """Return a grid with a form beside it, over the rows of `source`.

    What the user may do no more is offered no more, once something was refused.
    """
    entity = source.entity
    if source.role == "viewer":
        traits = {"can_add": False, "can_remove": False, "can_paste": False, **traits}
    made = Editor(source, noun=entity.name, plural=entity.plural, writing=source.writing, **traits)

    async def withdraw() -> None:
        if not await source.may_add():
            made.grid.can_add = made.grid.can_remove = made.grid.can_paste = False

    made.grid.observe(lambda _: made.tasks.start(withdraw()), "refused")
    return made
