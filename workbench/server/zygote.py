"""The process that pages' kernels are forked from: it has imported everything and knows nothing.

The server starts one and speaks to it over a socket that nobody else can open. For each kernel it
sends one end of a line, another such socket. The zygote hands the line to a child of its own and
forgets it. The child tells its process id on it and waits; the server answers with who the kernel
is: environment with the database login, folder, connection file. So no login is ever in this
process, whose memory every later child begins with.

The line stays open for as long as both live. The server sees a kernel's end as the line's end,
and the kernel the server's.

What separates kernels is what separates processes of one account of the machine: memory and
environment are copies from the fork on. No kernel can see another's through what it was given;
an account's processes may still look into each other where the system lets them (`ptrace`), as
they may without a zygote. Kernels share where libraries lie in memory and how strings are hashed.
No page can run code: it may send what widgets need, see `sockets`.

Only for Linux: elsewhere the libraries of the system do not all survive a fork.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
import traceback
from threading import Thread
from typing import Any, cast

READY = b"r"
"""Said by the zygote once, when everything is imported."""
FORK = b"f"
"""Asks the zygote for a kernel; the line comes along."""

_EVERY_KERNEL = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.heartbeat",
    "ipywidgets",
    # What those import as late as a kernel begins.
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "ipykernel.debugger",
    "tornado.platform.asyncio",
    "tornado.queues",
    "faulthandler",
)
_NO_DEBUGGER = ("debugpy",)  # nobody may debug a page
_NAME = "workbench-page"  # at most 15 bytes, for `ps` and `top`


def main(control: int, modules: list[str]) -> None:
    """Import, then fork a kernel for each line that comes, until the server hangs up."""
    gc.disable()
    for name in _NO_DEBUGGER:
        sys.modules[name] = cast(Any, None)
    for name in (*_EVERY_KERNEL, *modules):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a collection in a kernel would write to, and so copy, all that is shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets children that end
    with socket.socket(fileno=control) as server:
        try:
            server.sendall(READY)
        except OSError:  # it has ended meanwhile
            return
        while (line := _next_line(server)) is not None:
            with line:
                try:
                    child = os.fork()
                except OSError:  # no room for another process: the server sees the line end
                    continue
                if child == 0:
                    server.close()
                    _be_kernel(line)


def _next_line(server: socket.socket) -> socket.socket | None:
    said, lines, _, _ = socket.recv_fds(server, len(FORK), 1)
    return socket.socket(fileno=lines[0]) if said and lines else None


def _be_kernel(line: socket.socket) -> None:
    """Become the kernel that the server describes; never returns."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        line.sendall(b"%d\n" % os.getpid())
        with line.makefile("rb") as told:
            given = json.loads(told.readline() or "null")
        if given is not None:
            _run(given, line)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)


def _run(given: dict[str, Any], line: socket.socket) -> None:
    os.environ.clear()
    os.environ.update(given["environment"])
    os.chdir(given["folder"])
    tempfile.tempdir = None  # the zygote's, if something asked for it as it was imported
    with open("/proc/self/comm", "w") as name:
        name.write(_NAME)
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    # A child of the kernel's own must not keep the line open when the kernel has ended.
    os.register_at_fork(after_in_child=line.close)
    Thread(target=_end_with, args=(line,), name="server", daemon=True).start()
    gc.enable()

    from ipykernel.kernelapp import IPKernelApp

    sys.argv = ["ipykernel_launcher", *given["arguments"]]
    # Not 0: it would greet whoever started it by hand. Not ours: `_end_with` looks after that.
    app = IPKernelApp.instance(parent_handle=1)
    app.initialize(given["arguments"])
    sys.modules[
        "ipywidgets"
    ].register_comm_target()  # which ipywidgets does by itself if it is imported in a kernel
    app.start()


def _end_with(line: socket.socket) -> None:
    """End this process when the server has ended: it says nothing more on the line."""
    try:
        while line.recv(1):
            pass
    except OSError:
        pass
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
