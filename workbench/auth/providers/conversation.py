"""Requests to a provider: bounded in time and size, followed nowhere, never logged with secrets."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from workbench.auth.identity import Client
from workbench.auth.providers.refusals import Refusals
from workbench.errors import SignInRefused

TIMEOUT_SECONDS = 5.0
LARGEST_ANSWER_BYTES = 1_000_000

Answer = TypeVar("Answer")


class _Unusable(Exception):
    """An answer that will not be read to its end."""


class Conversation:
    """What one sign-in says to its provider, and hears."""

    def __init__(
        self,
        http: AsyncOAuth2Client,
        refusals: Refusals,
        explain: Callable[[object], SignInRefused],
    ) -> None:
        self._http = http
        self._refusals = refusals
        self._explain = explain

    async def token(
        self, endpoint: str, *, code: str, code_verifier: str, redirect_uri: str
    ) -> dict[str, Any]:
        """Change a code into a token; `access_token` is in it, and is text."""

        async def ask() -> Any:
            try:
                return await self._http.fetch_token(
                    endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=code_verifier,
                    redirect_uri=redirect_uri,
                )
            except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
                # An expiry of another type, or another kind of JSON: Authlib lets them through.
                raise _Unusable(type(error).__name__) from None

        token = await self._bounded(endpoint, ask())
        if not isinstance(token.get("access_token"), str):
            raise self._refusals.garbled("a token answer without access_token")
        return dict(token)

    async def get(
        self, url: str, *, bearer: str | None = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """Return the JSON at a URL."""

        async def ask() -> Any:
            # Otherwise Authlib adds the token by itself: to every URL, of whatever type it is.
            headers = {"Authorization": f"Bearer {bearer}"} if bearer else None
            answer = await self._http.request(
                "GET", url, withhold_token=True, headers=headers, params=query
            )
            answer.raise_for_status()
            return answer.json()

        return await self._bounded(url, ask())

    async def _bounded(self, url: str, work: Awaitable[Answer]) -> Answer:
        """Wait for an answer; whatever is wrong with it becomes one of the refusals."""
        place = urlsplit(url)._replace(query="", fragment="").geturl()
        refusals = self._refusals
        try:
            # The client's own timeout starts again with every byte.
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await work
        except OAuthError as error:
            raise self._explain(error.error) from None
        except (TimeoutError, httpx2.TimeoutException):
            raise refusals.unreachable(f"{place} took longer than {TIMEOUT_SECONDS:g} s") from None
        except httpx2.HTTPStatusError as error:
            status = error.response.status_code
            wrong = refusals.unreachable if status >= 500 or status == 429 else refusals.garbled
            raise wrong(f"{place} answered with HTTP {status}") from None
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise refusals.misconfigured("an address that is none") from None
        except httpx2.RequestError as error:
            raise refusals.unreachable(f"{place}: {type(error).__name__}") from None
        except _Unusable as error:
            raise refusals.garbled(f"{place}: {error}") from None
        except (RecursionError, ValueError) as error:  # no JSON, or an expiry that is no number
            raise refusals.garbled(f"{place}: {type(error).__name__}") from None


@asynccontextmanager
async def conversation(
    client: Client,
    refusals: Refusals,
    explain: Callable[[object], SignInRefused] | None = None,
    *,
    secret_in: str = "client_secret_post",
) -> AsyncIterator[Conversation]:
    """Open a conversation; it has its own client, for those keep cookies and the last token."""
    # At INFO it writes whole URLs, and Facebook wants tokens in them.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    async with AsyncOAuth2Client(
        client_id=client.client_id,
        client_secret=client.client_secret,
        token_endpoint_auth_method=secret_in,
        verify=_trusted(),
        timeout=TIMEOUT_SECONDS,
        follow_redirects=False,
        # A small answer may unpack to a very large one.
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        event_hooks={"response": [_bound]},
    ) as http:
        http.register_client_auth_method(("client_secret_basic", _secret_in_header))
        yield Conversation(http, refusals, explain or refusals.of_code)


def is_secure(url: object, *, loopback: bool) -> bool:
    """Tell whether secrets may go to a URL: https, or http to this very machine if so allowed."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and loopback and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its address or as `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """Load the authorities, once: that takes a tenth of a second."""
    return httpx2.create_ssl_context()


def _secret_in_header(
    auth: Any, method: str, url: str, headers: Any, body: Any
) -> tuple[str, Any, Any]:
    """Say who we are in a header, encoded as RFC 6749 (2.3.1) wants it and Authlib does not."""
    both = f"{quote_plus(auth.client_id)}:{quote_plus(auth.client_secret)}"
    headers["Authorization"] = f"Basic {b64encode(both.encode()).decode()}"
    return url, headers, body


async def _bound(response: httpx2.Response) -> None:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _Unusable("a packed answer, which was not asked for")
    stream = response.stream
    assert isinstance(stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > LARGEST_ANSWER_BYTES:
                raise _Unusable(f"an answer of more than {LARGEST_ANSWER_BYTES} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
