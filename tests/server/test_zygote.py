"""Kernels that are forked from a process which has imported everything."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from workbench.auth.doors import Doors
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.server import forking
from workbench.server.app import WorkbenchVoila, application
from workbench.server.dashboard import PageExecutor

SECONDS = 30
LOGIN = "postgresql://workbench_login_1:the-password-of-{}@host/workbench"


class Kernels:
    """The kernels of an application that nobody signs in to."""

    def __init__(self, app: WorkbenchVoila) -> None:
        self.all = app.kernel_manager
        self.zygote = app.kernel_manager.zygote

    async def start(self, user: str = "ann", **environment: str) -> Kernel:
        kernel_id = self.all.reserve("session", user)
        await self.all.start_reserved(kernel_id, {**os.environ, **environment})
        return Kernel(self.all.get_kernel(kernel_id))


class Kernel:
    """A kernel that is told what to do."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager
        self.process = psutil.Process(manager.provisioner.pid)
        self.client = manager.client()
        self.client.start_channels(hb=False)  # for the reason that `PageExecutor` gives
        self.told = ""

    async def run(self, code: str) -> str:
        """Run code, and return what it prints or the error that it ends with."""
        self.told = ""
        await self.client.wait_for_ready(timeout=SECONDS)
        await self.client.execute_interactive(code, output_hook=self._note, timeout=SECONDS)
        return self.told

    def _note(self, message: dict[str, Any]) -> None:
        content = message["content"]
        self.told += content.get("text", "") or content.get("ename", "")

    async def ended(self) -> None:
        await until(lambda: self.manager.provisioner.process.poll() is not None)
        assert not await self.manager.is_alive()

    def close(self) -> None:
        self.client.stop_channels()


async def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.01)


def nobody() -> Doors:
    return Doors(Database(Address.parse("postgresql://nowhere/none")), local_user=None)


async def running(home: Path, preload: list[str]) -> AsyncIterator[Kernels]:
    app = application(
        home=home,
        doors=nobody(),
        notebook=home / "x",
        port=0,
        kernel_environment={},
        preload=preload,
    )
    app.listen()
    app.kernel_manager.on_removed = lambda kernel_id: None  # there is no database
    try:
        yield Kernels(app)
    finally:
        await app.close()


@pytest.fixture(scope="module")
async def kernels(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kernels]:
    async for one in running(tmp_path_factory.mktemp("home"), ["colorsys", "numpy"]):
        yield one


@pytest.fixture
async def start(kernels: Kernels) -> AsyncIterator[Callable[..., Any]]:
    """Start kernels that end with the test."""
    started: list[Kernel] = []

    async def one(**options: str) -> Kernel:
        started.append(await kernels.start(**options))
        return started[-1]

    yield one
    for kernel in started:
        kernel.close()
        await kernels.all.end(kernel.manager.kernel_id)


async def test_a_kernel_is_a_child_of_the_zygote_in_a_session_of_its_own(kernels, start):
    kernel = await start()
    assert kernel.process.ppid() == kernels.zygote.pid
    assert os.getsid(kernel.process.pid) == kernel.process.pid
    assert await kernel.run("import sys; print('colorsys' in sys.modules)") == "True\n"


async def test_the_zygote_has_one_thread_and_no_connection_but_ours(kernels, start):
    await start()
    zygote = psutil.Process(kernels.zygote.pid)
    assert zygote.num_threads() == 1
    assert zygote.net_connections("inet") == []
    assert len(zygote.net_connections("unix")) == 1


async def test_who_a_kernel_is_comes_with_the_fork_and_reaches_no_other(kernels, start):
    ann = await start(user="ann", WORKBENCH_DATABASE_URL=LOGIN.format("ann"))
    bob = await start(user="bob", WORKBENCH_DATABASE_URL=LOGIN.format("bob"))
    for kernel, own, other in ((ann, "ann", "bob"), (bob, "bob", "ann")):
        shown = await kernel.run("import os; print(os.environ['WORKBENCH_DATABASE_URL'])")
        assert shown == LOGIN.format(own) + "\n"
        assert holds(kernel.process.pid, f"the-password-of-{own}"), "the search finds what is there"
        assert not holds(kernel.process.pid, f"the-password-of-{other}")
        assert "the-password-of" not in str((kernel.process.environ(), kernel.process.cmdline()))
    zygote = psutil.Process(kernels.zygote.pid)
    assert not holds(zygote.pid, "the-password-of")
    assert not {name for name in zygote.environ() if name.startswith("WORKBENCH")}


