"""A world bible as one HTML file: no scripts, nothing from elsewhere, light, dark and on paper."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from html import escape
from importlib import resources

from workbench.transfer.bible_page import Entry, Fact, Picture, Reference, plain

__all__ = ["HtmlPage"]

_EMBEDDED_MAXIMUM_BYTES = 2**25  # of all pictures together
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'"
_PARAGRAPHS = re.compile(r"\n\s*\n")


class HtmlPage:
    """Writes a world bible as HTML."""

    def __init__(self) -> None:
        self._open = False
        self._bytes = 0
        self._lang = ""

    def begin(self, title: str, world: Entry, parts: list[Fact], language: str | None) -> str:
        """Return the beginning: the world itself, and where its parts are."""
        self._lang = f' lang="{escape(language)}"' if language and language != "en" else ""
        style = (resources.files("workbench.transfer") / "bible.css").read_text("utf-8")
        contents = "".join(
            f'<li><a href="#{escape(links[0].anchor or "")}">{escape(name)}</a>'
            + (f"<ol>{''.join(f'<li>{self._link(one)}</li>' for one in links[1:])}</ol>")
            * (len(links) > 1)
            + "</li>"
            for name, links in parts
        )
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            f"<title>{escape(_line(title))}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
            '<a class="skip" href="#main">To the text</a>\n'
            f'<nav aria-label="Contents"><p class="brand">{self._name(title)}</p>'
            f"<ol>{contents}</ol></nav>\n"
            f'<main id="main">\n<header>{self._picture(world.picture)}<h1 id="world">'
            f"{self._name(title)}</h1>{self._body(world)}</header>\n"
        )

    def part(self, title: str, anchor: str, note: str) -> str:
        """Return the beginning of a part, which ends the one before."""
        end = "</section>\n" if self._open else ""
        self._open = True
        return (
            f'{end}<section aria-labelledby="{escape(anchor)}"><h2 id="{escape(anchor)}">'
            f'{escape(title)}</h2><p class="note">{escape(note)}</p>\n'
        )

    def entry(self, entry: Entry) -> str:
        """Return an entry."""
        level = min(entry.level, 6)
        kind = f' <span class="kind">{escape(_line(entry.kind))}</span>' if entry.kind else ""
        return (
            f'<article class="l{entry.level}" id="{escape(entry.anchor)}">'
            f"{self._picture(entry.picture)}"
            f"<h{level}>{self._name(entry.title)}{kind}</h{level}>{self._body(entry)}</article>\n"
        )

    def letter(self, letter: str, names: Iterable[Reference]) -> str:
        """Return the names of an index that begin with a letter."""
        listed = "".join(f"<li>{self._link(one)}</li>" for one in names)
        return f'<div class="letter"><h3>{escape(letter)}</h3><ul>{listed}</ul></div>\n'

    def end(self, note: str) -> str:
        """Return the end."""
        return f"</section>\n<footer><p>{escape(note)}</p></footer>\n</main>\n</body>\n</html>\n"

    def _body(self, entry: Entry) -> str:
        texts = "".join(
            f"<p{self._lang}>{escape(part.strip()).replace(chr(10), '<br>')}</p>"
            for text in entry.texts
            for part in _PARAGRAPHS.split(plain(text))
            if part.strip()
        )
        if not entry.facts:
            return texts
        facts = "".join(
            f"<div><dt>{self._name(name)}</dt><dd>{self._values(values)}</dd></div>"
            for name, values in entry.facts
        )
        return f"{texts}<dl>{facts}</dl>"

    def _values(self, values: list[Reference]) -> str:
        if len(values) == 1:
            return self._link(values[0])
        return f"<ul>{''.join(f'<li>{self._link(one)}</li>' for one in values)}</ul>"

    def _link(self, one: Reference) -> str:
        text = self._name(one.text)
        if one.anchor:
            text = f'<a href="#{escape(one.anchor)}">{text}</a>'
        note = f' <span class="more">{self._name(one.note)}</span>' if one.note else ""
        return text + note

    def _name(self, text: str) -> str:
        # Isolated, so that what is written from right to left does not turn what stands beside it.
        return f"<bdi{self._lang}>{escape(_line(text))}</bdi>"

    def _picture(self, picture: Picture | None) -> str:
        if picture is None or picture.media_type is None:
            return ""
        self._bytes += len(picture.content)
        if self._bytes > _EMBEDDED_MAXIMUM_BYTES:
            return ""
        data = base64.b64encode(picture.content).decode()
        return (
            f'<img src="data:{picture.media_type};base64,{data}" '
            f'alt="{escape(_line(picture.text))}" loading="lazy">'
        )


def _line(text: str) -> str:
    return " ".join(plain(text).split())
