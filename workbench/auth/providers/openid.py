"""Any provider of OpenID Connect, known by its discovery URL alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from joserfc.jwt import Token

from workbench.auth.identity import Client, Identity, Pending
from workbench.auth.logout_token import LogoutNotice, NotALogoutToken, logout_notice
from workbench.auth.providers import id_token
from workbench.auth.providers.base import Provider, address, text
from workbench.auth.providers.conversation import Conversation, is_secure
from workbench.auth.providers.discovery import WELL_KNOWN, Discovery, Endpoints
from workbench.errors import BadSettings

_NAMES = ("given_name", "family_name")


class OpenID(Provider):
    """A provider of OpenID Connect.

    What it says of an e-mail address is believed: whoever runs this installation named it, and
    answers for it. Such a provider can take over any account here that has a verified address,
    so name none that lets people claim addresses that are not theirs.
    """

    scope = "openid email profile"
    ends_sessions: ClassVar[bool] = True
    """It may send logout tokens."""
    said_of_email: ClassVar[tuple[str, ...]] = ("email_verified",)
    """Claims about the address, and about no other."""
    variable: ClassVar[str] = "DISCOVERY_URL"
    """The setting to look at if nothing, or nobody, answers."""
    discovery: Discovery

    def __init__(
        self,
        client: Client,
        redirect_uri: str,
        *,
        discovery_url: str | None = None,
        issuer: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(client, redirect_uri)
        url = discovery_url or client.discovery_url
        if not is_secure(url, loopback=True) or url is None or not url.endswith(WELL_KNOWN):
            raise BadSettings(
                f"{self.refusals.variable('DISCOVERY_URL')} must be the https:// address where "
                f"the provider describes itself: it ends with {WELL_KNOWN}."
            )
        self.discovery = Discovery(
            url,
            client,
            self.refusals,
            issuer=issuer,
            variable=self.refusals.variable(self.variable),
            clock=clock,
        )

    def extra(self, pending: Pending) -> dict[str, str]:
        return {"nonce": pending["nonce"]}

    async def endpoints(self) -> Endpoints:
        return await self.discovery.endpoints()

    def comes_from(self, endpoints: Endpoints, issuer: str | None) -> bool:
        if issuer is None:
            return not endpoints.names_itself
        return issuer in self.issuers(endpoints, {})

    def issuers(self, endpoints: Endpoints, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return how it may name itself in a token with these claims."""
        return (endpoints.issuer,)

    def subject(self, claims: Mapping[str, Any]) -> str:
        """Return whom the token is about: never the same text for somebody else."""
        return str(claims["sub"])

    def verified(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether the provider answers for the e-mail address."""
        # A word instead of a truth value is what Amazon Cognito sends.
        return claims.get("email_verified") in (True, "true")

    async def identify(
        self, talk: Conversation, token: Mapping[str, Any], pending: Pending
    ) -> Identity:
        endpoints = await self.endpoints()
        signed = await self.signed(token.get("id_token"))
        issuers = self.issuers(endpoints, signed.claims)
        claims = id_token.check(
            signed,
            self.refusals,
            issuers=issuers,
            client_id=self.client.client_id,
            nonce=pending["nonce"],
            access_token=token["access_token"],
        )
        about = await self._about(talk, endpoints, claims, token["access_token"])
        email = address(about.get("email"))
        return Identity(
            provider=self.client.name,
            issuer=issuers[0],
            subject=self.subject(claims),
            email=email,
            email_verified=email is not None and self.verified(about),
            first_name=text(about.get("given_name")),
            last_name=text(about.get("family_name")),
            session=text(claims.get("sid")),
        )

    async def signed(self, token: object) -> Token:
        """Return what a token says, if the provider signed it."""
        return await id_token.read(token, self.discovery, self.refusals)

    async def _about(
        self, talk: Conversation, endpoints: Endpoints, claims: Mapping[str, Any], access_token: str
    ) -> Mapping[str, Any]:
        """Return the claims, with what the provider tells only if asked again."""
        if claims.get("email") and (claims.get("given_name") or claims.get("family_name")):
            return claims
        if endpoints.userinfo is None:
            return claims
        more = await talk.get(endpoints.userinfo, bearer=access_token)
        if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
            raise self.refusals.untrusted("the userinfo of somebody else")
        about = dict(claims)
        if not claims.get("email"):
            about.update((name, more.get(name)) for name in ("email", *self.said_of_email))
        about.update((name, more.get(name)) for name in _NAMES if not claims.get(name))
        return about

    async def ended(self, logout_token: str) -> LogoutNotice:
        if not self.ends_sessions:
            return await super().ended(logout_token)
        endpoints = await self.endpoints()
        signed = await self.signed(logout_token)
        try:
            return logout_notice(
                signed.header,
                signed.claims,
                issuer=endpoints.issuer,
                client_id=self.client.client_id,
                now=time.time(),
            )
        except NotALogoutToken as error:
            raise self.refusals.untrusted(f"a logout token whose {error} does not hold") from None
