"""Working from another machine: `connect("https://…")`, its credentials, its logins."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import stat
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme
from remote_server import HERE, Door
from remote_site import Site, Visitor
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from typer.testing import CliRunner, Result

from workbench import wiring
from workbench.auth.credentials import Credentials
from workbench.auth.doors import Doors
from workbench.auth.reach import address_of
from workbench.auth.remote import RemoteServer, sign_in, sign_out
from workbench.auth.remote_login import RemoteLogin, open_login
from workbench.auth.tokens import Tokens
from workbench.cli import app
from workbench.config import Settings
from workbench.errors import BadSettings, NotAllowed, StoreUnavailable


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine, no .env of the checkout, nobody at a terminal."""
    for field in Settings.model_fields:
        monkeypatch.delenv(f"WORKBENCH_{field.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(wiring, "_say", lambda: None)


@pytest.fixture
async def site(door: Door) -> AsyncIterator[Site]:
    made = Site(Doors(door.database, local_user=None))
    yield made
    await made.close()


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    return tmp_path / "home"


async def token_of(door: Door, name: str = "ann", scope: str = "write") -> str:
    made = await Tokens(door.database).make(door.ids[name], "a job", scope, timedelta(days=1), HERE)
    return made[0]


class Person:
    """Reads what a program says, and approves in a browser as it waits."""

    def __init__(self, site: Site, door: Door, decision: str = "approve") -> None:
        self.site, self.door, self.decision = site, door, decision
        self.said: list[str] = []
        self.waited: list[float] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    async def sleep(self, seconds: float) -> None:
        """Approve in the second pause; let time pass for the database."""
        self.waited.append(seconds)
        await self.door.run(
            "UPDATE auth.device SET polled_at = polled_at - make_interval(secs => :n)", n=seconds
        )
        if len(self.waited) == 2:
            ann = await Visitor.of(self.site, self.door, "ann")
            (code,) = re.findall(r"user_code=([A-Z-]+)", self.said[0])
            answer = await ann.send(code, self.decision)
            assert answer.status_code == 200


async def test_connecting_signs_in_by_browser_once_and_works_as_that_user(
    door, site, laptop, monkeypatch
):
    ann = Person(site, door)
    monkeypatch.setattr(wiring, "_say", lambda: ann.say)
    monkeypatch.setattr(wiring, "RemoteServer", partial(RemoteServer, sleep=ann.sleep))
    async with await wiring.connect(site.url, home=laptop) as wb:
        await wb.worlds.add(name="Elsinore")
        assert wb.database.userid == door.ids["ann"]
    assert f"{site.url}/device?user_code=" in ann.said[0]
    assert ann.said[-1] == "Signed in as ann@example.org."
    assert ann.waited == [5, 5]
    async with await wiring.connect(site.url, home=laptop) as wb:
        (world,) = await wb.worlds.find()
    assert (world.name, world.ownerid) == ("Elsinore", door.ids["ann"])
    assert len(ann.waited) == 2, "it signed in once"


async def test_a_denied_sign_in_is_told_and_nothing_is_kept(door, site, laptop):
    ann = Person(site, door, "deny")
    with pytest.raises(NotAllowed, match="denied"):
        await open_login(RemoteServer(site.url, ann.sleep), laptop, say=ann.say)
    assert Credentials(laptop).find(site.url) is None


async def test_nobody_who_answers_in_time_is_told(door, site, laptop):
    async def sleep(seconds: float) -> None:
        await door.run("UPDATE auth.device SET expires_at = clock_timestamp()")

    with pytest.raises(NotAllowed, match="in time"):
        await open_login(RemoteServer(site.url, sleep), laptop, say=lambda text: None)


async def test_a_program_that_is_told_to_slow_down_does(door, site, laptop):
    ann, paused = Person(site, door), []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)
        if len(paused) != 2:  # once, time stands still
            await ann.sleep(seconds)

    await open_login(RemoteServer(site.url, sleep), laptop, say=ann.say)
    assert paused == [5, 5, 10]


async def test_a_job_without_a_terminal_is_told_of_login_and_token(site, laptop):
    with pytest.raises(NotAllowed) as caught:
        await wiring.connect(site.url, home=laptop)
    assert f"workbench login {site.url}" in str(caught.value)
    assert "WORKBENCH_TOKEN" in str(caught.value)


