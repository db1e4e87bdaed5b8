"""How each provider differs, against stand-ins for its endpoints."""

from __future__ import annotations

import logging
from urllib.parse import parse_qsl, urlsplit

import pytest
from stand_ins import CLIENT_SECRET, OTHER_RSA, RSA, Hostile
from visits import REDIRECT_URI, flow_of, signed_in

from workbench.auth.flow import Flow
from workbench.auth.identity import Client
from workbench.auth.providers import PROVIDERS
from workbench.auth.providers.facebook import Facebook
from workbench.auth.providers.github import GitHub
from workbench.auth.providers.google import Google
from workbench.auth.providers.microsoft import Microsoft
from workbench.errors import SignInRefused

TENANT = "6f0e2b0e-6f5a-4d0e-9c53-0f2a3b4c5d6e"
OTHER_TENANT = "11111111-2222-4333-8444-555555555555"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
OID = "00000000-0000-0000-66f3-3332eca7ea81"


async def refused(flow: Flow, stand_in, code: str, **changed: str) -> SignInRefused:
    with pytest.raises(SignInRefused) as refused:
        await signed_in(flow, stand_in, **changed)
    assert refused.value.code == code, refused.value.detail
    return refused.value


@pytest.mark.parametrize(
    ("name", "scope", "site"),
    [
        ("google", "openid email profile", "accounts.google.com"),
        ("microsoft", "openid email profile", "login.microsoftonline.com"),
        ("github", "user:email", "github.com"),
        ("facebook", "public_profile,email", "www.facebook.com"),
    ],
)
def test_each_is_asked_for_the_least_at_its_own_address(name, scope, site):
    provider = PROVIDERS[name](Client(name, "a", "b"), REDIRECT_URI)
    assert provider.scope == scope
    address = provider.discovery.url if provider.discovery else provider._base
    assert urlsplit(address).scheme == "https"
    assert urlsplit(address).hostname == site


# Google


@pytest.fixture
def google(hostile: Hostile) -> Flow:
    return flow_of(lambda client, uri: Google(client, uri, base=hostile.url))


@pytest.mark.parametrize(
    ("claims", "verified"),
    [
        ({"email": "alice@gmail.com"}, True),
        ({"email": "alice@GoogleMail.com"}, True),
        ({"email": "alice@gmail.com", "email_verified": False}, False),
        ({"email": "alice@example.org"}, False),
        ({"email": "alice@notgmail.com"}, False),
        ({"email": "alice@gmail.com.example.org"}, False),
        ({"email": "alice@example.org", "hd": "example.org"}, True),
        ({"email": "alice@example.org", "hd": ""}, False),
        ({"email": "alice@example.org", "hd": "example.org", "email_verified": None}, False),
    ],
    ids=str,
)
async def test_google_answers_for_its_own_and_its_customers_addresses_only(
    google, hostile, claims, verified
):
    hostile.claims = claims
    identity = await signed_in(google, hostile)
    assert (identity.email, identity.email_verified) == (claims["email"], verified)


async def test_google_may_leave_out_the_scheme_of_its_name(google, hostile):
    with_scheme = await signed_in(google, hostile)
    hostile.claims = {"iss": hostile.url.removeprefix("http://")}
    without = await signed_in(google, hostile)
    assert (without.issuer, without.subject) == (with_scheme.issuer, with_scheme.subject)
    hostile.claims = {"iss": "accounts.google.com.attacker.example"}
    await refused(google, hostile, "untrusted")


# Microsoft


def microsoft(hostile: Hostile, tenant: str | None, tid: str = TENANT, **claims) -> Flow:
    """Return a flow, and let the stand-in speak as Microsoft does for this tenant."""
    many = tenant in (None, "common", "organizations")
    own = PERSONAL if tenant == "consumers" else tenant
    hostile.metadata = {"issuer": f"{hostile.url}/{'{tenantid}' if many else own}/v2.0"}
    tells(hostile, tid, **claims)
    return flow_of(lambda client, uri: Microsoft(client, uri, base=hostile.url), tenant=tenant)


def tells(hostile: Hostile, tid: object, **claims: object) -> None:
    hostile.claims = {
        "iss": f"{hostile.url}/{tid}/v2.0",
        "tid": tid,
        "oid": OID,
        "email_verified": None,
        **claims,
    }


