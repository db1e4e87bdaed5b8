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
    assert report.notes == [
        "personas.csv: what 'id' holds is no id of ours, and is not kept (row 2)."
    ]
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


async def test_names_are_swapped_through_a_third_one(
    wb: Workspace, sql: asyncpg.Connection, write: Write, ids: dict[str, str]
) -> None:
    def rows(**names: str) -> Path:
        lines = [f"{ids[was]},Elsinore,{name}\n" for was, name in names.items()]
        return write(personas=f"id,world,name\n{''.join(lines)}") / "personas.csv"

    file = rows(Osric="Yorick", Yorick="Osric")
    report = await wb.load(file)
    assert not report.written
    assert [(problem.row, problem.column) for problem in report.problems] == [
        (1, "name"),
        (2, "name"),
    ]
    for problem, other in zip(report.problems, (2, 1), strict=True):
        assert problem.message == (
            f"The persona of row {other} of personas.csv is called so until it is imported, and an "
            "import writes all rows at once. Import that row alone first; if the two swap names, "
            "give one of them a third name before."
        )
    assert await stored(sql) == ids
    for step in ({"Osric": "Third"}, {"Yorick": "Osric"}, {"Osric": "Yorick"}):
        (await wb.load(rows(**step))).raise_for_problems()
    assert await stored(sql) == {"Yorick": ids["Osric"], "Osric": ids["Yorick"]}
    assert (await wb.load(rows(Osric="Yorick", Yorick="Osric"))).tables["personas"].unchanged == 2


async def test_a_name_that_is_passed_on_goes_in_two_imports(
    wb: Workspace, sql: asyncpg.Connection, write: Write, ids: dict[str, str], tmp_path: Path
) -> None:
    folder = write(
        personas=f"id,world,name\n{ids['Osric']},Elsinore,Yorick\n{ids['Yorick']},Elsinore,Late\n"
    )
    report = await wb.load(folder / "personas.csv", on_problem="skip")
    [problem] = report.problems
    assert "The persona of row 2 of personas.csv is called so until" in problem.message
    assert await stored(sql) == {"Osric": ids["Osric"], "Late": ids["Yorick"]}
    (await wb.load(report.rejects["personas.csv"])).raise_for_problems()
    assert await stored(sql) == {"Yorick": ids["Osric"], "Late": ids["Yorick"]}
