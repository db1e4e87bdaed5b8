"""Kernels of pages: which Python runs them, what they inherit, whose they are, how many."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager
from jupyter_server.services.kernels.kernelmanager import (
    AsyncMappingKernelManager,
    ServerKernelManager,
)
from jupyter_server.utils import ApiPath
from tornado.websocket import WebSocketHandler
from traitlets import Instance, Integer

from workbench.server.forking import ForkingProvisioner, Zygote
from workbench.server.journal import Journal

# Our own WebSocket close codes.
SESSION_ENDED_CODE = 4401  # the page says "signed out"
INCOMPLETE_CODE = 4410  # the page missed more than is kept for it

_INHERITED = {
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
    *("VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"),
}

_ARGUMENTS = [
    "--HistoryManager.enabled=False",  # nobody calls up what a page's notebook ran
    "--IPKernelApp.capture_fd_output=False",
]
_CLIENTS_OF_A_KERNEL = 4  # a page has one kernel and is its only client


class TooManyPages(Exception):
    """No further page may be opened; the message says so to the person."""


class ThisPython(KernelSpecManager):
    """Kernel specifications in which `python3` is the Python that runs this server.

    A `python3` in the user's data folder would otherwise come first, whatever Python it names.
    """

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the specification of a kernel by name."""
        if kernel_name != NATIVE_KERNEL_NAME:
            return super().get_kernel_spec(kernel_name)
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="Python 3 (Workbench)",
            language="python",
            metadata={"debugger": True},
        )


