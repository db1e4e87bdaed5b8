"""What an export wrote as one file: the only one that it is, or all of them packed."""

from __future__ import annotations

import shutil
import zipfile
from functools import partial
from pathlib import Path

from workbench.database.threads import in_thread, still_wanted
from workbench.errors import WorkbenchError

__all__ = ["one_file"]

_BLOCK_BYTES = 2**20


async def one_file(folder: Path, packed: Path) -> Path:
    """Return the only file in `folder`, or `packed`, a zip file of all.

    Cancelling leaves no part of it.
    """
    return await in_thread(partial(_one_file, folder, packed))


def _one_file(folder: Path, packed: Path) -> Path:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if len(files) == 1:
        return files[0]
    try:
        with zipfile.ZipFile(packed, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
            for path in files:
                name = path.relative_to(folder).as_posix()
                with path.open("rb") as source, out.open(name, "w", force_zip64=True) as member:
                    while block := source.read(_BLOCK_BYTES):
                        still_wanted()
                        member.write(block)
                path.unlink()
    except OSError as error:
        packed.unlink(missing_ok=True)
        raise WorkbenchError(
            f"The files cannot be packed ({error.strerror or error}). Make room for them."
        ) from error
    except BaseException:
        packed.unlink(missing_ok=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return packed
