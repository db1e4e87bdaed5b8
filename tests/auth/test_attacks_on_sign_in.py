"""Attacks on signing in, each named for what must hold; the provider itself may be the attacker."""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from stand_ins import CLIENT_ID, CLIENT_SECRET, DRIP, OTHER_RSA, RSA, SILENCE, Handler, Hostile
from visits import flow_of, signed_in

from workbench.auth.flow import Flow
from workbench.auth.identity import Client
from workbench.auth.providers import conversation
from workbench.auth.providers.openid import OpenID
from workbench.errors import SignInRefused


async def refused(flow: Flow, hostile: Hostile, code: str, /, **changed: str) -> SignInRefused:
    """Try to sign in; return the refusal, whose code must be this."""
    url, pending = await flow.begin("example")
    with pytest.raises(SignInRefused) as refused:
        await flow.finish("example", pending, hostile.visit(url, **changed))
    assert refused.value.code == code, refused.value.detail
    return refused.value


def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "TIMEOUT_SECONDS", 0.3)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def timed(hostile: Hostile, clock: Clock):
    """Signing in with the hostile provider, by a clock of the test."""
    flow = flow_of(
        lambda client, uri: OpenID(client, uri, clock=clock), discovery_url=hostile.discovery_url
    )
    yield flow
    await flow.close()


async def test_without_an_attack_one_is_signed_in(flow, hostile):
    assert (await signed_in(flow, hostile)).subject == "alice"


# The answer that the browser brings


@pytest.mark.parametrize("state", ["", "wrong", "ünwrong", "\udcff" * 3])
async def test_a_wrong_state_is_refused(flow, hostile, state):
    await refused(flow, hostile, "mismatch", state=state)


async def test_a_missing_state_is_refused(flow, hostile):
    url, pending = await flow.begin("example")
    answer = hostile.visit(url)
    del answer["state"]
    with pytest.raises(SignInRefused, match="does not belong to a sign-in that was begun here"):
        await flow.finish("example", pending, answer)


async def test_a_wrong_state_is_refused_before_the_provider_is_asked_anything(flow, hostile):
    url, pending = await flow.begin("example")
    asked = hostile.asked.copy()
    with pytest.raises(SignInRefused):
        await flow.finish("example", pending, hostile.visit(url, state="wrong"))
    assert hostile.asked == asked


async def test_an_error_counts_only_with_the_right_state(flow):
    _, pending = await flow.begin("example")
    with pytest.raises(SignInRefused) as refused:
        await flow.finish("example", pending, {"error": "access_denied", "state": "wrong"})
    assert refused.value.code == "mismatch"


async def test_an_answer_in_another_browser_is_refused(flow, hostile):
    """Whoever sends a victim a link to the own sign-in would have them work in a wrong account."""
    url, _ = await flow.begin("example")
    _, of_the_victim = await flow.begin("example")
    with pytest.raises(SignInRefused) as refused:
        await flow.finish("example", of_the_victim, hostile.visit(url))
    assert refused.value.code == "mismatch"


async def test_a_replayed_answer_is_refused(flow, hostile):
    url, pending = await flow.begin("example")
    answer = hostile.visit(url)
    await flow.finish("example", pending, answer)
    with pytest.raises(SignInRefused) as refused:
        await flow.finish("example", pending, answer)
    assert refused.value.code == "expired"


async def test_two_tabs_may_sign_in_at_once(flow, hostile):
    tabs = [await flow.begin("example") for _ in range(2)]
    for url, pending in tabs:
        identity = await flow.finish("example", pending, hostile.visit(url))
        assert identity.subject == "alice"


async def test_an_answer_that_names_another_issuer_is_refused(flow, hostile):
    """RFC 9207: else a hostile provider may pass on an honest one's code as its own."""
    await refused(flow, hostile, "mismatch", iss="https://attacker.example")


async def test_an_answer_without_issuer_is_refused_where_one_is_promised(flow, hostile):
    hostile.metadata = {"authorization_response_iss_parameter_supported": True}
    await refused(flow, hostile, "mismatch")
    url, pending = await flow.begin("example")
    with pytest.raises(SignInRefused) as denied:
        await flow.finish("example", pending, {"error": "access_denied", "state": pending["state"]})
    assert denied.value.code == "mismatch"
    identity = await flow.finish("example", pending, hostile.visit(url, iss=hostile.url))
    assert identity.subject == "alice"


