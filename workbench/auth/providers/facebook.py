"""Facebook, which speaks OAuth, and OpenID Connect not in this flow."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from workbench.auth.identity import Client, Identity, Pending
from workbench.auth.providers.base import Provider, address, text
from workbench.auth.providers.conversation import Conversation
from workbench.auth.providers.discovery import Endpoints
from workbench.errors import SignInRefused

_VERSION = "v23.0"
_CODES = {
    **dict.fromkeys((1, 101, 190), "invalid_client"),
    100: "invalid_grant",
    **dict.fromkeys((2, 4, 17), "temporarily_unavailable"),
}
"""What the Graph's numbers mean here, in the standards' words."""


class Facebook(Provider):
    """Its Graph tells who a token is about; the token must be one for this registration.

    An address, if there is one at all, proves nothing: it is not said whether it was verified.
    """

    label = "Facebook"
    scope = "public_profile,email"

    def __init__(
        self,
        client: Client,
        redirect_uri: str,
        *,
        base: str = "https://www.facebook.com",
        graph: str = "https://graph.facebook.com",
    ) -> None:
        super().__init__(client, redirect_uri)
        self._base = base
        self._dialog = f"{base}/{_VERSION}/dialog/oauth"
        self._graph = f"{graph}/{_VERSION}"

    async def endpoints(self) -> Endpoints:
        return Endpoints(
            issuer=self._base,
            authorization=self._dialog,
            token=f"{self._graph}/oauth/access_token",
        )

    def explain(self, error: object) -> SignInRefused:
        # The dialog gives a word, the token endpoint an object with a number.
        match error:
            case {"code": int(number)}:
                return self.refusals.of_code(_CODES.get(number), f"error {number}")
        return super().explain(error)

    async def identify(
        self, talk: Conversation, token: Mapping[str, Any], pending: Pending
    ) -> Identity:
        access_token: str = token["access_token"]
        await self._check(talk, access_token)
        secret = self.client.client_secret.encode()
        user = await talk.get(
            f"{self._graph}/me",
            bearer=access_token,
            query={
                "fields": "id,first_name,last_name,email",
                "appsecret_proof": hmac.new(
                    secret, access_token.encode(), hashlib.sha256
                ).hexdigest(),
            },
        )
        who = user.get("id") if isinstance(user, dict) else None
        if not isinstance(who, str) or not who.isdecimal() or not who.isascii():
            raise self.refusals.garbled("a user without a number")
        return Identity(
            provider=self.client.name,
            issuer=self._base,
            subject=who,
            email=address(user.get("email")),
            first_name=text(user.get("first_name")),
            last_name=text(user.get("last_name")),
        )

    async def _check(self, talk: Conversation, access_token: str) -> None:
        """Refuse a token that was made for another application."""
        answer = await talk.get(
            f"{self._graph}/debug_token",
            bearer=f"{self.client.client_id}|{self.client.client_secret}",
            query={"input_token": access_token},
        )
        about = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(about, dict) or about.get("is_valid") is not True:
            raise self.refusals.untrusted("a token that Facebook does not call valid")
        if str(about.get("app_id")) != self.client.client_id:
            raise self.refusals.untrusted("a token for another application")
