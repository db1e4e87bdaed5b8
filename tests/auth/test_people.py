"""What administrators do with accounts, and what nobody else may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from served import CALLER, Served, identity_of, served

from workbench.errors import DuplicateName, InvalidDraft, NotAllowed, NotFound, Refused


@pytest.fixture
async def here(database_url, superuser, sql) -> AsyncIterator[Served]:
    async with served(database_url, superuser, sql) as made:
        await sql.execute("UPDATE \"user\" SET role = 'editor', email = 'zoe@localhost'")
        yield made


@pytest.fixture
async def ada(here):
    return (await here.person("ada", "admin")).userid


async def test_all_accounts_come_by_address_a_page_at_a_time(here, ada):
    for n in range(5):
        await here.user(f"u{n}")
    first = await here.people.find(ada, most=4)
    assert [a.email for a in first.accounts] == [
        f"{n}@example.org" for n in ("ada", "u0", "u1", "u2")
    ]
    rest = await here.people.find(ada, after=first.more_after, most=4)
    assert [a.email for a in rest.accounts] == ["u3@example.org", "u4@example.org", "zoe@localhost"]
    assert rest.more_after is None


async def test_an_account_shows_how_and_whether_its_user_is_in(here, ada):
    (one,) = (await here.people.find(ada, "ada")).accounts
    assert (one.role, one.is_active, one.is_verified) == ("admin", True, True)
    assert (one.providers, one.sessions) == (["google"], 1)
    assert one.last_login_at is not None


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("EVE", ["eve"]),
        ("evans", ["eve"]),
        ("%", []),
        ("_", []),
        ("\\", []),
        ("\x00", ["ada", "bob", "eve", "zoe"]),
    ],
)
async def test_accounts_are_found_by_what_they_are_called(here, ada, words, found):
    eve = await here.person("eve")
    await here.user("bob")
    await here.accounts.name(eve, "Eve", "Evans")
    accounts = (await here.people.find(ada, words)).accounts
    assert [a.email.partition("@")[0] for a in accounts] == found


async def test_a_change_of_role_counts_at_once_and_is_recorded(here, ada):
    eve = await here.person("eve")
    await here.people.change(ada, eve.userid, role="viewer", caller=CALLER)
    assert (await here.row(eve.userid))["role"] == "viewer"
    event = (await here.events.latest())[0]
    assert (event.kind, event.email, event.by_email, event.detail) == (
        "role_changed",
        "eve@example.org",
        "ada@example.org",
        "editor to viewer",
    )
    author = await here.sql.fetchval(
        "SELECT userid FROM history.changeset ORDER BY id DESC LIMIT 1"
    )
    assert author == ada


async def test_who_is_put_to_rest_is_signed_out_and_let_in_again(here, ada):
    eve = await here.person("eve")
    await here.people.change(ada, eve.userid, active=False)
    assert await here.sessions.live([eve.session]) == set()
    await here.people.change(ada, eve.userid, active=True)
    await here.accounts.enter(identity_of("eve"), CALLER)
    assert (await here.kinds())[:2] == ["activated", "deactivated"]


async def test_a_change_takes_back_what_was_promised_before(here, ada):
    eve = await here.user("eve", verified=False)
    await here.invitations.invite(ada, "eve@example.org", "admin")
    await here.people.change(ada, eve, role="viewer")
    assert [i.state for i in await here.invitations.latest(ada)] == ["revoked"]


@pytest.mark.parametrize("role", ["viewer", "editor"])
async def test_nobody_else_does_anything_to_accounts(here, ada, role):
    eve = await here.person("eve", role)
    for work in (
        here.people.find(eve.userid),
        here.people.add(eve.userid, "x@example.org", "admin"),
        here.people.change(eve.userid, ada, role="viewer"),
        here.people.change(eve.userid, ada, active=False),
        here.people.end_sessions(eve.userid, ada),
        here.people.restore(eve.userid, ada),
    ):
        with pytest.raises(NotAllowed):
            await work
    row = await here.row(ada)
    assert (row["role"], row["is_active"], await here.count('"user"')) == ("admin", True, 3)


@pytest.mark.parametrize("change", ["role = 'editor'", "is_active = false", "deleted_at = now()"])
async def test_an_administrator_of_yesterday_changes_nothing(here, ada, change):
    """The session was found before; the database is asked again as it is done."""
    eve = await here.user("eve")
    await here.sql.execute(f'UPDATE "user" SET {change} WHERE id = $1', ada)
    with pytest.raises(NotAllowed):
        await here.people.change(ada, eve, role="admin")
    with pytest.raises(NotAllowed):
        await here.people.find(ada)


@pytest.mark.parametrize("change", [{"role": "editor"}, {"active": False}, {"role": "admin"}])
async def test_nobody_changes_their_own_role_or_shuts_themselves_out(here, ada, change):
    await here.user("abe", "admin")
    with pytest.raises(NotAllowed, match="your own"):
        await here.people.change(ada, ada, **change)


@pytest.mark.parametrize("change", [{"role": "editor"}, {"active": False}])
async def test_the_last_administrator_stays(here, ada, change):
    with pytest.raises(Refused, match="last administrator"):
        await here.people.change(None, ada, **change)
    await here.user("abe", "admin")
    with pytest.raises(Refused, match="who can sign in"):  # Abe has no way to
        await here.people.change(None, ada, **change)
    await here.person("amy", "admin")
    await here.people.change(None, ada, **change)


async def test_any_administrator_counts_while_nobody_signs_in_by_an_identity(here):
    ada = await here.user("ada", "admin")
    with pytest.raises(Refused, match="last administrator"):
        await here.people.change(None, ada, role="editor")
    await here.user("abe", "admin")
    await here.people.change(None, ada, role="editor")


async def test_administrators_who_depose_each_other_at_once_leave_one(here, ada):
    abe = await here.user("abe", "admin")
    done = await asyncio.gather(
        here.people.change(ada, abe, role="viewer"),
        here.people.change(abe, ada, role="viewer"),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["NoneType", "NotAllowed"]
    assert await here.count("\"user\" WHERE role = 'admin'") == 1


async def test_somebody_can_be_signed_out_everywhere(here, ada):
    eve = await here.person("eve")
    await here.signed_in(eve.userid)
    assert await here.people.end_sessions(ada, eve.userid, CALLER) == 2
    assert await here.sessions.of_user(eve.userid) == []
    assert (await here.kinds())[0] == "signed_out"
    assert len(await here.sessions.of_user(ada)) == 1


async def test_a_deleted_account_is_listed_and_brought_back(here, ada):
    eve = await here.person("eve")
    await here.accounts.delete(eve, {})
    listed = (await here.people.find(ada, "eve")).accounts
    assert [a.deleted_at is not None for a in listed] == [True]
    with pytest.raises(NotFound):
        await here.people.change(ada, eve.userid, role="admin")
    await here.people.restore(ada, eve.userid)
    with pytest.raises(NotFound):
        await here.people.restore(ada, eve.userid)
    assert await here.accounts.enter(identity_of("eve"), CALLER) == eve.userid


async def test_what_is_no_role_or_nobody_is_refused(here, ada):
    with pytest.raises(InvalidDraft):
        await here.people.change(ada, await here.user("eve"), role="king")
    with pytest.raises(NotFound):
        await here.people.change(ada, uuid4(), role="editor")
    with pytest.raises(NotFound):
        await here.people.id_of("nobody@example.org")


async def test_an_account_is_added_once(here, ada):
    added = await here.people.add(ada, "Eve@example.org", "viewer")
    assert await here.people.id_of("eve@EXAMPLE.org") == added
    assert not (await here.row(added))["is_verified"]
    with pytest.raises(DuplicateName):
        await here.people.add(ada, "eve@example.org")
