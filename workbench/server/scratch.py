"""Folders for what pages' kernels put on disk for a while: files that were sent, plans, exports.

Each kernel has one of its own, which is its folder for temporary files and nobody else's account
may open. It goes with its kernel, however that ended; what a server that was killed has left, the
next one removes.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["Scratch"]

_PREFIX = "workbench-pages-"
_LOCK = "lock"


class Scratch:
    """The folders of one server's kernels, in one of its own.

    Parameters
    ----------
    place
        Where that is made; without it where temporary files are.
    """

    def __init__(self, place: Path | None = None) -> None:
        self._place = Path(tempfile.gettempdir()) if place is None else place
        _sweep(self._place)
        self._begin()

    def _begin(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._place))
        made = self._folder / f"{_LOCK}.new"
        made.touch(mode=0o600)
        self._lock = _locked(made)
        made.rename(self._folder / _LOCK)  # held from the moment that others can see it
        self._made = self._folder.stat()

    def of(self, kernel_id: str) -> Path:
        """Return the folder of a kernel, which is made at need."""
        if not self._is_there():  # what cleans folders of temporary files has removed it
            if self._lock is not None:
                os.close(self._lock)
            self._begin()
        folder = self._folder / kernel_id
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def keep(self) -> None:
        """Let nothing look old to what cleans folders of temporary files."""
        if self._is_there():
            for path in (self._folder, *self._folder.iterdir()):
                with suppress(FileNotFoundError):  # its kernel ended
                    os.utime(path)

    def _is_there(self) -> bool:
        """Return whether the folder is that which was made, and not another one of its name."""
        try:
            return os.path.samestat(self._folder.lstat(), self._made)
        except FileNotFoundError:
            return False

    async def remove(self, kernel_id: str) -> None:
        """Remove the folder of a kernel that has ended; one that has none is no error."""
        await asyncio.to_thread(shutil.rmtree, self._folder / kernel_id, ignore_errors=True)

    def close(self) -> None:
        """Remove all folders."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _sweep(place: Path) -> None:
    """Remove what servers have left that were killed: nobody holds their locks any more."""
    if sys.platform == "win32":
        return
    for left in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else's, or gone by now
            if left.is_symlink() or left.stat().st_uid != os.geteuid():
                continue
            if (lock := _locked(left / _LOCK)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)


def _locked(path: Path) -> int | None:
    """Return a lock, which ends with this process; None if another one has it.

    Where there are no such locks (Windows), it is always None.
    """
    if sys.platform == "win32":
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
