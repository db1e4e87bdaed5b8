"""Four ways to read and write single personas: the repository, Core, advanced-alchemy, asyncpg."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from workbench.database.engine import Database
from workbench.entities.persona import PERSONA, PersonaRow
from workbench.workspace import Workspace

PAGE = 50
_table = PERSONA.table


class Peer(ABC):
    """One way to read and write personas; `row` is what `get` returned."""

    @abstractmethod
    async def get(self, id: UUID) -> Any: ...

    @abstractmethod
    async def page(self, world: UUID) -> Sequence[Any]: ...

    @abstractmethod
    async def add(self, world: UUID, name: str) -> Any: ...

    @abstractmethod
    async def update(self, row: Any, description: str) -> Any: ...

    @abstractmethod
    async def close(self) -> None: ...


class Ours(Peer):
    def __init__(self, database: Database) -> None:
        self._personas = Workspace(database).personas

    async def get(self, id: UUID) -> Any:
        return await self._personas.get(id)

    async def page(self, world: UUID) -> Sequence[Any]:
        return await self._personas.find(worldid=world, order=["name"], limit=PAGE)

    async def add(self, world: UUID, name: str) -> Any:
        return await self._personas.add(worldid=world, name=name, kind="individual")

    async def update(self, row: Any, description: str) -> Any:
        return await self._personas.update(row, description=description)

    async def close(self) -> None:
        """The database is the caller's."""


class Core(Peer):
    _get = select(*PERSONA.shown).where(_table.c.id == bindparam("key"))
    _page = (
        select(*PERSONA.shown)
        .where(_table.c.worldid == bindparam("world"), _table.c.deleted_at.is_(None))
        .order_by(_table.c.name, _table.c.id)
        .limit(PAGE + 1)
    )
    _insert = insert(_table).returning(*PERSONA.shown)
    _update = (
        update(_table)
        .where(
            _table.c.id == bindparam("key"),
            _table.c.version == bindparam("expected"),
            _table.c.deleted_at.is_(None),
        )
        .values(description=bindparam("said"))
        .returning(*PERSONA.shown)
    )

    def __init__(self, database: Database, *, ping: bool) -> None:
        self._engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=database.connect, pool_pre_ping=ping
        )
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def get(self, id: UUID) -> Any:
        async with self._reading.connect() as connection:
            return (await connection.execute(self._get, {"key": id})).one()

    async def page(self, world: UUID) -> Sequence[Any]:
        async with self._reading.connect() as connection:
            return (await connection.execute(self._page, {"world": world})).all()

    async def add(self, world: UUID, name: str) -> Any:
        values = {"worldid": world, "name": name, "kind": "individual"}
        async with self._engine.begin() as connection:
            return (await connection.execute(self._insert, values)).one()

    async def update(self, row: Any, description: str) -> Any:
        values = {"key": row.id, "expected": row.version, "said": description}
        async with self._engine.begin() as connection:
            return (await connection.execute(self._update, values)).one()

    async def close(self) -> None:
        await self._engine.dispose()


class Personas(SQLAlchemyAsyncRepository[PersonaRow]):
    model_type = PersonaRow


class AdvancedAlchemy(Peer):
    def __init__(self, database: Database) -> None:
        self._engine = create_async_engine("postgresql+asyncpg://", async_creator=database.connect)
        self._session = async_sessionmaker(self._engine, expire_on_commit=False)

    async def get(self, id: UUID) -> Any:
        async with self._session() as session:
            return await Personas(session=session).get(id)

    async def page(self, world: UUID) -> Sequence[Any]:
        async with self._session() as session:
            return await Personas(session=session).list(
                PersonaRow.deleted_at.is_(None),
                OrderBy("name", "asc"),
                LimitOffset(PAGE + 1, 0),
                worldid=world,
            )

    async def add(self, world: UUID, name: str) -> Any:
        row = PersonaRow(worldid=world, name=name, kind="individual")
        async with self._session() as session:
            return await Personas(session=session).add(row, auto_commit=True)

    async def update(self, row: Any, description: str) -> Any:
        row.description = description
        async with self._session() as session:
            return await Personas(session=session).update(row, auto_commit=True)

    async def close(self) -> None:
        await self._engine.dispose()


class Raw(Peer):
    _columns = ", ".join(f'"{column.name}"' for column in PERSONA.shown)
    _get = f"SELECT {_columns} FROM persona WHERE id = $1"
    _page = (
        f"SELECT {_columns} FROM persona WHERE worldid = $1 AND deleted_at IS NULL "
        f"ORDER BY name, id LIMIT {PAGE + 1}"
    )
    _insert = f"INSERT INTO persona (worldid, name, kind) VALUES ($1, $2, $3) RETURNING {_columns}"
    _update = (
        "UPDATE persona SET description = $3 WHERE id = $1 AND version = $2 "
        f"AND deleted_at IS NULL RETURNING {_columns}"
    )

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def get(self, id: UUID) -> Any:
        return await self._pool.fetchrow(self._get, id)

    async def page(self, world: UUID) -> Sequence[Any]:
        rows: Sequence[Any] = await self._pool.fetch(self._page, world)
        return rows

    async def add(self, world: UUID, name: str) -> Any:
        return await self._pool.fetchrow(self._insert, world, name, "individual")

    async def update(self, row: Any, description: str) -> Any:
        return await self._pool.fetchrow(self._update, row["id"], row["version"], description)

    async def close(self) -> None:
        await self._pool.close()
