"""Whose rows a login reads and writes, in every table, with plain SQL."""

from __future__ import annotations

import asyncpg
import pytest
from people import IN_WORLD, LINKS, NAMES

READERS = ("ann", "max", "bob", "vera", "ivo")
WRITERS = ("ann", "max", "bob")
STRANGERS = ("eve", "ada")
Refused = asyncpg.InsufficientPrivilegeError


def new_row(people, table: str) -> tuple[str, list[object]]:
    """Return columns and values of one more row of a table in Ann's world."""
    parent = {"act": "story", "scene": "act"}.get(table)
    if parent:
        return f"worldid, name, {parent}id", [people.world, "new", people.rows[parent]]
    return "worldid, name", [people.world, "new"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_world_is_read_by_its_members_alone(people, name):
    expected = name in READERS
    async with people["max"].transaction():
        await people["max"].execute("UPDATE scene SET text = 'new'")
        await people["max"].execute(
            "SELECT history.note_rows($1, 'scene', 'scenes.csv', ARRAY[max(id)], '{1}', '{7}') "
            "FROM history.change",
            people.world,
        )
    files = await people[name].fetch("SELECT file FROM history.origin")
    assert (len(files) > 0) is expected
    for table in ("world", *IN_WORLD, *LINKS):
        rows = await people[name].fetch(f"SELECT * FROM {table}")
        assert (len(rows) > 0) is expected, table
    changes = await people[name].fetch("SELECT * FROM history.entry")
    assert (len(changes) > 0) is expected
    members = await people[name].fetch("SELECT * FROM world_member")
    assert (len(members) > 0) is expected


async def test_a_public_world_is_read_by_all_and_written_by_its_editors(people):
    await people["max"].execute("UPDATE world SET is_public = true")
    for name in NAMES:
        assert await people[name].fetchval("SELECT count(*) FROM scene") == 1
        assert await people[name].fetchval("SELECT count(*) FROM world_member") == (
            4 if name in READERS else 0
        )
    assert await people["eve"].execute("UPDATE scene SET name = 'mine'") == "UPDATE 0"
    with pytest.raises(Refused):
        await people["eve"].execute(
            "INSERT INTO book (worldid, name) VALUES ($1, 'mine')", people.world
        )


@pytest.mark.parametrize("table", IN_WORLD)
@pytest.mark.parametrize("name", NAMES)
async def test_rows_are_added_and_changed_by_editors_of_the_world_alone(people, name, table):
    columns, values = new_row(people, table)
    holes = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    adding = people[name].execute(f"INSERT INTO {table} ({columns}) VALUES ({holes})", *values)
    if name in WRITERS:
        await adding
        assert (
            await people[name].execute(
                f"UPDATE {table} SET display_name = 'changed' WHERE name = 'one {table}'"
            )
            == "UPDATE 1"
        )
        assert (
            await people[name].execute(f"UPDATE {table} SET deleted_at = now() WHERE name = 'new'")
            == "UPDATE 1"
        )
        return
    with pytest.raises(Refused):
        await adding
    if name == "ivo":  # an editor of the world, but a viewer of the installation
        with pytest.raises(Refused):
            await people[name].execute(f"UPDATE {table} SET display_name = 'changed'")
    else:
        assert (
            await people[name].execute(f"UPDATE {table} SET display_name = 'changed'") == "UPDATE 0"
        )
    unchanged = await people["ann"].fetchval(
        f"SELECT count(*) FROM {table} WHERE display_name IS NULL AND version = 1"
    )
    assert unchanged == await people["ann"].fetchval(f"SELECT count(*) FROM {table}")


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("name", NAMES)
async def test_links_are_changed_and_removed_by_editors_of_the_world_alone(people, name, link):
    row = await people["ann"].fetchrow(f"SELECT * FROM {link}")
    keys = {
        "scene_persona": ("worldid", "sceneid", "personaid"),
        "scene_thing": ("worldid", "sceneid", "thingid"),
        "persona_relation": ("worldid", "personaid", "otherid", "kind"),
    }[link]
    holes = ", ".join(f"${n}" for n in range(1, len(keys) + 1))
    removing = people[name].fetchval(
        f"SELECT rules.unlink_{link}({holes})", *(row[k] for k in keys)
    )
    if name in WRITERS:
        assert await removing is True
    elif name in STRANGERS:
        assert await removing is False
    else:
        with pytest.raises(Refused):
            await removing
    left = await people["ann"].fetchval(f"SELECT count(*) FROM {link}")
    assert left == (0 if name in WRITERS else 1)


@pytest.mark.parametrize("name", NAMES)
async def test_a_world_is_trashed_published_and_purged_by_its_managers_alone(people, name):
    session, manager = people[name], name in ("ann", "max")
    for change in ("is_public = true", "deleted_at = now()"):
        if manager:
            assert await session.execute(f"UPDATE world SET {change}") == "UPDATE 1"
        elif name in (*STRANGERS, "vera"):
            assert await session.execute(f"UPDATE world SET {change}") == "UPDATE 0"
        else:
            with pytest.raises(Refused):
                await session.execute(f"UPDATE world SET {change}")
    if manager:
        assert await session.fetchval("SELECT rules.purge('world', $1)", people.world)
        return
    await people["ann"].execute("UPDATE world SET deleted_at = now()")
    if name in STRANGERS:
        assert not await session.fetchval("SELECT rules.purge('world', $1)", people.world)
    else:
        with pytest.raises(Refused):
            await session.fetchval("SELECT rules.purge('world', $1)", people.world)
    assert await people["ann"].fetchval("SELECT count(*) FROM scene") == 1


@pytest.mark.parametrize("name", NAMES)
async def test_members_are_made_by_managers_alone(people, name):
    session = people[name]
    adding = session.execute(
        "INSERT INTO world_member (worldid, userid, role) VALUES ($1, $2, 'editor')",
        people.world,
        people.ids["eve"],
    )
    if name in ("ann", "max"):
        await adding
        assert (
            await session.execute(
                "UPDATE world_member SET role = 'viewer' WHERE userid = $1", people.ids["eve"]
            )
            == "UPDATE 1"
        )
        assert await session.fetchval(
            "SELECT rules.unlink_world_member($1, $2)", people.world, people.ids["eve"]
        )
        return
    with pytest.raises(Refused):
        await adding
    if name != "ivo":
        assert await session.execute("UPDATE world_member SET role = 'manager'") == "UPDATE 0"
    roles = await people["ann"].fetch("SELECT role FROM world_member ORDER BY role")
    assert [row["role"] for row in roles] == ["viewer", "editor", "editor", "manager"]


@pytest.mark.parametrize("table", ["world", *IN_WORLD])
@pytest.mark.parametrize("column", ["id", "ownerid", "version", "created_at", "updated_at"])
async def test_what_is_the_databases_is_not_forged(people, table, column):
    value = {"version": "7", "id": "rules.new_id()", "ownerid": f"'{people.ids['eve']}'"}.get(
        column, "now()"
    )
    with pytest.raises(Refused):
        await people["bob"].execute(f"UPDATE {table} SET {column} = {value}")


@pytest.mark.parametrize("table", IN_WORLD)
async def test_rows_are_not_moved_to_another_world_nor_made_for_another_owner(people, table):
    with pytest.raises(Refused):
        await people["bob"].execute(f"UPDATE {table} SET worldid = rules.new_id()")
    columns, values = new_row(people, table)
    holes = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    with pytest.raises(Refused):
        await people["bob"].execute(
            f"INSERT INTO {table} ({columns}, ownerid) VALUES ({holes}, ${len(values) + 1})",
            *values,
            people.ids["ann"],
        )


async def test_a_world_is_not_made_for_another_owner(people):
    with pytest.raises(Refused):
        await people["eve"].execute(
            "INSERT INTO world (name, ownerid) VALUES ('Trap', $1)", people.ids["ann"]
        )


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM scene",
        "TRUNCATE scene",
        "DELETE FROM scene_persona",
        "LOCK TABLE scene IN EXCLUSIVE MODE",
        "LOCK TABLE scene IN ACCESS EXCLUSIVE MODE",
        "ALTER TABLE scene DISABLE TRIGGER ALL",
        "ALTER TABLE scene DISABLE ROW LEVEL SECURITY",
        "DROP TABLE scene",
        "CREATE POLICY all_mine ON scene USING (true)",
        "CREATE TRIGGER spy AFTER INSERT ON scene EXECUTE FUNCTION history.log_scene()",
        "SET session_replication_role = replica",
    ],
)
async def test_tables_are_not_emptied_locked_or_altered(people, statement):
    async with people["ann"].transaction():
        with pytest.raises((Refused, asyncpg.PostgresError)) as refused:
            async with people["ann"].transaction():
                await people["ann"].execute(statement)
    assert refused.value.sqlstate in ("42501", "42939")


