"""Keys tell which row is which; an id of one's own lets its key change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from workbench.workspace import Workspace

Write = Callable[..., Path]

WORLD = "name\nElsinore\n"


@pytest.fixture
async def ids(wb: Workspace, sql: asyncpg.Connection, write: Write) -> dict[str, str]:
    """The ids of two personas, by name."""
    personas = "world,name,kind\nElsinore,Osric,courtier\nElsinore,Yorick,jester\n"
    (await wb.load(write(worlds=WORLD, personas=personas))).raise_for_problems()
    return {row["name"]: str(row["id"]) for row in await sql.fetch("SELECT id, name FROM persona")}


async def stored(sql: asyncpg.Connection) -> dict[str, str]:
    rows = await sql.fetch("SELECT id, name FROM persona WHERE deleted_at IS NULL")
    return {row["name"]: str(row["id"]) for row in rows}


async def test_a_row_with_its_id_renames_its_record(
    wb: Workspace, sql: asyncpg.Connection, write: Write, ids: dict[str, str]
) -> None:
    folder = write(personas=f"id,world,name\n{ids['Osric'].upper()},Elsinore,Young Osric\n")
    plan = await wb.plan(folder / "personas.csv")
    [row] = plan.updates.to_pylist()
    assert (row["column"], row["old"], row["new"]) == ("name", "Osric", "Young Osric")
    assert (await plan.apply()).written
    assert await stored(sql) == {"Young Osric": ids["Osric"], "Yorick": ids["Yorick"]}
    again = await wb.load(folder / "personas.csv")
    assert again.tables["personas"].unchanged == 1


async def test_a_key_that_is_changed_without_an_id_is_another_row(
    wb: Workspace, sql: asyncpg.Connection, write: Write, ids: dict[str, str]
) -> None:
    folder = write(personas="id,world,name\n,Elsinore,Young Osric\n17,Elsinore,Yorick\n")
    report = await wb.load(folder / "personas.csv")
    counts = report.tables["personas"]
    assert (counts.inserted, counts.updated, counts.unchanged) == (1, 0, 1)
    assert len(await stored(sql)) == 3


async def test_an_id_of_another_world_is_nobody_s(
    wb: Workspace, sql: asyncpg.Connection, write: Write, ids: dict[str, str]
) -> None:
    folder = write(
        worlds="name\nWittenberg\n", personas=f"id,world,name\n{ids['Osric']},Wittenberg,Faust\n"
    )
    (await wb.load(folder)).raise_for_problems()
    assert (await stored(sql))["Osric"] == ids["Osric"]
    assert len(await stored(sql)) == 3


async def test_a_name_that_is_taken_and_an_id_that_comes_twice_are_told(
    wb: Workspace, sql: asyncpg.Connection, write: Write, ids: dict[str, str]
) -> None:
    one = ids["Osric"]
    folder = write(
        personas=f"id,world,name\n{one},Elsinore,Yorick\n{one},Elsinore,A\n{one},Elsinore,B\n"
    )
    report = await wb.load(folder / "personas.csv")
    assert not report.written
    said = {problem.row: problem.message for problem in report.problems}
    assert said[1] == "Another persona is called so already. Choose a name."
    assert said[2] == said[3] == "An earlier row is about the same persona. Take one out."
    assert await stored(sql) == ids
