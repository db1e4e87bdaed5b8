"""A query on another database as a source, beside frames and files."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pandas as pd
import pytest

from workbench.errors import BadSettings, UnreadableFile
from workbench.workspace import Workspace


async def test_rows_of_a_query_are_imported_beside_frames_and_files(
    wb: Workspace, sql: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "old.csv").write_text("world,name\nElsinore,Castle\n")
    query = (
        "SELECT 'Elsinore' AS world, 'Persona ' || n AS name, ARRAY['a', 'b'] AS tags, "
        "n AS number, n / 4.0 AS share, now() AS seen, gen_random_uuid() AS key "
        "FROM generate_series(1, 45000) AS n;"
    )
    report = await wb.load(
        {
            "worlds": pd.DataFrame({"name": ["Elsinore"]}),
            "locations": tmp_path / "old.csv",
            "personas": wb.query(database_url, query),
        }
    )
    report.raise_for_problems()
    assert report.tables["personas"].inserted == 45_000
    row = await sql.fetchrow(
        "SELECT tags, attributes ->> 'number' AS number, attributes ->> 'share' AS share "
        "FROM persona WHERE name = 'Persona 3'"
    )
    assert (row["tags"], row["number"], float(row["share"])) == (["a", "b"], "3", 0.75)
    assert await sql.fetchval("SELECT name FROM location") == "Castle"
    said = await sql.fetchval("SELECT reason FROM history.changeset ORDER BY id DESC LIMIT 1")
    assert said == "import of worlds, old.csv, personas (query)"


async def test_a_plan_holds_the_rows_of_a_query(
    wb: Workspace, sql: asyncpg.Connection, database_url: str
) -> None:
    await wb.worlds.add(name="Elsinore")
    query = wb.query(database_url, "SELECT 'Elsinore' AS world, 'Osric' AS name")
    plan = await wb.plan({"personas": query})
    assert plan.inserts.column("name").to_pylist() == ["Osric"]
    assert database_url not in (plan._folder / "plan.json").read_text()
    assert (await plan.apply()).written


async def test_a_query_cannot_write_and_a_password_is_never_told(
    wb: Workspace, sql: asyncpg.Connection, database_url: str
) -> None:
    for statement in (
        "DELETE FROM persona RETURNING name",
        "SELECT lo_create(4711)::text AS name, 'Elsinore' AS world",
    ):
        report = await wb.load({"personas": wb.query(database_url, statement)}, world="Elsinore")
        assert "refuses the query" in str(report)
        assert not report.written
    assert not await sql.fetchval("SELECT EXISTS (SELECT FROM pg_largeobject_metadata)")
    hidden = "postgresql://somebody:s3cret-word@127.0.0.1:1/nowhere"
    with pytest.raises(UnreadableFile, match="does not answer") as caught:
        await wb.load({"personas": wb.query(hidden, "SELECT 1 AS name")})
    assert "s3cret-word" not in f"{caught.value!r} {wb.query(hidden, 'SELECT 1')!r}"
    with pytest.raises(BadSettings):
        wb.query("mysql://somebody:s3cret-word@127.0.0.1/x", "SELECT 1")
