"""What a workspace does with files: import, plans, export, archives, books."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.database.engine import Database
from workbench.entities import STORED
from workbench.store.names import WorldKey, world_id

if TYPE_CHECKING:
    import pandas as pd

    from workbench.transfer.archive import ArchiveReport
    from workbench.transfer.export import ExportReport
    from workbench.transfer.following import Following
    from workbench.transfer.look import Look
    from workbench.transfer.options import Handed
    from workbench.transfer.proposal import Plan
    from workbench.transfer.report import LoadReport

__all__ = ["Files"]


class Files:
    """The verbs of a workspace."""

    database: Database

    async def load(
        self,
        sources: Path | str | Sequence[Path | str] | Mapping[str, Any],
        *,
        world: WorldKey | None = None,
        dry_run: bool = False,
        reason: str | None = None,
        progress: Callable[[Any], None] | bool | None = None,
        table: str | None = None,
        columns: Mapping[str, str] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        sheet: str | None = None,
        header_row: int | None = None,
        remember: bool = False,
        on_problem: Literal["stop", "skip"] = "stop",
        rejects: Path | str | None = None,
    ) -> LoadReport:
        """Import files, folders or frames: all or nothing, or what is good of them.

        Files are CSV, TSV, Excel workbooks, JSON, JSON lines, Parquet or Arrow. How one is to be
        read is found out; what is given here, or in a TOML file beside it, is right.

        Parameters
        ----------
        sources
            A folder, a file or several, tables told by the files' names; or frames, files and
            queries (`wb.query`) by table, `{"personas": frame, "scenes": "old.csv"}`.
        world
            The world of rows that name none.
        dry_run
            Whether to say what would be done, and write nothing.
        progress
            True shows a bar in a notebook or a terminal; or what is called with each step.
        table
            The table of files whose names tell none.
        columns
            What columns of the files stand for: `{"Rolle": "role"}`.
        sheet, header_row
            Of a workbook: the sheet by name, and the row that has the column names, from 1.
        remember
            Whether to write how each file was read into `<file>.toml`, for the next time.
        on_problem
            `stop` writes nothing if there is a problem. `skip` leaves out the rows that have
            one, and those that refer to them: they go, each with its problem, to a file
            `<name>.rejects.<ending>` of their own format, to be mended and imported.
        rejects
            The folder for these files, and for the pictures that their rows name; without it
            they lie beside their sources.

        Returns
        -------
        LoadReport
            Counts by table, problems and notes. `written` tells whether anything was written;
            `rejects` has what was left out: paths, and frames for frames.
        """
        from workbench.progress import watched
        from workbench.transfer.load import load
        from workbench.transfer.options import Reading

        reading = Reading(table, encoding, delimiter, sheet, header_row, columns or {})
        given = _arrow(sources) if isinstance(sources, Mapping) else sources
        name = None if world is None else await self._world_path(world)
        with watched(progress) as watch:
            report = await load(
                self.database,
                given,
                world=name,
                dry_run=dry_run,
                reason=reason,
                progress=watch,
                reading=reading,
                remember=remember,
                on_problem=on_problem,
                rejects=None if rejects is None else Path(rejects),
            )
        if isinstance(sources, Mapping):
            from workbench.frames import rejected_rows

            report.rejects = {
                file: rejected_rows(sources[file], rows) if file in sources else rows
                for file, rows in report.rejects.items()
            }
        return report

    async def plan(
        self,
        sources: Path | str | Sequence[Path | str | Handed] | Mapping[str, Any],
        *,
        world: WorldKey | None = None,
        on_problem: Literal["stop", "skip"] = "stop",
        progress: Callable[[Any], None] | None = None,
        table: str | None = None,
        columns: Mapping[str, str] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        sheet: str | None = None,
        header_row: int | None = None,
    ) -> Plan:
        """Work out what `load` would do, to look at it, save it, and apply it later.

        The plan holds the rows as they were read: what becomes of the files does not matter.
        `await plan.apply(reason="…")` does what it shows, or nothing.

        Parameters
        ----------
        on_problem
            With `skip` the plan is about the rows that have no problem.
        """
        from workbench.progress import watched
        from workbench.transfer.options import Reading
        from workbench.transfer.proposal import make_plan

        with watched(progress) as watch:
            return await make_plan(
                self.database,
                _arrow(sources) if isinstance(sources, Mapping) else sources,
                world=None if world is None else await self._world_path(world),
                reading=Reading(table, encoding, delimiter, sheet, header_row, columns or {}),
                on_problem=on_problem,
                progress=watch,
            )

    async def look(self, files: Sequence[Handed], *, world: WorldKey | None = None) -> list[Look]:
        """Return what files are taken for before anything of them is read but their beginnings.

        Parameters
        ----------
        world
            The world of rows that name none.
        """
        from workbench.database.threads import in_thread
        from workbench.transfer.look import look_at

        name = None if world is None else await self._world_path(world)
        return await in_thread(lambda: look_at(files, world=name))

    @staticmethod
    def query(url: str, statement: str) -> Any:
        """Return a SELECT on another PostgreSQL as a source for `load` and `plan`.

        `await wb.load({"personas": wb.query(url, "SELECT world, name FROM cast_list")})`. Its rows
        are read as they come, in a transaction that cannot write; nothing keeps the address.
        """
        from workbench.database.elsewhere import Elsewhere

        return Elsewhere.of(url, statement)

    def open_plan(self, path: Path | str) -> Plan:
        """Return a plan that was saved, by whomever; it is applied with one's own rights."""
        from workbench.transfer.proposal import open_plan

        return open_plan(self.database, path)

    def loading(self, sources: Any, **options: Any) -> Following[LoadReport]:
        """Import as `load` does, with its options, and give each step to an `async for`.

        Leaving the loop early undoes the import; after it, `report` has what `load` returns.

        Examples
        --------
        >>> loading = wb.loading("plays/")  # doctest: +SKIP
        >>> async for step in loading:  # doctest: +SKIP
        ...     print(step)
        >>> loading.report  # doctest: +SKIP
        """
        from workbench.transfer.following import Following

        return Following(lambda watch: self.load(sources, progress=watch, **options))

    async def export(
        self,
        folder: Path | str,
        *,
        world: WorldKey,
        format: str = "csv",
        tables: Collection[str] | None = None,
        overwrite: bool = False,
        progress: Callable[[Any], None] | bool | None = None,
    ) -> ExportReport:
        """Write a world as files that import again to the same world.

        Parameters
        ----------
        format
            "csv", "json", "jsonl", "parquet" or "arrow": a file for each table; "xlsx": one
            workbook with a sheet for each.
        tables
            Those to write, by their plurals; without it all.
        overwrite
            Whether the folder may hold something already; files of the same name are replaced.
        progress
            As for `load`. Cancelling leaves nothing in the folder that was not there.
        """
        from workbench.progress import watched
        from workbench.transfer.export import export

        where = await world_id(self.database, world)
        with watched(progress) as watch:
            return await export(
                self.database,
                where,
                Path(folder),
                format=format,
                tables=tables,
                overwrite=overwrite,
                progress=watch,
            )

    def exporting(self, folder: Path | str, **options: Any) -> Following[ExportReport]:
        """Export as `export` does, with its options, and give each step to an `async for`.

        Leaving the loop early leaves nothing in the folder that was not there.
        """
        from workbench.transfer.following import Following

        return Following(lambda watch: self.export(folder, progress=watch, **options))

    async def archive(
        self,
        world: WorldKey,
        path: Path | str,
        *,
        history: bool = False,
        overwrite: bool = False,
        progress: Callable[[Any], None] | bool | None = None,
    ) -> ArchiveReport:
        """Write a whole world, as it is at one moment, to one file that `restore` reads.

        Parameters
        ----------
        history
            Whether ids, owners, versions, times and all changes go along, to be read.
        overwrite
            Whether a file that is there is replaced.
        progress
            As for `load`. Cancelling leaves no file.
        """
        from workbench.progress import watched
        from workbench.transfer.archive import archive

        where = await world_id(self.database, world)
        with watched(progress) as watch:
            return await archive(
                self.database,
                where,
                Path(path),
                history=history,
                overwrite=overwrite,
                progress=watch,
            )

    def archiving(
        self, world: WorldKey, path: Path | str, **options: Any
    ) -> Following[ArchiveReport]:
        """Write an archive as `archive` does, and give each step to an `async for`.

        Leaving the loop early leaves no file.
        """
        from workbench.transfer.following import Following

        return Following(lambda watch: self.archive(world, path, progress=watch, **options))

    async def restore(
        self,
        path: Path | str | Sequence[Path | str],
        *,
        merge: bool = False,
        dry_run: bool = False,
        reason: str | None = None,
        progress: Callable[[Any], None] | bool | None = None,
    ) -> LoadReport:
        """Bring the world in an archive, or those in several, into this database, all or nothing.

        They belong to you then; ids, versions and times are new. With `merge`, the rows go into
        your world of the same name, if there is one, as an import's do.
        `progress` is as for `load`.

        Raises
        ------
        UnreadableFile
            It is no archive, or not as it was written. Nothing was written.
        Refused
            You have a world of this name, and `merge` is not said.
        """
        from workbench.progress import watched
        from workbench.transfer.restore import restore

        paths = [path] if isinstance(path, str | Path) else path
        with watched(progress) as watch:
            return await restore(
                self.database,
                [Path(one) for one in paths],
                merge=merge,
                dry_run=dry_run,
                reason=reason,
                progress=watch,
            )

    def restoring(
        self, path: Path | str | Sequence[Path | str], **options: Any
    ) -> Following[LoadReport]:
        """Restore as `restore` does, with its options, and give each step to an `async for`.

        Leaving the loop early undoes it.
        """
        from workbench.transfer.following import Following

        return Following(lambda watch: self.restore(path, progress=watch, **options))

    async def bible(self, world: WorldKey, path: Path | str, *, overwrite: bool = False) -> int:
        """Write a world as a book to read, in one file: .html or .md; return its bytes.

        The outline with every scene, personae with their appearances and relations, places,
        things, small pictures (HTML), and an index. The file needs nothing from elsewhere.
        """
        from workbench.transfer.bible import bible

        where = await world_id(self.database, world)
        return await bible(self.database, where, Path(path), overwrite=overwrite)

    async def write(
        self,
        frame: pd.DataFrame,
        path: Path | str,
        *,
        overwrite: bool = False,
        progress: Callable[[Any], None] | bool | None = None,
    ) -> int:
        """Write any frame to a file, whose end tells the format; return how many rows it has.

        CSV, Excel, JSON, JSON lines, Parquet or Arrow; texts that a spreadsheet would run as
        formulas are marked as text. The file appears when it is whole. `progress` is as for `load`.
        """
        from workbench.frames import write
        from workbench.progress import watched

        with watched(progress) as watch:
            return await write(frame, Path(path), overwrite=overwrite, progress=watch)

    async def _world_path(self, world: WorldKey) -> str:
        raise NotImplementedError


def _arrow(frames: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return frames as Arrow tables; those of no known table as they are, to be told of."""
    from workbench.frames import arrow_from_frame

    tables = {stored.plural: stored for stored in STORED.values()}
    return {
        plural: arrow_from_frame(tables[plural], frame)
        if plural in tables and hasattr(frame, "columns") and hasattr(frame, "index")
        else frame
        for plural, frame in frames.items()
    }
