"""Every notebook runs from top to bottom and says what it said when it was written."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from workbench.wiring import connect

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(
    path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts
)


def names(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def run(path: Path, environment: dict[str, str]) -> None:
    """Run a notebook with nbval: errors and outputs that differ fail."""
    # A pytest of its own: nbval's cells take no fixtures, so they cannot be given a database.
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q"]
    options = [
        "--color=no",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(path.parent),
        "-c",
        "/dev/null",
    ]
    done = subprocess.run(
        [*command, *options, "--nbval-cell-timeout=60", str(path)],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        again = f"python tests/notebooks/refresh.py {names(path)}"
        pytest.fail(f"{done.stdout}\n{done.stderr}\nIf it is the notebook that is old: {again}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=names)
async def test_a_notebook_says_what_it_said_and_leaves_nothing_behind(
    path: Path, notebook_environment: dict[str, str]
):
    await asyncio.to_thread(run, path, notebook_environment)
    home, user = (notebook_environment[f"WORKBENCH_{name}"] for name in ("HOME", "USER"))
    async with await connect(home=home, user=user) as wb:
        assert [world.name for world in await wb.worlds.find()] == ["Dracula"]
        assert await wb.worlds.count(trashed=True) == 0


@pytest.mark.parametrize("path", NOTEBOOKS, ids=names)
def test_a_notebook_is_valid_and_names_no_machine(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    text = path.read_text(encoding="utf-8")
    assert str(ROOT) not in text
    assert str(Path.home()) + "/" not in text


def test_there_are_five_notebooks():
    assert len(NOTEBOOKS) >= 5
