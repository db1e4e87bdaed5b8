"""Sessions as they are kept."""

from __future__ import annotations

from pathlib import Path

from workbench.server.identity import Sessions


def test_two_servers_of_one_home_keep_each_others_sessions(tmp_path: Path):
    file = tmp_path / "sessions.json"
    one, two = Sessions(file), Sessions(file)
    first, second = one.start(), two.start()
    after = Sessions(file)
    assert after.find(first)
    assert after.find(second)


def test_a_session_that_was_ended_stays_ended_whatever_the_other_server_does(tmp_path: Path):
    file = tmp_path / "sessions.json"
    one = Sessions(file)
    first = one.start()
    two = Sessions(file)
    one.end(one.find(first) or "")
    two.start()
    assert one.find(first) is None
    assert Sessions(file).find(first) is None
