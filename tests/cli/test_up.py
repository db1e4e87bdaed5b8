"""`workbench up`: from nothing to a link, through a sudden death, and again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from workbench.database.embedded import EmbeddedServer
from workbench.database.embedded_reaper import listening_process
from workbench.demo import demo_folder
from workbench.history.latest import ever_was
from workbench.workspace import Workspace

WAIT_SECONDS = 120


def link(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return the link that `up` prints, and all that it said before."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if line.strip().startswith("http://"):
            return line.strip(), said
    raise AssertionError(said + (process.stderr.read() if process.stderr else ""))


def ended(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
    """End `up` by a signal; return its status and what it said as it went."""
    process.send_signal(number)
    _, err = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, err


def page(url: str) -> str:
    cookies = urllib.request.HTTPCookieProcessor()
    with urllib.request.build_opener(cookies).open(url, timeout=WAIT_SECONDS) as answer:
        return str(answer.read().decode())


def until_gone(processes: list[psutil.Process]) -> None:
    """Wait for the end of processes; one that nobody has collected yet has ended too."""
    end = time.monotonic() + 30
    while alive := [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < end, alive
        time.sleep(0.01)


def sockets(home: str) -> Path:
    return Path(os.path.realpath(Path(home) / "postgres")) / "run" / ".s.PGSQL.5432"


def test_up_starts_from_nothing_and_survives_a_kill(at_home: Any, tmp_path: Path):
    up = at_home()
    home = up.variables["WORKBENCH_HOME"]

    process = up.start("up", "--port", "0")
    first, said = link(process)
    assert "Loading the demo world" in said
    assert "<html" in page(first).lower()
    (tmp_path / "worlds.csv").write_text("name\nDenmark\n")
    assert up("import", tmp_path / "worlds.csv").returncode == 0  # shares the database
    server = psutil.Process(listening_process(sockets(home)) or 0)
    children = psutil.Process(process.pid).children(recursive=True)
    for dying in (server, *server.children(recursive=True)):  # the machine fails
        dying.kill()
    assert ended(process, signal.SIGKILL)[0] == -signal.SIGKILL
    until_gone([server, *children])

    process = up.start("up", "--port", "0")
    second, said = link(process)
    assert "Loading the demo world" not in said
    assert second != first
    assert "<html" in page(second).lower()
    doctor = up("doctor")
    assert doctor.returncode == 0
    assert "It holds 2 worlds and 1 user." in doctor.stdout
    server = psutil.Process(listening_process(sockets(home)) or 0)
    status, err = ended(process, signal.SIGINT)
    assert status == 0
    assert "Traceback" not in err
    until_gone([server])  # nobody uses it any more


def test_a_first_start_that_was_cut_off_is_made_up_for(at_home: Any):
    up = at_home()
    assert up("migrate").returncode == 0  # the first command need not be `up`
    process = up.start("up", "--port", "0")
    assert process.stdout is not None
    while "Loading the demo world" not in (line := process.stdout.readline()):
        assert line, process.communicate()
    assert ended(process, signal.SIGKILL)[0] == -signal.SIGKILL

    process = up.start("up", "--port", "0")
    _, said = link(process)
    assert "Loading the demo world" in said
    assert "It holds 1 world" in up("doctor").stdout
    assert ended(process, signal.SIGINT)[0] == 0


async def test_a_world_that_was_purged_has_been_there(owned: Workspace):
    assert not await ever_was(owned.database, "world")
    world = await owned.worlds.add(name="Denmark")
    await owned.worlds.remove(world)
    await owned.worlds.purge(world.id)
    assert await ever_was(owned.database, "world")


WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'scene'::regclass"


async def test_a_machine_that_fails_during_an_import_has_written_nothing(
    at_home: Any, tmp_path: Path
):
    up = at_home()
    home = up.variables["WORKBENCH_HOME"]
    process = up.start("up", "--port", "0", "--no-demo")
    await asyncio.to_thread(link, process)
    server = psutil.Process(listening_process(sockets(home)) or 0)
    with EmbeddedServer(Path(home)) as shared:
        sql = await asyncpg.connect(shared.url)
        await sql.execute("BEGIN; LOCK TABLE scene IN SHARE MODE")  # rows are written up to there
        importing = up.start("import", demo_folder())
        end = time.monotonic() + WAIT_SECONDS
        while not await sql.fetchval(WAITING):
            assert importing.poll() is None, importing.communicate()
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        for dying in (server, *server.children(recursive=True)):
            dying.kill()
        assert ended(process, signal.SIGKILL)[0] == -signal.SIGKILL
        _, err = importing.communicate(timeout=WAIT_SECONDS)
        assert importing.returncode == 1
        assert "The database" in err
        assert "Traceback" not in err
        sql.terminate()
        until_gone([server])

    process = up.start("up", "--port", "0", "--no-demo")
    await asyncio.to_thread(link, process)
    assert "It holds 0 worlds" in up("doctor").stdout
    again = up("import", demo_folder())
    assert again.returncode == 0, again.stderr
    assert "It holds 1 world" in up("doctor").stdout
    assert ended(process, signal.SIGINT)[0] == 0


def test_up_without_the_demo_starts_empty(at_home: Any):
    up = at_home()
    process = up.start("up", "--port", "0", "--no-demo")
    _, said = link(process)
    assert "demo" not in said
    assert "It holds 0 worlds" in up("doctor").stdout
    assert ended(process, signal.SIGTERM)[0] == 0


def test_a_port_in_use_is_told_and_nothing_stays_behind(at_home: Any):
    up = at_home()
    with EmbeddedServer(Path(up.variables["WORKBENCH_HOME"])):
        process = up.start("up", "--port", "0", "--no-demo")
        address, _ = link(process)
        port = address.split(":")[2].partition("/")[0]
        other = up("up", "--port", port, "--no-demo")
        assert other.returncode == 1
        assert f"Port {port} cannot be used" in other.stderr
        assert ended(process, signal.SIGINT)[0] == 0


@pytest.mark.parametrize("command", ["up", "lab"])
def test_a_port_in_use_is_told_before_anything_starts(at_home: Any, command: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        here = at_home()
        done = here(command, "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"workbench: Port {port} cannot be used: address already in use. "
        "Choose another with --port, or --port 0 for any free one.\n"
    )
    assert list(Path(here.variables["WORKBENCH_HOME"]).iterdir()) == []


def test_a_folder_that_is_not_there_is_told_before_jupyterlab_starts(workbench: Any):
    done = workbench("lab", "nowhere", "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'nowhere' does not exist" in done.stderr


@pytest.mark.parametrize("number", ["70000", "-1", "web"])
def test_a_port_that_is_none_is_told(workbench: Any, number: str):
    done = workbench("up", "--port", number)
    assert done.returncode == 2
    assert "port" in done.stderr
