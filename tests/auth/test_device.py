"""Signing in a device without a browser: RFC 8628."""

from __future__ import annotations

import asyncio

import pytest
from remote_server import HERE, Door

from workbench.auth.acting import Caller
from workbench.auth.device import Devices
from workbench.auth.tokens import Tokens
from workbench.errors import SignInRefused

ELSEWHERE = Caller("198.51.100.1", "a laptop")


@pytest.fixture
def devices(door: Door) -> Devices:
    return Devices(door.database)


async def refused(devices: Devices, device_code: str) -> str:
    with pytest.raises(SignInRefused) as caught:
        await devices.redeem(device_code, ELSEWHERE)
    return caught.value.code


async def refused_code(devices: Devices, door: Door, code: str, caller: Caller = HERE) -> str:
    with pytest.raises(SignInRefused) as caught:
        await devices.decide(code, door.ids["ann"], caller, approved=True)
    return caught.value.code


async def later(door: Door, seconds: int) -> None:
    """Let time pass for devices."""
    await door.run(
        "UPDATE auth.device SET polled_at = polled_at - make_interval(secs => :n),"
        " expires_at = expires_at - make_interval(secs => :n)",
        n=seconds,
    )


async def test_a_device_that_was_approved_gets_a_token_of_its_user(door, devices):
    begun = await devices.begin("notebook on laptop", "read", ELSEWHERE)
    assert await refused(devices, begun.device_code) == "authorization_pending"
    asking = await devices.find(begun.user_code, door.ids["ann"], HERE)
    assert (asking.client, asking.scope, asking.address) == (
        "notebook on laptop",
        "read",
        ELSEWHERE.address,
    )
    await devices.decide(begun.user_code, door.ids["ann"], HERE, approved=True)
    given = await devices.redeem(begun.device_code, ELSEWHERE)
    found = await Tokens(door.database).find(given.secret, ELSEWHERE)
    assert given.secret.startswith("wbd_")
    assert (found.userid, found.scope, found.kind) == (door.ids["ann"], "read", "device")
    (listed,) = await Tokens(door.database).of_user(door.ids["ann"])
    assert listed.name == "notebook on laptop"
    kinds = [kind for kind, _ in await door.events()]
    assert {"device_approved", "device_signed_in"} <= set(kinds)


@pytest.mark.parametrize("how", [str.lower, lambda code: code.replace("-", ""), " {} ".format])
async def test_a_code_may_be_typed_in_any_case_and_without_its_dash(door, devices, how):
    begun = await devices.begin("a", "read", ELSEWHERE)
    await devices.find(how(begun.user_code), door.ids["ann"], HERE)


async def test_whoever_asks_too_often_is_slowed_down_by_five_seconds_each_time(door, devices):
    begun = await devices.begin("a", "read", ELSEWHERE)
    assert await refused(devices, begun.device_code) == "authorization_pending"
    assert await refused(devices, begun.device_code) == "slow_down"
    await later(door, 6)
    assert await refused(devices, begun.device_code) == "slow_down", "5 seconds are 10 now"
    await later(door, 15)
    assert await refused(devices, begun.device_code) == "authorization_pending"


async def test_a_device_that_was_denied_is_told_so_and_stays_out(door, devices):
    begun = await devices.begin("a", "read", ELSEWHERE)
    await devices.decide(begun.user_code, door.ids["ann"], HERE, approved=False)
    assert await refused(devices, begun.device_code) == "access_denied"
    assert await refused_code(devices, door, begun.user_code) == "wrong_code"
    assert await refused(devices, begun.device_code) == "access_denied"


@pytest.mark.parametrize("approved", [False, True])
async def test_codes_expire_even_if_they_were_approved(door, devices, approved):
    begun = await devices.begin("a", "read", ELSEWHERE)
    if approved:
        await devices.decide(begun.user_code, door.ids["ann"], HERE, approved=True)
    await later(door, 601)
    assert await refused(devices, begun.device_code) == "expired_token"
    if not approved:
        assert await refused_code(devices, door, begun.user_code) == "wrong_code"