def inherited_environment(
    given: Mapping[str, str], home: Path, source: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment of a kernel: an allow-list of the server's own, and what is given.

    The server's environment may hold what no notebook should see, such as the owner's database
    URL. IPython's own folder is ours too: start-up files of the user would run in every page.
    """
    ours = os.environ if source is None else source
    kept = {
        name: value for name, value in ours.items() if name in _INHERITED or name.startswith("LC_")
    }
    return {**kept, "IPYTHONDIR": str(home / "ipython"), **given}


@dataclass(frozen=True)
class Owner:
    """Whose a kernel is."""

    session: str
    user: str


class PageKernel(ServerKernelManager):
    """The kernel of one page: forked, where that can be."""

    parent: PageKernels

    async def _async_pre_start_kernel(self, **kw: Any) -> tuple[list[str], dict[str, Any]]:
        if self.provisioner is None:
            self.provisioner = ForkingProvisioner(
                kernel_id=kw["kernel_id"],
                kernel_spec=self.kernel_spec,
                zygote=self.parent.zygote,
                parent=self,
            )
        return await super()._async_pre_start_kernel(**kw)


class PageKernels(AsyncMappingKernelManager):
    """One kernel for each open page; it belongs to the session that opened the page."""

    max_kernels = Integer(240, config=True, help="Open pages, of everybody.")
    max_kernels_per_user = Integer(12, config=True, help="Open pages of one user.")
    cull_unreached_timeout = Integer(
        120, config=True, help="Seconds after which an idle kernel ends that no page ever reached."
    )

    zygote = Instance(Zygote)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_manager_class = f"{__name__}.{PageKernel.__name__}"
        self.on_removed: Callable[[str], None] = lambda kernel_id: None
        self.on_connected: Callable[[str], None] = lambda kernel_id: None
        self._owners: dict[str, Owner] = {}
        self._sockets: dict[str, set[WebSocketHandler]] = {}
        self._journals: dict[str, dict[str, Journal]] = {}
        self._reached: set[str] = set()
        self._shown: dict[str, asyncio.Event] = {}

    def reserve(self, session: str, user: str) -> str:
        """Take one of the places for kernels and return the id its kernel will have."""
        mine = sum(owner.user == user for owner in self._owners.values())
        if mine >= self.max_kernels_per_user:
            raise TooManyPages(
                f"You have {mine} pages open, which is as many as there may be. "
                "Close one and reload this one."
            )
        if len(self._owners) >= self.max_kernels:
            raise TooManyPages("The server has no room for another page. Try again in a while.")
        kernel_id = str(uuid.uuid4())
        self._owners[kernel_id] = Owner(session, user)
        self._shown[kernel_id] = asyncio.Event()
        return kernel_id

    def give_back(self, kernel_id: str) -> None:
        """Give a place back whose kernel never started."""
        self.is_shown(kernel_id)
        if kernel_id not in self and self._owners.pop(kernel_id, None) is not None:
            self.on_removed(kernel_id)

    async def start_reserved(self, kernel_id: str, environment: Mapping[str, str]) -> None:
        """Start the kernel of a reserved place."""
        await self.start_kernel(
            kernel_id=kernel_id,
            kernel_name=NATIVE_KERNEL_NAME,
            path=ApiPath(""),  # its working directory is the manager's root: our home
            env=dict(environment),
            extra_arguments=_ARGUMENTS,
        )

    def is_shown(self, kernel_id: str) -> None:
        """Note that all is sent that there is of a page."""
        if kernel_id in self._shown:
            self._shown.pop(kernel_id).set()

    async def until_shown(self, kernel_id: str) -> None:
        """Wait until the notebook of a page has run: its widgets are all there to be asked for.

        A page that listens earlier is told of every widget twice, and of some it is told only
        that they hold others which it never heard of.
        """
        if kernel_id in self._shown:
            await self._shown[kernel_id].wait()

    def owns(self, session: str, kernel_id: str) -> bool:
        """Tell whether a kernel is there and belongs to a session."""
        owner = self._owners.get(kernel_id)
        return kernel_id in self and owner is not None and owner.session == session

    @property
    def sessions(self) -> set[str]:
        """The sessions that have pages open."""
        return {owner.session for owner in self._owners.values()}

    def remove_kernel(self, kernel_id: str) -> Any:
        """Forget a kernel that ended, however it ended."""
        self._owners.pop(kernel_id, None)
        self._journals.pop(kernel_id, None)
        self._reached.discard(kernel_id)
        self.on_removed(kernel_id)
        return super().remove_kernel(kernel_id)

    def journal(self, kernel_id: str, client: str) -> Journal:
        """Return what a kernel and one of its clients, a page, said of late."""
        journals = self._journals.setdefault(kernel_id, {})
        if client not in journals and len(journals) >= _CLIENTS_OF_A_KERNEL:
            raise TooManyPages("This kernel is that of another page.")
        return journals.setdefault(client, Journal())

    def socket_opened(self, kernel_id: str, socket: WebSocketHandler) -> list[WebSocketHandler]:
        """Remember an open socket, to close it when its session ends; return the earlier ones."""
        sockets = self._sockets.setdefault(kernel_id, set())
        earlier = list(sockets)
        sockets.add(socket)
        self._reached.add(kernel_id)
        self.on_connected(kernel_id)
        return earlier

    def is_connected(self, kernel_id: str) -> bool:
        """Tell whether a browser is connected to a kernel."""
        return kernel_id in self._sockets

    def socket_closed(self, kernel_id: str, socket: WebSocketHandler) -> None:
        """Forget a socket."""
        sockets = self._sockets.get(kernel_id, set())
        sockets.discard(socket)
        if not sockets:
            self._sockets.pop(kernel_id, None)

    def start_watching_activity(self, kernel_id: str) -> None:
        """Listen to whether a kernel is busy, and not to all that it tells its widgets."""
        super().start_watching_activity(kernel_id)
        socket = self._kernels[kernel_id]._activity_stream.socket
        socket.setsockopt(zmq.SUBSCRIBE, b"kernel.")
        socket.setsockopt(zmq.UNSUBSCRIBE, b"")

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        """End a kernel that nobody uses; sooner if its page never came as far as to connect."""
        kernel = self._kernels[kernel_id]
        seconds = (datetime.now(UTC) - kernel.last_activity).total_seconds()
        idle = kernel.execution_state != "busy" and seconds > self.cull_unreached_timeout
        if idle and kernel_id not in self._reached:
            self.log.info("A page never connected; its kernel ends.")
            await self.end(kernel_id)
        else:
            await super().cull_kernel_if_idle(kernel_id)

    async def end(self, kernel_id: str) -> None:
        """End a kernel, letting it close what it holds open; one that is gone is no error."""
        if kernel_id in self:
            await self.shutdown_kernel(kernel_id)

    async def end_session(self, session: str) -> None:
        """End all kernels of a session and close their sockets."""
        mine = [kernel_id for kernel_id, owner in self._owners.items() if owner.session == session]
        for kernel_id in mine:
            for socket in list(self._sockets.get(kernel_id, ())):
                socket.close(SESSION_ENDED_CODE, "session ended")
        await asyncio.gather(*(self.end(kernel_id) for kernel_id in mine))
