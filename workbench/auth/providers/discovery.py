"""What a provider of OpenID Connect publishes: where its endpoints are, and its keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from workbench.auth.identity import Client
from workbench.auth.providers.conversation import conversation, is_loopback, is_secure
from workbench.auth.providers.refusals import Refusals
from workbench.errors import SignInRefused

FRESH_SECONDS = 24 * 3600.0
"""How long what was read is believed: so long a key that was withdrawn still counts."""

PAUSE_SECONDS = 60.0
"""How often it is read again at most, whatever a visitor sends to make us do so."""

_SHORTEST_MODULUS = 342
"""Letters of base64 for 2048 bits."""

WELL_KNOWN = "/.well-known/openid-configuration"

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Endpoints:
    """Where to go with a sign-in.

    Parameters
    ----------
    names_itself
        It promises to say who it is in every answer (RFC 9207), so an answer without is not its.
    secret_in
        How it wants our secret, in the words of its metadata.
    """

    issuer: str
    authorization: str
    token: str
    userinfo: str | None = None
    keys: str | None = None
    names_itself: bool = False
    secret_in: str = "client_secret_post"


class Remembered(Generic[Thing]):
    """Something read from afar: once for all who wait, and again when it is old or doubtful."""

    def __init__(self, read: Callable[[], Awaitable[Thing]], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._reading: asyncio.Task[Thing] | None = None
        self._thing: Thing | None = None
        self._read_at = 0.0
        self._doubtful = False

    async def get(self) -> Thing:
        age = self._clock() - self._read_at
        limit = PAUSE_SECONDS if self._doubtful else FRESH_SECONDS
        if self._thing is not None and age < limit:
            return self._thing
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._read())
            # Should all give up waiting, nobody else looks at how it ended.
            self._reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        # One who gives up waiting does not take it from the others.
        self._keep(thing := await asyncio.shield(self._reading))
        return thing

    def doubt(self) -> None:
        """Read it again the next time, unless it has just been read."""
        self._doubtful = True

    async def close(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait([self._reading])

    def _keep(self, thing: Thing) -> None:
        if thing is not self._thing:
            self._thing, self._read_at, self._doubtful = thing, self._clock(), False


class Discovery:
    """The metadata and the keys of one provider.

    Parameters
    ----------
    variable
        The setting to look at if what is there is no provider.
    issuer
        Who it must say it is; without it, what its URL says: OpenID Connect Discovery 1.0 (4.3).
    """

    def __init__(
        self,
        url: str,
        client: Client,
        refusals: Refusals,
        *,
        variable: str,
        issuer: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self._client = client
        self._refusals = refusals
        self._variable = variable
        self._issuer = issuer
        self._endpoints = Remembered(self._read_endpoints, clock)
        self._keys = Remembered(self._read_keys, clock)

    async def endpoints(self) -> Endpoints:
        return await self._endpoints.get()

    async def keys(self) -> KeySet:
        """Return the keys with which it signs; none are symmetric."""
        return await self._keys.get()

    def doubt(self) -> None:
        """Something did not fit: what is remembered may be out of date."""
        self._endpoints.doubt()
        self._keys.doubt()

    async def close(self) -> None:
        await self._endpoints.close()
        await self._keys.close()

    async def _read_endpoints(self) -> Endpoints:
        about = await self._published(self.url)
        issuer = about.get("issuer")
        expected = self._issuer or self.url.removesuffix(WELL_KNOWN)
        if not isinstance(issuer, str) or issuer.rstrip("/") != expected.rstrip("/"):
            raise self._wrong("it names another issuer than its address")
        ways = about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return Endpoints(
            issuer=issuer,
            authorization=self._address(about, "authorization_endpoint"),
            token=self._address(about, "token_endpoint"),
            keys=self._address(about, "jwks_uri"),
            userinfo=self._address(about, "userinfo_endpoint")
            if "userinfo_endpoint" in about
            else None,
            names_itself=about.get("authorization_response_iss_parameter_supported") is True,
            secret_in="client_secret_basic"
            if not isinstance(ways, list) or "client_secret_basic" in ways
            else "client_secret_post",
        )

    async def _read_keys(self) -> KeySet:
        url = (await self.endpoints()).keys
        assert url is not None
        listed = (await self._published(url)).get("keys")
        keys: list[Key] = [
            key for about in (listed if isinstance(listed, list) else []) if (key := _key(about))
        ]
        if not keys:
            raise self._wrong("no keys could be used")
        return KeySet(keys)

    async def _published(self, url: str) -> dict[str, Any]:
        try:
            async with conversation(self._client, self._refusals) as talk:
                about = await talk.get(url)
        except SignInRefused as refused:
            # What answers here, and not as it should, is no provider.
            raise self._wrong(refused.detail) if refused.code == "garbled" else refused from None
        if not isinstance(about, dict):
            raise self._wrong("it is no JSON object")
        return about

    def _address(self, about: dict[str, Any], name: str) -> str:
        here = urlsplit(self.url)
        loopback = here.scheme == "http" and is_loopback(here.hostname or "")
        address = about.get(name)
        if not isinstance(address, str) or not is_secure(address, loopback=loopback):
            raise self._wrong(f"no usable {name}: it must begin with https://")
        return address

    def _wrong(self, what: str) -> SignInRefused:
        return self._refusals.misconfigured(
            f"{self.url} is not what it should be: {what}; check {self._variable}"
        )


def _key(about: object) -> RSAKey | ECKey | None:
    """Return a public key, or None for what is none: of another kind, or from a newer time."""
    if not isinstance(about, dict):
        return None
    try:
        if about.get("kty") == "EC":
            return ECKey.import_key(about)
        # joserfc takes short ones too, with a warning.
        if about.get("kty") == "RSA" and len(about["n"]) >= _SHORTEST_MODULUS:
            return RSAKey.import_key(about)
    except (JoseError, ArithmeticError, LookupError, TypeError, ValueError):
        pass
    return None
