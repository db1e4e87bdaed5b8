"""Signing in by a link that is good for one use, and out."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import quote

import pytest
from tornado.httputil import HTTPHeaders

from workbench.server.identity import OneTimeToken, caller_of
from workbench.server.sign_in import local_path, sign_in_url, token_in


def test_the_link_signs_in_and_the_token_leaves_the_address(server):
    visitor = server.visitor()
    answer = visitor.ask(f"/?world=Hamlet&token={server.token}")
    server.link = server.next("fresh")
    assert answer.status == 302
    assert answer.headers["Location"] == "/?world=Hamlet"
    assert visitor.ask("/account").status == 200


def test_who_is_signed_in_is_led_on_from_the_sign_in_page(server):
    visitor = server.signed_in()
    for query, place in {
        "": "/",
        "?next=/%3Fworld%3DHamlet": "/?world=Hamlet",
        "?link=used": "/",
        "?signed-out=1": "/",
        "?next=https%3A//evil.example/": "/",
        "?next=//evil.example/": "/",
    }.items():
        answer = visitor.ask(f"/sign-in{query}")
        assert (answer.status, answer.headers["Location"]) == (302, place)


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(server):
    answer = server.visitor().ask(f"/?token={server.token}")
    server.link = server.next("fresh")
    cookie = answer.cookies[f"workbench-session-{server.port}"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert int(cookie["max-age"]) == 30 * 24 * 3600
    assert len(cookie.value) >= 40


def test_a_used_link_is_refused_with_the_way_to_a_fresh_one(server):
    used = server.token
    server.signed_in()
    late = server.visitor()
    answer = late.ask(f"/?token={used}")
    assert "token" not in answer.headers["Location"]
    page = late.ask(answer.headers["Location"])
    assert page.status == 403
    assert "The terminal that runs “workbench up” shows a fresh one." in page.text
    assert f"workbench-session-{server.port}" not in late.cookies


def test_a_signed_in_browser_may_open_a_used_link_again(server):
    used = server.token
    visitor = server.signed_in()
    assert visitor.ask(f"/?token={used}").headers["Location"] == "/"


def test_a_fresh_link_is_announced_when_one_was_used(server):
    before = server.link
    server.signed_in()
    assert server.link != before
    server.signed_in()


def test_a_page_without_a_cookie_leads_to_the_sign_in_page_and_back(server):
    answer = server.visitor().ask("/?world=Hamlet")
    assert answer.status == 302
    assert answer.headers["Location"] == "/sign-in?next=" + quote("/?world=Hamlet", safe="")
    page = server.visitor().ask(answer.headers["Location"])
    assert "<h1>Sign in</h1>" in page.text
    assert 'value="/?world=Hamlet"' in page.text


def test_a_made_up_cookie_is_no_sign_in(server):
    visitor = server.visitor()
    visitor.cookies[f"workbench-session-{server.port}"] = "made-up"
    assert visitor.ask("/").status == 302


def test_a_pasted_link_signs_in(server):
    visitor = server.visitor()
    visitor.ask("/sign-in")
    answer = visitor.ask(
        "/sign-in", "POST", {"token": server.link, "next": "/?a=b", "_xsrf": xsrf(visitor)}
    )
    server.link = server.next("fresh")
    assert answer.status == 302
    assert answer.headers["Location"] == "/?a=b"


def test_a_pasted_token_that_is_wrong_is_refused(server):
    visitor = server.visitor()
    visitor.ask("/sign-in")
    answer = visitor.ask("/sign-in", "POST", {"token": "wrong", "_xsrf": xsrf(visitor)})
    assert answer.status == 403
    assert "not the current token" in answer.text


def test_signing_in_needs_the_form_of_our_own_page(server):
    assert server.visitor().ask("/sign-in", "POST", {"token": server.token}).status == 403


def test_another_host_name_is_not_answered(server):
    answer = server.visitor().ask("/sign-in", Host="evil.example")
    assert answer.status == 421
    assert "WORKBENCH_PUBLIC_URL" in answer.text


def test_signing_out_ends_the_session_and_its_kernels(server, until):
    visitor = server.signed_in()
    page = visitor.open_page()
    process = page.printed["pid"]
    answer = visitor.ask("/sign-out", "POST", {"_xsrf": page.xsrf})
    assert answer.headers["Location"] == "/sign-in?signed-out=1"
    assert visitor.ask("/").headers["Location"] == "/sign-in"
    until(lambda: process not in [kernel.pid for kernel in server.kernels()])


def test_signing_out_needs_the_form_of_our_own_page(server):
    visitor = server.signed_in()
    assert visitor.ask("/sign-out", "POST", {}).status == 403
    assert visitor.ask("/account").status == 200


def test_a_restart_keeps_the_browser_signed_in(start_server):
    first = start_server()
    visitor = first.signed_in()
    first.stop()
    second = start_server(home=first.home, port=first.port)
    assert second.token != first.token
    assert "Opening the workbench" in visitor.ask("/").text


def test_no_token_and_no_cookie_is_ever_logged(start_server, until):
    server = start_server()
    used = server.token
    visitor = server.signed_in()
    visitor.ask(f"/?token={used}")
    visitor.ask(f"/sign-in?token={server.token}x")
    visitor.ask(f"/nowhere?token={server.token}", Referer=server.link)
    cookie = visitor.cookies[f"workbench-session-{server.port}"]
    until(lambda: "GET /nowhere" in server.log)
    for secret in (used, server.token, cookie):
        assert secret not in server.log


def test_a_token_is_good_once_and_only_the_latest():
    token = OneTimeToken()
    assert not token.redeem("")
    first, second = token.issue(), token.issue()
    assert not token.redeem(first)
    assert token.redeem(second)
    assert not token.redeem(second)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil",
        "/\t/evil.example",
        "/\n//evil.example",
        "/ /evil.example",
        "javascript:alert(1)",
        "/é//evil.example",
        "",
        "x",
        "/" + "x" * 5000,
    ],
)
def test_signing_in_never_leads_to_another_server(target: str):
    assert local_path(target, "/") == "/"


def test_what_a_person_pastes_may_be_the_link_or_the_token():
    assert token_in("http://127.0.0.1:8866/?token=abc") == "abc"
    assert token_in("  abc\n") == "abc"


def test_the_way_back_holds_no_token():
    assert sign_in_url("/", "/?token=abc&world=Hamlet") == "/sign-in?next=%2F%3Fworld%3DHamlet"
    assert sign_in_url("/", "/") == "/sign-in"


def xsrf(visitor) -> str:
    return visitor.cookies[f"workbench-xsrf-{visitor.port}"]


@pytest.mark.parametrize(
    ("public_url", "address"),
    [
        (None, "192.0.2.1"),
        ("http://bench.example.org", "192.0.2.1"),
        ("https://bench.example.org", "203.0.113.9"),
    ],
)
def test_what_a_proxy_says_of_a_caller_counts_behind_tls_alone(public_url, address):
    headers = HTTPHeaders({"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})
    request = SimpleNamespace(remote_ip="192.0.2.1", headers=headers)
    assert caller_of(SimpleNamespace(request=request), public_url).address == address
