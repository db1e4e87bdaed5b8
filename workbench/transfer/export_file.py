"""One file that is written: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.database.threads import still_wanted
from workbench.errors import Refused, WorkbenchError
from workbench.transfer.export_folder import locked, sync

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a place to write to; what is there then becomes the file at `path`, or else vanishes.

    The place is hidden, beside `path`; what a process that was killed left of an earlier one is
    removed.

    Raises
    ------
    Refused
        There is such a file, and it may not be replaced; or there is a folder.
    WorkbenchError
        It cannot be written to.
    """
    _refuse_taken(path, overwrite=overwrite)
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}.part")
    lock = None
    try:
        for left in path.parent.glob(f".{_plain(path.name)}-????????.part"):
            with contextlib.suppress(OSError):  # gone already, or not ours to remove
                if (held := locked(left)) is not None:
                    left.unlink()
                    os.close(held)
        unfinished.touch(exist_ok=False)
        lock = locked(unfinished)
        yield unfinished
        sync(unfinished)
        _refuse_taken(path, overwrite=overwrite)
        still_wanted()
        unfinished.replace(path)
        sync(path.parent)
    except OSError as error:
        raise WorkbenchError(
            f"{path}: this cannot be written ({error.strerror or error}). Nothing is written. "
            "Choose another place, or make room there."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        if lock is not None:
            os.close(lock)


def _plain(name: str) -> str:
    """Return `name` as a pattern that fits it alone."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _refuse_taken(path: Path, *, overwrite: bool) -> None:
    if path.is_dir():
        raise Refused(f"{path} is a folder. Choose a file.", field="path")
    if not overwrite and path.exists():
        raise Refused(
            f"{path} is there already. Choose another name, or say overwrite=True (--overwrite) "
            "to replace it.",
            field="path",
        )
