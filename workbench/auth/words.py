"""What others say of themselves, made fit to be shown."""

from __future__ import annotations

from workbench.entities.characters import unturned

__all__ = ["plain", "unturned"]


def plain(said: str, most: int = 80) -> str:
    r"""Return what anybody may have written as one short line of visible characters.

    Marks that turn the direction of writing are left out, for with them a name could pass as what
    stands beside it, and so is what steers a terminal.

    >>> plain("a  script\u202e\non a host")
    'a script on a host'
    """
    visible = "".join(one for one in " ".join(said.split()) if one.isprintable())
    return " ".join(visible.split())[:most].strip()
