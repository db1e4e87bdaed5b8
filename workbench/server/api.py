"""What programs ask of the server: a token for a device, and a database login for a token.

Nothing here looks at a cookie, and nothing answers to the page of a site, so none can do anything
in somebody's name or use up what somebody's address may ask for. A token counts in the header
Authorization alone: addresses end up in logs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tornado.http1connection import HTTP1Connection
from tornado.web import HTTPError, RequestHandler, stream_request_body

from workbench.auth.acting import Caller
from workbench.auth.device import Devices
from workbench.auth.doors import Doors
from workbench.auth.tokens import SCOPES, Bearer
from workbench.database.address import Address
from workbench.database.logins import issue_login
from workbench.errors import NotAllowed, SignInRefused, StoreUnavailable
from workbench.server.identity import caller_of

CLIENT_ID = "workbench"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

_log = logging.getLogger(__name__)
_LOGIN_LIFETIME = timedelta(hours=1)
_MAX_BODY_BYTES = 16 * 1024
_MAX_FIELDS = 20
_MAX_AUTHORITIES_BYTES = 64 * 1024  # what is larger is a system's own bundle
_RETRY_SECONDS = "900"
_FORM = "application/x-www-form-urlencoded"
_STATUS = {"none": 401, "invalid_token": 401, "invalid_client": 401, "locked": 429}
_WORDS = {404: "not_found", 405: "invalid_request", 413: "invalid_request"}


@stream_request_body
class ApiHandler(RequestHandler):
    """Base: JSON out, small forms in, no cookies."""

    _body: bytearray

    @property
    def doors(self) -> Doors:
        """The ways in."""
        return cast(Doors, self.settings["doors"])

    @property
    def caller(self) -> Caller:
        """Where the request comes from."""
        return caller_of(self, self.doors.public_url)

    @property
    def site(self) -> str:
        """The server's own address, without the last slash; never what a request says."""
        return str(self.settings["workbench"].site_url).rstrip("/")

    def set_default_headers(self) -> None:
        """Let nobody keep, embed or reinterpret an answer."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("Pragma", "no-cache")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        self.set_header("X-Content-Type-Options", "nosniff")

    def check_xsrf_cookie(self) -> None:
        """Nothing is done by cookie here, so there is nothing to forge."""

    def prepare(self) -> None:
        """Refuse what a page of a site sends, and a body that is too large before it is read."""
        self._body = bytearray()
        headers = self.request.headers
        if "Origin" in headers or headers.get("Sec-Fetch-Site", "none") != "none":
            raise HTTPError(403)
        cast(HTTP1Connection, self.request.connection).set_max_body_size(_MAX_BODY_BYTES)
        told = headers.get("Content-Length", "0")
        if not told.isdecimal() or int(told) > _MAX_BODY_BYTES:
            raise HTTPError(413)

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    def form(self) -> dict[str, str]:
        """Return the fields of a form, of each of which there is one (RFC 6749, section 3.2)."""
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        try:
            pairs = parse_qsl(
                self._body.decode("ascii"),
                keep_blank_values=True,
                max_num_fields=_MAX_FIELDS,
            )
        except ValueError:
            pairs = []
        fields = dict(pairs)
        if kind != _FORM or len(fields) != len(pairs):
            raise SignInRefused(
                f"Send a form ({_FORM}) with each field once.", code="invalid_request"
            )
        if fields.get("client_id") != CLIENT_ID:
            raise SignInRefused(f"The client_id is {CLIENT_ID}.", code="invalid_client")
        return fields

    async def bearer(self) -> Bearer:
        """Return who is asking, by the token in the header."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise SignInRefused("Send a token in the header Authorization: Bearer …", code="none")
        return await self.doors.tokens.find(token.strip(), self.caller)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error in the form of RFC 6749, section 5.2."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        word, words = _WORDS.get(status_code, "invalid_request"), self._reason
        if isinstance(error, SignInRefused):
            word, words = error.code, str(error)
            status_code = _STATUS.get(word, 400)
        elif isinstance(error, NotAllowed):
            word, words, status_code = "invalid_token", str(error), 401
        elif isinstance(error, StoreUnavailable):
            words = "The database does not answer. Try again in a moment."
            word, status_code = "temporarily_unavailable", 503
        elif status_code >= 500:
            word, words = "server_error", "The server made a mistake. Its log says more."
        if word == "locked":
            word = "temporarily_unavailable"
            self.set_header("Retry-After", _RETRY_SECONDS)
        if word in ("none", "invalid_token"):  # RFC 6750, section 3: why, if one was shown
            why = ', error="invalid_token"' if word == "invalid_token" else ""
            self.set_header("WWW-Authenticate", f'Bearer realm="workbench"{why}')
            word = "invalid_token"
        self.set_status(status_code)
        self.finish({"error": word, "error_description": words})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log the path alone: a query, a header or a body may hold a token."""
        if isinstance(value, StoreUnavailable):
            _log.warning("%s %s: %s", self.request.method, self.request.path, value)
        elif isinstance(value, HTTPError | SignInRefused | NotAllowed):
            _log.debug("%s %s: %s", self.request.method, self.request.path, value)
        else:
            _log.error(
                "%s %s failed", self.request.method, self.request.path, exc_info=(typ, value, tb)
            )


class MetadataHandler(ApiHandler):
    """Says what the server offers: RFC 8414."""

    def get(self) -> None:
        self.finish(
            {
                "issuer": self.site,
                "token_endpoint": f"{self.site}/api/token",
                "device_authorization_endpoint": f"{self.site}/api/device",
                "revocation_endpoint": f"{self.site}/api/revoke",
                "grant_types_supported": [DEVICE_GRANT],
                "response_types_supported": [],
                "scopes_supported": list(SCOPES),
                "token_endpoint_auth_methods_supported": ["none"],
                "revocation_endpoint_auth_methods_supported": ["none"],
                "workbench_login_endpoint": f"{self.site}/api/login",
            }
        )


class DeviceHandler(ApiHandler):
    """Gives a program its two codes: RFC 8628, section 3.1."""

    async def post(self) -> None:
        form = self.form()
        begun = await Devices(self.doors.database).begin(
            form.get("client_name", ""), form.get("scope", "write"), self.caller
        )
        page = f"{self.site}/device"
        self.finish(
            {
                "device_code": begun.device_code,
                "user_code": begun.user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code={begun.user_code}",
                "expires_in": int(begun.lifetime.total_seconds()),
                "interval": int(begun.pause.total_seconds()),
            }
        )


class TokenHandler(ApiHandler):
    """Gives a program its token, once its user has approved: RFC 8628, section 3.4."""

    async def post(self) -> None:
        form = self.form()
        if form.get("grant_type") != DEVICE_GRANT:
            raise SignInRefused(f"The grant_type is {DEVICE_GRANT}.", code="unsupported_grant_type")
        if not form.get("device_code"):
            raise SignInRefused("The device_code is missing.", code="invalid_request")
        given = await Devices(self.doors.database).redeem(form["device_code"], self.caller)
        self.finish(
            {
                "access_token": given.secret,
                "token_type": "Bearer",
                "expires_in": int(given.lifetime.total_seconds()),
                "scope": given.scope,
            }
        )


class RevokeHandler(ApiHandler):
    """Ends a token: RFC 7009. One that is none is no error."""

    async def post(self) -> None:
        await self.doors.tokens.give_back(self.form().get("token", ""), self.caller)
        self.finish({})


class WhoamiHandler(ApiHandler):
    """Says whose a token is."""

    async def get(self) -> None:
        bearer = await self.bearer()
        self.finish(
            {
                "account": bearer.email,
                "role": bearer.role,
                "scope": bearer.scope,
                "token": bearer.name,
                "kind": bearer.kind,
                "expires_at": bearer.expires_at.isoformat(),
            }
        )


class LoginHandler(ApiHandler):
    """Gives a database login for a token, and ends one."""

    async def post(self) -> None:
        bearer = await self.bearer()
        login = await issue_login(
            self.doors.database,
            bearer.userid,
            f"token: {bearer.name}",
            lifetime=(lifetime := min(_LOGIN_LIFETIME, bearer.remaining)),
            read_only=bearer.scope == "read",
            token=bearer.token,
        )
        self.finish(
            {
                **told_address(self.doors.public_database or self.doors.database.address),
                "user": login.role,
                "password": login.password,
                "expires_at": login.expires_at.isoformat(),
                "expires_in": int(lifetime.total_seconds()),
                "account": bearer.email,
                "userid": str(bearer.userid),
                "scope": bearer.scope,
            }
        )


class LoginEndHandler(ApiHandler):
    """Ends a login that its holder has no more use for."""

    async def delete(self, role: str) -> None:
        await self.doors.tokens.end_login(await self.bearer(), role)
        self.set_status(204)
        self.finish()


def told_address(address: Address) -> Mapping[str, object]:
    """Return what a program elsewhere needs to find a database, without user and password.

    The authorities that the database's certificate is checked against go along: their file is
    on this machine.
    """
    parts = urlsplit(address.url)
    query = {name: given[-1] for name, given in parse_qs(parts.query).items()}
    told: dict[str, object] = {
        "host": parts.hostname or query.get("host", ""),
        "port": parts.port or int(query.get("port", "5432")),
        "database": parts.path.removeprefix("/"),
    }
    if "sslmode" in query:
        told["sslmode"] = query["sslmode"]
    if "sslrootcert" in query:
        told["sslrootcert"] = query["sslrootcert"]
        file = Path(query["sslrootcert"])
        if file.is_file() and file.stat().st_size <= _MAX_AUTHORITIES_BYTES:
            told["authorities"] = file.read_text("ascii", errors="ignore")
    return told


def handlers(at: Callable[[str], str]) -> list[tuple[str, type[ApiHandler]]]:
    """Return what is served; `at` gives the pattern of a path."""
    return [
        (at("/.well-known/oauth-authorization-server"), MetadataHandler),
        (at("/api/device"), DeviceHandler),
        (at("/api/token"), TokenHandler),
        (at("/api/revoke"), RevokeHandler),
        (at("/api/whoami"), WhoamiHandler),
        (at("/api/login"), LoginHandler),
        (at(r"/api/login/(?P<role>workbench_login_[0-9a-f]{1,32})"), LoginEndHandler),
    ]
