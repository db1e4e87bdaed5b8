"""How far something is that takes a while: a bar, words, and a button to cancel it."""

from __future__ import annotations

from typing import Any

from workbench.widgets.content import Element, element


def under_way(what: str, step: Any) -> Element:
    """Describe how far `what` is; `step` is its last one, if there was any yet."""
    share = {} if step is None or not step.total else {"value": str(step.done)}
    if share:
        share["max"] = str(step.total)
    return element(
        "section",
        element("div", element("h2", f"{what} …"), role="status"),
        element("progress", aria_label=what, **share),
        element("p", "" if step is None else str(step), kind="wb-soft wb-step"),
        element("p", element("button", "Cancel", kind="wb-button", action="cancel")),
        kind="wb-under-way",
    )
