"""Files for imports, and what is in the database after them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.transfer.reading import read
from workbench.database import columnar
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.users import acting_user
from workbench.entities import STORED
from workbench.frames import table
from workbench.transfer.findings import Findings
from workbench.transfer.options import HOW_IT_IS, Reading


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write files into one folder, by name and text (or bytes); return the folder."""

    def _write(**files: str | bytes) -> Path:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            (tmp_path / f"{name}.csv").write_bytes(data)
        return tmp_path

    return _write


Read = tuple[list[dict[str, Any]], Findings, list[Any]]


@pytest.fixture
def rows_of() -> Callable[..., Read]:
    """Read a file as an import does: its rows as they are written, findings, and labels."""

    def _rows_of(path: Path, reading: Reading = HOW_IT_IS) -> Read:
        found, findings = read(path, reading)
        rows = [row for source in found for row in source.cells.to_pylist()]
        return rows, findings, [label for source in found for label in source.labels.to_pylist()]

    return _rows_of


@pytest.fixture
async def empty(server: Any) -> AsyncIterator[Database]:
    """Another fresh database, with the same user."""
    name = await asyncio.to_thread(server.new_database, "template_workbench")
    address = Address.parse(server.url(name))
    first = Database(address)
    user = await acting_user(first, "tester@localhost")
    await first.close()
    made = Database(address, userid=user)
    yield made
    columnar.close(made)
    await made.close()
    await asyncio.to_thread(server.drop, name)


@pytest.fixture
def content_of() -> Callable[[Database, UUID], Awaitable[dict[str, list[dict[str, Any]]]]]:
    """Return all that can differ between two copies of a world: everything but ids and times."""

    async def content(database: Database, world: UUID) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for stored in STORED.values():
            if "userid" in stored.table.columns or not {"worldid", "ownerid"} & set(
                stored.table.columns.keys()
            ):
                continue
            frame = await table(database, stored, world=world, names=True)
            names = frame.column_names
            ids = [n for n in names if n in stored.references or n in ("id", "version")]
            times = [n for n in names if n.endswith("_at")]
            rows = frame.drop_columns([*ids, *times]).to_pylist()
            found[stored.plural] = sorted(rows, key=repr)
        return found

    return content
