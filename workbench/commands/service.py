"""Commands that run the product and look after its database."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.config import Settings
from workbench.errors import WorkbenchError

app = typer.Typer()

Port = Annotated[int, typer.Option(help="0 takes any free one.", min=0, max=65535)]


@app.command()
def up(
    port: Port = 8866,
    demo: Annotated[
        bool, typer.Option(help="Load the demo world if there never was a world.")
    ] = True,
) -> None:
    """Start the database and the dashboard, and print the link that signs in."""
    from workbench.serving import serve_dashboard

    sys.exit(serve_dashboard(port=port, demo=demo, say=typer.echo))


@app.command()
def lab(
    folder: Annotated[
        Path, typer.Argument(help="The folder JupyterLab shows.", exists=True, file_okay=False)
    ] = Path(),
    port: Port = 8888,
    browser: Annotated[bool, typer.Option(help="Open the browser too.")] = False,
) -> None:
    """Start JupyterLab on the same database."""
    from workbench.serving import serve_notebooks

    sys.exit(serve_notebooks(folder=folder, port=port, browser=browser, say=typer.echo))


@app.command()
def migrate() -> None:
    """Bring the schema of the database to this version."""
    from workbench.wiring import migrate_configured

    before, after = asyncio.run(migrate_configured())
    typer.echo(
        f"The schema is at {after} already."
        if before == after
        else f"The schema went from {before or 'nothing'} to {after}."
    )


@app.command()
def demo() -> None:
    """Load the demo world, or bring it back to how it was."""
    from workbench.demo import demo_folder
    from workbench.wiring import connect

    async def work() -> Any:
        async with await connect(source="workbench demo") as wb:
            return await wb.load(demo_folder(), reason="demo world")

    report = asyncio.run(work())
    typer.echo(str(report))
    sys.exit(0 if report.written else 1)


@app.command()
def forget(
    keep_days: Annotated[
        int, typer.Option(help="Details of changes older than so many days go.", min=0)
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget what old changes changed; who made them, when and why stays. For the owner alone.

    By default everything is kept. There is no past before what is forgotten, and no undo of it.
    """
    from workbench.history.retention import forget
    from workbench.wiring import open_database

    if not yes:
        typer.confirm(f"Forget the details of changes older than {keep_days} days?", abort=True)

    async def work() -> int:
        async with open_database() as owner:
            return await forget(owner, keep_days=keep_days)

    typer.echo(f"The details of {asyncio.run(work()):,} changes are forgotten.")


@app.command()
def doctor() -> None:
    """Say in plain words what is reachable, what is wrong, and what to do."""
    from workbench.auth.flow import Flow
    from workbench.auth.health import examine as examine_sign_in
    from workbench.config import read_settings
    from workbench.database.health import Finding, examine
    from workbench.wiring import examine_remote, open_database, provider_clients

    def tell(finding: Finding) -> bool:
        typer.echo(f"{'ok ' if finding.well else 'BAD'}  {finding.what}")
        if finding.remedy:
            typer.echo(f"     → {finding.remedy}")
        return finding.well

    async def work(settings: Settings) -> bool:
        if settings.database_url is None and settings.server is not None:
            return all([tell(finding) async for finding in examine_remote(settings)])
        async with open_database(settings) as database:
            well = all(
                [
                    tell(finding)
                    async for finding in examine(database, embedded=settings.database_url is None)
                ]
            )
        if clients := provider_clients(settings):
            flow = Flow(clients, lambda name: str(settings.public_url))
            well &= all([tell(finding) async for finding in examine_sign_in(flow)])
            await flow.close()
        return well

    try:
        settings = read_settings()
        usual = settings.server or "the embedded PostgreSQL"
        where = usual if settings.database_url is None else "a server by URL"
        tell(Finding(True, f"The settings are readable: {where}, state in {settings.home}."))
        well = asyncio.run(work(settings))
    except WorkbenchError as error:
        well = tell(Finding(False, str(error)))
    sys.exit(0 if well else 1)
