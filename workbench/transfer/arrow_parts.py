"""How large the parts of an Arrow file are, which its metadata tell before a part is read.

A batch that is packed is unpacked whole, so what it becomes must be known before. PyArrow does
not tell it: Message.fbs, File.fbs and IPC in the format of Arrow say what is read here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

MARK = b"ARROW1"
"""How a file begins and ends; a stream does not."""

_CONTINUES = 0xFFFFFFFF
_DICTIONARY, _BATCH = 2, 3
_LARGEST_METADATA_BYTES = 2**28


@dataclass(frozen=True)
class Part:
    """A batch of rows, or texts that its rows share.

    Attributes
    ----------
    size_bytes
        As it is in memory.
    packed
        Whether it must be unpacked.
    """

    shared: bool
    packed: bool
    size_bytes: int


def parts_of(path: Path) -> Iterator[Part]:
    """Give the parts of a file or stream; ArrowInvalid where what it says of them is damaged."""
    with path.open("rb") as handle:
        is_file = handle.read(len(MARK)) == MARK
        try:
            for offset in _blocks(handle) if is_file else _messages(handle):
                part, _ = _part(handle, offset)
                if part is not None:
                    yield part
        except (struct.error, MemoryError, OverflowError) as error:
            raise pa.ArrowInvalid("its metadata are damaged") from error


class _Table:
    """A table of FlatBuffers: its fields by their places."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - self._read("<i", at)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def number(self, form: str, field: int) -> int:
        at = self._place(field)
        return 0 if at is None else self._read(form, at)

    def table(self, field: int) -> _Table | None:
        at = self._place(field)
        return None if at is None else _Table(self._data, at + self._read("<I", at))

    def structs(self, form: str, field: int) -> Iterator[tuple[Any, ...]]:
        at = self._place(field)
        if at is not None:
            at += self._read("<I", at)
            for place in range(self._read("<I", at)):
                yield struct.unpack_from(form, self._data, at + 4 + place * struct.calcsize(form))

    def _place(self, field: int) -> int | None:
        end, entry = self._read("<H", self._fields), 4 + 2 * field
        offset = self._read("<H", self._fields + entry) if entry < end else 0
        return self._at + offset if offset else None

    def _read(self, form: str, at: int) -> int:
        if at < 0:
            raise struct.error("before the beginning")
        return int(struct.unpack_from(form, self._data, at)[0])


def _blocks(handle: BinaryIO) -> Iterator[int]:
    """Give where the parts of a file begin, which its end tells."""
    size = handle.seek(-len(MARK) - 4, 2)
    [length] = struct.unpack("<i", handle.read(4))
    if handle.read() != MARK or not 0 < length <= size:
        raise pa.ArrowInvalid("it has no end")
    footer = _Table.root(_read(handle, size - length, length))
    for field in (_DICTIONARY, _BATCH):  # the footer has them at these places too
        for offset, _, _ in footer.structs("<qi4xq", field):
            yield offset


def _messages(handle: BinaryIO) -> Iterator[int]:
    """Give where the messages of a stream begin."""
    size, at = handle.seek(0, 2), 0
    while at + 8 <= size:
        _, end = _part(handle, at)
        if end is None:
            return
        yield at
        at = end


def _part(handle: BinaryIO, offset: int) -> tuple[Part | None, int | None]:
    """Return the part that begins at `offset`, if it is one, and where it ends."""
    first, second = struct.unpack("<II", _read(handle, offset, 8))
    begin, length = (offset + 8, second) if first == _CONTINUES else (offset + 4, first)
    if length == 0:
        return None, None
    message = _Table.root(_read(handle, begin, length))
    body, size = begin + length, message.number("<q", 3)
    if size < 0:
        raise struct.error("a size below zero")
    kind, header = message.number("<B", 1), message.table(2)
    if kind == _DICTIONARY and header is not None:
        header = header.table(1)
    if kind not in (_DICTIONARY, _BATCH) or header is None:
        return None, body + size
    packed = header.table(3) is not None
    whole = _unpacked_bytes(handle, header, body) if packed else size
    return Part(kind == _DICTIONARY, packed, whole), body + size


def _unpacked_bytes(handle: BinaryIO, batch: _Table, body: int) -> int:
    """Return how large the buffers of a batch become: each begins with that, or -1 if it is not."""
    whole = 0
    for offset, length in batch.structs("<qq", 2):
        if length >= 8:
            [size] = struct.unpack("<q", _read(handle, body + offset, 8))
            whole += length if size < 0 else size
    return whole


def _read(handle: BinaryIO, at: int, length: int) -> bytes:
    if at < 0 or length > _LARGEST_METADATA_BYTES:
        raise struct.error("out of place")
    handle.seek(at)
    return handle.read(length)
