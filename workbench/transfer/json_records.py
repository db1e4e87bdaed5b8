"""The values in a file of JSON: a line each, an element of a list each, or only one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from workbench.errors import UnreadableFile
from workbench.transfer import json_long
from workbench.transfer.findings import Findings
from workbench.transfer.json_long import Outline
from workbench.transfer.json_text import DECODER, UNFINISHED, Text, problem_of, raw_lines
from workbench.transfer.source import Opening

_NAMED_LINES = 10  # in a note
_ROOT = "$"  # what messages call the one value of a file, as JSONPath does


class Damaged:
    """Stands for a line that is no JSON, which the findings know."""


@dataclass(frozen=True)
class Document:
    """A file of JSON.

    Attributes
    ----------
    form
        What it holds.
    outline
        Its large objects, where they are known.
    """

    opening: Opening
    form: Literal["lines", "list", "one"]
    outline: Outline

    def values(self, findings: Findings) -> Iterator[tuple[object, object]]:
        """Give each value, and what messages call it first."""
        return self._read(findings, Outline())

    def records(self, findings: Findings) -> Iterator[tuple[object, object]]:
        """Give each value, and what messages call it first; long lists of known objects unread."""
        return self._read(findings, self.outline)

    def listed(self, name: str, _: Findings) -> Iterator[tuple[object, object]]:
        """Give the elements of a list of the first value by their numbers."""
        record = next(self.records(Findings()))[1]
        if isinstance(record, dict):
            yield from enumerate(record[name], start=1)

    def learn(self) -> None:
        """Get to know the large objects."""
        if self.form == "list" and self.opening.path.stat().st_size > json_long.LONG_CHARACTERS:
            text = Text(self.opening, Findings())
            text.next()
            for _ in text.elements(lambda: self.outline.pass_over(text)):
                pass

    def _read(self, findings: Findings, outline: Outline) -> Iterator[tuple[object, object]]:
        if self.form == "lines":
            return _lines(self.opening, findings)
        return (_elements if self.form == "list" else _one)(self.opening, findings, outline)


def document_of(opening: Opening) -> Document:
    """Return what a file of JSON is, and the large objects of one that decide it."""
    outline = Outline()
    if opening.path.suffix.casefold() in (".jsonl", ".ndjson"):
        return Document(opening, "lines", outline)
    text = Text(opening, Findings())
    if not text.next():
        raise UnreadableFile(opening.file, "This file is empty.")
    if text.next() == "[":
        document = Document(opening, "list", outline)
        first = next(text.elements(lambda: text.within(json_long.LONG_CHARACTERS)), None)
        if first is UNFINISHED:
            document.learn()
        return document
    outline.pass_over(text)
    return Document(opening, "lines" if text.next() else "one", outline)


def _lines(opening: Opening, findings: Findings) -> Iterator[tuple[object, object]]:
    """Give each line that is not blank by its number, as what it says."""
    last = 0
    blank: list[int] = []
    for number, line in raw_lines(opening, findings):
        if not line or line.isspace():
            blank.append(number)
            continue
        last = number
        try:
            yield number, DECODER.decode(line.decode())
        except (ValueError, RecursionError) as error:
            shown_line = line[:200].decode(errors="ignore")
            findings.cell(
                opening.file, opening.stored.plural, number, problem_of(error), value=shown_line
            )
            yield number, Damaged()
    inside = [str(number) for number in blank if number < last]
    if inside:
        more = ", …" if len(inside) > _NAMED_LINES else ""
        named = ", ".join(inside[:_NAMED_LINES])
        findings.note(f"{opening.file}: blank lines are skipped (line {named}{more}).")


def _one(opening: Opening, findings: Findings, outline: Outline) -> Iterator[tuple[object, object]]:
    """Give the one object that the file holds."""
    yield _ROOT, outline.value(Text(opening, findings))


def _elements(
    opening: Opening, findings: Findings, outline: Outline
) -> Iterator[tuple[object, object]]:
    """Give each element of the list that the file holds by its number."""
    text = Text(opening, findings)
    if text.next() != "[":
        raise UnreadableFile(opening.file, "This is not a list of objects.")
    yield from enumerate(outline.elements(text), start=1)
    if text.next():
        raise text.damaged("There is more after the end of the list")
