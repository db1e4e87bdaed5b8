"""Who is told that something was changed: whoever may read it, whatever is heard or forged."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text

from workbench.database.news import Heard, Watch, listen, news

EVERYBODY = ("ann", "max", "bob", "vera", "ivo", "eve", "ada")
READERS = {"ann", "max", "bob", "vera", "ivo"}


@pytest.fixture
async def heard(people):
    """What the database says to anybody who listens."""
    said: asyncio.Queue[str] = asyncio.Queue()
    await people["eve"].add_listener("workbench_changed", lambda *of: said.put_nowait(of[-1]))
    return said


async def told(people, said: str, world) -> dict[str, tuple]:
    """Return who is told of what in a world; of the list of worlds for none."""
    names = {people.ids[name]: name for name in EVERYBODY}
    watches = [Watch(id, world) for id in names]
    return {
        names[one.watch.reader]: (one.entity, one.records and set(one.records), one.came)
        for one in await news(people.owner, [Heard.parse(said)], watches)
    }


async def test_readers_of_a_world_are_told_and_nobody_else(people, heard):
    thing = people.rows["thing"]
    await people["bob"].execute("UPDATE thing SET kind = 'sword' WHERE id = $1", thing)
    expected = ("thing", {thing}, False)
    assert await told(people, await heard.get(), people.world) == dict.fromkeys(READERS, expected)


async def test_who_is_a_member_is_told_to_members_alone(people, heard):
    await people["ann"].execute("UPDATE world SET is_public = true WHERE id = $1", people.world)
    assert set(await told(people, await heard.get(), people.world)) == set(EVERYBODY)
    await people["ann"].execute("UPDATE world_member SET role = 'editor' WHERE role = 'viewer'")
    assert set(await told(people, await heard.get(), people.world)) == READERS


async def test_the_list_of_worlds_changes_for_those_who_see_the_world(people, heard):
    await people["ann"].execute("UPDATE world SET name = 'Daybreak' WHERE id = $1", people.world)
    expected = ("world", {people.world}, False)
    assert await told(people, await heard.get(), None) == dict.fromkeys(READERS, expected)
    await people["bob"].execute("UPDATE thing SET kind = 'sword'")
    assert await told(people, await heard.get(), None) == {}


async def test_a_notification_names_no_world_and_no_record(people, heard):
    world = await people["ann"].fetchval("INSERT INTO world (name) VALUES ('Dusk') RETURNING id")
    said = await heard.get()
    changeset = await people["ann"].fetchval(
        "SELECT DISTINCT changesetid FROM history.change WHERE worldid = $1", world
    )
    assert said.split()[0] == str(changeset)
    assert said.split()[1].isdigit()
    assert len(said.split()) == 2


@pytest.mark.parametrize("name", ["ann", "eve", "ada"])
async def test_only_the_server_may_ask_what_others_are_told(people, name):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await people[name].fetch(
            "SELECT * FROM auth.news(ARRAY[]::uuid[], ARRAY[]::bigint[], ARRAY[$1::uuid], "
            "ARRAY[$2::uuid])",
            people.ids["ann"],
            people.world,
        )


async def test_what_is_forged_tells_nobody_what_they_may_not_read(people, heard):
    await people["bob"].execute("UPDATE thing SET kind = 'sword'")
    known = (await heard.get()).split()[0]
    await people["eve"].execute(f"NOTIFY workbench_changed, '{known} 0'")
    assert set(await told(people, await heard.get(), people.world)) == READERS
    unknown = "00000000-0000-0000-0000-000000000000 0"
    assert await told(people, unknown, people.world) == {}


async def test_a_forged_number_that_lies_far_back_is_not_looked_for_but_told_as_anything(
    people, heard
):
    await people["bob"].execute("UPDATE thing SET kind = 'sword'")
    known = (await heard.get()).split()[0]
    async with people.owner.writing() as connection:
        await connection.exec_driver_sql(
            "SELECT setval('history.change_id_seq', last_value + 20000) FROM history.change_id_seq"
        )
    anything = dict.fromkeys(READERS, (None, None, True))
    assert await told(people, f"{known} 0", people.world) == anything
    assert (await told(people, f"{known} 0", None))["bob"] == ("world", None, True)
    assert await told(people, f"{uuid4()} 0", people.world) == {}
    thing = people.rows["thing"]
    await people["bob"].execute("UPDATE thing SET kind = 'shield' WHERE id = $1", thing)
    expected = dict.fromkeys(READERS, ("thing", {thing}, False))
    assert await told(people, await heard.get(), people.world) == expected


async def test_however_much_is_heard_each_world_is_looked_through_once(people, heard):
    add = "INSERT INTO thing (worldid, name) SELECT $1, 'x' || n FROM generate_series(1, 50) n"
    await people["ann"].execute(add, people.world)
    known, start = (await heard.get()).split()
    said = [Heard(UUID(known), int(start) - n) for n in range(200)]
    async with people.owner.transaction():
        found = await news(people.owner, said, [Watch(people.ids["vera"], people.world)])
        async with people.owner.reading() as connection:
            read = await connection.scalar(
                text(
                    "SELECT pg_stat_get_xact_tuples_fetched(c)"
                    " + pg_stat_get_xact_tuples_returned(c)"
                    " FROM CAST('history.change' AS regclass) AS c"
                )
            )
    assert [(one.entity, len(one.records)) for one in found] == [("thing", 50)]
    assert read < 1000


async def test_a_connection_that_breaks_while_it_begins_to_listen_is_opened_again(
    people, monkeypatch
):
    monkeypatch.setattr("workbench.database.news._AGAIN_SECONDS", 0)
    connect, said = people.owner.connect, asyncio.Queue()

    class Broken:
        def add_termination_listener(self, listener): ...

        async def add_listener(self, channel, listener):
            raise asyncpg.InternalClientError("got result for unknown protocol state 3")

        def terminate(self): ...

    opened = []

    async def broken_at_first():
        opened.append(1)
        return Broken() if len(opened) == 1 else await connect()

    monkeypatch.setattr(people.owner, "connect", broken_at_first)
    listening = asyncio.create_task(
        listen(people.owner, said.put_nowait, lambda: said.put_nowait("missed"))
    )
    try:
        missed = asyncio.create_task(said.get())
        await asyncio.wait({missed, listening}, return_when=asyncio.FIRST_COMPLETED)
        assert not listening.done()
        assert await missed == "missed"
    finally:
        missed.cancel()
        listening.cancel()


@pytest.mark.parametrize("said", ["", "x", "1 2", "'; DROP TABLE world --", "g" * 36 + " 1"])
async def test_what_is_no_notification_of_ours_is_heard_by_nobody(said):
    assert Heard.parse(said) is None


async def test_more_than_a_page_could_take_in_is_told_as_many_and_much_more_as_anything(
    people, heard
):
    add = (
        "INSERT INTO thing (worldid, name) SELECT $1, 'x' || n FROM generate_series($2::int, $3) n"
    )
    await people["ann"].execute(add, people.world, 1, 101)
    assert (await told(people, await heard.get(), people.world))["vera"] == ("thing", None, True)
    await people["ann"].execute(add, people.world, 1001, 2001)
    found = await news(
        people.owner, [Heard.parse(await heard.get())], [Watch(people.ids["vera"], people.world)]
    )
    assert (None, None, True) in {(one.entity, one.records, one.came) for one in found}


async def test_a_transaction_notifies_once_and_one_that_fails_not_at_all(people, heard):
    ann = people["ann"]
    async with ann.transaction():
        await ann.execute("UPDATE thing SET kind = 'a'")
        await ann.execute("UPDATE persona SET kind = 'a'")
    undone = ann.transaction()
    await undone.start()
    await ann.execute("UPDATE thing SET kind = 'b'")
    await undone.rollback()
    await ann.execute("UPDATE thing SET kind = 'c'")
    first, second = [await heard.get() for _ in range(2)]
    assert heard.empty()
    found = await news(people.owner, [Heard.parse(first)], [Watch(people.ids["ann"], people.world)])
    assert {one.entity for one in found} == {"thing", "persona"}
    assert (await told(people, second, people.world))["ann"][0] == "thing"


async def test_a_connection_that_ends_is_opened_again_and_says_that_something_was_missed(people):
    said: asyncio.Queue[str | Heard] = asyncio.Queue()
    listening = asyncio.create_task(
        listen(people.owner, said.put_nowait, lambda: said.put_nowait("missed"))
    )
    try:
        assert await said.get() == "missed"
        await people["ann"].execute("UPDATE thing SET kind = 'a'")
        assert isinstance(await said.get(), Heard)
        async with people.owner.reading() as connection:
            await connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' "
                "AND usename = current_user AND datname = current_database()"
            )
        assert await said.get() == "missed"
        await people["ann"].execute("UPDATE thing SET kind = 'b'")
        assert isinstance(await said.get(), Heard)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
