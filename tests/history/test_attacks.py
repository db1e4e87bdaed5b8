"""What others find out, or change, through the past, the history and undo."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.errors import NotAllowed, NotFound
from workbench.workspace import Workspace

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks"))
from people import IN_WORLD, LINKS, NAMES, signed_in
from test_catalogue import OFF, _counts

Refused = asyncpg.InsufficientPrivilegeError
VIEWS = ("world", *IN_WORLD, *LINKS, "world_member")
READERS = ("ann", "max", "bob", "vera", "ivo")


@pytest.fixture
async def people(database_url):
    async with signed_in(database_url) as everybody:
        yield everybody


@pytest.fixture
async def spaces(people):
    """A workspace of each."""
    made = {}
    for name, login in people.logins.items():
        address = Address.parse(people.url).signed_in(login.role, login.password)
        made[name] = Workspace(Database(address, userid=people.ids[name], source="tests"))
    yield made
    for workspace in made.values():
        await workspace.close()


@pytest.mark.parametrize("name", NAMES)
async def test_the_past_of_a_world_is_read_by_its_readers_of_now(people, name):
    await people["ann"].execute("UPDATE scene SET display_name = 'changed'")
    for table in (*IN_WORLD, *LINKS):
        if table not in LINKS and table not in ("story", "act"):
            await people["ann"].execute(f"UPDATE {table} SET deleted_at = now()")
            await people["ann"].fetch(f"SELECT rules.purge('{table}', id) FROM {table}")
    for moment in ("2020-01-01", datetime.now(UTC).isoformat()):
        await people[name].execute(f"SET workbench.moment = '{moment}'")
        for view in VIEWS:
            rows = await people[name].fetch(f"SELECT * FROM past.{view}")
            assert not rows or name in READERS, view
    begun = await people["ann"].fetchval(
        "SELECT min(changed_at) FROM history.entry WHERE entity = 'scene_persona' AND operation = 'insert'"
    )
    await people[name].execute(f"SET workbench.moment = '{begun.isoformat()}'")
    found = await people[name].fetchval("SELECT count(*) FROM past.scene")
    assert found == (name in READERS)


async def test_whoever_was_removed_reads_the_past_no_more(people, spaces):
    moment = datetime.now(UTC)
    assert await spaces["vera"].as_of(moment).scenes.count() == 1
    await people["ann"].fetchval("SELECT rules.unshare($1, 'vera@example.org')", people.world)
    past = spaces["vera"].as_of(moment)
    assert await past.scenes.count() == await past.world_members.count() == 0
    assert len(await past.scenes.frame()) == len(await spaces["vera"].changes()) == 0
    assert len(await spaces["vera"].history(people.rows["scene"])) == 0
    with pytest.raises(NotFound):
        await past.scenes.get(people.rows["scene"])


async def test_members_of_a_public_world_are_told_to_members_alone(people, spaces):
    await people["ann"].execute("UPDATE world SET is_public = true")
    for name, expected in (("eve", 0), ("vera", 4)):
        for source in ("history.change", "history.entry"):
            assert expected == await people[name].fetchval(
                f"SELECT count(*) FROM {source} WHERE entity = 'world_member'"
            )
        assert expected == len(await spaces[name].changes(entity="world_member"))
    assert len(await spaces["eve"].changes(entity="scene")) == 1


async def test_who_is_hidden_from_a_reader_is_somebody_and_no_login(people, spaces):
    eve, world = spaces["eve"], people.rows["world"]
    await people["ann"].execute("UPDATE world SET is_public = true")
    await people["ann"].execute("UPDATE persona SET deleted_at = clock_timestamp()")
    for told in (
        await eve.changes(world=world, entity="persona"),
        await eve.history(people.rows["scene"]),
        await eve.changesets(world=world),
        await eve.trash(world),
    ):
        assert len(told)
        assert set(told["by"]) == {"somebody"}
    assert "somebody" not in set((await spaces["vera"].changes(entity="persona"))["by"])


@pytest.mark.parametrize("name", NAMES)
async def test_undo_is_for_those_who_may_change_the_world(people, spaces, name):
    await people["ann"].execute("SET workbench.reason = 'a plan'")
    await people["ann"].execute("UPDATE scene SET display_name = 'planned'")
    done = await people["ann"].fetchval(
        "SELECT changesetid FROM history.entry ORDER BY id DESC LIMIT 1"
    )
    undoing = spaces[name].undo(done)
    if name in ("ann", "max", "bob"):
        assert dict((await undoing).changed) == {"scene": 1}
        return
    with pytest.raises(NotAllowed if name in READERS else NotFound) as refused:
        await undoing
    assert "a plan" not in str(refused.value)
    assert await people["ann"].fetchval("SELECT display_name FROM scene") == "planned"


async def test_undoing_a_purge_a_trashed_world_or_a_membership_takes_a_manager(people, spaces):
    ann = people["ann"]

    async def done() -> object:
        return await ann.fetchval("SELECT changesetid FROM history.entry ORDER BY id DESC LIMIT 1")

    await ann.execute("UPDATE thing SET deleted_at = now()")
    await ann.fetch("SELECT rules.purge('thing', id) FROM thing")
    purge = await done()
    with pytest.raises(NotAllowed, match=r"a manager's rights\. Nothing was undone\. Ask ann@exam"):
        await spaces["bob"].undo(purge)
    assert await people["bob"].fetchval("SELECT history.revive($1, 'thing')", purge) == 0
    for name in ("vera", "eve"):
        await people[name].fetchval("SELECT history.revive($1, 'thing')", purge)
    assert await ann.fetchval("SELECT count(*) FROM thing") == 0
    for entity in ("user", "world", "alembic_version", "world_member"):
        with pytest.raises(Refused):
            await ann.fetchval("SELECT history.revive($1, $2)", purge, entity)
    await ann.execute("UPDATE world_member SET role = 'editor' WHERE role = 'viewer'")
    promoted = await done()
    with pytest.raises(NotAllowed, match="changed members, or purged something"):
        await spaces["bob"].undo(promoted)
    await spaces["max"].undo(promoted)
    await ann.execute("UPDATE world_member SET role = 'viewer' WHERE role = 'editor'")
    demoted = await done()
    await spaces["bob"].database.close()
    with pytest.raises(NotAllowed):
        await spaces["bob"].undo(demoted)
    assert await ann.fetchval("SELECT count(*) FROM world_member WHERE role = 'editor'") == 0
    assert dict((await spaces["max"].undo(purge)).returned) == {"thing": 1, "scene_thing": 1}
    await ann.execute("UPDATE world SET deleted_at = now()")
    trashed = await done()
    with pytest.raises(NotAllowed):
        await spaces["bob"].undo(trashed)
    await spaces["max"].undo(trashed)
    assert await ann.fetchval("SELECT count(*) FROM world WHERE deleted_at IS NULL") == 1


async def test_a_changeset_of_two_worlds_is_not_undone_by_half(people, spaces):
    eve = await spaces["eve"].worlds.add(name="Trap")
    await spaces["eve"].share(eve, "bob@example.org", role="editor")
    await people["ann"].execute("UPDATE world_member SET role = 'viewer' WHERE role = 'editor'")
    await people["ann"].execute(
        "UPDATE world_member SET role = 'editor' WHERE userid = $1", people.ids["bob"]
    )
    async with people["bob"].transaction():
        await people["bob"].execute("UPDATE scene SET display_name = 'both'")
        await people["bob"].execute("INSERT INTO book (worldid, name) VALUES ($1, 'both')", eve.id)
    done = await people["bob"].fetchval(
        "SELECT changesetid FROM history.entry ORDER BY id DESC LIMIT 1"
    )
    await people["ann"].execute(
        "UPDATE world_member SET role = 'viewer' WHERE userid = $1", people.ids["bob"]
    )
    with pytest.raises(NotAllowed, match="Nothing was undone"):
        await spaces["bob"].undo(done)
    assert await spaces["eve"].books.count() == 1


@pytest.mark.parametrize("name", ["ann", "bob", "vera"])
async def test_history_is_not_forgotten_by_users(people, name):
    for statement in (
        "SELECT history.forget(now())",
        "SELECT history.look_back()",
        "SET workbench.forgetting = 'on'; DELETE FROM history.change",
        "INSERT INTO history.forgotten (before, changes) VALUES (now(), 1)",
        "DELETE FROM past.scene",
        "CREATE VIEW past.mine AS SELECT 1",
        "DROP VIEW past.scene",
    ):
        with pytest.raises(asyncpg.PostgresError) as refused:
            await people[name].execute(statement)
        assert refused.value.sqlstate in ("42501", "55000"), statement


async def test_times_are_not_forged_by_settings(people):
    ann = people["ann"]
    await ann.execute("SET workbench.reviving = 'on'; SET workbench.together = 'on'")
    with pytest.raises(Refused):
        await ann.execute(
            "INSERT INTO book (worldid, name, deleted_at) VALUES ($1, 'x', '2000-01-01')",
            people.world,
        )
    before = datetime.now(UTC)
    await ann.execute("UPDATE book SET deleted_at = '2000-01-01'")
    assert await ann.fetchval("SELECT max(deleted_at) FROM book") >= before.replace(microsecond=0)


TEXTS = {
    **dict.fromkeys(("world", *IN_WORLD), "name"),
    "persona_relation": "kind",
}


@pytest.mark.parametrize("view", TEXTS)
@pytest.mark.parametrize("moment", ["", "then"])
async def test_explain_does_not_tell_what_a_hidden_text_was(people, sql, view, moment):
    """As `tests/attacks/test_catalogue.py`, of the past: stored rows, changed ones, purged ones."""
    column, eve, ann = TEXTS[view], people["eve"], people["ann"]
    hidden = await sql.fetchval(f"SELECT max({column}) FROM {view}")
    then = await sql.fetchval("SELECT clock_timestamp()")
    if view != "persona_relation":
        await ann.execute(f"UPDATE {view} SET name = 'zzz' || id, description = 'later'")
        if view != "world":
            await ann.execute(f"UPDATE {view} SET deleted_at = now()")
            await ann.fetch(f"SELECT rules.purge('{view}', id) FROM {view}")
    elif moment:
        await ann.fetch(
            "SELECT rules.unlink_persona_relation(worldid, personaid, otherid, kind) FROM persona_relation"
        )
    await eve.execute(
        f"SET workbench.moment = '{then.isoformat() if moment == 'then' else moment}'"
    )
    world = f" AND {'id' if view == 'world' else 'worldid'} = '{people.world}'"
    for off in OFF:
        for one in off.split():
            await eve.execute(f"SET enable_{one} = off")
        for also in ("", world):
            for test in (
                "{column} < '{bound}'",
                "{column} = '{bound}'",
                "{column} ILIKE '{bound}%'",
            ):
                told = []
                for bound in (hidden[:-1], hidden, hidden + "z"):
                    plan = await eve.fetchval(
                        f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1 FROM past.{view} WHERE "
                        f"{test.format(column=column, bound=bound)}{also}"
                    )
                    told.append(sorted(_counts(json.loads(plan))))
                assert told[0] == told[1] == told[2], (off, test, also)
        for one in off.split():
            await eve.execute(f"RESET enable_{one}")


async def test_an_undo_says_how_much_of_one_s_own_changeset_it_could_not_reach(people, spaces):
    async with spaces["bob"].transaction(reason="both worlds"):
        own = await spaces["bob"].worlds.add(name="Mine")
        await spaces["bob"].personas.add(name="ONE", worldid=own.id)
        two = await spaces["bob"].personas.add(name="TWO", worldid=people.world)
        await spaces["bob"].personas.update(two, description="twice")
    changeset = (await spaces["bob"].changes(world=own.id))["changeset"].iloc[0]
    everything = await spaces["bob"].undo(changeset, dry_run=True)
    assert (everything.hidden, everything.removed["persona"]) == (0, 2)
    assert "no longer read" not in str(everything)
    await people["ann"].fetchval("SELECT rules.unshare($1, 'bob@example.org')", people.world)
    assert (await spaces["bob"].undo(changeset, dry_run=True)).hidden == 1
    report = await spaces["bob"].undo(changeset)
    assert (report.hidden, report.removed) == (1, {"persona": 1, "world": 1})
    assert "1 row lies in worlds that you may no longer read, and stays." in str(report)
    assert (await spaces["ann"].personas.get(two.id)).deleted_at is None
    # Of another's changeset nobody is told what lies beyond the worlds that they read.
    assert await people["ann"].fetchval("SELECT history.hidden($1)", changeset) == 0
    assert await people["eve"].fetchval("SELECT history.hidden($1)", changeset) == 0
    assert (await spaces["ann"].undo(changeset, dry_run=True)).hidden == 0
