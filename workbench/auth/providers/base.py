"""What all providers have in common: the authorization code flow with PKCE.

A new provider, in order of effort: any that speaks OpenID Connect needs no code, only settings
(`openid.py`); one that does so with an oddity is a subclass of `OpenID` that says it
(`google.py`, `microsoft.py`); one that does not is a subclass of `Provider` with its endpoints
and an `identify` of its own (`github.py`, `facebook.py`).
"""

from __future__ import annotations

import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any, ClassVar
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from workbench.auth.identity import Client, Identity, Pending
from workbench.auth.logout_token import LogoutNotice
from workbench.auth.providers.conversation import Conversation, conversation
from workbench.auth.providers.discovery import Discovery, Endpoints
from workbench.auth.providers.refusals import Refusals
from workbench.errors import SignInRefused

LONGEST = 255
"""Characters of a name or an e-mail address; those of the columns."""


class Provider(ABC):
    """One way to sign in, for one registration of this installation.

    Parameters
    ----------
    redirect_uri
        Where the provider sends browsers back to: its own, so that no other's answer fits there.
    """

    label: ClassVar[str] = ""
    scope: ClassVar[str]
    discovery: Discovery | None = None

    def __init__(self, client: Client, redirect_uri: str) -> None:
        self.client = client
        self.redirect_uri = redirect_uri
        self.refusals = Refusals(client, client.label or self.label or client.name.capitalize())

    @abstractmethod
    async def endpoints(self) -> Endpoints:
        """Return where to go; raises SignInRefused if that cannot be known now."""

    @abstractmethod
    async def identify(
        self, talk: Conversation, token: Mapping[str, Any], pending: Pending
    ) -> Identity:
        """Find out whose token this is, and believe nothing that is not proved."""

    def explain(self, error: object) -> SignInRefused:
        """Translate an error code: at the authorization endpoint and at the token endpoint."""
        return self.refusals.of_code(error)

    async def close(self) -> None:
        """End what is under way."""
        if self.discovery is not None:
            await self.discovery.close()

    async def ended(self, logout_token: str) -> LogoutNotice:
        """Check a provider's notice that a session has ended: OpenID Connect only."""
        raise self.refusals.untrusted("this provider sends no logout tokens")

    async def begin(self) -> tuple[str, Pending]:
        endpoints = await self.endpoints()
        pending = Pending(
            provider=self.client.name,
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            code_verifier=secrets.token_urlsafe(48),
        )
        url: str = prepare_grant_uri(
            endpoints.authorization,
            client_id=self.client.client_id,
            response_type="code",
            redirect_uri=self.redirect_uri,
            scope=self.scope,
            state=pending["state"],
            code_challenge=create_s256_code_challenge(pending["code_verifier"]),
            code_challenge_method="S256",
            **self.extra(pending),
        )
        return url, pending

    def extra(self, pending: Pending) -> dict[str, str]:
        """Return what else the provider is asked."""
        return {}

    async def finish(self, pending: Pending, answer: Mapping[str, str]) -> Identity:
        # First of all, and before anything is asked of anybody: is this the browser's own answer?
        if pending["provider"] != self.client.name or not _same(
            answer.get("state"), pending["state"]
        ):
            raise self.refusals.mismatch("the state of another sign-in, or none")
        endpoints = await self.endpoints()
        issuer = answer.get("iss")
        if not self.comes_from(endpoints, issuer):
            raise self.refusals.mismatch("an answer of another provider: its iss is not ours")
        if "error" in answer:
            raise self.explain(answer["error"])
        if not answer.get("code"):
            raise self.refusals.garbled("an answer with neither code nor error")
        try:
            async with conversation(
                self.client, self.refusals, self.explain, secret_in=endpoints.secret_in
            ) as talk:
                token = await talk.token(
                    endpoints.token,
                    code=answer["code"],
                    code_verifier=pending["code_verifier"],
                    redirect_uri=self.redirect_uri,
                )
                return await self.identify(talk, token, pending)
        except SignInRefused as refused:
            if refused.code in ("misconfigured", "unreachable", "garbled", "untrusted"):
                self._doubt()
            raise

    def _doubt(self) -> None:
        if self.discovery is not None:
            self.discovery.doubt()

    def comes_from(self, endpoints: Endpoints, issuer: str | None) -> bool:
        """Tell whether an answer with this `iss` is the provider's: RFC 9207.

        Without metadata nothing says what exactly it would be, but it would be of its own site:
        GitHub sent one for some days of April 2026, which was not in its documentation.
        """
        return issuer is None or _site(issuer) == _site(endpoints.authorization)


def _same(given: str | None, kept: str) -> bool:
    if given is None or not given.isascii():
        return False
    return bool(kept) and compare_digest(given, kept)


def _site(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.scheme, parts.netloc.lower()


def text(value: object) -> str | None:
    """Return a provider's text as it may be kept: one line, no control characters, not too long."""
    if not isinstance(value, str):
        return None
    shown = "".join(c if c.isprintable() else " " for c in value)
    return " ".join(shown.split())[:LONGEST].strip() or None


def address(value: object) -> str | None:
    """Return an e-mail address, if it can be one."""
    if not isinstance(value, str) or len(value) > LONGEST or value != text(value):
        return None
    return value if re.fullmatch(r"[^\s@]+@[^\s@]+", value) else None
