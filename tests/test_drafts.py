"""The rules of the drafts are those of the database: one verdict on every nasty value."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.dialects.postgresql import dialect

from workbench.entities import STORED, Stored
from workbench.entities.composite import Attributes, Labels
from workbench.entities.fields import (
    Address,
    Bytes,
    Choice,
    Digest,
    Flag,
    Kind,
    Number,
    Reference,
    Text,
    Whole,
)
from workbench.errors import InvalidDraft
from workbench.workspace import Workspace

TEXTS: list[Any] = [
    "plain",
    "x" * 255,
    "x" * 256,
    "\U0001f600" * 255,  # four bytes each: characters count, not bytes
    "\U0001f600" * 256,
    "e\u0301" * 255,  # 510 characters that compose to 255
    "e\u0301",
    "\u0301e",  # begins with a combining mark
    "\u212b",  # a singleton: composes to another character
    "\ufb01",  # a ligature, left alone by NFC
    "\uac00\u11a8",  # Hangul that composes across the border
    "\u0958",  # NFC takes it apart
    "",
    " ",
    "\u00a0\u3000\u2003",
    " padded ",
    "\u00a0padded\u2009",
    "\u1680padded\u205f",
    "\u200bzero width\u200b",
    "\u200b",
    "\ufeffmarked",
    "a\u202eb",
    "line\nbreak",
    "tab\tstop",
    "\nends\n",
    "carriage\rreturn",
    "\x01",
    "\x1b[31mred",
    "\x7f",
    "\x85next line",
    "in\x85side",
    "\x9f",
    "\x1cseparated\x1f",
    "a\u2028b",
    "\u2028a\u2029",
    "NUL\x00",
    "\x00",
    "lone \ud800",
    "\udfff",
    "\ud83d\ude00",  # a pair of surrogates is no character either
    "\ufffe\uffff",
    "\U0010ffff",
    "<script>alert(1)</script>",
    "'; DROP TABLE persona; --",
    "NULL",
    b"bytes",
    1,
    True,
    ["a"],
]
ADDRESSES: list[Any] = [
    "new@example.org",
    "  New@Example.org ",
    "no-at",
    "@",
    "a@",
    "@b",
    "a@b",
    "a@b@c",
    "a b@c",
    "a\u00a0b@c",
    "a\u2003b@c",
    "a\u200bb@c",
    "a@b\u3000c",
    "a\u180eb@c",
    "a\u1680b@c",
    "a@\u202fb",
    "a\x85b@c",
    "a\x1fb@c",
    "\u00fc@\u00fc.de",
    "u\u0308@b.de",
    "a" * 251 + "@b.c",
    "a" * 252 + "@b.c",
]
WHOLES: list[Any] = [
    -(2**63),
    -(2**31) - 1,
    -(2**31),
    -(2**31) + 1,
    -1,
    0,
    1,
    2**31 - 1,
    2**31,
    2**63,
    10**40,
    1.0,
    1.5,
    math.nan,
    math.inf,
    True,
    "1",
    "",
    b"1",
]
NUMBERS: list[Any] = [
    0,
    -0.0,
    1,
    0.5,
    1.0000000000000002,
    -5e-324,
    1e308,
    -1e308,
    math.nan,
    math.inf,
    -math.inf,
    10**400,
    "0.5",
    "",
    b"1",
    True,
]
LABELS: list[Any] = [
    [],
    ["a"],
    ["a", "a"],
    ["a"] * 5_000,
    [" padded "],
    ["e\u0301"],
    [""],
    ["  "],
    ["a", ""],
    [None],
    ["a", None],
    ["x" * 255],
    ["x" * 256],
    ["line\nbreak"],
    ["NUL\x00"],
    ["\ud800"],
    ["a;b"],
    [["a", "b"], ["c", "d"]],
    [["a"]],
    [1],
    [True],
    ("a", "b"),
    {"a"},
    "a; b",
    {"a": 1},
    b"ab",
    5,
]
OBJECTS: list[Any] = [
    {},
    {"house": "Stark", "age": 14},
    {"": ""},
    {" ": 1},
    {"a": None},
    {"a": [1, [2, {"b": True}]]},
    {"big": 10**5_000 // 10**4_999},
    {"long": 10**4_000},
    {"float": 1.5e-7},
    {"tiny": 5e-324},
    {"a": math.nan},
    {"a": [math.inf]},
    {"a": -math.inf},
    {"a": "NUL\x00"},
    {"NUL\x00": 1},
    {"a": {"b\x00": 1}},
    {"a": "\\u0000"},  # six characters, no NUL
    {"a": "\\\x00"},
    {"a": "\\\\\x00"},
    {"a": "\ud800"},
    {"\udfff": 1},
    {"a": "\ud83d\ude00"},
    {"a": "\\ud800"},
    {"a": "e\u0301"},
    {"x" * 10_000: "y" * 100_000},
    {1: "a"},
    {None: "a"},
    {True: "a"},
    {1.5: "a"},
    {math.nan: 1},
    {"a": 1, "b": object()},
    {"a": b"bytes"},
    {"a": {1, 2}},
    {"a": UUID(int=1)},
    [],
    "text",
    "{}",
    5,
    True,
]
FLAGS: list[Any] = [True, False, 0, 1, "true", "yes", "", 0.0, [], b""]


def deep(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels):
        made = {"a": made}
    return made


def nasty(kind: Kind, known: UUID | None) -> list[Any]:
    """Return values that may or may not be of this kind."""
    match kind:
        case Address():
            return [*TEXTS, *ADDRESSES]
        case Text():
            return TEXTS
        case Digest():
            good = "0123456789abcdef" * 4
            return [*TEXTS, good, good.upper(), f" {good}", good[:-1], f"{good}0", "g" + good[1:]]
        case Whole():
            return WHOLES
        case Number():
            return NUMBERS
        case Labels():
            return LABELS
        case Attributes():
            return [*OBJECTS, deep(90), deep(200), deep(900)]
        case Flag():
            return FLAGS
        case Choice():
            return [*kind.options, *(o.upper() for o in kind.options), f" {kind.options[0]}", "", 1]
        case Bytes():
            most = kind.maximum_bytes
            return [b"", b"\x00", b"x" * most, b"x" * (most + 1), "text", 1, bytearray(b"x")]
        case Reference():
            spelled = [known, str(known), str(known).upper(), f" {known} "] if known else []
            return [*spelled, "", "x", 5, b"short", str(known)[:-1]]
    raise AssertionError(kind)


Ground = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
async def ground(server) -> AsyncIterator[tuple[asyncpg.Connection, Ground]]:
    """A connection, and for each table the values of a row that could be added."""
    import asyncio

    from workbench.database.address import Address as Place
    from workbench.database.engine import Database
    from workbench.database.users import acting_user

    name = await asyncio.to_thread(server.new_database, "template_workbench")
    url = server.url(name)
    first = Database(Place.parse(url))
    user = await acting_user(first, "tester@localhost")
    await first.close()
    wb = Workspace(Database(Place.parse(url), userid=user))
    world = await wb.worlds.add(name="Denmark")
    image = await wb.images.add(name="Plan", worldid=world.id)
    book = await wb.books.add(name="Folio", worldid=world.id)
    story = await wb.stories.add(name="Hamlet", worldid=world.id)
    act = await wb.acts.add(name="I", storyid=story.id)
    scene = await wb.scenes.add(name="1", actid=act.id)
    place = await wb.locations.add(name="Elsinore", worldid=world.id)
    persona = await wb.personas.add(name="HAMLET", worldid=world.id)
    other = await wb.personas.add(name="OPHELIA", worldid=world.id)
    thing = await wb.things.add(name="Skull", worldid=world.id)
    member = await wb.users.add(email="member@example.org")
    await wb.close()
    known = {
        "user": member.id,
        "world": world.id,
        "image": image.id,
        "book": book.id,
        "story": story.id,
        "act": act.id,
        "scene": scene.id,
        "location": place.id,
        "persona": persona.id,
        "thing": thing.id,
    }
    rows: Ground = {}
    for stored in STORED.values():
        row: dict[str, Any] = {}
        for field in stored.required:
            kind = stored.kinds[field]
            row[field] = known[kind.target] if isinstance(kind, Reference) else f"new-{field}@x"
        rows[stored.name] = row | {"worldid": world.id} if "worldid" in stored.kinds else row
    rows["persona_relation"]["otherid"] = other.id
    rows["known"] = known
    connection = await asyncpg.connect(
        url, server_settings={"workbench.userid": str(user), "search_path": "public"}
    )
    yield connection, rows
    await connection.close()
    await asyncio.to_thread(server.drop, name)


def parameter(stored: Stored[Any, Any], field: str, value: Any) -> Any:
    """Return `value` as asyncpg takes it; JSON goes as text, NaN and all."""
    if isinstance(stored.kinds[field], Attributes):
        return json.dumps(value)
    return value


async def stored_as(
    connection: asyncpg.Connection, stored: Stored[Any, Any], values: Mapping[str, Any], field: str
) -> tuple[bool, Any]:
    """Return whether plain SQL may insert `values`, and what is then found in `field`."""
    columns = list(values)
    types = [str(stored.table.columns[c].type.compile(dialect())).split("(")[0] for c in columns]
    places = ", ".join(f"${i}::{t}" for i, t in enumerate(types, 1))
    names = ", ".join(columns)
    transaction = connection.transaction()
    await transaction.start()
    try:
        arguments = [parameter(stored, column, values[column]) for column in columns]
        found = await connection.fetchval(
            f'INSERT INTO "{stored.name}" ({names}) VALUES ({places}) RETURNING {field}', *arguments
        )
    except (asyncpg.PostgresError, asyncpg.DataError, TypeError, ValueError, RecursionError):
        return False, None
    finally:
        await transaction.rollback()
    return True, json.loads(found) if isinstance(stored.kinds[field], Attributes) else found


def brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:50]}… ({len(text)})"


FIELDS = [(s.name, field) for s in STORED.values() for field in s.draft.model_fields]


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[".".join(pair) for pair in FIELDS])
async def test_draft_and_database_agree(ground, name: str, field: str):
    connection, rows = ground
    stored = STORED[name]
    kind = stored.kinds[field]
    base = rows[name]
    known = rows["known"][kind.target] if isinstance(kind, Reference) else None
    if (name, field) == ("world", "imageid"):
        known = None  # lies in the world itself, which is not there yet
    if field in base and isinstance(kind, Reference):
        known = base[field]
    disagreements = []
    for value in nasty(kind, known):
        try:
            cleaned = getattr(stored.validate({**base, field: value}), field)
        except InvalidDraft as error:
            if set(error.problems) != {field}:
                disagreements.append(f"{brief(value)} is told of {set(error.problems)}")
            taken, _ = await stored_as(connection, stored, {**base, field: value}, field)
            if taken and not only_python_minds(kind, value):
                disagreements.append(f"only the draft refuses {brief(value)}: {error}")
            continue
        taken, found = await stored_as(connection, stored, {**base, field: cleaned}, field)
        if not taken:
            disagreements.append(f"only the database refuses {brief(cleaned)} of {brief(value)}")
        elif found != cleaned and field not in ("byte_size", "sha256"):
            disagreements.append(f"{brief(cleaned)} is read back as {brief(found)}")
    assert not disagreements, "\n".join(disagreements)


def only_python_minds(kind: Kind, value: Any) -> bool:
    """Whether the driver or JSON makes another, good value of this one on its way.

    asyncpg takes anything for a boolean, cuts 1.5 to an integer and True to 1; `json.dumps`
    writes the names 1, NaN and None as text, and joins two halves of a character. PostgreSQL
    takes JSON of any depth that Python writes; Python may be unable to read it again.
    """
    match kind:
        case Flag():
            return not isinstance(value, bool)
        case Whole() | Number():
            return isinstance(value, bool | float)
        case Attributes():
            names = value if isinstance(value, dict) else ()
            if "nested too deep" in (kind.problem(value) or ""):
                return True
            halves = {"a": "\ud83d\ude00"}
            return value == halves or not all(isinstance(name, str) for name in names)
        case Bytes():
            return not isinstance(value, bytes)
    return False


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[".".join(pair) for pair in FIELDS])
async def test_draft_and_database_agree_about_nothing(ground, name: str, field: str):
    """None is refused by the draft just where NULL is refused by the database."""
    connection, rows = ground
    stored = STORED[name]
    try:
        stored.validate({**rows[name], field: None})
        allowed = True
    except InvalidDraft:
        allowed = False
    filled = {k: v for k, v in rows[name].items() if k != field}
    if field != "ownerid" and not (field == "worldid" and field not in stored.required):
        filled[field] = None
    taken, _ = await stored_as(connection, stored, filled, field)
    assert allowed == taken
