"""The command that writes files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer()


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the files go.")],
    world: Annotated[str, typer.Option(help="A world by name, or owner@mail/name.")],
    format: Annotated[str, typer.Option(help="csv, xlsx, json, jsonl, parquet or arrow")] = "csv",
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier export there.")] = False,
) -> None:
    """Write a world as files that import again to the same world."""
    from workbench.wiring import connect

    async def work() -> Any:
        async with await connect(source="workbench export") as wb:
            return await wb.export(folder, world=world, format=format, overwrite=overwrite)

    typer.echo(str(asyncio.run(work())))
