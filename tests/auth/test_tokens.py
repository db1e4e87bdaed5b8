"""Tokens of scripts and devices, in PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from remote_server import HERE, Door

from workbench.auth.acting import Caller
from workbench.auth.events import Events
from workbench.auth.tokens import LONGEST, Tokens
from workbench.database.logins import Login, issue_login
from workbench.errors import InvalidDraft, NotFound, SignInRefused

DAY = timedelta(days=1)


@pytest.fixture
def tokens(door: Door) -> Tokens:
    return Tokens(door.database)


async def make(door: Door, tokens: Tokens, scope: str = "write", name: str = "a job"):
    return await tokens.make(door.ids["ann"], name, scope, DAY, HERE)


async def refused(tokens: Tokens, secret: str, caller: Caller = HERE) -> SignInRefused:
    with pytest.raises(SignInRefused) as caught:
        await tokens.find(secret, caller)
    return caught.value


async def test_a_token_tells_whose_it_is_and_what_it_may(door, tokens):
    secret, made = await make(door, tokens, scope="read")
    found = await tokens.find(secret, HERE)
    assert secret.startswith("wbp_")
    assert (found.userid, found.email, found.scope) == (door.ids["ann"], "ann@example.org", "read")
    assert found.token == made.id
    assert timedelta(hours=23) < found.remaining <= DAY


async def test_the_secret_of_a_token_is_stored_nowhere(door, tokens):
    secret, _ = await make(door, tokens)
    connection = await asyncpg.connect(door.url)
    stored = str(await connection.fetch("SELECT * FROM auth.token"))
    stored += str(await connection.fetch("SELECT * FROM auth.event"))
    await connection.close()
    assert "a job" in stored
    assert secret not in stored
    assert secret.removeprefix("wbp_")[5:] not in stored


async def test_use_is_noted_at_most_once_a_minute(door, tokens):
    secret, _ = await make(door, tokens)
    await tokens.find(secret, HERE)
    (first,) = await tokens.of_user(door.ids["ann"])
    await tokens.find(secret, Caller("198.51.100.1", ""))
    assert await tokens.of_user(door.ids["ann"]) == [first]
    assert first.used_from == HERE.address
    await door.run("UPDATE auth.token SET used_at = used_at - interval '61 seconds'")
    await tokens.find(secret, Caller("198.51.100.1", ""))
    assert (await tokens.of_user(door.ids["ann"]))[0].used_from == "198.51.100.1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE auth.token SET expires_at = clock_timestamp()", "expired"),
        ("UPDATE auth.token SET revoked_at = clock_timestamp()", "revoked"),
        (
            "UPDATE auth.token SET idle = '30 days', used_at = clock_timestamp() - interval '31 days'",
            "not used for too long",
        ),
        (
            "UPDATE \"user\" SET is_active = false WHERE email = 'ann@example.org'",
            "may not sign in",
        ),
        (
            "UPDATE \"user\" SET deleted_at = clock_timestamp() WHERE email = 'ann@example.org'",
            "may not sign in",
        ),
    ],
)
async def test_a_token_that_is_no_longer_good_is_refused_with_the_reason(
    door, tokens, change, said
):
    secret, _ = await make(door, tokens)
    await door.run(change)
    error = await refused(tokens, secret)
    assert said in str(error)
    assert error.code == "invalid_token"
    for _ in range(31):
        assert (await refused(tokens, secret)).code == "invalid_token", "it locks nobody out"
    ended = [event for event in await door.events() if event == ("ended_token", secret[:8])]
    assert len(ended) == 1
    await Events(door.database).check(HERE)


async def test_tokens_that_are_no_longer_good_are_not_listed(door, tokens):
    for column in ("expires_at", "revoked_at"):
        await make(door, tokens)
        await door.run(f"UPDATE auth.token SET {column} = clock_timestamp()")
    assert await tokens.of_user(door.ids["ann"]) == []


async def test_guessing_tokens_is_locked_out_by_address_and_recorded_no_more(door, tokens):
    secret, _ = await make(door, tokens)
    for number in range(30):
        assert (await refused(tokens, f"wbp_{number:04}guess")).code == "invalid_token"
    assert (await refused(tokens, "wbp_guess")).code == "locked"
    assert len([kind for kind, _ in await door.events() if kind == "wrong_token"]) == 30
    assert await tokens.find(secret, HERE), "a good token goes on working"


async def test_guessing_at_one_token_is_locked_out_from_all_addresses(door, tokens):
    for number in range(10):
        await refused(tokens, f"wbp_Abcd{number}", Caller(f"198.51.100.{number}", ""))
    error = await refused(tokens, "wbp_Abcd", Caller("198.51.100.99", ""))
    assert error.code == "locked"
    assert "Wait" in str(error)


async def test_a_user_revokes_their_own_tokens_only(door, tokens):
    secret, made = await make(door, tokens)
    with pytest.raises(NotFound):
        await tokens.revoke(made.id, door.ids["bob"], HERE)
    await tokens.find(secret, HERE)
    await tokens.revoke(made.id, door.ids["ann"], HERE)
    assert "revoked" in str(await refused(tokens, secret))
    with pytest.raises(NotFound):
        await tokens.revoke(made.id, door.ids["ann"], HERE)


async def login_of(door: Door, token: UUID) -> Login:
    return await issue_login(door.database, door.ids["ann"], "tests", token=token)


async def test_a_revoked_token_ends_its_database_login_at_once(door, tokens):
    secret, made = await make(door, tokens)
    login = await login_of(door, made.id)
    connection = await asyncpg.connect(door.url, user=login.role, password=login.password)
    assert await connection.fetchval("SELECT rules.acting_user()") == door.ids["ann"]
    await tokens.give_back(secret, HERE)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        async with asyncio.timeout(5):
            await connection.fetchval("SELECT count(*) FROM world")
    with pytest.raises(asyncpg.PostgresError):
        await asyncpg.connect(door.url, user=login.role, password=login.password)
    await connection.close()


async def test_giving_back_what_is_no_token_is_no_error(tokens):
    await tokens.give_back("wbp_never", HERE)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": " \u202e\x00 "}, "name"),
        ({"scope": "admin"}, "scope"),
        ({"lifetime": LONGEST + DAY}, "lifetime"),
        ({"lifetime": timedelta()}, "lifetime"),
    ],
)
async def test_a_token_that_cannot_be_is_refused_by_field(door, tokens, given, field):
    wanted = {"name": "a job", "scope": "read", "lifetime": DAY} | given
    with pytest.raises(InvalidDraft) as caught:
        await tokens.make(door.ids["ann"], caller=HERE, **wanted)
    assert list(caught.value.problems) == [field]


async def test_a_user_has_a_hundred_tokens_at_most(door, tokens):
    await door.run(
        "INSERT INTO auth.token (digest, userid, kind, name, scope, expires_at)"
        " SELECT sha256(n::text::bytea), :user, 'personal', 'n', 'read', now() + interval '1 day'"
        " FROM generate_series(1, 100) AS n",
        user=door.ids["ann"],
    )
    with pytest.raises(InvalidDraft, match="100 tokens"):
        await make(door, tokens)
