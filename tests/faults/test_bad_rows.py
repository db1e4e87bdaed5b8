"""Ten thousand bad rows in a million: each is named, nothing is written, memory is bounded."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

ROWS, EVERY = 1_000_000, 100
MOST_BYTES = 600 * 2**20

IMPORT = """
import asyncio, json, sys, uuid
from pathlib import Path
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.transfer.load import load

async def work(url, user, path):
    database = Database(Address.parse(url), userid=uuid.UUID(user))
    report = await load(database, path)
    await database.close()
    rows = [problem.row for problem in report.problems]
    said = {problem.message for problem in report.problems}
    [most] = [l for l in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in l]
    counts = report.tables["personas"]
    print(json.dumps([rows, sorted(said), report.written, counts.read, counts.rejected,
                      int(most.split()[1]) * 1024]))

asyncio.run(work(*sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_ten_thousand_bad_rows_in_a_million_are_all_named_in_bounded_memory(
    wb, sql, database_url: str, tmp_path: Path
) -> None:
    await wb.worlds.add(name="Elsinore")
    path = tmp_path / "personas.csv"
    with path.open("w") as out:
        out.write("world,name,description\n")
        for n in range(1, ROWS + 1):
            out.write(f"Elsinore,{'' if n % EVERY == 0 else f'Persona {n}'},words of {n}\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IMPORT, database_url, str(wb.database.userid), str(path),
        stdout=asyncio.subprocess.PIPE, env={**os.environ},
    )  # fmt: skip
    out, _ = await process.communicate()
    rows, said, written, read, rejected, peak = json.loads(out)
    assert not written
    assert (read, rejected) == (ROWS, ROWS // EVERY)
    assert [int(row) for row in rows] == list(range(EVERY, ROWS + 1, EVERY))
    assert said == ["This must not be empty."]
    assert peak < MOST_BYTES
    assert await sql.fetchval("SELECT count(*) FROM persona") == 0