@pytest.mark.parametrize(
    ("tenant", "tid"),
    [
        (None, TENANT),
        ("common", TENANT),
        ("common", PERSONAL),
        ("organizations", TENANT),
        ("consumers", PERSONAL),
        (TENANT, TENANT),
        (TENANT.upper(), TENANT),
    ],
)
async def test_microsoft_names_people_by_tenant_and_object(hostile, tenant, tid):
    flow = microsoft(hostile, tenant and tenant.lower(), tid)
    identity = await signed_in(flow, hostile)
    assert identity.issuer == f"{hostile.url}/{tid}/v2.0"
    assert identity.subject == f"{tid}.{OID}"


@pytest.mark.parametrize("verified", [True, 1, "1", "true"])
async def test_microsoft_answers_for_an_address_of_the_tenants_own_domain(hostile, verified):
    flow = microsoft(hostile, "common", xms_edov=verified)
    assert (await signed_in(flow, hostile)).email_verified


@pytest.mark.parametrize("claims", [{}, {"xms_edov": "0"}, {"email_verified": True}], ids=str)
async def test_microsoft_answers_for_no_other_address(hostile, claims):
    """Anybody can have a tenant of their own, and give any address to a user of it."""
    identity = await signed_in(microsoft(hostile, "common", **claims), hostile)
    assert (identity.email, identity.email_verified) == ("alice@example.org", False)


async def test_microsofts_second_page_about_somebody_proves_no_address(hostile):
    flow = microsoft(hostile, "common", xms_edov=True, email=None)
    identity = await signed_in(flow, hostile)
    assert (identity.email, identity.email_verified) == ("alice@example.org", False)


@pytest.mark.parametrize(
    ("tenant", "tid"),
    [(TENANT, OTHER_TENANT), ("organizations", PERSONAL), ("consumers", TENANT)],
)
async def test_another_tenant_is_refused_at_the_second_sign_in_too(hostile, tenant, tid):
    flow = microsoft(hostile, tenant, PERSONAL if tenant == "consumers" else TENANT)
    await signed_in(flow, hostile)
    for _ in range(2):
        tells(hostile, tid)
        await refused(flow, hostile, "untrusted")


async def test_a_token_of_one_tenant_that_says_another_is_refused_each_time(hostile):
    flow = microsoft(hostile, "common")
    await signed_in(flow, hostile)
    for _ in range(2):
        tells(hostile, TENANT, iss=f"{hostile.url}/{OTHER_TENANT}/v2.0")
        await refused(flow, hostile, "untrusted")


@pytest.mark.parametrize(
    "tid", [None, "", "common", "../common", "{tenantid}", TENANT.upper(), 7, f"{TENANT}/x"]
)
async def test_a_tenant_that_is_no_id_is_refused(hostile, tid):
    await refused(microsoft(hostile, "common", tid), hostile, "untrusted")


@pytest.mark.parametrize("oid", [None, "", "alice", 7])
async def test_somebody_without_object_id_is_refused(hostile, oid):
    await refused(microsoft(hostile, "common", oid=oid), hostile, "untrusted")


async def test_microsofts_answer_may_name_the_tenant(hostile):
    flow = microsoft(hostile, "common")
    url, pending = await flow.begin("example")
    named = hostile.visit(url, iss=f"{hostile.url}/{TENANT}/v2.0")
    assert (await flow.finish("example", pending, named)).subject == f"{TENANT}.{OID}"
    for issuer in (f"{hostile.url}/{OTHER_TENANT}/v2.0", f"{hostile.url}/common/v2.0", "x"):
        url, pending = await flow.begin("example")
        with pytest.raises(SignInRefused) as refused:
            await flow.finish("example", pending, hostile.visit(url, iss=issuer))
        assert refused.value.code == "mismatch"


async def test_a_key_for_personal_accounts_signs_for_no_other_tenant(hostile):
    flow = microsoft(hostile, "common")
    of_all, of_some = (f"{hostile.url}/{tenant}/v2.0" for tenant in ("{tenantid}", PERSONAL))
    hostile.published = [
        RSA.as_dict(private=False) | {"issuer": of_all},
        OTHER_RSA.as_dict(private=False) | {"issuer": of_some},
    ]
    assert (await signed_in(flow, hostile)).subject == f"{TENANT}.{OID}"
    hostile.key, hostile.header = OTHER_RSA, {"alg": "RS256", "kid": "second"}
    await refused(flow, hostile, "untrusted")
    tells(hostile, PERSONAL)
    assert (await signed_in(flow, hostile)).subject == f"{PERSONAL}.{OID}"


