"""Stand-ins for providers that cannot run here, and one whose every answer a test can change."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections import Counter
from typing import Any, Self
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import RSAKey
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

CLIENT_ID = "1234567890"
CLIENT_SECRET = "the secret that nobody may see"

RSA = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"}, auto_kid=True)
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"}, auto_kid=True)

DRIP = object()
SILENCE = object()


class StandIn:
    """A server for one test.

    `replies` overrules by path: a body (JSON, or text as it is), or a status and a body; or
    `SILENCE` and `DRIP`, which never come to an end. `asked` counts by path, and `headers` are
    those of the last request.
    """

    def __init__(self) -> None:
        self.replies: dict[str, Any] = {}
        self.asked: Counter[str] = Counter()
        self.headers: dict[str, HTTPHeaders] = {}
        self.tokens: set[str] = set()
        self._codes: dict[str, dict[str, str]] = {}
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        [socket] = bind_sockets(0, "127.0.0.1")
        self._server = HTTPServer(Application([(".*", Handler, {"stand_in": self})]))
        self._server.add_socket(socket)
        self.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        self._server.stop()
        await self._server.close_all_connections()

    def visit(self, url: str, **changed: str) -> dict[str, str]:
        """Be the browser and the person who agrees; return the query that comes back."""
        query = dict(parse_qsl(urlsplit(url).query))
        code = secrets.token_urlsafe()
        self._codes[code] = query
        return {"code": code, "state": query["state"], **changed}

    def token(self) -> str:
        self.tokens.add(made := secrets.token_urlsafe())
        return made

    def redeemed(self, form: dict[str, str]) -> dict[str, str] | None:
        """Return what a code was asked for, once, to whoever knows the verifier."""
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return asked if challenge == asked["code_challenge"] else None

    def answer(self, path: str, request: RequestHandler) -> Any:
        raise NotImplementedError


class Handler(RequestHandler):
    def initialize(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in

    async def get(self) -> None:
        path = self.request.path
        self.stand_in.asked[path] += 1
        self.stand_in.headers[path] = self.request.headers
        reply = self.stand_in.replies.get(path)
        if reply is None:
            reply = self.stand_in.answer(path, self)
        if reply is SILENCE or reply is DRIP:
            await self._never(drip=reply is DRIP)
            return
        status, body = reply if isinstance(reply, tuple) else (200, reply)
        self.set_status(status)
        if not isinstance(body, str | bytes):
            self.set_header("Content-Type", "application/json")
            body = json.dumps(body)
        self.finish(body)

    post = get

    async def _never(self, *, drip: bool) -> None:
        over = asyncio.ensure_future(self.stand_in._over.wait())
        while not over.done():
            if drip:
                self.write(" ")
                try:
                    await self.flush()
                except StreamClosedError:
                    break
            await asyncio.wait([over], timeout=0.02)
        over.cancel()

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.request.body.decode(), keep_blank_values=True))

    @property
    def bearer(self) -> str:
        return self.request.headers.get("Authorization", "").removeprefix("Bearer ")

    @property
    def knows_the_secret(self) -> bool:
        kind, _, both = self.request.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            name, _, secret = base64.b64decode(both).decode().partition(":")
            return (unquote_plus(name), unquote_plus(secret)) == (CLIENT_ID, CLIENT_SECRET)
        form = self.form
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)


class Hostile(StandIn):
    """A provider of OpenID Connect that answers rightly until a test changes something.

    `claims`, `metadata`, `userinfo` and `answers` (of the token endpoint) overrule what it would
    say: None leaves something out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.answers: dict[str, Any] = {}
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "first"}
        self.key: Any = RSA
        self.published = [RSA.as_dict(private=False)]

    @property
    def discovery_url(self) -> str:
        return f"{self.url}/.well-known/openid-configuration"

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        wanted = {**self.header, **header}
        if wanted["alg"] == "none":
            return ".".join([*(_base64(json.dumps(part)) for part in (wanted, claims)), ""])
        if wanted["alg"].startswith("HS"):
            signed = ".".join(_base64(json.dumps(part)) for part in (wanted, claims))
            mac = hmac.new(self.key, signed.encode(), hashlib.sha256).digest()
            return f"{signed}.{_base64(mac)}"
        payload = json.dumps(claims)
        return jws.serialize_compact(wanted, payload, self.key, algorithms=[wanted["alg"]])

    def id_token(self, nonce: str, **changed: Any) -> str:
        claims = {
            "iss": self.url,
            "sub": "alice",
            "aud": CLIENT_ID,
            "iat": int(time.time()),
            "exp": int(time.time()) + 600,
            "nonce": nonce,
            "email": "alice@example.org",
            "email_verified": True,
            "given_name": "Alice",
            "family_name": "Tester",
        }
        return self.sign(_overruled(claims, {**self.claims, **changed}))

    def answer(self, path: str, request: Handler) -> Any:
        if path.endswith("/.well-known/openid-configuration"):
            about = {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
            return _overruled(about, self.metadata)
        if path == "/keys":
            return {"keys": self.published}
        if path == "/userinfo":
            if request.bearer not in self.tokens:
                return 401, {"error": "invalid_token"}
            return _overruled({"sub": "alice", "email": "alice@example.org"}, self.userinfo)
        if path == "/token":
            if not request.knows_the_secret:
                return 401, {"error": "invalid_client", "error_description": "<b>wrong</b>"}
            if (asked := self.redeemed(request.form)) is None:
                return 400, {"error": "invalid_grant"}
            answer = {
                "access_token": self.token(),
                "token_type": "Bearer",
                "expires_in": 600,
                "id_token": self.id_token(asked["nonce"]),
            }
            return _overruled(answer, self.answers)
        return 404, "<h1>Nothing here</h1>"


class GitHub(StandIn):
    """GitHub's endpoints; its errors come with HTTP 200, and as a form unless JSON is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.user: dict[str, Any] = {
            "id": 583231,
            "login": "octocat",
            "name": "Monalisa Lisa Octocat",
            "email": "shown@example.org",
        }
        self.emails: Any = [
            {"email": "old@example.org", "primary": False, "verified": True},
            {"email": "cat@example.org", "primary": True, "verified": True},
        ]

    def answer(self, path: str, request: Handler) -> Any:
        if path == "/login/oauth/access_token":
            answer = self._token(request)
            wants_json = request.request.headers.get("Accept") == "application/json"
            return answer if wants_json else urlencode(answer)
        if path not in ("/user", "/user/emails"):
            return 404, {"message": "Not Found"}
        if request.bearer not in self.tokens:
            return 401, {"message": "Bad credentials"}
        return self.user if path == "/user" else self.emails

    def _token(self, request: Handler) -> dict[str, str]:
        if not request.knows_the_secret:
            return {"error": "incorrect_client_credentials", "error_description": "<b>wrong</b>"}
        if self.redeemed(request.form) is None:
            return {"error": "bad_verification_code", "error_description": "expired"}
        return {"access_token": self.token(), "token_type": "bearer", "scope": "user:email"}


class Facebook(StandIn):
    """Facebook's endpoints; an error is an object with a number."""

    def __init__(self) -> None:
        super().__init__()
        self.user: dict[str, Any] = {
            "id": "10158000000000001",
            "first_name": "Alice",
            "last_name": "Tester",
            "email": "alice@example.org",
        }
        self.about_token: dict[str, Any] = {"app_id": CLIENT_ID, "is_valid": True}

    def answer(self, path: str, request: Handler) -> Any:
        query = {name: request.get_query_argument(name) for name in request.request.query_arguments}
        match path.removeprefix("/v23.0"):
            case "/oauth/access_token":
                if not request.knows_the_secret:
                    return 400, _graph_error(1, "Error validating client secret.")
                if self.redeemed(request.form) is None:
                    return 400, _graph_error(100, "This authorization code has been used.")
                return {"access_token": self.token(), "token_type": "bearer", "expires_in": 5183}
            case "/debug_token":
                known = query.get("input_token") in self.tokens
                ours = request.bearer == f"{CLIENT_ID}|{CLIENT_SECRET}"
                return {"data": self.about_token} if known and ours else (400, _graph_error(190))
            case "/me":
                proof = hmac.new(
                    CLIENT_SECRET.encode(), request.bearer.encode(), hashlib.sha256
                ).hexdigest()
                if request.bearer not in self.tokens or query.get("appsecret_proof") != proof:
                    return 400, _graph_error(190)
                wanted = query["fields"].split(",")
                return {name: self.user[name] for name in wanted if name in self.user}
        return 404, _graph_error(2500)


def _graph_error(code: int, message: str = "") -> dict[str, Any]:
    return {"error": {"message": message, "type": "OAuthException", "code": code}}


def _overruled(told: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**told, **changed}.items() if value is not None}


def _base64(data: str | bytes) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
