"""A real server in a process of its own, plain HTTP against it, and Debian's Chromium."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from queue import Queue
from textwrap import dedent
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import nbformat
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves siblings unseen
from provider_site import NAME, OpenIDProvider, Site, free_port

from workbench.database.address import Address

WAIT_SECONDS = 30
TEMPLATE = "template_workbench"

PROGRAM = """
import asyncio, json, logging, sys
from pathlib import Path
from workbench.auth.accounts import SignUp
from workbench.auth.doors import Doors
from workbench.auth.identity import Client
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.users import acting_user
from workbench.server.run import serve

given = json.loads(sys.argv[1])

async def local_user():
    user = await acting_user(database, "tester@localhost")
    await database.close()
    return user

database = Database(Address.parse(given["database"]))
clients = [Client(**one) for one in given["clients"]]
doors = Doors(
    database,
    local_user=None if clients else asyncio.run(local_user()),
    clients=clients,
    public_url=given["public_url"],
    sign_up=SignUp(given["sign_up"]),
)

def say(kind):
    return lambda text: print(json.dumps([kind, text]), flush=True)

sys.exit(serve(
    home=Path(given["home"]), doors=doors, notebook=Path(given["notebook"]), port=given["port"],
    kernel_environment={"WORKBENCH_GIVEN": "to the kernel"},
    on_ready=say("ready"), on_new_link=say("fresh"), log_level=logging.DEBUG,
))
"""

NOTEBOOK = [
    """
    import asyncio, json, os, sys
    import anywidget, ipywidgets as widgets, traitlets
    from IPython.display import display

    display({"application/vnd.workbench.page+json": {"title": "A page"}}, raw=True)
    about = {"python": sys.executable, "environment": dict(os.environ), "pid": os.getpid()}
    print(json.dumps(about))
    """,
    """
    class Counter(anywidget.AnyWidget):
        _esm = '''
        export default {
          initialize({ model }) { model.set("started", true); model.save_changes(); },
          render({ model, el }) {
            const button = document.createElement("button");
            const draw = () => { button.textContent = "count " + model.get("count"); };
            model.on("change:count", draw);
            model.on("msg:custom", (content, buffers) => {
              el.append(content.echo + " " + new Uint8Array(buffers[0].buffer).join(","));
            });
            button.onclick = () => {
              model.set("count", model.get("count") + 1);
              model.save_changes();
              model.send({ ask: "echo" }, undefined, [new Uint8Array([1, 2, 3])]);
            };
            draw();
            el.append(button);
            return () => { document.body.dataset.cleaned = "yes"; };
          },
        };
        '''
        _css = ".counter { color: teal }"
        count = traitlets.Int(0).tag(sync=True)
        started = traitlets.Bool(False).tag(sync=True)

    counter = Counter()

    def on_ask(_, content, buffers):
        counter.send({"echo": content["ask"]}, [bytes(buffers[0])])

    counter.on_msg(on_ask)

    press = widgets.Button(description="Press me")
    pressed = widgets.Label("not pressed")
    name = widgets.Text(description="Name")
    length = widgets.HTML("empty")
    printed = widgets.Output()
    close = widgets.Button(description="Close the counter")
    crash = widgets.Button(description="Crash")
    turn = widgets.Button(description="Turn the page")
    leaf = widgets.VBox()
    count_up = widgets.Button(description="Count up")
    presses = []

    def on_press(_):
        presses.append(1)
        pressed.value = f"pressed {len(presses)}"
        about = {"title": f"Pressed {len(presses)}", "query": "n=1"}
        display({"application/vnd.workbench.page+json": about}, raw=True)
        with printed:
            print("printed", len(presses))

    def on_turn(_):
        leaf.children = [widgets.Text(description="Fresh", value=f"leaf {len(presses)}")]

    async def count_slowly():
        for number in range(200):
            counter.send({"echo": f"n{number}"}, [b"x"])
            await asyncio.sleep(0.005)

    count_up.on_click(lambda _: setattr(count_up, "task", asyncio.ensure_future(count_slowly())))
    press.on_click(on_press)
    turn.on_click(on_turn)
    close.on_click(lambda _: counter.close())
    crash.on_click(lambda _: os._exit(1))
    name.observe(lambda change: setattr(length, "value", f"{len(change.new)} letters"), "value")
    first = widgets.VBox([press, pressed, name, length, counter, printed, close, crash, turn, leaf, count_up])
    widgets.Tab([first, widgets.IntSlider()], titles=["First", "Second"])
    """,
]


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def cookies(self) -> SimpleCookie:
        cookies = SimpleCookie()
        for header in self.headers.get_all("Set-Cookie", []):
            cookies.load(header)
        return cookies


@dataclass
class Visitor:
    """A browser without eyes: keeps cookies, follows nothing."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        path: str,
        method: str = "GET",
        form: dict[str, str] | None = None,
        **headers: str,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers.setdefault("Cookie", self.cookie_header)
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = Answer(response.status, response.msg, response.read())
        connection.close()
        self.cookies.update({name: morsel.value for name, morsel in answer.cookies.items()})
        return answer

    @property
    def cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def open_page(self, path: str = "/") -> Page:
        """Open the dashboard; its kernel lives on."""
        text = self.ask(path).text
        outputs = re.findall(r'class="output">(.*?)</script>', text, re.S)
        kernel = re.search(r'id="page-kernel">(.*?)</script>', text, re.S)
        about = json.loads(kernel.group(1)) if kernel else {"id": "", "xsrf": ""}
        return Page(text, [json.loads(output) for output in outputs], about["id"], about["xsrf"])


