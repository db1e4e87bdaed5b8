"""Frames: their columns and dtypes, whichever way they are read, and what they hold."""

from __future__ import annotations

import asyncio
import warnings
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pandas as pd
import pyarrow as pa
import pytest

from workbench.database import columnar
from workbench.database.engine import Database
from workbench.entities import STORED
from workbench.entities.world import World
from workbench.errors import InvalidDraft, StoreUnavailable, UnknownField, WorkbenchError
from workbench.frames import close, expand_attributes, frame, table
from workbench.frames.dtypes import TYPES
from workbench.workspace import Workspace

HARD = [
    "it's",
    'a "quote"',
    "back\\slash",
    "50% off %s %(x)s",
    ":name ::text",
    "$1 $$ $tag$",
    "-- ; /* DROP TABLE persona */",
    "'); DROP TABLE persona; --",
    "\\'; DROP TABLE persona; --",
    "Ünïcödé 絵 🎭",
    "{curly} ? @ #",
]


async def until(sql: asyncpg.Connection, query: str, *values: Any) -> None:
    """Wait until `query` says true."""
    async with asyncio.timeout(10):
        while True:
            if await sql.fetchval(query, *values):
                return
            await asyncio.sleep(0.01)


@pytest.fixture
async def world(wb: Workspace, sql: asyncpg.Connection) -> World:
    """At least one row in every table."""
    world = await wb.worlds.add(name="Elsinore", attributes={"year": 1601})
    image = await wb.images.add(worldid=world.id, name="Ghost", content=b"bytes", width=3)
    book = await wb.books.add(worldid=world.id, name="Folio", imageid=image.id)
    story = await wb.stories.add(worldid=world.id, name="Hamlet", bookid=book.id, position=1)
    act = await wb.acts.add(storyid=story.id, name="Act I", position=1)
    place = await wb.locations.add(worldid=world.id, name="Castle", x=0.25)
    scene = await wb.scenes.add(
        actid=act.id, name="Scene I", locationid=place.id, story_time=-1.5, tags=["night", "a;b"]
    )
    await wb.scenes.add(actid=act.id, name="Scene II")
    ophelia = await wb.personas.add(worldid=world.id, name="Ophelia", aliases=["Fée"])
    hamlet = await wb.personas.add(worldid=world.id, name="Hamlet", kind="prince")
    thing = await wb.things.add(worldid=world.id, name="Skull", personaid=hamlet.id)
    await wb.scene_personas.add(sceneid=scene.id, personaid=ophelia.id, words=3)
    await wb.scene_things.add(sceneid=scene.id, thingid=thing.id, mentions=2)
    await wb.persona_relations.add(personaid=ophelia.id, otherid=hamlet.id, kind="loves")
    await sql.execute(
        "INSERT INTO world_member (worldid, userid, role) SELECT $1, id, 'editor' FROM \"user\"",
        world.id,
    )
    return world


async def test_both_ways_of_reading_give_the_same(database: Database, world: World) -> None:
    for name, stored in STORED.items():
        committed = await table(database, stored, names=True)
        async with database.transaction():
            own = await table(database, stored, names=True)
        assert committed.num_rows, name
        assert own.schema.equals(committed.schema, check_metadata=True), name
        assert own.to_pylist() == committed.to_pylist(), name


async def test_no_rows_give_the_same_columns_and_dtypes(database: Database, world: World) -> None:
    for name, stored in STORED.items():
        full = await frame(database, stored, names=True)
        none = await frame(database, stored, names=True, limit=0)
        assert len(none) == 0, name
        assert none.dtypes.to_dict() == full.dtypes.to_dict(), name
        assert isinstance(none.index, pd.RangeIndex), name
        assert isinstance(full.index, pd.RangeIndex), name


async def test_dtypes_are_the_documented_ones(
    database: Database, sql: asyncpg.Connection, world: World
) -> None:
    documented = {
        "uuid": TYPES["text"],
        "text": TYPES["text"],
        "character varying": TYPES["text"],
        "USER-DEFINED": TYPES["text"],  # an enum
        "jsonb": TYPES["text"],
        "integer": pa.int32(),
        "double precision": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp with time zone": pa.timestamp("us", tz="UTC"),
        "ARRAY": pa.list_(pa.field("item", pa.string())),
    }
    for name, stored in STORED.items():
        columns = await sql.fetch(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_name = $1 AND data_type <> 'bytea'",
            name,
        )
        found = await frame(database, stored)
        assert found.dtypes.to_dict() == {
            column: pd.ArrowDtype(documented[kind]) for column, kind in columns
        }, name


