"""GitHub, which speaks OAuth but not OpenID Connect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.auth.identity import Client, Identity, Pending
from workbench.auth.providers.base import Provider, address, text
from workbench.auth.providers.conversation import Conversation
from workbench.auth.providers.discovery import Endpoints
from workbench.errors import SignInRefused


class GitHub(Provider):
    """Who is named by the number, which is never given away, as the login is when it changes."""

    label = "GitHub"
    scope = "user:email"

    def __init__(
        self,
        client: Client,
        redirect_uri: str,
        *,
        base: str = "https://github.com",
        api: str = "https://api.github.com",
    ) -> None:
        super().__init__(client, redirect_uri)
        self._base = base
        self._api = api

    async def endpoints(self) -> Endpoints:
        return Endpoints(
            issuer=self._base,
            authorization=f"{self._base}/login/oauth/authorize",
            token=f"{self._base}/login/oauth/access_token",
        )

    def explain(self, error: object) -> SignInRefused:
        match error:
            case "bad_verification_code":
                return self.refusals.of_code("invalid_grant", error)
            case "incorrect_client_credentials":
                return self.refusals.of_code("invalid_client", error)
            case "unverified_user_email":
                return self.refusals.no_email(
                    "Verify a primary address at GitHub, in Settings, Emails; then sign in again."
                )
        return super().explain(error)

    async def identify(
        self, talk: Conversation, token: Mapping[str, Any], pending: Pending
    ) -> Identity:
        user = await talk.get(f"{self._api}/user", bearer=token["access_token"])
        emails = await talk.get(f"{self._api}/user/emails", bearer=token["access_token"])
        number = user.get("id") if isinstance(user, dict) else None
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(emails, list):
            raise self.refusals.garbled("a user without a number, or no list of addresses")
        first, _, last = (text(user.get("name")) or "").partition(" ")
        email = next(filter(None, map(_primary_and_verified, emails)), None)
        return Identity(
            provider=self.client.name,
            issuer=self._base,
            subject=str(number),
            email=email,
            email_verified=email is not None,
            first_name=first or None,
            last_name=last or None,
        )


def _primary_and_verified(about: object) -> str | None:
    """Return the address, which on the profile may be one that nobody has verified."""
    if not isinstance(about, dict):
        return None
    if about.get("primary") is not True or about.get("verified") is not True:
        return None
    return address(about.get("email"))
