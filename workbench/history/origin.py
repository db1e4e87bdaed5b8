"""Where a change comes from, as far as a Jupyter kernel knows: the notebook and the cell."""

from __future__ import annotations

import os
import sys
from pathlib import PurePath
from typing import Any

__all__ = ["notebook_cell"]

_SHOWN_PARTS = 2


def notebook_cell() -> str | None:
    """Return what runs now in this kernel: `notebook plays/cast.ipynb, cell [12] 3f2a91bc`.

    The number is that of the execution, the word the cell's id in the notebook's file. None
    where there is no kernel.
    """
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "get_parent"):
        return None
    path = os.environ.get("JPY_SESSION_NAME") or shell.user_ns.get("__vsc_ipynb_file__") or ""
    name = "/".join(PurePath(str(path)).parts[-_SHOWN_PARTS:])
    asked = shell.get_parent() or {}
    if asked.get("header", {}).get("msg_type", "execute_request") != "execute_request":
        return f"notebook {name}, a widget".replace(" ,", ",")
    cell = (asked.get("metadata") or {}).get("cellId") or ""
    # What `In` holds; the counter itself goes up before or after, as versions of IPython will.
    number = len(shell.history_manager.input_hist_parsed) - 1
    return f"notebook {name}, cell [{number}] {cell}".replace(" ,", ",").strip()
