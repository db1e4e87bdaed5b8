"""Google."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.auth.identity import Client
from workbench.auth.providers.discovery import Endpoints
from workbench.auth.providers.openid import OpenID

_OWN_DOMAINS = ("@gmail.com", "@googlemail.com")


class Google(OpenID):
    """OpenID Connect; it answers for addresses of its own and of its customers' domains alone.

    Any other address was verified once, and may belong to somebody else by now:
    developers.google.com/identity/gsi/web/guides/verify-google-id-token.
    """

    label = "Google"
    ends_sessions = False
    said_of_email = ("email_verified", "hd")
    variable = "CLIENT_ID"

    def __init__(
        self, client: Client, redirect_uri: str, *, base: str = "https://accounts.google.com"
    ) -> None:
        url = f"{base}/.well-known/openid-configuration"
        super().__init__(client, redirect_uri, discovery_url=url)

    def issuers(self, endpoints: Endpoints, claims: Mapping[str, Any]) -> tuple[str, ...]:
        return endpoints.issuer, endpoints.issuer.partition("://")[2]

    def verified(self, claims: Mapping[str, Any]) -> bool:
        email = str(claims.get("email")).lower()
        return super().verified(claims) and (email.endswith(_OWN_DOMAINS) or bool(claims.get("hd")))
