"""The command `workbench`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.auth.invitations import Invitations
    from workbench.auth.people import People
    from workbench.auth.remote import RemoteServer
    from workbench.config import Settings

T = TypeVar("T")

_LOCAL_URL = "http://127.0.0.1:8866"  # where `workbench up` serves
_INTERRUPTED = 130  # the status with which typer ends what Ctrl-C ended

app = typer.Typer(
    help="Story worlds in PostgreSQL: as DataFrames, as a dashboard, as files.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Port = Annotated[int, typer.Option(help="0 takes any free one.", min=0, max=65535)]
World = Annotated[str | None, typer.Option(help="A world by name, or owner@mail/name.")]


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
    folder: Annotated[Path, typer.Argument(help="The folder JupyterLab shows.")] = Path(),
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Import files, all or nothing; tables are told by the names of files and sheets."""
    from workbench.progress import shown_progress
    from workbench.wiring import connect

    reading: dict[str, Any] = {
        "table": table,
        "columns": _pairs(column or []),
        "encoding": encoding,
        "delimiter": delimiter,
        "sheet": sheet,
        "header_row": header_row,
        "remember": remember,
    }

    async def work() -> Any:
        async with await connect(source="workbench import") as wb:
            with shown_progress(quiet=as_json) as progress:
                return await wb.load(
                    paths, world=world, dry_run=dry_run, progress=progress, **reading
                )

    try:
        report = asyncio.run(work())
    except WorkbenchError as error:
        if not as_json:
            raise
        problem = {"file": None, "row": None, "column": None, "value": None, "message": str(error)}
        typer.echo(json.dumps({"tables": {}, "problems": [problem]}))
        sys.exit(1)
    typer.echo(json.dumps(report.as_json()) if as_json else str(report))
    sys.exit(1 if report.problems else 0)


def _pairs(columns: list[str]) -> dict[str, str]:
    """Return `Rolle=role` and the like as a mapping."""
    pairs = {}
    for column in columns:
        header, found, name = column.rpartition("=")
        if not found or not header or not name:
            raise typer.BadParameter(f"Write --column Rolle=role; {column!r} is not like that.")
        pairs[header] = name
    return pairs


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the files go.")],
    world: Annotated[str, typer.Option(help="A world by name, or owner@mail/name.")],
    format: Annotated[str, typer.Option(help="csv")] = "csv",
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier export there.")] = False,
) -> None:
    """Write a world as files that import again to the same world."""
    from workbench.wiring import connect

    async def work() -> Any:
        async with await connect(source="workbench export") as wb:
            return await wb.export(folder, world=world, format=format, overwrite=overwrite)

    typer.echo(str(asyncio.run(work())))


Server = Annotated[
    str | None, typer.Argument(help="https://…; or WORKBENCH_SERVER.", metavar="[URL]")
]


@app.command()
def login(
    url: Server = None,
    scope: Annotated[str, typer.Option(help="read or write: what scripts here may do.")] = "write",
) -> None:
    """Sign this machine in at a dashboard elsewhere, by a code that you approve in a browser."""
    from workbench.auth.remote import sign_in

    server, settings = _server(url)
    asyncio.run(
        sign_in(server, settings.home, client="workbench login", scope=scope, say=typer.echo)
    )


@app.command()
def logout(url: Server = None) -> None:
    """Sign this machine out there: its token ends, and what was opened with it."""
    from workbench.auth.remote import sign_out

    server, settings = _server(url)
    out = asyncio.run(sign_out(server, settings.home))
    typer.echo(f"{'Signed out' if out else 'Nobody was signed in'} at {server.url}.")


@app.command()
def whoami(url: Server = None) -> None:
    """Say who is signed in there from this machine, what they may, and until when."""
    from workbench.auth.remote import who_is_signed_in

    server, settings = _server(url)
    token = settings.token.get_secret_value() if settings.token else None
    who = asyncio.run(who_is_signed_in(server, settings.home, token))
    typer.echo(f"{who.account} ({who.role}) at {server.url}")
    typer.echo(f"by “{who.token}”, to {who.scope}, until {who.expires_at[:10]}")


