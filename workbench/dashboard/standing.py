"""What a page says to those who may read and not edit."""

from __future__ import annotations

from workbench.store.rights import Standing
from workbench.widgets.content import Element, element

ACCOUNT_READS = "Your account may read, not edit. An administrator can change that."


def reading_note(standing: Standing) -> Element | None:
    """Describe the line for viewers: whom to ask. None for those who may edit."""
    if standing.role != "viewer":
        return None
    if not standing.writes:
        return element("p", ACCOUNT_READS, kind="wb-soft wb-reads")
    ask = " or ".join(standing.managers) or "a manager of it"
    return element("p", f"You may read this world. Ask {ask} to edit.", kind="wb-soft wb-reads")