async def test_a_readable_twin_follows_each_foreign_key(database: Database, world: World) -> None:
    scenes = await frame(database, STORED["scene"], world=world.id, names=True)
    columns = list(scenes.columns)
    assert columns[:8] == [
        "id",
        "actid",
        "story",
        "act",
        "worldid",
        "world",
        "name",
        "display_name",
    ]
    assert columns[columns.index("ownerid") + 1] == "owner"
    first = scenes.set_index("name").loc["Scene I"]
    assert (first["story"], first["act"], first["world"]) == ("Hamlet", "Act I", "Elsinore")
    assert (first["location"], first["owner"]) == ("Castle", "tester@localhost")
    assert list(first["tags"]) == ["night", "a;b"]
    second = scenes.set_index("name").loc["Scene II"]
    assert second["location"] is pd.NA
    cast = await frame(database, STORED["scene_persona"], world=world.id, names=True)
    assert list(cast.columns)[2:8] == ["sceneid", "story", "act", "scene", "personaid", "persona"]
    relation = await frame(database, STORED["persona_relation"], names=True)
    assert relation.loc[0, ["persona", "other"]].tolist() == ["Ophelia", "Hamlet"]


async def test_names_of_what_is_in_the_trash_are_still_shown(
    database: Database, wb: Workspace, world: World
) -> None:
    await wb.locations.remove(await wb.locations.get(name="Castle", worldid=world.id))
    scenes = await frame(database, STORED["scene"], names=True)
    assert scenes["location"].tolist() == ["Castle", pd.NA]
    assert len(await frame(database, STORED["location"])) == 0
    assert (await frame(database, STORED["location"], trashed=True))["name"].tolist() == ["Castle"]


async def test_chosen_columns_come_in_the_chosen_order(database: Database, world: World) -> None:
    scene = STORED["scene"]
    found = await frame(database, scene, columns=["name", "story", "id"])
    assert list(found.columns) == ["name", "story", "id"]
    assert found["story"].tolist() == ["Hamlet", "Hamlet"]
    assert (await frame(database, STORED["image"], columns=["content"])).loc[0, "content"] == (
        b"bytes"
    )
    assert "content" not in (await frame(database, STORED["image"])).columns
    with pytest.raises(UnknownField, match="location"):
        await frame(database, scene, columns=["locaton"])


async def test_no_value_of_a_filter_gets_out_of_its_quotes(
    database: Database, wb: Workspace, world: World
) -> None:
    persona = STORED["persona"]
    for value in HARD:
        await wb.personas.add(worldid=world.id, name=value)
    for value in HARD:
        for said in ({"name": value}, {"name": [value, "x"]}, {"name__contains": value}):
            found = await frame(database, persona, filters=said)
            assert value in found["name"].tolist(), said
            assert all(value in name for name in found["name"]), said
        assert value in (await frame(database, persona, search=value))["name"].tolist()
        assert (await frame(database, persona, filters={"tags__has": value})).empty
    assert len(await frame(database, persona)) == 2 + len(HARD)


async def test_filters_reach_every_type(database: Database, world: World) -> None:
    scene = STORED["scene"]
    for said in (
        {"story_time__lt": -1.25},
        {"tags__has": "a;b"},
        {"location": "Castle"},
        {"locationid__empty": False},
        {"created_at__ge": datetime(2020, 1, 1, tzinfo=UTC), "story_time": -1.5},
    ):
        found = await frame(database, scene, world=world.id, filters=said)
        assert found["name"].tolist() == ["Scene I"], said
    members = STORED["world_member"]
    assert len(await frame(database, members, filters={"role": "editor"})) == 1
    assert (await frame(database, members, filters={"role": "viewer"})).empty


@pytest.mark.parametrize(
    ("name", "said", "error"),
    [
        ("persona", {"filters": {"name": "a\x00b"}}, InvalidDraft),
        ("persona", {"filters": {"attributes": {"a": "b"}}}, WorkbenchError),
        ("persona", {"filters": {"nane": "x"}}, UnknownField),
        ("persona", {"filters": {"created_at__ge": object()}}, InvalidDraft),
        ("persona", {"order": ["nane"]}, UnknownField),
        ("persona", {"limit": -1}, InvalidDraft),
        ("scene_persona", {"search": "x"}, InvalidDraft),
        ("world_member", {"filters": {"role": "boss"}}, InvalidDraft),
    ],
)
async def test_what_cannot_be_asked_is_refused_in_words(
    name: str, said: dict[str, Any], error: type[Exception], database: Database, world: World
) -> None:
    with pytest.raises(error):
        await frame(database, STORED[name], **said)


async def test_a_user_is_in_no_world(database: Database, world: World) -> None:
    with pytest.raises(InvalidDraft, match="no world"):
        await frame(database, STORED["user"], world=world.id)
    assert len(await frame(database, STORED["world"], world=world.id)) == 1


async def test_a_frame_in_a_transaction_sees_what_it_wrote(
    database: Database, wb: Workspace, world: World
) -> None:
    async with database.transaction():
        await wb.personas.add(worldid=world.id, name="Yorick")
        inside = await frame(database, STORED["persona"], filters={"name": "Yorick"})
        outside = await asyncio.create_task(_unaware(database))
    assert len(inside) == 1
    assert outside == 0
    assert len(await frame(database, STORED["persona"], filters={"name": "Yorick"})) == 1


async def _unaware(database: Database) -> int:
    statement = "SELECT count(*) AS n FROM persona WHERE name = 'Yorick'"
    found = await columnar.columns(database, statement)
    return int(found["n"][0].as_py())


