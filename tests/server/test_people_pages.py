"""Pages of administrators, and what an invitation leads to."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path
from urllib.parse import unquote
from uuid import uuid4

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves siblings unseen
from house import House, Resident, at, told

CLIENTS = [
    {"name": name, "client_id": "workbench", "client_secret": "s3cret-word"}
    for name in ("github", "google")
]


@pytest.fixture(scope="module")
def house(server) -> House:
    return House(server)


@pytest.fixture
def ada(house) -> Resident:
    return house.move_in(f"ada{uuid4().hex[:8]}", "admin")


@pytest.fixture
def eve(house) -> Resident:
    return house.move_in(f"eve{uuid4().hex[:8]}")


def forms(user: object, invitation: object = None) -> dict[str, dict[str, object]]:
    return {
        "/people/change": {"user": user, "role": "admin"},
        "/people/sign-out": {"user": user},
        "/people/restore": {"user": user},
        "/people/invite": {"email": "x@example.org", "role": "admin"},
        "/people/revoke": {"invitation": invitation or uuid4()},
    }


PATHS = list(forms(None))


def test_the_page_shows_accounts_to_administrators(house, ada, eve):
    page = ada.get(at("/people", words=eve.name))
    assert page.status == 200
    assert eve.email in page.text
    assert 'value="editor" selected' in page.text


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_the_page_is_for_administrators(house, role):
    other = house.move_in(f"o{uuid4().hex[:8]}", role)
    answer = other.get("/people")
    assert answer.status == 403
    assert "Only an administrator" in answer.text
    assert "Invite" not in answer.text
    assert house.server.visitor().ask("/people").status == 302


@pytest.mark.parametrize("path", PATHS)
def test_an_editor_who_posts_there_changes_nothing(house, ada, eve, path):
    for victim in (ada, eve):
        assert eve.post(path, **forms(victim.id)[path]).status == 403
    assert house.user(eve)["role"] == "editor"
    assert house.user(ada)["role"] == "admin"
    assert ada.get("/account").status == 200
    assert house.ask("SELECT 1 FROM auth.invitation WHERE email = 'x@example.org'") == []


@pytest.mark.parametrize("path", PATHS)
def test_a_form_without_the_browsers_own_token_changes_nothing(house, ada, eve, path):
    form = {name: str(value) for name, value in forms(eve.id)[path].items()}
    for token in ("", "forged"):
        assert ada.visitor.ask(path, "POST", {"_xsrf": token, **form}).status == 403
    ada.post("/account/name")
    elsewhere = ada.visitor.ask(
        path, "POST", {"_xsrf": ada.xsrf, **form}, Origin="https://evil.example"
    )
    assert elsewhere.status in (403, 404)
    assert house.user(eve)["role"] == "editor"
    assert eve.get("/account").status == 200
    assert house.ask("SELECT 1 FROM auth.invitation WHERE email = 'x@example.org'") == []


@pytest.mark.parametrize("path", PATHS)
def test_nothing_changes_by_following_a_link(ada, path):
    assert ada.get(path).status == 405


def test_a_role_is_changed_and_the_list_stays_where_it_was(house, ada, eve):
    done = ada.post("/people/change", user=eve.id, role="viewer", words="eve", after="a@b")
    assert done.headers["Location"] == "/people?words=eve&after=a%40b&done=changed"
    assert house.user(eve)["role"] == "viewer"
    assert "It counts at once." in ada.get("/people?done=changed").text


def test_somebody_is_shut_out_and_let_in_again(house, ada, eve):
    ada.post("/people/change", user=eve.id, active="no")
    assert eve.get("/account").status == 302
    assert "shut out" in ada.get(at("/people", words=eve.name)).text
    ada.post("/people/change", user=eve.id, active="yes")
    assert house.user(eve)["is_active"]
    assert house.user(eve)["role"] == "editor"


def test_somebody_is_signed_out_everywhere(ada, eve):
    ada.post("/people/sign-out", user=eve.id)
    assert eve.get("/account").status == 302
    assert ada.get("/account").status == 200


def test_a_deleted_account_is_brought_back(house, ada, eve):
    eve.post("/account/delete", confirm=eve.email)
    assert "deleted" in ada.get(at("/people", words=eve.name)).text
    ada.post("/people/restore", user=eve.id)
    assert house.user(eve)["deleted_at"] is None


@pytest.mark.parametrize("form", [{"role": "editor"}, {"active": "no"}])
def test_an_administrator_does_not_shut_themselves_out(house, ada, form):
    answer = ada.post("/people/change", user=ada.id, **form)
    assert answer.status == 403
    assert house.user(ada)["role"] == "admin"
    row = ada.get(at("/people", words=ada.name)).text.partition('id="accounts"')[2]
    assert "/people/change" not in row, "there is nothing to press"


def test_an_administrator_of_a_moment_ago_is_one_no_more(house, ada, eve):
    ada.post("/account/name")
    house.ask("UPDATE \"user\" SET role = 'editor' WHERE id = $1", ada.id)
    assert ada.post("/people/change", user=eve.id, role="admin").status == 403
    assert ada.get("/people").status == 403


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"user": "nonsense", "role": "admin"}, 404),
        ({"user": uuid4(), "role": "admin"}, 404),
        ({"role": "admin"}, 400),
    ],
)
def test_a_change_of_nobody_is_refused(ada, form, status):
    assert ada.post("/people/change", **form).status == status


def test_a_role_that_is_none_is_refused(house, ada, eve):
    answer = ada.post("/people/change", user=eve.id, role="king")
    assert answer.status == 400
    assert told(answer)
    assert house.user(eve)["role"] == "editor"


def test_an_invitation_is_shown_once_with_a_letter(house, ada):
    email = f"new{uuid4().hex[:6]}@example.org"
    answer = ada.post("/people/invite", email=email, role="viewer")
    port = house.server.port
    (link,) = re.findall(
        rf'class="secret">(http://127\.0\.0\.1:{port}/invitation/[\w-]+)<', answer.text
    )
    (mailto,) = re.findall(r'href="(mailto:[^"]+)"', answer.text)
    assert link in unquote(mailto)
    assert mailto.startswith(f"mailto:{email}?subject=Invitation%20to%20Workbench&amp;body=")
    page = ada.get("/people").text
    assert link not in page
    assert email in page
    (row,) = house.ask("SELECT id FROM auth.invitation WHERE email = $1", email)
    assert (
        "/people?done=revoked"
        in ada.post("/people/revoke", invitation=row["id"]).headers["Location"]
    )
    assert ada.post("/people/revoke", invitation=row["id"]).status == 404


def test_an_invitation_that_cannot_be_is_refused_at_its_form(ada, eve):
    for form, words in (
        ({"email": "no address <i>", "role": "viewer"}, "not an e-mail address"),
        ({"email": "a@b", "role": "king"}, "viewer, editor, admin"),
        ({"email": eve.email, "role": "admin"}, "in use"),
    ):
        answer = ada.post("/people/invite", **form)
        assert answer.status in (400, 409)
        assert words in told(answer)[0]
        assert "<i>" not in answer.text
        assert re.sub("[<>]", "", form["email"]) in re.sub("&[lg]t;", "", answer.text)


def test_accounts_come_a_page_at_a_time(house, ada):
    mark = uuid4().hex[:8]
    house.ask(
        "INSERT INTO \"user\" (email) SELECT format('%s-%s@example.org', $1::text, lpad(n::text, 2, '0'))"
        " FROM generate_series(1, 52) AS n",
        mark,
    )
    first = ada.get(at("/people", words=mark))
    assert f"{mark}-50@" in first.text
    assert f"{mark}-51@" not in first.text.partition('id="happened"')[0]
    (more,) = re.findall(r'href="(/people\?[^"]+)">More<', first.text)
    rest = ada.get(more.replace("&amp;", "&"))
    assert f"{mark}-52@" in rest.text
    assert f"<bdi>{mark}-50@" not in rest.text


def test_markup_in_what_people_write_is_text(house, ada, eve):
    evil = "<img src=x onerror=alert(1)>"
    eve.post("/account/name", first_name=evil, last_name='"><b>')
    for path in (at("/people", words=eve.name), at("/people", words=evil, after=evil)):
        text = ada.get(path).text
        assert evil not in text
        assert '"><b>' not in text
    assert "&lt;img" in ada.get(at("/people", words=eve.name)).text


@pytest.fixture
def with_providers(start_server):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    public_url = f"http://127.0.0.1:{port}"
    return House(start_server(port=port, clients=CLIENTS, public_url=public_url))


def invited(house: House, email: str = "new@example.org", role: str = "editor") -> str:
    return house.run(lambda doors: doors.invitations.invite(None, email, role)).path


def test_an_invitation_leads_to_the_ways_to_sign_in(with_providers):
    house = with_providers
    path = invited(house, role="viewer")
    visitor = house.server.visitor()
    opened = visitor.ask(path)
    assert (opened.status, opened.headers["Location"]) == (302, "/invitation")
    cookie = opened.cookies[f"workbench-invitation-{visitor.port}"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    page = visitor.ask("/invitation")
    assert page.status == 200
    assert "new@example.org" in page.text
    assert "to read what is shared" in page.text
    assert 'href="/sign-in/github"' in page.text
    secret = path.rpartition("/")[2]
    assert secret not in page.text
    assert secret not in house.server.log
    assert "/invitation" in house.server.log


def test_an_invitation_that_is_none_says_what_to_do(house):
    visitor = house.server.visitor()
    assert visitor.ask("/invitation").status == 404
    visitor.ask(f"/invitation/{'x' * 43}")
    answer = visitor.ask("/invitation")
    assert answer.status == 404
    assert "ask for a new one" in answer.text
    assert not visitor.cookies[f"workbench-invitation-{visitor.port}"], "forgotten"


def test_whoever_is_signed_in_is_told_so_by_an_invitation(house, eve):
    eve.visitor.ask(invited(house, f"n{uuid4().hex[:6]}@example.org"))
    text = eve.get("/invitation").text
    assert f"You are signed in as <bdi>{eve.email}" in text
