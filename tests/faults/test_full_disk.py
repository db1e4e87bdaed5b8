"""A disk that fills up during an import: it is said, nothing is written, and all goes on after."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import standing_at, until
from workbench.errors import StoreUnavailable
from workbench.workspace import Workspace

SIZE = "400m"
LEFT_BYTES = 3 * 2**20


@pytest.fixture
def small_disk(grounds: Path) -> Iterator[Path]:
    """A disk that is soon full."""
    folder = grounds / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_disk_that_fills_up_during_an_import_is_named_and_nothing_is_written(
    small_disk: Path, grounds: Path
) -> None:
    standing = await standing_at(small_disk / "home")
    database, login = await standing.database()
    wb = Workspace(database)
    try:
        world = await wb.worlds.add(name="Full")
        await wb.personas.add(name="First", worldid=world.id)
        large = grounds / "large.csv"
        lines = (f"Persona {n},{os.urandom(400).hex()}\n" for n in range(20_000))
        large.write_text("name,description\n" + "".join(lines))
        filler = small_disk / "filler"
        room = shutil.disk_usage(small_disk).free - LEFT_BYTES
        with filler.open("wb") as out:
            os.posix_fallocate(out.fileno(), 0, room)
        with pytest.raises(StoreUnavailable, match="disk") as said:
            await wb.load(large, world="Full", table="personas")
        filler.unlink()
        assert "full" in str(said.value)
        await asyncio.to_thread(standing.embedded.start)
        assert [one.name for one in await wb.personas.find(worldid=world.id)] == ["First"]
        report = await wb.load(large, world="Full", table="personas")
        assert report.tables["personas"].inserted == 20_000
    finally:
        await wb.close()
        await login.close()
        standing.embedded.close()
        await until(lambda: standing.embedded.pid is None)
