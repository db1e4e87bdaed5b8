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

from workbench.errors import BadSettings
from workbench.server.lab import serve_lab
from workbench.server.run import serve

LAB = """
import sys
from pathlib import Path
from workbench.server.lab import serve_lab

sys.exit(serve_lab(
    home=Path(sys.argv[1]), root_dir=Path(sys.argv[1]), port=0,
    kernel_environment={"WORKBENCH_GIVEN": "x"}, on_ready=lambda url: print(url, flush=True),
))
"""


@pytest.fixture
def taken():
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_in_use_is_named_with_the_way_out(taken: int, tmp_path: Path):
    with pytest.raises(BadSettings, match=rf"Port {taken} cannot be used: .*in use.*--port"):
        serve(
            home=tmp_path,
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
