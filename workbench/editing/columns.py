"""The columns of a grid and the fields of a form, from the declaration of an entity."""

from __future__ import annotations

from typing import Any

from workbench.entities.base import Entity, Stored
from workbench.entities.fields import Choice, Kind, Number, Reference, Text, Whole
from workbench.widgets.source import Column

_FIRST = ("name", "email", "display_name")
_LAST = ("description", "text", "tags", "attributes", "source_url")
_LEFT_OUT = ("worldid", "content", "thumbnail")
_BY_SERVER = ("byte_size", "sha256", "ownerid")
_TITLES = {
    "parentid": "Within",
    "personaid": "Held by",
    "story_time": "Story time (days)",
    "imageid": "Picture",
    "ownerid": "Owner",
    "byte_size": "Bytes",
    "sha256": "SHA-256",
    "source_url": "Source URL",
}
_WIDTHS = {"name": 240, "display_name": 200, "description": 320, "text": 320, "position": 100}
BY_MANAGERS = ("is_public",)
"""What an editor of a world may not change."""

_MARKED_UP = ("description",)
_MORE = ("tags", "attributes", "ownerid", "imageid", "updated_at", "source_url")


def columns_of(entity: Entity[Any, Any]) -> list[Column]:
    """Return the columns in which people see and edit `entity`: names first, prose last.

    Columns that the server alone fills are shown, not edited; the world and the bytes of
    pictures are left out.
    """
    fields = [name for name in entity.draft.model_fields if name not in _LEFT_OUT]
    parent = entity.parent_column

    def place(name: str) -> tuple[int, int]:
        if name in _FIRST:
            return 0, _FIRST.index(name)
        if name == parent:
            return 1, 0
        if name in _LAST or name in _BY_SERVER:
            return 3, (_LAST + _BY_SERVER).index(name)
        return 2, fields.index(name)

    made = [column_of(entity, name) for name in sorted(fields, key=place)]
    return [
        *made,
        Column(
            "updated_at", "Changed", "time", editable=False, filterable=False, width=160,
            section="More",
        ),
    ]  # fmt: skip


def column_of(stored: Stored[Any, Any], name: str) -> Column:
    """Return the column in which people see and edit one field."""
    kind = stored.kinds[name]
    word = _word(kind)
    return Column(
        field=name,
        title=_TITLES.get(name, name.removesuffix("id").replace("_", " ").capitalize()),
        kind=word,
        editable=name not in _BY_SERVER,
        required=name in stored.required,
        help=stored.draft.model_fields[name].description or "",
        options=kind.options if isinstance(kind, Choice) else (),
        reference=kind.target if isinstance(kind, Reference) else None,
        max_length=kind.max_length if isinstance(kind, Text) else None,
        minimum=kind.minimum if isinstance(kind, Whole | Number) else None,
        maximum=kind.maximum if isinstance(kind, Whole | Number) else None,
        width=_WIDTHS.get(name),
        filterable=word != "json",
        sortable=word not in ("json", "tags"),
        section="More" if name in _MORE else "",
        marked_up=name in _MARKED_UP,
    )


def _word(kind: Kind) -> Any:
    if isinstance(kind, Text) and not kind.one_line:
        return "long"
    return kind.word
