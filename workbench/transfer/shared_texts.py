"""The texts that the cells of a workbook share: the first in memory, the others in files."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO

_KEPT_CHARACTERS = 2**23
_KEPT_TEXTS = 2**18
_TOGETHER = 64  # texts are read so many at once, for they are asked for in their order mostly
_TOGETHER_BYTES = 2**15
_GROUPS = 1_024


class SharedTexts:
    """Texts by their numbers; how many there are makes no difference to the memory they take."""

    def __init__(self) -> None:
        self.first: list[str] = []
        self._room = _KEPT_CHARACTERS
        self._count = self._end = 0
        self._groups: OrderedDict[int, tuple[array[int], bytes]] = OrderedDict()
        self._files = ExitStack()
        self._texts: IO[bytes]
        self._places: IO[bytes]

    @property
    def all_in_memory(self) -> bool:
        """Whether the first are all."""
        return not self._count

    def close(self) -> None:
        """Remove the files."""
        self._files.close()

    def append(self, text: str) -> None:
        """Add a text; OSError where there is no room for it."""
        if self._room > 0 and len(self.first) < _KEPT_TEXTS:
            self.first.append(text)
            self._room -= len(text)
            return
        if not self._count:
            with ExitStack() as files:
                self._texts = files.enter_context(TemporaryFile(prefix="workbench-"))
                self._places = files.enter_context(TemporaryFile(prefix="workbench-"))
                self._files = files.pop_all()
            self._places.write(array("Q", [0]).tobytes())
        data = text.encode()
        self._texts.write(data)
        self._end += len(data)
        self._places.write(array("Q", [self._end]).tobytes())
        self._count += 1

    def __getitem__(self, number: int) -> str:
        if 0 <= number < len(self.first):
            return self.first[number]
        number -= len(self.first)
        if not 0 <= number < self._count:
            raise IndexError(number)
        group, place = divmod(number, _TOGETHER)
        places, texts = self._groups.get(group) or self._group(group)
        start, end = places[place] - places[0], places[place + 1] - places[0]
        data = texts[start:end] if end <= len(texts) else self._read(places[place], end - start)
        return data.decode()

    def _group(self, group: int) -> tuple[array[int], bytes]:
        """Return where texts that belong together begin and the last ends, and the texts."""
        places = array("Q")
        self._places.seek(group * _TOGETHER * places.itemsize)
        places.frombytes(self._places.read((_TOGETHER + 1) * places.itemsize))
        size = min(places[-1] - places[0], _TOGETHER_BYTES)
        found = self._groups[group] = places, self._read(places[0], size)
        if len(self._groups) > _GROUPS:
            self._groups.popitem(last=False)
        return found

    def _read(self, start: int, length: int) -> bytes:
        self._texts.seek(start)
        return self._texts.read(length)
