import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves siblings unseen
from fake_source import FakeSource

from workbench.widgets import assets
from workbench.widgets.rpc import Rpc


@pytest.fixture
def source() -> FakeSource:
    return FakeSource(300)


@pytest.fixture(autouse=True)
def built(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Stand in for the built front end, so that these tests need no Node."""
    folder: Path = tmp_path_factory.mktemp("static")
    (folder / "build.json").write_text(json.dumps({"version": "0123456789ab"}))
    (folder / "stub.js").write_text("load @bundle@ @version@")
    for name in ("grid", "picker", "dialog", "outline", "style"):
        (folder / f"{name}.js").write_text(f"export default '{name}'")
    monkeypatch.setattr(assets, "STATIC", folder)
    for known in (assets.version, assets.stub):
        known.cache_clear()
    yield
    for known in (assets.version, assets.stub):
        known.cache_clear()


@pytest.fixture
def browse() -> Callable[[Rpc], "Browser"]:
    return Browser


class Browser:
    """The browser's end of a widget: sends requests and keeps what comes back."""

    def __init__(self, widget: Rpc) -> None:
        self.widget, self.messages = widget, []
        widget.send = lambda content, buffers=None: self.messages.append(
            json.loads(json.dumps(content))
        )

    async def ask(self, op: str, **args: Any) -> Any:
        self.widget._received(self.widget, {"t": "req", "id": op, "op": op, "args": args}, [])
        await self.widget.tasks.settled()
        return self.messages[-1]
