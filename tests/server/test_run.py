"""Starting and stopping the servers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from workbench.auth.doors import Doors
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.errors import BadSettings
from workbench.server.app import application
from workbench.server.lab import serve_lab
from workbench.server.run import serve

LAB = """
import sys
from pathlib import Path
from workbench.server.app import application
from workbench.server.lab import serve_lab

sys.exit(serve_lab(
    home=Path(sys.argv[1]), root_dir=Path(sys.argv[1]), port=0,
    kernel_environment={"WORKBENCH_GIVEN": "x"}, on_ready=lambda url: print(url, flush=True),
))
"""


def nobody() -> Doors:
    """Ways in that lead to no database."""
    return Doors(Database(Address.parse("postgresql://nowhere/none")), local_user=None)


@pytest.fixture
def taken():
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_in_use_is_named_with_the_way_out(taken: int, tmp_path: Path):
    with pytest.raises(BadSettings, match=rf"Port {taken} cannot be used: .*in use.*--port"):
        serve(
            home=tmp_path,
            doors=nobody(),
            notebook=tmp_path / "x.ipynb",
            port=taken,
            kernel_environment={},
            on_ready=print,
        )
    with pytest.raises(BadSettings, match=rf"Port {taken} cannot be used"):
        serve_lab(
            home=tmp_path, root_dir=tmp_path, port=taken, kernel_environment={}, on_ready=print
        )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_the_server_leaves_no_kernel(start_server, number: int):
    server = start_server()
    visitor = server.signed_in()
    visitor.open_page()
    visitor.open_page()
    kernels = server.kernels()
    assert len(kernels) == 2
    begun = time.monotonic()
    assert server.stop(number) == 0
    assert time.monotonic() - begun < 5
    assert not [kernel for kernel in kernels if kernel.is_running()]


def test_stopping_the_server_ends_a_kernel_that_does_not_listen(start_server):
    stubborn = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"
    server = start_server([stubborn, "import time\nfor _ in range(600): time.sleep(1)"])
    visitor = server.signed_in()
    connection = ask_for_page(visitor)
    seen = b""
    while b"page-kernel" not in seen:
        seen += connection.recv(65536)
    kernels = server.kernels()
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 5
    connection.close()
    assert kernels
    assert not [kernel for kernel in kernels if kernel.is_running()]


def test_leaving_before_the_page_is_complete_ends_its_kernel(start_server, until):
    server = start_server(["import time\nfor _ in range(600): time.sleep(1)"])
    visitor = server.signed_in()
    connection = ask_for_page(visitor)
    until(server.kernels)
    connection.close()
    until(lambda: not server.kernels())


def test_kernels_end_when_the_server_is_killed(start_server, until):
    server = start_server()
    server.signed_in().open_page()
    (kernel,) = server.kernels()
    server.process.kill()
    server.process.wait()
    until(lambda: not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE)


def test_the_lab_starts_with_a_token_and_ends_with_its_kernels(tmp_path: Path, until):
    process = subprocess.Popen(
        [sys.executable, "-c", LAB, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    base, _, token = address.partition("/lab?token=")
    assert base.startswith("http://127.0.0.1:")
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(f"{base}/api/kernels")
    refused.value.close()
    assert start_kernel(base, token)
    children = psutil.Process(process.pid).children(recursive=True)
    kernels = [child for child in children if "ipykernel_launcher" in " ".join(child.cmdline())]
    assert kernels
    assert kernels[0].exe() == os.path.realpath(sys.executable)
    assert kernels[0].environ()["WORKBENCH_GIVEN"] == "x"
    assert not [child for child in children if token in " ".join(child.cmdline())]
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    process.stdout.close()
    assert not [child for child in children if child.is_running()]


def test_kernels_are_out_of_reach_of_other_users_of_the_machine(start_server):
    server = start_server()
    server.signed_in().open_page()
    (kernel,) = server.kernels()
    folder = server.folder_of(kernel)
    (connection_file,) = folder.glob("*.json")
    # Not TCP, where any user could listen to what the kernel publishes.
    assert json.loads(connection_file.read_text())["transport"] == "ipc"
    assert folder.stat().st_mode & 0o077 == 0
    server.stop()
    assert not folder.exists()


def test_what_a_home_folder_tells_jupyter_changes_nothing(start_server, tmp_path: Path):
    person = tmp_path / "person"
    put(person / ".jupyter/voila.json", {"VoilaConfiguration": {"template": "lab"}})
    put(person / ".jupyter/jupyter_config.json", {"Application": {"log_level": 50}})
    spec = {"argv": ["false"], "display_name": "Broken", "language": "python"}
    put(person / ".local/share/jupyter/kernels/python3/kernel.json", spec)
    put(person / ".ipython/profile_default/startup/start.py", "not python")
    server = start_server(environment={"HOME": str(person)})
    assert server.signed_in().open_page().printed["python"] == sys.executable


async def test_idle_kernels_end_and_dead_ones_stay_dead(tmp_path: Path):
    app = application(
        home=tmp_path, doors=nobody(), notebook=tmp_path / "x", port=0, kernel_environment={}
    )
    app.listen()
    try:
        assert 0 < app.kernel_manager.cull_idle_timeout <= 3600
        assert app.kernel_manager.cull_connected is False
        kernel_id = app.kernel_manager.reserve("session", "user")
        await app.kernel_manager.start_reserved(kernel_id, os.environ)
        assert app.kernel_manager.get_kernel(kernel_id)._restarter.restart_limit == 0
    finally:
        await app.close()


async def test_a_kernel_that_no_page_ever_reached_ends_sooner(tmp_path: Path):
    app = application(
        home=tmp_path, doors=nobody(), notebook=tmp_path / "x", port=0, kernel_environment={}
    )
    app.listen()
    kernels, socket = app.kernel_manager, object()
    try:
        reached, lost = [kernels.reserve("session", "user") for _ in range(2)]
        for kernel_id in (reached, lost):
            await kernels.start_reserved(kernel_id, os.environ)
        kernels.socket_opened(reached, socket)
        kernels.socket_closed(reached, socket)
        await kernels.cull_kernels()
        assert lost in kernels, "its page may still come"
        assert 60 <= kernels.cull_unreached_timeout < kernels.cull_idle_timeout
        kernels.cull_unreached_timeout = 0
        await kernels.cull_kernels()
        assert lost not in kernels
        assert reached in kernels
        assert not kernels.owns("session", lost), "its place is free again"
    finally:
        await app.close()


def put(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def ask_for_page(visitor) -> socket.socket:
    """Ask for the dashboard and leave the answer to be read."""
    connection = socket.create_connection(("127.0.0.1", visitor.port))
    request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {visitor.cookie_header}\r\n\r\n"
    connection.sendall(request.encode())
    return connection


def start_kernel(base: str, token: str) -> str:
    request = urllib.request.Request(
        f"{base}/api/kernels",
        data=b"{}",
        headers={"Authorization": f"token {token}"},
        method="POST",
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["id"]
