"""What pages' kernels put on disk is theirs alone, and goes with them."""

from __future__ import annotations

import asyncio
import os
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
