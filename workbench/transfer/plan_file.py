"""A plan as one file, which somebody else can open, look at and apply.

It is a zip file whose parts are not packed:

* `plan.json`: what was asked for, the counts, the problems and notes, and the sources;
* `sources/0.arrow`, …: the rows of each source as they were read, what messages call them first;
* `pictures/0/…`: the pictures that the rows of a source name;
* `rows/persona.arrow`, …: what becomes of each row of a table (insert, update or same), and of
  which record in which version;
* `updates.arrow` and `inserts.arrow`: the cells that change, and the rows that are new.

Nothing of it is believed: whoever applies a plan works it out again, and it must be the same.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zipfile
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pydantic import ValidationError

from workbench.entities import STORED
from workbench.errors import UnreadableFile, shown
from workbench.transfer.outcome import INSERTS, ROWS, UPDATES
from workbench.transfer.report import LoadReport, TableCounts
from workbench.transfer.spool import OpenedFiles, Spooled, Strict, Told, batches, data_of
from workbench.transfer.tables import TABLES

ABOUT = "plan.json"
FORMAT_VERSION = 1

_PARTS = re.compile(
    r"plan\.json|updates\.arrow|inserts\.arrow|sources/\d{1,6}\.arrow|rows/[a-z_]{1,40}\.arrow"
    r"|pictures/\d{1,6}/[^\\\x00]{1,1000}"
)
_MAXIMUM_ABOUT_BYTES = 2**28
_MAXIMUM_PARTS = 1_000_000
_BLOCK_BYTES = 2**20


class Counts(Strict):
    """Rows of one table."""

    read: int
    inserted: int
    updated: int
    unchanged: int
    rejected: int


class About(Strict):
    """What a plan says of itself."""

    format: Literal["workbench plan"] = "workbench plan"
    version: Literal[1] = 1
    made_at: str
    world: str | None
    on_problem: Literal["stop", "skip"]
    tables: dict[str, Counts]
    problems: list[Told]
    notes: list[str]
    unreadable: dict[str, int]
    opened: OpenedFiles
    sources: list[Spooled]

    def report(self) -> LoadReport:
        """Return what the import would do."""
        counts = {plural: TableCounts(**dict(counted)) for plural, counted in self.tables.items()}
        problems = [told.problem() for told in self.problems]
        return LoadReport(
            counts, problems, list(self.notes), dry_run=True, unreadable=dict(self.unreadable)
        )


def pack(folder: Path, place: Path) -> None:
    """Write what is in `folder` to one file, which appears whole or not at all."""
    part = place.with_name(f".{place.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as out:
            out.write(folder / ABOUT, ABOUT)
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path != folder / ABOUT:
                    out.write(path, path.relative_to(folder).as_posix())
        os.replace(part, place)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UnreadableFile(str(place), f"This cannot be written ({error.strerror}).") from None


def unpack(place: Path, folder: Path) -> About:
    """Put the parts of a plan into `folder`, which is empty; UnreadableFile if it is no plan."""
    name = place.name
    try:
        if not stat.S_ISREG(place.stat().st_mode):
            raise UnreadableFile(name, "This is no file.")
        with zipfile.ZipFile(place) as parts:
            infos = parts.infolist()
            if len(infos) > _MAXIMUM_PARTS:
                raise UnreadableFile(name, f"This plan has {len(infos):,} parts.")
            for info in infos:
                _unpack(parts, info, folder, name)
        about = _about(folder / ABOUT, name)
        _look_at(about, folder, name)
    except FileNotFoundError:
        raise UnreadableFile(name, "There is no such file, or a part of it is missing.") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError):
        raise UnreadableFile(name, "This is no plan of an import, or it is damaged.") from None
    except pa.ArrowException:
        raise UnreadableFile(name, "A part of this plan is damaged.") from None
    except OSError as error:
        raise UnreadableFile(name, f"This cannot be read ({error.strerror or error}).") from None
    return about


def _unpack(parts: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path, name: str) -> None:
    if not _PARTS.fullmatch(info.filename):
        raise UnreadableFile(name, f"No plan has a part {shown(info.filename)}.")
    to = Path(os.path.normpath(folder / info.filename))
    if not to.is_relative_to(folder / info.filename.partition("/")[0]) or to.exists():
        raise UnreadableFile(name, f"The part {shown(info.filename)} leads elsewhere.")
    if info.compress_type != zipfile.ZIP_STORED:  # so it is no larger than the file
        raise UnreadableFile(name, f"The part {shown(info.filename)} is packed.")
    to.parent.mkdir(parents=True, exist_ok=True)
    with parts.open(info) as source, to.open("xb") as out:
        while data := source.read(_BLOCK_BYTES):
            out.write(data)


def _about(place: Path, name: str) -> About:
    if place.stat().st_size > _MAXIMUM_ABOUT_BYTES:
        raise UnreadableFile(name, "What this plan says of itself is too long.")
    data = place.read_bytes()
    try:
        said = json.loads(data)
        if isinstance(said, dict) and said.get("version", 1) != FORMAT_VERSION:
            raise UnreadableFile(
                name,
                f"This plan has the form {shown(said['version'])}; this program reads "
                f"{FORMAT_VERSION}. Use the program it was made with.",
            )
        return About.model_validate_json(data, strict=True)
    except (ValidationError, ValueError, RecursionError):
        raise UnreadableFile(name, "What this plan says of itself is damaged.") from None


def _look_at(about: About, folder: Path, name: str) -> None:
    """Raise UnreadableFile if a part is not as `about` says, or as all plans have it."""
    for number, source in enumerate(about.sources):
        if source.number != number or source.table not in TABLES or source.refused < 0:
            raise UnreadableFile(name, "What this plan says of its sources is damaged.")
        columns = _columns(data_of(folder, number))
        if columns[1:] != source.headers:
            raise UnreadableFile(name, f"The rows of {source.file} are not what they should be.")
    fixed = {"updates.arrow": UPDATES, "inserts.arrow": INSERTS}
    fixed |= {f"rows/{path.name}": ROWS for path in (folder / "rows").glob("*")}
    for part, schema in fixed.items():
        if _schema(folder / part) != schema or (
            part.startswith("rows/") and Path(part).stem not in STORED
        ):
            raise UnreadableFile(name, f"Its part {part} is not what it should be.")
        for _ in batches(folder / part):
            pass


def _schema(place: Path) -> pa.Schema:
    with pa.OSFile(str(place)) as source:
        return pa.ipc.open_file(source).schema


def _columns(place: Path) -> list[str]:
    """Return the columns of a file of rows, all of which are sound."""
    for _ in batches(place):
        pass
    return list(_schema(place).names)
