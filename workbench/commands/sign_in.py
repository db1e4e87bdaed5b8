"""Commands that sign this machine in at a dashboard elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workbench.auth.remote import RemoteServer
    from workbench.config import Settings

app = typer.Typer()

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
