"""What a visitor, another site, or a hostile network may try against the dashboard's server."""

from __future__ import annotations

import re
import resource
import socket
import time
from urllib.parse import urlencode

import psutil
import pytest
from besieged import HOST, PUBLIC, dashboard, wait_until

STOCK = [
    *("/api", "/api/", "/api/me", "/api/status", "/api/spec.yaml", "/api/kernels", "/api/sessions"),
    *("/api/kernelspecs", "/api/terminals", "/api/contents", "/api/contents/", "/api/config/x"),
    *("/api/nbconvert", "/api/events", "/api/events/subscribe", "/api/shutdown", "/api/security"),
    *("/api/contents/page.ipynb/checkpoints", "/kernelspecs/python3/kernel.json", "/metrics"),
    *("/files/page.ipynb", "/files/", "/view/page.ipynb", "/edit/page.ipynb", "/notebooks/x"),
    *("/tree", "/lab", "/lab/api/settings", "/terminals/1", "/terminals/websocket/1", "/login"),
    *("/logout", "/nbconvert/html/page.ipynb", "/custom/custom.css", "/voila/static/voila.js"),
    *("/voila/files/page.ipynb", "/voila/render/page.ipynb", "/voila/tree", "/voila/templates/lab"),
    *("/voila/themes/x", "/voila/request_info/x", "/static/base/js/x.js", "/static/style/x.css"),
    *("/static/favicon.ico", "/robots.txt", "/.env", "/.git/config", "/page.ipynb"),
    *("/static/", "/static/../app.py", "/static/%2e%2e/app.py", "/nbextensions/x.js", "/debug"),
    *("/voila/query/x", "/mathjax/x", "/api/kernels/x/interrupt", "/server-status"),
]
PAGES = ["/sign-in", "/sign-in?token=x", "/no/such/page", "/account", "/", "/device", "/people"]
NEEDED = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def strict(headers) -> None:
    """Assert what holds of every answer with a page in it."""
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert "unsafe" not in policy["script-src"]
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    for name, value in NEEDED.items():
        assert headers[name] == value


@pytest.fixture(scope="module")
def ann(site):
    return site.sign_in("ann")


# Cookies


def test_over_tls_the_cookie_is_bound_to_the_host_and_to_tls(besiege):
    server = besiege(PUBLIC)
    token = server.server.token
    answer = server.visitor().ask(f"/?token={token}", Host=HOST)
    assert answer.status == 302
    cookie = answer.cookies["__Host-workbench-session"]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert cookie["domain"] == ""
    assert "max-age=" in answer.headers["Strict-Transport-Security"]


def test_over_tls_no_other_site_of_the_domain_can_plant_the_token_of_forms(public):
    answer = public.visitor().ask("/sign-in", Host=HOST)
    [(name, cookie)] = answer.cookies.items()
    assert name == "__Host-workbench-xsrf"
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert (cookie["path"], cookie["domain"]) == ("/", "")


def test_a_cookie_that_was_tampered_with_is_nobodys(site, ann):
    good = ann.cookies[site.cookie]
    for bad in (good[:-1], good + "A", good.swapcase(), good[::-1], "", " ", "'", "%00", "é"):
        other = site.visitor()
        other.cookies[site.cookie] = bad
        assert other.ask("/account").status == 302, bad
    other = site.visitor()
    assert other.ask("/account", Cookie=f"{site.cookie}={'A' * 20_000}").status == 302
    assert other.ask("/account", Cookie=f"workbench-session-1={good}").status == 302
    assert ann.ask("/account").status == 200


def test_a_session_counts_by_its_cookie_alone(site, ann):
    secret = ann.cookies[site.cookie]
    other = site.visitor()
    for path in (f"/account?token={secret}", f"/account?{site.cookie}={secret}"):
        assert other.ask(path).status == 302
    for header in (f"token {secret}", f"Bearer {secret}", f"Basic {secret}"):
        assert other.ask("/account", Authorization=header).status == 302


