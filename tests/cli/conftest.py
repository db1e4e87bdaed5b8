"""The command `workbench`, run as a person runs it: as a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Command:
    """Runs `workbench` with variables of its own, in a folder without a `.env`."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> Mapping[str, str]:
        bare = {k: v for k, v in os.environ.items() if not k.startswith(("WORKBENCH_", "PG"))}
        return bare | self.variables

    def start(self, *arguments: str | Path, **options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "workbench", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=self.folder,
            env=self.environment,
        )

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(timeout=60)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def workbench(database_url: str, tmp_path: Path) -> Command:
    """The command on a fresh migrated database."""
    folder = tmp_path / "here"
    folder.mkdir()
    return Command(
        folder, {"WORKBENCH_DATABASE_URL": database_url, "WORKBENCH_USER": "tester@localhost"}
    )


@pytest.fixture
def at_home(tmp_path: Path) -> Iterator[Callable[[], Command]]:
    """Make commands with an embedded database of their own."""
    homes: list[Path] = []

    def make() -> Command:
        home = Path(tempfile.mkdtemp(prefix="workbench-home-"))
        home.chmod(0o755)  # the server's account has to get in
        homes.append(home)
        return Command(
            tmp_path, {"WORKBENCH_HOME": str(home), "WORKBENCH_USER": "tester@localhost"}
        )

    yield make
    for home in homes:
        shutil.rmtree(home, ignore_errors=True)
