"""What is kept of a conversation between a page and its kernel."""

from __future__ import annotations

from workbench.server import journal
from workbench.server.journal import Journal


def test_what_was_not_received_is_sent_again_in_order():
    kept = Journal()
    for frame in (b"one", b"two", b"three"):
        kept.sent(frame)
    assert kept.since(1) == [b"two", b"three"]
    assert kept.since(3) == []


def test_a_page_that_received_more_than_was_sent_is_not_known():
    assert Journal().since(1) is None


def test_old_messages_are_let_go():
    now = 0.0
    kept = Journal(clock=lambda: now)
    kept.sent(b"old")
    now = journal.KEPT_SECONDS + 1
    kept.sent(b"new")
    assert kept.since(0) is None
    assert kept.since(1) == [b"new"]


def test_no_more_is_kept_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(journal, "KEPT_BYTES", 10)
    kept = Journal()
    for frame in (b"12345", b"67890", b"x"):
        kept.sent(frame)
    assert kept.since(0) is None
    assert kept.since(1) == [b"67890", b"x"]


def test_a_message_is_new_once():
    kept = Journal()
    assert kept.is_new("a")
    assert not kept.is_new("a")
    assert kept.is_new("b")