async def test_an_answer_of_one_provider_is_refused_by_another(hostile):
    both = Flow(
        [
            Client("one", CLIENT_ID, CLIENT_SECRET, hostile.discovery_url),
            Client("other", CLIENT_ID, CLIENT_SECRET, hostile.discovery_url),
        ],
        lambda name: f"http://127.0.0.1:8866/sign-in/{name}",
    )
    url, pending = await both.begin("one")
    with pytest.raises(SignInRefused) as refused:
        await both.finish("other", pending, hostile.visit(url))
    assert refused.value.code == "mismatch"
    _, pending = await both.begin("other")
    with pytest.raises(SignInRefused) as refused:
        await both.finish("other", pending, hostile.visit(url, state=pending["state"]))
    assert refused.value.code == "expired"


async def test_a_code_is_worth_nothing_without_its_verifier(flow, hostile):
    url, _ = await flow.begin("example")
    stolen = hostile.visit(url)
    _, pending = await flow.begin("example")
    with pytest.raises(SignInRefused) as refused:
        await flow.finish("example", pending, {**stolen, "state": pending["state"]})
    assert refused.value.code == "expired"


@pytest.mark.parametrize("error", ["access_denied", "<script>alert(1)</script>", "x" * 5000])
async def test_nothing_that_an_answer_says_is_shown(flow, error):
    _, pending = await flow.begin("example")
    answer = {
        "error": error,
        "error_description": "<img src=x onerror=alert(1)> Call 555-0100",
        "error_uri": "https://attacker.example",
        "state": pending["state"],
    }
    with pytest.raises(SignInRefused) as refused:
        await flow.finish("example", pending, answer)
    said = f"{refused.value} {refused.value.detail}"
    assert not any(part in said for part in ("<", "555", "attacker", "x" * 65))


async def test_an_answer_with_neither_code_nor_error_is_refused(flow, hostile):
    await refused(flow, hostile, "garbled", code="")


# What the ID token claims


@pytest.mark.parametrize("nonce", ["another", None, 7, ["another"]])
async def test_a_token_of_another_sign_in_is_refused(flow, hostile, nonce):
    hostile.claims = {"nonce": nonce}
    await refused(flow, hostile, "mismatch")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://attacker.example"},
        {"iss": None},
        {"iss": ["https://attacker.example"]},
        {"aud": "another"},
        {"aud": []},
        {"aud": None},
        {"aud": {CLIENT_ID: 1}},
        {"aud": ["another"], "azp": CLIENT_ID},
        {"aud": [CLIENT_ID, "another"]},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"aud": CLIENT_ID, "azp": "another"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "alice\x00"},
        {"sub": "alice\u202e"},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"iat": None},
        {"iat": "now"},
        {"iat": float("nan")},
        {"iat": 10**400},
        {"iat": True},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"at_hash": 7},
        {"amr": "pwd"},
        {"auth_time": "now"},
    ],
    ids=str,
)
async def test_a_token_whose_claims_do_not_hold_is_refused(flow, hostile, claims):
    hostile.claims = claims
    await refused(flow, hostile, "untrusted")


async def test_a_token_for_several_is_taken_if_it_was_made_for_us(flow, hostile):
    hostile.claims = {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}
    assert (await signed_in(flow, hostile)).subject == "alice"


async def test_claims_are_checked_at_the_second_sign_in_as_at_the_first(flow, hostile):
    """Authlib empties a dictionary of checks that is given to it twice."""
    await signed_in(flow, hostile)
    for claims in ({"iss": "https://attacker.example"}, {"aud": "another"}):
        hostile.claims = claims
        for _ in range(2):
            await refused(flow, hostile, "untrusted")


@pytest.mark.parametrize(("seconds", "minutes"), [(130, "2 minutes"), (3600, "60 minutes")])
async def test_a_clock_that_is_behind_is_named_with_its_error(flow, hostile, seconds, minutes):
    hostile.claims = {"iat": int(time.time()) + seconds, "exp": int(time.time()) + seconds + 600}
    wrong = await refused(flow, hostile, "clock")
    assert f"are {minutes} apart" in str(wrong)
    assert "+" in wrong.detail


