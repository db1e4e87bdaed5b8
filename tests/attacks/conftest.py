"""Everybody who takes part: see `people.py`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from besieged import NOTEBOOK, Site, dashboard, free_port
from people import People, signed_in


@pytest.fixture
async def people(database_url: str) -> AsyncIterator[People]:
    async with signed_in(database_url) as everybody:
        yield everybody


@pytest.fixture(scope="module")
def besiege(
    postgres: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Site]]:
    """Start servers on a database of their own; they end with the module."""
    made: list[tuple[Site, str]] = []

    def start(public_url: str | None = None, **options: Any) -> Site:
        folder = tmp_path_factory.mktemp("besieged")
        notebook = dashboard.write_notebook(folder / "page.ipynb", [NOTEBOOK])
        name = postgres.new_database(dashboard.TEMPLATE)
        port = free_port()
        server = dashboard.Server(
            folder / "home", notebook, postgres.url(name), port, public_url=public_url, **options
        )
        made.append((Site(server, notebook, port, public_url), name))
        return made[-1][0]

    yield start
    for site, name in made:
        if site.server.process.poll() is None:
            site.server.stop()
        postgres.drop(name)


@pytest.fixture(scope="module")
def site(besiege: Callable[..., Site]) -> Site:
    """A server as `workbench up` starts it, on this machine alone."""
    return besiege()


@pytest.fixture(scope="module")
def public(besiege: Callable[..., Site]) -> Site:
    """A server that people reach through a proxy with TLS."""
    return besiege("https://bench.example.org")
