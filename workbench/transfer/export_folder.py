"""Where an export puts its files: all of them or none, beside what else is in the folder.

The folder itself stays: it may be a mounted volume, or where somebody's shell is, and what is in
it may not be ours. So files are written to a hidden folder in it, which gets another name when it
is whole; from then on its files go to their places, and the next export ends that if it was cut
off. Until then an import refuses the folder, so nobody takes a mixture for an export. What an
export that was cut off earlier has left, the next one removes: a lock tells who is still at work.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.database.threads import still_wanted
from workbench.errors import Refused, WorkbenchError

if sys.platform != "win32":
    import fcntl

__all__ = ["PICTURES", "WHOLE", "finish", "locked", "prepared", "sync"]

PICTURES = "pictures"
WHOLE = ".workbench-export"
"""The folder of an export that is whole and not in its place yet."""

_UNFINISHED = f"{WHOLE}-"


@contextmanager
def prepared(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a folder to write into; what is in it then appears in `folder`, or else vanishes.

    Raises
    ------
    Refused
        The folder holds something already.
    WorkbenchError
        It cannot be written to.
    """
    unfinished = folder / f"{_UNFINISHED}{secrets.token_hex(4)}"
    made: list[Path] = []
    lock = None
    try:
        finish(folder)
        _refuse_full(folder, overwrite=overwrite)
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        _remove_left(folder)
        unfinished.mkdir()
        lock = locked(unfinished)
        yield unfinished
        _require_places(unfinished, folder)
        for path in (*unfinished.rglob("*"), unfinished):
            sync(path)
        still_wanted()
        unfinished.rename(folder / WHOLE)
        made = []
        sync(folder)
    except OSError as error:
        where = error.filename or folder
        raise WorkbenchError(
            f"{where}: this cannot be written ({error.strerror}). Nothing is exported. Choose "
            "another folder, or make room there."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        if lock is not None:
            os.close(lock)
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()
    finish(folder)


def finish(folder: Path) -> None:
    """Put the files of a whole export in their places, tables last: they name the pictures."""
    whole = folder / WHOLE
    if not whole.is_dir():
        return
    try:
        _require_places(whole, folder)
        for file in _files(whole):
            target = folder / file.relative_to(whole)
            target.parent.mkdir(exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # another process has done it
                os.replace(file, target)
        shutil.rmtree(whole, ignore_errors=True)
    except OSError as error:
        raise WorkbenchError(
            f"{error.filename or folder}: this cannot be replaced ({error.strerror}). The export "
            f"is whole in {whole}. Make room for its files, and export again."
        ) from error


def locked(unfinished: Path) -> int | None:
    """Return a lock on a folder or file, which ends with this process; None if somebody has it.

    Where there are no such locks (Windows, some network drives), it is always None.
    """
    if sys.platform == "win32":
        return None
    descriptor = os.open(unfinished, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_left(folder: Path) -> None:
    """Remove what exports have left that were cut off before they were whole."""
    for left in folder.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):  # it is gone already, or not ours to remove
            if (lock := locked(left)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)


def _files(unfinished: Path) -> list[Path]:
    files = [path for path in unfinished.rglob("*") if not path.is_dir()]
    return sorted(files, key=lambda path: (path.parent == unfinished, path))


def _require_places(unfinished: Path, folder: Path) -> None:
    """Raise OSError where a file cannot go to its place, before any of them does."""
    for file in _files(unfinished):
        target = folder / file.relative_to(unfinished)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(target))
        beside = target.parent
        # A link could lead anywhere, and to another file system, where files cannot be moved.
        if beside != folder and (beside.is_symlink() or (beside.exists() and not beside.is_dir())):
            raise NotADirectoryError(errno.ENOTDIR, "it is no folder of this one", str(beside))
        if beside.exists() and not os.access(beside, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "you may not write there", str(beside))


def _refuse_full(folder: Path, *, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{folder} is a file. Choose a folder for the export.", field="folder")
    if overwrite or not folder.exists():
        return
    inside = sorted(p.name for p in folder.iterdir() if not p.name.startswith(_UNFINISHED))
    if inside:
        more = ", …" if len(inside) > 3 else ""
        raise Refused(
            f"{folder} is not empty ({', '.join(inside[:3])}{more}). Choose another folder, or "
            "say overwrite=True (--overwrite) to replace the files that have the same name.",
            field="folder",
        )


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
