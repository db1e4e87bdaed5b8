"""Markdown as described elements: no HTML is ever made of what people write.

CommonMark without HTML and pictures. What the browser draws comes from a short list of tags, with
text as text; links go to http, https and mailto, or to records: `[her](record:persona/<id>)`.
Where the words of such a link begin with @, they are the name that the record has by now.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from workbench.widgets.content import Element, element, link

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["MOST_CHARACTERS", "Mention", "Mentioned", "described", "mention", "mentions"]

Mention: TypeAlias = tuple[str, UUID]
"""Entity and id of a record that a text links to."""

MOST_CHARACTERS = 20_000
"""Longer texts are shown as they are: no text may keep the page waiting."""

_MOST_LEVELS = 40  # of lists, two each: what lies deeper would be left out by the parser
_RECORD = re.compile(r"record:([a-z]+)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_OUTSIDE = re.compile(r"(?:https?://|mailto:)[^\s<>\"'\\]+", re.IGNORECASE)
_SPECIAL = re.compile(r"([\\\[\]`*_<>&!])")
_UNREACHED = "There is no such record, or none that you may see."
_TAGS = {
    "paragraph": "p",
    "bullet_list": "ul",
    "ordered_list": "ol",
    "list_item": "li",
    "blockquote": "blockquote",
    "em": "em",
    "strong": "strong",
}


@dataclass(frozen=True)
class Mentioned:
    """Where a record that is linked to is found, and what it is called now."""

    place: str
    label: str


def mention(entity: str, id: str, label: str) -> str:
    r"""Return the text of a link to a record, which is called by its name, whatever that will be.

    >>> mention("persona", "0198c6f0-0000-7000-8000-000000000001", "Mina [Harker]")
    '[@Mina \\[Harker\\]](record:persona/0198c6f0-0000-7000-8000-000000000001)'
    """
    said = _SPECIAL.sub(r"\\\1", label)
    return f"[@{said}](record:{entity}/{id})"


def mentions(text: str) -> set[Mention]:
    """Return the records that `text` may link to: all, which its length keeps to some hundreds."""
    if len(text) > MOST_CHARACTERS:
        return set()
    return {(one[1], UUID(one[2])) for one in _RECORD.finditer(text)}


def described(text: str, known: Mapping[Mention, Mentioned]) -> list[Element]:
    """Describe a text as it is read.

    Parameters
    ----------
    known
        The records that it links to and that the reader may see. Of others nothing is told, not
        even whether they exist.
    """
    if len(text) <= MOST_CHARACTERS:
        tokens = _parser().parse(text)
        if all(token.level < _MOST_LEVELS - 1 for token in tokens):
            return _Drawing(known).blocks(tokens)
    return [element("p", text, kind="wb-verbatim")]


def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False, "maxNesting": _MOST_LEVELS})
    return made.disable(["html_block", "html_inline", "image", "reference"])


class _Drawing:
    def __init__(self, known: Mapping[Mention, Mentioned]) -> None:
        self._known = known

    def blocks(self, tokens: Sequence[Token]) -> list[Element]:
        return list(self._drawn(iter(tokens)))

    def _drawn(self, tokens: Iterator[Token]) -> Iterator[Element]:
        """Describe tokens up to the one that closes what they are in."""
        for token in tokens:
            if token.nesting < 0:
                return
            if token.hidden:
                yield from self._drawn(tokens)  # a paragraph in a list without gaps
            elif token.nesting > 0:
                yield self._around(token, list(self._drawn(tokens)))
            else:
                yield from self._alone(token)

    def _alone(self, token: Token) -> Iterator[Element]:
        match token.type:
            case "inline":
                yield from self._drawn(iter(token.children or ()))
            case "text" | "text_special":
                if token.content:
                    yield _text(token.content)
            case "softbreak" | "hardbreak":
                yield element("br")
            case "code_inline":
                yield element("code", token.content)
            case "fence" | "code_block":
                yield element("pre", element("code", token.content))
            case "hr":
                yield element("hr")
            case _:
                yield _text(token.content)

    def _around(self, token: Token, children: list[Element]) -> Element:
        name = token.type.removesuffix("_open")
        if name == "link":
            return self._link(str(token.attrs.get("href", "")), children)
        if name == "heading":
            return element("h2", *children)  # under a page's one h1, no level is left out
        return element(_TAGS.get(name, "div"), *children)

    def _link(self, href: str, children: list[Element]) -> Element:
        if (found := _RECORD.fullmatch(href)) is None:
            if _OUTSIDE.fullmatch(href):
                return element("a", *children, href=href)
            return element("span", *children)
        record = self._known.get((found[1], UUID(found[2])))
        words = "".join(_words(child) for child in children)
        called = words.startswith("@") or not words
        if record is None:
            said = words.removeprefix("@") or "…"
            return element("span", said, kind="wb-unreached", title=_UNREACHED)
        return link(record.label if called else words, record.place)


def _text(words: str) -> Element:
    return {"tag": "span", **{k: v for k, v in element("span", words).items() if k == "text"}}


def _words(described: Any) -> str:
    """Return the text of an element and all in it."""
    below = described.get("children", ())
    return str(described.get("text", "")) + "".join(_words(child) for child in below)
