"""How long details are kept."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from workbench.errors import InvalidDraft, NotAllowed, NotFound
from workbench.history.retention import forget


async def run(url, *arguments):
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("WORKBENCH_", "PG"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "workbench",
        "forget",
        *arguments,
        env=bare | {"WORKBENCH_DATABASE_URL": url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_the_command_forgets_details_and_keeps_who_and_why(
    wb, denmark, database_url, sql, tmp_path
):
    done = (await wb.changes(limit=1))["changeset"].iloc[0]
    (tmp_path / "personas.csv").write_text("world,name\nDenmark,YORICK\n")
    await wb.load(tmp_path / "personas.csv")
    assert (await run(database_url, "--keep-days", "30", "--yes"))[0] == 0
    assert len(await wb.changes()) == 11
    assert await sql.fetchval("SELECT count(*) FROM history.origin") == 1
    status, said = await run(database_url, "--keep-days", "0", "--yes")
    assert (status, said) == (0, "The details of 12 changes are forgotten.\n")
    assert len(await wb.changes()) == len(await wb.history(denmark.hamlet)) == 0
    assert await sql.fetchval("SELECT reason FROM history.changeset WHERE id = $1", done) == (
        "beginning"
    )
    assert await sql.fetchval("SELECT count(*) FROM history.origin") == 0
    with pytest.raises(NotFound, match="kept no more"):
        await wb.undo(done)
    assert (await wb.personas.get(denmark.hamlet.id)).version == 1


async def test_it_asks_first(wb, denmark, database_url):
    status, _ = await run(database_url, "--keep-days", "0")
    assert status == 1
    assert len(await wb.changes()) == 10


async def test_forgetting_is_the_owners_alone(wb, denmark):
    with pytest.raises(NotAllowed):
        await forget(wb.database, keep_days=0)
    with pytest.raises(InvalidDraft):
        await forget(wb.database, keep_days=-1)
