"""A world out of an archive: looked at as a whole without trust, then imported like any files.

Nothing of an archive reaches the database before every member is known to be what the manifest
says. Rows then go through the import, with all its rules and with the rights of whoever restores.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from workbench.database.engine import Database
from workbench.database.threads import in_thread
from workbench.entities import STORED
from workbench.errors import Refused, WorkbenchError, shown
from workbench.transfer.archive_file import unpacked
from workbench.transfer.load import load
from workbench.transfer.report import LoadReport, Watcher
from workbench.transfer.telling import Telling

__all__ = ["restore"]


async def restore(
    database: Database,
    path: Path,
    *,
    merge: bool = False,
    dry_run: bool = False,
    reason: str | None = None,
    progress: Watcher | None = None,
) -> LoadReport:
    """Bring the world in the archive at `path` into the database.

    The world, and all that is in it, belongs to whoever restores it; ids, versions and times are
    new, as only the database writes those, and the history begins with the restoring.

    Parameters
    ----------
    merge
        Whether the rows may go into a world of one's own that has this name already: those that
        are there are changed to what the archive says, others are added, none is removed.
    dry_run
        Whether to find out only what would be done.

    Raises
    ------
    UnreadableFile
        It is no archive, or not whole, or not as it was written. Nothing was written.
    Refused
        There is such a world already, and `merge` is not said.
    """
    tell = Telling(progress)
    try:
        with tempfile.TemporaryDirectory(prefix="workbench-restore-") as folder:
            contents = await in_thread(partial(unpacked, path, Path(folder), tell))
            tell.check()
            if not merge and await _is_there(database, contents.world):
                raise Refused(
                    f"You have a world {shown(contents.world)} already. Say merge=True (--merge) "
                    "to bring the archive into it, or rename it first.",
                    field="world",
                )
            report = await load(
                database,
                contents.tables,
                dry_run=dry_run,
                reason=reason or f"restored from {path.name}",
                progress=progress,
            )
    except OSError as error:
        raise WorkbenchError(
            f"{path}: the archive cannot be unpacked ({error.strerror or error}). Nothing is "
            "restored. Make room in the folder for temporary files, or set TMPDIR to another."
        ) from error
    report.notes += contents.notes
    return report


async def _is_there(database: Database, name: str) -> bool:
    world = STORED["world"].table
    mine: UUID | None = database.userid
    statement = sa.select(world.c.id).where(
        world.c.name == name, world.c.ownerid == mine, world.c.deleted_at.is_(None)
    )
    async with database.reading() as connection:
        return (await connection.execute(statement)).first() is not None
