"""What pages say of browsers and events."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import workbench.auth
from workbench.auth.events import Event
from workbench.server.records import device_of, happenings

_LIKE = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) {}"


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (
            _LIKE.format("Windows NT 10.0; Win64; x64", "Chrome/140.0 Safari/537.36"),
            "Chrome on Windows",
        ),
        (
            _LIKE.format("Windows NT 10.0", "Chrome/140.0 Safari/537.36 Edg/140.0"),
            "Edge on Windows",
        ),
        (
            _LIKE.format("Linux; Android 16", "Chrome/140.0 Mobile Safari/537.36"),
            "Chrome on Android",
        ),
        (
            _LIKE.format("iPhone; CPU iPhone OS 18_0 like Mac OS X", "Version/18.0 Safari/604.1"),
            "Safari on an iPhone",
        ),
        (
            _LIKE.format("Macintosh; Intel Mac OS X 10_15_7", "Version/18.0 Safari/605"),
            "Safari on a Mac",
        ),
        ("Firefox/1.0", "Firefox"),
        ("workbench/1.2 (notebook)", "workbench/1.2 (notebook)"),
        ("x" * 500, "x" * 60),
        ("\u202e\x00", "an unknown program"),
        ("", "an unknown program"),
    ],
)
def test_a_browser_is_told_in_words(agent, said):
    assert device_of(agent) == said


def event(kind: str, **known: str) -> Event:
    fields = dict.fromkeys(
        ("provider", "account", "address", "agent", "detail", "email", "by_email")
    )
    return Event(at=datetime(2026, 11, 21, tzinfo=UTC), kind=kind, **{**fields, **known})


def test_an_event_says_what_whose_and_by_whom():
    changed = event("role_changed", email="eve@x", by_email="ada@x", detail="editor to viewer")
    (told,) = happenings([changed], {}, whose=True)
    assert told.what == "Role changed"
    assert told.facts == ["eve@x", "editor to viewer", "done by ada@x"]
    assert not told.failed
    (own,) = happenings([changed], {})
    assert "eve@x" not in own.facts


def test_an_attempt_that_failed_says_what_it_was_aimed_at():
    refused = event("refused", account="https://idp 7", provider="github", address="192.0.2.1")
    (told,) = happenings([refused], {"github": "GitHub"}, whose=True)
    assert told.failed
    assert told.facts == ["7", "by GitHub", "192.0.2.1"]


def test_an_attempt_that_was_refused_says_why_in_words_and_the_address_the_provider_told():
    known = {"account": "https://idp 7", "provider": "github"}
    refused = event("refused", detail="no_account eve@example.org", **known)
    (told,) = happenings([refused], {"github": "GitHub"}, whose=True)
    assert told.facts == ["eve@example.org", "there is no account", "by GitHub"]
    failed = event("failed", detail="clock", provider="github")
    (told,) = happenings([failed], {"github": "GitHub"}, whose=True)
    assert (told.what, told.facts) == ("Sign-in failed", ["the clocks are apart", "by GitHub"])


def test_every_reason_for_a_refused_sign_in_has_words():
    (folder,) = workbench.auth.__path__
    files = [Path(folder, "arrivals.py"), Path(folder, "providers", "refusals.py")]
    codes = {code for f in files for code in re.findall(r'code="(\w+)"', f.read_text())}
    told = happenings([event("refused", detail=code) for code in sorted(codes)], {})
    assert not [one.facts for one in told if " " not in one.facts[0]]


def test_an_event_of_a_kind_that_is_new_is_told_by_its_name():
    assert [one.what for one in happenings([event("moved_away")], {})] == ["Moved away"]