def test_signing_out_takes_a_form_of_our_own_page(site):
    visitor = site.sign_in("out")
    xsrf = visitor.ask("/account").cookies
    token = next(iter(xsrf.values())).value if xsrf else visitor.cookies[f"x-{site.port}"]
    form = {"_xsrf": token}
    assert visitor.ask("/sign-out").status in (404, 405)
    assert visitor.ask("/sign-out?_xsrf=" + token).status in (404, 405)
    for hostile in ("http://evil.example", "null", f"http://127.0.0.1:{site.port + 1}"):
        refused = visitor.ask("/sign-out", "POST", form, Origin=hostile)
        assert refused.status in (403, 404), hostile
    assert visitor.ask("/sign-out", "POST", {"_xsrf": "x" * 32}).status == 403
    assert visitor.ask("/account").status == 200
    assert visitor.ask("/sign-out", "POST", form, Origin=site.origin).status == 302
    assert visitor.ask("/account").status == 302


def test_a_cookie_is_dead_everywhere_after_the_sign_out(site):
    visitor = site.sign_in("gone")
    page = site.open_page(visitor)
    stolen = site.visitor()
    stolen.cookies.update(visitor.cookies)
    visitor.ask("/sign-out", "POST", {"_xsrf": page.xsrf})
    for path in ("/", "/account", "/device", f"/page/{page.kernel_id}"):
        answer = stolen.ask(path)
        assert answer.status == 302, path
        assert answer.headers["Location"].startswith("/sign-in")
    assert stolen.ask("/account/name", "POST", {"_xsrf": page.xsrf}).status == 403
    closing = stolen.ask(f"/page/{page.kernel_id}", "POST", {"_xsrf": page.xsrf})
    assert closing.status in (403, 404)


# What is there


@pytest.mark.parametrize("path", STOCK)
def test_nothing_of_jupyter_or_voila_is_there(site, ann, path):
    for visitor in (ann, site.visitor()):
        answer = visitor.ask(path)
        assert answer.status == 404
        assert b"Traceback" not in answer.body


def test_no_method_reaches_what_is_not_there(site, ann):
    xsrf = ann.ask("/account").text
    token = re.search(r'name="_xsrf" value="([^"]+)"', xsrf)
    assert token is not None
    for path in ("/api/kernels", "/api/sessions", "/api/contents/x", "/api/shutdown", "/terminals"):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"):
            answer = ann.ask(path, method, {"_xsrf": token[1]})
            assert answer.status in (403, 404, 405), (path, method)
            strict(answer.headers)


def test_a_kernel_cannot_be_restarted_interrupted_or_ended_in_jupyters_way(site, ann):
    kernel = site.open_page(ann).kernel_id
    for method in ("GET", "DELETE", "PATCH"):
        assert ann.ask(f"/api/kernels/{kernel}", method, {}).status in (403, 404)
    for action in ("restart", "interrupt"):
        assert ann.ask(f"/api/kernels/{kernel}/{action}", "POST", {}).status in (403, 404)
    assert ann.ask(f"/page/{kernel}").status == 204


def test_the_kernel_of_somebody_else_is_as_one_that_does_not_exist(site, ann):
    theirs = site.open_page(site.sign_in("carol")).kernel_id
    mine = site.open_page(ann)
    for kernel in (theirs, "00000000-0000-0000-0000-000000000000"):
        seen = ann.ask(f"/page/{kernel}")
        ended = ann.ask(f"/page/{kernel}", "POST", {"_xsrf": mine.xsrf})
        assert (seen.status, ended.status) == (404, 404)
        assert "There is no such page here." in seen.text
    for way in (
        f"/page/{mine.kernel_id}/../{theirs}",
        f"/page/{theirs}?kernel_id={mine.kernel_id}",
    ):
        assert ann.ask(way).status == 404
    assert [one for one in site.server.kernels() if one.is_running()]


# Headers


@pytest.mark.parametrize("path", PAGES)
def test_every_page_and_every_error_has_the_strict_policy(site, ann, path):
    for visitor in (ann, site.visitor()):
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = visitor.ask(path, method, {} if method == "POST" else None)
            if answer.body or answer.status >= 400:
                strict(answer.headers)


