"""The dashboard page: runs the notebook in a kernel of its own and sends what it shows.

Voilà's own page handler is not used. It walks nbconvert and every installed lab extension for
each request, sends nothing before the kernel has started, and hangs when the kernel dies.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
import traceback
from functools import lru_cache
from pathlib import Path
from queue import Empty
from typing import Any
from urllib.parse import quote

import nbformat
from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import allow_unauthenticated
from nbclient.exceptions import CellExecutionComplete, CellExecutionError, DeadKernelError
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError
from voila.execute import VoilaExecutor

from workbench import errors
from workbench.server.identity import without_token
from workbench.server.kernels import TooManyPages
from workbench.server.pages import PersonHandler
from workbench.server.sign_in import redeem, sign_in_url

_START_SECONDS = 60
_COLOUR_CODES = re.compile(r"\x1b\[[0-9;]*m")
_OUR_ERRORS = frozenset(errors.__all__) | {"WorkbenchError"}


class PageExecutor(VoilaExecutor):
    """Runs the cells of a page."""

    async def async_start_new_kernel_client(self) -> Any:
        """Connect to the kernel as soon as it answers.

        jupyter_client's `wait_for_ready` always waits another 0.2 s for silence on iopub.
        ipykernel 7 greets every new iopub subscriber, so waiting for one message is enough.
        """
        client = self.kc = self.km.client()
        # The process tells whether it lives. A heartbeat would take a thread, and one that is
        # stopped before it has begun opens sockets until there are no more (jupyter_client 8.10).
        client.start_channels(hb=False)
        async with asyncio.timeout(_START_SECONDS):
            client.kernel_info()
            await self._first(client.get_shell_msg)
            while not await self._soon(client.get_iopub_msg, 0.05):
                # A subscription that arrives too early gets no greeting: make the kernel speak.
                client.kernel_info()
        client.allow_stdin = False
        return client

    async def _async_poll_output_msg(self, parent_msg_id: str, cell: Any, cell_index: int) -> None:
        """Take up what a cell says; most is about widgets, for which the page asks by itself."""
        channel = self.kc.iopub_channel
        while True:
            received = await channel.socket.recv_multipart()
            _, parts = channel.session.feed_identities(received)
            if self._is_widgets_own(parts[1], parts[4]):
                continue
            message = channel.session.deserialize(parts)
            if message["parent_header"].get("msg_id") != parent_msg_id:
                continue
            try:
                self.process_message(message, cell, cell_index)
            except CellExecutionComplete:
                return

    def _is_widgets_own(self, header: bytes, content: bytes) -> bool:
        """Tell whether a message is of a widget that takes no outputs away from the cell."""
        kind = json.loads(header)["msg_type"]
        if kind == "comm_open":
            return b"OutputModel" not in content
        return kind.startswith("comm_") and not self.comm_objects

    async def _first(self, receive: Any) -> None:
        while not await self._soon(receive, 1.0):
            if not await ensure_async(self.km.is_alive()):
                raise DeadKernelError("The kernel ended while it started.")

    @staticmethod
    async def _soon(receive: Any, seconds: float) -> bool:
        try:
            await receive(timeout=seconds)
        except Empty:
            return False
        return True


@lru_cache(maxsize=4)
def _parsed(path: Path, modified_ns: int) -> Any:
    return nbformat.read(path, as_version=4)


def read_notebook(path: Path) -> Any:
    """Return a fresh copy of a notebook, parsed once for each time it changes."""
    return copy.deepcopy(_parsed(path, path.stat().st_mtime_ns))


class DashboardHandler(PersonHandler):
    """Answers the dashboard's one page."""

    scripts = "'self' blob:"  # the front end of a widget comes as text
    _kernel_id: str | None = None

    @allow_unauthenticated
    async def get(self) -> None:
        self.require_shown()
        token = self.get_query_argument("token", None)
        if token is not None:
            await self.enter(token)
        elif self.current_user is None:
            self.redirect(sign_in_url(self.base_url, self.request.uri))
        elif self.person.provider != "link" and not self.person.named:
            self.redirect(f"{self.base_url}account/welcome?next={quote(self.request.uri, safe='')}")
        else:
            await self.show()

    def require_shown(self) -> None:
        """Refuse what is no page that somebody looks at: it would start a kernel, or use a link."""
        told = self.request.headers
        if told.get("Sec-Fetch-Dest", "document") != "document" or "Sec-Purpose" in told:
            raise HTTPError(403)

    async def enter(self, token: str) -> None:
        """Use the token of a link, and drop it from the address."""
        try:
            good = await redeem(self, token)
        except errors.SignInRefused as refused:
            self.show_message("Wait a while", str(refused), 429)
            return
        if good or self.current_user is not None:
            query = without_token(self.request.query)
            self.redirect(self.request.path + (f"?{query}" if query else ""))
        else:
            self.redirect(f"{self.base_url}sign-in?link=used")

    async def show(self) -> None:
        """Send the page in pieces: its frame at once, then what the notebook's cells show."""
        try:
            kernel_id = self.kernels.reserve(self.current_user.session, str(self.person.userid))
        except TooManyPages as refused:
            self.show_message("Too many pages", str(refused), 503)
            return
        app = self.settings["workbench"]
        self._kernel_id = kernel_id
        try:
            await self.send(
                "page_start.html", config=app.page_config, title=app.title, scripts=app.scripts
            )
            await self.run(kernel_id, app.notebook_path)
            self.kernels.is_shown(kernel_id)
            await self.send("page_end.html")
        except StreamClosedError:
            await self.kernels.end(kernel_id)
        finally:
            self.kernels.give_back(kernel_id)

    async def run(self, kernel_id: str, notebook: str) -> None:
        """Run the notebook, sending outputs as they come; a failure becomes a part of the page."""
        app = self.settings["workbench"]
        try:
            cells = read_notebook(Path(notebook))
            url = await app.logins.issue(kernel_id, self.person)
            live = app.live.environment(kernel_id, self.person.userid)
            await self.kernels.start_reserved(
                kernel_id,
                app.kernel_environment_of(self.request, url, app.scratch.of(kernel_id), live),
            )
            executor = PageExecutor(cells, km=self.kernels.get_kernel(kernel_id))
            await executor.async_start_new_kernel_client()
            await self.send("page_kernel.html", kernel_id=kernel_id)
            try:
                for index, cell in enumerate(cells.cells):
                    await self.run_cell(executor, cell, index)
            finally:
                await ensure_async(executor.kc.stop_channels())
        except CellExecutionError as failure:
            await self.send_failure(failure.ename, failure.evalue, failure.traceback)
        except StreamClosedError:
            raise
        except errors.WorkbenchError as failure:  # no login to be had
            await self.send_failure(type(failure).__name__, str(failure), "")
        except Exception as failure:
            # The page has begun, so there is no error page any more: whatever it was, say so.
            await self.send_failure(type(failure).__name__, str(failure), traceback.format_exc())

    async def run_cell(self, executor: PageExecutor, cell: Any, index: int) -> None:
        """Run one cell and send its outputs."""
        if cell.cell_type != "code":
            return
        cell.outputs = []
        await executor.async_execute_cell(cell, index, store_history=False)
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                self.log.warning("The dashboard's notebook says: %s", output.text.rstrip())
            else:
                await self.send("page_output.html", output=output)

    async def send_failure(self, name: str, message: str, details: str) -> None:
        """Send a card that says what went wrong; details only to those who may see them."""
        details = _COLOUR_CODES.sub("", details)
        self.log.error("The dashboard's notebook stopped: %s", details)
        await self.send(
            "page_failure.html",
            sentence=message if name in _OUR_ERRORS else "",
            details=details if self.current_user.sees_tracebacks else "",
        )

    async def send(self, template: str, **values: Any) -> None:
        """Send one piece of the page."""
        self.write(self.rendered(template, **values))
        await self.flush()

    def on_connection_close(self) -> None:
        """End the kernel of a page that was closed before it was complete."""
        super().on_connection_close()
        if self._kernel_id is not None:
            self.settings["workbench"].in_background(self.kernels.end(self._kernel_id))


class PageKernelHandler(PersonHandler):
    """What an open page asks about its own kernel: does it live, and end it."""

    async def get(self, kernel_id: str) -> None:
        """Tell a page that lost its socket whether connecting again makes sense."""
        self.own(kernel_id)
        self.set_status(204)

    async def post(self, kernel_id: str) -> None:
        """End the kernel of a page that is being closed."""
        self.own(kernel_id)
        await self.kernels.end(kernel_id)
        self.set_status(204)

    def own(self, kernel_id: str) -> None:
        if not self.kernels.owns(self.current_user.session, kernel_id):
            raise HTTPError(404)