@pytest.mark.parametrize("name", ["vera", "bob", "ann"])
async def test_history_is_only_added_to_by_the_database(people, name):
    session = people[name]
    for statement in (
        "DELETE FROM history.change",
        "UPDATE history.change SET operation = 'update'",
        "INSERT INTO history.changeset (reason) VALUES ('forged')",
        "INSERT INTO history.change (changesetid, entity, operation, version)"
        " VALUES (rules.new_id(), 'scene', 'insert', 1)",
        "TRUNCATE history.change",
        "SELECT history.current_changeset()",
    ):
        with pytest.raises(Refused):
            await session.execute(statement)


async def test_the_author_of_a_change_is_who_holds_the_login(people):
    bob = people["bob"]
    await bob.execute("SELECT set_config('workbench.userid', $1, false)", str(people.ids["ann"]))
    await bob.execute("UPDATE scene SET display_name = 'whose?'")
    author = await bob.fetchval("SELECT userid FROM history.entry ORDER BY id DESC LIMIT 1")
    assert author == people.ids["bob"]
    with pytest.raises(Refused):
        await bob.execute(f"SET SESSION AUTHORIZATION {people.logins['ann'].role}")


async def test_a_world_is_shared_by_its_managers_without_telling_who_is_here(people):
    share = "SELECT rules.share($1, $2, 'editor')"
    for name in ("bob", "vera", "eve"):
        with pytest.raises(Refused):
            await people[name].execute(share, people.world, "eve@example.org")
    for mail in ("EVE@example.org", "nobody@example.org"):
        assert await people["max"].fetchval(share, people.world, mail) is None
    assert await people["eve"].execute("UPDATE scene SET display_name = 'hers'") == "UPDATE 1"
    await people["max"].execute(share, people.world, "vera@example.org")
    assert await people["vera"].execute("UPDATE scene SET display_name = 'hers'") == "UPDATE 1"
