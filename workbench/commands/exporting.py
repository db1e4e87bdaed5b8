"""The commands that write files, and the one that restores an archive."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.commands.base import Reason

app = typer.Typer()


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the files go.")],
    world: Annotated[str, typer.Option(help="A world by name, or owner@mail/name.")],
    format: Annotated[str, typer.Option(help="csv, xlsx, json, jsonl, parquet or arrow")] = "csv",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier export there.")
    ] = False,
) -> None:
    """Write a world as files that import again to the same world."""
    from workbench.wiring import connect

    async def work() -> Any:
        async with await connect(source="workbench export") as wb:
            return await wb.export(
                folder, world=world, format=format, overwrite=overwrite, progress=True
            )

    typer.echo(str(asyncio.run(work())))


Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]
WorldName = Annotated[str, typer.Argument(help="A world by name, or owner@mail/name.")]


@app.command()
def archive(
    world: WorldName,
    file: Annotated[Path, typer.Argument(help="The archive, as in dracula.zip.")],
    history: Annotated[
        bool, typer.Option("--history", help="Put ids, times and all changes in, to be read.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a whole world to one file, which `workbench restore` brings back."""
    from workbench.wiring import connect

    async def work() -> Any:
        async with await connect(source="workbench archive") as wb:
            return await wb.archive(
                world, file, history=history, overwrite=overwrite, progress=True
            )

    typer.echo(str(asyncio.run(work())))


@app.command()
def bible(
    world: WorldName,
    file: Annotated[Path, typer.Argument(help="As in dracula.html, or dracula.md.")],
    overwrite: Overwrite = False,
) -> None:
    """Write a world as a book to read: outline, personae, places, things, pictures, index."""
    from workbench.wiring import connect

    async def work() -> int:
        async with await connect(source="workbench bible") as wb:
            return await wb.bible(world, file, overwrite=overwrite)

    typer.echo(f"Written to {str(file)!r}: {asyncio.run(work()):,} bytes.")


@app.command()
def restore(
    files: Annotated[list[Path], typer.Argument(help="An archive, or several.")],
    merge: Annotated[
        bool, typer.Option("--merge", help="Into your world of the same name, if there is one.")
    ] = False,
    reason: Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring the worlds in archives into the database, all or nothing."""
    from workbench.wiring import connect

    async def work() -> Any:
        async with await connect(source="workbench restore") as wb:
            return await wb.restore(
                files, merge=merge, dry_run=dry_run, reason=reason, progress=not as_json
            )

    report = asyncio.run(work())
    typer.echo(json.dumps(report.as_json()) if as_json else str(report))
    sys.exit(1 if report.problems else 0)
