"""Which account somebody gets whom a provider signs in, and what they do with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
from served import CALLER, Served, digest_of, identity_of, served

from workbench.errors import InvalidDraft, NotFound, Refused, SignInRefused


@pytest.fixture
async def here(database_url, superuser, sql) -> AsyncIterator[Served]:
    async with served(database_url, superuser, sql) as made:
        yield made


async def refused(work) -> SignInRefused:
    with pytest.raises(SignInRefused) as raised:
        await work
    return raised.value


async def test_whoever_was_here_before_is_the_same_user_whatever_their_address_is_now(here):
    eve = await here.person("eve")
    moved = identity_of("eve", email="other@elsewhere.example", email_verified=False)
    assert await here.accounts.enter(moved, CALLER) == eve.userid
    assert (await here.row(eve.userid))["email"] == "eve@example.org"
    assert [i.email for i in await here.accounts.identities(eve.userid)] == [moved.email]


async def test_an_address_that_changed_at_the_provider_leads_to_no_other_account(here):
    """GitHub's and Google's addresses can be given up and taken by somebody else."""
    eve = await here.person("eve")
    ann = await here.person("ann")
    assert await here.accounts.enter(identity_of("eve", email="ann@example.org"), CALLER) == (
        eve.userid
    )
    assert ann.userid != eve.userid


@pytest.mark.parametrize(
    ("change", "words"),
    [("is_active = false", "may not sign in"), ("deleted_at = now()", "was deleted")],
)
async def test_an_account_put_to_rest_is_closed_to_its_identities_and_to_new_ones(
    here, change, words
):
    eve = await here.person("eve")
    await here.sql.execute(f'UPDATE "user" SET {change} WHERE id = $1', eve.userid)
    for identity in (identity_of("eve"), identity_of("eve", provider="github")):
        error = await refused(here.accounts_by("open").enter(identity, CALLER))
        assert error.code == "inactive"
        assert words in str(error)
        assert "administrator" in str(error)
    assert await here.count("auth.identity") == 1


async def test_a_proved_address_leads_to_the_account_that_has_proved_it_too(here):
    eve = await here.person("eve")
    found = await here.accounts.enter(
        identity_of("eve", provider="github", email="EVE@Example.org"), CALLER
    )
    assert found == eve.userid
    assert [i.provider for i in await here.accounts.identities(eve.userid)] == ["google", "github"]
    assert await here.sessions.of_user(eve.userid) == [], "linking ends all sessions"
    assert "identity_linked" in await here.kinds()


async def test_an_unverified_address_takes_over_no_account(here):
    await here.person("eve")
    for policy in ("open", "invitation"):
        error = await refused(
            here.accounts_by(policy).enter(
                identity_of("eve", provider="facebook", email_verified=False), CALLER
            )
        )
        assert error.code == "unverified"
        assert "add Facebook on your profile" in str(error)
    assert await here.count("auth.identity") == 1


async def test_an_unverified_address_does_not_tell_whether_there_is_an_account(here):
    await here.person("eve")
    told = {
        str(
            await refused(
                here.accounts.enter(
                    identity_of(name, provider="facebook", email_verified=False), CALLER
                )
            )
        )
        for name in ("eve", "nobody")
    }
    assert len(told) == 1


async def test_an_unverified_address_makes_no_account_that_waits_for_its_owner(here):
    """Pre-hijacking: the owner would later be led into an account that a stranger is in."""
    attacker = identity_of("victim", provider="facebook", email_verified=False)
    await refused(here.accounts_by("open").enter(attacker, CALLER))
    assert await here.count("\"user\" WHERE email = 'victim@example.org'") == 0
    assert await here.count("auth.identity") == 0


async def test_an_account_that_nobody_has_proved_is_not_linked_to_whoever_comes(here):
    """Pre-hijacked: an account with the victim's address that somebody else is in."""
    stranger = await here.person("victim")
    await here.sql.execute('UPDATE "user" SET is_verified = false WHERE id = $1', stranger.userid)
    error = await refused(
        here.accounts_by("open").enter(identity_of("victim", provider="github"), CALLER)
    )
    assert error.code == "link_first"
    assert "add GitHub on your profile" in str(error)
    assert len(await here.accounts.identities(stranger.userid)) == 1


