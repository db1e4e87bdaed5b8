"""Signing in, by a one-time link or to choose a provider, and out."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit

from jupyter_server.auth.decorator import allow_unauthenticated

from workbench.errors import SignInRefused
from workbench.server.identity import SignedIn, without_token
from workbench.server.pages import PersonHandler

_USED = (
    "This link has been used, or is not from this start of the server. "
    "The terminal that runs “workbench up” shows a fresh one."
)
_NOT_A_TOKEN = (
    "That is not the current token. The terminal that runs “workbench up” shows a fresh link."
)
_LONGEST_PATH = 2000


def token_in(text: str) -> str:
    """Return the token in what a person pasted: the token, or the whole link.

    >>> token_in(" http://127.0.0.1:8866/?token=abc ")
    'abc'
    """
    text = text.strip()
    return parse_qs(urlsplit(text).query).get("token", [text])[0]


def local_path(target: str, base_url: str) -> str:
    """Return `target` if it is a path of this server, else the start page.

    Browsers read a backslash as a slash, and leave out control characters.
    """
    plain = target.isascii() and target.isprintable() and not set(target) & {" ", "\\"}
    inside = target.startswith(base_url) and not target.startswith("//")
    return target if inside and plain and len(target) <= _LONGEST_PATH else base_url


def sign_in_url(base_url: str, uri: str) -> str:
    """Return the address of the sign-in page that leads back to `uri`."""
    path, _, query = uri.partition("?")
    wanted = f"{path}?{rest}" if (rest := without_token(query)) else path
    return f"{base_url}sign-in" + ("" if wanted == base_url else f"?next={quote(wanted, safe='')}")


async def redeem(handler: PersonHandler, token: str) -> bool:
    """Sign in by the token of a link: True if it was good.

    Raises
    ------
    SignInRefused
        Too many were not.
    """
    events, caller = handler.doors.events, handler.caller
    await events.check(caller)
    good = await handler.identity.redeem(handler, token)
    user = handler.doors.local_user if good else None
    await events.record("signed_in" if good else "wrong_link", caller, user=user, provider="link")
    return good


class SignInHandler(PersonHandler):
    """Shows the ways to sign in; takes the token of a link, opened or pasted."""

    @allow_unauthenticated
    async def get(self) -> None:
        if token := self.get_query_argument("token", ""):
            await self.sign_in(token, _USED)
        elif self.current_user is not None:
            self.redirect(self.wanted)
        elif self.get_query_argument("link", "") == "used":
            self.show_form(_USED, 403)
        else:
            self.show_form()

    @allow_unauthenticated
    async def post(self) -> None:
        await self.sign_in(token_in(self.get_body_argument("token", "")), _NOT_A_TOKEN)

    async def sign_in(self, token: str, problem: str) -> None:
        """Sign in and go where the person wanted to, or say why not."""
        try:
            good = await redeem(self, token)
        except SignInRefused as refused:
            self.show_form(str(refused), 429)
            return
        if good or self.current_user is not None:
            self.redirect(self.wanted)
        else:
            self.show_form(problem, 403)

    def show_form(self, problem: str = "", status: int = 200) -> None:
        self.set_status(status)
        self.finish(
            self.rendered(
                "sign_in.html",
                problem=problem,
                signed_out=self.get_query_argument("signed-out", "") == "1",
                wanted=self.wanted,
                by_link=self.doors.by_link,
                providers=self.doors.flow.offered(),
            )
        )

    @property
    def wanted(self) -> str:
        """Where to go once signed in."""
        return local_path(self.get_argument("next", self.base_url), self.base_url)


class SignOutHandler(PersonHandler):
    """Ends the session, and the pages open in it."""

    @allow_unauthenticated
    async def post(self) -> None:
        if isinstance(self.current_user, SignedIn):
            await self.doors.events.record("signed_out", self.caller, user=self.person.userid)
        await self.identity.sign_out(self)
        self.redirect(f"{self.base_url}sign-in?signed-out=1")


def handlers(at: Callable[[str], str]) -> list[tuple[str, type[PersonHandler]]]:
    """Return what is served; `at` gives the pattern of a path."""
    return [(at("/sign-in"), SignInHandler), (at("/sign-out"), SignOutHandler)]
