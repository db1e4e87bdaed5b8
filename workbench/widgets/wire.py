"""Between Python values and what a browser is sent: JSON values, and errors as plain words."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from enum import Enum
from typing import Any
from uuid import UUID

from workbench.errors import (
    InvalidDraft,
    NotFound,
    Refused,
    StaleRecord,
    StoreUnavailable,
    WorkbenchError,
)

_log = logging.getLogger(__name__)

UNEXPECTED = "Something went wrong in workbench itself; nothing was saved. The log has the details."


def json_safe(value: object) -> Any:
    """Return `value` with only what JSON has: ids and times become text, NaN becomes null."""
    match value:
        case Enum():
            return json_safe(value.value)
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case Mapping():
            return {str(key): json_safe(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [json_safe(item) for item in value]
    return str(value)


def current_row(error: StaleRecord) -> dict[str, Any]:
    """Return the stored row that a stale save came upon, whatever kind of record carries it."""
    current = error.current
    if isinstance(current, Mapping):
        return dict(json_safe(current))
    dump = getattr(current, "model_dump", None)
    return dict(json_safe(dump() if callable(dump) else vars(current)))


def failure(error: BaseException) -> dict[str, Any]:
    """Say what went wrong as a browser needs it: a kind to act on and a sentence to show."""
    answer: dict[str, Any] = {"kind": "refused", "message": str(error), "field": None}
    match error:
        case StaleRecord():
            answer |= {"kind": "stale", "current": current_row(error)}
        case InvalidDraft():
            answer |= {"field": error.field, "problems": error.problems}
        case Refused():
            answer |= {"field": error.field}
        case NotFound():
            answer |= {"kind": "gone"}
        case StoreUnavailable():
            answer |= {"kind": "unavailable"}
        case WorkbenchError():
            pass
        case _:
            _log.error("A widget's request failed.", exc_info=error)
            answer |= {"kind": "unexpected", "message": UNEXPECTED}
    return answer