async def test_an_account_that_was_added_but_never_entered_takes_an_invitation(here):
    eve = await here.user("eve", verified=False)
    error = await refused(here.accounts_by("open").enter(identity_of("eve"), CALLER))
    assert error.code == "link_first"
    assert "invite" in str(error)
    await here.invitations.invite(None, "eve@example.org")
    assert await here.accounts.enter(identity_of("eve"), CALLER) == eve
    assert (await here.row(eve))["is_verified"]


@pytest.mark.parametrize("policy", ["open", "domain"])
async def test_a_new_account_is_an_editor_with_what_the_provider_proved(here, policy):
    ann = identity_of("ann", first_name=" Ann ", last_name="Archer")
    user = await here.accounts_by(policy, "example.org").enter(ann, CALLER)
    row = await here.row(user)
    assert (row["email"], row["role"], row["is_verified"]) == ("ann@example.org", "editor", True)
    assert (row["first_name"], row["last_name"]) == ("Ann", "Archer")
    assert await here.kinds() == ["account_made"]


@pytest.mark.parametrize(
    "email",
    [
        "a@evil-example.org",
        "a@example.org.evil.com",
        "a@sub.example.org",
        "a@example.orgx",
        "a@example.org@evil.com",
        "a@\u0435xample.org",
        "example.org",
    ],
)
async def test_an_address_that_only_looks_like_an_allowed_domain_makes_no_account(here, email):
    await refused(
        here.accounts_by("domain", "example.org").enter(identity_of("a", email=email), CALLER)
    )
    assert await here.count("auth.identity") == 0


async def test_the_case_of_an_allowed_domain_does_not_matter(here):
    await here.accounts_by("domain", "example.org").enter(
        identity_of("a", email="a@EXAMPLE.org"), CALLER
    )


@pytest.mark.parametrize("case", ["EVE@EXAMPLE.ORG", "eve@example.org"])
async def test_an_address_in_other_letters_makes_no_second_account(here, case):
    eve = await here.person("Eve")
    other = identity_of("x", provider="github", email=case)
    assert await here.accounts_by("open").enter(other, CALLER) == eve.userid


async def test_a_letter_that_only_folds_to_another_is_no_proof(here):
    """The Kelvin sign is a k in lower case, to a database; to a mail server it is not."""
    await here.user("mike")
    await refused(
        here.accounts_by("open").enter(identity_of("x", email="mi\u212ae@example.org"), CALLER)
    )
    assert await here.count("auth.identity") == 0


async def test_without_an_invitation_nobody_gets_an_account_where_it_takes_one(here):
    error = await refused(here.accounts.enter(identity_of("ann"), CALLER))
    assert error.code == "no_account"
    assert "invite" in str(error)
    assert await here.count("auth.identity") == 0


async def test_an_invited_address_gets_an_account_when_the_provider_proves_it(here):
    await here.invitations.invite(None, "Ann@Example.org", "viewer")
    user = await here.accounts.enter(identity_of("ann"), CALLER)
    assert (await here.row(user))["role"] == "viewer"
    assert [i.state for i in await here.invitations.latest(None)] == ["used"]


async def test_the_link_of_an_invitation_proves_its_address_to_any_provider(here):
    invited = await here.invitations.invite(None, "ann@example.org", "admin")
    stranger = identity_of("a.archer", provider="facebook", email=None, email_verified=False)
    user = await here.accounts.enter(stranger, CALLER, digest_of(invited.secret))
    row = await here.row(user)
    assert (row["email"], row["role"], row["is_verified"]) == ("ann@example.org", "admin", True)


async def test_the_link_of_an_invitation_works_once(here):
    invited = await here.invitations.invite(None, "ann@example.org")
    secret = digest_of(invited.secret)
    ann = await here.accounts.enter(identity_of("ann"), CALLER, secret)
    error = await refused(here.accounts.enter(identity_of("eve"), CALLER, secret))
    assert error.code == "invitation"
    assert len(await here.accounts.identities(ann)) == 1
    assert await here.accounts.enter(identity_of("ann"), CALLER, secret) == ann, "she is known"