async def test_a_code_that_is_used_twice_revokes_the_token_that_it_gave(door, devices):
    begun = await devices.begin("a", "read", ELSEWHERE)
    await devices.decide(begun.user_code, door.ids["ann"], HERE, approved=True)
    given = await devices.redeem(begun.device_code, ELSEWHERE)
    assert await refused(devices, begun.device_code) == "invalid_grant"
    with pytest.raises(SignInRefused, match="revoked"):
        await Tokens(door.database).find(given.secret, ELSEWHERE)
    assert ("code_reused", None) in await door.events()


async def test_two_who_redeem_one_code_at_once_do_not_both_get_a_token(door, devices):
    begun = await devices.begin("a", "read", ELSEWHERE)
    await devices.decide(begun.user_code, door.ids["ann"], HERE, approved=True)
    got = await asyncio.gather(
        *(devices.redeem(begun.device_code, ELSEWHERE) for _ in range(4)), return_exceptions=True
    )
    assert sum(not isinstance(one, SignInRefused) for one in got) == 1
    assert await Tokens(door.database).of_user(door.ids["ann"]) == []


async def test_a_code_is_approved_by_one_user_only(door, devices):
    begun = await devices.begin("a", "read", ELSEWHERE)
    await devices.decide(begun.user_code, door.ids["bob"], HERE, approved=True)
    assert await refused_code(devices, door, begun.user_code) == "wrong_code"
    given = await devices.redeem(begun.device_code, ELSEWHERE)
    assert (await Tokens(door.database).find(given.secret, HERE)).userid == door.ids["bob"]


async def test_guessing_codes_is_locked_out_for_the_account_and_the_right_one_too(door, devices):
    begun = await devices.begin("a", "write", ELSEWHERE)
    for number in range(10):
        caller = Caller(f"198.51.100.{number}", "")
        assert await refused_code(devices, door, "BBBB-BBBB", caller) == "wrong_code"
    assert await refused_code(devices, door, begun.user_code) == "locked"
    assert await refused(devices, begun.device_code) == "authorization_pending"


async def test_a_user_who_was_deactivated_meanwhile_gets_no_token(door, devices):
    begun = await devices.begin("a", "read", ELSEWHERE)
    await devices.decide(begun.user_code, door.ids["ann"], HERE, approved=True)
    await door.run("UPDATE \"user\" SET is_active = false WHERE email = 'ann@example.org'")
    assert await refused(devices, begun.device_code) == "access_denied"


async def test_an_unknown_device_code_is_no_grant_and_guessing_is_locked_out(devices):
    for _ in range(30):
        assert await refused(devices, "never") == "invalid_grant"
    assert await refused(devices, "never") == "locked"


async def test_a_scope_that_is_none_is_refused(devices):
    with pytest.raises(SignInRefused) as caught:
        await devices.begin("a", "admin", HERE)
    assert caught.value.code == "invalid_scope"


async def test_codes_that_wait_are_limited_for_each_address(devices):
    for _ in range(20):
        await devices.begin("a", "read", ELSEWHERE)
    with pytest.raises(SignInRefused) as caught:
        await devices.begin("a", "read", ELSEWHERE)
    assert caught.value.code == "locked"
    await devices.begin("a", "read", HERE)


async def test_what_a_program_calls_itself_is_one_short_line_in_one_direction(door, devices):
    said = "<b>Your bank</b>\u202e\n\x00" + "x" * 500
    begun = await devices.begin(said, "read", ELSEWHERE)
    asking = await devices.find(begun.user_code, door.ids["ann"], HERE)
    assert asking.client.startswith("<b>Your bank</b> x")
    assert len(asking.client) == 80
    begun = await devices.begin("\u200b", "read", ELSEWHERE)
    asking = await devices.find(begun.user_code, door.ids["ann"], HERE)
    assert asking.client == "a program without a name"
