"""Runs notebooks and keeps what they show: `python tests/notebooks/refresh.py NOTEBOOK…`.

For after a change of what a notebook says. Look at the difference before you commit it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

IGNORED = "nbval-ignore-output"


def refresh(path: Path) -> None:
    """Run a notebook; outputs that differ from run to run are left out."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": path.parent}},
        record_timing=False,
        store_widget_state=False,
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code" and IGNORED in cell.metadata.get("tags", []):
            cell.outputs = []
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        refresh(Path(name))