@pytest.mark.parametrize(
    "change", ["expires_at = now() - interval '1 s'", "revoked_at = now()", "used_at = now()"]
)
async def test_an_invitation_that_counts_no_more_opens_nothing(here, change):
    invited = await here.invitations.invite(None, "ann@example.org", "admin")
    await here.sql.execute(f"UPDATE auth.invitation SET {change}")
    for secret in (digest_of(invited.secret), None):
        await refused(here.accounts.enter(identity_of("ann"), CALLER, secret))
    assert await here.count("auth.identity") == 0
    assert await here.count("\"user\" WHERE email = 'ann@example.org'") == 0


async def test_a_secret_that_is_none_opens_nothing_even_where_all_may_come(here):
    error = await refused(
        here.accounts_by("open").enter(identity_of("ann"), CALLER, digest_of("guess"))
    )
    assert error.code == "invitation"


async def test_a_link_to_an_account_that_somebody_has_entered_meanwhile_leads_nowhere(here):
    """Else whoever finds the link in a mailbox gets into an account in use."""
    invited = await here.invitations.invite(None, "ann@example.org")
    user = await here.user("ann", verified=False)
    await here.sql.execute(
        "INSERT INTO auth.identity (issuer, subject, userid, provider) VALUES ('i', 's', $1, 'x')",
        user,
    )
    await refused(here.accounts.enter(identity_of("eve"), CALLER, digest_of(invited.secret)))
    assert len(await here.accounts.identities(user)) == 1


async def test_an_invitation_takes_no_role_away(here):
    ada = await here.user("ada", "admin", verified=False)
    invited = await here.invitations.invite(None, "ada@example.org", "viewer")
    await here.accounts.enter(identity_of("ada"), CALLER, digest_of(invited.secret))
    assert (await here.row(ada))["role"] == "admin"


async def test_an_invitation_gives_the_role_it_names_to_an_account_that_waits(here):
    ada = await here.user("ada", "viewer", verified=False)
    await here.invitations.invite(None, "ada@example.org", "admin")
    await here.accounts.enter(identity_of("ada"), CALLER)
    assert (await here.row(ada))["role"] == "admin"


async def test_two_first_sign_ins_at_once_make_one_account(here):
    accounts = here.accounts_by("open")
    same = [identity_of("ann", first_name="Ann")] * 3
    found = await asyncio.gather(*(accounts.enter(one, CALLER) for one in same))
    assert len(set(found)) == 1
    two_ways = [identity_of("bob"), identity_of("bob", provider="github")]
    found = await asyncio.gather(*(accounts.enter(one, CALLER) for one in two_ways))
    assert len(set(found)) == 1
    assert len(await here.accounts.identities(found[0])) == 2


