"""How a text file is written: its encoding and its delimiter, given or guessed.

Guesses look at no more than the beginning of a file, or at the first place that is not ASCII,
so that they cost the same for a file of any size.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from workbench.errors import UnreadableFile
from workbench.transfer.findings import Findings

HEAD_BYTES = 2**20  # how much of a file is looked at before it is read
BLOCK_BYTES = 2**23  # how much of it is read at once

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before that of UTF-16, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
# Of equals the first. More of them would only make the guess worse: cp850, say, fits German as
# well as windows-1252 does, and is hardly met any more.
_GUESSED = {
    "cp1252": "windows-1252",
    "cp1250": "windows-1250",
    "cp1251": "windows-1251",
    "koi8_r": "koi8-r",
    "cp1253": "windows-1253",
}
_SURE_PERCENT = 50  # below it, nobody is better served by a guess than by a question
_WIDE_SURE_PERCENT = 99  # so many zero bytes at their places are no accident
_SAMPLE_BYTES = 2**16
_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 200


@dataclass(frozen=True)
class Encoding:
    """An encoding by the name that Python knows.

    Attributes
    ----------
    sure_percent
        How sure a guess is; None for what is given, or marked in the file.
    """

    name: str
    sure_percent: int | None = None


SUPPOSED = Encoding("utf-8", 0)
"""What is neither given nor marked, until a byte tells otherwise."""


def encoding_of(head: bytes, given: str | None) -> Encoding:
    """Return how the file that begins with `head` is encoded: UTF-8 where nothing tells."""
    for mark, name in _MARKS.items():
        if head.startswith(mark) and (given is None or codecs.lookup(given).name in name):
            return Encoding(name)
    if given is not None:
        return Encoding(given)
    wide = _wide(head[:_SAMPLE_BYTES])
    if wide:
        return Encoding(wide, _WIDE_SURE_PERCENT)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError as error:
        found = guess(head[error.start :]) if head[: error.start].isascii() else None
        return found or SUPPOSED
    return SUPPOSED


def _wide(head: bytes) -> str | None:
    """Return UTF-16 or UTF-32 if `head` has the zero bytes of one, where it would have them.

    Spaces, delimiters and line ends have them in any script.
    """
    head = head[: len(head) // 4 * 4]
    zeros = [head[place::4].count(0) for place in range(4)]
    quarter = len(head) // 4
    if sum(zeros) < max(2, len(head) // 50):
        return None
    if zeros[2] == zeros[3] == quarter:
        return "utf-32-le"
    if zeros[0] == zeros[1] == quarter:
        return "utf-32-be"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    if odd > 10 * even:
        return "utf-16-le"
    return "utf-16-be" if even > 10 * odd else None


def guess(data: bytes) -> Encoding | None:
    """Return what `data`, which is not UTF-8, may be encoded in; None if nothing is likely."""
    import logging

    from charset_normalizer import from_bytes

    logging.getLogger("charset_normalizer").setLevel(logging.WARNING)
    lines = [line for line in data.splitlines() if not line.isascii()]
    sample = b"\n".join(lines)[:_SAMPLE_BYTES]
    order = list(_GUESSED)
    matches = from_bytes(sample, cp_isolation=order, enable_fallback=False)
    ranked = sorted(
        ((m.percent_chaos, -m.percent_coherence, order.index(name)), name)
        for m in matches
        for name in (m.encoding, *m.could_be_from_charset)
        if name in _GUESSED
    )
    if not ranked:
        return None
    (chaos, incoherence, _), best = ranked[0]
    sure = round((100 - chaos - incoherence) / 2)
    return Encoding(_GUESSED[best], sure) if sure >= _SURE_PERCENT else None


def utf8_blocks(
    handle: BinaryIO,
    encoding: Encoding,
    file: str,
    findings: Findings,
    block_bytes: int | None = None,
) -> Iterator[bytes]:
    """Give what is in `handle` as UTF-8, block by block, each with whole characters.

    Where UTF-8 was only supposed, and ends at the first byte that is not ASCII, the encoding
    is guessed from there on, and a note says so.
    """
    decoder = codecs.getincrementaldecoder(encoding.name)()
    supposed = encoding == SUPPOSED
    offset = lines = 0  # of what is decoded
    if encoding.sure_percent:
        _tell(encoding, file, findings)
    while True:
        data = handle.read(block_bytes or BLOCK_BYTES)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            whole = error.object  # with what the decoder had kept of the block before
            found = guess(whole[error.start :]) if supposed else None
            if found is None or not whole[: error.start].isascii():
                raise UnreadableFile(file, _refusal(encoding, error, offset, lines)) from None
            encoding, supposed = found, False
            _tell(encoding, file, findings)
            decoder = codecs.getincrementaldecoder(encoding.name)()
            try:
                text = decoder.decode(whole, final=not data)
            except UnicodeDecodeError as again:
                raise UnreadableFile(file, _refusal(encoding, again, offset, lines)) from None
        if text:
            yield text.encode()
        if not data:
            return
        supposed = supposed and text.isascii()
        offset = handle.tell() - len(decoder.getstate()[0])
        lines += text.count("\n")


def _tell(encoding: Encoding, file: str, findings: Findings) -> None:
    findings.note(
        f"{file}: read as {encoding.name}, a guess that is {encoding.sure_percent}% sure. "
        "Give the encoding if letters are wrong."
    )


def _refusal(encoding: Encoding, error: UnicodeDecodeError, offset: int, lines: int) -> str:
    at = error.start
    line = lines + error.object.count(b"\n", 0, at) + 1
    name = "UTF-8" if encoding.name.startswith("utf-8") else encoding.name
    found = f"byte 0x{error.object[at]:02x} at offset {offset + at:,}, on line {line:,}"
    return f"This is not {name}: {found}. Give its encoding, or save it with the encoding UTF-8."


def delimiter_of(head: str, known: Collection[str]) -> str:
    """Return what stands between the cells of a file that begins with the text `head`.

    That by which most of the header's names are `known`, else that by which most rows are as
    wide as the header.
    """
    best, delimiter = (0, 0.0, 0), ","
    for candidate in _DELIMITERS:
        widths: Counter[int] = Counter()
        header: list[str] = []
        try:
            for row in csv.reader(io.StringIO(head, newline=""), delimiter=candidate):
                if row and not header:
                    header = row
                elif row:
                    widths[len(row)] += 1
                if widths.total() == _SAMPLE_ROWS:
                    break
        except csv.Error:  # a huge cell, say: the rows before it tell enough
            pass
        names = sum(cell.strip().casefold() in known for cell in header)
        alike = widths[len(header)] / widths.total() if widths else 1.0
        score = (names, alike if len(header) > 1 else 0.0, len(header))
        if score > best:
            best, delimiter = score, candidate
    return delimiter