@dataclass(frozen=True)
class Page:
    """The dashboard as it was sent."""

    text: str
    outputs: list[dict]
    kernel_id: str
    xsrf: str

    @property
    def printed(self) -> dict:
        """What the test notebook says about its kernel."""
        texts = [output["text"] for output in self.outputs if output["output_type"] == "stream"]
        return json.loads("".join(texts))


class Server:
    """`serve` in a process of its own."""

    def __init__(
        self,
        home: Path,
        notebook: Path,
        database: str,
        port: int = 0,
        clients: Sequence[dict[str, str]] = (),
        public_url: str | None = None,
        sign_up: str = "invitation",
        **environment: str,
    ) -> None:
        self.home = home
        self.database = database
        self.log_file = notebook.with_suffix(".log")
        given = {"home": str(home), "notebook": str(notebook), "port": port}
        given |= {"database": database, "clients": list(clients), "public_url": public_url}
        given["sign_up"] = sign_up
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, json.dumps(given)],
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._said: Queue[tuple[str, str]] = Queue()
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.link = self.next("ready")
        self.port = urlsplit(self.link).port or 0

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self._said.put(tuple(json.loads(line)))

    def next(self, kind: str) -> str:
        """Return the next thing of one kind that the server said."""
        while True:
            found, text = self._said.get(timeout=WAIT_SECONDS)
            if found == kind:
                return text

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.link).query)["token"][0]

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def visitor(self) -> Visitor:
        """Return somebody who is not signed in."""
        return Visitor(self.port)

    def signed_in(self) -> Visitor:
        """Return somebody who opened the current link."""
        visitor = self.visitor()
        answer = visitor.ask(f"/?token={self.token}")
        assert answer.status == 302
        self.link = self.next("fresh")
        return visitor

    def kernels(self) -> list[psutil.Process]:
        """Return the kernels that run."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if is_kernel(child)]

    def folder_of(self, kernel: psutil.Process) -> Path:
        """Return where the sockets of a kernel are, and the file that says so."""
        names = [one.laddr for one in kernel.net_connections("unix") if "-ipc-" in one.laddr]
        (folder,) = {Path(name).parent for name in names}
        return folder

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        status = self.process.wait(WAIT_SECONDS)
        self._listener.join(WAIT_SECONDS)
        return status


def is_kernel(process: psutil.Process) -> bool:
    """Tell whether a process is a kernel that still runs, forked or started."""
    try:
        return process.name() == "workbench-page" or "ipykernel_launcher" in process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for a condition to become true."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], object]], None]:
    """`wait_until`, for tests."""
    return wait_until


def write_notebook(path: Path, cells: list[str]) -> Path:
    """Write a notebook of code cells."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(dedent(cell)) for cell in cells]
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="session")
def server(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for many tests."""
    folder = tmp_path_factory.mktemp("server")
    notebook = write_notebook(folder / "page.ipynb", NOTEBOOK)
    name = postgres.new_database(TEMPLATE)
    server = Server(
        folder / "home", notebook, postgres.url(name), WORKBENCH_SECRET="not for kernels"
    )
    yield server
    server.stop()
    postgres.drop(name)


@pytest.fixture
def start_server(postgres: Any, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers of one's own, on one database; they end with the test."""
    started: list[Server] = []
    name = postgres.new_database(TEMPLATE)

    def start(
        cells: list[str] = NOTEBOOK,
        home: Path | None = None,
        port: int = 0,
        environment: dict[str, str] | None = None,
        role: tuple[str, str] | None = None,
        **options: Any,
    ) -> Server:
        notebook = write_notebook(tmp_path / f"page{len(started)}.ipynb", cells)
        options |= environment or {}
        folder, url = home or tmp_path / "home", postgres.url(name)
        if role is not None:
            url = Address.parse(url).signed_in(*role).url
        started.append(Server(folder, notebook, url, port, **options))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()
    postgres.drop(name)


@pytest.fixture
def site(start_server: Callable[..., Server], pytestconfig: pytest.Config) -> Iterator[Site]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    provider = OpenIDProvider(pytestconfig.cache.mkdir("oidc-provider"))
    provider.start([f"{url}/sign-in/{NAME}/callback"], logout_uri=f"{url}/sign-in/{NAME}/ended")
    client = {
        "name": NAME,
        "client_id": provider.client_id,
        "client_secret": provider.client_secret,
        "discovery_url": provider.discovery_url,
    }
    yield Site(start_server(port=port, clients=[client], public_url=url, sign_up="open"), provider)
    provider.stop()
