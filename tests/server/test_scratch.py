"""What pages' kernels put on disk is theirs alone, and goes with them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
from pathlib import Path

import psutil
import pytest

from workbench.server.scratch import Scratch


def folder_of(page) -> Path:
    return Path(page.printed["environment"]["TMPDIR"])


def test_a_kernel_has_a_folder_for_temporary_files_that_nobody_else_may_open(server):
    one, other = server.signed_in(), server.signed_in()
    first, second = folder_of(one.open_page()), folder_of(other.open_page())
    assert first != second
    for folder in (first, first.parent, second):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == os.geteuid()


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_the_files_of_a_kernel_go_when_it_ends(server, how, until):
    visitor = server.signed_in()
    page = visitor.open_page()
    folder = folder_of(page)
    (folder / "left").mkdir()
    (folder / "left" / "behind.csv").write_text("a,b\n")
    if how == "closed":
        assert visitor.ask(f"/page/{page.kernel_id}", "POST", {"_xsrf": page.xsrf}).status == 204
    else:
        psutil.Process(page.printed["pid"]).send_signal(signal.SIGKILL)
    until(lambda: not folder.exists())


def test_a_folder_that_was_cleaned_away_is_made_anew_and_is_nobody_elses(tmp_path):
    scratch = Scratch(tmp_path)
    first = scratch.of("a").parent
    shutil.rmtree(first)
    kept = tmp_path / "kept"  # so that no other folder has its number
    kept.mkdir()
    second = scratch.of("b").parent
    assert second != first
    shutil.rmtree(second)
    kept.rename(second)  # by somebody who saw its name
    third = scratch.of("c").parent
    assert third != second
    for folder in (third, third / "c"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    other = Scratch(tmp_path)
    assert third.exists()  # its lock is held
    for one in (scratch, other):
        one.close()


def test_what_is_in_use_does_not_look_old(tmp_path):
    scratch = Scratch(tmp_path)
    paths = [scratch.of("a"), scratch.of("a").parent, scratch.of("a").parent / "lock"]
    for path in paths:
        os.utime(path, (0, 0))
    scratch.keep()
    assert all(path.stat().st_mtime > 0 for path in paths)
    shutil.rmtree(scratch.of("a").parent)
    scratch.keep()
    scratch.close()


def test_what_a_killed_server_left_goes_when_the_next_one_starts(tmp_path):
    killed, running = Scratch(tmp_path), Scratch(tmp_path)
    mine, theirs = killed.of("a"), running.of("b")
    (mine / "plan.arrow").write_bytes(b"rows")
    os.close(killed._lock)  # as the end of its process does
    strange = tmp_path / "workbench-pages-of-nobody"
    strange.mkdir()
    link = tmp_path / "workbench-pages-link"
    link.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "lock").touch()
    third = Scratch(tmp_path)
    assert not mine.parent.exists()
    assert theirs.exists()
    assert strange.exists()
    assert (tmp_path / "elsewhere").exists()
    asyncio.run(running.remove("b"))
    assert not theirs.exists()
    asyncio.run(running.remove("nothing of this name"))
    for one in (running, third):
        one.close()
    left = {path.name for path in tmp_path.glob("workbench-pages-*")}
    assert left == {"workbench-pages-of-nobody", "workbench-pages-link"}
