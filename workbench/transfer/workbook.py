"""What is inside an Excel workbook (.xlsx), read as a stream and without trust.

A workbook is a zip file of XML. Nothing is unpacked before its size is known to be sane, and no
part may declare entities; a sheet goes through the parser row by row, so a large one takes no
more memory than a small one; the texts that its cells share go to temporary files.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from xml.parsers import expat

from workbench.errors import UnreadableFile
from workbench.transfer.shared_texts import SharedTexts
from workbench.transfer.workbook_xml import (
    COLUMNS,
    Cell,
    Parser,
    RefusedPart,
    SheetParser,
    Start,
    TextsParser,
    column_place,
    shows_date,
)

_CHUNK_BYTES = 2**20
_PLAIN_BYTES = 2**24  # nobody minds if this much comes out of a small file
_MAXIMUM_RATIO = 100  # what Excel writes unpacks to 5 to 30 times its size
_MAXIMUM_PARTS = 10_000
_MAXIMUM_TEXTS_BYTES = 2**32  # of texts that cells share: most of them go to the disk
_OLE = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook, and which part of the file it is."""

    name: str
    hidden: bool
    part: str


class Workbook:
    """An open workbook."""

    def __init__(self, path: Path, file: str) -> None:
        self._file = file
        with path.open("rb") as handle:
            start = handle.read(len(_OLE))
        if start == _OLE:
            raise UnreadableFile(
                file,
                "This is an old Excel workbook, or one with a password. Save it as .xlsx without "
                "a password.",
            )
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError):
            raise UnreadableFile(
                file,
                "This is not an Excel file, whatever its name says. If it is a text file, name it "
                ".csv and import it again.",
            ) from None
        self._since_1904 = False
        self._texts: SharedTexts | None = None
        self.share = 0.0
        """How much of the part that is being parsed has been, from 0 to 1."""
        try:
            self._refuse_bombs(path.stat().st_size)
            self.sheets = self._sheets()
            self._dates = self._date_styles()
        except UnreadableFile:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        if self._texts is not None:
            self._texts.close()

    def rows(self, sheet: Sheet) -> Iterator[tuple[int, dict[int, Cell]]]:
        """Give the rows of a sheet that have cells: their number from 1, and the cells by place.

        A cell that is merged with those below it counts for each of them.
        """
        if self._texts is None:
            self._texts = self._shared_texts()
        merged = self._merged(sheet)
        parser = SheetParser(self._texts, self._dates, since_1904=self._since_1904)
        held: dict[tuple[int, int], Cell] = {}
        for number, cells in self._parse(sheet.part, parser):
            for column, first, last in merged:
                if number == first and column in cells:
                    held[column, last] = cells[column]
            for (column, last), cell in list(held.items()):
                if number > last:
                    del held[column, last]
                else:
                    cells.setdefault(column, cell)
            yield number, cells

    def _refuse_bombs(self, size: int) -> None:
        parts = self._zip.infolist()
        whole = sum(part.file_size for part in parts)
        if len(parts) > _MAXIMUM_PARTS:
            raise UnreadableFile(self._file, f"This workbook has {len(parts):,} parts.")
        if whole > max(_PLAIN_BYTES, _MAXIMUM_RATIO * size):
            raise UnreadableFile(
                self._file,
                f"This workbook of {size:,} bytes would unpack to {whole:,}: it is taken for a "
                "zip bomb. Save it again with Excel, or as CSV.",
            )
        if any(part.flag_bits & 1 for part in parts):
            raise UnreadableFile(self._file, "This workbook has a password. Save it without.")

    def _open(self, part: str) -> BinaryIO:
        try:
            return self._zip.open(part)  # type: ignore[return-value]  # it reads bytes
        except (KeyError, NotImplementedError, zipfile.BadZipFile):
            raise UnreadableFile(
                self._file, f"This is not an Excel workbook: it has no readable part {part}."
            ) from None

    def _parse(self, part: str, parser: Parser) -> Iterator[tuple[int, dict[int, Cell]]]:
        """Put a part of the file through `parser`, and give the rows that come out."""
        size = max(self._zip.getinfo(part).file_size, 1) if part in self._zip.NameToInfo else 1
        with self._open(part) as handle:
            try:
                while data := handle.read(_CHUNK_BYTES):
                    self.share = handle.tell() / size
                    parser.feed(data)
                    yield from parser.taken()
                parser.end()
                yield from parser.taken()
            except (
                expat.ExpatError,
                zipfile.BadZipFile,
                zlib.error,
                EOFError,
                OSError,
                ValueError,
            ) as error:
                raise UnreadableFile(
                    self._file, f"Its part {part} is damaged ({error}). Save it again with Excel."
                ) from None
            except RefusedPart as error:
                raise UnreadableFile(self._file, f"Its part {part} {error}.") from None

    def _read(self, part: str, start: Start) -> None:
        """Hand each element of a small part to `start`."""
        for _ in self._parse(part, Parser(start)):
            pass

    def _sheets(self) -> list[Sheet]:
        targets: dict[str, str] = {}
        found: list[tuple[str, bool, str]] = []

        def relation(name: str, said: dict[str, str]) -> None:
            if name == "Relationship":
                targets[said.get("Id", "")] = said.get("Target", "")

        def sheet(name: str, said: dict[str, str]) -> None:
            if name == "sheet":
                hidden = said.get("state", "visible") != "visible"
                found.append((said.get("name", ""), hidden, said.get("id", "")))
            elif name == "workbookPr":
                self._since_1904 = said.get("date1904", "0") in ("1", "true")

        self._read("xl/_rels/workbook.xml.rels", relation)
        self._read("xl/workbook.xml", sheet)
        parts = set(self._zip.namelist())
        sheets = []
        for name, hidden, identity in found:
            part = str(PurePosixPath("/xl") / targets.get(identity, "")).lstrip("/")
            if part in parts and "/worksheets/" in part:  # charts have no cells
                sheets.append(Sheet(name, hidden, part))
        return sheets

    def _date_styles(self) -> frozenset[int]:
        """Return the styles of cells, by number, that show dates or times."""
        formats: dict[int, str] = {}
        styles: list[int] = []
        inside = ""

        def style(name: str, said: dict[str, str]) -> None:
            nonlocal inside
            if name in ("cellXfs", "cellStyleXfs", "numFmts"):
                inside = name
            elif name == "numFmt" and inside == "numFmts":
                formats[int(said["numFmtId"])] = said.get("formatCode", "")
            elif name == "xf" and inside == "cellXfs":
                styles.append(int(said.get("numFmtId", "0")))

        if "xl/styles.xml" not in self._zip.namelist():
            return frozenset()
        try:
            self._read("xl/styles.xml", style)
        except (KeyError, ValueError):
            raise UnreadableFile(self._file, "Its part xl/styles.xml is damaged.") from None
        return frozenset(
            number
            for number, format in enumerate(styles)
            if shows_date(format, formats.get(format, ""))
        )

    def _shared_texts(self) -> SharedTexts:
        part = "xl/sharedStrings.xml"
        parser = TextsParser()
        if part not in self._zip.namelist():
            return parser.texts
        size = self._zip.getinfo(part).file_size
        if size > _MAXIMUM_TEXTS_BYTES:
            raise UnreadableFile(
                self._file, f"This workbook has {size:,} bytes of texts. Save it as CSV."
            )
        try:
            for _ in self._parse(part, parser):
                pass
        except UnreadableFile:
            parser.texts.close()
            raise
        return parser.texts

    def _merged(self, sheet: Sheet) -> list[tuple[int, int, int]]:
        """Return column, first and last row of cells that are merged downwards.

        They stand behind the rows, where a parser would meet them too late.
        """
        pattern = re.compile(
            rb'<(?:\w+:)?mergeCell [^>]*?\bref="([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"'
        )
        found: dict[tuple[int, int, int], None] = {}
        with self._open(sheet.part) as handle:
            tail, behind = b"", False
            while data := handle.read(_CHUNK_BYTES):
                tail = tail[-1_000:] + data
                behind = behind or b"mergeCell" in tail
                if behind:
                    for column, first, last in pattern.findall(tail):
                        if int(last) > int(first) and len(found) < COLUMNS:
                            found[column_place(column.decode()), int(first), int(last)] = None
        return list(found)
