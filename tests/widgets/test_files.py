"""Files that come from a browser and go to one: in pieces, under names that are never paths."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from workbench.errors import Refused, WorkbenchError
from workbench.widgets import download as downloads
from workbench.widgets.download import Download
from workbench.widgets.inbox import PIECE_BYTES, Inbox
from workbench.widgets.upload import Upload


@pytest.fixture
def inbox():
    made = Inbox(lambda name: "file.csv", most_bytes=4 * PIECE_BYTES, most_files=3)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/", "file"),
        ("..", ".."),
        ("a\x00b\n.csv", "ab.csv"),
        ("\u202evsc.csv", "vsc.csv"),
        (".ssh/authorized_keys", "authorized_keys"),
        ("<script>alert(1)</script>.csv", "script>.csv"),
        ("x" * 5000 + ".csv", "x" * 130 + "….csv"),
    ],
)
def test_no_file_lies_under_the_name_that_its_sender_chose(inbox, name, shown):
    file = inbox.begin(name, 3)
    assert file.name == shown
    inbox.write(file.key, 0, b"abc")
    assert file.path == inbox.folder / file.key / "file.csv"
    assert file.path.read_bytes() == b"abc"
    assert [path for path in inbox.folder.rglob("*") if path.is_file()] == [file.path]


def test_nobody_else_may_open_the_folder(inbox):
    file = inbox.begin("a.csv", 1)
    for place in (inbox.folder, file.path.parent):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_pieces_come_in_order_none_twice_and_no_more_than_was_said(inbox):
    key = inbox.begin("a.csv", 6).key
    inbox.write(key, 0, b"abc")
    for offset, data in ((0, b"abc"), (4, b"ef"), (-3, b"x"), (3, b"defg"), ("3", b"d")):
        with pytest.raises(Refused, match="not its next piece"):
            inbox.write(key, offset, data)
    assert not inbox.get(key).is_whole
    inbox.write(key, 3, b"def")
    assert inbox.get(key).is_whole
    assert inbox.get(key).path.read_bytes() == b"abcdef"
    large = inbox.begin("b.csv", 3 * PIECE_BYTES).key
    with pytest.raises(Refused):
        inbox.write(large, 0, bytes(PIECE_BYTES + 1))


def test_how_much_there_may_be_is_said(inbox):
    with pytest.raises(Refused, match=r"4 MB here.*workbench import"):
        inbox.begin("a.csv", 4 * PIECE_BYTES + 1)
    for size in (-1, 1.5, True, None, "3"):
        with pytest.raises(Refused, match="has a size"):
            inbox.begin("a.csv", size)
    for name in "abc":
        inbox.begin(name, 1)
    inbox.begin("a", 2)
    with pytest.raises(Refused, match="3 files"):
        inbox.begin("d", 1)
    with pytest.raises(Refused, match="4 MB"):
        inbox.begin("a", 4 * PIECE_BYTES)
    assert [one.size for one in inbox.files.values()] == [1, 1, 2]


def test_a_file_that_is_not_here_is_told_of_and_all_go_in_the_end(inbox):
    key = inbox.begin("a.csv", 1).key
    folder = inbox.folder
    inbox.drop(key)
    inbox.drop(key)
    for one in (key, "../" + key, ""):
        with pytest.raises(Refused, match="not here any more"):
            inbox.write(one, 0, b"a")
    inbox.begin("b.csv", 1)
    inbox.close()
    assert not folder.exists()


def test_a_full_disk_is_told_in_words(inbox, monkeypatch):
    key = inbox.begin("a.csv", 1).key

    def full(*_, **__):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(WorkbenchError, match="no space left on device"):
        inbox.write(key, 0, b"a")


def test_after_a_disk_was_full_a_piece_is_sent_again_and_there_once(inbox):
    file = inbox.begin("a.csv", 6)
    inbox.write(file.key, 0, b"abc")
    with file.path.open("ab") as half:
        half.write(b"de")  # what there was room for
    inbox.write(file.key, 3, b"def")
    assert file.is_whole
    assert file.path.read_bytes() == b"abcdef"


class Desk:
    def __init__(self, inbox):
        self.inbox, self.ended = inbox, []

    def begin(self, name, size):
        return self.inbox.begin(name, size).key

    def write(self, key, offset, data):
        self.inbox.write(key, offset, data)

    async def end(self, key):
        self.ended.append(key)


async def test_a_browser_sends_a_file_in_pieces_and_cannot_pass_text_for_bytes(inbox, browse):
    desk = Desk(inbox)
    browser = browse(Upload(desk))
    key = (await browser.ask("begin", name="a.csv", size=3))["data"]["key"]
    answer = await browser.ask("piece", key=key, offset=0, bytes="abc")
    assert answer["ok"]
    assert inbox.get(key).here == 0
    assert (await browser.send(b"abc", "piece", key=key, offset=0))["ok"]
    assert inbox.get(key).path.read_bytes() == b"abc"
    assert (await browser.send(b"d", "piece", key=key, offset=3))["error"]["kind"] == "refused"
    await browser.ask("end", key=key)
    assert desk.ended == [key]


async def test_a_browser_fetches_a_file_in_pieces_and_nothing_beside_it(tmp_path, monkeypatch):
    place = tmp_path / "a.bin"
    data = os.urandom(PIECE_BYTES + 10)
    place.write_bytes(data)
    made = Download(place, "a.bin")
    pieces = [await made._piece({"offset": at}) for at in (0, PIECE_BYTES)]
    assert b"".join(pieces) == data
    for offset in (-1, len(data) + 1, "0", None, True):
        with pytest.raises(Refused, match="no such piece"):
            await made._piece({"offset": offset, "name": "/etc/passwd"})
    place.unlink()
    with pytest.raises(Refused, match="not kept any more"):
        await made._piece({"offset": 0})
    place.write_bytes(b"12")
    monkeypatch.setattr(downloads, "MOST_BYTES", 1)
    with pytest.raises(Refused, match="more than"):
        Download(place, "a.bin")
