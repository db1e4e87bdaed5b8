"""The front end's build: reproducible, from PyPI and npm alone, and only when something changed."""

import importlib.util
import json
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
FRONTEND = ROOT / "workbench" / "frontend"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The build script with its outputs elsewhere, and npm only noted."""
    spec = importlib.util.spec_from_loader("build_script", loader=None)
    module = importlib.util.module_from_spec(spec)
    text = (ROOT / "hatch_build.py").read_text(encoding="utf-8").split("\nif __name__ ==")[0]
    module.__file__ = str(ROOT / "hatch_build.py")
    exec(compile(text, "hatch_build.py", "exec"), vars(module))
    module.ran = []

    def npm(*arguments: str) -> None:
        module.ran.append(arguments)
        if arguments[0] == "ci":
            return
        for folder in (module.WIDGETS, module.PAGE):
            folder.mkdir(exist_ok=True)
            (folder / "a.js").write_text("export {}")

    monkeypatch.setattr(module, "npm", npm, raising=False)
    module.WIDGETS, module.PAGE = tmp_path / "widgets", tmp_path / "page"
    module.ROOT, module.FRONTEND = tmp_path, tmp_path / "frontend"
    module.__file__ = str(tmp_path / "hatch_build.py")
    shutil.copy(ROOT / "hatch_build.py", tmp_path)
    ignored = shutil.ignore_patterns("node_modules", "build")
    shutil.copytree(FRONTEND, module.FRONTEND, ignore=ignored)
    return module


def test_an_unchanged_front_end_is_built_once(build):
    build.build()
    build.build()
    assert build.ran == [("ci", "--ignore-scripts", "--omit=dev"), ("run", "build")]


def test_a_missing_output_is_built_again(build):
    build.build()
    (build.WIDGETS / "a.js").unlink()
    build.build()
    assert build.ran.count(("run", "build")) == 2


def test_a_changed_source_is_built_again(build, monkeypatch):
    build.build()
    monkeypatch.setattr(build, "sources_digest", lambda: "another")
    build.build()
    assert build.ran.count(("run", "build")) == 2


def test_packages_are_installed_once_for_one_lock_file(build):
    build.install()
    build.install()
    build.install("--omit=dev")
    assert build.ran == [("ci", "--ignore-scripts")]
    (build.FRONTEND / "package-lock.json").write_text("{}")
    build.install()
    assert len(build.ran) == 2


def test_the_version_follows_what_is_built(build):
    build.build()
    first = build.built_version()
    (build.WIDGETS / "a.js").write_text("export const changed = 1")
    build.write_note(build.WIDGETS, "x")
    assert build.built_version() != first


def test_every_source_counts_for_the_build(build):
    named = {path.relative_to(build.FRONTEND).as_posix() for path in build.sources()[1:]}
    assert {"package-lock.json", "build.mjs", "src/grid.ts", "src/base.css"} <= named


def test_the_lock_file_names_no_registry():
    lock = json.loads((FRONTEND / "package-lock.json").read_text(encoding="utf-8"))
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def test_versions_of_packages_are_exact():
    package = json.loads((FRONTEND / "package.json").read_text(encoding="utf-8"))
    wanted = package["dependencies"] | package["devDependencies"]
    assert not [name for name, version in wanted.items() if not re.fullmatch(r"\d[\w.-]*", version)]


def test_no_source_writes_raw_html():
    """User text goes into text nodes only; output.ts shows what a notebook's own code made."""
    raw = re.compile(r"\.(inner|outer)HTML\s*\+?=|insertAdjacentHTML|document\.write")
    ours = [path for path in FRONTEND.glob("src/**/*.ts") if raw.search(path.read_text("utf-8"))]
    assert [path.name for path in ours if path.name != "output.ts"] == []
