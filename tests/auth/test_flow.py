"""Signing in, against a provider that none of us wrote."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from oidc import OpenIDProvider
from visits import REDIRECT_URI, browse

from workbench.auth.flow import Flow
from workbench.auth.identity import Client, Identity
from workbench.errors import BadSettings, NotFound, SignInRefused


@pytest.fixture
async def flow(oidc: OpenIDProvider):
    client = Client("example", oidc.client_id, oidc.client_secret, oidc.discovery_url)
    made = Flow([client], lambda _: REDIRECT_URI)
    yield made
    await made.close()


async def sign_in(flow: Flow, login: str, **how: bool) -> Identity:
    url, pending = await flow.begin("example")
    return await flow.finish("example", pending, await browse(url, login, **how))


async def test_who_signs_in_is_known_by_issuer_and_subject(flow, oidc):
    identity = await sign_in(flow, "alice")
    assert (identity.provider, identity.issuer, identity.subject) == (
        "example",
        oidc.issuer,
        "alice",
    )
    assert (identity.email, identity.email_verified) == ("alice@example.org", True)
    assert (identity.first_name, identity.last_name) == ("Alice", "Tester")


async def test_an_address_that_the_provider_has_not_verified_is_not_verified(flow):
    identity = await sign_in(flow, "unverified-eve")
    assert (identity.email, identity.email_verified) == ("unverified-eve@example.org", False)


async def test_who_has_neither_address_nor_names_is_known_all_the_same(flow):
    identity = await sign_in(flow, "nomail-max")
    assert (identity.email, identity.email_verified) == (None, False)
    identity = await sign_in(flow, "noname-max")
    assert (identity.first_name, identity.last_name) == (None, None)


async def test_who_does_not_consent_is_told_so(flow):
    with pytest.raises(SignInRefused, match="was not allowed to say who you are") as refused:
        await sign_in(flow, "alice", deny=True)
    assert refused.value.code == "denied"


async def test_a_provider_is_asked_for_the_least_and_with_a_challenge(flow):
    url, pending = await flow.begin("example")
    query = dict(parse_qsl(urlsplit(url).query))
    assert query.keys() == {
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    }
    assert query["scope"] == "openid email profile"
    assert query["code_challenge_method"] == "S256"
    assert query["redirect_uri"] == REDIRECT_URI
    assert (query["state"], query["nonce"]) == (pending["state"], pending["nonce"])
    assert pending["code_verifier"] not in url


async def test_no_two_sign_ins_share_what_is_kept(flow):
    (_, first), (_, second) = await flow.begin("example"), await flow.begin("example")
    assert not set(first.values()) & set(second.values()) - {"example"}


async def test_a_code_counts_once(flow):
    url, pending = await flow.begin("example")
    answer = await browse(url, "alice")
    await flow.finish("example", pending, answer)
    with pytest.raises(SignInRefused, match="took too long or was used already") as refused:
        await flow.finish("example", pending, answer)
    assert refused.value.code == "expired"


async def test_a_code_is_worth_nothing_without_the_verifier_of_its_own_sign_in(flow):
    url, _ = await flow.begin("example")
    stolen = await browse(url, "alice")
    _, pending = await flow.begin("example")
    with pytest.raises(SignInRefused, match="used already"):
        await flow.finish("example", pending, {**stolen, "state": pending["state"]})


async def test_a_wrong_secret_is_told_to_whoever_runs_the_server(oidc):
    client = Client("example", oidc.client_id, "wrong-secret", oidc.discovery_url)
    flow = Flow([client], lambda _: REDIRECT_URI)
    with pytest.raises(SignInRefused, match="is not set up correctly on this server") as refused:
        await sign_in(flow, "alice")
    assert refused.value.code == "misconfigured"
    assert "invalid_client" in refused.value.detail
    assert "WORKBENCH_OAUTH_EXAMPLE_CLIENT_SECRET" in refused.value.detail
    assert "wrong-secret" not in f"{refused.value}{refused.value.detail}"


async def test_a_name_that_is_not_set_up_is_not_found(flow):
    with pytest.raises(NotFound, match="No way to sign in 'google'"):
        await flow.begin("google")


def test_ways_to_sign_in_are_offered_in_their_order():
    clients = [
        Client("github", "a", "b"),
        Client("google", "a", "b"),
        Client("corp", "a", "b", "https://id.corp.example/.well-known/openid-configuration"),
        Client("microsoft", "a", "b", label="Our school"),
    ]
    offered = Flow(clients, lambda name: f"https://here.example/{name}").offered()
    assert offered == [
        ("github", "GitHub"),
        ("google", "Google"),
        ("corp", "Corp"),
        ("microsoft", "Our school"),
    ]


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "http://id.example/.well-known/openid-configuration",
        "https://id.example/",
        "https://user@id.example/.well-known/openid-configuration",
        "https://id.example:port/.well-known/openid-configuration",
        "file:///.well-known/openid-configuration",
    ],
)
def test_a_discovery_url_that_cannot_be_one_stops_the_start(url):
    with pytest.raises(BadSettings, match="WORKBENCH_OAUTH_CORP_DISCOVERY_URL"):
        Flow([Client("corp", "a", "b", url)], lambda name: name)


@pytest.mark.parametrize("tenant", ["contoso", "../common", "contoso.onmicrosoft.com"])
def test_a_tenant_that_cannot_be_one_stops_the_start(tenant):
    with pytest.raises(BadSettings, match="WORKBENCH_OAUTH_MICROSOFT_TENANT"):
        Flow([Client("microsoft", "a", "b", tenant=tenant)], lambda name: name)


def test_the_lock_file_of_the_real_provider_names_no_host():
    lock = json.loads((Path(__file__).parent / "provider" / "package-lock.json").read_text())
    packages = lock["packages"]
    del packages[""]
    assert packages["node_modules/oidc-provider"]["version"] == "9.13.3"
    assert all("integrity" in package for package in packages.values())
    assert not any("resolved" in package for package in packages.values())
