"""Links that let somebody in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from served import CALLER, Served, served

from workbench.auth.acting import Caller
from workbench.errors import InvalidDraft, NotAllowed, NotFound, Refused, SignInRefused


@pytest.fixture
async def here(database_url, superuser, sql) -> AsyncIterator[Served]:
    async with served(database_url, superuser, sql) as made:
        yield made


async def test_an_invitation_says_who_invites_whom_as_what(here):
    ada = await here.person("ada", "admin")
    await here.accounts.name(ada, "Ada", "Lovelace")
    invited = await here.invitations.invite(ada.userid, "Ann@example.org", "viewer", caller=CALLER)
    found = await here.invitations.find(invited.secret, CALLER)
    assert (found.email, found.role, found.invited_by) == (
        "Ann@example.org",
        "viewer",
        "Ada Lovelace",
    )
    assert found.state == "open"
    assert invited.path == f"/invitation/{invited.secret}"
    (event,) = await here.events.latest()
    assert (event.kind, event.by_email, event.account) == (
        "invited",
        "ada@example.org",
        "Ann@example.org",
    )


async def test_the_database_does_not_know_the_secret(here):
    invited = await here.invitations.invite(None, "ann@example.org")
    kept = await here.sql.fetchval("SELECT i::text FROM auth.invitation AS i")
    assert invited.secret not in kept
    assert invited.secret.encode().hex() not in kept


async def test_inviting_again_makes_the_earlier_link_useless(here):
    first = await here.invitations.invite(None, "ann@example.org")
    second = await here.invitations.invite(None, "ANN@example.org")
    with pytest.raises(SignInRefused, match="taken back"):
        await here.invitations.find(first.secret, CALLER)
    await here.invitations.find(second.secret, CALLER)


async def test_a_link_that_is_revoked_or_expired_says_so(here):
    invited = await here.invitations.invite(None, "ann@example.org")
    (one,) = await here.invitations.latest(None)
    assert await here.invitations.revoke(None, one.id) == "ann@example.org"
    with pytest.raises(SignInRefused, match="taken back"):
        await here.invitations.find(invited.secret, CALLER)
    with pytest.raises(NotFound):
        await here.invitations.revoke(None, one.id)
    late = await here.invitations.invite(None, "bob@example.org", days=1)
    await here.sql.execute("UPDATE auth.invitation SET expires_at = now() - interval '1 s'")
    with pytest.raises(SignInRefused, match="expired"):
        await here.invitations.find(late.secret, CALLER)


async def test_guessing_links_is_locked_out_by_address(here):
    invited = await here.invitations.invite(None, "ann@example.org")
    for _ in range(30):
        with pytest.raises(SignInRefused) as raised:
            await here.invitations.find("guess", CALLER)
        assert raised.value.code == "invitation"
    with pytest.raises(SignInRefused) as raised:
        await here.invitations.find(invited.secret, CALLER)
    assert raised.value.code == "locked"
    await here.invitations.find(invited.secret, Caller("198.51.100.1", "elsewhere"))


@pytest.mark.parametrize("role", ["viewer", "editor"])
async def test_only_administrators_invite_list_and_revoke(here, role):
    eve = await here.person("eve", role)
    await here.invitations.invite(None, "ann@example.org")
    (one,) = await here.invitations.latest(None)
    for work in (
        here.invitations.invite(eve.userid, "eve2@example.org", "admin"),
        here.invitations.latest(eve.userid),
        here.invitations.revoke(eve.userid, one.id),
    ):
        with pytest.raises(NotAllowed):
            await work
    assert [i.state for i in await here.invitations.latest(None)] == ["open"]


async def test_an_administrator_of_yesterday_invites_nobody(here):
    ada = await here.person("ada", "admin")
    await here.sql.execute("UPDATE \"user\" SET role = 'editor' WHERE id = $1", ada.userid)
    with pytest.raises(NotAllowed):
        await here.invitations.invite(ada.userid, "ann@example.org")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@b\n"}, None),
        ({"email": "a@b c"}, "email"),
        ({"role": "king"}, "role"),
        ({"days": 0}, "days"),
        ({"days": 5000}, "days"),
    ],
)
async def test_what_cannot_be_invited_is_told_by_field(here, given, field):
    values = {"email": "ann@example.org", **given}
    if field is None:  # blanks around are no part of it
        assert (await here.invitations.invite(None, **values)).email == "a@b"
        return
    with pytest.raises(InvalidDraft) as raised:
        await here.invitations.invite(None, **values)
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("is_active = true", "in use"),
        ("is_active = false", "may not sign in"),
        ("deleted_at = now()", "deleted"),
    ],
)
async def test_an_account_in_use_or_at_rest_is_not_invited(here, change, words):
    eve = await here.person("eve")
    await here.sql.execute(f'UPDATE "user" SET {change} WHERE id = $1', eve.userid)
    with pytest.raises(Refused, match=words):
        await here.invitations.invite(None, "eve@example.org", "admin")


async def test_an_invitation_that_is_none_cannot_be_revoked(here):
    with pytest.raises(NotFound):
        await here.invitations.revoke(None, uuid4())
