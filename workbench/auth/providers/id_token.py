"""Signed tokens of OpenID Connect: whose signature, about whom, for us, and from now."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from workbench.auth.logout_token import LEEWAY_SECONDS
from workbench.auth.providers.base import LONGEST, text
from workbench.auth.providers.discovery import Discovery
from workbench.auth.providers.refusals import Refusals

SIGNED_WITH = tuple(f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512))
"""Signatures with a key pair. What a provider's metadata lists is no help: it may say `none`."""

_TEN_YEARS_SECONDS = 10 * 365 * 24 * 3600


async def read(token: object, discovery: Discovery, refusals: Refusals) -> jwt.Token:
    """Return what a token says, if the provider signed it."""
    if not isinstance(token, str):
        raise refusals.untrusted("no signed token")
    keys = await discovery.keys()
    try:
        try:
            return _signed(token, keys)
        except InvalidKeyIdError:
            # It may have a new key since. Asked for again at most once a minute.
            discovery.doubt()
            if (newer := await discovery.keys()) is keys:
                raise
            return _signed(token, newer)
    except (
        JoseError,
        ArithmeticError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise refusals.untrusted(f"a token that does not hold: {type(error).__name__}") from None


def _signed(token: str, keys: KeySet) -> jwt.Token:
    registry = JWSRegistry(algorithms=SIGNED_WITH, strict_check_header=False)
    return jwt.decode(token, keys, registry=registry)


def check(
    token: jwt.Token,
    refusals: Refusals,
    *,
    issuers: Sequence[str],
    client_id: str,
    nonce: str,
    access_token: str,
) -> Mapping[str, Any]:
    """Return the claims of an ID token that answers this very sign-in: OpenID Connect 3.1.3.7."""
    # Authlib takes what it needs out of these: shared, they would check the first sign-in alone.
    options = {
        "iss": {"essential": True, "values": list(issuers)},
        "aud": {"essential": True, "value": client_id},
    }
    given = {"client_id": client_id, "nonce": nonce, "access_token": access_token}
    claims = CodeIDToken(token.claims, token.header, options, given)
    now = int(time.time())
    try:
        claims.validate(now, LEEWAY_SECONDS)
    except ClaimError as error:
        if error.claim in ("exp", "iat", "nbf") and (apart := _apart(token.claims, now)):
            raise refusals.clock(apart) from None
        if error.claim == "nonce":
            raise refusals.mismatch("the nonce of another sign-in, or none") from None
        raise refusals.untrusted(f"an ID token whose {error.claim} does not hold") from None
    except (JoseError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise refusals.untrusted(
            f"an ID token that does not hold: {type(error).__name__}"
        ) from None
    if not claims["sub"] or claims["sub"] != text(claims["sub"]) or len(claims["sub"]) > LONGEST:
        raise refusals.untrusted("an ID token whose sub does not hold")
    return dict(claims)


def _apart(claims: Mapping[str, Any], now: int) -> int | None:
    """Return how far the provider's clock is ahead of ours: it issued the token just now."""
    issued = claims.get("iat")
    if not isinstance(issued, int | float) or isinstance(issued, bool):
        return None
    if not abs(issued - now) < _TEN_YEARS_SECONDS:  # neither does NaN hold
        return None
    seconds = int(issued - now)
    return seconds if abs(seconds) > LEEWAY_SECONDS else None
