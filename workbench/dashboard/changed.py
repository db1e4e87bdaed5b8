"""What was changed, in words: for the pages that tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workbench.entities import STORED
from workbench.widgets.content import Element, element

DONE = {
    "insert": "added",
    "update": "changed",
    "trash": "put into the trash",
    "restore": "restored",
    "delete": "removed for good",
}
_SHOWN_CHARACTERS = 120


def counted(entity: str, count: int) -> str:
    """Return `3 scenes`.

    >>> counted("scene_persona", 1)
    '1 scene persona'
    """
    return f"{count:,} {noun(entity, count)}"


def noun(entity: str, count: int) -> str:
    """Return the word for so many records of `entity`."""
    stored = STORED[entity]
    return (stored.name if count == 1 else stored.plural).replace("_", " ")


def moment(at: datetime) -> Element:
    """Describe a moment; the browser shows it in the reader's own time zone."""
    return element("time", at.strftime("%Y-%m-%d %H:%M UTC"), datetime=at.isoformat())


def short(value: object) -> str:
    """Return the beginning of a value.

    >>> short(None)
    'nothing'
    """
    if value is None or value == "":
        return "nothing"
    text = str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def field(title: str, before: object, after: object) -> Element:
    """Describe how a field was changed, or is going to be."""
    return element(
        "div",
        element("span", f"{title}: ", kind="wb-soft"),
        element("span", short(before), kind="wb-before"),
        element("span", " → "),
        element("span", short(after), kind="wb-after"),
    )


def summary(changeset: Mapping[str, Any]) -> str:
    """Return what a changeset did, from the counts of its rows.

    >>> summary({"entities": ["scene"], "inserted": 2, "updated": 1})
    '2 added, 1 changed: scenes'
    """
    done = [
        f"{changeset[name]:,} {words}"
        for name, words in (
            ("inserted", DONE["insert"]),
            ("updated", DONE["update"]),
            ("trashed", DONE["trash"]),
            ("restored", DONE["restore"]),
            ("deleted", DONE["delete"]),
        )
        if changeset.get(name)
    ]
    return f"{', '.join(done)}: {', '.join(noun(name, 2) for name in changeset['entities'])}"