async def test_a_job_works_with_a_token_of_the_environment(door, site, laptop, monkeypatch):
    monkeypatch.setenv("WORKBENCH_SERVER", site.url)
    monkeypatch.setenv("WORKBENCH_TOKEN", await token_of(door))
    async with await wiring.connect(home=laptop) as wb:
        assert wb.database.userid == door.ids["ann"]
    assert not laptop.exists(), "nothing is kept"


async def test_a_database_url_wins_over_a_server(database_url, laptop, monkeypatch):
    monkeypatch.setenv("WORKBENCH_SERVER", "https://bench.example.org")
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    async with await wiring.connect(home=laptop, user="tester@localhost") as wb:
        assert await wb.worlds.count() == 0


async def test_a_server_that_is_given_wins_over_a_database_url(door, site, laptop, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", "postgresql://nowhere.example.org/none")
    async with await wiring.connect(site.url, home=laptop, token=await token_of(door)) as wb:
        assert wb.database.userid == door.ids["ann"]


async def test_a_token_of_the_environment_goes_to_no_other_server(door, site, laptop, monkeypatch):
    monkeypatch.setenv("WORKBENCH_SERVER", "https://bench.example.org")
    monkeypatch.setenv("WORKBENCH_TOKEN", await token_of(door))
    with pytest.raises(NotAllowed, match="Nobody is signed in"):
        await wiring.connect(site.url, home=laptop)
    assert site.logged == []


async def test_a_read_only_token_reads_and_is_refused_writing_in_words(door, site, laptop):
    token = await token_of(door, scope="read")
    async with await wiring.connect(site.url, home=laptop, token=token) as wb:
        assert await wb.worlds.count() == 0
        with pytest.raises(NotAllowed):
            await wb.worlds.add(name="Elsinore")


@pytest.mark.parametrize("given", [True, False])
async def test_a_revoked_token_is_told_with_the_way_out(door, site, laptop, given):
    token = await token_of(door)
    await Tokens(door.database).give_back(token, HERE)
    if not given:
        Credentials(laptop).keep(site.url, token)
    with pytest.raises(NotAllowed, match="revoked") as caught:
        await open_login(RemoteServer(site.url), laptop, token=token if given else None)
    assert ("WORKBENCH_TOKEN" if given else "workbench login") in str(caught.value)
    assert token not in str(caught.value)


async def test_revoking_the_token_stops_a_notebook_that_works(door, site, laptop):
    token = await token_of(door)
    async with await wiring.connect(site.url, home=laptop, token=token) as wb:
        assert await wb.worlds.count() == 0
        await Tokens(door.database).give_back(token, HERE)
        with pytest.raises((NotAllowed, StoreUnavailable)):
            await wb.worlds.count()
        with pytest.raises(NotAllowed, match="revoked"):
            await wb.worlds.count()


async def logins(door: Door) -> list[str]:
    from sqlalchemy import text

    async with door.owner.reading() as connection:
        rows = await connection.scalars(
            text("SELECT rolname FROM auth.login WHERE revoked_at IS NULL ORDER BY created_at")
        )
        return list(rows)


async def test_a_login_is_renewed_before_it_ends_and_all_end_at_close(
    door, site, laptop, monkeypatch
):
    login = RemoteLogin(RemoteServer(site.url), await token_of(door), laptop)
    first = await login.address()
    assert await login.address() == first
    monkeypatch.setattr("workbench.auth.remote_login.time", SimpleNamespace(time=in_minutes(11)))
    second, third = await asyncio.gather(login.address(), login.address())
    assert second == third, "whoever waits shares it"
    assert second != first
    assert await login.address(afresh=True) not in (first, second)
    assert len(await logins(door)) == 3
    await login.close()
    assert await logins(door) == []


def in_minutes(minutes: int) -> Callable[[], float]:
    return lambda: (datetime.now(UTC) + timedelta(minutes=minutes)).timestamp()


async def test_a_login_that_lives_is_used_while_the_server_is_away(door, site, laptop, monkeypatch):
    login = RemoteLogin(RemoteServer(site.url), await token_of(door), laptop)
    first = await login.address()
    await site.close()
    monkeypatch.setattr("workbench.auth.remote_login.time", SimpleNamespace(time=in_minutes(45)))
    assert await login.address() == first
    monkeypatch.setattr("workbench.auth.remote_login.time", SimpleNamespace(time=in_minutes(55)))
    with pytest.raises(StoreUnavailable, match="nothing answers"):
        await login.address()
    await login.close()


async def test_a_login_that_was_taken_away_is_replaced_in_silence(door, site, laptop):
    async with await wiring.connect(site.url, home=laptop, token=await token_of(door)) as wb:
        assert await wb.worlds.count() == 0
        await door.run("SELECT auth.revoke_login(rolname) FROM auth.login")
        assert await wb.worlds.count() == 0


class Odd(RequestHandler):
    """Answers as it was told, whatever is asked."""

    asked = 0

    def initialize(self, answer: tuple[int, dict[str, str], str]) -> None:
        self.answer = answer

    def check_xsrf_cookie(self) -> None: ...

    def get(self) -> None:
        type(self).asked += 1
        status, headers, body = self.answer
        self.set_status(status)
        for name, value in headers.items():
            self.set_header(name, value)
        self.finish(body)

    post = get


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ((302, {"Location": "https://evil.example/x"}, ""), BadSettings, "evil.example"),
        ((307, {"Location": "//evil.example/x"}, ""), BadSettings, "leads elsewhere"),
        ((200, {"Content-Type": "text/html"}, "<p>Hello"), BadSettings, "no workbench"),
        ((200, JSON, "[1, 2]"), BadSettings, "no workbench"),
        ((200, JSON, "{}"), BadSettings, "no workbench"),
        ((200, JSON, '{"user": 1, "host": [], "port": "x"}'), BadSettings, "no workbench"),
        ((200, JSON, "[" * 100_000), BadSettings, "no workbench"),
        ((200, JSON, '"' + "x" * 1_100_000), BadSettings, "no workbench"),
        ((404, {"Content-Type": "text/html"}, "nginx"), BadSettings, "no workbench"),
        ((502, {"Content-Type": "text/html"}, "Bad"), StoreUnavailable, "answers 502"),
        ((503, JSON, '{"error": "x", "error_description": "later"}'), StoreUnavailable, "later"),
        ((429, JSON, '{"error": "x", "error_description": "wait"}'), StoreUnavailable, "wait"),
        (
            (401, JSON, '{"error": "x", "error_description": "gone\\u001b[2J"}'),
            NotAllowed,
            "gone[2J",
        ),
    ],
)
async def test_what_is_no_workbench_or_cannot_answer_is_told(laptop, answer, error, said):
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(Application([(".*", Odd, {"answer": answer})]))
    server.add_sockets(sockets)
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    try:
        with pytest.raises(error, match=re.escape(said)) as caught:
            await open_login(RemoteServer(url), laptop, token="wbp_secret")
        assert "wbp_secret" not in str(caught.value)
        assert "\x1b" not in str(caught.value)
    finally:
        server.stop()
        await server.close_all_connections()


