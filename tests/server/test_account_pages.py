"""One's own account, as pages: what they change, and for nobody else."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from uuid import uuid4

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves siblings unseen
from house import CALLER, ISSUER, House, Resident, told

from workbench.auth.identity import Identity

FORMS = {
    "/account/name": {"first_name": "Mallory"},
    "/account/welcome": {"first_name": "Mallory", "last_name": "M"},
    "/account/link/example": {},
    "/account/unlink": {"issuer": ISSUER, "subject": "x"},
    "/account/session": {"session": "others"},
    "/account/token": {"name": "job", "scope": "write", "days": "30"},
    "/account/token/revoke": {"token": str(uuid4())},
    "/account/delete": {"confirm": "x"},
}


@pytest.fixture(scope="module")
def house(server) -> House:
    return House(server)


@pytest.fixture
def eve(house) -> Resident:
    return house.move_in(f"eve{uuid4().hex[:8]}")


@pytest.fixture
def ann(house) -> Resident:
    return house.move_in(f"ann{uuid4().hex[:8]}")


def link(house: House, resident: Resident, subject: str) -> None:
    """Let a resident sign in another way."""
    identity = Identity("github", ISSUER, subject, resident.email, True)
    house.run(lambda doors: doors.accounts.enter(identity, CALLER))


def test_the_page_shows_ones_own_account(eve):
    text = eve.get("/account").text
    assert eve.email in text
    assert "Firefox on Linux" in text
    assert "192.0.2.7" in text
    assert "this one" in text


@pytest.mark.parametrize("path", ["/account", "/account/welcome", "/account/delete"])
def test_pages_of_an_account_are_for_whoever_is_signed_in(house, path):
    answer = house.server.visitor().ask(path)
    assert answer.status == 302
    assert answer.headers["Location"].startswith("/sign-in?next=")


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_the_browsers_own_token_changes_nothing(house, eve, path):
    for token in ("", "forged"):
        answer = eve.visitor.ask(path, "POST", {"_xsrf": token, **FORMS[path]})
        assert answer.status == 403
    assert house.user(eve)["first_name"] is None
    assert house.ask("SELECT 1 FROM auth.token WHERE userid = $1", eve.id) == []


@pytest.mark.parametrize("path", FORMS)
def test_a_form_from_elsewhere_changes_nothing(house, eve, path):
    eve.post("/account/name")
    form = {"_xsrf": eve.xsrf, **FORMS[path]}
    answer = eve.visitor.ask(path, "POST", form, Origin="https://evil.example")
    assert answer.status in (403, 404)
    assert house.user(eve)["first_name"] is None


def test_names_are_saved_and_said_to_be(house, eve):
    answer = eve.post(
        "/account/name", first_name="Eve", last_name="Evans", display_name="", phone="+45 1"
    )
    assert (answer.status, answer.headers["Location"]) == (302, "/account?done=named")
    assert "Your names are saved." in eve.get("/account?done=named").text
    row = house.user(eve)
    assert (row["first_name"], row["last_name"], row["phone"]) == ("Eve", "Evans", "+45 1")
    assert row["display_name"] is None


def test_what_is_wrong_is_said_at_the_field_and_what_was_typed_stays(house, eve):
    answer = eve.post("/account/name", first_name="x" * 300, last_name="Evans")
    assert answer.status == 400
    (problem,) = told(answer)
    assert "at most 255" in problem
    assert 'id="names-first_name-problem"' in answer.text
    assert 'aria-describedby="names-first_name-problem"' in answer.text
    assert 'value="Evans"' in answer.text
    assert house.user(eve)["last_name"] is None


def test_more_fields_in_a_form_give_no_more_rights(house, eve, ann):
    """Mass assignment."""
    before = house.user(eve)
    eve.post(
        "/account/name",
        first_name="Eve",
        role="admin",
        email=ann.email,
        is_verified="true",
        is_active="true",
        id=ann.id,
        user=ann.id,
        userid=ann.id,
    )
    after = house.user(eve)
    assert after["first_name"] == "Eve"
    for column in ("id", "role", "email", "is_verified", "is_active"):
        assert after[column] == before[column]
    assert house.user(ann)["first_name"] is None


def test_markup_in_names_is_text(eve):
    evil = "<script>alert(1)</script>\"'>"
    eve.post("/account/name", first_name=evil, display_name=evil)
    text = eve.get("/account").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&gt;" in text


def test_a_name_cannot_turn_what_stands_beside_it(eve):
    eve.post("/account/name", first_name="E", last_name="V", display_name="\u202eeve\u2069")
    text = eve.get("/account").text
    assert '<summary class="bar-button">eve</summary>' in text
    assert not set(text) & {"\u202e", "\u2069"}


def test_a_made_up_confirmation_says_nothing(eve):
    assert "evil" not in eve.get("/account?done=evil<b>").text


def test_missing_names_are_asked_for_and_lead_on(house, eve):
    page = eve.get("/account/welcome?next=/%3Fworld%3DHamlet").text
    assert 'name="next" value="/?world=Hamlet"' in page
    refused = eve.post("/account/welcome", first_name="Eve", last_name=" ", next="/?world=Hamlet")
    assert refused.status == 400
    assert told(refused) == ["This is required."]
    assert 'value="Eve"' in refused.text
    done = eve.post("/account/welcome", first_name="Eve", last_name="Evans", next="/?world=Hamlet")
    assert (done.status, done.headers["Location"]) == (302, "/?world=Hamlet")
    assert house.user(eve)["last_name"] == "Evans"


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example"]
)
def test_the_welcome_leads_nowhere_else(eve, wanted):
    done = eve.post("/account/welcome", first_name="Eve", last_name="E", next=wanted)
    assert done.headers["Location"] == "/"


def test_the_welcome_keeps_what_else_is_known(house, eve):
    eve.post("/account/name", display_name="Evie", phone="1")
    eve.post("/account/welcome", first_name="Eve", last_name="E")
    row = house.user(eve)
    assert (row["display_name"], row["phone"]) == ("Evie", "1")


def test_the_last_way_to_sign_in_cannot_be_removed(house, eve):
    assert 'action="/account/unlink"' not in eve.get("/account").text
    answer = eve.post("/account/unlink", issuer=ISSUER, subject=eve.name)
    assert answer.status == 409
    assert "only way" in told(answer)[0]


def test_a_way_to_sign_in_is_removed_and_other_sessions_end(house, eve):
    link(house, eve, f"{eve.name}-2")
    eve = house.sign_in(eve.name, eve.id)
    other = house.sign_in(eve.name, eve.id)
    assert 'action="/account/unlink"' in eve.get("/account").text
    answer = eve.post("/account/unlink", issuer=ISSUER, subject=eve.name)
    assert answer.headers["Location"] == "/account?done=unlinked"
    assert other.get("/account").status == 302
    assert eve.get("/account").status == 200


def test_somebody_elses_way_to_sign_in_stays(house, eve, ann):
    link(house, ann, f"{ann.name}-2")
    assert eve.post("/account/unlink", issuer=ISSUER, subject=ann.name).status == 404
    assert len(house.ask("SELECT 1 FROM auth.identity WHERE userid = $1", ann.id)) == 2


def session_ids(house: House, resident: Resident) -> set:
    query = "SELECT id FROM auth.session WHERE userid = $1 AND ended_at IS NULL"
    return {row["id"] for row in house.ask(query, resident.id)}


def test_one_of_ones_sessions_is_ended(house, eve):
    before = session_ids(house, eve)
    other = house.sign_in(eve.name, eve.id)
    (added,) = session_ids(house, eve) - before
    assert str(added) in eve.get("/account").text
    answer = eve.post("/account/session", session=added)
    assert answer.headers["Location"] == "/account?done=ended"
    assert other.get("/account").status == 302
    assert session_ids(house, eve) == before


def test_all_other_sessions_are_ended_and_this_one_stays(house, eve):
    others = [house.sign_in(eve.name, eve.id) for _ in range(2)]
    eve.post("/account/session", session="others")
    assert [one.get("/account").status for one in others] == [302, 302]
    assert eve.get("/account").status == 200


@pytest.mark.parametrize("session", ["theirs", "none", "nonsense"])
def test_somebody_elses_session_stays(house, eve, ann, session):
    given = {"theirs": next(iter(session_ids(house, ann))), "none": uuid4(), "nonsense": "'--"}
    answer = eve.post("/account/session", session=given[session])
    assert answer.status == 404
    if session != "nonsense":
        assert told(answer) == ["You have no such session. It may have ended meanwhile."]
    assert ann.get("/account").status == 200


def test_a_token_is_shown_once_and_revoked(house, eve):
    answer = eve.post("/account/token", name="nightly <job>", scope="read", days="30")
    (secret,) = re.findall(r"wbp_[\w-]{43}", answer.text)
    page = eve.get("/account").text
    assert secret not in page
    assert "nightly &lt;job&gt;" in page
    (row,) = house.ask(
        "SELECT id, scope, expires_at - created_at AS life FROM auth.token WHERE userid = $1",
        eve.id,
    )
    assert (row["scope"], round(row["life"].total_seconds() / 86400)) == ("read", 30)
    done = eve.post("/account/token/revoke", token=row["id"])
    assert done.headers["Location"] == "/account?done=revoked"
    assert "nightly" not in eve.get("/account").text.partition("What happened")[0]


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "scope": "read", "days": "30"},
        {"name": "job", "scope": "admin", "days": "30"},
        {"name": "job", "scope": "read", "days": "99999999999"},
        {"name": "job", "scope": "read", "days": "-1"},
        {"name": "job"},
    ],
)
def test_a_token_that_cannot_be_is_refused_at_its_form(house, eve, form):
    answer = eve.post("/account/token", **form)
    assert answer.status == 400
    assert told(answer)
    if form["name"]:
        assert 'value="job"' in answer.text
    assert house.ask("SELECT 1 FROM auth.token WHERE userid = $1", eve.id) == []


def test_somebody_elses_token_stays(house, eve, ann):
    ann.post("/account/token", name="job", scope="read", days="30")
    (row,) = house.ask("SELECT id FROM auth.token WHERE userid = $1", ann.id)
    for token in (row["id"], uuid4(), "'"):
        assert eve.post("/account/token/revoke", token=token).status == 404
    assert house.ask("SELECT revoked_at FROM auth.token WHERE id = $1", row["id"])[0][0] is None


def world_of(house: House, resident: Resident, name: str = "Denmark"):
    return house.ask(
        "INSERT INTO world (name, ownerid) VALUES ($1, $2) RETURNING id", name, resident.id
    )[0]["id"]


def test_an_account_is_deleted_once_its_worlds_have_heirs(house, eve, ann):
    world = world_of(house, eve, "Denmark <b>")
    page = eve.get("/account/delete").text
    assert "Denmark &lt;b&gt;" in page
    assert "has no other member" in page
    assert eve.post("/account/delete", confirm=eve.email).status == 409
    house.ask(
        "INSERT INTO world_member (worldid, userid, role) VALUES ($1, $2, 'viewer')", world, ann.id
    )
    assert f'<option value="{ann.id}"' in eve.get("/account/delete").text
    for heir in ("", eve.id, uuid4()):
        answer = eve.post("/account/delete", confirm=eve.email, **{f"heir-{world}": heir})
        assert answer.status == 409
    assert house.user(eve)["deleted_at"] is None
    done = eve.post("/account/delete", confirm=eve.email.upper(), **{f"heir-{world}": ann.id})
    assert done.status == 200
    assert "Your account is deleted" in done.text
    assert eve.get("/account").status == 302
    assert house.ask("SELECT ownerid FROM world WHERE id = $1", world)[0][0] == ann.id


def test_a_world_in_the_trash_with_members_needs_an_heir(house, eve, ann):
    world = world_of(house, eve)
    house.ask(
        "INSERT INTO world_member (worldid, userid, role) VALUES ($1, $2, 'editor')", world, ann.id
    )
    house.ask("UPDATE world SET deleted_at = now() WHERE id = $1", world)
    assert "“<bdi>Denmark</bdi>”, in the trash, goes to" in eve.get("/account/delete").text
    assert eve.post("/account/delete", confirm=eve.email).status == 409
    heir = {f"heir-{world}": ann.id}
    assert eve.post("/account/delete", confirm=eve.email, **heir).status == 200
    assert house.ask("SELECT ownerid FROM world WHERE id = $1", world)[0][0] == ann.id


@pytest.mark.parametrize("confirm", ["", "x", "ann@example.org"])
def test_an_account_is_not_deleted_by_one_click(house, eve, confirm):
    answer = eve.post("/account/delete", confirm=confirm)
    assert answer.status == 400
    assert "not the address" in told(answer)[0]
    assert house.user(eve)["deleted_at"] is None


PAGES = ["/account", "/account/welcome", "/account/delete", "/people", "/invitation"]
UNNAMED = """
() => {
  const bad = [];
  const name = (e) => e.ariaLabel || e.textContent.trim() || [...(e.labels || [])].map((l) => l.innerText).join("");
  for (const e of document.querySelectorAll("input:not([type=hidden]), select, button, a, summary"))
    if (!e.hidden && !name(e)) bad.push(e.outerHTML);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) bad.push("twice " + id);
  for (const e of document.querySelectorAll("[aria-describedby], [aria-labelledby]"))
    for (const id of [e.getAttribute("aria-describedby"), e.getAttribute("aria-labelledby")])
      if (id && !document.getElementById(id)) bad.push("nothing is " + id);
  if (document.querySelectorAll("h1").length !== 1) bad.push("headings");
  if (document.documentElement.scrollWidth > innerWidth) bad.push("wider than the window");
  return bad;
}
"""


async def tab_of(chromium, house: House, resident: Resident, **options: object):
    context = await chromium.new_context(
        base_url=f"http://127.0.0.1:{house.server.port}", **options
    )
    cookies = [
        {"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}
        for name, value in resident.visitor.cookies.items()
    ]
    await context.add_cookies(cookies)
    return await context.new_page()


async def test_every_page_names_its_fields_and_fits_a_telephone(house, chromium):
    ada = await asyncio.to_thread(house.move_in, f"ada{uuid4().hex[:8]}", "admin")
    page = await tab_of(chromium, house, ada, viewport={"width": 390, "height": 800})
    for path in PAGES:
        await page.goto(path)
        found = await page.evaluate(UNNAMED)
        assert found == [], (path, found)
    await page.goto("/account")
    await page.fill("#tokens-name", "\u202e")
    await page.click("text=Make a token")
    assert await page.evaluate(UNNAMED) == []
    assert await page.locator("#tokens-name").get_attribute("aria-invalid") == "true"
    await page.context.close()


async def test_pages_work_without_scripts(house, chromium):
    eve = await asyncio.to_thread(house.move_in, f"eve{uuid4().hex[:8]}")
    page = await tab_of(chromium, house, eve, java_script_enabled=False)
    await page.goto("/account")
    await page.get_by_label("First name").fill("Eve")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("Your names are saved.").wait_for()
    await page.get_by_label("What the token is for").fill("job")
    await page.get_by_role("button", name="Make a token").click()
    assert (await page.locator(".secret").inner_text()).startswith("wbp_")
    await page.get_by_role("link", name="Delete the account…").click()
    await page.get_by_label("To confirm").fill(eve.email)
    await page.get_by_role("button", name="Delete my account").click()
    await page.get_by_role("heading", name="Your account is deleted").wait_for()
    await page.context.close()
