"""The filters of a grid as the store says them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.entities import Stored
from workbench.widgets.source import Filter

__all__ = ["said"]

_TESTS = {"contains": "contains", "equals": "eq", "empty": "empty", "not_empty": "empty"}


def said(stored: Stored[Any, Any], filters: Sequence[Filter]) -> dict[str, Any]:
    """Return what `workbench.store.filters` takes.

    >>> from workbench.entities import ENTITIES
    >>> said(ENTITIES["scene"], [Filter("position", "between", (2, None))])
    {'position__ge': 2}
    """
    found: dict[str, Any] = {}
    for one in filters:
        kind = stored.kinds.get(one.field)
        if one.test == "between":
            low, high = one.value
            found |= {f"{one.field}__ge": low} if low is not None else {}
            found |= {f"{one.field}__le": high} if high is not None else {}
        elif one.test in ("empty", "not_empty"):
            found[f"{one.field}__empty"] = one.test == "empty"
        elif one.test == "contains" and kind and kind.word == "tags":
            found[f"{one.field}__has"] = one.value
        else:
            found[f"{one.field}__{_TESTS[one.test]}"] = one.value
    return found
