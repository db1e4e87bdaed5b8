"""A provider's notice that a session is over: whose, and only if it is one."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import httpx2
import pytest
from oidc import OpenIDProvider
from stand_ins import CLIENT_ID, OTHER_RSA, RSA, Handler, Hostile, StandIn
from visits import REDIRECT_URI, browse

from workbench.auth.flow import Flow
from workbench.auth.identity import Client
from workbench.auth.logout_token import EVENT, REMEMBERED_SECONDS, LogoutNotice
from workbench.errors import SignInRefused


def logout_token(hostile: Hostile, header: dict[str, Any] | None = None, **changed: Any) -> str:
    claims = {
        "iss": hostile.url,
        "aud": CLIENT_ID,
        "iat": int(time.time()),
        "exp": int(time.time()) + 120,
        "jti": "once",
        "sub": "alice",
        "sid": "session 1",
        "events": {EVENT: {}},
        **changed,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return hostile.sign(kept, **{"typ": "logout+jwt", **(header or {})})


async def refused(flow: Flow, token: str) -> str:
    with pytest.raises(SignInRefused) as refused:
        await flow.ended("example", token)
    assert refused.value.code == "untrusted"
    return refused.value.detail


async def test_a_notice_says_whose_session_is_over(flow, hostile):
    notice = await flow.ended("example", logout_token(hostile))
    assert notice == LogoutNotice(hostile.url, "session 1", "alice", "once")


@pytest.mark.parametrize("changed", [{"sid": None}, {"sub": None}, {"exp": None}], ids=str)
async def test_a_notice_may_say_less(flow, hostile, changed):
    assert (await flow.ended("example", logout_token(hostile, **changed))).token_id == "once"


@pytest.mark.parametrize("kind", ["logout+jwt", "Logout+JWT", "JWT"])
async def test_a_notice_may_be_called_a_token(flow, hostile, kind):
    assert await flow.ended("example", logout_token(hostile, {"typ": kind}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "https://attacker.example"),
        ("iss", None),
        ("aud", "another"),
        ("aud", ["another"]),
        ("aud", None),
        ("iat", None),
        ("iat", "now"),
        ("iat", float("nan")),
        ("iat", 10**400),
        ("iat", 1),
        ("iat", int(time.time()) + 3600),
        ("exp", 1),
        ("exp", "never"),
        ("exp", float("inf")),
        ("events", None),
        ("events", [EVENT]),
        ("events", {"https://another.example": {}}),
        ("events", {EVENT: "yes"}),
        ("nonce", "any"),
        ("jti", None),
        ("jti", ""),
        ("jti", 7),
        ("jti", "x" * 256),
        ("sid", 7),
        ("sub", ["alice"]),
    ],
)
async def test_a_notice_whose_claims_do_not_hold_ends_nothing(flow, hostile, claim, value):
    assert f"whose {claim} does not hold" in await refused(
        flow, logout_token(hostile, **{claim: value})
    )


async def test_a_notice_about_nobody_ends_nothing(flow, hostile):
    await refused(flow, logout_token(hostile, sid=None, sub=None))


@pytest.mark.parametrize("kind", ["at+jwt", "id_token", ""])
async def test_another_kind_of_token_ends_nothing(flow, hostile, kind):
    await refused(flow, logout_token(hostile, {"typ": kind}))


async def test_an_id_token_ends_nothing(flow, hostile):
    hostile.claims = {"nonce": None}
    await refused(flow, hostile.id_token("any"))
    await refused(flow, hostile.id_token("any", jti="once"))


async def test_a_forged_notice_ends_nothing(flow, hostile):
    hostile.key = OTHER_RSA
    await refused(flow, logout_token(hostile, {"kid": "first"}))
    await refused(flow, logout_token(hostile, {"alg": "none"}))
    hostile.key = RSA.as_pem(private=False)
    await refused(flow, logout_token(hostile, {"alg": "HS256"}))
    for token in ("", "a.b.c", "x" * 200_000):
        await refused(flow, token)


async def test_forged_notices_make_us_ask_the_provider_once(flow, hostile):
    for number in range(5):
        await refused(flow, logout_token(hostile, {"kid": f"unknown {number}"}))
    assert hostile.asked["/keys"] == 1


async def test_a_token_is_refused_by_its_age_before_it_is_forgotten(flow, hostile):
    await refused(flow, logout_token(hostile, iat=int(time.time()) - REMEMBERED_SECONDS, exp=None))


class Listener(StandIn):
    """Where a provider sends its notices."""

    def __init__(self) -> None:
        super().__init__()
        self.notices: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    def answer(self, path: str, request: Handler) -> Any:
        self.notices.put_nowait(request.form)
        return {}


async def test_the_real_provider_ends_one_session_of_two(pytestconfig: pytest.Config):
    provider = OpenIDProvider(pytestconfig.cache.mkdir("oidc-provider"))
    async with Listener() as listener, httpx2.AsyncClient() as one, httpx2.AsyncClient() as other:
        await asyncio.to_thread(
            provider.start, [REDIRECT_URI], logout_uri=f"{listener.url}/sign-in/over"
        )
        try:
            client = Client(
                "example", provider.client_id, provider.client_secret, provider.discovery_url
            )
            flow = Flow([client], lambda _: REDIRECT_URI)
            sessions = []
            for browser in (one, other):
                url, pending = await flow.begin("example")
                answer = await browse(url, "alice", browser=browser)
                sessions.append((await flow.finish("example", pending, answer)).session)
            assert None not in sessions
            assert sessions[0] != sessions[1]

            page = await one.get(f"{provider.issuer}/session/end")
            [xsrf] = re.findall(r'name="xsrf" value="(\w+)"', page.text)
            form = {"xsrf": xsrf, "logout": "yes"}
            await one.post(f"{provider.issuer}/session/end/confirm", data=form)
            sent = await asyncio.wait_for(listener.notices.get(), 10)
            notice = await flow.ended("example", sent["logout_token"])
            assert (notice.issuer, notice.session) == (provider.issuer, sessions[0])
            assert listener.notices.empty()
        finally:
            provider.stop()
