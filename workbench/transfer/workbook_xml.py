"""The XML parts of a workbook, parsed as they come: rows of cells, and texts that cells share."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from xml.parsers import expat

from workbench.transfer.shared_texts import SharedTexts

_MAXIMUM_CELL_CHARACTERS = 2**23  # Excel itself puts up with 32,767
_TEXTS = frozenset({"v", "t", "f"})  # elements that hold what a cell shows
COLUMNS = 16_384  # as many as Excel has

# The formats that ECMA-376 (18.8.30) numbers and that show dates or times.
_DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_LITERALS = re.compile(r'"[^"]*"|\\.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)


class Cell(NamedTuple):
    """A cell as people see it; `problem` says why it has no value that can be read."""

    text: str
    problem: str | None = None


class RefusedPart(Exception):
    """A part of the file is not read any further; says why, as the end of a sentence."""


Start: TypeAlias = Callable[[str, dict[str, str]], None]


class Parser:
    """Hands elements to `start`, by their names without prefixes; no part may have a DTD."""

    def __init__(self, start: Start | None = None) -> None:
        self._expat = expat.ParserCreate()
        self._expat.buffer_text = True
        self._expat.StartDoctypeDeclHandler = self._refuse
        if start is not None:
            self._expat.StartElementHandler = lambda name, said: start(
                _local(name), {_local(key): value for key, value in said.items()}
            )

    def feed(self, data: bytes) -> None:
        self._expat.Parse(data, False)

    def end(self) -> None:
        self._expat.Parse(b"", True)

    def taken(self) -> list[tuple[int, dict[int, Cell]]]:
        return []

    @staticmethod
    def _refuse(*_: object) -> None:
        raise RefusedPart("declares entities, which no workbook needs: it is taken for an attack")


class TextsParser(Parser):
    """Collects the texts that cells share, without the hints how they are pronounced."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = SharedTexts()
        self._parts: list[str] = []
        self._phonetic = False
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end

    def feed(self, data: bytes) -> None:
        super().feed(data)
        if sum(map(len, self._parts)) > _MAXIMUM_CELL_CHARACTERS:
            raise RefusedPart("has a text that is far larger than Excel would make one")

    def _start(self, name: str, said: dict[str, str]) -> None:
        name = _local(name)
        if name == "si":
            self._parts = []
        elif name == "rPh":
            self._phonetic = True
        elif name == "t" and not self._phonetic:
            self._expat.CharacterDataHandler = self._parts.append

    def _end(self, name: str) -> None:
        name = _local(name)
        if name == "t":
            self._expat.CharacterDataHandler = None
        elif name == "rPh":
            self._phonetic = False
        elif name == "si":
            try:
                self.texts.append(_unescaped("".join(self._parts)))
            except OSError as error:
                raise RefusedPart(
                    f"has more texts than the folder for temporary files takes ({error.strerror})"
                ) from None
            self._parts = []