async def test_a_clock_that_is_ahead_is_named_with_its_error(flow, hostile):
    hostile.claims = {"iat": int(time.time()) - 730, "exp": int(time.time()) - 130}
    wrong = await refused(flow, hostile, "clock")
    assert "are 12 minutes apart" in str(wrong)
    assert "-" in wrong.detail


@pytest.mark.parametrize("seconds", [-100, 100])
async def test_clocks_may_be_two_minutes_apart(flow, hostile, seconds):
    hostile.claims = {"iat": int(time.time()) + seconds, "exp": int(time.time()) + seconds + 1}
    assert (await signed_in(flow, hostile)).subject == "alice"


async def test_a_token_that_had_ended_when_it_was_made_is_refused(flow, hostile):
    hostile.claims = {"exp": int(time.time()) - 130}
    await refused(flow, hostile, "untrusted")


# Who signed it


async def test_a_token_that_another_key_signed_is_refused(flow, hostile):
    hostile.key = RSAKey.import_key(OTHER_RSA.as_dict(private=True) | {"kid": "first"})
    await refused(flow, hostile, "untrusted")


async def test_a_token_that_was_changed_is_refused(flow, hostile):
    signed = hostile.id_token("nonce").split(".")
    hostile.answers = {"id_token": ".".join([signed[0], signed[1][:-2] + "AA", signed[2]])}
    await refused(flow, hostile, "untrusted")


@pytest.mark.parametrize("listed", [["none"], ["RS256", "none"]])
async def test_an_unsigned_token_is_refused_even_where_discovery_lists_none(flow, hostile, listed):
    hostile.metadata = {"id_token_signing_alg_values_supported": listed}
    hostile.header = {"alg": "none"}
    await refused(flow, hostile, "untrusted")


async def test_a_public_key_is_no_shared_secret(flow, hostile):
    hostile.metadata = {"id_token_signing_alg_values_supported": ["RS256", "HS256"]}
    hostile.header = {"alg": "HS256", "kid": "first"}
    hostile.key = RSA.as_pem(private=False)
    await refused(flow, hostile, "untrusted")


@pytest.mark.parametrize("secret", [CLIENT_SECRET, "published to everybody"])
async def test_a_shared_secret_signs_nothing(flow, hostile, secret):
    hostile.header = {"alg": "HS256", "kid": "shared"}
    hostile.key = secret.encode()
    hostile.published.append(OctKey.import_key(secret.encode(), {"kid": "shared"}).as_dict())
    await refused(flow, hostile, "untrusted")


async def test_a_key_that_is_too_short_signs_nothing(flow, hostile):
    with pytest.warns(UserWarning, match="2048"):
        short = RSAKey.generate_key(1024, {"kid": "short"})
    hostile.published.append(short.as_dict(private=False))
    hostile.key, hostile.header = short, {"alg": "RS256", "kid": "short"}
    await refused(flow, hostile, "untrusted")


async def test_a_key_that_the_token_brings_along_signs_nothing(flow, hostile):
    hostile.key = OTHER_RSA
    hostile.header = {"alg": "RS256", "kid": "brought", "jwk": OTHER_RSA.as_dict(private=False)}
    await refused(flow, hostile, "untrusted")


async def test_a_key_for_encryption_signs_nothing(flow, hostile):
    hostile.published.append(OTHER_RSA.as_dict(private=False) | {"use": "enc"})
    hostile.key, hostile.header = OTHER_RSA, {"alg": "RS256", "kid": "second"}
    await refused(flow, hostile, "untrusted")


async def test_keys_that_cannot_be_read_spoil_no_others(flow, hostile):
    curve = ECKey.generate_key("P-256", {"kid": "curve"})
    hostile.published = [
        {"kty": "AKP", "kid": "newer"},
        {"kty": "RSA", "n": "!" * 400, "e": "AQAB"},
        {"kty": "RSA"},
        {"kty": "EC", "crv": "P-999", "x": "", "y": ""},
        "no key",
        curve.as_dict(private=False),
        *hostile.published,
    ]
    assert (await signed_in(flow, hostile)).subject == "alice"
    hostile.key, hostile.header = curve, {"alg": "ES256", "kid": "curve"}
    assert (await signed_in(flow, hostile)).subject == "alice"


