"""Worlds out of archives: looked at as a whole without trust, then imported like any files.

Nothing of an archive reaches the database before every member is known to be what the manifest
says. Rows then go through the import, with all its rules and with the rights of whoever restores.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from workbench.database.engine import Database
from workbench.database.threads import in_thread
from workbench.entities import STORED
from workbench.errors import Refused, WorkbenchError, shown
from workbench.transfer.archive_file import Contents, unpacked
from workbench.transfer.load import load
from workbench.transfer.options import Handed
from workbench.transfer.readers import open_named
from workbench.transfer.report import LoadReport, Watcher, several
from workbench.transfer.telling import Telling

__all__ = ["restore"]


async def restore(
    database: Database,
    paths: Path | Sequence[Path],
    *,
    merge: bool = False,
    dry_run: bool = False,
    reason: str | None = None,
    progress: Watcher | None = None,
) -> LoadReport:
    """Bring the world in the archive at `paths`, or those in several, into the database.

    The worlds, and all that is in them, belong to whoever restores them; ids, versions and times
    are new, as only the database writes those, and the history begins with the restoring. It is
    one import of all archives: all of them or nothing.

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
        One is no archive, or not whole, or not as it was written. Nothing was written.
    Refused
        There is such a world already, and `merge` is not said; or two archives have one world.
    """
    tell = Telling(progress)
    archives = list(dict.fromkeys([paths] if isinstance(paths, Path) else paths))
    try:
        with tempfile.TemporaryDirectory(prefix="workbench-restore-") as folder:
            found = await in_thread(partial(_all_unpacked, archives, Path(folder), tell))
            tell.check()
            if not merge:
                await _refuse_known(database, [contents.world for contents in found.values()])
            opened = await asyncio.to_thread(open_named, _named(found))
            report = await load(
                database,
                opened,
                dry_run=dry_run,
                reason=reason or f"restored from {several([path.name for path in archives])}",
                progress=progress,
            )
    except OSError as error:
        raise WorkbenchError(
            f"{several([str(path) for path in archives])}: this cannot be unpacked "
            f"({error.strerror or error}). Nothing is restored. Make room in the folder for "
            "temporary files, or set TMPDIR to another."
        ) from error
    report.notes += dict.fromkeys(note for contents in found.values() for note in contents.notes)
    return report


def _all_unpacked(archives: Sequence[Path], folder: Path, tell: Telling) -> dict[Path, Contents]:
    """Unpack archives, each into a folder of its own.

    Raises
    ------
    Refused
        Two have a world of the same name: one would change what the other has just brought.
    """
    found: dict[Path, Contents] = {}
    by_world: dict[str, Path] = {}
    for number, path in enumerate(archives):
        inside = folder / str(number)
        inside.mkdir()
        found[path] = unpacked(path, inside, tell)
        world = found[path].world
        first = by_world.setdefault(world, path)
        if first is not path:
            raise Refused(
                f"{first} and {path} both have a world {shown(world)}. Restore one of them.",
                field="world",
            )
    return found


def _named(found: Mapping[Path, Contents]) -> list[Handed]:
    """Return what messages call the tables of archives; of one that goes without saying."""
    twice = len({path.name for path in found}) < len(found)
    names: list[Handed] = []
    for path, contents in found.items():
        archive = f"{path if twice else path.name}: " if len(found) > 1 else ""
        names += [Handed(table, f"{archive}{table.name}") for table in contents.tables]
    return names


async def _refuse_known(database: Database, names: list[str]) -> None:
    """Raise Refused if one has a world of such a name."""
    world = STORED["world"].table
    mine: UUID | None = database.userid
    statement = sa.select(world.c.name).where(
        world.c.name.in_(names), world.c.ownerid == mine, world.c.deleted_at.is_(None)
    )
    async with database.reading() as connection:
        known = set((await connection.execute(statement)).scalars())
    for name in names:
        if name in known:
            raise Refused(
                f"You have a world {shown(name)} already. Say merge=True (--merge) to bring the "
                "archive into it, or rename it first.",
                field="world",
            )
