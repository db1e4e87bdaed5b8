"""The table of results: one section of RESULTS.md for each benchmark."""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown; numbers stand to the right."""
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def write_section(title: str, *paragraphs: str, packages: Sequence[str] = ()) -> None:
    """Print a section and put it into RESULTS.md in place of the one of the same title."""
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {version(name)}" for name in packages]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    cores = len(os.sched_getaffinity(0))
    about = f"{when}; {cores} shared cores, load at the end {load}; {', '.join(versions)}."
    body = "\n\n".join([f"## {title}", about, *paragraphs]) + "\n"
    print(body)
    old = RESULTS.read_text() if RESULTS.exists() else "# Results of the benchmarks\n"
    parts = re.split(r"(?m)^(?=## )", old)
    kept = [part for part in parts[1:] if not part.startswith(f"## {title}\n")]
    sections = sorted([*(part.rstrip() + "\n" for part in kept), body])
    RESULTS.write_text("\n".join([parts[0].rstrip() + "\n", *sections]))
