"""What comes after the commit of a large import."""

from __future__ import annotations

import asyncpg
import pandas as pd
import pytest

from workbench.workspace import Workspace


async def test_an_import_neither_waits_nor_fails_where_statistics_cannot_be_taken(
    wb: Workspace, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("workbench.transfer.load._COUNTED_FROM_ROWS", 1)
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


async def test_many_rows_are_counted_before_what_refers_to_them_is_checked(
    wb: Workspace, sql: asyncpg.Connection
):
    """By a plan for a few rows, each check would read a whole world: ten times as slow."""
    await wb.worlds.add(name="Denmark")
    names = [f"Courtier {n}" for n in range(1_200)]
    async with wb.transaction():  # in which nothing is counted after the commit
        await wb.load({"personas": pd.DataFrame({"name": names})}, world="Denmark")
    assert await sql.fetchval("SELECT reltuples FROM pg_class WHERE relname = 'persona'") == 1_200
