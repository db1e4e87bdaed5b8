"""Objects of JSON that are too large to be in memory: their long lists are read as they are used.

A first reading finds these objects, and what each has beside its long lists. With that, the next
reading has an object before its lists have come, wherever in it its name stands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any
from weakref import finalize

from workbench.transfer.json_text import UNFINISHED, Text
from workbench.transfer.tables import TABLES

LONG_CHARACTERS = 2**22  # what is shorter is read whole
_BESIDE_CHARACTERS = 2**26  # of what an object has beside its long lists
_KEPT_BYTES = 2**20
_DEEPEST = 16


@dataclass(frozen=True)
class LongList:
    """A list of records that is read as one goes through it, once.

    The long lists of an object are gone through in their order; what is left is passed over.
    """

    elements: Callable[[], Iterator[object]]

    def __iter__(self) -> Iterator[object]:
        return self.elements()


class LongObject(dict[str, Any]):
    """An object that has long lists."""

    def __init__(self, said: dict[str, Any], lists: list[str], members: _Members) -> None:
        super().__init__(said)
        for name in lists:
            self[name] = LongList(partial(members.elements, name))
        self.members = members


class Outline:
    """What the large objects of a file say beside their long lists, by where they begin."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[int, int]] = {}
        with ExitStack() as files:
            self._file = files.enter_context(SpooledTemporaryFile(_KEPT_BYTES, prefix="workbench-"))
            finalize(self, files.pop_all().close)

    def __len__(self) -> int:
        return len(self._places)

    def pass_over(self, text: Text, depth: int = 0) -> object:
        """Go past the value that begins here, and learn of it.

        Return it; of a large object, what it says, with nothing in its long lists.
        """
        value = text.within(LONG_CHARACTERS)
        if value is not UNFINISHED:
            return value
        if text.next() != "{" or depth == _DEEPEST:
            return text.value()
        start, before = text.position, 0
        said: dict[str, Any] = {}
        lists: list[str] = []
        for name in text.members():
            here = text.position
            value = self._member(text, name, depth)
            if name in lists or (value is UNFINISHED and name in said):
                raise text.damaged(f"`{name}` is there twice")
            if value is UNFINISHED:
                lists.append(name)
                said[name] = []
                continue
            said[name] = value
            before += text.position - here
            if before > _BESIDE_CHARACTERS:
                raise text.damaged(f"This is longer than {_BESIDE_CHARACTERS // 2**20} MB")
        if lists:
            data = json.dumps([said, lists]).encode()
            self._places[start] = self._file.seek(0, 2), len(data)
            self._file.write(data)
        return said

    def _member(self, text: Text, name: str, depth: int) -> object:
        """Go past the value of a member; UNFINISHED stands for a long list."""
        if name not in TABLES or text.next() != "[":
            return text.value()
        value = text.within(LONG_CHARACTERS)
        if value is UNFINISHED:
            for element in text.elements(partial(self.pass_over, text, depth + 1)):
                if not isinstance(element, dict | str):
                    raise text.damaged(f"`{name}` has an element that is no record")
        return value

    def value(self, text: Text) -> object:
        """Return the value that begins here, perhaps as an object whose long lists are unread."""
        text.next()
        place = self._places.get(text.position)
        if place is None:
            return text.value()
        self._file.seek(place[0])
        said, lists = json.loads(self._file.read(place[1]))
        return LongObject(said, lists, _Members(text, self, lists))

    def elements(self, text: Text) -> Iterator[object]:
        """Give the elements of the list that begins here."""
        for value in text.elements(partial(self.value, text)):
            yield value
            if isinstance(value, LongObject):
                value.members.finish()


class _Members:
    """The members of a large object, gone through as its long lists are."""

    def __init__(self, text: Text, outline: Outline, lists: list[str]) -> None:
        self._text, self._outline, self._lists = text, outline, lists
        self._names = text.members()

    def elements(self, wanted: str) -> Iterator[object]:
        for name in self._names:
            if name == wanted:
                yield from self._outline.elements(self._text)
                return
            self._pass(name)

    def finish(self) -> None:
        for name in self._names:
            self._pass(name)

    def _pass(self, name: str) -> None:
        if name in self._lists:
            for _ in self._outline.elements(self._text):
                pass
        else:
            self._text.value()