def holds(pid: int, word: str) -> bool:
    """Tell whether a word is anywhere in the memory that a process may write to."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found:
                first, end = (int(number, 16) for number in found.groups())
                memory.seek(first)
                if word.encode() in memory.read(end - first):
                    return True
    return False


async def test_no_two_kernels_draw_the_same_random_numbers(start):
    code = "import random, uuid, numpy; print(random.random(), numpy.random.rand(), uuid.uuid4())"
    first, second = [(await (await start()).run(code)).split() for _ in range(2)]
    assert len(first) == 3
    assert not set(first) & set(second)


async def test_a_kernel_is_interrupted(start):
    kernel = await start()
    running = asyncio.ensure_future(kernel.run("import time\nprint('begun')\ntime.sleep(600)"))
    await until(lambda: "begun" in kernel.told)
    await kernel.manager.interrupt_kernel()
    assert "KeyboardInterrupt" in await running


async def test_a_kernel_that_starts_again_is_another_process(kernels, start):
    kernel = await start()
    assert await kernel.run("x = 1; print(x)") == "1\n"
    await kernel.manager.restart_kernel()
    again = psutil.Process(kernel.manager.provisioner.pid)
    assert again.pid != kernel.process.pid
    assert again.ppid() == kernels.zygote.pid
    assert not kernel.process.is_running()
    assert await kernel.run("x") == "NameError"


async def test_a_kernel_that_is_shut_down_is_gone(kernels, start):
    kernel = await start()
    await kernels.all.end(kernel.manager.kernel_id)
    assert not kernel.process.is_running()


async def test_a_kernel_that_is_killed_is_noticed(kernels, start):
    kernel = await start()
    assert await kernel.manager.is_alive()
    kernel.process.kill()
    await kernel.ended()
    await until(lambda: not kernel.process.is_running())  # the zygote leaves no zombies


async def test_a_kernel_that_a_child_of_its_own_survives_has_ended(kernels, start):
    kernel = await start()
    code = "import os\nif not os.fork(): os.execvp('sleep', ['sleep', '600'])"
    await kernel.run(code)
    (child,) = kernel.process.children()
    kernel.process.kill()
    await kernel.ended()
    await until(lambda: not child.is_running())


async def test_a_kernel_without_a_line_to_the_server_ends(start):
    kernel = await start()
    await kernel.run("1")
    kernel.manager.provisioner.process._line.close()
    await until(lambda: not kernel.process.is_running())


async def test_a_zygote_that_is_killed_is_replaced_and_its_kernels_live(kernels, start):
    kernel = await start()
    killed = psutil.Process(kernels.zygote.pid)
    killed.kill()
    other = await start()
    assert other.process.ppid() == kernels.zygote.pid != killed.pid
    assert await kernel.run("print(1)") == "1\n"
    await kernels.all.end(kernel.manager.kernel_id)
    assert not is_there(kernel.process)


async def test_a_page_talks_to_its_kernel_without_a_heartbeat(start):
    kernel = await start()
    executor = PageExecutor(nbformat.v4.new_notebook(), km=kernel.manager)
    client = await executor.async_start_new_kernel_client()
    assert not client.hb_channel.is_alive()
    client.stop_channels()


def is_there(process: psutil.Process) -> bool:
    """Tell whether a process runs; one whose parent has ended may wait to be taken note of."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_zygote_that_hangs_is_replaced(kernels, start, monkeypatch):
    monkeypatch.setattr(forking, "_FORK_SECONDS", 0.1)
    hung = psutil.Process(kernels.zygote.pid)
    hung.suspend()
    kernel = await start()
    assert "ipykernel_launcher" in kernel.process.cmdline(), "a page does not wait for it"
    await until(lambda: kernels.zygote.pid not in (None, hung.pid))


async def test_where_nothing_can_be_forked_kernels_start_as_usual(tmp_path, capsys):
    async for kernels in running(tmp_path, ["no_such_module"]):
        for _ in range(2):
            kernel = await kernels.start(WORKBENCH_DATABASE_URL=LOGIN.format("ann"))
            assert kernel.process.ppid() == os.getpid()
            assert "the-password-of-ann" in await kernel.run("import os; print(os.environ)")
            kernel.close()
        assert kernels.zygote.pid is None
    told = [line for line in capsys.readouterr().err.splitlines() if "are not forked" in line]
    assert len(told) == 1
    assert told[0].endswith("Opening a page takes longer.")


async def test_elsewhere_than_on_linux_nothing_is_forked(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    async for kernels in running(tmp_path, []):
        assert kernels.zygote.pid is None
        with pytest.raises(forking.CannotFork):
            await kernels.zygote.kernel({})


class Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


async def test_only_whether_a_kernel_is_busy_counts_as_activity(kernels, start):
    kernel = await start()
    heard, log = Heard(), kernels.all.log
    log.addHandler(heard)
    log.setLevel(logging.DEBUG)
    try:
        await kernel.run("import ipywidgets; ipywidgets.Text()")
        await until(lambda: kernel.manager.execution_state == "idle")
    finally:
        log.setLevel(logging.WARNING)
        log.removeHandler(heard)
    told = "".join(heard.told)
    assert "status (busy)" in told
    assert "comm_open" not in told


def test_nothing_outlives_a_server_that_is_killed(start_server, until):
    server = start_server(["import time", "x = 1"])
    server.signed_in().open_page()
    (kernel,) = server.kernels()
    zygote = kernel.parent()
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    until(lambda: not is_there(kernel) and not is_there(zygote))
