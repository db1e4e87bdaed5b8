"""Providers to sign in with: one that none of us wrote, stand-ins, and one that may do anything."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves siblings unseen
from oidc import OpenIDProvider
from remote_server import Door
from stand_ins import Facebook, GitHub, Hostile
from visits import REDIRECT_URI, flow_of

from workbench.auth.flow import Flow


@pytest.fixture(scope="session")
def oidc(pytestconfig: pytest.Config) -> Iterator[OpenIDProvider]:
    """The real provider; npm installs it once, into pytest's cache."""
    provider = OpenIDProvider(pytestconfig.cache.mkdir("oidc-provider"))
    provider.start([REDIRECT_URI])
    yield provider
    provider.stop()


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    async with Hostile() as provider:
        yield provider


@pytest.fixture
async def flow(hostile: Hostile) -> AsyncIterator[Flow]:
    """Signing in with the hostile provider, as `example`."""
    made = flow_of(discovery_url=hostile.discovery_url)
    yield made
    await made.close()


@pytest.fixture
async def github() -> AsyncIterator[GitHub]:
    async with GitHub() as stand_in:
        yield stand_in


@pytest.fixture
async def facebook() -> AsyncIterator[Facebook]:
    async with Facebook() as stand_in:
        yield stand_in


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    """The half of the server that programs talk to, with two accounts."""
    made = Door(database_url)
    await made.add(ann="editor", bob="editor")
    yield made
    await made.close()
