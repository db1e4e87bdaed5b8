"""Between a column's value and the text a person types for it.

What is wrong is said in the words of `entities.fields`: an import says the same of a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workbench.widgets.source import Column

_EMPTY: tuple[object, ...] = (None, "", [], {})


def is_empty(value: object) -> bool:
    return any(value == empty and type(value) is type(empty) for empty in _EMPTY)


def as_text(column: Column, value: Any) -> str:
    """Return `value` as it is typed.

    >>> as_text(Column("tags", "Tags", "tags"), ["night", "storm"])
    'night, storm'
    """
    if is_empty(value):
        return ""
    if column.kind == "tags" and isinstance(value, list):
        return ", ".join(map(str, value))
    if column.kind == "json" and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, indent=2)
    if column.kind == "time" and not column.editable:
        return _time(str(value))
    return str(value)


def in_words(column: Column, row: Mapping[str, Any]) -> str:
    """Return what people read for a column of `row`; "" for nothing.

    >>> in_words(Column("locationid", "Location", "reference"), {"locationid__label": "Elsinore"})
    'Elsinore'
    """
    value = row.get(column.field)
    if column.kind == "boolean":
        return "Yes" if value else "No"
    words = str(row.get(f"{column.field}__label") or as_text(column, value))
    return f"{words} (in the trash)" if row.get(f"{column.field}__trashed") else words


def from_text(column: Column, text: str) -> Any:
    """Return the value that `text` means; raises `ValueError` with a sentence if it means none.

    >>> from_text(Column("position", "Position", "integer"), "12")
    12
    """
    bare = text.strip()
    match column.kind:
        case "integer" | "number":
            return _number(column, bare) if bare else None
        case "tags":
            return list(dict.fromkeys(t.strip() for t in re.split("[;,]", bare) if t.strip()))
        case "json":
            return _json(bare) if bare else {}
    return text or None


def complaint(column: Column, value: Any) -> str:
    """Say what is wrong with `value` as far as the column alone can tell; "" if nothing is."""
    if is_empty(value) or (isinstance(value, str) and not value.strip()):
        return "This must not be empty." if column.required else ""
    if column.max_length is not None and isinstance(value, str) and len(value) > column.max_length:
        return f"This has {len(value)} characters; at most {column.max_length} fit."
    if column.kind in ("integer", "number") and not isinstance(value, bool):
        if not isinstance(value, int | float):
            return f"“{value}” is not a number."
        if column.minimum is not None and value < column.minimum:
            return f"This must be at least {column.minimum:g}."
        if column.maximum is not None and value > column.maximum:
            return f"This must be at most {column.maximum:g}."
    if column.kind == "json" and isinstance(value, str):
        return "This is not valid JSON."
    return ""


def _time(text: str) -> str:
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return text


def _number(column: Column, text: str) -> int | float:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        raise ValueError(f"“{text}” is not a number.") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(f"“{text}” is not a number.")
    if column.kind == "number":
        return number
    if not number.is_integer():
        raise ValueError(f"“{text}” is not a whole number.")
    return int(number)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'This is not valid JSON ({error}). Example: {{"age": 14}}') from None