class SheetParser(Parser):
    """Makes rows of cells out of the elements of a sheet."""

    def __init__(self, texts: SharedTexts, dates: frozenset[int], *, since_1904: bool) -> None:
        super().__init__()
        self._texts = texts.first if texts.all_in_memory else texts
        self._dates, self._since_1904 = dates, since_1904
        self._ready: list[tuple[int, dict[int, Cell]]] = []
        self._number = 0
        self._cells: dict[int, Cell] = {}
        self._column = -1
        self._kind = self._style = ""
        self._value: list[str] = []
        self._formula: list[str] | None = None
        self._places: dict[str, int] = {}
        self._phonetic = False
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end

    def feed(self, data: bytes) -> None:
        super().feed(data)
        if sum(map(len, self._value)) > _MAXIMUM_CELL_CHARACTERS:
            raise RefusedPart("has a cell that is far larger than Excel would make one")

    def taken(self) -> list[tuple[int, dict[int, Cell]]]:
        """Return the rows that are whole, and forget them."""
        ready, self._ready = self._ready, []
        return ready

    # Called for every element of every cell: what is frequent comes first, names without a
    # prefix are compared as they are.
    def _start(self, name: str, said: dict[str, str]) -> None:
        if ":" in name:
            name = _local(name)
        if name == "c":
            reference = said.get("r")
            if reference is None:
                self._column += 1
            else:
                letters = reference.rstrip("0123456789")
                place = self._places.get(letters)
                self._column = self._place_of(letters) if place is None else place
            self._kind, self._style = said.get("t", "n"), said.get("s", "0")
            self._value, self._formula = [], None
        elif name == "v" or (name == "t" and not self._phonetic):
            self._expat.CharacterDataHandler = self._value.append
        elif name == "f":
            self._formula = []
            self._expat.CharacterDataHandler = self._formula.append
        elif name == "rPh":
            self._phonetic = True
        elif name == "row":
            self._number = int(said.get("r", self._number + 1))
            self._cells, self._column = {}, -1

    def _end(self, name: str) -> None:
        if ":" in name:
            name = _local(name)
        if name == "c":
            if self._value or self._formula is not None:
                cell = self._cell("".join(self._value))
                if cell.text:
                    self._cells[self._column] = cell
        elif name in _TEXTS:
            self._expat.CharacterDataHandler = None
        elif name == "rPh":
            self._phonetic = False
        elif name == "row" and self._cells:
            self._ready.append((self._number, self._cells))

    def _place_of(self, letters: str) -> int:
        place = self._places[letters] = column_place(letters)
        return place

    def _cell(self, value: str) -> Cell:
        if not value and self._formula is not None and self._kind != "str":
            formula = f"={''.join(self._formula)}"
            return Cell(
                formula,
                "This formula has no value yet: open the workbook in Excel and save it, or write "
                "the value.",
            )
        kind = self._kind
        if kind == "s":
            try:
                return Cell(self._texts[int(value)])
            except (ValueError, IndexError):
                raise RefusedPart("names a text that is not there") from None
        if kind == "b":
            return Cell("TRUE" if value == "1" else "FALSE")
        if kind == "e":
            return Cell(value, "This cell is an error in the workbook. Mend it there.")
        if kind in ("str", "inlineStr"):
            return Cell(_unescaped(value))
        if kind == "d":
            return Cell(value)
        if self._style.isdecimal() and int(self._style) in self._dates:
            return _date(value, since_1904=self._since_1904)
        return Cell(_number(value))


@lru_cache(1_000)
def _local(name: str) -> str:
    return name.rpartition(":")[2]


def column_place(letters: str) -> int:
    """Return the column, from 0, that `letters` name.

    >>> column_place("A"), column_place("XFD")
    (0, 16383)
    """
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - ord("A") + 1
    if not 0 < place <= COLUMNS:
        raise RefusedPart(f"has a cell in a column {letters[:10]!r}, which Excel has not")
    return place - 1


def _unescaped(text: str) -> str:
    """Return `text` with the characters that Excel writes as `_x000D_`."""
    if "_x" not in text:
        return text
    whole = re.sub(r"_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)
    return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _number(text: str) -> str:
    """Return a number as people write it: 1984, not 1984.0; 0.1, not 0.10000000000000001.

    >>> _number("1984.0"), _number("0.10000000000000001"), _number("1.5E3")
    ('1984', '0.1', '1500')
    """
    if text.isdecimal():
        return text
    try:
        value = float(text)
    except ValueError:
        return text
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def _date(text: str, *, since_1904: bool) -> Cell:
    """Return a day or a moment as ISO 8601 writes it; Excel counts days.

    >>> _date("36525", since_1904=False).text, _date("0.5", since_1904=False).text
    ('1999-12-31', '12:00:00')
    """
    try:
        days = float(text)
        start = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30)
        if not since_1904 and 1 <= days < 60:  # Excel has a 29 February 1900
            start += timedelta(days=1)
        if days < 0:
            raise ValueError(text)
        moment = start + timedelta(seconds=round(days * 86_400))
    except (ValueError, OverflowError):
        return Cell(text, "This is no date that Excel can show.")
    if 0 <= days < 1:
        return Cell(moment.time().isoformat())
    if days.is_integer():
        return Cell(moment.date().isoformat())
    return Cell(moment.isoformat())


def shows_date(number: int, format: str) -> bool:
    """Whether a number in this format is a date or a time to those who see it.

    >>> shows_date(164, "dd.mm.yyyy"), shows_date(165, '0.00 "days"'), shows_date(14, "")
    (True, False, True)
    """
    if number in _DATE_FORMATS:
        return True
    shown = _LITERALS.sub("", format.partition(";")[0]).casefold()
    return any(letter in shown for letter in "ymdhs") and "general" not in shown
