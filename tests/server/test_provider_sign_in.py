"""Signing in by a provider through the whole server: a real one, and nobody's shortcuts."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx2
import pytest
from provider_site import NAME, Site, follow, log_out


def session_cookie(site: Site) -> str:
    return f"workbench-session-{site.server.port}"


def test_somebody_new_is_signed_in_and_asked_for_what_is_missing(site):
    with site.browser() as browser:
        page = browser.get("/sign-in?next=/%3Fplace%3Dx")
        assert f'href="/sign-in/{NAME}?next=' in page.text
        assert 'name="token"' not in page.text, "no one-time link here"
        back = site.sign_in(browser, "alice", f"/sign-in/{NAME}?next=/%3Fplace%3Dx")
        assert back.headers["Location"] == "/?place=x"
        (user,) = site.ask("SELECT email, is_verified FROM \"user\" WHERE email LIKE 'alice%'")
        assert user["is_verified"]
        (event,) = site.ask(
            "SELECT kind, provider, address FROM auth.event ORDER BY id DESC LIMIT 1"
        )
        assert tuple(event) == ("signed_in", NAME, "127.0.0.1")


def test_the_page_runs_with_a_login_of_whoever_signed_in(site):
    with site.browser() as browser:
        site.sign_in(browser, "alice")
        site.ask("UPDATE \"user\" SET first_name = 'A', last_name = 'L' WHERE email LIKE 'alice%'")
        page = browser.get("/")
        assert "page-kernel" in page.text
        (login,) = site.ask(
            'SELECT u.email FROM auth.login AS l JOIN "user" AS u ON u.id = l.userid'
            " WHERE l.revoked_at IS NULL"
        )
        assert login["email"].startswith("alice")


def test_an_answer_counts_once(site):
    with site.browser() as browser:
        back = site.through(site.leave(browser), "alice")
        assert browser.get(back).status_code == 302
        again = browser.get(back)
        assert again.status_code == 403
        assert "Start again" in again.text


def test_an_answer_counts_in_the_browser_that_asked_alone(site):
    with site.browser() as victim, site.browser() as attacker:
        back = site.through(site.leave(attacker), "mallory")
        answer = victim.get(back)
        assert answer.status_code == 403
        assert session_cookie(site) not in victim.cookies
        assert attacker.get(back).status_code == 302, "the attempt is still there for its own"


def test_an_answer_with_another_state_is_refused(site):
    with site.browser() as browser:
        back = urlsplit(site.through(site.leave(browser), "alice"))
        for state in ("", "x" * 43):
            query = {**dict(parse_qsl(back.query)), "state": state}
            assert browser.get(f"{back.path}?{urlencode(query)}").status_code == 403
        query = [*parse_qsl(back.query), ("state", "another")]
        assert browser.get(f"{back.path}?{urlencode(query)}").status_code == 403


def test_two_tabs_sign_in_one_after_the_other(site):
    with site.browser() as browser:
        first, second = site.leave(browser), site.leave(browser)
        assert browser.get(site.through(second, "alice")).status_code == 302
        assert browser.get(site.through(first, "alice")).status_code == 302


def test_a_planted_cookie_is_worth_nothing_after_the_sign_in(site):
    with site.browser() as attacker, site.browser() as victim:
        site.sign_in(attacker, "mallory")
        planted = attacker.cookies[session_cookie(site)]
        victim.cookies.set(session_cookie(site), planted)
        site.sign_in(victim, "alice")
        victim_secret = [c.value for c in victim.cookies.jar if c.name == session_cookie(site)]
        assert planted not in victim_secret[-1:]
        assert attacker.get("/").headers.get("Location", "") == "/sign-in", "it ended"


def test_denied_consent_is_said_and_nothing_is_made(site):
    with site.browser() as browser:
        answer = browser.get(site.through(site.leave(browser), "alice", deny=True))
        assert answer.status_code == 403
        assert 'role="alert"' in answer.text
        assert session_cookie(site) not in browser.cookies
        assert site.ask("SELECT FROM \"user\" WHERE email LIKE 'alice%'") == []


def test_an_unverified_address_gets_no_account(site):
    with site.browser() as browser:
        answer = site.sign_in(browser, "unverified-eve")
        assert answer.status_code == 403
        assert site.ask("SELECT FROM \"user\" WHERE email LIKE '%eve%'") == []
        (event,) = site.ask("SELECT kind, detail FROM auth.event")
        assert tuple(event) == ("refused", "unverified unverified-eve@example.org")


def test_text_from_the_provider_never_becomes_markup(site):
    with site.browser() as browser:
        evil = "<script>alert(1)</script>"
        state = dict(parse_qsl(urlsplit(site.leave(browser)).query))["state"]
        query = urlencode({"error": evil, "error_description": evil, "state": state})
        answer = browser.get(f"/sign-in/{NAME}/callback?{query}")
        assert answer.status_code in (400, 403, 500)
        assert "alert(1)" not in answer.text


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/%09/evil.example",
        "/%5cevil.example",
        "/%0d%0aSet-Cookie:x=y",
        "javascript:alert(1)",
        "/\t/evil.example",
        "///evil.example",
        "\\\\evil.example",
        "/..//evil.example",
        "/%2e%2e//evil.example",
    ],
)
def test_signing_in_leads_to_no_other_server(site, target):
    with site.browser() as browser:
        back = site.sign_in(browser, "alice", f"/sign-in/{NAME}?{urlencode({'next': target})}")
        where = urljoin(site.url, back.headers["Location"])
        assert urlsplit(where).netloc == urlsplit(site.url).netloc
        assert "x" not in browser.cookies


def test_the_address_that_providers_lead_back_to_is_ours_whatever_the_host_header_says(site):
    with site.browser() as browser:
        poisoned = browser.get(f"/sign-in/{NAME}", headers={"Host": "evil.example"})
        assert poisoned.status_code == 421
        url = browser.get(
            f"/sign-in/{NAME}",
            headers={"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"},
        ).headers["Location"]
        sent = dict(parse_qsl(urlsplit(url).query))
        assert sent["redirect_uri"] == f"{site.url}/sign-in/{NAME}/callback"
        assert sent["code_challenge_method"] == "S256"
        assert sent["nonce"]


def test_a_provider_that_is_not_set_up_is_not_there(site):
    with site.browser() as browser:
        for path in ("/sign-in/google", "/sign-in/google/callback"):
            assert browser.get(path).status_code == 404


def test_a_provider_that_ended_a_session_ends_that_one_here(site, until):
    with site.browser() as one, site.browser() as other:
        with httpx2.Client(timeout=30) as elsewhere:
            end = follow(site, elsewhere, site.leave(one), "alice")
            assert one.get(end).status_code == 302
            site.sign_in(other, "alice")
            for browser in (one, other):
                assert browser.get("/account").status_code == 200
            log_out(site, elsewhere)
        until(lambda: one.get("/account").status_code == 302)
        assert other.get("/account").status_code == 200


def test_a_logout_token_that_is_made_up_ends_nothing(site):
    with site.browser() as browser:
        site.sign_in(browser, "alice")
        for token in ("", "x.y.z", "eyJhbGciOiJub25lIn0.e30."):
            answer = browser.post(f"/sign-in/{NAME}/ended", data={"logout_token": token})
            assert answer.status_code == 400
        assert browser.get("/account").status_code == 200


def test_nothing_secret_of_a_sign_in_is_logged(site):
    with site.browser() as browser:
        back = site.through(site.leave(browser), "alice")
        browser.get(back)
        browser.get(back)
        for secret in (
            dict(parse_qsl(urlsplit(back).query))["code"],
            dict(parse_qsl(urlsplit(back).query))["state"],
            browser.cookies[session_cookie(site)],
            site.provider.client_secret,
        ):
            assert secret not in site.server.log


def test_too_many_failed_attempts_are_locked_out_with_a_word_about_it(site):
    with site.browser() as browser:
        for _ in range(30):
            browser.get(f"/sign-in/{NAME}/callback?state=guess&code=guess")
        answer = browser.get(f"/sign-in/{NAME}")
        assert answer.status_code == 429
        assert "Wait 15 minutes" in answer.text


def link(site: Site, browser: httpx2.Client, login: str) -> httpx2.Response:
    page = browser.get("/account")
    [xsrf, *_] = re.findall(r'name="_xsrf" value="([^"]*)"', page.text)
    return browser.get(site.through(leave_to_link(browser, xsrf), login))


def leave_to_link(browser: httpx2.Client, xsrf: str) -> str:
    """Ask for a link; return the address of the provider's page, which our page leads to."""
    left = browser.post(f"/account/link/{NAME}", data={"_xsrf": xsrf})
    assert left.status_code == 200, left.text
    [url] = set(re.findall(r'href="(http[^"]*)"', left.text))
    return unescape(url)


