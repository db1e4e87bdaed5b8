"""Everybody who takes part: see `people.py`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from people import NAMES, People

from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.users import acting_user


@pytest.fixture
async def people(database_url: str) -> AsyncIterator[People]:
    owner = Database(Address.parse(database_url))
    made = People(owner, database_url)
    for name, (role, _) in NAMES.items():
        made.ids[name] = await acting_user(owner, f"{name}@example.org", role=role)
        made.logins[name] = await made.login(name)
        made.sessions[name] = await made.connect(made.logins[name])
    await made.make_world()
    yield made
    for session in made.sessions.values():
        await session.close()
    await owner.close()
