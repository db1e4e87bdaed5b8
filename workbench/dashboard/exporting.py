"""A world on its way out as one file. No widgets here."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import traitlets

from workbench.dashboard.under_way import UnderWay
from workbench.entities.world import World
from workbench.workspace import Workspace

__all__ = ["ARCHIVE", "BOOK", "TABLES", "ExportModel", "Made"]

ARCHIVE, TABLES, BOOK = "archive", "tables", "book"

FORMATS = {
    TABLES: {
        "csv": "CSV",
        "xlsx": "Excel",
        "json": "JSON",
        "jsonl": "JSON lines",
        "parquet": "Parquet",
    },
    BOOK: {"html": "HTML", "md": "Markdown"},
}
_PREFIX = "workbench-export-"
_NAME_CHARACTERS = 80
_NAME_BYTES = 200  # a file system takes 255, with what is put behind it


@dataclass(frozen=True)
class Made:
    """A file that is there to be saved, as `name`, and what it says of itself."""

    path: Path
    name: str
    notes: list[str]


class ExportModel(UnderWay):
    """What of a world is to be written, how far that is, and the file that came of it.

    Attributes
    ----------
    what
        One of those above; `format` is one of its formats.
    tables
        Those to write, by their plurals.
    history
        Whether an archive has it.
    """

    what = traitlets.Unicode(ARCHIVE)
    format = traitlets.Unicode("csv")
    tables: traitlets.List[str] = traitlets.List()
    history = traitlets.Bool(False)
    made = traitlets.Instance(Made, allow_none=True)
    active = traitlets.Bool(False)

    def __init__(self, wb: Workspace, world: World, tables: list[str]) -> None:
        super().__init__()
        self._wb, self._world = wb, world
        self.all_tables = list(tables)
        self.tables = list(tables)
        self._folder: Path | None = None

    def choose(self, what: str) -> None:
        """Write something else."""
        self.what = what
        self.format = next(iter(FORMATS.get(what, {"": ""})))
        self._forget()

    def form(self, format: str) -> None:
        """Write it in another format."""
        if format in FORMATS.get(self.what, {}):
            self.format = format
            self._forget()

    def toggle(self, table: str) -> None:
        """Write one table more, or one less."""
        chosen = set(self.tables) ^ {table}
        self.tables = [name for name in self.all_tables if name in chosen]
        self._forget()

    def all_or_none(self) -> None:
        """Write all tables; none, if that is so."""
        self.tables = [] if self.tables == self.all_tables else list(self.all_tables)
        self._forget()

    def with_history(self) -> None:
        """Put the history in, or leave it out."""
        self.history = not self.history
        self._forget()

    async def write(self) -> None:
        """Write the file."""
        self._require_rest()
        self._forget()
        self.step, self.active = None, True
        try:
            if not await self._work(self._write(), cancelled="Cancelled."):
                self._remove()
        finally:
            self.active = False

    async def _write(self) -> None:
        folder = self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        stem = _stem(self._world)
        notes: list[str] = []
        if self.what == ARCHIVE:
            path = folder / f"{stem}.zip"
            archived = await self._wb.archive(
                self._world, path, history=self.history, progress=self.note
            )
            notes = archived.notes
        elif self.what == BOOK:
            path = folder / f"{stem}.{self.format}"
            await self._wb.bible(self._world, path)
        else:
            path, notes = await self._files(folder, stem)
        name = f"{stem}.xlsx" if path.suffix == ".xlsx" else path.name
        self.made = Made(path, name, notes)

    async def _files(self, folder: Path, stem: str) -> tuple[Path, list[str]]:
        from workbench.transfer.one_file import one_file

        report = await self._wb.export(
            folder / stem,
            world=self._world,
            format=self.format,
            tables=self.tables,
            progress=self.note,
        )
        return await one_file(folder / stem, folder / f"{stem}.zip"), report.notes

    def close(self) -> None:
        """End what is under way, and remove the file."""
        self.cancel()
        self._when_over(self._remove)

    def _forget(self) -> None:
        self.problem = self.said = ""
        self.made = None
        if not self.running:
            self._remove()

    def _remove(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _stem(world: World) -> str:
    """Return the name of a world as that of a file."""
    words = re.sub(r"[^\w-]+", "_", world.name).strip("_")[:_NAME_CHARACTERS]
    return words.encode()[:_NAME_BYTES].decode(errors="ignore") or "world"