def test_another_identity_is_linked_from_the_account_and_ends_other_sessions(site):
    with site.browser() as browser, site.browser() as other, site.browser() as later:
        site.sign_in(browser, "alice")
        site.sign_in(other, "alice")
        assert link(site, browser, "unverified-anna").headers["Location"] == "/account?done=linked"
        assert "Your other sessions have ended" in browser.get("/account?done=linked").text
        assert other.get("/account").status_code == 302, "whoever else was in is out"
        assert site.sign_in(later, "unverified-anna").status_code == 302
        assert "alice" in later.get("/account").text


def test_an_identity_that_is_linked_already_ends_no_session_and_says_so(site):
    with site.browser() as browser, site.browser() as other:
        site.sign_in(browser, "carol")
        site.sign_in(other, "carol")
        assert link(site, browser, "carol").headers["Location"] == "/account?done=known"
        assert "You could sign in that way already." in browser.get("/account?done=known").text
        assert other.get("/account").status_code == 200


def test_an_identity_of_somebody_else_is_not_linked(site):
    with site.browser() as alice, site.browser() as bob:
        site.sign_in(bob, "bob")
        site.sign_in(alice, "alice")
        answer = link(site, alice, "bob")
        assert answer.status_code == 403
        assert "<h1>Nothing has changed</h1>" in answer.text
        assert "<h1>Sign in</h1>" not in answer.text, "for she is signed in"
        assert "bob" in bob.get("/account").text


def test_an_identity_is_linked_to_the_session_that_asked_alone(site):
    """Else somebody could have their own identity linked to a visitor's account."""
    with site.browser() as attacker, site.browser() as victim:
        site.sign_in(attacker, "mallory")
        site.sign_in(victim, "alice")
        [xsrf, *_] = re.findall(r'name="_xsrf" value="([^"]*)"', attacker.get("/account").text)
        back = site.through(leave_to_link(attacker, xsrf), "mallory2")
        for cookie in attacker.cookies.jar:
            if "attempt" in cookie.name:
                victim.cookies.set(cookie.name, cookie.value)
        assert victim.get(back).status_code == 403
        assert len(site.ask("SELECT FROM auth.identity")) == 2


def test_linking_takes_a_form_of_our_own_page(site):
    with site.browser() as browser:
        site.sign_in(browser, "alice")
        assert browser.post(f"/account/link/{NAME}").status_code == 403
        assert browser.get(f"/account/link/{NAME}").status_code == 405
