"""A provider's notice that a session is over, as the whole server takes it."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest
from besieged import HOST, PUBLIC

sys.path.insert(0, str(Path(__file__).parents[1] / "auth"))  # where the stand-ins are
from stand_ins import CLIENT_ID, CLIENT_SECRET, OTHER_RSA, Hostile

from workbench.auth.identity import Identity
from workbench.auth.logout_token import EVENT


@pytest.fixture
async def hostile():
    async with Hostile() as provider:
        yield provider


@pytest.fixture
async def site(besiege, hostile):
    client = {
        "name": "example",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "discovery_url": hostile.discovery_url,
    }
    return await asyncio.to_thread(besiege, PUBLIC, clients=[client])


async def test_a_notice_ends_what_it_names_and_counts_once(site, hostile):
    async def sign_in(session: str):
        identity = Identity("example", hostile.url, "alice", session=session)
        return await asyncio.to_thread(site.sign_in, "alice", identity=identity)

    async def status(visitor) -> int:
        answer = await asyncio.to_thread(visitor.ask, "/account", Host=HOST)
        return answer.status

    async def told(token: str) -> int:
        form = {"logout_token": token}
        path = "/sign-in/example/ended"
        return (await asyncio.to_thread(site.visitor().ask, path, "POST", form, Host=HOST)).status

    now = int(time.time())
    claims = {"iss": hostile.url, "aud": CLIENT_ID, "iat": now, "exp": now + 120, "sub": "alice"}
    claims |= {"events": {EVENT: {}}, "sid": "one", "jti": "once"}
    one, other = await sign_in("one"), await sign_in("other")

    forged = hostile.sign(claims, typ="logout+jwt", alg="none")
    hostile.key = OTHER_RSA
    stolen = hostile.sign(claims, typ="logout+jwt", kid="first")
    hostile.key = Hostile().key
    for token in (forged, stolen, "", "x.y.z"):
        assert await told(token) == 400
    assert [await status(one), await status(other)] == [200, 200]

    good = hostile.sign(claims, typ="logout+jwt")
    assert await told(good) == 200
    assert [await status(one), await status(other)] == [302, 200]

    again = await sign_in("one")
    assert await told(good) == 400, "it has been used"
    assert await status(again) == 200
    assert await told(hostile.sign(claims | {"jti": "another"}, typ="logout+jwt")) == 200
    assert [await status(again), await status(other)] == [302, 200]
