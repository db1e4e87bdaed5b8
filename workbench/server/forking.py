"""The server's side of the zygote: it is started, asked for kernels, and started again.

`ForkingProvisioner` is what jupyter_client starts, signals and watches a page's kernel through.
Where nothing can be forked, each kernel is started as a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Instance

from workbench.server import zygote

_FORK_SECONDS = 30.0  # on a busy machine, while the zygote still imports
_GONE_SECONDS = 1.0  # from the end of a kernel's line to the end of its process
_TRIES = 3  # to start a zygote that ends before it is ready
_KILLED = -9


class CannotFork(Exception):
    """There is no zygote to fork a kernel from."""


class ForkedKernel:
    """A kernel that is the zygote's child: what `subprocess.Popen` is to a child of our own."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self._line = line
        self._hung_up = select.poll()
        self._hung_up.register(line, 0)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return a status if the kernel has ended; which one, only the zygote could tell."""
        if self.returncode is None and self._hung_up.poll(0):
            self.returncode = _KILLED
            self._line.close()
            with contextlib.suppress(OSError):  # what it started, and it, if it only hung up
                os.killpg(self.pid, signal.SIGKILL)
        return self.returncode

    def wait(self) -> int:
        """Wait until the process, whose line has ended, is gone."""
        end = time.monotonic() + _GONE_SECONDS
        while _runs(self.pid) and time.monotonic() < end:
            time.sleep(0.001)
        return _KILLED

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the kernel has ended: its number may be another's by now."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the kernel at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self.send_signal(signal.SIGTERM)


def _runs(pid: int) -> bool:
    try:
        about = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return about.rpartition(")")[2].split()[0] != "Z"  # a zombie waits for its parent alone


class Zygote:
    """The process that kernels are forked from, for as long as the server runs.

    Parameters
    ----------
    modules
        What it imports besides what every kernel needs.
    environment
        Its variables; nothing secret.
    """

    def __init__(
        self, modules: Sequence[str], environment: Mapping[str, str], folder: Path, log: Any
    ) -> None:
        self._modules, self._environment, self._folder = modules, environment, folder
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._tries = 0

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it, and again whenever it ends; where that cannot be, say so once."""
        if sys.platform != "linux":
            self._give_up("that is done on Linux only")
            return
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", zygote.__name__, str(theirs.fileno())]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*command, *self._modules],
                    env=dict(self._environment),
                    cwd=self._folder,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is for the server, which then ends it
                )
            except OSError as failure:
                ours.close()
                self._give_up(os.strerror(failure.errno or 0).lower())
                return
        self._tries += 1
        ours.setblocking(False)
        self._control = ours
        asyncio.get_running_loop().add_reader(ours, self._hear)

    def _hear(self) -> None:
        """Note that the zygote is ready, or that it has ended."""
        assert self._control is not None
        try:
            said = self._control.recv(len(zygote.READY))
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if said:
            self._tries = 0
            return
        self.close()
        if self._tries < _TRIES:
            self._log.warning("The process that kernels are forked from ended; it starts again.")
            self.start()
        else:
            self._give_up("the process to fork them from ends as it starts")

    def _give_up(self, why: str) -> None:
        self._log.warning("Kernels are not forked: %s. Opening a page takes longer.", why)

    async def kernel(self, given: Mapping[str, Any]) -> ForkedKernel:
        """Return a fresh kernel, told who it is.

        Raises
        ------
        CannotFork
            There is nothing to fork it from.
        """
        for _ in range(_TRIES):
            if self._control is None or self._process is None:
                break
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    socket.send_fds(self._control, [zygote.FORK], [theirs.fileno()])
                async with asyncio.timeout(_FORK_SECONDS):
                    return await _introduced(ours, given)
            except TimeoutError:
                ours.close()
                self._process.kill()  # it hangs; that it ended is heard, and it starts again
                break
            except OSError:
                ours.close()
                if self._control is not None:
                    self._hear()  # it may have ended this very moment
            except BaseException:
                ours.close()
                raise
        raise CannotFork

    def close(self) -> None:
        """End it; kernels live on."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


async def _introduced(line: socket.socket, given: Mapping[str, Any]) -> ForkedKernel:
    """Tell a forked process which kernel it is, once it has said its number."""
    loop = asyncio.get_running_loop()
    line.setblocking(False)
    said = b""
    while not said.endswith(b"\n"):
        part = await loop.sock_recv(line, 32)
        if not part:
            raise BrokenPipeError
        said += part
    await loop.sock_sendall(line, json.dumps(given).encode() + b"\n")
    return ForkedKernel(int(said), line)


class ForkingProvisioner(LocalProvisioner):
    """Starts a kernel by forking it from the zygote, or as usual where there is none."""

    zygote = Instance(Zygote)
    # What jupyter_client declares by its value None.
    process: Any = None
    pid: Any = None
    pgid: Any = None
    cwd: Any = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel of a command."""
        given = {
            "environment": kwargs["env"],
            "folder": str(kwargs["cwd"]),
            "arguments": cmd[cmd.index("-f") :],
        }
        try:
            self.process = await self.zygote.kernel(given)
        except CannotFork:
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs["cwd"]
        return self.connection_info
