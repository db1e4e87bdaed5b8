"""A private folder for files that come from a browser, piece by piece."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from workbench.errors import Refused, WorkbenchError

__all__ = ["Arrived", "Inbox"]

PIECE_BYTES = 2**20
_MOST_BYTES = 512 * 2**20
_MOST_FILES = 100
_NAME_CHARACTERS = 150
_PREFIX = "workbench-inbox-"


@dataclass
class Arrived:
    """A file of an inbox.

    Attributes
    ----------
    name
        What its sender calls it, on one line; nothing is ever looked for under it.
    here
        How many bytes have come so far.
    """

    key: str
    name: str
    size: int
    path: Path
    here: int = 0

    @property
    def is_whole(self) -> bool:
        return self.here == self.size


class Inbox:
    """Takes files in, a bounded number of bytes at a time; none lies under its sender's name.

    `close` removes them all, and so does the end of the process or of this object.

    Parameters
    ----------
    plain
        Gives the name that a file lies under, which no sender chooses, for the name it came
        with; raises Refused for what is not taken.
    """

    def __init__(
        self,
        plain: Callable[[str], str],
        *,
        most_bytes: int = _MOST_BYTES,
        most_files: int = _MOST_FILES,
    ) -> None:
        self._plain, self._most_files = plain, most_files
        self.most_bytes = most_bytes
        self._files: dict[str, Arrived] = {}
        self._folder: Path | None = None

    @property
    def files(self) -> Mapping[str, Arrived]:
        """What is here, or on its way, by key."""
        return self._files

    @property
    def folder(self) -> Path:
        """Where the files lie, which nobody else may open."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def begin(self, name: str, size: int) -> Arrived:
        """Make room for a file; an earlier one of this name goes.

        Raises
        ------
        Refused
            It is not taken, or is too large; the message says what is taken.
        """
        name = _on_one_line(name)
        plain = self._plain(name)
        earlier = [key for key, one in self._files.items() if one.name == name]
        others = [one for key, one in self._files.items() if key not in earlier]
        if type(size) is not int or size < 0:
            raise Refused(f"{name}: a file has a size.")
        if size + sum(one.size for one in others) > self.most_bytes:
            raise Refused(
                f"{name}: all files together may have {self.most_bytes // 2**20:,} MB here. For "
                "larger ones there is the command “workbench import”, on your own machine."
            )
        if len(others) >= self._most_files:
            raise Refused(f"{name}: there may be {self._most_files} files here at once.")
        for key in earlier:
            self.drop(key)
        key = token_hex(8)
        place = self.folder / key
        with _room(name):
            place.mkdir(mode=0o700)
            (place / plain).open("xb").close()
        self._files[key] = Arrived(key, name, size, place / plain)
        return self._files[key]

    def write(self, key: str, offset: int, data: bytes) -> Arrived:
        """Add the next piece of a file.

        Raises
        ------
        Refused
            It is not the next piece, or more than the file was to have.
        """
        file = self.get(key)
        if offset != file.here or len(data) > min(PIECE_BYTES, file.size - file.here):
            raise Refused(f"{file.name}: this is not its next piece. Choose it again.")
        with _room(file.name), file.path.open("r+b") as out:
            out.truncate(offset)  # a disk that was full has taken a part of it, perhaps
            out.seek(offset)
            out.write(data)
        file.here += len(data)
        return file

    def get(self, key: str) -> Arrived:
        """Return a file; Refused if it is not here any more."""
        if key not in self._files:
            raise Refused("This file is not here any more. Choose it again.")
        return self._files[key]

    def drop(self, key: str) -> None:
        """Remove a file; one that is gone is no error."""
        if (file := self._files.pop(key, None)) is not None:
            shutil.rmtree(file.path.parent, ignore_errors=True)

    def close(self) -> None:
        """Remove all files."""
        self._files.clear()
        if self._folder is not None:
            self._remove()
            self._folder = None


class _room:
    """Says in words that the disk is full, or the like."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            why = os.strerror(error.errno or 0).lower()
            raise WorkbenchError(
                f"{self._name}: the server cannot keep this file ({why}). Try again later, or "
                "tell whoever runs it."
            ) from error


def _on_one_line(name: str) -> str:
    r"""Return the last part of a name, in characters that can be seen.

    >>> _on_one_line("C:\\plays\\cast.csv")
    'cast.csv'
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    seen = "".join(c for c in last if c.isprintable()).strip()
    if len(seen) <= _NAME_CHARACTERS:
        return seen or "file"
    stem, dot, ending = seen.rpartition(".")
    return f"{stem[: _NAME_CHARACTERS - 20]}…{dot}{ending[:15]}"