def _server(url: str | None) -> tuple[RemoteServer, Settings]:
    from workbench.auth.remote import RemoteServer
    from workbench.wiring import at_server

    settings = at_server(url)
    assert settings.server is not None
    return RemoteServer(settings.server), settings


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


users = typer.Typer(help="List, add, invite and change users.", no_args_is_help=True)
app.add_typer(users, name="users")
Role = Annotated[str, typer.Option(help="viewer, editor or admin.")]


@users.command("list")
def list_users(
    words: Annotated[str, typer.Argument(help="Part of an address or a name.")] = "",
) -> None:
    """Show all users: e-mail, role, name."""

    async def work(installation: Installation) -> None:
        after: str | None = ""
        while after is not None:
            matches = await installation.people.find(None, words, after=after)
            for one in matches.accounts:
                state = "" if one.is_active else "  (may not sign in)"
                state = state if one.deleted_at is None else "  (deleted)"
                typer.echo(f"{one.email}  {one.role}  {one.name}{state}".rstrip())
            after = matches.more_after

    _administer(work)


@users.command("add")
def add_user(email: str, role: Role = "editor") -> None:
    """Add a user."""
    _administer(lambda installation: installation.people.add(None, email, role))
    typer.echo(f"{email} is added, as {role}.")


@users.command("invite")
def invite_user(
    email: str,
    role: Role = "editor",
    days: Annotated[int, typer.Option(help="How long the link works.")] = 14,
) -> None:
    """Print a link that lets somebody in, once; an earlier one of theirs works no more."""
    from workbench.config import read_settings

    invited = _administer(
        lambda installation: installation.invitations.invite(None, email, role, days=days)
    )
    public_url = read_settings().public_url
    typer.echo(
        f"Send this link to {invited.email}. It works once, until {invited.expires_at:%Y-%m-%d}, "
        f"for an account as {invited.role}:\n\n    {public_url or _LOCAL_URL}{invited.path}\n"
    )
    if public_url is None:
        typer.echo(
            "WORKBENCH_PUBLIC_URL is not set: the link is for a dashboard on this machine.",
            err=True,
        )


@users.command("change")
def change_user(
    email: str,
    role: Annotated[str | None, typer.Option(help="viewer, editor or admin.")] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether they may sign in.")
    ] = None,
) -> None:
    """Change a user's role, or whether they may sign in; it counts at once."""
    if role is None and active is None:
        raise typer.BadParameter("Nothing to change: give --role, --active or --inactive.")

    async def work(installation: Installation) -> None:
        user = await installation.people.id_of(email)
        await installation.people.change(None, user, role=role, active=active)

    _administer(work)
    typer.echo(f"{email} is changed.")


@users.command("restore")
def restore_user(email: str) -> None:
    """Bring a deleted user back; their worlds stay with whom they went to."""

    async def work(installation: Installation) -> None:
        user = await installation.people.id_of(email, deleted=True)
        await installation.people.restore(None, user)

    _administer(work)
    typer.echo(f"{email} is back.")


@dataclass(frozen=True)
class Installation:
    """What whoever holds the database's own login administers."""

    people: People
    invitations: Invitations


def _administer(work: Callable[[Installation], Awaitable[T]]) -> T:
    from workbench.auth.events import Events
    from workbench.auth.invitations import Invitations
    from workbench.auth.people import People
    from workbench.config import read_settings
    from workbench.wiring import open_server

    async def whole() -> T:
        database, release = await open_server(read_settings())  # migrated, on a first start too
        try:
            events = Events(database)
            return await work(Installation(People(database, events), Invitations(database, events)))
        finally:
            await database.close()
            release()

    return asyncio.run(whole())


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
            well = all([tell(finding) async for finding in examine(database)])
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
