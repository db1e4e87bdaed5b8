"""A home of its own with the demo world in it, as `workbench up` leaves it on a first start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.database.embedded import EmbeddedServer


@pytest.fixture(scope="session")
def notebook_environment() -> Iterator[dict[str, str]]:
    """What a process needs to open a database with the demo world, whose server runs."""
    folder = Path(tempfile.mkdtemp(prefix="workbench-notebooks-"))
    os.chmod(folder, 0o755)  # the server's user has to get through
    home = folder / "home"
    environment = {n: value for n, value in os.environ.items() if not n.startswith("WORKBENCH_")}
    environment |= {"WORKBENCH_HOME": str(home), "WORKBENCH_USER": "reader@localhost"}
    with EmbeddedServer(home):
        demo = [sys.executable, "-m", "workbench", "demo"]
        subprocess.run(demo, env=environment, check=True, stdout=subprocess.DEVNULL)
        yield environment
    shutil.rmtree(folder, ignore_errors=True)