def test_a_refused_host_gets_the_strict_policy_too(site):
    answer = site.visitor().ask("/", Host="evil.example")
    assert answer.status == 421
    strict(answer.headers)


def test_static_files_and_their_errors_are_not_sniffed(site):
    script = re.search(r'src="(/static/[^"]+)"', site.visitor().ask("/sign-in").text)
    assert script is not None
    found = site.visitor().ask(script[1])
    assert found.status == 200
    missing = site.visitor().ask(script[1] + "x")
    assert missing.status == 404
    posted = site.visitor().ask(script[1], "POST", {})
    for answer in (found, missing, posted):
        for name, value in NEEDED.items():
            assert answer.headers[name] == value
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    unchanged = site.visitor().ask(script[1], If_None_Match="*", If_Modified_Since="now")
    assert unchanged.status == 200, "the address is the version: there is no 304"


def test_a_refused_socket_is_not_sniffed_or_framed(site, ann):
    kernel = site.open_page(ann).kernel_id
    answer = ann.ask(f"/api/kernels/{kernel}/channels")
    assert answer.status >= 400
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/sign-in", "/account", "/device", "/", "/no"])
def test_no_page_has_a_script_without_its_nonce_or_an_address_elsewhere(site, ann, path):
    answer = ann.ask(path)
    nonce = re.search(r"'nonce-([\w-]+)'", answer.headers["Content-Security-Policy"])
    assert nonce is not None
    for tag in re.findall(r"<script\b[^>]*>", answer.text):
        data = re.search(r'type="(?:application/[\w.+-]*json)"', tag)
        assert data or f'nonce="{nonce[1]}"' in tag or 'src="/static/' in tag, tag
    assert not re.search(r"<[^>]+\son[a-z]+\s*=", answer.text), "an inline handler"
    assert not re.search(r"""(?:src|href|action|srcset)=["'](?:https?:)?//""", answer.text)
    assert not re.search(r"@import|url\(\s*['\"]?(?:https?:)?//", answer.text)


# Hosts and proxies


def test_what_a_proxy_is_said_to_be_changes_nothing(site):
    forged = {
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Proto": "https",
        "X_Scheme": "https",
        "Forwarded": "host=evil.example;proto=https",
        "X_Original_URL": "/account",
        "X_Rewrite_URL": "/account",
    }
    visitor = site.visitor()
    answer = visitor.ask("/?a=b", **forged)
    assert answer.headers["Location"] == "/sign-in?next=%2F%3Fa%3Db"
    page = visitor.ask("/sign-in", **forged)
    assert "evil.example" not in page.text
    assert "Strict-Transport-Security" not in page.headers


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "",
        "a b",
        "[::2]",
    ],
)
def test_another_host_is_not_answered(site, host):
    request = f"GET /sign-in HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    assert re.match(rb"HTTP/1.1 4(00|21) ", site.raw(request))


def test_two_hosts_or_none_are_refused(site):
    for hosts in ("", f"Host: 127.0.0.1:{site.port}\r\nHost: evil.example\r\n"):
        request = f"GET /sign-in HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n".encode()
        assert b" 200 " not in site.raw(request).split(b"\r\n")[0]


def test_behind_a_proxy_the_dashboard_answers_to_its_public_name(public):
    visitor = public.sign_in("ann")
    kernel = re.search(r'"id": ?"([0-9a-f-]{36})"', visitor.ask("/", Host=HOST).text)
    assert kernel is not None
    assert visitor.ask(f"/page/{kernel[1]}", Host=HOST).status == 204
    assert visitor.ask("/", Host="evil.example").status == 421


