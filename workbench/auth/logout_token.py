"""A provider's notice that it has ended a session: OpenID Connect Back-Channel Logout 1.0."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEEWAY_SECONDS = 120
"""How far clocks may be apart."""

OLDEST_SECONDS = 600
"""How long ago a token may have been issued."""

REMEMBERED_SECONDS = OLDEST_SECONDS + LEEWAY_SECONDS
"""How long a `token_id` must be remembered: an older token is refused anyway."""

EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LONGEST_ID = 255


class NotALogoutToken(ValueError):
    """What was sent is none, or is none for us; the message says why, without its contents."""


@dataclass(frozen=True)
class LogoutNotice:
    """Which sessions to end: the one named, or all of the subject.

    Parameters
    ----------
    token_id
        A token counts once: whoever ends the sessions remembers this for `REMEMBERED_SECONDS`.
    """

    issuer: str
    session: str | None
    subject: str | None
    token_id: str


def logout_notice(
    header: Mapping[str, Any],
    claims: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    now: float,
) -> LogoutNotice:
    """Check what a token says (2.6 there), after its signature has been checked.

    >>> logout_notice({"typ": "logout+jwt"}, {}, issuer="https://a", client_id="b", now=0)
    Traceback (most recent call last):
    workbench.auth.logout_token.NotALogoutToken: iss
    """
    # An ID token or an access token is signed with the same keys.
    _must(str(header.get("typ", "logout+jwt")).lower() in ("logout+jwt", "jwt"), "typ")
    _must(claims.get("iss") == issuer, "iss")
    audience = claims.get("aud")
    _must(audience == client_id or (isinstance(audience, list) and client_id in audience), "aud")
    issued, expires = _time(claims, "iat"), _time(claims, "exp")
    _must(issued is not None and -LEEWAY_SECONDS < now - issued < OLDEST_SECONDS, "iat")
    # Required since 2023, and by then many had long been sending none.
    _must(expires is None or expires > now - LEEWAY_SECONDS, "exp")
    events = claims.get("events")
    _must(isinstance(events, dict) and isinstance(events.get(EVENT), dict), "events")
    _must("nonce" not in claims, "nonce")
    session, subject, token_id = (_id(claims, name) for name in ("sid", "sub", "jti"))
    _must(session is not None or subject is not None, "sid and sub")
    if token_id is None:
        raise NotALogoutToken("jti")
    return LogoutNotice(issuer, session, subject, token_id)


def _must(holds: bool, claim: str) -> None:
    if not holds:
        raise NotALogoutToken(claim)


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None or not isinstance(value, int | float) or isinstance(value, bool):
        _must(value is None, name)
        return None
    # No number at all would be neither early nor late, and some are too large for a float.
    _must(abs(value) < 1e12 and math.isfinite(value), name)
    return value


def _id(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    _must(value is None or (isinstance(value, str) and 0 < len(value) <= _LONGEST_ID), name)
    return value
