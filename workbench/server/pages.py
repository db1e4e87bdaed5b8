"""What all pages share: templates, headers, who is asking, messages when something fails."""

from __future__ import annotations

import secrets
from http.client import responses
from typing import Any, cast
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError

from workbench.auth.acting import Caller
from workbench.auth.doors import Doors
from workbench.auth.sessions import Person
from workbench.auth.words import unturned
from workbench.errors import StoreUnavailable
from workbench.server.identity import SignedIn, WorkbenchIdentity, caller_of
from workbench.server.kernels import PageKernels
from workbench.server.run import HOST

_HSTS_SECONDS = 180 * 24 * 3600
_SENTENCES = {
    403: "This request was refused. Reload the page and try again.",
    421: (
        "The server does not answer to this name. Whoever runs it sets WORKBENCH_PUBLIC_URL to the "
        "address that people are to use."
    ),
    404: "There is no such page here.",
    503: "The database does not answer. Try again in a moment.",
    500: "The server made a mistake. The terminal that runs “workbench up” says more.",
}


def template_environment(folder: str) -> Environment:
    """Return the compiled templates of the server; they are read once."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        auto_reload=False,
        trim_blocks=True,
        finalize=_shown,
    )


def _shown(value: object) -> object:
    """Return what an expression of a template gives as it is put into the page."""
    return unturned(value) if isinstance(value, str) else value


def security_headers(
    nonce: str, *, secure: bool = False, scripts: str = "'self'"
) -> dict[str, str]:
    """Return the headers of every page; only scripts with `nonce` may stand in the page itself.

    Inline styles are there because ipywidgets sets sizes and colours so.
    """
    rules = {
        "default-src": "'self'",
        "script-src": f"{scripts} 'nonce-{nonce}'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in rules.items()),
        "X-Content-Type-Options": "nosniff",
        # Not no-referrer: forms would then send "Origin: null", which is refused.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
        "Cache-Control": "no-store",
    }
    if secure:
        headers["Strict-Transport-Security"] = f"max-age={_HSTS_SECONDS}"
    return headers


class PersonHandler(JupyterHandler):
    """Base of everything a person looks at: our templates, headers and error pages."""

    scripts = "'self'"  # where they may come from

    @property
    def address(self) -> str:
        """What the browser is to show as the page's address, if not where it is."""
        return ""

    @property
    def log(self) -> Any:
        """The application's log."""
        return self.settings["workbench"].log

    @property
    def identity(self) -> WorkbenchIdentity:
        """Who is asking."""
        return cast(WorkbenchIdentity, self.settings["identity_provider"])

    @property
    def doors(self) -> Doors:
        """The ways in, and who has come through them."""
        return cast(Doors, self.settings["doors"])

    @property
    def caller(self) -> Caller:
        """Where the request comes from."""
        return caller_of(self, self.doors.public_url)

    @property
    def person(self) -> Person:
        """Who is signed in, on pages that only they reach."""
        person = cast(SignedIn, self.current_user).person
        assert person is not None
        return person

    @property
    def kernels(self) -> PageKernels:
        """The kernels of all pages."""
        return cast(PageKernels, self.settings["kernel_manager"])

    @property
    def invitation_cookie(self) -> str:
        """Names the cookie that holds an invitation's secret until somebody has signed in."""
        return self.identity.own_name("workbench-invitation")

    def check_host(self) -> bool:
        """Refuse every name but our own: else a name of somebody else's may be led here."""
        name = urlsplit(f"//{self.request.host}").hostname
        if name not in (HOST, *self.settings["local_hostnames"]):
            raise HTTPError(421)
        return True

    @property
    def nonce(self) -> str:
        """The nonce of this answer's own scripts."""
        if not hasattr(self, "_nonce"):
            self._nonce = secrets.token_urlsafe(16)
        return self._nonce

    def set_default_headers(self) -> None:
        """Set the headers that hold for pages and errors alike."""
        self.clear_header("Server")
        headers = security_headers(self.nonce, secure=self.identity.secure, scripts=self.scripts)
        for name, value in headers.items():
            self.set_header(name, value)

    def check_origin(self, origin: str = "") -> bool:
        """Tell whether a page of ours sends this, whatever host the request names."""
        told = self.request.headers.get("Origin")
        return told is None or told in self.settings["workbench"].origins

    def rendered(self, template: str, **values: Any) -> str:
        """Return one of our templates, filled in."""
        app = self.settings["workbench"]
        user = self.current_user if isinstance(self.current_user, SignedIn) else None
        return str(
            app.templates.get_template(template).render(
                base_url=app.base_url,
                page_static_url=app.page_static_url,
                nonce=self.nonce,
                address=self.address,
                user=user,
                xsrf=self.xsrf_token.decode(),
                **values,
            )
        )

    def show_message(self, title: str, message: str, status: int) -> None:
        """Answer with a page that says one thing."""
        self.set_status(status)
        self.finish(self.rendered("message.html", title=title, message=message))

    def log_exception(self, kind: Any, value: Any, trace: Any) -> None:
        """Log the path alone, as of every request: a query may hold a token."""
        what = f"{self.request.method} {self.request.path}"
        if isinstance(value, HTTPError):
            self.log.debug("%s: %s", what, value.status_code)
        elif isinstance(value, StoreUnavailable):
            self.log.warning("%s: %s", what, value)
        else:
            self.log.error("%s failed.", what, exc_info=(kind, value, trace))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as a page with a sentence, never with a traceback."""
        if isinstance((kwargs.get("exc_info") or (None, None))[1], StoreUnavailable):
            self.set_status(status_code := 503)
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        if not hasattr(self, "_jupyter_current_user"):
            self.current_user = None
        message = _SENTENCES.get(status_code, "This request could not be answered.")
        title = responses.get(status_code, "Error")
        self.finish(self.rendered("message.html", title=title, message=message))


class IconHandler(PersonHandler):
    """Answers browsers that ask for an icon unasked: pages carry theirs in themselves."""

    @allow_unauthenticated
    def get(self) -> None:
        self.set_header("Cache-Control", "public, max-age=86400")
        self.set_status(204)


class NotFoundHandler(PersonHandler):
    """Answers every address that is not on the list."""

    @allow_unauthenticated
    def get(self, *path: str) -> None:
        raise HTTPError(404)
