"""What comes after the commit of a large import."""

from __future__ import annotations

import asyncio

import asyncpg
import pandas as pd
import pytest

from workbench.workspace import Workspace


async def test_an_import_neither_waits_nor_fails_where_statistics_cannot_be_taken(
    wb: Workspace, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("workbench.transfer.counting._COUNTED_FROM_ROWS", 1)
    await wb.worlds.add(name="Denmark")
    async with sql.transaction():
        # As a VACUUM or another ANALYZE holds it.
        await sql.execute("LOCK TABLE persona IN SHARE UPDATE EXCLUSIVE MODE")
        await sql.execute("SET LOCAL idle_in_transaction_session_timeout = '5s'")
        report = await wb.load({"personas": pd.DataFrame({"name": ["Yorick"]})}, world="Denmark")
        assert await sql.fetchval("SELECT 1") == 1  # still held: the import did not wait for it
    assert report.written
    assert await wb.personas.count() == 1


async def test_small_tables_are_counted_too_so_that_the_next_import_is_planned_well(
    wb: Workspace, sql: asyncpg.Connection
):
    await wb.worlds.add(name="Denmark")
    names = [f"Courtier {n}" for n in range(300)]
    await wb.load({"personas": pd.DataFrame({"name": names})}, world="Denmark")
    assert await sql.fetchval("SELECT reltuples FROM pg_class WHERE relname = 'persona'") == 300


async def test_a_table_is_counted_anew_only_once_a_tenth_of_it_is_new(
    wb: Workspace, sql: asyncpg.Connection
):
    known = "SELECT reltuples FROM pg_class WHERE relname = 'persona'"
    await wb.worlds.add(name="Denmark")

    async def come(start: int, count: int) -> None:
        names = [f"Courtier {n}" for n in range(start, start + count)]
        frame = pd.DataFrame({"name": names})
        (await wb.load({"personas": frame}, world="Denmark")).raise_for_problems()

    await come(0, 1_500)
    assert await sql.fetchval(known) == 1_500
    await come(1_500, 120)
    assert await sql.fetchval(known) == 1_500
    await come(1_620, 180)
    assert await sql.fetchval(known) == 1_800


MANY = 8_000


def frames(world: str, people: int) -> dict[str, pd.DataFrame]:
    """A world of one scene, in which so many people appear."""
    scene = {"world": world, "story": "S", "act": "A", "scene": "X"}
    names = [f"P{n}" for n in range(people)]
    return {
        "worlds": pd.DataFrame({"name": [world]}),
        "stories": pd.DataFrame({"world": [world], "name": ["S"]}),
        "acts": pd.DataFrame({"world": [world], "story": ["S"], "name": ["A"]}),
        "personas": pd.DataFrame({"world": world, "name": names}),
        "scenes": pd.DataFrame({**scene, "name": "X"}, index=[0]).drop(columns="scene"),
        "scene_personas": pd.DataFrame({**scene, "persona": names}),
    }


async def reads(wb: Workspace, sql: asyncpg.Connection, least: int) -> int:
    """Return how many entries of indexes of personae were read, once all reads are told."""
    used = (
        "SELECT sum(idx_scan)::int, sum(idx_tup_read)::int FROM pg_stat_user_indexes "
        "WHERE relname = 'persona'"
    )
    await wb.database.close()  # its sessions tell what they counted as they end
    async with asyncio.timeout(60):
        while True:
            scans, rows = await sql.fetchrow(used)
            if scans >= least:
                return int(rows)
            await asyncio.sleep(0.02)


async def test_what_refers_to_many_new_rows_is_not_checked_by_a_plan_for_few(
    wb: Workspace, sql: asyncpg.Connection
):
    """A session keeps the plans of its checks; those for a few rows read a whole world each."""
    for n in range(8):
        (await wb.load(frames(f"Small {n}", 2))).raise_for_problems()
    (await wb.load(frames("Large", MANY))).raise_for_problems()
    assert await reads(wb, sql, MANY) < 10 * MANY  # MANY for each of MANY otherwise


async def test_what_refers_to_rows_of_a_table_that_was_never_counted_is_found_by_its_id(
    wb: Workspace, sql: asyncpg.Connection
):
    """Every index of such a table looks equally good, that by world and name too."""
    few = 2_000
    (await wb.load(frames("First", few))).raise_for_problems()
    assert await reads(wb, sql, few) < 10 * few
