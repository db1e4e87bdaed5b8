"""What a world bible is made of, whatever it is written in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Entry", "Fact", "Page", "Picture", "Reference", "anchor", "plain"]

_SIGNATURES = {
    b"\x89PNG\r\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
_SHOWS_NOTHING = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160)))


@dataclass(frozen=True)
class Reference:
    """A name that leads to where it is told of; `note` says more of it here."""

    text: str
    anchor: str | None = None
    note: str | None = None


Fact = tuple[str, list[Reference]]
"""Something that is known of an entry: what it is, and a list of values."""


@dataclass(frozen=True)
class Picture:
    """A small picture, and what it shows."""

    content: bytes
    text: str

    @property
    def media_type(self) -> str | None:
        """What the bytes are; None for what no page should show."""
        return next((m for s, m in _SIGNATURES.items() if self.content.startswith(s)), None)


@dataclass
class Entry:
    """A book, a persona, a scene: a heading with what is known.

    Attributes
    ----------
    level
        Of the heading, from 3 to 6.
    kind
        What it is, in a word or two.
    """

    level: int
    anchor: str
    title: str
    kind: str | None = None
    texts: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    picture: Picture | None = None


class Page(Protocol):
    """What a bible is written to; gives texts to be put one behind the other."""

    def begin(self, title: str, world: Entry, parts: list[Fact], language: str | None) -> str:
        """Return the beginning: the world itself, and where its parts are."""
        ...

    def part(self, title: str, anchor: str, note: str) -> str:
        """Return the beginning of a part, which ends the one before."""
        ...

    def entry(self, entry: Entry) -> str:
        """Return an entry."""
        ...

    def letter(self, letter: str, names: Iterable[Reference]) -> str:
        """Return the names of an index that begin with a letter."""
        ...

    def end(self, note: str) -> str:
        """Return the end."""
        ...


def anchor(entity: str, id: str) -> str:
    """Return where a record is told of."""
    return f"{entity}-{id}"


def plain(text: str) -> str:
    """Return `text` without characters that no page can show."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_SHOWS_NOTHING)
