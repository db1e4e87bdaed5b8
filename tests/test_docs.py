"""What README and CONTRIBUTING tell people to do is done here."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import workbench
from workbench.database.migrate import head
from workbench.demo import demo_folder

ROOT = Path(__file__).resolve().parents[1]
TEXT = {
    name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")
}

ELSEWHERE = {
    "workbench up": "tests/dashboard",
    "workbench lab": "tests/notebooks",
    "pytest": "the test run itself",
    "ruff": ".ci/run",
    "mypy": ".ci/run",
    "python hatch_build.py": ".ci/run",
    "alembic revision": "needs a name of one's own",
}


def commands() -> list[str]:
    """Return the commands in blocks of a console, as `uv run` gets them."""
    found = []
    for text in TEXT.values():
        for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
            for line in block.splitlines():
                parts = [part.strip() for part in line.split("#")[0].split("&&")]
                found += [p.removeprefix("uv run ") for p in parts if p.startswith("uv run ")]
    return list(dict.fromkeys(found))


def test_the_next_step_of_the_schema_has_the_next_number():
    [told] = re.findall(r"--rev-id (\d{4})", TEXT["CONTRIBUTING.md"])
    assert int(told) == int(head()) + 1


def test_there_are_commands():
    assert len(commands()) > 8


@pytest.fixture(scope="module")
def place(home, tmp_path_factory):
    """A folder with `plays/`, and a home with the demo world."""
    folder = tmp_path_factory.mktemp("docs")
    plays = folder / "plays"
    plays.mkdir()
    (folder / "rollen.csv").write_text("world;Rolle\nDracula;Müller\n", encoding="windows-1252")
    (plays / "worlds.csv").write_text("name\nDenmark\n")
    (plays / "stories.csv").write_text("world,name\nDenmark,Hamlet\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
    environment["WORKBENCH_HOME"] = str(home / "docs")
    run = [sys.executable, "-m", "workbench", "demo"]
    subprocess.run(run, env=environment, check=True, capture_output=True)
    return folder, environment


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_docs_works(place, command):
    if any(command.startswith(known) for known in ELSEWHERE):
        return
    folder, environment = place
    words = shlex.split(command)
    assert words[0] == "workbench", f"say in ELSEWHERE where {command!r} is run"
    done = subprocess.run(
        [sys.executable, "-m", *words], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_the_python_of_the_readme_runs(wb, tmp_path, monkeypatch):
    await wb.load(demo_folder())
    (tmp_path / "plays").mkdir()
    (tmp_path / "plays" / "worlds.csv").write_text("name\nDenmark\n")
    monkeypatch.chdir(tmp_path)

    async def connect():
        return wb

    monkeypatch.setattr(workbench, "connect", connect, raising=False)
    block = re.search(r"```python\n(.*?)```", TEXT["README.md"], re.DOTALL).group(1)
    code = compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names: dict[str, object] = {}
    await eval(code, names)
    assert len(names["frame"]) == 23
    assert not names["report"].problems


@pytest.mark.parametrize("name", TEXT)
def test_links_to_files_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT[name]):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_the_map_names_every_module():
    text = TEXT["README.md"]
    for path in sorted((ROOT / "workbench").iterdir()):
        if path.name.startswith("__"):
            continue
        assert path.name in text, f"the README's map lacks {path.name}"


def test_no_file_names_a_machine_or_a_registry():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    forbidden = re.compile(
        "|".join(("/ro" + "ot/", "/wo" + "rk/", "pypi" + r"\.org", "npmjs" + r"\.(org|com)"))
    )
    texts = [ROOT / name for name in listed.stdout.split() if not name.endswith((".png", ".ico"))]
    bad = [
        path.name
        for path in texts
        if path.is_file() and forbidden.search(path.read_text("utf-8", errors="replace"))
    ]
    assert bad == []
