"""Those who can say who somebody is."""

from __future__ import annotations

from collections.abc import Callable

from workbench.auth.identity import Client
from workbench.auth.providers.base import Provider
from workbench.auth.providers.facebook import Facebook
from workbench.auth.providers.github import GitHub
from workbench.auth.providers.google import Google
from workbench.auth.providers.microsoft import Microsoft
from workbench.auth.providers.openid import OpenID

__all__ = ["PROVIDERS", "Provider", "provider_of"]

PROVIDERS: dict[str, Callable[[Client, str], Provider]] = {
    "google": Google,
    "microsoft": Microsoft,
    "facebook": Facebook,
    "github": GitHub,
}
"""The providers that are known by name."""


def provider_of(client: Client, redirect_uri: str) -> Provider:
    """Return the provider of a registration; raises BadSettings naming a variable that is wrong."""
    return PROVIDERS.get(client.name, OpenID)(client, redirect_uri)
