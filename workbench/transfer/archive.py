"""A world as one file, to keep, to move and to restore.

An archive is a zip file. It holds a Parquet file for each table, in which rows name each other by
words as in an export; the pictures; and `manifest.json` with what made it, how many rows there
are, and the SHA-256 of every other member. `README.txt` in it says the same to whoever finds it.
Nothing is compressed but by Parquet and the pictures themselves.

Left out: what is in the trash, thumbnails (made anew), and who may see the world. Ids, owners,
versions and times, and all changes, are in there on request: to be read, not to be restored, as
the database alone writes those.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import sqlalchemy as sa

from workbench.database import columnar
from workbench.database.columnar import Stream
from workbench.database.engine import Database
from workbench.entities import STORED, Stored
from workbench.history.tables import ENTRY
from workbench.store.columns import Column, literal
from workbench.transfer.archive_sql import Read, statements
from workbench.transfer.export import (
    OTHER,
    WORLD_TABLES,
    left_behind,
    picture_name,
    require_world,
)
from workbench.transfer.export_arrow import write_parquet_into
from workbench.transfer.export_columns import columns_of, with_files
from workbench.transfer.export_file import whole_file
from workbench.transfer.export_folder import PICTURES
from workbench.transfer.export_layout import FILE, facts, trash_statement
from workbench.transfer.report import Watcher, counted
from workbench.transfer.telling import Telling

__all__ = ["FORMAT", "HISTORY", "MANIFEST", "README", "VERSION", "ArchiveReport", "archive"]

FORMAT = "workbench archive"
VERSION = 1
"""Of the format: higher when an older Workbench could not restore what a newer one writes."""

MANIFEST, README, HISTORY = "manifest.json", "README.txt", "history"

_README = """\
This is the world {name!r}, written by Workbench.

