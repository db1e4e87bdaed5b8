"""Questions to a server elsewhere, by HTTP; what goes wrong is told in words."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workbench.auth.words import plain
from workbench.errors import BadSettings, NotAllowed, StoreUnavailable, WorkbenchError

if TYPE_CHECKING:
    import httpx2

__all__ = ["Wire", "not_a_workbench"]

_SECONDS = 15.0
_SHOWN_CHARACTERS = 300
_MAX_ANSWER_BYTES = 1024 * 1024
_CLOCK = frozenset({9, 10})
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""


class Wire:
    """Asks one server, whose certificate is checked; redirects are not followed."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        form: Mapping[str, str] | None = None,
        errors: bool = False,
        seconds: float = _SECONDS,
    ) -> Mapping[str, Any]:
        """Return the object that the server answers, empty if it answers none.

        Parameters
        ----------
        errors
            Whether an answer 400, which says in a word what is wrong, is an answer too.

        Raises
        ------
        NotAllowed
            The server does not take the token.
        StoreUnavailable
            It cannot be reached, or not now.
        BadSettings
            What answers is no server of ours.
        """
        import httpx2

        headers = {"Accept": "application/json", "User-Agent": "workbench"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with (
                httpx2.AsyncClient(timeout=seconds, follow_redirects=False) as client,
                client.stream(method, f"{self._url}{path}", headers=headers, data=form) as answer,
            ):
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > _MAX_ANSWER_BYTES:
                        raise not_a_workbench(self._url)
        except (httpx2.RequestError, ssl.SSLError, OSError) as error:
            raise _unreachable(self._url, error) from error
        return self._read(answer, body, errors=errors)

    def _read(self, answer: httpx2.Response, body: bytes, *, errors: bool) -> Mapping[str, Any]:
        status = answer.status_code
        if status == 204:
            return {}
        if 300 <= status < 400:
            host = urlsplit(answer.headers.get("Location", "")).netloc or self._url
            raise BadSettings(
                f"{self._url} leads elsewhere, to {plain(host)}. That is not followed, for a token "
                "would go there too. Use the address of the server itself."
            )
        told = _object(answer, body)
        if status == 200 and told is not None:
            return told
        if status in (502, 503, 504) or (told is None and status >= 500):
            said = plain(
                str((told or {}).get("error_description", f"it answers {status}")),
                _SHOWN_CHARACTERS,
            )
            raise StoreUnavailable(f"{self._url} cannot answer now: {said}")
        if told is None or "error" not in told:
            raise not_a_workbench(self._url)
        if status == 400 and errors:
            return told
        said = plain(str(told.get("error_description") or told["error"]), _SHOWN_CHARACTERS)
        if status == 401:
            raise NotAllowed(f"{self._url} refuses the token: {said}")
        if status == 429 or status >= 500:
            raise StoreUnavailable(f"{self._url} cannot answer now: {said}")
        raise WorkbenchError(f"{self._url} refuses this: {said}")


def _object(answer: httpx2.Response, body: bytes) -> dict[str, Any] | None:
    """Return the JSON object of an answer, or None if it is none."""
    import json

    if not answer.headers.get("Content-Type", "").startswith("application/json"):
        return None
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def not_a_workbench(url: str) -> BadSettings:
    """Return the error for a server that answers, but not as ours do."""
    return BadSettings(
        f"What answers at {url} is no workbench, or one of another version. Is the address right?"
    )


def _unreachable(url: str, error: BaseException) -> StoreUnavailable:
    """Return the error for a question that got no answer."""
    import httpx2

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            clock = " Is the clock of this machine right?" if cause.verify_code in _CLOCK else ""
            return StoreUnavailable(
                f"{url}: the certificate of the server cannot be verified "
                f"({cause.verify_message.rstrip('.')}).{clock} If an authority of your own has "
                "signed it, name its file in SSL_CERT_FILE."
            )
        if isinstance(cause, ssl.SSLError):
            return StoreUnavailable(
                f"{url}: TLS did not come about ({cause.reason or 'no reason told'}). Does the "
                "server speak https there?"
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return StoreUnavailable(f"{url}: no answer in time. Is the host right, and its firewall?")
    if isinstance(error, httpx2.ProxyError):
        return StoreUnavailable(
            f"{url}: the proxy that HTTPS_PROXY names does not let this through."
        )
    if isinstance(error, httpx2.ConnectError):
        return StoreUnavailable(f"{url}: nothing answers there. Is the address right?")
    return StoreUnavailable(f"{url}: the connection broke. Try again.")