async def test_an_invitation_that_two_use_at_once_lets_one_in(here):
    invited = await here.invitations.invite(None, "ann@example.org")
    secret = digest_of(invited.secret)
    done = await asyncio.gather(
        *(here.accounts.enter(identity_of(name), CALLER, secret) for name in ("ann", "eve")),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["SignInRefused", "UUID"]
    assert await here.count("auth.identity") == 1


async def test_names_are_filled_in_only_where_they_are_missing(here):
    eve = await here.person("eve")
    await here.accounts.name(eve, "Evelyn", None)
    await here.accounts.enter(identity_of("eve", first_name="Eve", last_name="Evans"), CALLER)
    row = await here.row(eve.userid)
    assert (row["first_name"], row["last_name"]) == ("Evelyn", "Evans")


@pytest.mark.parametrize("name", ["a\nb", "x" * 300, "\u202e", "a\x00b", "   "])
async def test_a_name_that_breaks_our_rules_keeps_nobody_out(here, name):
    user = await here.accounts_by("open").enter(identity_of("ann", first_name=name), CALLER)
    assert (await here.row(user))["first_name"] is None


async def test_what_was_shared_with_an_address_is_there_from_the_first_sign_in(here, wb):
    world = await wb.worlds.add(name="Denmark")
    await wb.share(world, "ann@example.org", role="editor")
    user = await here.accounts_by("open").enter(identity_of("ann"), CALLER)
    assert await here.sql.fetchval("SELECT userid FROM world_member") == user


async def test_a_way_to_sign_in_is_added_from_the_profile_and_ends_other_sessions(here):
    eve = await here.person("eve")
    other = await here.signed_in(eve.userid)
    unverified = identity_of("e", provider="facebook", email_verified=False)
    await here.accounts.link(unverified, eve, CALLER)
    assert await here.accounts.enter(unverified, CALLER) == eve.userid
    assert [s.id for s in await here.sessions.of_user(eve.userid)] == [eve.session]
    assert other.session != eve.session


async def test_adding_a_way_twice_changes_nothing(here):
    eve = await here.person("eve")
    other = await here.signed_in(eve.userid)
    await here.accounts.link(identity_of("eve"), eve, CALLER)
    assert other.session in await here.sessions.live([other.session])


async def test_a_way_that_leads_to_another_account_is_not_added(here):
    ann = await here.person("ann")
    eve = await here.person("eve")
    error = await refused(here.accounts.link(identity_of("ann"), eve, CALLER))
    assert error.code == "taken"
    assert "ann@example.org" not in str(error)
    assert await here.accounts.enter(identity_of("ann"), CALLER) == ann.userid
    assert len(await here.accounts.identities(eve.userid)) == 1


async def test_adding_a_way_proves_the_address_if_it_is_the_same(here):
    eve = await here.person("eve")
    for email, verified in (("x@example.org", False), ("Eve@example.org", True)):
        await here.sql.execute('UPDATE "user" SET is_verified = false WHERE id = $1', eve.userid)
        one = identity_of(email, provider="github", email=email)
        await here.accounts.link(one, eve, CALLER)
        assert (await here.row(eve.userid))["is_verified"] is verified


async def test_the_last_way_to_sign_in_stays(here):
    eve = await here.person("eve")
    with pytest.raises(Refused, match="only way"):
        await here.accounts.unlink(eve, "https://google.example", "eve")
    await here.accounts.link(identity_of("eve", provider="github"), eve, CALLER)
    other = await here.signed_in(eve.userid)
    await here.accounts.unlink(eve, "https://google.example", "eve", CALLER)
    assert [i.provider for i in await here.accounts.identities(eve.userid)] == ["github"]
    assert await here.sessions.live([eve.session, other.session]) == {eve.session}


async def test_both_ways_taken_away_at_once_leave_one(here, sql, superuser):
    eve = await here.person("eve")
    await here.accounts.link(identity_of("eve", provider="github"), eve, CALLER)
    other = sql.transaction()
    await other.start()
    await sql.execute('SELECT 1 FROM "user" WHERE id = $1 FOR NO KEY UPDATE', eve.userid)
    await sql.execute("DELETE FROM auth.identity WHERE issuer = 'https://google.example'")
    second = asyncio.create_task(here.accounts.unlink(eve, "https://github.example", "eve"))
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while not second.done() and not await superuser.fetchval(waits):
        await asyncio.wait({second}, timeout=0.01)
    await other.commit()
    with pytest.raises(Refused, match="only way"):
        await second
    assert len(await here.accounts.identities(eve.userid)) == 1


async def test_somebody_elses_way_to_sign_in_is_out_of_reach(here):
    await here.person("ann")
    eve = await here.person("eve")
    with pytest.raises(NotFound):
        await here.accounts.unlink(eve, "https://google.example", "ann")
    assert await here.count("auth.identity") == 2


async def test_names_are_the_owners_to_change_by_the_rules_of_the_field(here, sql):
    eve = await here.person("eve")
    await here.accounts.name(eve, " Eve ", "Evans", "", "+45 1")
    profile = await here.accounts.profile(eve.userid)
    assert (profile.first_name, profile.display_name, profile.phone) == ("Eve", None, "+45 1")
    with pytest.raises(InvalidDraft) as raised:
        await here.accounts.name(eve, "a\nb", "x" * 300)
    assert set(raised.value.problems) == {"first_name", "last_name"}
    author = await sql.fetchval("SELECT userid FROM history.changeset ORDER BY id DESC LIMIT 1")
    assert author == eve.userid


async def test_an_account_goes_when_its_worlds_have_heirs(here, wb):
    eve = await here.person("eve")
    bob = await here.person("bob")
    await here.sql.execute("INSERT INTO world (name, ownerid) VALUES ('Denmark', $1)", eve.userid)
    world = await here.sql.fetchval("SELECT id FROM world")
    assert [
        (w.name, dict(w.heirs)) for w in await here.accounts.worlds_to_hand_over(eve.userid)
    ] == [("Denmark", {})]
    with pytest.raises(Refused):
        await here.accounts.delete(eve, {world: bob.userid}, CALLER)
    await here.sql.execute(
        "INSERT INTO world_member (worldid, userid, role) VALUES ($1, $2, 'viewer')",
        world,
        bob.userid,
    )
    (owned,) = await here.accounts.worlds_to_hand_over(eve.userid)
    assert owned.heirs == {bob.userid: "bob@example.org"}
    with pytest.raises(Refused):
        await here.accounts.delete(eve, {}, CALLER)
    assert (await here.row(eve.userid))["deleted_at"] is None
    await here.accounts.delete(eve, {world: bob.userid}, CALLER)
    assert await here.sql.fetchval("SELECT ownerid FROM world") == bob.userid
    assert await here.sessions.live([eve.session]) == set()
    assert (await here.kinds())[0] == "account_deleted"
    error = await refused(here.accounts.enter(identity_of("eve"), CALLER))
    assert error.code == "inactive"


async def test_worlds_in_the_trash_go_to_heirs_too_where_there_are_any(here):
    eve, bob = await here.person("eve"), await here.person("bob")
    shared, alone = [
        row["id"]
        for row in await here.sql.fetch(
            "INSERT INTO world (name, ownerid) VALUES ('Denmark', $1), ('Norway', $1) RETURNING id",
            eve.userid,
        )
    ]
    await here.sql.execute(
        "INSERT INTO world_member (worldid, userid, role) VALUES ($1, $2, 'editor')",
        shared,
        bob.userid,
    )
    await here.sql.execute("UPDATE world SET deleted_at = now()")
    (owned,) = await here.accounts.worlds_to_hand_over(eve.userid)
    assert (owned.id, owned.trashed, list(owned.heirs)) == (shared, True, [bob.userid])
    with pytest.raises(Refused, match="nobody to take it over"):
        await here.accounts.delete(eve, {}, CALLER)
    await here.accounts.delete(eve, {shared: bob.userid, alone: bob.userid}, CALLER)
    after = await here.sql.fetch("SELECT id, ownerid FROM world WHERE deleted_at IS NOT NULL")
    assert dict(after) == {shared: bob.userid, alone: eve.userid}


async def test_a_world_of_somebody_else_cannot_be_given_away(here):
    ann, eve = await here.person("ann"), await here.person("eve")
    world = await here.sql.fetchval(
        "INSERT INTO world (name, ownerid) VALUES ('Denmark', $1) RETURNING id", ann.userid
    )
    await here.sql.execute(
        "INSERT INTO world_member (worldid, userid, role) VALUES ($1, $2, 'manager')",
        world,
        eve.userid,
    )
    await here.accounts.delete(eve, {world: eve.userid, uuid4(): eve.userid})
    assert await here.sql.fetchval("SELECT ownerid FROM world") == ann.userid


async def test_the_last_administrators_who_go_at_once_leave_one(here):
    await here.sql.execute("UPDATE \"user\" SET role = 'editor'")
    two = [await here.person("ada", "admin"), await here.person("abe", "admin")]
    done = await asyncio.gather(
        *(here.accounts.delete(one, {}) for one in two), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["NoneType", "Refused"]


async def test_a_refusal_writes_nothing_and_names_no_secret(here):
    before = await here.count("history.change")
    invited = await here.invitations.invite(None, "ann@example.org")
    await here.sql.execute("UPDATE auth.invitation SET revoked_at = now()")
    error = await refused(
        here.accounts.enter(replace(identity_of("ann")), CALLER, digest_of(invited.secret))
    )
    assert invited.secret not in str(error) + error.detail
    assert await here.count("history.change") == before
    assert await here.kinds() == ["invited"]