async def test_a_new_key_is_fetched_once_it_is_used(timed, hostile, clock):
    await signed_in(timed, hostile)
    hostile.published = [OTHER_RSA.as_dict(private=False)]
    hostile.key, hostile.header = OTHER_RSA, {"alg": "RS256", "kid": "second"}
    clock.now += 61
    assert (await signed_in(timed, hostile)).subject == "alice"
    assert hostile.asked["/keys"] == 2


async def test_unknown_keys_make_us_ask_once_a_minute_at_most(timed, hostile, clock):
    await signed_in(timed, hostile)
    hostile.header = {"alg": "RS256", "kid": "unknown"}
    for _ in range(5):
        await refused(timed, hostile, "untrusted")
    assert hostile.asked["/keys"] == 1
    clock.now += 61
    for _ in range(5):
        await refused(timed, hostile, "untrusted")
    assert hostile.asked["/keys"] == 2


@pytest.mark.parametrize(
    "token",
    [None, "", "a.b.c", 7, {"a": 1}, "..", "a" * 200_000, "[" * 100_000 + ".a.b", "é.é.é"],
    ids=lambda value: str(value)[:8],
)
async def test_without_an_id_token_nobody_is_signed_in(flow, hostile, token):
    hostile.answers = {"id_token": token}
    await refused(flow, hostile, "untrusted")


# What else the provider says


async def test_the_userinfo_of_somebody_else_is_refused(flow, hostile):
    hostile.claims = {"email": None}
    hostile.userinfo = {"sub": "mallory"}
    await refused(flow, hostile, "untrusted")
    hostile.userinfo = {"sub": None}
    await refused(flow, hostile, "untrusted")


async def test_userinfo_says_who_one_is_no_more_than_the_token_does(flow, hostile):
    hostile.claims = {"email": None}
    hostile.userinfo = {
        "iss": "https://attacker.example",
        "sid": "another",
        "email": "new@example.org",
        "email_verified": True,
    }
    identity = await signed_in(flow, hostile)
    assert (identity.issuer, identity.session) == (hostile.url, None)
    assert (identity.email, identity.email_verified) == ("new@example.org", True)


async def test_what_is_said_of_one_address_is_not_believed_of_another(flow, hostile):
    hostile.claims = {"email": None, "email_verified": True}
    identity = await signed_in(flow, hostile)
    assert (identity.email, identity.email_verified) == ("alice@example.org", False)
    hostile.claims = {"given_name": None, "family_name": None, "email_verified": None}
    hostile.userinfo = {"email": "other@example.org", "email_verified": True}
    identity = await signed_in(flow, hostile)
    assert (identity.email, identity.email_verified) == ("alice@example.org", False)


@pytest.mark.parametrize("verified", [False, None, "false", "yes", 0, [True], {"a": 1}])
async def test_an_address_is_verified_only_if_the_provider_says_so(flow, hostile, verified):
    hostile.claims = {"email_verified": verified}
    identity = await signed_in(flow, hostile)
    assert (identity.email, identity.email_verified) == ("alice@example.org", False)


@pytest.mark.parametrize(
    "email",
    ["", "alice", "a b@example.org", "a@b@example.org", "a@example.org\n", "x" * 250 + "@a.org", 7],
)
async def test_what_is_no_address_is_none(flow, hostile, email):
    hostile.claims = {"email": email}
    hostile.userinfo = {"email": None}
    identity = await signed_in(flow, hostile)
    assert (identity.email, identity.email_verified) == (None, False)


async def test_a_changed_address_changes_not_who_one_is(flow, hostile):
    before = await signed_in(flow, hostile)
    hostile.claims = {"email": "ALICE@elsewhere.example"}
    after = await signed_in(flow, hostile)
    assert (before.issuer, before.subject) == (after.issuer, after.subject)


