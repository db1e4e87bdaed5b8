"""The command `workbench`."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

import workbench
from workbench.commands import exporting, importing, service, sign_in, users
from workbench.errors import WorkbenchError

__all__ = ["app", "fail", "main"]

_INTERRUPTED = 130  # the status with which typer ends what Ctrl-C ended


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"workbench {workbench.__version__}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for commands in (service, importing, exporting, sign_in):
    app.add_typer(commands.app)
app.add_typer(users.app, name="users")


@app.callback()
def _workbench(
    _: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Story worlds in PostgreSQL: as DataFrames, as a dashboard, as files."""


def main() -> None:
    """Run the command; errors raised on purpose, and Ctrl-C, are told in a sentence."""
    try:
        app()
    except WorkbenchError as error:
        fail(error)
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            typer.echo("Stopped. What was under way is undone.", err=True)
        raise


def fail(error: WorkbenchError) -> NoReturn:
    """Say what is wrong and end with status 1."""
    typer.echo(f"workbench: {error}", err=True)
    sys.exit(1)