async def test_rows_come_in_order_of_making_or_as_asked(database: Database, world: World) -> None:
    persona = STORED["persona"]
    assert (await frame(database, persona))["name"].tolist() == ["Ophelia", "Hamlet"]
    assert (await frame(database, persona, order=["name"]))["name"].tolist() == [
        "Hamlet",
        "Ophelia",
    ]
    assert (await frame(database, persona, order="-name", limit=1))["name"].tolist() == ["Ophelia"]


async def test_a_broken_connection_is_replaced(
    database: Database, superuser: asyncpg.Connection, world: World
) -> None:
    pid = (await columnar.columns(database, "SELECT pg_backend_pid() AS pid"))["pid"][0].as_py()
    again = (await columnar.columns(database, "SELECT pg_backend_pid() AS pid"))["pid"][0].as_py()
    assert pid == again
    await superuser.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    assert len(await frame(database, STORED["persona"])) == 2


async def test_frames_can_be_read_at_the_same_time(database: Database, world: World) -> None:
    found = await asyncio.gather(*(frame(database, STORED["scene"]) for _ in range(6)))
    assert [len(each) for each in found] == [2] * 6


async def test_cancelling_stops_the_statement_on_the_server(
    database: Database, superuser: asyncpg.Connection, world: World
) -> None:
    sql = superuser
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sleep(60)%' AND pid <> $1"
    own = await sql.fetchval("SELECT pg_backend_pid()")
    task = asyncio.create_task(columnar.columns(database, "SELECT pg_sleep(60)::text AS x"))
    active = f"{running} AND state = 'active'"
    await until(sql, f"SELECT 1 = ({active})", own)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(sql, f"SELECT 0 = ({active})", own)


async def test_the_connection_acts_as_the_same_user(database: Database) -> None:
    found = await columnar.columns(
        database,
        "SELECT current_setting('workbench.userid') AS u, current_setting('TimeZone') AS tz,"
        " current_setting('statement_timeout') AS t, current_setting('workbench.source') AS s",
    )
    assert found.to_pylist() == [
        {"u": str(database.userid), "tz": "UTC", "t": "10min", "s": "tests"}
    ]


async def test_settings_with_blanks_and_backslashes_arrive(database: Database) -> None:
    odd = Database(database.address, userid=database.userid, source="a b\\c 'd' -c x=y")
    found = await columnar.columns(odd, "SELECT current_setting('workbench.source') AS s")
    assert found["s"][0].as_py() == "a b\\c 'd' -c x=y"
    close(odd)
    await odd.close()


async def test_a_database_that_is_not_there_is_told_without_the_password(
    database: Database,
) -> None:
    from workbench.database.address import Address

    url = database.address.url.replace("/test_", "/nowhere_")
    gone = Database(Address.parse(url))
    with pytest.raises(StoreUnavailable) as caught:
        await frame(gone, STORED["persona"])
    assert "nowhere_" in str(caught.value)
    assert "workbench:" not in str(caught.value)
    await gone.close()


@pytest.mark.parametrize(("seconds", "whole"), [(2.5, 3), (0.2, 1), (30, 30)])
def test_the_connection_waits_as_long_as_the_settings_say(
    database: Database, seconds: float, whole: int
) -> None:
    patient = Database(database.address, connect_timeout_seconds=seconds)
    assert f"connect_timeout={whole}" in columnar._uri(patient).split("&")


async def test_closing_closes_the_connection(
    database: Database, sql: asyncpg.Connection, world: World
) -> None:
    pid = (await columnar.columns(database, "SELECT pg_backend_pid() AS p"))["p"][0].as_py()
    close(database)
    close(database)
    await until(sql, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", pid)
    assert len(await frame(database, STORED["persona"])) == 2


async def test_attributes_become_columns(database: Database, wb: Workspace, world: World) -> None:
    act = (await wb.acts.find()).records[0]
    values = [
        {"age": 14, "share": 0.5, "house": "Stark", "kin": ["a"], "name": "clash"},
        {"age": 15, "share": 2, "mixed": 1},
        {"mixed": "x", "alive": True},
    ]
    for number, attributes in enumerate(values):
        await wb.scenes.add(actid=act.id, name=f"S{number}", attributes=attributes)
    scenes = await frame(database, STORED["scene"], filters={"name__starts": "S"}, order=["name"])
    scenes = scenes[scenes["name"].str.match(r"S\d")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wide = expand_attributes(scenes)
    assert str(wide["age"].dtype) == "int64[pyarrow]"
    assert wide["share"].tolist() == [0.5, 2.0, pd.NA]
    assert wide["mixed"].tolist() == [pd.NA, "1", '"x"']
    assert wide["alive"].tolist() == [pd.NA, pd.NA, True]
    assert wide["kin"].tolist()[0] == '["a"]'
    assert wide["attributes.name"].tolist()[0] == "clash"
    assert "attributes" not in wide.columns
    assert wide.index.equals(scenes.index)
    only = expand_attributes(scenes, ["house", "nothing"], prefix="x_")
    assert [c for c in only.columns if c.startswith("x_")] == ["x_house", "x_nothing"]