async def test_subjects_differ_by_case(flow, hostile):
    hostile.claims = {"sub": "Alice"}
    assert (await signed_in(flow, hostile)).subject == "Alice"


async def test_names_are_one_short_line(flow, hostile):
    hostile.claims = {"given_name": "Ann\x00\r\nBcc: \u202e\ud800e", "family_name": "x" * 5000}
    identity = await signed_in(flow, hostile)
    assert identity.first_name == "Ann Bcc: e"
    assert identity.last_name == "x" * 255


# A provider that misbehaves


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ((500, "<h1>Oops</h1>"), "unreachable"),
        ((503, {"error": "temporarily_unavailable"}), "unreachable"),
        ((429, "slow down"), "unreachable"),
        ((400, {"error": "server_error"}), "unreachable"),
        ((302, ""), "garbled"),
        ((404, "<h1>Nothing here</h1>"), "garbled"),
        ("<html>", "garbled"),
        ("", "garbled"),
        ("[]", "garbled"),
        ("null", "garbled"),
        ("[" * 100_000, "garbled"),
        ("1" * 5_000, "garbled"),
        ('{"access_token": NaN}', "garbled"),
        ({}, "garbled"),
        ({"access_token": 7}, "garbled"),
        ({"access_token": "a", "expires_in": "abc"}, "garbled"),
        ({"access_token": "a", "expires_in": {"a": 1}}, "garbled"),
        ('{"access_token": "a", "expires_in": 1e999}', "garbled"),
        ({"access_token": "a", "expires_at": []}, "garbled"),
        ({"error": {"any": "thing"}}, "misconfigured"),
        ({"error": "<b>"}, "misconfigured"),
        (" " * 1_000_000 + '{"access_token": "a"}', "garbled"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_token_endpoint_that_misbehaves_is_one_clear_refusal(flow, hostile, reply, code):
    hostile.replies["/token"] = reply
    assert "<" not in (await refused(flow, hostile, code)).detail


@pytest.mark.parametrize("path", ["/token", "/userinfo"])
@pytest.mark.parametrize("reply", [SILENCE, DRIP], ids=["silence", "drip"])
async def test_a_provider_that_never_comes_to_an_end_is_not_waited_for(
    flow, hostile, monkeypatch, path, reply
):
    await flow.begin("example")
    short_timeout(monkeypatch)
    hostile.claims = {"email": None}
    hostile.replies[path] = reply
    slow = await refused(flow, hostile, "unreachable")
    assert f"{path} took longer than" in slow.detail


async def test_a_small_answer_that_unpacks_to_a_large_one_is_not_read(flow, hostile, monkeypatch):
    packed = zlib.compress(b"[" * 50_000_000)
    monkeypatch.setattr(
        Handler,
        "set_default_headers",
        lambda self: (
            self.request.path == "/token" and self.set_header("Content-Encoding", "deflate")
        ),
    )
    hostile.replies["/token"] = packed
    assert "packed" in (await refused(flow, hostile, "garbled")).detail


async def test_no_redirect_is_followed(flow, hostile, monkeypatch):
    monkeypatch.setattr(
        Handler,
        "set_default_headers",
        lambda self: self.set_header("Location", "/elsewhere"),
    )
    hostile.replies["/token"] = (307, "")
    await refused(flow, hostile, "garbled")
    assert hostile.asked["/elsewhere"] == 0


async def test_a_provider_that_is_down_is_told_as_such(flow, hostile):
    hostile._server.stop()
    with pytest.raises(SignInRefused, match="Example does not answer at the moment") as refused:
        await flow.begin("example")
    assert refused.value.code == "unreachable"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://attacker.example"},
        {"issuer": None},
        {"issuer": 7},
        {"token_endpoint": None},
        {"token_endpoint": "http://attacker.example/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": 7},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "http://169.254.169.254/"},
        {"userinfo_endpoint": "http://attacker.example/me"},
        {"userinfo_endpoint": "http://[::1"},
    ],
    ids=str,
)
async def test_metadata_that_leads_elsewhere_is_refused(flow, hostile, metadata):
    hostile.metadata = metadata
    with pytest.raises(SignInRefused) as refused:
        await flow.begin("example")
    assert refused.value.code == "misconfigured"
    assert "WORKBENCH_OAUTH_EXAMPLE_DISCOVERY_URL" in refused.value.detail


