"""What becomes of a sign-in that a provider answers with a failure."""

from __future__ import annotations

import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "auth"))  # where these siblings are
from remote_server import Door
from remote_site import Site

from workbench.auth.doors import Doors
from workbench.auth.events import REFUSALS
from workbench.auth.flow import Flow
from workbench.auth.identity import Client, Identity, Pending
from workbench.auth.providers import provider_of
from workbench.errors import SignInRefused

CLIENT = Client("example", "id", "secret", "https://id.example/.well-known/openid-configuration")


class Failing:
    """A provider at which every sign-in ends in the same way."""

    refusals = provider_of(CLIENT, "https://here.example").refusals

    def __init__(self, code: str) -> None:
        self.code = code

    async def begin(self) -> tuple[str, Pending]:
        state = secrets.token_urlsafe()
        kept: Pending = {
            "provider": CLIENT.name,
            "state": state,
            "nonce": "n",
            "code_verifier": "v",
        }
        return f"https://id.example/authorize?state={state}", kept

    async def finish(self, pending: Pending, answer: Mapping[str, str]) -> Identity:
        raise SignInRefused("It did not work.", code=self.code)

    async def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    made = Door(database_url)
    yield made
    await made.close()


@pytest.fixture
async def site(door: Door) -> AsyncIterator[Site]:
    made = Site(Doors(door.database, local_user=None))
    yield made
    await made.close()


async def kind_of_failure(site: Site, code: str) -> str:
    """Go to a provider and come back with a failure; return as what that is recorded."""
    site.doors.flow = Flow([CLIENT], str, lambda client, url: Failing(code))
    async with httpx2.AsyncClient(base_url=site.url) as browser:
        away = await browser.get(f"/sign-in/{CLIENT.name}")
        query = urlsplit(away.headers["Location"]).query
        back = await browser.get(f"/sign-in/{CLIENT.name}/callback?{query}&code=c")
    assert "It did not work." in back.text
    return (await site.doors.events.latest())[0].kind


@pytest.mark.parametrize("code", ["unreachable", "misconfigured", "garbled", "clock"])
async def test_a_failure_of_the_provider_is_recorded_and_locks_nobody_out(site, code):
    assert await kind_of_failure(site, code) == "failed"
    assert "failed" not in REFUSALS


@pytest.mark.parametrize("code", ["denied", "mismatch", "untrusted", "unverified"])
async def test_what_may_be_a_guess_counts_for_the_lock_out(site, code):
    assert await kind_of_failure(site, code) in REFUSALS
