"""The values in a file of JSON, one after the other: a line each, or an element of a list each.

No more of a file is in memory than one value needs. What is no JSON is told by its line, and so
is what Python would take for it: NaN, numbers without end, depth without end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from workbench.errors import UnreadableFile
from workbench.transfer.dialect import HEAD_BYTES, encoding_of, utf8_blocks
from workbench.transfer.findings import Findings
from workbench.transfer.source import Opening

_LARGEST_BYTES = 2**26  # of one line or element
_NAMED_LINES = 10  # in a note
_SPACES = " \t\r\n"
ROOT = "$"
"""What messages call the one value of a file, as JSONPath does."""


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


class Damaged:
    """Stands for a line that is no JSON, which the findings know."""


Records: TypeAlias = Callable[[Opening, Findings], Iterator[tuple[object, object]]]
"""Begins to read what a file holds: each value, and what messages call it."""


def records_of(opening: Opening) -> Records:
    """Return how the values of the file are read: by lines, from a list, or only one."""
    if opening.path.suffix.casefold() in (".jsonl", ".ndjson"):
        return _lines
    text = _Text(opening, Findings())
    if text.next() == "[":
        return _elements
    if not text.next():
        raise UnreadableFile(opening.file, "This file is empty.")
    text.value()
    return _lines if text.next() else _single


def _problem(error: Exception) -> str:
    """Return what is wrong with a text that is no JSON, and where in it."""
    if isinstance(error, RecursionError):
        return "This is nested too deep."
    if isinstance(error, json.JSONDecodeError):
        what = f"{error.msg[0].lower()}{error.msg[1:]}"
        return f"This is not JSON: {what}, at character {error.pos + 1:,}."
    if "integer string conversion" in str(error):
        return "This has a number of too many digits."
    return f"This is not JSON: {error}."


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
            yield number, _DECODER.decode(line.decode())
        except (ValueError, RecursionError) as error:
            shown_line = line[:200].decode(errors="ignore")
            findings.cell(
                opening.file, opening.stored.plural, number, _problem(error), value=shown_line
            )
            yield number, Damaged()
    inside = [str(number) for number in blank if number < last]
    if inside:
        more = ", …" if len(inside) > _NAMED_LINES else ""
        named = ", ".join(inside[:_NAMED_LINES])
        findings.note(f"{opening.file}: blank lines are skipped (line {named}{more}).")


def is_lines(opening: Opening) -> bool:
    """Whether each line of the file is a value."""
    return records_of(opening) is _lines


def raw_lines(opening: Opening, findings: Findings) -> Iterator[tuple[int, bytes]]:
    """Give each line by its number, as UTF-8."""
    number, left = 0, b""
    for block in _blocks(opening, findings):
        *whole, left = (left + block).split(b"\n")
        for line in whole:
            number += 1
            yield number, line
        if len(left) > _LARGEST_BYTES:
            raise UnreadableFile(
                opening.file,
                f"Line {number + 1:,} is longer than {_LARGEST_BYTES // 2**20} MB. "
                "If this is not a file of lines, name it .json.",
            )
    yield number + 1, left


def _blocks(opening: Opening, findings: Findings) -> Iterator[bytes]:
    with opening.path.open("rb") as handle:
        encoding = encoding_of(handle.read(HEAD_BYTES), opening.reading.encoding)
        handle.seek(0)
        yield from utf8_blocks(handle, encoding, opening.file, findings)


def _single(opening: Opening, findings: Findings) -> Iterator[tuple[object, object]]:
    """Give the one object that the file holds."""
    yield ROOT, _Text(opening, findings).value()


def _elements(opening: Opening, findings: Findings) -> Iterator[tuple[object, object]]:
    """Give each element of the list that the file holds by its number."""
    text = _Text(opening, findings)
    if text.next() != "[":
        raise UnreadableFile(opening.file, "This is not a list of objects.")
    text.at += 1
    number = 0
    while text.next() != "]":
        number += 1
        yield number, text.value()
        if text.next() == ",":
            text.at += 1
        elif text.next() != "]":
            raise text.damaged("A comma is missing")
    text.at += 1
    if text.next():
        raise text.damaged("There is more after the end of the list")


@dataclass
class _Text:
    """The text of a file, of which no more is in memory than one value needs."""

    opening: Opening
    findings: Findings

    def __post_init__(self) -> None:
        self._blocks = _blocks(self.opening, self.findings)
        self._text = ""
        self.at = 0
        self._lines = 0

    def _more(self) -> bool:
        block = next(self._blocks, b"")
        self._lines += self._text.count("\n", 0, self.at)
        self._text = self._text[self.at :] + block.decode()
        self.at = 0
        return bool(block)

    def next(self) -> str:
        """Go to the next character that is no space, and return it; nothing at the end."""
        while True:
            while self.at < len(self._text):
                if self._text[self.at] not in _SPACES:
                    return self._text[self.at]
                self.at += 1
            if not self._more():
                return ""

    def value(self) -> object:
        """Return the value that begins here, and go to its end."""
        self.next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self.at)
                if end == len(self._text) and self._more():
                    continue  # a number may go on
            except (ValueError, RecursionError) as error:
                cut_off = isinstance(error, json.JSONDecodeError)
                if cut_off and len(self._text) < _LARGEST_BYTES and self._more():
                    continue
                raise self.damaged(_problem(error).removesuffix(".")) from None
            self.at = end
            return value

    def damaged(self, what: str) -> UnreadableFile:
        """Return the error that says `what` is wrong here."""
        line = self._lines + self._text.count("\n", 0, self.at) + 1
        return UnreadableFile(
            self.opening.file, f"{what}, in what begins on line {line:,}. Nothing of it is used."
        )
