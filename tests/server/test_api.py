"""What programs ask of the server, and the page on which a person lets them in."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx2
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client

sys.path.insert(0, str(Path(__file__).parents[1] / "auth"))  # where these siblings are
from remote_server import HERE, Door
from remote_site import Site, Visitor

from workbench.auth.doors import Doors
from workbench.auth.tokens import Tokens
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.server.api import DEVICE_GRANT, told_address

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    made = Door(database_url)
    await made.add(ann="editor", bob="editor", ada="admin", vera="viewer")
    yield made
    await made.close()


@pytest.fixture
async def site(door: Door) -> AsyncIterator[Site]:
    made = Site(Doors(door.database, local_user=None))
    yield made
    await made.close()


@pytest.fixture
async def program(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=site.url) as client:
        yield client


async def begin(program: httpx2.AsyncClient, **fields: str) -> dict:
    form = {"client_id": "workbench", "client_name": "a script", "scope": "write"} | fields
    answer = await program.post("/api/device", data=form)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def poll(program: httpx2.AsyncClient, device_code: str) -> httpx2.Response:
    form = {"client_id": "workbench", "grant_type": DEVICE_GRANT, "device_code": device_code}
    return await program.post("/api/token", data=form)


async def token_of(door: Door, name: str, scope: str = "write") -> str:
    secret, _ = await Tokens(door.database).make(
        door.ids[name], "a job", scope, timedelta(days=1), HERE
    )
    return secret


def bearing(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def login(program: httpx2.AsyncClient, secret: str) -> dict:
    answer = await program.post("/api/login", headers=bearing(secret))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def connected(told: dict) -> asyncpg.Connection:
    return await asyncpg.connect(
        host=told["host"],
        port=told["port"],
        database=told["database"],
        user=told["user"],
        password=told["password"],
    )


async def test_a_client_of_others_signs_in_by_what_the_server_says_of_itself(door, site, program):
    """Authlib knows RFC 8628 and RFC 8414, and nothing of us."""
    found = (await program.get("/.well-known/oauth-authorization-server")).json()
    assert found["issuer"] == site.url
    assert found["device_authorization_endpoint"] == f"{site.url}/api/device"
    begun = await begin(program)
    assert begun["verification_uri"] == f"{site.url}/device"
    assert begun["verification_uri_complete"].endswith(f"?user_code={begun['user_code']}")
    assert (begun["expires_in"], begun["interval"]) == (600, 5)
    ann = await Visitor.of(site, door, "ann")
    assert (await ann.send(begun["user_code"], "approve")).status_code == 200
    async with AsyncOAuth2Client("workbench", token_endpoint_auth_method="none") as client:
        token = await client.fetch_token(
            found["token_endpoint"],
            grant_type=found["grant_types_supported"][0],
            device_code=begun["device_code"],
        )
        assert (token["token_type"], token["scope"]) == ("Bearer", "write")
        assert "refresh_token" not in token
        whoami = await client.get(f"{site.url}/api/whoami")
        assert whoami.json()["account"] == "ann@example.org"
        await client.revoke_token(found["revocation_endpoint"], token["access_token"])
        assert (await client.get(f"{site.url}/api/whoami")).status_code == 401


async def test_every_answer_to_a_program_is_kept_nowhere_and_sets_no_cookie(program, door):
    secret = await token_of(door, "ann")
    answers = [
        await program.post("/api/device", data={"client_id": "workbench"}),
        await poll(program, "never"),
        await program.get("/api/whoami", headers=bearing(secret)),
        await program.post("/api/login", headers=bearing(secret)),
        await program.post("/api/login"),
        await program.get("/.well-known/oauth-authorization-server"),
    ]
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Type"].startswith("application/json")
        assert "Set-Cookie" not in answer.headers
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_errors_of_the_token_endpoint_are_those_of_the_rfc(door, site, program):
    begun = await begin(program)
    assert (await poll(program, begun["device_code"])).json()["error"] == "authorization_pending"
    too_soon = await poll(program, begun["device_code"])
    assert (too_soon.status_code, too_soon.json()["error"]) == (400, "slow_down")
    ann = await Visitor.of(site, door, "ann")
    await ann.send(begun["user_code"], "deny")
    denied = await poll(program, begun["device_code"])
    assert (denied.status_code, denied.json()["error"]) == (400, "access_denied")
    begun = await begin(program)
    await door.run("UPDATE auth.device SET expires_at = clock_timestamp()")
    assert (await poll(program, begun["device_code"])).json()["error"] == "expired_token"
    assert (await poll(program, "never")).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-origin"}],
)
async def test_no_page_of_a_site_begins_a_sign_in_or_asks_with_a_token(door, program, headers):
    form = {"client_id": "workbench"}
    assert (await program.post("/api/device", data=form, headers=headers)).status_code == 403
    headers = {**headers, **bearing(await token_of(door, "ann"))}
    assert (await program.post("/api/login", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("path", "content", "error"),
    [
        ("/api/token", "client_id=workbench&grant_type=password", "unsupported_grant_type"),
        (
            "/api/token",
            "client_id=workbench&grant_type=refresh_token&refresh_token=x",
            "unsupported_grant_type",
        ),
        ("/api/token", f"client_id=workbench&grant_type={DEVICE_GRANT}", "invalid_request"),
        ("/api/token", f"grant_type={DEVICE_GRANT}&device_code=x", "invalid_client"),
        ("/api/token", "client_id=workbench&client_id=workbench", "invalid_request"),
        ("/api/token", "&".join(f"f{n}=1" for n in range(21)), "invalid_client"),
        ("/api/token", b"client_id=workbench&device_code=\xff\xfe", "invalid_client"),
        ("/api/device", "client_id=workbench&scope=admin", "invalid_scope"),
        ("/api/device", "client_id=other", "invalid_client"),
        ("/api/device", "", "invalid_client"),
    ],
)
async def test_forms_that_are_not_as_the_rfc_says_are_refused(program, path, content, error):
    answer = await program.post(path, content=content, headers={"Content-Type": FORM})
    assert answer.json()["error"] == error
    assert answer.status_code == (401 if error == "invalid_client" else 400)


async def test_a_body_that_is_no_form_is_refused(program):
    answer = await program.post("/api/token", json={"client_id": "workbench"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_an_oversized_body_is_refused_before_it_is_read(program):
    answer = await program.post("/api/device", content=b"x" * 20_000)
    assert (answer.status_code, answer.json()["error"]) == (413, "invalid_request")


async def test_an_oversized_body_that_does_not_tell_its_size_is_refused(program):
    async def endless():
        for _ in range(10_000):
            yield b"x" * 1_000

    try:
        answer = await program.post("/api/device", content=endless())
        assert answer.status_code in (400, 413)
    except httpx2.NetworkError:
        pass  # the server hung up while it was being sent


async def test_guessing_user_codes_is_locked_out_on_the_page(door, site, program):
    begun = await begin(program)
    ann = await Visitor.of(site, door, "ann")
    for _ in range(10):
        assert (await ann.send("BBBB-BBBB")).status_code == 404
    answer = await ann.send(begun["user_code"], "approve")
    assert answer.status_code == 429
    assert "Wait 15 minutes" in answer.text
    assert (await poll(program, begun["device_code"])).json()["error"] == "authorization_pending"


async def test_the_page_shows_what_asks_and_phishing_text_as_text(door, site, program):
    name = '</q><script>alert(1)</script><b onmouseover="x">Approve, says your bank\u202e'
    begun = await begin(program, client_name=name, scope="read")
    ann = await Visitor.of(site, door, "ann")
    page = (await ann.send(begun["user_code"])).text
    assert "&lt;/q&gt;&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "127.0.0.1" in page
    assert begun["user_code"] in page
    assert "wants to read in the name of" in page
    assert "Approve only what you started yourself" in page


async def test_opening_the_link_of_a_program_approves_nothing(door, site, program):
    begun = await begin(program)
    ann = await Visitor.of(site, door, "ann")
    for query in (
        {"user_code": begun["user_code"]},
        {"user_code": begun["user_code"], "decision": "approve"},
    ):
        page = await ann.client.get("/device", params=query)
        assert begun["user_code"] in page.text
        assert "a script" not in page.text, "what it stands for is not told either"
    assert (await poll(program, begun["device_code"])).json()["error"] == "authorization_pending"


async def test_a_code_in_a_link_is_text_in_the_page(site, door):
    ann = await Visitor.of(site, door, "ann")
    page = await ann.client.get("/device", params={"user_code": '"><script>x</script>'})
    assert "<script>x" not in page.text


@pytest.mark.parametrize("how", ["no token", "wrong token", "other origin"])
async def test_another_site_cannot_approve_in_somebodys_name(door, site, program, how):
    begun = await begin(program)
    ann = await Visitor.of(site, door, "ann")
    form = {"user_code": begun["user_code"], "decision": "approve"}
    headers = {}
    if how == "wrong token":
        await ann.xsrf()
        form["_xsrf"] = "forged"
    if how == "other origin":
        form["_xsrf"] = await ann.xsrf()
        headers["Origin"] = "https://evil.example"
    answer = await ann.client.post("/device", data=form, headers=headers)
    assert answer.status_code in (403, 404)
    assert (await poll(program, begun["device_code"])).json()["error"] == "authorization_pending"


async def test_nobody_approves_without_being_signed_in(site, program):
    begun = await begin(program)
    stranger = Visitor(site, {})
    answer = await stranger.client.get("/device", params={"user_code": begun["user_code"]})
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/sign-in?next=")
    form = {"user_code": begun["user_code"], "decision": "approve"}
    assert (await stranger.client.post("/device", data=form)).status_code == 403


async def test_a_token_gets_a_database_login_of_its_user(door, program):
    told = await login(program, await token_of(door, "ann"))
    assert (told["account"], told["userid"]) == ("ann@example.org", str(door.ids["ann"]))
    assert 3500 < told["expires_in"] <= 3600
    connection = await connected(told)
    assert await connection.fetchval("SELECT rules.acting_user()") == door.ids["ann"]
    await connection.execute("INSERT INTO world (name) VALUES ('Elsinore')")
    await connection.close()


async def test_a_token_of_scope_read_cannot_write(door, program):
    told = await login(program, await token_of(door, "ann", "read"))
    connection = await connected(told)
    assert await connection.fetchval("SELECT rules.acting_user()") == door.ids["ann"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("INSERT INTO world (name) VALUES ('Elsinore')")
    await connection.close()


async def test_a_token_of_an_administrator_gets_the_login_of_an_editor(door, program):
    connection = await connected(await login(program, await token_of(door, "ada")))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("UPDATE \"user\" SET role = 'admin'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SET ROLE workbench_server")
    await connection.close()


async def test_a_login_does_not_outlive_its_token(door, program):
    secret = await token_of(door, "ann")
    await door.run("UPDATE auth.token SET expires_at = clock_timestamp() + interval '9 minutes'")
    assert (await login(program, secret))["expires_in"] < 600


async def asked_until_it_ends(connection):
    """Ask on; the server ends a connection as soon as it gets to it."""
    for _ in range(500):
        await connection.fetchval("SELECT count(*) FROM world")
        await asyncio.sleep(0.01)


async def test_revoking_a_token_ends_the_login_that_it_got(door, program):
    secret = await token_of(door, "ann")
    connection = await connected(await login(program, secret))
    form = {"client_id": "workbench", "token": secret}
    assert (await program.post("/api/revoke", data=form)).status_code == 200
    ended = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
    with pytest.raises(ended):
        await asked_until_it_ends(connection)
    await connection.close()
    assert (await program.post("/api/revoke", data=form)).status_code == 200


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE auth.token SET expires_at = clock_timestamp()",
        "UPDATE auth.token SET revoked_at = clock_timestamp()",
        "UPDATE \"user\" SET is_active = false WHERE email = 'ann@example.org'",
    ],
)
async def test_a_token_that_is_no_longer_good_gets_nothing(door, program, statement):
    secret = await token_of(door, "ann")
    await door.run(statement)
    answer = await program.post("/api/login", headers=bearing(secret))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="workbench", error="invalid_token"'
    assert answer.json()["error"] == "invalid_token"


async def test_a_token_counts_in_the_header_alone(door, program):
    secret = await token_of(door, "ann")
    tries = [
        await program.get("/api/whoami", params={"access_token": secret}),
        await program.post("/api/login", params={"token": secret}),
        await program.post("/api/login", data={"access_token": secret}),
        await program.get("/api/whoami", headers={"Authorization": f"Basic {secret}"}),
        await program.get("/api/whoami", headers={"Cookie": f"token={secret}"}),
    ]
    for answer in tries:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="workbench"'


async def test_a_session_cookie_gets_no_login(door, site):
    ann = await Visitor.of(site, door, "ann")
    assert (await ann.client.post("/api/login")).status_code == 401


async def test_guessing_tokens_is_locked_out_with_429(door, program):
    for number in range(30):
        answer = await program.get("/api/whoami", headers=bearing(f"wbp_{number:04}guess"))
        assert answer.status_code == 401
    answer = await program.get("/api/whoami", headers=bearing("wbp_guess"))
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "900"
    secret = await token_of(door, "ann")
    assert (await program.get("/api/whoami", headers=bearing(secret))).status_code == 200


async def test_a_login_is_ended_by_the_token_that_it_was_issued_for_alone(door, program):
    mine, others = await token_of(door, "ann"), await token_of(door, "bob")
    told = await login(program, mine)
    path = f"/api/login/{told['user']}"
    assert (await program.delete(path, headers=bearing(others))).status_code == 204
    await (await connected(told)).close()
    assert (await program.delete(path, headers=bearing(mine))).status_code == 204
    with pytest.raises(asyncpg.PostgresError):
        await connected(told)


async def test_no_secret_gets_into_a_log(door, site, program, caplog):
    caplog.set_level(logging.DEBUG)
    secret = await token_of(door, "ann")
    begun = await begin(program)
    ann = await Visitor.of(site, door, "ann")
    await ann.send(begun["user_code"], "approve")
    given = (await poll(program, begun["device_code"])).json()["access_token"]
    told = await login(program, secret)
    await program.get("/api/whoami", params={"token": secret})
    await program.post("/api/login", headers=bearing(secret + "x"))
    said = "\n".join(
        record.getMessage()
        for record in caplog.records
        if not record.name.startswith(("httpx2", "httpcore2", "asyncio"))
    ) + "\n".join(site.logged)
    assert "/api/login" in said
    for hidden in (secret, given, begun["device_code"], told["password"]):
        assert hidden not in said
    events = str(await door.events())
    assert secret not in events
    assert secret[:8] in events


async def test_a_failure_says_nothing_of_the_inside(door, site, program, caplog):
    site.doors.tokens = None
    answer = await program.get("/api/whoami", headers=bearing("wbp_x"))
    assert (answer.status_code, answer.json()["error"]) == (500, "server_error")
    assert "NoneType" not in answer.text
    assert "/api/whoami failed" in caplog.text
    assert "wbp_x" not in caplog.text


async def test_a_database_that_is_away_is_told_without_its_address(door, site, program):
    away = Database(Address.parse("postgresql://keeper:hush@127.0.0.1:9/wessex"))
    site.doors.tokens = Tokens(away)
    answer = await program.get("/api/whoami", headers=bearing("wbp_x"))
    await away.close()
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.json()["error_description"] == (
        "The database does not answer. Try again in a moment."
    )


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            "postgresql://u:secret@db.example.org/wb?sslmode=verify-full&sslrootcert=/no/ca.pem",
            {
                "host": "db.example.org",
                "port": 5432,
                "database": "wb",
                "sslmode": "verify-full",
                "sslrootcert": "/no/ca.pem",
            },
        ),
        (
            "postgresql://u@/wb?host=/run/pg&port=6543",
            {"host": "/run/pg", "port": 6543, "database": "wb"},
        ),
    ],
)
def test_what_is_told_of_the_database_holds_no_login(url, told):
    assert told_address(Address.parse(url)) == told


def test_the_authorities_of_the_database_go_along(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----")
    url = f"postgresql://db.example.org/wb?sslmode=verify-full&sslrootcert={file}"
    assert told_address(Address.parse(url))["authorities"] == "-----BEGIN CERTIFICATE-----"


def test_the_dashboard_itself_lets_a_program_in_and_logs_no_secret(server):
    """The same in the real server, with what a browser and a program send."""
    program, ann = server.visitor(), server.signed_in()
    form = {"client_id": "workbench", "client_name": "a script", "scope": "read"}
    begun = json.loads(program.ask("/api/device", "POST", form).body)
    page = ann.ask(f"/device?user_code={begun['user_code']}")
    xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page.text)[1]
    answer = {"_xsrf": xsrf, "user_code": begun["user_code"], "decision": "approve"}
    assert "Approved" in ann.ask("/device", "POST", answer).text
    form = {"grant_type": DEVICE_GRANT, "device_code": begun["device_code"]}
    given = program.ask("/api/token", "POST", {"client_id": "workbench", **form})
    secret = json.loads(given.body)["access_token"]
    told = json.loads(program.ask("/api/login", "POST", Authorization=f"Bearer {secret}").body)
    assert told["account"] == "tester@localhost"
    assert program.ask(f"/api/whoami?token={secret}").status == 401
    assert "/api/login" in server.log
    for hidden in (secret, begun["device_code"], told["password"]):
        assert hidden not in server.log
    assert not program.cookies