def test_behind_a_proxy_forms_are_taken_from_the_public_origin_alone(public):
    visitor = public.sign_in("ann")
    token = re.search(r'name="_xsrf" value="([^"]+)"', visitor.ask("/account", Host=HOST).text)
    assert token is not None
    form = {"_xsrf": token[1], "first_name": "Ann", "last_name": "Archer"}
    for origin in (
        "http://bench.example.org",
        "https://bench.example.org:8443",
        "https://evil.bench.example.org",
        "https://bench.example.org.evil.example",
        f"http://127.0.0.1:{public.port}",
        "null",
    ):
        answer = visitor.ask("/account/name", "POST", form, Host=HOST, Origin=origin)
        assert answer.status in (403, 404), origin
    # What a proxy that passes another host name on would make of it:
    answer = visitor.ask(
        "/account/name", "POST", form, Host="evil.example", Origin="https://evil.example"
    )
    assert answer.status == 421
    assert visitor.ask("/account/name", "POST", form, Host=HOST, Origin=PUBLIC).status == 302


def test_the_address_that_is_counted_is_the_last_that_the_proxy_saw(public):
    public.sql("TRUNCATE auth.event")
    for n in range(40):
        forged = f"198.51.100.{n}, 203.0.113.9"
        public.visitor().ask("/?token=wrong", Host=HOST, X_Forwarded_For=forged)
    told = public.sql("SELECT DISTINCT address FROM auth.event")
    assert [row["address"] for row in told] == ["203.0.113.9"]
    locked = public.visitor().ask(
        "/?token=wrong", Host=HOST, X_Forwarded_For="1.1.1.1, 203.0.113.9"
    )
    assert locked.status == 429
    other = public.visitor().ask("/?token=wrong", Host=HOST, X_Forwarded_For="203.0.113.9, 1.1.1.2")
    assert other.status == 302


def test_without_a_proxy_nobody_chooses_their_own_address(site):
    site.sql("TRUNCATE auth.event")
    site.visitor().ask("/?token=wrong", X_Forwarded_For="203.0.113.9", X_Real_IP="203.0.113.9")
    [event] = site.sql("SELECT address FROM auth.event")
    assert event["address"] == "127.0.0.1"


# Sizes and patience


def test_a_body_that_is_too_large_is_refused_unread(site):
    top = f"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n"
    told = site.raw(f"{top}Content-Length: {1024 * 1024 + 1}\r\n\r\n".encode())
    assert told.startswith(b"HTTP/1.1 400") or told == b""
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    grown = f"{top}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 17
    assert b" 200 " not in site.raw(grown).split(b"\r\n")[0]
    both = f"{top}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    assert b" 200 " not in site.raw(both.encode()).split(b"\r\n")[0]


def test_headers_that_are_too_large_are_refused(site):
    request = (
        f"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nX: {'x' * 33 * 1024}\r\n\r\n"
    )
    assert b" 200 " not in site.raw(request.encode()).split(b"\r\n")[0]


def test_those_who_send_slowly_stop_nobody(site, ann):
    top = f"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nContent-Length: 1000\r\n".encode()
    slow = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(200)]
    try:
        for number, one in enumerate(slow):
            one.sendall(top + b"\r\nx" if number % 2 else top)
        start = time.monotonic()
        assert ann.ask("/account").status == 200
        assert time.monotonic() - start < 2
    finally:
        for one in slow:
            one.close()


def test_what_does_not_come_is_not_waited_for_for_ever(besiege, monkeypatch):
    hurry = (
        "import workbench.server.app as app; app._BODY_SECONDS = app._IDLE_CONNECTION_SECONDS = 1"
    )
    monkeypatch.setattr(dashboard, "PROGRAM", f"{hurry}\n{dashboard.PROGRAM}")
    server = besiege()
    top = f"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    for unfinished in ("", "POST /sign", top, f"{top}Content-Length: 1000\r\n\r\nx"):
        assert b" 200 " not in server.raw(unfinished.encode(), seconds=10).split(b"\r\n")[0]


ODD = [
    "\0",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "9" * 5000,
    "\u202e",
    "%",
    "{}",
]


