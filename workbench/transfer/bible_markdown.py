"""A world bible as Markdown (CommonMark); every character of the world stands for itself."""

from __future__ import annotations

import re
from collections.abc import Iterable

from workbench.transfer.bible_page import Entry, Fact, Reference, plain

__all__ = ["MarkdownPage"]

_PARAGRAPHS = re.compile(r"\n\s*\n")
_MEANS_SOMETHING = re.compile(r"[\\`*_{}\[\]()#|~$!^]")
_AT_THE_START = re.compile(r"^([-+=:]|\d{1,9}(?=[.)]))")
_TURNS = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
# GitHub and others make links of these by themselves.
_LINKS_ITSELF = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(?=:)|\bwww(?=\.)|(?<=\w)@(?=\w)")


class MarkdownPage:
    """Writes a world bible as Markdown."""

    def begin(self, title: str, world: Entry, parts: list[Fact], language: str | None) -> str:
        """Return the beginning: the world itself, and where its parts are."""
        contents = "".join(
            f"- [{name}](#{links[0].anchor})\n"
            + "".join(f"  - {_link(one)}\n" for one in links[1:])
            for name, links in parts
        )
        return f'<a id="world"></a>\n\n# {escaped(title)}\n\n{_body(world)}{contents}\n'

    def part(self, title: str, anchor: str, note: str) -> str:
        """Return the beginning of a part."""
        return f'<a id="{anchor}"></a>\n\n## {escaped(title)}\n\n{escaped(note)}\n\n'

    def entry(self, entry: Entry) -> str:
        """Return an entry."""
        kind = f" ({escaped(entry.kind)})" if entry.kind else ""
        return (
            f'<a id="{entry.anchor}"></a>\n\n{"#" * min(entry.level, 6)} '
            f"{escaped(entry.title)}{kind}\n\n{_body(entry)}"
        )

    def letter(self, letter: str, names: Iterable[Reference]) -> str:
        """Return the names of an index that begin with a letter."""
        return f"### {escaped(letter)}\n\n" + "".join(f"- {_link(n)}\n" for n in names) + "\n"

    def end(self, note: str) -> str:
        """Return the end."""
        return f"---\n\n{escaped(note)}\n"


def _body(entry: Entry) -> str:
    parts = [
        escaped(part) + "\n\n"
        for text in entry.texts
        for part in _PARAGRAPHS.split(plain(text))
        if part.strip()
    ]
    facts = [
        f"- **{escaped(name)}**: {', '.join(_link(one) for one in values)}\n"
        for name, values in entry.facts
    ]
    return "".join([*parts, *facts, "\n" if facts else ""])


def _link(one: Reference) -> str:
    text = escaped(one.text)
    if one.anchor:
        text = f"[{text}](#{one.anchor})"
    return f"{text} ({escaped(one.note)})" if one.note else text


def escaped(text: str) -> str:
    r"""Return a text on one line, as Markdown that shows it and does nothing else.

    >>> print(escaped("[x](javascript:y) <b> | # `1`"))
    \[x\]\(javascript:y\) &lt;b&gt; \| \# \`1\`
    >>> print(escaped("1. no list"), escaped("- nor here"))
    1\. no list \- nor here
    """
    line = " ".join(plain(text).translate(_TURNS).split())
    line = _MEANS_SOMETHING.sub(lambda found: "\\" + found[0], line)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _LINKS_ITSELF.sub(lambda found: found[0] + "\u2060", line)
    start = _AT_THE_START.match(line)
    if start is None:
        return line
    if start[1].isdigit():
        return f"{start[1]}\\{line[start.end() :]}"
    return "\\" + line
