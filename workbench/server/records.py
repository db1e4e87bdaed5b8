"""What pages say of sessions and events, in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from workbench.auth.events import REFUSALS, Event

__all__ = ["Happening", "device_of", "happenings"]

_AGENT_CHARACTERS = 60
_ATTEMPTS = ("refused", "failed", "wrong_state")  # their detail is why, and an address if told
# The first that fits: browsers name those they want to be taken for as well.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Version", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "a Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
_WORDS = {
    "signed_in": "Signed in",
    "signed_out": "Signed out",
    "refused": "Sign-in refused",
    "failed": "Sign-in failed",
    "wrong_link": "A link that is none, or was used",
    "wrong_token": "A token that is none, or has ended",
    "wrong_code": "A wrong code of a program",
    "wrong_state": "A sign-in that was begun elsewhere",
    "account_made": "Account made",
    "account_deleted": "Account deleted",
    "account_restored": "Account restored",
    "activated": "Let in again",
    "deactivated": "Shut out",
    "role_changed": "Role changed",
    "identity_linked": "Way to sign in added",
    "identity_unlinked": "Way to sign in removed",
    "invited": "Invited",
    "invitation_revoked": "Invitation taken back",
    "token_made": "Token made",
    "token_revoked": "Token revoked",
    "device_approved": "Program let in",
    "device_denied": "Program turned away",
    "device_signed_in": "Program signed in",
    "code_reused": "Code of a program used twice",
}

_REASONS = {
    "clock": "the clocks are apart",
    "denied": "the provider was not allowed to say who it is",
    "expired": "it took too long or was used already",
    "garbled": "the provider's answer could not be understood",
    "inactive": "the account is shut out or deleted",
    "invitation": "the invitation cannot be used",
    "link_first": "the address of the account is not proved",
    "mismatch": "the answer was to another sign-in",
    "misconfigured": "the provider is not set up correctly",
    "no_account": "there is no account",
    "no_email": "the provider gave no e-mail address",
    "state": "another browser, or too late",
    "taken": "it leads to another account",
    "unreachable": "the provider did not answer",
    "untrusted": "the provider's answer could not be trusted",
    "unverified": "the provider does not answer for the e-mail address",
}


@dataclass(frozen=True)
class Happening:
    """An event as a page tells it."""

    at: datetime
    what: str
    failed: bool
    facts: list[str]


def happenings(
    events: Iterable[Event], labels: Mapping[str, str], *, whose: bool = False
) -> list[Happening]:
    """Return events in words.

    Parameters
    ----------
    labels
        Of providers, by name.
    whose
        Whether to say whom each is about: on the page of all people's.
    """
    return [
        Happening(
            one.at,
            _WORDS.get(one.kind, one.kind.replace("_", " ").capitalize()),
            one.kind in REFUSALS,
            [fact for fact in _facts(one, labels, whose=whose) if fact],
        )
        for one in events
    ]


def _facts(event: Event, labels: Mapping[str, str], *, whose: bool) -> Iterable[str | None]:
    detail, told = event.detail, None
    code, _, email = (detail or "").partition(" ")
    if event.kind in _ATTEMPTS and code in _REASONS:
        detail, told = _REASONS[code], email
    if whose:
        # What an attempt was aimed at tells an administrator more than nothing does: the e-mail
        # address that the provider told, else its own name for them, without its address.
        yield event.email or told or (event.account or "").rpartition(" ")[2]
    yield detail
    yield event.provider and f"by {labels.get(event.provider, event.provider)}"
    if event.by_email and event.by_email != event.email:
        yield f"done by {event.by_email}"
    yield event.agent and device_of(event.agent)
    yield event.address


def device_of(agent: str) -> str:
    """Return what a browser says of itself, in words; of a program its own first ones.

    >>> device_of("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    'Firefox on Linux'
    >>> device_of("python-httpx2/2.16.2")
    'python-httpx2/2.16.2'
    """
    browser = next((name for mark, name in _BROWSERS if f"{mark}/" in agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in agent), None)
    if browser is None:
        plain = re.sub(r"[^\x20-\x7e]+", " ", agent).strip()
        return plain[:_AGENT_CHARACTERS] or "an unknown program"
    return f"{browser} on {system}" if system else browser
