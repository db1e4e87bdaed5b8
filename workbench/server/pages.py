"""What a person sees: the dashboard page, signing in and out, and messages when something fails."""

from __future__ import annotations

import secrets
from http.client import responses
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit

from jinja2 import Environment, FileSystemLoader
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError

from workbench.server.identity import LinkIdentity, SignedIn, without_token
from workbench.server.kernels import PageKernels

_USED = (
    "This link has been used, or is not from this start of the server. "
    "The terminal that runs “workbench up” shows a fresh one."
)
_NOT_A_TOKEN = (
    "That is not the current token. The terminal that runs “workbench up” shows a fresh link."
)
_SENTENCES = {
    403: "This request was refused. Reload the page and try again.",
    404: "There is no such page here.",
    500: "The server made a mistake. The terminal that runs “workbench up” says more.",
}


def template_environment(folder: str) -> Environment:
    """Return the compiled templates of the server; they are read once."""
    return Environment(
        loader=FileSystemLoader(folder), autoescape=True, auto_reload=False, trim_blocks=True
    )


def security_headers(nonce: str) -> dict[str, str]:
    """Return the headers of every page; only scripts with `nonce` may stand in the page itself.

    `blob:` is there for widgets whose front end comes as text, and inline styles because
    ipywidgets sets sizes and colours so.
    """
    rules = {
        "default-src": "'self'",
        "script-src": f"'self' blob: 'nonce-{nonce}'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in rules.items()),
        "X-Content-Type-Options": "nosniff",
        # Not no-referrer: forms would then send "Origin: null", which is refused.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


class PersonHandler(JupyterHandler):
    """Base of everything a person looks at: our templates, headers and error pages."""

    @property
    def log(self) -> Any:
        """The application's log."""
        return self.settings["workbench"].log

    @property
    def identity(self) -> LinkIdentity:
        """Who may come in."""
        return cast(LinkIdentity, self.settings["identity_provider"])

    @property
    def kernels(self) -> PageKernels:
        """The kernels of all pages."""
        return cast(PageKernels, self.settings["kernel_manager"])

    @property
    def nonce(self) -> str:
        """The nonce of this answer's own scripts."""
        if not hasattr(self, "_nonce"):
            self._nonce = secrets.token_urlsafe(16)
        return self._nonce

    def set_default_headers(self) -> None:
        """Set the headers that hold for pages and errors alike."""
        for name, value in security_headers(self.nonce).items():
            self.set_header(name, value)

    def rendered(self, template: str, **values: Any) -> str:
        """Return one of our templates, filled in."""
        app = self.settings["workbench"]
        user = self.current_user if isinstance(self.current_user, SignedIn) else None
        return str(
            app.templates.get_template(template).render(
                base_url=app.base_url,
                page_static_url=app.page_static_url,
                nonce=self.nonce,
                user=user,
                xsrf=self.xsrf_token.decode(),
                **values,
            )
        )

    def show_message(self, title: str, message: str, status: int) -> None:
        """Answer with a page that says one thing."""
        self.set_status(status)
        self.finish(self.rendered("message.html", title=title, message=message))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as a page with a sentence, never with a traceback."""
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        if not hasattr(self, "_jupyter_current_user"):
            self.current_user = None
        message = _SENTENCES.get(status_code, "This request could not be answered.")
        title = responses.get(status_code, "Error")
        self.finish(self.rendered("message.html", title=title, message=message))


class NotFoundHandler(PersonHandler):
    """Answers every address that is not on the list."""

    @allow_unauthenticated
    def get(self, *path: str) -> None:
        raise HTTPError(404)


def token_in(text: str) -> str:
    """Return the token in what a person pasted: the token, or the whole link.

    >>> token_in(" http://127.0.0.1:8866/?token=abc ")
    'abc'
    """
    text = text.strip()
    return parse_qs(urlsplit(text).query).get("token", [text])[0]


def local_path(target: str, base_url: str) -> str:
    """Return `target` if it is a path of this server, else the start page."""
    inside = target.startswith(base_url) and not target.startswith(("//", "/\\"))
    return target if inside and "\\" not in target else base_url


class SignInHandler(PersonHandler):
    """Signs in by the token of a link, opened or pasted."""

    @allow_unauthenticated
    def get(self) -> None:
        if token := self.get_query_argument("token", ""):
            self.sign_in(token)
        elif self.get_query_argument("link", "") == "used":
            self.set_status(403)
            self.show_form(_USED)
        else:
            self.show_form()

    @allow_unauthenticated
    def post(self) -> None:
        self.sign_in(token_in(self.get_body_argument("token", "")), problem=_NOT_A_TOKEN)

    def sign_in(self, token: str, problem: str = _USED) -> None:
        """Sign in and go where the person wanted to, or say why not."""
        if self.identity.redeem(self, token) or self.current_user is not None:
            self.redirect(self.wanted)
        else:
            self.set_status(403)
            self.show_form(problem)

    def show_form(self, problem: str = "") -> None:
        signed_out = self.get_query_argument("signed-out", "") == "1"
        self.finish(
            self.rendered(
                "sign_in.html", problem=problem, signed_out=signed_out, wanted=self.wanted
            )
        )

    @property
    def wanted(self) -> str:
        """Where to go once signed in."""
        return local_path(self.get_argument("next", self.base_url), self.base_url)


class SignOutHandler(PersonHandler):
    """Ends the session, and the pages open in it."""

    @allow_unauthenticated
    def post(self) -> None:
        self.identity.sign_out(self)
        self.redirect(f"{self.base_url}sign-in?signed-out=1")


def sign_in_url(base_url: str, uri: str) -> str:
    """Return the address of the sign-in page that leads back to `uri`."""
    path, _, query = uri.partition("?")
    wanted = f"{path}?{rest}" if (rest := without_token(query)) else path
    return f"{base_url}sign-in" + ("" if wanted == base_url else f"?next={quote(wanted, safe='')}")
