"""Commands of whoever holds the database's own login, over the users of the installation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from workbench.commands.base import LOCAL_URL

if TYPE_CHECKING:
    from workbench.auth.invitations import Invitations
    from workbench.auth.people import People

T = TypeVar("T")

app = typer.Typer(help="List, add, invite and change users.", no_args_is_help=True)
Role = Annotated[str, typer.Option(help="viewer, editor or admin.")]


@app.command("list")
def list_users(
    words: Annotated[str, typer.Argument(help="Part of an address or a name.")] = "",
) -> None:
    """Show all users: e-mail, role, name; and who is invited."""

    async def work(installation: Installation) -> None:
        after: str | None = ""
        while after is not None:
            matches = await installation.people.find(None, words, after=after)
            for one in matches.accounts:
                state = "" if one.is_active else "  (may not sign in)"
                state = state if one.deleted_at is None else "  (deleted)"
                typer.echo(f"{one.email}  {one.role}  {one.name}{state}".rstrip())
            after = matches.more_after
        for invited in await installation.invitations.latest(None):
            if invited.state == "open" and words.lower() in invited.email.lower():
                until = f"{invited.expires_at:%Y-%m-%d}"
                typer.echo(f"{invited.email}  {invited.role}  (invited until {until})")

    _administer(work)


@app.command("add")
def add_user(email: str, role: Role = "editor") -> None:
    """Add a user."""
    _administer(lambda installation: installation.people.add(None, email, role))
    typer.echo(f"{email} is added, as {role}.")


@app.command("invite")
def invite_user(
    email: str,
    role: Role = "editor",
    days: Annotated[int, typer.Option(help="How long the link works.")] = 14,
) -> None:
    """Print a link that lets somebody in, once; an earlier one of theirs works no more."""
    from workbench.config import read_providers, read_settings

    invited = _administer(
        lambda installation: installation.invitations.invite(None, email, role, days=days)
    )
    public_url = read_settings().public_url
    typer.echo(
        f"Send this link to {invited.email}. It works once, until {invited.expires_at:%Y-%m-%d}, "
        f"for an account as {invited.role}:\n\n    {public_url or LOCAL_URL}{invited.path}\n"
    )
    if public_url is None:
        typer.echo(
            "WORKBENCH_PUBLIC_URL is not set: the link is for a dashboard on this machine.",
            err=True,
        )
    if not read_providers():
        typer.echo(
            "No provider is set here (WORKBENCH_OAUTH_…): where the dashboard has none either, "
            "nobody can sign in by this link.",
            err=True,
        )


@app.command("change")
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


@app.command("restore")
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
