"""Who somebody is, as a provider of identities says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict


@dataclass(frozen=True)
class Client:
    """How this installation is registered with a provider: `WORKBENCH_OAUTH_<NAME>_…`.

    Parameters
    ----------
    name
        In lower case; `google`, `microsoft`, `facebook` and `github` are known, any other is an
        OpenID Connect provider with a `discovery_url`.
    tenant
        Of Microsoft: `common`, `organizations`, `consumers`, or the id of one.
    label
        What the button says; without it the provider's own name.
    """

    name: str
    client_id: str
    client_secret: str = field(repr=False)
    discovery_url: str | None = None
    tenant: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Identity:
    """Somebody whom a provider has just signed in; (`issuer`, `subject`) is who.

    Parameters
    ----------
    email_verified
        The provider answers for this address: it has verified it, and it is one that can.
    session
        The provider's own name for the session (`sid`), by which it may end it later.
    """

    provider: str
    issuer: str
    subject: str
    email: str | None = None
    email_verified: bool = False
    first_name: str | None = None
    last_name: str | None = None
    session: str | None = None


class Pending(TypedDict):
    """What is kept between leaving for a provider and coming back, as JSON."""

    provider: str
    state: str
    nonce: str
    code_verifier: str
