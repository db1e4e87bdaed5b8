"""Each rule of the data model, broken with plain SQL, and seen to hold."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from workbench.entities import ENTITIES, LINKS, STORED

WORLD_ENTITIES = [name for name, entity in ENTITIES.items() if entity.in_world]
NAMED = [name for name in ENTITIES if name != "user"]


class World:
    """A world made with plain SQL, with one row of every kind."""

    def __init__(self, sql: asyncpg.Connection, name: str) -> None:
        self.sql, self.name = sql, name
        self.ids: dict[str, object] = {}

    async def make(self) -> World:
        add = self.add
        await add("world", name=self.name)
        world = self.ids["world"]
        for entity in ("image", "book", "story", "location", "persona", "thing"):
            await add(entity, name=f"one {entity}", worldid=world)
        await add("act", name="one act", storyid=self.ids["story"])
        await add("scene", name="one scene", actid=self.ids["act"])
        return self

    async def add(self, table: str, **values: object):
        columns = ", ".join(values)
        holes = ", ".join(f"${n}" for n in range(1, len(values) + 1))
        made = await self.sql.fetchval(
            f'INSERT INTO "{table}" ({columns}) VALUES ({holes}) RETURNING id', *values.values()
        )
        self.ids.setdefault(table, made)
        return made

    def sibling(self, table: str) -> dict[str, object]:
        """What a second row of `table` needs beside its name."""
        if table == "world":
            return {}
        parent = {"act": "story", "scene": "act"}.get(table, "world")
        return {f"{parent}id": self.ids[parent]}

    async def live(self, table: str) -> int:
        column = "id" if table == "world" else "worldid"
        return await self.sql.fetchval(
            f"SELECT count(*) FROM {table} WHERE {column} = $1 AND deleted_at IS NULL",
            self.ids["world"],
        )


@pytest.fixture
async def one(sql):
    return await World(sql, "One").make()


@pytest.fixture
async def two(sql):
    return await World(sql, "Two").make()


def refused(constraint: str, *errors: type[Exception]):
    kinds = errors or (asyncpg.IntegrityConstraintViolationError,)
    return _Refused(constraint, kinds)


class _Refused:
    def __init__(self, constraint, kinds):
        self.constraint, self.caught = constraint, pytest.raises(kinds)

    def __enter__(self):
        self.info = self.caught.__enter__()

    def __exit__(self, *error):
        done = self.caught.__exit__(*error)
        assert self.info.value.constraint_name == self.constraint
        return done


@pytest.mark.parametrize("table", ENTITIES)
async def test_ids_times_and_version_are_the_servers(sql, one, table):
    when = "2001-01-01T00:00:00Z"
    values = {"email": "x@y"} if table == "user" else {"name": "forged", **one.sibling(table)}
    columns, holes = ", ".join(values), ", ".join(f"${n + 1}" for n in range(len(values)))
    row = await sql.fetchrow(
        f'INSERT INTO "{table}" ({columns}, version, created_at, updated_at)'
        f" VALUES ({holes}, 77, '{when}', '{when}') RETURNING *",
        *values.values(),
    )
    assert row["id"] is not None
    assert row["version"] == 1
    assert row["created_at"].year > 2001
    assert row["updated_at"] == row["created_at"]


@pytest.mark.parametrize("table", LINKS)
def test_every_link_has_the_stamps(table):
    assert {"created_at", "updated_at", "version", "attributes"} <= set(
        LINKS[table].table.columns.keys()
    )


async def test_ids_are_ordered_by_time(sql):
    ids = await sql.fetch("SELECT rules.new_id() AS id FROM generate_series(1, 100)")
    await asyncio.to_thread(lambda: None)
    later = await sql.fetchval("SELECT rules.new_id()")
    assert all(row["id"].version == 7 for row in ids)
    assert max(row["id"].bytes[:6] for row in ids) <= later.bytes[:6]
    assert len({row["id"] for row in ids}) == 100


@pytest.mark.parametrize("table", NAMED)
async def test_every_change_adds_one_to_the_version_and_moves_updated_at(sql, one, table):
    before = await sql.fetchrow(f"SELECT * FROM {table} WHERE id = $1", one.ids[table])
    after = await sql.fetchrow(
        f"UPDATE {table} SET description = 'new', version = 99, created_at = now(),"
        f" updated_at = '2001-01-01' WHERE id = $1 RETURNING *",
        one.ids[table],
    )
    assert after["version"] == before["version"] + 1
    assert after["updated_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]


async def test_an_update_that_changes_nothing_is_no_change(sql, one):
    row = await sql.fetchrow(
        "UPDATE persona SET name = name, version = 5 WHERE id = $1 RETURNING *",
        one.ids["persona"],
    )
    assert row["version"] == 1
    assert await sql.fetchval("SELECT count(*) FROM history.change WHERE operation = 'update'") == 0


@pytest.mark.parametrize("table", WORLD_ENTITIES)
async def test_a_row_keeps_its_id_and_its_world(sql, one, two, table):
    with refused(f"fixed_{table}_worldid"):
        await sql.execute(
            f"UPDATE {table} SET worldid = $1 WHERE id = $2", two.ids["world"], one.ids[table]
        )
    with refused(f"fixed_{table}_id"):
        await sql.execute(
            f"UPDATE {table} SET id = gen_random_uuid() WHERE id = $1", one.ids[table]
        )


@pytest.mark.parametrize("table", NAMED)
@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "\t",
        "a\nb",
        "a\x7fb",
        "a\x85b",
        "\u00a0",
        "\u2003\u3000",
        " lead",
        "trail ",
        "e\u0301",
    ],
)
async def test_a_name_is_one_composed_line_that_shows(one, table, name):
    with refused(f"ck_{table}_name"):
        await one.add(table, name=name, **one.sibling(table))


@pytest.mark.parametrize("table", NAMED)
async def test_a_name_has_at_most_255_characters_and_no_nul(one, table):
    await one.add(table, name="ü" * 255, **one.sibling(table))
    with pytest.raises(asyncpg.StringDataRightTruncationError):
        await one.add(table, name="ü" * 256, **one.sibling(table))
    with pytest.raises(asyncpg.CharacterNotInRepertoireError):
        await one.add(table, name="a\x00b", **one.sibling(table))
    with pytest.raises(asyncpg.NotNullViolationError):
        await one.add(table, name=None, **one.sibling(table))


@pytest.mark.parametrize("table", NAMED)
async def test_names_are_unique_under_their_parent_among_live_rows(sql, one, table):
    await one.add(table, name="Twice", **one.sibling(table))
    with refused(f"uq_{table}_name", asyncpg.UniqueViolationError):
        await one.add(table, name="Twice", **one.sibling(table))
    await sql.execute(f"UPDATE {table} SET deleted_at = now() WHERE name = 'Twice'")
    again = await one.add(table, name="Twice", **one.sibling(table))
    await sql.execute(f"UPDATE {table} SET deleted_at = now() WHERE id = $1", again)
    await one.add(table, name="Twice", **one.sibling(table))
    with refused(f"uq_{table}_name", asyncpg.UniqueViolationError):
        await sql.execute(f"UPDATE {table} SET deleted_at = NULL WHERE id = $1", again)


@pytest.mark.parametrize("table", WORLD_ENTITIES)
async def test_the_same_name_is_free_under_another_parent(one, two, table):
    for world in (one, two):
        await world.add(table, name="Same", **world.sibling(table))


async def test_the_same_e_mail_in_other_letters_is_taken(sql):
    await sql.execute("""INSERT INTO "user" (email) VALUES ('a@b.org')""")
    with refused("uq_user_email", asyncpg.UniqueViolationError):
        await sql.execute("""INSERT INTO "user" (email) VALUES ('A@B.ORG')""")
    for email in ("", "nobody", "two@@x y", "a b@c"):
        with refused("ck_user_email"):
            await sql.execute("""INSERT INTO "user" (email) VALUES ($1)""", email)


def references():
    for stored in STORED.values():
        for column, target in stored.references.items():
            if target not in ("world", "user"):
                yield stored.name, column, target


@pytest.mark.parametrize(("table", "column", "target"), list(references()))
async def test_a_reference_stays_in_its_world(sql, one, two, table, column, target):
    """Every reference between things of a world is refused when it points into another."""
    foreign = two.ids[target]
    with refused(f"fk_{table}_{column}", asyncpg.ForeignKeyViolationError):
        if table in LINKS:
            values = {c: one.ids[t] for c, t in LINKS[table].references.items() if c != column} | {
                column: foreign
            }
            if table == "persona_relation":
                values["kind"] = "friend"
            columns = ", ".join(values)
            holes = ", ".join(f"${n + 1}" for n in range(len(values)))
            await sql.execute(f"INSERT INTO {table} ({columns}) VALUES ({holes})", *values.values())
        else:
            await sql.execute(
                f"UPDATE {table} SET {column} = $1 WHERE id = $2", foreign, one.ids[table]
            )


async def test_the_parent_tells_the_world(sql, one):
    for table in ("act", "scene"):
        world = await sql.fetchval(f"SELECT worldid FROM {table} WHERE id = $1", one.ids[table])
        assert world == one.ids["world"]
    await sql.execute(
        "INSERT INTO scene_persona (sceneid, personaid) VALUES ($1, $2)",
        one.ids["scene"],
        one.ids["persona"],
    )
    assert await sql.fetchval("SELECT worldid FROM scene_persona") == one.ids["world"]
    with refused("fk_scene_actid", asyncpg.ForeignKeyViolationError):
        await sql.execute("INSERT INTO scene (name, actid) VALUES ('x', gen_random_uuid())")
    with pytest.raises(asyncpg.NotNullViolationError):
        await sql.execute("INSERT INTO scene (name) VALUES ('x')")


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("book", "position", [0, -1]),
        ("story", "position", [0]),
        ("act", "position", [0]),
        ("scene", "position", [0]),
        ("scene", "story_time", [float("nan"), float("inf"), float("-inf")]),
        ("location", "x", [-0.01, 1.01, float("nan")]),
        ("location", "y", [-0.01, 1.01]),
        ("persona", "kind", ["", " ", "a\nb"]),
        ("persona", "display_name", [""]),
        ("persona", "tags", [[""], [" a"], ["a\nb"], ["x" * 256], [None], [["a"], ["b"]]]),
        ("persona", "aliases", [[""]]),
        ("image", "width", [0]),
        ("image", "height", [0]),
        ("image", "byte_size", [-1]),
        ("image", "sha256", ["abc"]),
        ("image", "content", [b""]),
    ],
)
async def test_a_value_obeys_the_rule_of_its_column(sql, one, table, column, values):
    for value in values:
        with refused(f"ck_{table}_{column}"):
            await sql.execute(
                f"UPDATE {table} SET {column} = $1 WHERE id = $2", value, one.ids[table]
            )


@pytest.mark.parametrize("table", [*NAMED])
async def test_attributes_are_an_object(sql, one, table):
    for value in ("[]", "1", '"x"', "null"):
        with refused(f"ck_{table}_attributes"):
            await sql.execute(
                f"UPDATE {table} SET attributes = $1::text::jsonb WHERE id = $2",
                value,
                one.ids[table],
            )


async def test_a_picture_has_at_most_10_mebibytes_and_its_own_size_and_hash(sql, one):
    content = b"\x89PNG" + bytes(100)
    row = await sql.fetchrow(
        "UPDATE image SET content = $1, byte_size = 1, sha256 = $2 WHERE id = $3 RETURNING *",
        content,
        "0" * 64,
        one.ids["image"],
    )
    assert row["byte_size"] == 104
    assert row["sha256"] == await sql.fetchval("SELECT encode(sha256($1), 'hex')", content)
    with refused("ck_image_content"):
        await sql.execute("UPDATE image SET content = $1", bytes(10 * 1024 * 1024 + 1))


async def test_a_picture_that_is_gone_leaves_no_size_and_no_hash(sql, one):
    await sql.execute("UPDATE image SET content = $1", b"some bytes")
    row = await sql.fetchrow("UPDATE image SET content = NULL RETURNING byte_size, sha256")
    assert tuple(row) == (None, None)


async def test_a_location_does_not_lie_in_itself(sql, one):
    world = one.ids["world"]
    top = one.ids["location"]
    with refused("tree_location_parentid"):
        await sql.execute("UPDATE location SET parentid = id WHERE id = $1", top)
    inner = await one.add("location", name="inner", worldid=world, parentid=top)
    inmost = await one.add("location", name="inmost", worldid=world, parentid=inner)
    with refused("tree_location_parentid"):
        await sql.execute("UPDATE location SET parentid = $1 WHERE id = $2", inmost, top)
    with refused("tree_location_parentid"):
        await sql.execute(
            "INSERT INTO location (id, name, worldid, parentid) VALUES"
            " ('00000000-0000-7000-8000-000000000001', 'a', $1, '00000000-0000-7000-8000-000000000002'),"
            " ('00000000-0000-7000-8000-000000000002', 'b', $1, '00000000-0000-7000-8000-000000000001')",
            world,
        )


async def test_two_writers_cannot_close_a_loop_between_them(sql, database_url, one):
    a = one.ids["location"]
    b = await one.add("location", name="b", worldid=one.ids["world"])
    other = await asyncpg.connect(database_url)
    try:
        mine, theirs = sql.transaction(), other.transaction()
        await mine.start()
        await theirs.start()
        await sql.execute("UPDATE location SET parentid = $1 WHERE id = $2", b, a)
        clash = asyncio.ensure_future(
            other.execute("UPDATE location SET parentid = $1 WHERE id = $2", a, b)
        )
        await asyncio.wait([clash], timeout=0.2)
        assert not clash.done()  # it waits for its turn
        await mine.commit()
        with refused("tree_location_parentid"):
            await clash
        await theirs.rollback()
    finally:
        await other.close()


async def test_trashing_a_world_takes_everything_along_in_one_statement(sql, one, two):
    await sql.execute("UPDATE world SET deleted_at = now() WHERE id = $1", one.ids["world"])
    assert [await one.live(t) for t in ("world", *WORLD_ENTITIES)] == [0] * 9
    assert [await two.live(t) for t in ("world", *WORLD_ENTITIES)] == [1] * 9
    assert (
        await sql.fetchval(
            "SELECT count(DISTINCT changesetid) FROM history.change WHERE operation = 'trash'"
        )
        == 1
    )
    await sql.execute("UPDATE world SET deleted_at = NULL WHERE id = $1", one.ids["world"])
    assert [await one.live(t) for t in ("world", *WORLD_ENTITIES)] == [1] * 9


async def test_restoring_brings_back_the_same_set_and_no_more(sql, one):
    early = await one.add("scene", name="early", actid=one.ids["act"])
    await sql.execute("UPDATE scene SET deleted_at = now() WHERE id = $1", early)
    await sql.execute("UPDATE story SET deleted_at = now() WHERE id = $1", one.ids["story"])
    assert [await one.live(t) for t in ("story", "act", "scene", "persona")] == [0, 0, 0, 1]
    await sql.execute("UPDATE story SET deleted_at = NULL WHERE id = $1", one.ids["story"])
    live = await sql.fetch("SELECT name FROM scene WHERE deleted_at IS NULL")
    assert [row["name"] for row in live] == ["one scene"]


async def test_the_time_of_trashing_is_the_servers(sql, one):
    born = await sql.fetchrow(
        "INSERT INTO persona (worldid, name, deleted_at) VALUES ($1, 'x', '2001-01-01') RETURNING *",
        one.ids["world"],
    )
    assert born["deleted_at"].year > 2001
    row = await sql.fetchrow(
        "UPDATE persona SET deleted_at = '2001-01-01' WHERE id = $1 RETURNING *", one.ids["persona"]
    )
    assert row["deleted_at"].year > 2001
    again = await sql.fetchrow(
        "UPDATE persona SET deleted_at = '2001-01-01' WHERE id = $1 RETURNING *", one.ids["persona"]
    )
    assert (again["deleted_at"], again["version"]) == (row["deleted_at"], row["version"])


@pytest.mark.parametrize(
    ("table", "parent"),
    [(t, {"act": "story", "scene": "act"}.get(t, "world")) for t in WORLD_ENTITIES],
)
async def test_nothing_lives_in_what_is_in_the_trash(sql, one, two, table, parent):
    await sql.execute(f"UPDATE {parent} SET deleted_at = now() WHERE id = $1", one.ids[parent])
    with refused(f"live_{table}_{parent}id"):
        await one.add(table, name="new", **one.sibling(table))
    with refused(f"live_{table}_{parent}id"):
        await sql.execute(f"UPDATE {table} SET deleted_at = NULL WHERE id = $1", one.ids[table])


async def test_a_scene_cannot_move_into_a_trashed_act(sql, one):
    act = await one.add("act", name="second", storyid=one.ids["story"])
    await sql.execute("UPDATE act SET deleted_at = now() WHERE id = $1", act)
    with refused("live_scene_actid"):
        await sql.execute("UPDATE scene SET actid = $1 WHERE id = $2", act, one.ids["scene"])


async def test_a_row_added_while_its_parent_is_trashed_does_not_stay_live(sql, database_url, one):
    """The trash waits for writers of contents, and then takes what they wrote along."""
    other = await asyncpg.connect(
        database_url,
        server_settings={"workbench.userid": str(await sql.fetchval("SELECT rules.acting_user()"))},
    )
    try:
        writing = sql.transaction()
        await writing.start()
        await one.add("scene", name="late", actid=one.ids["act"])
        trashing = asyncio.ensure_future(
            other.execute("UPDATE act SET deleted_at = now() WHERE id = $1", one.ids["act"])
        )
        await asyncio.wait([trashing], timeout=0.2)
        assert not trashing.done()
        await writing.commit()
        await trashing
        assert await one.live("scene") == 0

        await sql.execute("UPDATE act SET deleted_at = NULL WHERE id = $1", one.ids["act"])
        trashing = other.transaction()
        await trashing.start()
        await other.execute("UPDATE act SET deleted_at = now() WHERE id = $1", one.ids["act"])
        adding = asyncio.ensure_future(one.add("scene", name="later", actid=one.ids["act"]))
        await asyncio.wait([adding], timeout=0.2)
        assert not adding.done()
        await trashing.commit()
        with refused("live_scene_actid"):
            await adding
    finally:
        await other.close()


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_what_a_transaction_cannot_see_is_not_left_behind(sql, database_url, one, isolation):
    """Its snapshot is older than what others committed: it would leave live rows in the trash."""
    other = await asyncpg.connect(
        database_url,
        server_settings={"workbench.userid": str(await sql.fetchval("SELECT rules.acting_user()"))},
    )
    inner = await one.add("location", name="inner", worldid=one.ids["world"])
    add = "INSERT INTO scene (actid, name) VALUES ($1, 'late')"
    move = "UPDATE location SET parentid = $1 WHERE id = $2"

    async def meanwhile(theirs, mine):
        async with sql.transaction(isolation=isolation):
            await sql.fetch("SELECT FROM act")
            await other.execute(*theirs)
            await sql.execute(*mine)

    try:
        with pytest.raises(asyncpg.FeatureNotSupportedError):
            await meanwhile([add, one.ids["act"]], ["UPDATE act SET deleted_at = now()"])
        with pytest.raises(asyncpg.FeatureNotSupportedError):
            await meanwhile([move, one.ids["location"], inner], [move, inner, one.ids["location"]])
    finally:
        await other.close()


async def test_references_to_what_is_in_the_trash_stay(sql, one):
    await sql.execute(
        "UPDATE scene SET locationid = $1 WHERE id = $2", one.ids["location"], one.ids["scene"]
    )
    await sql.execute("UPDATE location SET deleted_at = now() WHERE id = $1", one.ids["location"])
    assert await sql.fetchval("SELECT locationid FROM scene") == one.ids["location"]


@pytest.mark.parametrize("table", NAMED)
async def test_rows_are_purged_only_from_the_trash(sql, one, table):
    with refused(f"keep_{table}_deleted_at"):
        await sql.execute(f"DELETE FROM {table} WHERE id = $1", one.ids[table])


@pytest.mark.parametrize("table", STORED)
async def test_no_table_is_emptied_past_the_history(sql, one, table):
    with refused(f"keep_{table}"):
        await sql.execute(f'TRUNCATE "{table}" CASCADE')


async def test_purging_a_world_removes_what_it_contains_for_good(sql, one, two):
    for world in (one, two):
        await sql.execute(
            "INSERT INTO scene_persona (sceneid, personaid) VALUES ($1, $2)",
            world.ids["scene"],
            world.ids["persona"],
        )
        await sql.execute(
            "UPDATE world SET imageid = $1 WHERE id = $2", world.ids["image"], world.ids["world"]
        )
    await sql.execute("UPDATE world SET deleted_at = now() WHERE id = $1", one.ids["world"])
    await sql.execute("DELETE FROM world WHERE id = $1", one.ids["world"])
    for table in ("world", *WORLD_ENTITIES, "scene_persona"):
        assert await sql.fetchval(f"SELECT count(*) FROM {table}") == 1
    kept = await sql.fetchval(
        "SELECT count(*) FROM history.change WHERE operation = 'delete' AND old IS NOT NULL"
    )
    assert kept == 10


async def test_purging_what_is_referred_to_clears_the_reference_alone(sql, one):
    await sql.execute(
        "UPDATE scene SET locationid = $1 WHERE id = $2", one.ids["location"], one.ids["scene"]
    )
    await sql.execute("UPDATE location SET deleted_at = now() WHERE id = $1", one.ids["location"])
    await sql.execute("DELETE FROM location WHERE id = $1", one.ids["location"])
    row = await sql.fetchrow("SELECT locationid, worldid FROM scene")
    assert (row["locationid"], row["worldid"]) == (None, one.ids["world"])


async def test_links_obey_their_rules(sql, one):
    scene, persona, thing = (one.ids[t] for t in ("scene", "persona", "thing"))
    await sql.execute(
        "INSERT INTO scene_persona (sceneid, personaid) VALUES ($1, $2)", scene, persona
    )
    with refused("pk_scene_persona", asyncpg.UniqueViolationError):
        await sql.execute(
            "INSERT INTO scene_persona (sceneid, personaid) VALUES ($1, $2)", scene, persona
        )
    for column in ("speeches", "words"):
        with refused(f"ck_scene_persona_{column}"):
            await sql.execute(f"UPDATE scene_persona SET {column} = -1")
    await sql.execute("INSERT INTO scene_thing (sceneid, thingid) VALUES ($1, $2)", scene, thing)
    with refused("ck_scene_thing_mentions"):
        await sql.execute("UPDATE scene_thing SET mentions = -1")
    with refused("ck_persona_relation_otherid"):
        await sql.execute(
            "INSERT INTO persona_relation (personaid, otherid, kind) VALUES ($1, $1, 'self')",
            persona,
        )
    with refused("fixed_scene_persona_personaid"):
        await sql.execute("UPDATE scene_persona SET personaid = gen_random_uuid()")
    row = await sql.fetchrow("UPDATE scene_persona SET words = 3, version = 9 RETURNING *")
    assert row["version"] == 2


async def test_history_holds_who_when_what_whatever_wrote_it(sql, one):
    await sql.execute("UPDATE persona SET kind = 'king', name = 'Claudius'")
    row = await sql.fetchrow(
        "SELECT c.*, s.userid, s.login FROM history.change c"
        " JOIN history.changeset s ON s.id = c.changesetid WHERE operation = 'update'"
    )
    assert row["recordid"] == one.ids["persona"]
    assert row["worldid"] == one.ids["world"]
    assert row["version"] == 2
    assert row["old"] == '{"kind": null, "name": "one persona"}'
    assert row["new"] == '{"kind": "king", "name": "Claudius"}'
    assert row["userid"] == await sql.fetchval("SELECT rules.acting_user()")
    assert row["login"] == "workbench"


async def test_history_holds_each_change_once_where_two_references_go_at_once(sql, one):
    await sql.execute(
        "UPDATE scene SET imageid = $1, locationid = $2", one.ids["image"], one.ids["location"]
    )
    await sql.execute("UPDATE world SET deleted_at = now()")
    before = await sql.fetchval("SELECT max(id) FROM history.change")
    await sql.execute("DELETE FROM world")
    rows = await sql.fetch(
        "SELECT operation, version FROM history.change WHERE entity = 'scene' AND id > $1"
        " ORDER BY id",
        before,
    )
    assert [tuple(row) for row in rows] == [("update", 4), ("update", 5), ("delete", 5)]


async def test_history_never_holds_bytes_of_pictures(sql, one):
    await sql.execute("UPDATE image SET content = $1", b"secret bytes")
    await sql.execute("UPDATE image SET thumbnail = $1", b"secret bytes")
    await sql.execute("UPDATE image SET deleted_at = now()")
    await sql.execute("DELETE FROM image")
    rows = await sql.fetch("SELECT old, new FROM history.change WHERE entity = 'image'")
    assert len(rows) == 5
    said = "".join(str(row["old"]) + str(row["new"]) for row in rows)
    assert '"content"' not in said
    assert b"secret bytes".hex() not in said
    assert "sha256" in said


@pytest.mark.parametrize("table", ["change", "changeset"])
async def test_history_is_only_added_to(sql, one, table):
    for statement in ("DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET id = DEFAULT"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sql.execute(statement.format(f"history.{table}"))


async def test_links_are_in_the_history_with_their_key(sql, one):
    await sql.execute(
        "INSERT INTO scene_persona (sceneid, personaid, words) VALUES ($1, $2, 5)",
        one.ids["scene"],
        one.ids["persona"],
    )
    await sql.execute("DELETE FROM scene_persona")
    rows = await sql.fetch(
        "SELECT * FROM history.change WHERE entity = 'scene_persona' ORDER BY id"
    )
    assert [row["operation"] for row in rows] == ["insert", "delete"]
    assert all(str(one.ids["persona"]) in row["key"] for row in rows)
    assert '"words": 5' in rows[1]["old"]