@pytest.mark.parametrize("reply", [(404, "<h1>Nothing</h1>"), "<html>", "[]", (302, "")])
async def test_a_discovery_url_that_leads_nowhere_is_named(flow, hostile, reply):
    hostile.replies["/.well-known/openid-configuration"] = reply
    with pytest.raises(SignInRefused, match="is not set up correctly") as refused:
        await flow.begin("example")
    assert refused.value.code == "misconfigured"
    assert "WORKBENCH_OAUTH_EXAMPLE_DISCOVERY_URL" in refused.value.detail


@pytest.mark.parametrize("reply", ["<html>", {}, {"keys": []}, {"keys": {}}, {"keys": [7]}])
async def test_a_provider_without_keys_is_refused(flow, hostile, reply):
    hostile.replies["/keys"] = reply
    await refused(flow, hostile, "misconfigured")


@pytest.mark.parametrize("ways", [None, ["client_secret_post"], ["client_secret_basic"], "any"])
async def test_a_secret_is_sent_as_the_provider_wants_it(flow, hostile, ways):
    hostile.metadata = {"token_endpoint_auth_methods_supported": ways}
    assert (await signed_in(flow, hostile)).subject == "alice"
    in_a_header = ways != ["client_secret_post"]
    assert ("Authorization" in hostile.headers["/token"]) is in_a_header


# What is remembered


async def test_what_a_provider_publishes_is_read_once_a_day(timed, hostile, clock):
    for hour in range(24):
        clock.now = hour * 3600.0
        await signed_in(timed, hostile)
    assert hostile.asked["/.well-known/openid-configuration"] == hostile.asked["/keys"] == 1
    clock.now = 24 * 3600.0
    await signed_in(timed, hostile)
    assert hostile.asked["/.well-known/openid-configuration"] == hostile.asked["/keys"] == 2


async def test_a_key_that_was_withdrawn_signs_nothing_a_day_later(timed, hostile, clock):
    await signed_in(timed, hostile)
    hostile.published = [OTHER_RSA.as_dict(private=False)]
    clock.now += 24 * 3600
    await refused(timed, hostile, "untrusted")


async def test_after_a_failure_it_is_read_again_within_a_minute(timed, hostile, clock):
    await timed.begin("example")
    hostile.replies["/moved"] = hostile.replies["/token"] = (500, "")
    await refused(timed, hostile, "unreachable")
    hostile.metadata = {"token_endpoint": f"{hostile.url}/moved"}
    clock.now += 59
    await refused(timed, hostile, "unreachable")
    assert hostile.asked["/moved"] == 0
    clock.now += 2
    await refused(timed, hostile, "unreachable")
    assert hostile.asked["/moved"] == 1


async def test_many_who_come_at_once_ask_once(flow, hostile):
    await asyncio.gather(*(flow.begin("example") for _ in range(50)))
    assert hostile.asked["/.well-known/openid-configuration"] == 1


async def test_who_gives_up_waiting_spoils_it_for_nobody(flow, hostile):
    first = asyncio.ensure_future(flow.begin("example"))
    second = asyncio.ensure_future(flow.begin("example"))
    await asyncio.wait([first], timeout=0)
    first.cancel()
    assert (await second)[1]["provider"] == "example"


async def test_no_secret_is_ever_logged(flow, hostile, caplog):
    caplog.set_level(logging.DEBUG)
    url, pending = await flow.begin("example")
    hostile.claims = {"email": None}
    answer = hostile.visit(url)
    await flow.finish("example", pending, answer)
    secrets: list[Any] = [CLIENT_SECRET, answer["code"], *pending.values(), *hostile.tokens]
    assert not [secret for secret in secrets if secret != "example" and secret in caplog.text]


async def test_no_refresh_token_is_asked_for(flow):
    url, _ = await flow.begin("example")
    assert "offline_access" not in url


async def test_no_secret_is_in_what_is_printed(flow):
    assert CLIENT_SECRET not in repr(vars(flow._providers["example"]))
