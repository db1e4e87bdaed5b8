"""The demo world: Bram Stoker's "Dracula" as a small folder of CSV files and pictures.

The facts are those of the novel (1897, public domain), the sentences are our own, and
`python -m workbench.demo.draw` draws the pictures.
"""

from pathlib import Path

__all__ = ["demo_folder"]


def demo_folder() -> Path:
    """Return the folder of the demo's CSV files; `images.csv` names files in its `pictures`."""
    return Path(__file__).parent / "world"
