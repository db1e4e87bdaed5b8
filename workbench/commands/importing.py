"""The command that reads files."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.commands.base import Reason, World
from workbench.errors import WorkbenchError

app = typer.Typer()


class OnProblem(StrEnum):
    """What becomes of an import with problems."""

    stop = "stop"
    skip = "skip"


@app.command("import")
def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(help="CSV, Excel, JSON, Parquet or Arrow files, or folders of them."),
    ],
    world: World = None,
    table: Annotated[str | None, typer.Option(help="The table, if no name tells it.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="What a column stands for, as in Rolle=role; may be repeated."),
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="As in windows-1252.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="One character, or tab.")] = None,
    sheet: Annotated[str | None, typer.Option(help="The sheet of a workbook.")] = None,
    header_row: Annotated[
        int | None, typer.Option(help="The row of the sheet with the column names.", min=1)
    ] = None,
    remember: Annotated[
        bool, typer.Option("--remember", help="Write how files are read beside them, as TOML.")
    ] = False,
    on_problem: Annotated[
        OnProblem, typer.Option(help="Write nothing, or leave out the bad rows and their like.")
    ] = OnProblem.stop,
    rejects: Annotated[
        Path | None,
        typer.Option(help="The folder for files of bad rows, if not beside their sources."),
    ] = None,
    reason: Reason = None,
    plan: Annotated[
        Path | None,
        typer.Option(help="Write nothing but this file, which `workbench apply` carries out."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Import files; tables are told by the names of files and sheets."""
    from workbench.progress import shown_progress
    from workbench.wiring import connect

    reading: dict[str, Any] = {
        "table": table,
        "columns": _pairs(column or []),
        "encoding": encoding,
        "delimiter": delimiter,
        "sheet": sheet,
        "header_row": header_row,
        "on_problem": on_problem.value,
    }
    if plan is not None and (remember or rejects is not None or as_json or reason is not None):
        raise typer.BadParameter("A plan is only shown and saved: leave the other options out.")

    async def work() -> Any:
        async with await connect(source="workbench import") as wb:
            with shown_progress(quiet=as_json) as progress:
                if plan is not None:
                    made = await wb.plan(paths, world=world, progress=progress, **reading)
                    made.save(plan)
                    return made.report, _told(made, plan)
                report = await wb.load(
                    paths,
                    world=world,
                    dry_run=dry_run,
                    reason=reason,
                    progress=progress,
                    remember=remember,
                    rejects=rejects,
                    **reading,
                )
                return report, str(report)

    try:
        report, said = asyncio.run(work())
    except WorkbenchError as error:
        if not as_json:
            raise
        problem = {"file": None, "row": None, "column": None, "value": None, "message": str(error)}
        typer.echo(json.dumps({"tables": {}, "problems": [problem]}))
        sys.exit(1)
    typer.echo(json.dumps(report.as_json()) if as_json else said)
    stopped = plan is not None and on_problem is OnProblem.stop and report.problems
    failed = bool(stopped or (plan is None and report.failed))
    if failed and report.refused and not as_json:
        report.raise_for_problems()
    sys.exit(1 if failed else 0)


@app.command()
def apply(
    path: Annotated[Path, typer.Argument(help="A file that `workbench import --plan` wrote.")],
    reason: Reason = None,
    rejects: Annotated[
        Path | None,
        typer.Option(help="The folder for files of bad rows, if not beside the plan."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Only show what it would do.")] = False,
) -> None:
    """Carry out the plan of an import, just as it was shown, or not at all."""
    from workbench.progress import shown_progress
    from workbench.wiring import connect

    async def work() -> str:
        async with await connect(source="workbench apply") as wb:
            plan = wb.open_plan(path)
            if show:
                return _told(plan, path)
            with shown_progress() as progress:
                folder = rejects or path.parent
                return str(await plan.apply(reason=reason, progress=progress, rejects=folder))

    typer.echo(asyncio.run(work()))


def _told(plan: Any, path: Path) -> str:
    return str(plan.told(f"workbench apply {shlex.quote(str(path))}"))


def _pairs(columns: list[str]) -> dict[str, str]:
    """Return `Rolle=role` and the like as a mapping."""
    pairs = {}
    for column in columns:
        header, found, name = column.rpartition("=")
        if not found or not header or not name:
            raise typer.BadParameter(f"Write --column Rolle=role; {column!r} is not like that.")
        pairs[header] = name
    return pairs
