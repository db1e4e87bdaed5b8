"""A process of its own that starts the embedded server and stops it after its last user.

It runs as ``python -I -S embedded_reaper.py PLAN`` and therefore imports nothing but the standard
library: it starts in 20 ms and outlives the virtual environment. PLAN is a JSON object:

* ``folder``   of the embedded server, where the locks and ``server.log`` are
* ``data``     the data directory
* ``socket``   the path of the server's socket
* ``command``  the server's command line, or null if it runs already
* ``options``  as whom to run it, for `subprocess`
* ``environment``  of the server
* ``grace_seconds``  how long to wait for a new user after the last one

The first process starts the server, prints its process id and exits; what stays is a child of init
without terminal, pipe or working folder of whoever started it. It sleeps in the kernel until every
lock on ``clients.lock`` is gone; the kernel drops those of a killed process, too.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import fcntl

_STOP_SECONDS = 120  # for the last checkpoint; then the server is ended hard and recovers later
_START_SECONDS = 10  # until a server that is being started listens
_CONNECT_SECONDS = 5


def listening_process(path: Path) -> int | None:
    """Return the id of the process that listens on the socket `path`, None if there is none.

    The kernel says who it is, so a stale pid file cannot lead to a stranger. 0: a process
    that this one cannot see, such as one in another container.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_CONNECT_SECONDS)
        try:
            connection.connect(os.fspath(path))
            if sys.platform == "darwin":
                return connection.getsockopt(0, 2)  # SOL_LOCAL, LOCAL_PEERPID
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4)
        except OSError:
            return None
    return int.from_bytes(credentials, sys.byteorder)


def stop(pid: int, data: Path) -> None:
    """Stop the server `pid`: sessions end, what was committed is on the disk."""
    for signal_number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 10)):
        end = time.monotonic() + seconds
        try:
            os.kill(pid, signal_number)
            while (data / "postmaster.pid").exists() and time.monotonic() < end:
                os.kill(pid, 0)
                time.sleep(0.02)
        except ProcessLookupError:
            return
        if not (data / "postmaster.pid").exists():
            return


def _stop_after_the_last_user(plan: dict[str, Any]) -> None:
    folder, data = Path(plan["folder"]), Path(plan["data"])
    with open(folder / "clients.lock", "r+") as clients, open(folder / "start.lock", "r+") as start:
        while True:
            fcntl.flock(clients, fcntl.LOCK_EX)
            fcntl.flock(clients, fcntl.LOCK_UN)
            time.sleep(plan["grace_seconds"])
            fcntl.flock(start, fcntl.LOCK_EX)
            try:
                fcntl.flock(clients, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                fcntl.flock(start, fcntl.LOCK_UN)
        # Both locks are held until this process is gone: whoever comes now waits and starts anew.
        pid = _started_process(Path(plan["socket"]), data)
        if pid:
            stop(pid, data)


def _started_process(path: Path, data: Path) -> int | None:
    """Return the server's process id; one that was started a moment ago may not listen yet."""
    end = time.monotonic() + _START_SECONDS
    while (pid := listening_process(path)) is None and time.monotonic() < end:
        try:
            os.kill(int((data / "postmaster.pid").read_text().split("\n")[0]), 0)
        except (OSError, ValueError):
            return None
        time.sleep(0.05)
    return pid


def _start_server(plan: dict[str, Any]) -> int:
    log = os.open(Path(plan["folder"]) / "server.log", os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    server = subprocess.Popen(
        plan["command"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env=plan["environment"],
        start_new_session=True,
        **plan["options"],
    )
    os.close(log)
    return server.pid


def main() -> None:
    """Start the server if the plan says so, and stay as its reaper unless there is one."""
    plan = json.loads(sys.argv[1])
    if plan["command"]:
        sys.stdout.write(f"{_start_server(plan)}\n")
        sys.stdout.flush()
    lock = os.open(Path(plan["folder"]) / "reaper.lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        # Before the fork, so that the lock is held as soon as the starter hears from us.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if os.fork():
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    _stop_after_the_last_user(plan)


if __name__ == "__main__":
    main()
