"""Pictures that rows name, kept elsewhere under the same names."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pyarrow.compute as pc

from workbench.entities.image import CONTENT_MAXIMUM_BYTES
from workbench.transfer.readers import names_pictures
from workbench.transfer.source import Source

__all__ = ["home_for", "keep", "pictures_of"]


def pictures_of(source: Source) -> dict[str, Path]:
    """Return where the pictures are that rows name, by their names; none that lie elsewhere."""
    found: dict[str, Path] = {}
    if source.folder is None or not source.written:
        return found
    for header in source.cells.column_names:
        if not names_pictures(source.stored, source.meant.get(header, header)):
            continue
        for name in pc.unique(source.cells.column(header)).to_pylist():
            path = Path(os.path.realpath(source.folder / (name or ".").replace("\0", "")))
            inside = path.is_relative_to(source.folder.resolve())
            if inside and path.is_file() and path.stat().st_size <= CONTENT_MAXIMUM_BYTES:
                found[name] = path
    return found


def home_for(pictures: Mapping[str, Path], folder: Path) -> Path:
    """Return `folder`, or one in it, where no other picture has one of the names already."""
    home, number = folder, 1
    while _clashes(pictures, home):
        number += 1
        home = folder / str(number)
    return home


def _clashes(pictures: Mapping[str, Path], home: Path) -> bool:
    places = {name: _place(home, name) for name in pictures}
    return any(
        at is not None and at.exists() and not filecmp.cmp(at, pictures[name], shallow=False)
        for name, at in places.items()
    )


def keep(pictures: Mapping[str, Path], folder: Path) -> list[Path]:
    """Copy pictures into `folder` under their names; return what was made, folders first."""
    folders: list[Path] = []
    files: list[Path] = []
    for name, path in pictures.items():
        kept = _place(folder, name)
        if kept is None or kept.exists():
            continue
        new = [parent for parent in kept.parents if not parent.exists()]
        folders += reversed(new)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, kept)
        files.append(kept)
    return [*folders, *files]


def _place(folder: Path, name: str) -> Path | None:
    """Return where a picture goes; None for a name that leads out of `folder`."""
    place = Path(os.path.normpath(folder / name.replace("\0", "")))
    inside = place.is_relative_to(folder) and place != folder
    real = Path(os.path.realpath(place)).is_relative_to(os.path.realpath(folder))
    return place if inside and real else None
