"""The text of a file of JSON, gone through value by value.

No more of a file is in memory than one value needs. What is no JSON is told by its line, and so
is what Python would take for it: NaN, numbers without end, depth without end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from workbench.errors import UnreadableFile
from workbench.transfer.dialect import HEAD_BYTES, encoding_of, utf8_blocks
from workbench.transfer.findings import Findings
from workbench.transfer.source import Opening

LARGEST_BYTES = 2**26  # of one line or element
_SPACES = " \t\r\n"

UNFINISHED: Any = object()
"""Stands for a value that does not end where it was to end."""


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


class _Unfinished(Exception):
    """A value goes on after all that was to be read; or this is no value."""


def problem_of(error: BaseException | None) -> str:
    """Return what is wrong with a text that is no JSON, and where in it."""
    if isinstance(error, RecursionError):
        return "This is nested too deep."
    if isinstance(error, json.JSONDecodeError):
        what = f"{error.msg[0].lower()}{error.msg[1:]}"
        return f"This is not JSON: {what}, at character {error.pos + 1:,}."
    if "integer string conversion" in str(error):
        return "This has a number of too many digits."
    return f"This is not JSON: {error}."


class Text:
    """The text of a file, of which no more is in memory than one value needs."""

    def __init__(self, opening: Opening, findings: Findings) -> None:
        self._file = opening.file
        self._blocks = blocks_of(opening, findings)
        self._text = ""
        self._at = self._passed = self._lines = 0

    @property
    def position(self) -> int:
        """How many characters are before here."""
        return self._passed + self._at

    def next(self) -> str:
        """Go to the next character that is no space, and return it; nothing at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACES:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def value(self) -> object:
        """Return the value that begins here, and go to its end."""
        try:
            return self._value(LARGEST_BYTES)
        except _Unfinished as unfinished:
            raise self._not_json(unfinished.__cause__) from None

    def within(self, most: int) -> object:
        """Return the value that begins here, and go to its end.

        If that is not among `most` characters, stay and return UNFINISHED.
        """
        try:
            return self._value(most)
        except _Unfinished:
            return UNFINISHED

    def elements(self, read: Callable[[], object]) -> Iterator[object]:
        """Go through the list that begins here; `read` goes past each of its elements."""
        self._at += 1
        while self.next() != "]":
            yield read()
            if self.next() == ",":
                self._at += 1
            elif self.next() != "]":
                raise self.damaged("A comma is missing")
        self._at += 1

    def members(self) -> Iterator[str]:
        """Go through the object that begins here by its names.

        Whoever takes a name goes past its value, which begins here then.
        """
        self._at += 1
        while self.next() != "}":
            if self.next() != '"':
                raise self.damaged("A name is missing")
            name = str(self.value())
            if self.next() != ":":
                raise self.damaged("A colon is missing")
            self._at += 1
            self.next()
            yield name
            if self.next() == ",":
                self._at += 1
            elif self.next() != "}":
                raise self.damaged("A comma is missing")
        self._at += 1

    def damaged(self, what: str) -> UnreadableFile:
        """Return the error that says `what` is wrong here."""
        line = self._lines + self._text.count("\n", 0, self._at) + 1
        return UnreadableFile(
            self._file, f"{what}, in what begins on line {line:,}. Nothing of it is used."
        )

    def _not_json(self, error: BaseException | None) -> UnreadableFile:
        return self.damaged(problem_of(error).removesuffix("."))

    def _value(self, most: int) -> object:
        self.next()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:  # or it is cut off
                if len(self._text) - self._at >= most:
                    raise _Unfinished from error
                if self._more():
                    continue
                raise self._not_json(error) from None
            except (ValueError, RecursionError) as error:
                raise self._not_json(error) from None
            if end == len(self._text) and self._more():
                continue  # a number may go on
            self._at = end
            return value

    def _more(self) -> bool:
        block = next(self._blocks, b"")
        self._lines += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + block.decode()
        self._passed += self._at
        self._at = 0
        return bool(block)


def raw_lines(opening: Opening, findings: Findings) -> Iterator[tuple[int, bytes]]:
    """Give each line by its number, as UTF-8."""
    number, left = 0, b""
    for block in blocks_of(opening, findings):
        *whole, left = (left + block).split(b"\n")
        for line in whole:
            number += 1
            yield number, line
        if len(left) > LARGEST_BYTES:
            raise UnreadableFile(
                opening.file,
                f"Line {number + 1:,} is longer than {LARGEST_BYTES // 2**20} MB. "
                "If this is not a file of lines, name it .json.",
            )
    yield number + 1, left


def blocks_of(opening: Opening, findings: Findings) -> Iterator[bytes]:
    with opening.path.open("rb") as handle:
        encoding = encoding_of(handle.read(HEAD_BYTES), opening.reading.encoding)
        handle.seek(0)
        yield from utf8_blocks(handle, encoding, opening.file, findings)