async def test_a_tenant_that_does_not_exist_is_named(hostile):
    flow = microsoft(hostile, TENANT)
    hostile.replies[f"/{TENANT}/v2.0/.well-known/openid-configuration"] = (400, {"error": "x"})
    wrong = await refused(flow, hostile, "misconfigured")
    assert "WORKBENCH_OAUTH_EXAMPLE_TENANT" in wrong.detail


# GitHub


@pytest.fixture
def github_flow(github) -> Flow:
    return flow_of(lambda client, uri: GitHub(client, uri, base=github.url, api=github.url))


async def test_github_names_people_by_number(github_flow, github):
    identity = await signed_in(github_flow, github)
    assert (identity.issuer, identity.subject) == (github.url, "583231")
    assert (identity.email, identity.email_verified) == ("cat@example.org", True)
    assert (identity.first_name, identity.last_name) == ("Monalisa", "Lisa Octocat")


async def test_a_github_login_that_is_renamed_or_reused_is_nobody_else(github_flow, github):
    before = await signed_in(github_flow, github)
    github.user["login"] = "renamed"
    assert await signed_in(github_flow, github) == before
    github.user |= {"login": "octocat", "id": 99}
    assert (await signed_in(github_flow, github)).subject == "99"


@pytest.mark.parametrize(
    "emails",
    [
        [],
        [{"email": "a@example.org", "primary": True, "verified": False}],
        [{"email": "a@example.org", "primary": False, "verified": True}],
        [{"email": "a@example.org"}, 7, None],
        [{"email": "a@example.org", "primary": "true", "verified": 1}],
        [{"email": None, "primary": True, "verified": True}],
    ],
)
async def test_github_tells_an_address_only_if_it_is_primary_and_verified(
    github_flow, github, emails
):
    github.emails = emails
    identity = await signed_in(github_flow, github)
    assert (identity.email, identity.email_verified) == (None, False)


@pytest.mark.parametrize(
    ("name", "first", "last"), [(None, None, None), ("Cher", "Cher", None), ("  ", None, None)]
)
async def test_a_github_name_is_split_where_it_can_be(github_flow, github, name, first, last):
    github.user["name"] = name
    identity = await signed_in(github_flow, github)
    assert (identity.first_name, identity.last_name) == (first, last)


@pytest.mark.parametrize("number", [None, "583231", True, 1.5])
async def test_a_github_user_without_number_is_refused(github_flow, github, number):
    github.user["id"] = number
    await refused(github_flow, github, "garbled")


@pytest.mark.parametrize("reply", [(403, {}), {"message": "no"}, (500, ""), "<html>"], ids=str)
@pytest.mark.parametrize("path", ["/user", "/user/emails"])
async def test_an_api_that_does_not_tell_signs_nobody_in(github_flow, github, path, reply):
    github.replies[path] = reply
    await refused(github_flow, github, "unreachable" if reply == (500, "") else "garbled")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("bad_verification_code", "expired"),
        ("incorrect_client_credentials", "misconfigured"),
        ("redirect_uri_mismatch", "misconfigured"),
        ("application_suspended", "misconfigured"),
    ],
)
async def test_githubs_errors_are_errors_though_they_come_with_200(
    github_flow, github, error, code
):
    github.replies["/login/oauth/access_token"] = {"error": error, "error_description": "<b>"}
    assert error in (await refused(github_flow, github, code)).detail


async def test_who_has_no_verified_address_at_github_is_told_where_to_verify_one(
    github_flow, github
):
    github.replies["/login/oauth/access_token"] = {"error": "unverified_user_email"}
    assert "Settings, Emails" in str(await refused(github_flow, github, "no_email"))


async def test_a_code_of_github_is_worth_nothing_without_its_verifier(github_flow, github):
    url, _ = await github_flow.begin("example")
    stolen = github.visit(url)
    _, pending = await github_flow.begin("example")
    with pytest.raises(SignInRefused) as refused:
        await github_flow.finish("example", pending, {**stolen, "state": pending["state"]})
    assert refused.value.code == "expired"


