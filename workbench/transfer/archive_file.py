"""What is in an archive: unpacked only as far as it is what its manifest says.

An archive may come from anybody. So names are those that we write and no others, sizes are known
before anything is unpacked and held to while it is, every member has the SHA-256 that the manifest
has, and tables are looked at for what would grow beyond measure in memory.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from workbench.database.threads import still_wanted
from workbench.entities.image import CONTENT_MAXIMUM_BYTES
from workbench.errors import UnreadableFile, shown
from workbench.transfer.archive import FORMAT, HISTORY, MANIFEST, README, VERSION
from workbench.transfer.export import WORLD_TABLES
from workbench.transfer.export_folder import PICTURES
from workbench.transfer.telling import Telling

__all__ = ["Contents", "unpacked"]

_CHUNK_BYTES = 2**20
_MANIFEST_MAXIMUM_BYTES = 2**28  # a million pictures take 150 MB of it
_MAXIMUM_MEMBERS = 2_000_000
_PLAIN_BYTES = 2**26  # nobody minds if this much comes out of a small file
_MAXIMUM_RATIO = 200  # what Parquet makes of a world of one name repeated is about 30
_PIECE_ROWS = 20_000
_PIECE_MAXIMUM_BYTES = 2**28

_PICTURE = re.compile(rf"{PICTURES}/[a-z0-9_-]{{1,100}}\.(?:png|jpg|gif|webp|bin)")
_FILES = {f"{stored.plural}.parquet": stored.plural for stored in WORLD_TABLES}
_PAST = frozenset(
    f"{HISTORY}/{name}.parquet"
    for name in ("changes", *(f"records_{stored.plural}" for stored in WORLD_TABLES))
)
_FLAT = (pa.types.is_string, pa.types.is_int64, pa.types.is_float64, pa.types.is_boolean)


@dataclass
class Contents:
    """An archive that has been looked at, and what of it is to be imported.

    Attributes
    ----------
    world
        The name of the world.
    tables
        The files of the tables; pictures lie in a folder beside them.
    """

    world: str
    tables: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def unpacked(path: Path, folder: Path, tell: Telling) -> Contents:
    """Unpack what is to be restored of the archive at `path` into `folder`, an empty one.

    It runs in a thread, and ends early if that is not wanted any more.

    Raises
    ------
    UnreadableFile
        It is no archive, a newer one, or one that has been cut off, changed or made to harm.
    """
    return _Reading(path, folder, tell).run()


class _Reading:
    def __init__(self, path: Path, folder: Path, tell: Telling) -> None:
        self._path = path
        self._folder = folder
        self._tell = tell

    def run(self) -> Contents:
        try:
            with zipfile.ZipFile(self._path) as self._zip:
                self._members = self._looked_at()
                manifest = self._manifest()
                return self._unpack(manifest)
        except FileNotFoundError:
            raise self._wrong("There is no such file.") from None
        except IsADirectoryError:
            raise self._wrong("This is a folder. Import it instead.") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
            raise self._wrong(
                "This is no archive, or not all of one: it may have been cut off or damaged on "
                "its way."
            ) from None

    def _wrong(self, message: str) -> UnreadableFile:
        return UnreadableFile(str(self._path), f"{message} Nothing is restored.")

    def _looked_at(self) -> dict[str, zipfile.ZipInfo]:
        """Return the members by name, once all names and sizes are known to be sane."""
        members = self._zip.infolist()
        if len(members) > _MAXIMUM_MEMBERS:
            raise self._wrong(f"It has {len(members):,} members.")
        twice = [name for name, times in Counter(m.filename for m in members).items() if times > 1]
        if twice:
            raise self._wrong(f"It has {shown(twice[0])} more than once.")
        for member in members:
            name = member.filename
            ours = name in (MANIFEST, README) or name in _FILES or name in _PAST
            if not ours and not _PICTURE.fullmatch(name):
                raise self._wrong(f"It has {shown(name)}, which is no part of an archive.")
            if member.flag_bits & 1:
                raise self._wrong("It has a password.")
        if MANIFEST not in self._zip.NameToInfo:
            raise self._wrong(f"This is no archive of Workbench: it has no {MANIFEST}.")
        whole, size = sum(member.file_size for member in members), self._path.stat().st_size
        if whole > max(_PLAIN_BYTES, _MAXIMUM_RATIO * size):
            raise self._wrong(
                f"Its {size:,} bytes would unpack to {whole:,}: it is taken for a zip bomb."
            )
        return {member.filename: member for member in members}

    def _manifest(self) -> dict[str, Any]:
        """Return what the manifest says, its shape known to be right."""
        if self._members[MANIFEST].file_size > _MANIFEST_MAXIMUM_BYTES:
            raise self._wrong("Its manifest is too large.")
        try:
            said = json.loads(self._read(MANIFEST, _MANIFEST_MAXIMUM_BYTES))
        except (ValueError, RecursionError):
            raise self._wrong(f"Its {MANIFEST} cannot be read.") from None
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise self._wrong(f"This is no archive of Workbench: its {MANIFEST} says so.")
        number = said.get("version")
        if type(number) is int and number > VERSION:
            raise self._wrong(
                f"It is of version {number} of the format, and this Workbench knows up to "
                f"{VERSION}. Restore it with a newer Workbench."
            )
        members: Any = said.get("members")
        tables: Any = said.get("tables")
        right = (
            type(number) is int
            and number >= 1
            and isinstance(said.get("world"), str)
            and isinstance(members, dict)
            and isinstance(tables, dict)
            and all(isinstance(m, dict) and set(m) == {"sha256", "bytes"} for m in members.values())
            and set(tables) == set(_FILES.values())
            and all(type(rows) is int for rows in tables.values())
        )
        if not right:
            raise self._wrong(f"Its {MANIFEST} is not as Workbench writes it.")
        odd = set(members) ^ (set(self._members) - {MANIFEST}) or set(_FILES) - set(members)
        if odd:
            raise self._wrong(f"Its manifest and what is in it do not agree: {shown(min(odd))}.")
        return said

    def _unpack(self, manifest: dict[str, Any]) -> Contents:
        (self._folder / PICTURES).mkdir()
        contents = Contents(manifest["world"])
        past = done = 0
        pictures = sum(name.startswith(f"{PICTURES}/") for name in manifest["members"])
        for name, said in manifest["members"].items():
            wanted = name not in _PAST and name != README
            rows = manifest["tables"][_FILES[name]] if name in _FILES else 0
            self._member(name, said, rows, self._folder / name if wanted else None)
            past += name in _PAST
            if name.startswith(f"{PICTURES}/"):
                done += 1
                self._tell("unpack", PICTURES, done, pictures)
        for name, plural in _FILES.items():
            self._look_into(self._folder / name, manifest["tables"][plural])
            if manifest["tables"][plural]:
                contents.tables.append(self._folder / name)
        with parquet.ParquetFile(self._folder / "worlds.parquet") as worlds:
            names = worlds.read(columns=["name"])  # `read_table` would load pandas
        if names.column("name").to_pylist() != [contents.world]:
            raise self._wrong("Its table of worlds has not the one world that the manifest says.")
        if past:
            contents.notes.append(
                f"The history in the archive is there to be read ({HISTORY}/ in the zip file); "
                "it is not restored, as the database alone writes history."
            )
        return contents

    def _read(self, name: str, most: int) -> bytes:
        with self._zip.open(name) as member:
            return member.read(most)

    def _member(self, name: str, said: dict[str, Any], rows: int, target: Path | None) -> None:
        """Unpack one member to `target`, or only look at it, and hold it to what is said of it."""
        if self._members[name].file_size != said["bytes"]:
            raise self._wrong(f"{shown(name)} has not the size that the manifest says.")
        if name.startswith(f"{PICTURES}/") and said["bytes"] > CONTENT_MAXIMUM_BYTES:
            raise self._wrong(f"{shown(name)} is larger than a picture may be.")
        found, done = hashlib.sha256(), 0
        out = None if target is None else target.open("xb")
        try:
            with self._zip.open(name) as member:
                while data := member.read(_CHUNK_BYTES):
                    done += len(data)
                    found.update(data)
                    if done > said["bytes"]:
                        break
                    still_wanted()
                    if rows:
                        self._tell("unpack", _FILES[name], rows * done // said["bytes"], rows)
                    if out is not None:
                        out.write(data)
        finally:
            if out is not None:
                out.close()
        if found.hexdigest() != said["sha256"]:
            raise self._wrong(
                f"{shown(name)} is not as it was written: its checksum is another. Take another "
                "copy of the archive."
            )

    def _look_into(self, path: Path, rows: int) -> None:
        """Refuse a table that is not as we write it, or would grow beyond measure in memory."""
        try:
            with parquet.ParquetFile(path) as file:
                schema = file.schema_arrow
                if path.name == "worlds.parquet" and "name" not in schema.names:
                    raise self._wrong(f"{shown(path.name)} has no names.")
                if not all(any(fits(f.type) for fits in _FLAT) for f in schema):
                    raise self._wrong(
                        f"{shown(path.name)} has columns that Workbench never writes."
                    )
                if file.metadata.num_rows != rows:
                    raise self._wrong(
                        f"{shown(path.name)} has not the rows that the manifest says."
                    )
            self._measure(path, [f.name for f in schema if pa.types.is_string(f.type)])
        except (pa.ArrowException, OSError):
            raise self._wrong(f"{shown(path.name)} is no Parquet file that can be read.") from None

    def _measure(self, path: Path, texts: list[str]) -> None:
        """Refuse texts that are short in the file and without end in memory.

        A text that is repeated is in the file once. Read as that, it is measured before anybody
        writes it out.
        """
        most = max(_PLAIN_BYTES, _MAXIMUM_RATIO * path.stat().st_size)
        whole = 0
        with parquet.ParquetFile(
            path, read_dictionary=texts, pre_buffer=False, buffer_size=_CHUNK_BYTES
        ) as file:
            many = file.metadata.num_rows > _PIECE_ROWS
            for batch in file.iter_batches(_PIECE_ROWS, columns=texts, use_threads=many):
                still_wanted()
                here = sum(_size(column) for column in batch.columns)
                whole += here
                if here > _PIECE_MAXIMUM_BYTES or whole > most:
                    raise self._wrong(
                        f"The texts in {shown(path.name)} would grow to more than "
                        f"{min(_PIECE_MAXIMUM_BYTES, most):,} bytes: it is taken for a bomb."
                    )


def _size(column: pa.Array) -> int:
    lengths = pc.binary_length(column.dictionary).take(column.indices)
    return int(pc.sum(lengths).as_py() or 0)
