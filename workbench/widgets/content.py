"""Headings, lists, cards and buttons: described as data, drawn with text as text."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import traitlets

from workbench.entities.characters import unturned
from workbench.widgets.rpc import Handler, Rpc

__all__ = ["Content", "Element", "element", "link", "picture"]

Element = dict[str, Any]
"""A described element: tag, text, attributes, action, children."""

_PICTURES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


def element(
    tag: str,
    *children: Element | str | None,
    kind: str = "",
    action: str = "",
    **attributes: str,
) -> Element:
    """Describe an element; `kind` is its class, `action` what `Content` is told on a click.

    The browser draws tags and attributes of a short list only, and never reads text as HTML.

    >>> element("h1", "Elsinore")
    {'tag': 'h1', 'text': 'Elsinore'}
    """
    made: Element = {"tag": tag}
    named = {
        name.rstrip("_").replace("_", "-"): unturned(value) for name, value in attributes.items()
    }
    if kind:
        named["class"] = kind
    if named:
        made["attributes"] = named
    if action:
        made["action"] = action
    below = [
        {"tag": "span", "text": unturned(c)} if isinstance(c, str) else c for c in children if c
    ]
    if len(below) == 1 and below[0].keys() == {"tag", "text"} and below[0]["tag"] == "span":
        made["text"] = below[0]["text"]  # text alone needs no element of its own
    elif below:
        made["children"] = below
    return made


def link(words: str, place: str, *, action: str = "", **attributes: str) -> Element:
    """Describe a link to a page of ours; `action` is what `Content` is told, else the place.

    >>> link("Worlds", "worlds")["attributes"]
    {'href': '?place=worlds'}
    """
    return element("a", words, action=action or place, href=f"?place={place}", **attributes)


def picture(data: bytes | None, words: str) -> Element | None:
    """Describe a picture; None for no data, or for a format that browsers could run."""
    for start, media_type in _PICTURES.items():
        if data and data.startswith(start):
            source = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
            return element("img", src=source, alt=words)
    return None


class Content(Rpc):
    """Draws described elements; `on_action` is called with the action of what was clicked."""

    bundle = "content"

    nodes = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(
        self,
        *nodes: Element | None,
        on_action: Callable[[str], Awaitable[None]] | None = None,
        **traits: object,
    ) -> None:
        self._on_action = on_action
        super().__init__(nodes=[node for node in nodes if node], **traits)

    def show(self, *nodes: Element | None) -> None:
        """Draw other elements instead."""
        self.nodes = [node for node in nodes if node]

    def operations(self) -> Mapping[str, Handler]:
        return {"act": self._act}

    async def _act(self, args: Mapping[str, Any]) -> None:
        if self._on_action is not None:
            await self._on_action(str(args["action"]))
