"""Changing one column of many rows: what it would do to each, before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import InvalidDraft
from workbench.widgets.entry import complaint, in_words
from workbench.widgets.source import Column, Edit, Row

__all__ = ["Bulk", "Outcome", "outcome", "verbs"]

_SHOWN = 8
_EMPTY: dict[str, Any] = {"tags": [], "json": {}}
_TEXTS = ("text", "long")


@dataclass(frozen=True)
class Bulk:
    """What is to be done to one column.

    `verb` is one of `verbs(column)`. `value` is what is set, the tags that are added or taken
    away, or what comes instead of `find`; `label` are the words for a reference.
    """

    field: str
    verb: str
    value: Any = None
    find: str = ""
    label: str = ""


@dataclass
class Outcome:
    """What would become of the rows.

    `shown` has the first few changes as [name, before, after]; `problems` why rows cannot be
    changed, by the reason, with how many.
    """

    edits: list[Edit] = field(default_factory=list)
    unchanged: int = 0
    shown: list[list[str]] = field(default_factory=list)
    problems: dict[str, int] = field(default_factory=dict)


def verbs(column: Column) -> list[str]:
    """Return what can be done to the column of many rows.

    >>> verbs(Column("tags", "Tags", "tags"))
    ['append', 'drop', 'set', 'clear']
    """
    if not column.editable or column.kind == "picture":
        return []
    known = {"tags": ["append", "drop", "set"], "text": ["set", "replace"]}
    known["long"] = known["text"]
    return [*known.get(column.kind, ["set"]), *([] if column.required else ["clear"])]


def outcome(column: Column, bulk: Bulk, rows: Iterable[Row]) -> Outcome:
    """Return what `bulk` would do.

    Raises
    ------
    InvalidDraft
        The column has no such verb, or there is nothing to look for.
    """
    if bulk.verb not in verbs(column):
        raise InvalidDraft({column.field: f"{column.title} cannot be changed so."})
    if bulk.verb == "replace" and not bulk.find:
        raise InvalidDraft({column.field: "Say what is to be replaced."})
    found = Outcome()
    for row in rows:
        before, after = row.get(column.field), _after(column, bulk, row)
        wrong = _forbidden(column, row) or complaint(column, after)
        if after == before:
            found.unchanged += 1
        elif wrong:
            found.problems[wrong] = found.problems.get(wrong, 0) + 1
        else:
            found.edits.append(Edit(row["id"], int(row["version"]), {column.field: after}))
            if len(found.shown) < _SHOWN:
                new = {**row, column.field: after, f"{column.field}__label": bulk.label or None}
                new.pop(f"{column.field}__trashed", None)
                found.shown.append([_name(row), in_words(column, row), in_words(column, new)])
    return found


def _after(column: Column, bulk: Bulk, row: Row) -> Any:
    before = row.get(column.field)
    match bulk.verb:
        case "clear":
            return _EMPTY.get(column.kind)
        case "append":
            return list(dict.fromkeys([*(before or []), *bulk.value]))
        case "drop":
            return [tag for tag in before or [] if tag not in bulk.value]
        case "replace":
            return before.replace(bulk.find, bulk.value or "") or None if before else before
    return bulk.value


def _forbidden(column: Column, row: Mapping[str, Any]) -> str:
    fixed = row.get("__fixed")
    if fixed is True or (fixed and column.field in fixed):
        return f"You may not change {column.title.lower()} here."
    return ""


def _name(row: Mapping[str, Any]) -> str:
    return str(row.get("display_name") or row.get("name") or row["id"])