async def test_github_is_asked_with_a_challenge_and_no_nonce(github_flow):
    url, _ = await github_flow.begin("example")
    query = dict(parse_qsl(urlsplit(url).query))
    assert query["code_challenge_method"] == "S256"
    assert "nonce" not in query


async def test_an_answer_to_github_that_names_another_site_is_refused(github_flow, github):
    url, pending = await github_flow.begin("example")
    for issuer in ("https://attacker.example", "github.com", "http://[::1"):
        with pytest.raises(SignInRefused) as refused:
            await github_flow.finish("example", pending, github.visit(url, iss=issuer))
        assert refused.value.code == "mismatch"
    named = github.visit(url, iss=f"{github.url}/login/oauth")
    assert (await github_flow.finish("example", pending, named)).subject == "583231"


async def test_github_ends_no_sessions(github_flow):
    with pytest.raises(SignInRefused):
        await github_flow.ended("example", "a.b.c")


# Facebook


@pytest.fixture
def facebook_flow(facebook) -> Flow:
    return flow_of(lambda client, uri: Facebook(client, uri, base=facebook.url, graph=facebook.url))


async def test_facebook_tells_an_address_but_proves_none(facebook_flow, facebook):
    identity = await signed_in(facebook_flow, facebook)
    assert (identity.issuer, identity.subject) == (facebook.url, "10158000000000001")
    assert (identity.email, identity.email_verified) == ("alice@example.org", False)
    assert (identity.first_name, identity.last_name) == ("Alice", "Tester")


async def test_facebook_may_tell_no_address(facebook_flow, facebook):
    del facebook.user["email"]
    identity = await signed_in(facebook_flow, facebook)
    assert (identity.email, identity.email_verified) == (None, False)


@pytest.mark.parametrize(
    "about",
    [{"app_id": "another"}, {"app_id": None}, {"is_valid": False}, {"is_valid": "true"}],
    ids=str,
)
async def test_a_facebook_token_for_another_application_is_refused(facebook_flow, facebook, about):
    facebook.about_token |= about
    await refused(facebook_flow, facebook, "untrusted")
    assert facebook.asked["/v23.0/me"] == 0


@pytest.mark.parametrize("who", [None, 7, "", "alice", "１２", "1/../2"])
async def test_a_facebook_user_without_number_is_refused(facebook_flow, facebook, who):
    facebook.user["id"] = who
    await refused(facebook_flow, facebook, "garbled")


@pytest.mark.parametrize(
    ("number", "code"),
    [(1, "misconfigured"), (100, "expired"), (2, "unreachable"), (3, "misconfigured")],
)
async def test_facebooks_errors_are_numbers(facebook_flow, facebook, number, code):
    error = {"error": {"message": "<b>", "type": "OAuthException", "code": number}}
    facebook.replies["/v23.0/oauth/access_token"] = (400, error)
    assert "<b>" not in (await refused(facebook_flow, facebook, code)).detail


async def test_a_code_of_facebook_counts_once(facebook_flow, facebook):
    url, pending = await facebook_flow.begin("example")
    answer = facebook.visit(url)
    await facebook_flow.finish("example", pending, answer)
    with pytest.raises(SignInRefused) as refused:
        await facebook_flow.finish("example", pending, answer)
    assert refused.value.code == "expired"


async def test_no_secret_is_logged_at_github(github_flow, github, caplog):
    await sign_in_logging_no_secret(github_flow, github, caplog)


async def test_no_secret_is_logged_at_facebook(facebook_flow, facebook, caplog):
    await sign_in_logging_no_secret(facebook_flow, facebook, caplog)


async def sign_in_logging_no_secret(flow, stand_in, caplog) -> None:
    caplog.set_level(logging.ERROR, "tornado")  # what the stand-in's own server writes
    caplog.set_level(logging.DEBUG)
    url, pending = await flow.begin("example")
    answer = stand_in.visit(url)
    await flow.finish("example", pending, answer)
    secrets = {CLIENT_SECRET, answer["code"], *pending.values(), *stand_in.tokens} - {"example"}
    assert not [secret for secret in secrets if secret in caplog.text]
    assert "httpcore2" in caplog.text
