"""Where the built front end lies, and the few lines that load it into a browser."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from workbench.errors import WorkbenchError

STATIC = Path(__file__).parent / "static"


@cache
def version() -> str:
    """Return the version of the built front end: a hash of its files."""
    return str(json.loads(_read("build.json"))["version"])


@cache
def stub(bundle: str) -> str:
    """Return the module that loads `bundle` (such as "grid") wherever the widget is shown."""
    return _read("stub.js").replace("@bundle@", bundle).replace("@version@", version())


def source(bundle: str) -> str:
    """Return the whole bundle, for a browser that cannot fetch it as a file."""
    return _read(f"{bundle}.js")


def _read(name: str) -> str:
    try:
        return (STATIC / name).read_text(encoding="utf-8")
    except OSError:
        raise WorkbenchError(
            "The front end of the widgets is not built. In a source checkout: python hatch_build.py"
        ) from None