@pytest.mark.parametrize("odd", ODD, ids=["nul", "surrogate", "long", "bidi", "percent", "braces"])
def test_odd_input_is_refused_and_nothing_fails(site, odd):
    visitor = site.sign_in("odd")
    token = re.search(r'name="_xsrf" value="([^"]+)"', visitor.ask("/account").text)
    assert token is not None
    told = {"_xsrf": token[1]}
    forms = {
        "/sign-in": ["token", "next"],
        "/device": ["user_code", "decision"],
        "/account/name": ["first_name", "last_name", "display_name", "phone"],
        "/account/session": ["session"],
        "/account/token": ["name", "scope", "days"],
        "/account/token/revoke": ["token"],
        "/account/unlink": ["issuer", "subject"],
        "/account/delete": ["confirm"],
        "/account/welcome": ["first_name", "last_name", "next"],
    }
    failed = []
    for path, names in forms.items():
        statuses = [
            visitor.ask(path, "POST", told | dict.fromkeys(names, odd)).status,
            visitor.ask(f"{path}?{urlencode(dict.fromkeys(names, odd))}").status,
        ]
        failed += [(path, status) for status in statuses if status >= 500]
    for path, names in {
        "/api/device": ["client_name", "scope"],
        "/api/token": ["device_code"],
        "/api/revoke": ["token"],
    }.items():
        given = dict.fromkeys(names, odd) | {"client_id": "workbench"}
        given |= {"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}
        if (status := visitor.ask(path, "POST", given).status) >= 500:
            failed.append((path, status))
    assert not failed


def test_what_goes_wrong_is_a_page_without_a_trace_and_leaves_no_secret_in_the_log(besiege):
    server = besiege()
    visitor = server.sign_in("ann")
    secret = "a-secret-of-a-link"
    server.sql("ALTER TABLE auth.event RENAME TO event_gone")
    answer = visitor.ask(f"/?token={secret}")
    assert answer.status in (500, 503)
    strict(answer.headers)
    assert b"Traceback" not in answer.body
    assert b"event_gone" not in answer.body
    visitor.ask(f"/sign-in?token={secret}&next=%ff")
    visitor.ask(f"/sign-in?token={secret}", "POST", {})
    visitor.ask(f"/device?user_code={secret}%ff")
    visitor.ask(f"/?token={secret}", Host="evil.example")
    visitor.ask(f"/api/whoami?token={secret}", Authorization=f"Bearer {secret}")
    wait_until(lambda: "/api/whoami" in server.server.log)
    assert secret not in server.server.log
    assert visitor.cookies[server.cookie] not in server.server.log


def test_while_the_database_is_away_pages_say_so(besiege, postgres):
    server = besiege()
    visitor = server.sign_in("ann")
    name = server.server.database.partition("@/")[2].partition("?")[0]
    away = (
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    postgres.run(*away)
    answer = visitor.ask("/account")
    postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert answer.status == 503
    strict(answer.headers)
    assert "The database does not answer" in answer.text
    assert visitor.ask("/account").status == 200


def test_open_connections_of_some_leave_room_for_others(besiege):
    """Systems start a program with 1024 open files or fewer, and let it ask for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        server = besiege()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    visitor = server.sign_in("ann")
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(400)]
    try:
        server.open_page(visitor)
    finally:
        for one in idle:
            one.close()


def test_files_are_given_back(site):
    process = psutil.Process(site.server.process.pid)
    files = process.num_fds()
    for _ in range(50):
        site.visitor().ask("/sign-in")
    wait_until(lambda: process.num_fds() <= files + 5)


@pytest.mark.parametrize("what", ["image", "iframe", "empty", "script", "embed"])
def test_only_a_page_that_is_shown_starts_a_kernel(site, what):
    visitor = site.sign_in("shown")
    kernels = len(site.server.kernels())
    assert visitor.ask("/", Sec_Fetch_Dest=what, Sec_Fetch_Site="same-site").status == 403
    assert visitor.ask("/", Sec_Purpose="prefetch", Sec_Fetch_Dest="document").status == 403
    assert len(site.server.kernels()) == kernels


@pytest.mark.parametrize("target", ["http://evil.example/?token=x", "//evil.example/?token=x", "*"])
def test_an_address_that_names_another_server_leads_nowhere(site, target):
    host = f"Host: 127.0.0.1:{site.port}"
    answer = site.raw(f"GET {target} HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n".encode())
    assert re.match(rb"HTTP/1.1 4\d\d ", answer)
    assert b"Location" not in answer