async def test_signing_in_asks_no_server_that_is_no_workbench(laptop):
    Odd.asked = 0
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(Application([(".*", Odd, {"answer": (200, JSON, '{"issuer": "x"}')})]))
    server.add_sockets(sockets)
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    with pytest.raises(BadSettings, match="no workbench"):
        await open_login(RemoteServer(url), laptop, say=lambda text: None)
    assert Odd.asked == 1
    server.stop()
    await server.close_all_connections()


async def test_a_server_that_goes_by_another_name_is_told(site, laptop):
    url = site.url.replace("127.0.0.1", "localhost")
    with pytest.raises(BadSettings, match=re.escape(site.url)):
        await open_login(RemoteServer(url), laptop, say=lambda text: None)


async def test_a_server_that_is_not_there_is_told(laptop):
    with pytest.raises(StoreUnavailable, match="nothing answers"):
        await open_login(RemoteServer("http://127.0.0.1:9"), laptop, token="wbp_x")


@pytest.mark.parametrize("url", ["http://bench.example.org", "https://a/b", "https://u:p@a"])
async def test_an_address_that_is_not_safe_is_refused(url, laptop):
    with pytest.raises(BadSettings, match="WORKBENCH_SERVER"):
        await wiring.connect(url, home=laptop)


@pytest.fixture
async def over_tls(door: Door, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """The site with a certificate, of which the parameter may say that it is an old one."""
    expired = datetime.now(UTC) - timedelta(days=1) if request.param == "expired" else None
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", not_after=expired)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    made = Site(Doors(door.database, local_user=None), context)
    made.authority = authority.cert_pem.bytes()
    yield made
    await made.close()


@pytest.mark.parametrize("over_tls", ["good"], indirect=True)
async def test_a_certificate_is_checked_against_the_authorities_of_the_machine(
    door, over_tls, laptop, monkeypatch, tmp_path
):
    token = await token_of(door)
    with pytest.raises(StoreUnavailable, match="cannot be verified") as caught:
        await open_login(RemoteServer(over_tls.url), laptop, token=token)
    assert "SSL_CERT_FILE" in str(caught.value)
    assert "clock" not in str(caught.value)
    (tmp_path / "ca.pem").write_bytes(over_tls.authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    login = await open_login(RemoteServer(over_tls.url), laptop, token=token)
    assert login.account == "ann@example.org"
    await login.close()


@pytest.mark.parametrize("over_tls", ["expired"], indirect=True)
async def test_a_certificate_out_of_its_time_makes_one_look_at_the_clock(
    over_tls, laptop, monkeypatch, tmp_path
):
    (tmp_path / "ca.pem").write_bytes(over_tls.authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(StoreUnavailable, match="clock of this machine"):
        await open_login(RemoteServer(over_tls.url), laptop, token="wbp_x")


async def test_a_server_that_does_not_speak_tls_is_told(site, laptop):
    url = site.url.replace("http:", "https:")
    with pytest.raises(StoreUnavailable, match="https"):
        await open_login(RemoteServer(url), laptop, token="wbp_x")


TOLD = {
    "host": "db.example.org",
    "port": 5432,
    "database": "wb",
    "user": "workbench_login_1",
    "password": "p@ss/word",
}
SERVER = "https://bench.example.org"


def test_a_database_elsewhere_is_reached_under_tls_unless_it_is_said_otherwise(tmp_path):
    assert address_of(TOLD, SERVER, tmp_path).url == (
        "postgresql://workbench_login_1:p%40ss%2Fword@db.example.org:5432/wb?sslmode=require"
    )
    plainly = address_of({**TOLD, "sslmode": "disable"}, SERVER, tmp_path)
    assert plainly.url.endswith("?sslmode=disable")


@pytest.mark.parametrize(
    "where", [{"host": "/nowhere/run"}, {"host": "127.0.0.1"}, {"host": "localhost"}]
)
def test_a_database_on_the_servers_own_machine_is_told_with_the_way_out(tmp_path, where):
    with pytest.raises(StoreUnavailable, match="WORKBENCH_PUBLIC_DATABASE_URL"):
        address_of(TOLD | where, SERVER, tmp_path)


@pytest.mark.parametrize(
    "odd",
    [
        {"port": "x"},
        {"sslmode": "never"},
        {"port": None},
        {"host": "a@evil.example/x?", "port": "5432"},
    ],
)
def test_what_is_told_cannot_change_the_address_otherwise(tmp_path, odd):
    try:
        url = address_of(TOLD | odd, SERVER, tmp_path).url
    except (TypeError, ValueError):
        return
    assert "@a%40evil.example%2Fx%3F:5432/wb?" in url


def test_the_authorities_that_the_server_tells_of_are_kept_as_a_file(tmp_path):
    told = {**TOLD, "sslmode": "verify-full", "authorities": "-----BEGIN", "sslrootcert": "/no"}
    (file,) = re.findall("sslrootcert=(.*)", address_of(told, SERVER, tmp_path / "home").url)
    assert Path(file.replace("%2F", "/")).read_text() == "-----BEGIN"


async def test_a_database_that_is_not_reached_is_told_as_the_servers_affair(door, site, laptop):
    site.doors.public_database = SimpleNamespace(url="postgresql://127.0.0.1:9/wb?sslmode=disable")
    with pytest.raises(StoreUnavailable) as caught:
        await wiring.connect(site.url, home=laptop, token=await token_of(door))
    assert "gave a login" in str(caught.value)
    assert "WORKBENCH_PUBLIC_DATABASE_URL" in str(caught.value)
    assert await logins(door) == []


def test_credentials_are_kept_by_server_and_only_their_owner_reads_them(laptop):
    kept = Credentials(laptop)
    assert kept.find("https://a.example") is None
    kept.keep("https://a.example", "one")
    kept.keep("https://b.example", "two")
    kept.keep("https://a.example", "three")
    assert (kept.find("https://a.example"), kept.find("https://b.example")) == ("three", "two")
    assert stat.S_IMODE((laptop / "credentials.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(laptop.stat().st_mode) == 0o700
    kept.forget("https://a.example")
    kept.forget("https://never.example")
    assert kept.find("https://a.example") is None
    assert [path.name for path in laptop.iterdir()] == ["credentials.json"]


def test_credentials_that_others_may_read_get_their_mode_back(laptop):
    kept = Credentials(laptop)
    kept.keep("https://a.example", "one")
    file = laptop / "credentials.json"
    file.chmod(0o644)
    assert kept.find("https://a.example") == "one"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_credentials_of_somebody_else_are_refused(laptop, monkeypatch):
    Credentials(laptop).keep("https://a.example", "one")
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(BadSettings, match="somebody else"):
        Credentials(laptop).find("https://a.example")


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', "{", "\x00"])
def test_damaged_credentials_are_told_without_what_is_in_them(laptop, content):
    laptop.mkdir()
    (laptop / "credentials.json").write_text(content)
    with pytest.raises(BadSettings, match="damaged"):
        Credentials(laptop).find("https://a.example")


def test_a_write_that_fails_leaves_the_credentials_as_they_were(laptop, monkeypatch):
    kept = Credentials(laptop)
    kept.keep("https://a.example", "one")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(BadSettings, match="no space left"):
        kept.keep("https://a.example", "two")
    assert json.loads((laptop / "credentials.json").read_text()) == {
        "https://a.example": {"token": "one"}
    }
    assert len(list(laptop.iterdir())) == 1


async def test_what_works_on_a_database_itself_says_so_where_a_server_is_set(laptop, monkeypatch):
    monkeypatch.setenv("WORKBENCH_SERVER", "https://bench.example.org")
    monkeypatch.setenv("WORKBENCH_HOME", str(laptop))
    with pytest.raises(BadSettings, match="WORKBENCH_SERVER"):
        async with wiring.open_database():
            pass


async def test_work_in_parallel_shares_one_login(door, site, laptop):
    async with await wiring.connect(site.url, home=laptop, token=await token_of(door)) as wb:
        counts = await asyncio.gather(*(wb.worlds.count() for _ in range(20)))
        assert len(await logins(door)) == 1
    assert set(counts) == {0}


async def command(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments))


async def test_login_whoami_and_logout_in_a_terminal(door, site, laptop, monkeypatch):
    ann = Person(site, door)
    monkeypatch.setenv("WORKBENCH_HOME", str(laptop))
    monkeypatch.setenv("WORKBENCH_SERVER", site.url)
    tokens = Tokens(door.database)
    for _ in range(2):
        ann.waited, ann.said = [], []
        await sign_in(
            RemoteServer(site.url, ann.sleep), laptop, client="a test", scope="read", say=ann.say
        )
    (token,) = await tokens.of_user(door.ids["ann"])
    assert token.scope == "read", "the one before has ended"
    who = await command("whoami")
    assert who.output.splitlines() == [
        f"ann@example.org (editor) at {site.url}",
        f"by “{token.name}”, to read, until {token.expires_at:%Y-%m-%d}",
    ]
    out = await command("logout")
    assert out.output == f"Signed out at {site.url}.\n"
    assert await tokens.of_user(door.ids["ann"]) == []
    assert Credentials(laptop).find(site.url) is None
    again = await command("logout", site.url)
    assert again.output == f"Nobody was signed in at {site.url}.\n"
    nobody = await command("whoami", f"{site.url}/")
    assert isinstance(nobody.exception, NotAllowed)
    assert f"workbench login {site.url}" in str(nobody.exception)


async def test_signing_out_forgets_the_token_even_if_the_server_is_away(door, site, laptop):
    Credentials(laptop).keep(site.url, "wbd_x")
    await site.close()
    with pytest.raises(StoreUnavailable, match="forgotten here"):
        await sign_out(RemoteServer(site.url), laptop)
    assert Credentials(laptop).find(site.url) is None


async def test_a_command_without_an_address_is_told_of_the_setting():
    result = await command("login")
    assert isinstance(result.exception, BadSettings)
    assert "WORKBENCH_SERVER" in str(result.exception)


async def test_doctor_looks_at_the_server_elsewhere(door, site, laptop, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(laptop))
    monkeypatch.setenv("WORKBENCH_SERVER", site.url)
    result = await command("doctor")
    assert result.exit_code == 1
    assert f"workbench login {site.url}" in result.output
    Credentials(laptop).keep(site.url, await token_of(door))
    result = await command("doctor")
    assert result.exit_code == 0, result.output
    assert f"ann@example.org is signed in at {site.url}, to write." in result.output
    assert "Its database answers" in result.output
    assert "embedded" not in result.output
