"""Writing a world as files that people can read, and that import again to the same world.

One file for each table, or one workbook with a sheet for each. Readable twins stand for ids, the
world and the path of names first. In CSV and workbooks, keys of `attributes` that hold nothing
but plain text become columns; what else is in there stays in a column `attributes`, as JSON.
Pictures lie in `pictures/`, and the table of images names them in the column `file`.

Left out: ids, times and versions; what is in the trash; thumbnails; and `world_members`,
because who may see a world is a matter of the installation that it is in.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from workbench.database import columnar
from workbench.database.columnar import Stream
from workbench.database.engine import Database
from workbench.entities import LINKS, STORED, Stored
from workbench.errors import NotFound, UnknownField
from workbench.store.columns import literal
from workbench.transfer.export_columns import columns_of, count_of, with_files
from workbench.transfer.export_folder import PICTURES, prepared
from workbench.transfer.export_formats import (
    BY_BATCH,
    TYPED,
    WriteTable,
    file_name,
    tables,
    writer_of,
)
from workbench.transfer.export_layout import (
    FILE,
    attribute_keys,
    layout,
    picture_statement,
    trash_statement,
)
from workbench.transfer.report import Watcher, counted
from workbench.transfer.telling import Telling

__all__ = [
    "OTHER",
    "WORLD_TABLES",
    "ExportReport",
    "export",
    "left_behind",
    "picture_name",
    "require_world",
]

_NAME_CHARACTERS = 80
_SIGNATURES = {
    b"\x89PNG\r\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"RIFF": ".webp",
}
OTHER = ".bin"
"""How the file of a picture ends that is none of those; an import does not take it."""

_WORLD = STORED["world"]
WORLD_TABLES = tuple(
    stored
    for stored in STORED.values()
    # What names somebody else than the owner is left out: the members.
    if stored is _WORLD
    or ("worldid" in stored.table.columns and "userid" not in stored.table.columns)
)


@dataclass
class ExportReport:
    """What an export wrote.

    Attributes
    ----------
    tables
        Rows by table; its file is the name with the format, unless all are sheets of one.
    pictures
        How many files are in `pictures`.
    notes
        What could not be said in the files, such as references to what is in the trash.
    """

    folder: str
    format: str = "csv"
    tables: dict[str, int] = field(default_factory=dict)
    pictures: int = 0
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it all as plain values, for `json.dumps`."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [
            f"{plural if self.format == 'xlsx' else file_name(plural, self.format)}: "
            f"{counted(rows, 'row')}"
            for plural, rows in self.tables.items()
        ]
        if self.pictures:
            lines.append(f"{PICTURES}: {counted(self.pictures, 'file')}")
        return "\n".join([*lines, *self.notes, f"Written to the folder {self.folder!r}."])


async def export(
    database: Database,
    world: UUID,
    folder: Path,
    *,
    format: str = "csv",
    tables: Collection[str] | None = None,
    overwrite: bool = False,
    progress: Watcher | None = None,
) -> ExportReport:
    """Write all of `world` into `folder`, as it is at one moment.

    The files appear in the folder when all of them are whole; see `export_folder`.

    Parameters
    ----------
    tables
        Those to write, by their plurals; without it all.
    overwrite
        Whether the folder may hold something already. Files of the same name are then
        replaced, and all others are left alone.
    progress
        Called now and then with how far the export is, in the caller's thread.

    Raises
    ------
    NotFound
        There is no such world, or it is in the trash.
    Refused
        The folder holds something already, or this is inside a transaction.
    WorkbenchError
        The folder cannot be written to. Nothing in it has changed.
    """
    writer_of(format)
    chosen = _chosen(tables)
    await require_world(database, world)
    tell = Telling(progress)

    def work(stream: Stream) -> ExportReport:
        with prepared(folder, overwrite=overwrite) as unfinished:
            report = ExportReport(str(folder), format)
            return _Writing(stream, world, unfinished, tell, report).run(chosen)

    report = await columnar.snapshot(database, work)
    tell.check()
    return report


def _chosen(tables: Collection[str] | None) -> Sequence[Stored[Any, Any]]:
    """Return the tables to write; UnknownField for one that there is none of."""
    known = [stored.plural for stored in WORLD_TABLES]
    for name in tables or ():
        if name not in known:
            raise UnknownField("world", name, known)
    return [one for one in WORLD_TABLES if tables is None or one.plural in tables]


async def require_world(database: Database, world: UUID) -> None:
    """Raise NotFound unless there is such a world, not in the trash."""
    table = _WORLD.table
    statement = sa.select(table.c.id).where(table.c.id == world, table.c.deleted_at.is_(None))
    async with database.reading() as connection:
        if (await connection.execute(statement)).first() is None:
            raise NotFound("world", world, "It may be in the trash.")


class _Writing:
    """An export that is being written, in a thread."""

    def __init__(
        self, stream: Stream, world: UUID, into: Path, tell: Telling, report: ExportReport
    ) -> None:
        self._stream = stream
        self._world = world
        self._into = into
        self._tell = tell
        self._report = report

    def run(self, chosen: Sequence[Stored[Any, Any]]) -> ExportReport:
        report = self._report
        with tables(self._into, report.format) as write:
            [found] = self._rows(trash_statement(WORLD_TABLES, self._world))
            for stored in chosen:
                report.tables[stored.plural] = self._table(stored, write, trashed=found["trashed"])
        return report

    def _table(self, stored: Stored[Any, Any], write: WriteTable, *, trashed: bool) -> int:
        report = self._report
        files: dict[str, str] = {}
        if "content" in stored.table.columns:
            files = self._pictures(stored)
            report.pictures += len(files)
            if strange := sum(name.endswith(OTHER) for name in files.values()):
                report.notes.append(
                    f"{PICTURES}: {strange:,} files are no PNG, JPEG, GIF or WebP; an import "
                    "does not take those."
                )
        keys: list[tuple[str, bool]] | None = None
        if report.format not in TYPED:
            found = attribute_keys(stored, self._world)
            keys = [] if found is None else [(r["key"], r["plain"]) for r in self._rows(found)]
        plan = layout(stored, self._world, keys)
        columns = columns_of(plan.columns)
        total = self._count(plan.statement)
        with self._stream(literal(plan.statement)) as batches:
            if "content" in stored.table.columns:
                place = [column.name for column in columns].index(FILE)
                batches = with_files(batches, place, files)
            whole = report.format in BY_BATCH
            told = self._tell.rows(stored.plural, total, batches, whole=whole)
            rows = write(stored.plural, columns, told)
        if plan.left is not None and trashed:
            report.notes += left_behind(stored, self._rows(plan.left)[0])
        return rows

    def _pictures(self, stored: Stored[Any, Any]) -> dict[str, str]:
        """Write the pictures' files; return their paths by the pictures' ids."""
        folder = self._into / PICTURES
        folder.mkdir(exist_ok=True)
        files: dict[str, str] = {}
        taken: set[str] = set()
        statement = picture_statement(stored, self._world)
        total = self._count(statement)
        with self._stream(literal(statement)) as batches:
            for batch in batches:
                for picture in batch.to_pylist():
                    name = picture_name(picture["name"], picture["content"], taken)
                    (folder / name).write_bytes(picture["content"])
                    files[picture["id"]] = f"{PICTURES}/{name}"
                    self._tell("write", PICTURES, len(files), total)
        if not files:
            folder.rmdir()
        return files

    def _count(self, statement: sa.Select[Any]) -> int:
        """Return how many rows there are, if anybody wants to know."""
        return self._rows(count_of(statement))[0]["rows"] if self._tell.watched else 0

    def _rows(self, statement: sa.Select[Any]) -> list[dict[str, Any]]:
        with self._stream(literal(statement)) as batches:
            return [row for batch in batches for row in batch.to_pylist()]


def left_behind(stored: Stored[Any, Any], counts: Mapping[str, int]) -> list[str]:
    """Return what is said of references to what is in the trash, counted by column."""
    notes = []
    for column, count in counts.items():
        what = f"{count:,} rows refer to a {stored.references[column]} in the trash"
        if not count:
            continue
        if stored.name in LINKS and "parent" in stored.table.c[column].info:
            notes.append(f"{stored.plural}: {what}; they are left out.")
        else:
            twin = stored.twin(column)
            notes.append(
                f"{stored.plural}: {what}; their {twin} is empty. Restore it first to keep it."
            )
    return notes


def picture_name(name: str, content: bytes, taken: set[str]) -> str:
    """Return a file name that every file system takes, unlike those in `taken` in any case."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^A-Za-z0-9-]+", "_", plain).strip("_-")[:_NAME_CHARACTERS].lower()
    if re.fullmatch(r"con|prn|aux|nul|com\d|lpt\d", stem):
        stem += "_"  # the bare word is a device on Windows
    stem = stem or "picture"
    extension = next((e for s, e in _SIGNATURES.items() if content.startswith(s)), OTHER)
    number, found = 1, f"{stem}{extension}"
    while found in taken:
        number += 1
        found = f"{stem}_{number}{extension}"
    taken.add(found)
    return found