Restore it with `workbench restore {file}`, or read it with anything that opens zip and Parquet
files: each table is a Parquet file, rows name each other by words, `attributes` and lists are
JSON, images.parquet names the files in pictures/ in its column `file`. manifest.json has the
SHA-256 of every file.
"""
_HISTORY_README = """
history/ is there to be read; nothing restores it. changes.parquet has every change that the
history still had, records_<table>.parquet the ids, owners, versions and times of the rows.
"""


@dataclass
class ArchiveReport:
    """What is in an archive.

    Attributes
    ----------
    tables
        Rows by table.
    notes
        What is in there and cannot be restored, or is not in there.
    """

    path: str
    tables: dict[str, int] = field(default_factory=dict)
    pictures: int = 0
    changes: int = 0
    size_bytes: int = 0
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it all as plain values, for `json.dumps`."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{plural}: {counted(rows, 'row')}" for plural, rows in self.tables.items()]
        if self.pictures:
            lines.append(f"pictures: {self.pictures:,}")
        if self.changes:
            lines.append(f"history: {counted(self.changes, 'change')}")
        lines += self.notes
        return "\n".join([*lines, f"Written to {self.path!r}: {self.size_bytes:,} bytes."])


async def archive(
    database: Database,
    world: UUID,
    path: Path,
    *,
    history: bool = False,
    overwrite: bool = False,
    progress: Watcher | None = None,
) -> ArchiveReport:
    """Write all of `world`, as it is at one moment, to the file at `path`.

    Parameters
    ----------
    history
        Whether ids, owners, versions, times and all changes go along, to be read.
    progress
        Called now and then with how far the archive is, in the caller's thread.

    Raises
    ------
    NotFound
        There is no such world, or it is in the trash.
    Refused
        The file is there already, or this is inside a transaction.
    WorkbenchError
        It cannot be written to.
    """
    await require_world(database, world)
    tell = Telling(progress)

    def work(stream: Stream) -> ArchiveReport:
        with whole_file(path, overwrite=overwrite) as unfinished:
            report = ArchiveReport(str(path))
            _Writing(stream, world, unfinished, tell, report).run(history=history)
            report.size_bytes = unfinished.stat().st_size
        return report

    report = await columnar.snapshot(database, work)
    tell.check()
    return report


class _Summed:
    """Passes bytes on to a member, and sums them up; all that Parquet needs of a file."""

    def __init__(self, member: Any) -> None:
        self._member = member
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0
        self.closed = False

    def write(self, data: Any) -> int:
        data = memoryview(data)
        self._member.write(data)
        self.sha256.update(data)
        self.size_bytes += len(data)
        return len(data)

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class _Writing:
    """An archive that is being written."""

    def __init__(
        self, stream: Stream, world: UUID, path: Path, tell: Telling, report: ArchiveReport
    ) -> None:
        self._stream = stream
        self._world = world
        self._path = path
        self._tell = tell
        self._report = report
        self._members: dict[str, dict[str, Any]] = {}

    def run(self, *, history: bool) -> None:
        report = self._report
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_STORED) as self._zip:
            trashed = self._one(literal(trash_statement(WORLD_TABLES, self._world)))["trashed"]
            for stored in WORLD_TABLES:
                report.tables[stored.plural] = self._table(stored, trashed=trashed)
            if history:
                self._history()
            world = STORED["world"].table
            name = self._one(literal(sa.select(world.c.name).where(world.c.id == self._world)))[
                "name"
            ]
            readme = _README.format(name=name, file=Path(report.path).name)
            self._add(README, (readme + (_HISTORY_README if history else "")).encode())
            manifest = {
                "format": FORMAT,
                "version": VERSION,
                "written_by": f"workbench {version('workbench')}",
                "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "world": name,
                "tables": report.tables,
                "pictures": report.pictures,
                "history": history,
                "notes": report.notes,
                "members": self._members,
            }
            text = json.dumps(manifest, ensure_ascii=False, indent=1)
            self._zip.writestr(MANIFEST, text, zipfile.ZIP_DEFLATED)

    def _table(self, stored: Stored[Any, Any], *, trashed: bool) -> int:
        made = statements(stored.name, self._world)
        files = {} if made.pictures is None else self._pictures(made.pictures)
        total = self._count(made.table)
        with self._stream(made.table.rows) as batches:
            if made.pictures is not None:
                place = [column.name for column in made.columns].index(FILE)
                batches = with_files(batches, place, files)
            told = self._tell.rows(stored.plural, total, batches, whole=True)
            rows = self._parquet(f"{stored.plural}.parquet", made.columns, told)
        if made.left is not None and trashed:
            self._report.notes += left_behind(stored, self._one(made.left))
        return rows

    def _pictures(self, made: Read) -> dict[str, str | None]:
        """Write the pictures; return their files by the pictures' ids."""
        files: dict[str, str | None] = {}
        taken: set[str] = set()
        strange = 0
        total = self._count(made)
        with self._stream(made.rows) as batches:
            for batch in batches:
                for row in range(batch.num_rows):
                    [picture] = batch.slice(row, 1).to_pylist()
                    name = f"{PICTURES}/{picture_name(picture['name'], picture['content'], taken)}"
                    self._add(name, picture["content"])
                    known = not name.endswith(OTHER)
                    files[picture["id"]] = name if known else None
                    strange += not known
                    self._tell("write", PICTURES, len(files), total)
        self._report.pictures = len(files)
        if strange:
            self._report.notes.append(
                f"{PICTURES}: {strange:,} are no PNG, JPEG, GIF or WebP. They are in the archive, "
                "and are not restored."
            )
        return files

    def _history(self) -> None:
        for stored in WORLD_TABLES:
            columns, statement = facts(stored, self._world)
            self._past(f"records_{stored.plural}", columns, statement)
        user = STORED["user"].table
        kinds = {"id": "integer", "version": "integer", "changed_at": "time"}
        columns = [
            Column(c.name, kinds.get(c.name, "text"), c, c.name)  # type: ignore[arg-type]
            if c.name in kinds
            else Column(c.name, "text", sa.cast(c, sa.Text), c.name)
            for c in ENTRY.c
            if c.name not in ("worldid", "login")
        ]
        columns.append(Column("user", "text", user.c.email, "userid"))
        statement = (
            sa.select(*(column.value.label(column.name) for column in columns))
            .select_from(ENTRY.outerjoin(user, user.c.id == ENTRY.c.userid))
            .where(ENTRY.c.worldid == self._world)
            .order_by(ENTRY.c.id)
        )
        self._report.changes = self._past("changes", columns, statement)

    def _past(self, name: str, columns: list[Column], statement: sa.Select[Any]) -> int:
        made = Read.by(statement)
        total = self._count(made)
        with self._stream(made.rows) as batches:
            told = self._tell.rows(f"{HISTORY}/{name}", total, batches, whole=True)
            return self._parquet(f"{HISTORY}/{name}.parquet", columns, told)

    def _count(self, made: Read) -> int:
        """Return how many rows there are, if anybody wants to know."""
        return int(self._one(made.count)["rows"]) if self._tell.watched else 0

    def _one(self, statement: str) -> dict[str, Any]:
        with self._stream(statement) as batches:
            [row] = [row for batch in batches for row in batch.to_pylist()]
        return dict(row)

    def _parquet(self, name: str, columns: list[Column], batches: Any) -> int:
        with self._member(name) as out:
            return write_parquet_into(pa.PythonFile(out, mode="w"), columns_of(columns), batches)

    def _add(self, name: str, data: bytes) -> None:
        with self._member(name) as out:
            out.write(data)

    @contextmanager
    def _member(self, name: str) -> Iterator[Any]:
        with self._zip.open(name, "w", force_zip64=True) as raw:
            out = _Summed(raw)
            yield out
        self._members[name] = {"sha256": out.sha256.hexdigest(), "bytes": out.size_bytes}
