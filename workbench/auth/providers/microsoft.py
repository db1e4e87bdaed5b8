"""Microsoft: Entra ID for work and school, and personal accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from joserfc.errors import JoseError
from joserfc.jwt import Token

from workbench.auth.identity import Client, Identity, Pending
from workbench.auth.providers.discovery import Endpoints
from workbench.auth.providers.openid import OpenID
from workbench.auth.providers.refusals import Refusals
from workbench.errors import BadSettings

_PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of all personal accounts, as Microsoft's reference of ID token claims gives it."""


class Microsoft(OpenID):
    """OpenID Connect of many tenants: who is named by `oid` in the tenant `tid`.

    Anybody can be the administrator of a tenant, and give any address to its users. So no address
    counts as verified unless Microsoft says that its domain is the tenant's own (`xms_edov`, an
    optional claim of the registration):
    learn.microsoft.com/entra/identity-platform/migrate-off-email-claim-authorization.
    """

    label = "Microsoft"
    ends_sessions = False
    said_of_email = ("xms_edov",)
    variable = "TENANT"

    def __init__(
        self,
        client: Client,
        redirect_uri: str,
        *,
        base: str = "https://login.microsoftonline.com",
    ) -> None:
        tenant = (client.tenant or "common").lower()
        if tenant not in ("common", "organizations", "consumers") and _uuid(tenant) is None:
            variable = Refusals(client, self.label).variable("TENANT")
            raise BadSettings(
                f"{variable} must be common, organizations, consumers, "
                "or the id of one tenant, which is a UUID."
            )
        self.tenant = _PERSONAL if tenant == "consumers" else tenant
        self._base = base
        super().__init__(
            client,
            redirect_uri,
            discovery_url=f"{base}/{tenant}/v2.0/.well-known/openid-configuration",
            issuer=self._issuer("{tenantid}" if self._of_many else self.tenant),
        )

    @property
    def _of_many(self) -> bool:
        return self.tenant in ("common", "organizations")

    def _issuer(self, tenant: str) -> str:
        return f"{self._base}/{tenant}/v2.0"

    def comes_from(self, endpoints: Endpoints, issuer: str | None) -> bool:
        if issuer is None:
            return not endpoints.names_itself
        before, after = self._issuer("{tenantid}").split("{tenantid}")
        tenant = issuer.removeprefix(before).removesuffix(after)
        return issuer == self._issuer(tenant) and self._may_be(_uuid(tenant))

    def issuers(self, endpoints: Endpoints, claims: Mapping[str, Any]) -> tuple[str, ...]:
        tenant = _uuid(claims.get("tid"))
        if not self._may_be(tenant):
            raise self.refusals.untrusted("an ID token of another tenant, or of none")
        return (self._issuer(str(tenant)),)

    def _may_be(self, tenant: str | None) -> bool:
        if tenant is None or (tenant == _PERSONAL and self.tenant == "organizations"):
            return False
        return self._of_many or tenant == self.tenant

    def subject(self, claims: Mapping[str, Any]) -> str:
        # The tenant is in the issuer already; `sub` would be another one for every registration.
        if (oid := _uuid(claims.get("oid"))) is None:
            raise self.refusals.untrusted("an ID token without oid")
        return f"{_uuid(claims['tid'])}.{oid}"

    def verified(self, claims: Mapping[str, Any]) -> bool:
        return claims.get("xms_edov") in (True, 1, "1", "true")

    async def signed(self, token: object) -> Token:
        # A key may be for personal accounts alone, though all are published together.
        signed = await super().signed(token)
        try:
            key = (await self.discovery.keys()).get_by_kid(signed.header.get("kid"))
        except JoseError:
            raise self.refusals.untrusted("an ID token whose key was withdrawn") from None
        signs_for = str(key.get("issuer", "")).replace("{tenantid}", str(signed.claims.get("tid")))
        if signs_for not in ("", signed.claims.get("iss")):
            raise self.refusals.untrusted("an ID token with the key of another tenant")
        return signed

    async def finish(self, pending: Pending, answer: Mapping[str, str]) -> Identity:
        identity = await super().finish(pending, answer)
        # Whose tenant it is was not known before.
        if answer.get("iss") not in (None, identity.issuer):
            raise self.refusals.mismatch("an answer of another tenant")
        return identity


def _uuid(value: object) -> str | None:
    """Return a UUID as Microsoft writes it; nothing else, for it becomes part of a URL."""
    try:
        return value if isinstance(value, str) and str(UUID(value)) == value else None
    except ValueError:
        return None
