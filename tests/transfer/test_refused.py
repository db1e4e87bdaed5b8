"""Rows that only the database refuses, as it writes them: named, and left out if that is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from workbench.database.engine import Database
from workbench.transfer.load import load
from workbench.transfer.report import LoadReport

Write = Callable[..., Path]

BROKEN = "This breaks a rule of the field."
GHOSTS = (40, 300, 301)
PERSONAS = "world,name,kind\n" + "".join(
    f"Elsinore,Persona {n},{'ghost' if n in GHOSTS else 'man'}\n" for n in range(1, 401)
)
RELATIONS = (
    "world,persona,other,kind\nElsinore,Persona 1,Persona 2,knows\n"
    "Elsinore,Persona 40,Persona 2,haunts\n"
)


@pytest.fixture
async def no_ghosts(sql: asyncpg.Connection) -> None:
    """A rule of the database that no import knows."""
    for table in ("persona", "location"):
        await sql.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_kind, "
            f"ADD CONSTRAINT ck_{table}_kind CHECK (kind <> 'ghost')"
        )


def told(report: LoadReport) -> list[tuple[Any, ...]]:
    return [(p.file, p.row, p.column, p.message) for p in report.problems]


def mended(place: Path) -> str:
    """Mend a file of rejects; return what it was."""
    text = place.read_text()
    place.write_text(text.replace("ghost", "spirit"))
    return text


async def count(sql: asyncpg.Connection, table: str) -> int:
    return int(await sql.fetchval(f"SELECT count(*) FROM {table}"))


async def test_rows_that_break_a_rule_no_plan_knows_are_skipped(
    database: Database, sql: asyncpg.Connection, no_ghosts: None, write: Write
) -> None:
    folder = write(worlds="name\nElsinore\n", personas=PERSONAS, persona_relations=RELATIONS)
    report = await load(database, folder, on_problem="skip")
    waits = "This waits for row 40 of personas.csv, which is rejected."
    assert told(report) == [
        ("persona_relations.csv", 2, "persona", waits),
        *(("personas.csv", row, "kind", BROKEN) for row in GHOSTS),
    ]
    assert report.written
    personas = report.tables["personas"]
    assert (personas.inserted, personas.rejected) == (397, 3)
    assert await count(sql, "persona") == 397
    assert await count(sql, "persona_relation") == 1
    assert await count(sql, "history.change WHERE entity = 'persona'") == 397
    assert mended(report.rejects["personas.csv"]).count(f"kind: {BROKEN}") == 3
    (await load(database, list(report.rejects.values()))).raise_for_problems()
    assert await count(sql, "persona") == 400
    assert await count(sql, "persona_relation") == 2


async def test_rows_that_break_a_rule_as_they_are_changed_are_skipped_too(
    database: Database, sql: asyncpg.Connection, no_ghosts: None, write: Write
) -> None:
    folder = write(worlds="name\nElsinore\n", personas=PERSONAS.replace("ghost", "man"))
    (await load(database, folder)).raise_for_problems()
    folder = write(personas=PERSONAS.replace("man", "woman"))
    report = await load(database, folder / "personas.csv", on_problem="skip")
    assert [row for _, row, *_ in told(report)] == list(GHOSTS)
    assert await count(sql, "persona WHERE kind = 'woman' AND version = 2") == 397
    assert await count(sql, "persona WHERE kind = 'man' AND version = 1") == 3


async def test_the_row_is_named_where_nothing_is_to_be_written(
    database: Database, sql: asyncpg.Connection, no_ghosts: None, write: Write
) -> None:
    folder = write(worlds="name\nElsinore\n", personas=PERSONAS)
    report = await load(database, folder)
    assert told(report) == [("personas.csv", row, "kind", BROKEN) for row in GHOSTS]
    assert not report.written
    assert await count(sql, "world") == 0


async def test_a_row_that_waits_for_one_of_its_own_table_is_told_so(
    database: Database, sql: asyncpg.Connection, no_ghosts: None, write: Write
) -> None:
    locations = "world,name,parent,kind\nElsinore,Hall,Keep,\nElsinore,Keep,Castle,\n"
    folder = write(
        worlds="name\nElsinore\n",
        locations=f"{locations}Elsinore,Crypt,,ghost\nElsinore,Grave,Crypt,\nElsinore,Castle,,\n",
    )
    report = await load(database, folder, on_problem="skip")
    assert told(report) == [
        ("locations.csv", 3, "kind", BROKEN),
        ("locations.csv", 4, "parent", "This waits for row 3 of locations.csv, which is rejected."),
    ]
    assert await count(sql, "location") == 3


async def test_several_tables_may_have_rows_that_are_refused(
    database: Database, sql: asyncpg.Connection, no_ghosts: None, write: Write
) -> None:
    folder = write(
        worlds="name\nElsinore\n",
        locations="world,name,kind\nElsinore,Castle,\nElsinore,Crypt,ghost\n",
        personas=PERSONAS,
    )
    report = await load(database, folder, on_problem="skip")
    assert [(file, row) for file, row, *_ in told(report)] == [
        ("locations.csv", 2),
        *(("personas.csv", row) for row in GHOSTS),
    ]
    assert (await count(sql, "location"), await count(sql, "persona")) == (1, 397)


async def test_too_many_refused_rows_are_told_by_their_file(
    database: Database, sql: asyncpg.Connection, no_ghosts: None, write: Write
) -> None:
    folder = write(worlds="name\nElsinore\n", personas=PERSONAS.replace("man", "ghost"))
    report = await load(database, folder, on_problem="skip")
    assert told(report) == [("personas.csv", None, "kind", BROKEN)]
    assert not report.written
    assert await count(sql, "world") == 0


async def test_what_is_purged_during_an_import_is_told_by_the_row(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    castle = write(worlds="name\nElsinore\n", locations="world,name\nElsinore,Castle\n")
    (await load(database, castle)).raise_for_problems()
    things = "world,name,location\nElsinore,Skull,Castle\nElsinore,Foil,\n"
    (castle / "locations.csv").unlink()
    folder = write(things=things)
    passed = []

    async def inspect(*_: Any) -> None:
        if not passed:  # by now the plan has found the castle
            await sql.execute("UPDATE location SET deleted_at = now()")
            await sql.execute("DELETE FROM location")
        passed.append(True)

    report = await load(database, folder, on_problem="skip", inspect=inspect)
    assert [(file, row, column) for file, row, column, _ in told(report)] == [
        ("things.csv", 1, "location")
    ]
    assert told(report)[0][-1].startswith("There is no location 'Castle'")
    assert [row["name"] for row in await sql.fetch("SELECT name FROM thing")] == ["Foil"]


async def test_a_key_that_stays_taken_is_told_by_its_row(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    await sql.execute("CREATE UNIQUE INDEX uq_persona_kind ON persona (kind)")
    folder = write(
        worlds="name\nElsinore\n",
        personas="world,name,kind\nElsinore,A,king\nElsinore,B,king\nElsinore,C,queen\n",
    )
    report = await load(database, folder, on_problem="skip")
    [(file, row, column, message)] = told(report)
    assert (file, row, column) == ("personas.csv", 2, "kind")
    assert message.startswith("Another persona in the same place has the kind. Choose another")
    assert await count(sql, "persona") == 2


async def test_a_row_that_somebody_adds_meanwhile_is_planned_for_anew(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(
        worlds="name\nElsinore\n", personas="world,name,kind\nElsinore,A,king\nElsinore,B,queen\n"
    )
    (await load(database, folder / "worlds.csv")).raise_for_problems()
    passed = []

    async def inspect(*_: Any) -> None:
        if not passed:
            add = "INSERT INTO persona (worldid, name) SELECT id, 'A' FROM world"
            await sql.execute(add)
        passed.append(True)

    report = await load(database, folder, on_problem="skip", inspect=inspect)
    assert (told(report), len(passed)) == ([], 2)
    personas = report.tables["personas"]
    assert (personas.inserted, personas.updated) == (1, 1)
