"""How files are to be read: said by the caller, or by a small TOML file beside the data."""

from __future__ import annotations

import codecs
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from workbench.errors import BadSettings, UnreadableFile

FOLDER_FILE = "workbench.toml"
"""What a folder's files have in common at its top, and each of them under `[files."name"]`."""

REJECTS = re.compile(r"\.rejects(-\d+)?$")
"""How the stem of a file ends that holds rejected rows of an import."""

_WORDS = {"table": str, "encoding": str, "delimiter": str, "sheet": str, "header_row": int}
_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


@dataclass(frozen=True)
class Reading:
    """What is said of how to read a file; None where it is to be found out.

    Attributes
    ----------
    table
        The table its rows belong to, where its name does not tell.
    sheet, header_row
        Of a workbook: the sheet by name, and the row of it that has the column names, from 1.
    columns
        The column of the table that a column of the file stands for: `{"Rolle": "role"}`.
    """

    table: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.delimiter is not None:
            delimiter = _DELIMITERS.get(self.delimiter, self.delimiter)
            if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
                raise BadSettings(
                    f"A delimiter is one character, or tab; {self.delimiter!r} is not."
                )
            object.__setattr__(self, "delimiter", delimiter)
        if self.encoding is not None:
            try:
                known = codecs.lookup(self.encoding)
            except LookupError:
                known = None
            if known is None or not known._is_text_encoding:
                raise BadSettings(
                    f"There is no encoding {self.encoding!r}. Say utf-8, windows-1252 or koi8-r, "
                    "for example."
                )
        if self.header_row is not None and self.header_row < 1:
            raise BadSettings("Rows of a sheet are numbered from 1: the header cannot be above.")

    def over(self, other: Reading) -> Reading:
        """Return what both say; this one is right where they differ."""
        said = {
            one.name: mine
            for one in fields(self)
            if one.name != "columns" and (mine := getattr(self, one.name)) is not None
        }
        return replace(other, **said, columns={**other.columns, **self.columns})


HOW_IT_IS = Reading()
"""Nothing said: files tell how they are to be read."""


@dataclass(frozen=True)
class Handed:
    """A file that came under another name than it lies under, and how to read it.

    Attributes
    ----------
    name
        What messages call it.
    """

    path: Path
    name: str
    reading: Reading = HOW_IT_IS


def beside(path: Path) -> Path:
    """Return where what is to be remembered of one file is: `personas.csv.toml`."""
    return path.with_name(f"{path.name}.toml")


def said(path: Path, given: Reading) -> Reading:
    """Return how to read the file at `path`: as `given`, else as the TOML files beside it say."""
    found = given
    for place, name in ((beside(path), None), (path.parent / FOLDER_FILE, path.name)):
        if place.is_file():
            found = found.over(_read(place, name))
    return found


def remember(path: Path, reading: Reading) -> Path:
    """Write how the file at `path` is read into the TOML file beside it; return its place."""
    place = beside(path)
    before = _read(place, None) if place.is_file() else Reading()
    whole = reading.over(before)
    lines = [
        f"{word} = {_toml(value)}" for word in _WORDS if (value := getattr(whole, word)) is not None
    ]
    if whole.columns:
        lines += ["", "[columns]"]
        lines += [f"{_toml(header)} = {_toml(name)}" for header, name in whole.columns.items()]
    try:
        place.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise UnreadableFile(str(place), f"This cannot be written ({error.strerror}).") from None
    return place


def _toml(value: str | int) -> str:
    # A string of TOML is written as one of JSON is, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _read(place: Path, name: str | None) -> Reading:
    """Return what the TOML file at `place` says; of all files and of `name`, if that is given."""
    try:
        document = tomllib.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableFile(place.name, f"This cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableFile(place.name, f"This is no TOML: {error}.") from None
    files = document.pop("files", {}) if name is not None else {}
    if not isinstance(files, dict):
        raise UnreadableFile(place.name, '`files` is a table: write [files."personas.csv"].')
    found = _checked(place, document)
    if name in files:
        found = _checked(place, files[name]).over(found)
    return found


def _checked(place: Path, document: Any) -> Reading:
    if not isinstance(document, dict):
        raise UnreadableFile(place.name, "What is said of a file is a table of TOML.")
    columns = document.get("columns", {})
    right = isinstance(columns, dict) and all(isinstance(c, str) for c in columns.values())
    if not right:
        raise UnreadableFile(place.name, '`columns` maps texts to texts: "Rolle" = "role".')
    for word, value in document.items():
        if word == "columns":
            continue
        if word not in _WORDS:
            known = ", ".join((*_WORDS, "columns"))
            raise UnreadableFile(place.name, f"{word!r} is not known here. There are {known}.")
        if type(value) is not _WORDS[word]:
            what = "a whole number" if _WORDS[word] is int else "a text"
            raise UnreadableFile(place.name, f"`{word}` must be {what}.")
    try:
        return Reading(**document)
    except BadSettings as error:
        raise UnreadableFile(place.name, str(error)) from None
