"""Where changes come from."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from jupyter_client.manager import start_new_kernel

from workbench.dashboard.app import Dashboard
from workbench.dashboard.state import Place
from workbench.history.origin import notebook_cell


@pytest.fixture
def kernel(monkeypatch):
    """Stands in for the shell of a Jupyter kernel."""
    asked = {"header": {"msg_type": "execute_request"}, "metadata": {"cellId": "3f2a91bc"}}
    shell = SimpleNamespace(
        history_manager=SimpleNamespace(input_hist_parsed=[""] * 13),
        user_ns={},
        get_parent=lambda: asked,
    )
    module = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/ann/plays/cast.ipynb")
    return SimpleNamespace(shell=shell, asked=asked)


def test_a_cell_is_told_by_notebook_number_and_id(kernel, monkeypatch):
    assert notebook_cell() == "notebook plays/cast.ipynb, cell [12] 3f2a91bc"
    kernel.asked["header"]["msg_type"] = "comm_msg"
    assert notebook_cell() == "notebook plays/cast.ipynb, a widget"
    kernel.asked.clear()
    monkeypatch.delenv("JPY_SESSION_NAME")
    assert notebook_cell() == "notebook, cell [12]"
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert notebook_cell() is None


def test_a_kernel_itself_tells_its_cell(monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "plays/cast.ipynb")
    manager, client = start_new_kernel(kernel_name="python3", independent=True)
    try:
        code = "from workbench.history.origin import notebook_cell; print(notebook_cell())"
        said = []
        for _ in range(2):
            message = client.session.msg(
                "execute_request",
                {"code": code, "silent": False, "store_history": True, "allow_stdin": False},
                metadata={"cellId": "3f2a91bc"},
            )
            client.shell_channel.send(message)
            while (heard := client.get_iopub_msg(timeout=60))["msg_type"] != "stream":
                assert heard["msg_type"] != "error", heard["content"]
            said.append(heard["content"]["text"].strip())
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert said == [f"notebook plays/cast.ipynb, cell [{n}] 3f2a91bc" for n in (1, 2)]


async def test_each_change_says_from_where_it_came(wb):
    place = ["page one"]
    wb.database.provenance.where = lambda: place[0]

    async def sources():
        return list((await wb.changes())["source"])

    world = await wb.worlds.add(name="Denmark")
    place[0] = "page two"
    one = await wb.personas.add(name="HAMLET", worldid=world.id)
    await wb.personas.update(one, kind="prince", reason="why")
    place[0] = "nul \x00 half \ud800 " + "x" * 2_000
    await wb.personas.add_many([{"name": "OPHELIA", "worldid": world.id}])
    async with wb.transaction(source="said"):
        await wb.personas.add(name="YORICK", worldid=world.id)
    place[0] = None
    await wb.personas.add(name="GHOST", worldid=world.id)
    told = await sources()
    assert told[::-1] == ["page one", "page two", "page two", told[2], "said", "tests"]
    assert told[2].startswith("nul  half  xxx")
    assert len(told[2]) == 500


async def test_the_dashboard_names_its_page(wb, denmark):
    dashboard = Dashboard(wb, Place(denmark.world.id, "persona"))
    await wb.personas.update(denmark.hamlet, kind="mad")
    dashboard.state.go(Place())
    await wb.worlds.add(name="Norway")
    assert list((await wb.changes(limit=2))["source"])[::-1] == [
        f"dashboard, persona/{denmark.world.id}",
        "dashboard, worlds",
    ]
    dashboard.tasks.cancel()


async def test_a_source_and_a_reason_are_bounded_whatever_says_them(sql):
    await sql.execute("SELECT set_config('workbench.reason', repeat('r', 5000), false)")
    await sql.execute("SELECT set_config('workbench.source', repeat('s', 5000), false)")
    await sql.execute("INSERT INTO world (name) VALUES ('Denmark')")
    row = await sql.fetchrow(
        "SELECT length(reason), length(source) FROM history.changeset ORDER BY id DESC LIMIT 1"
    )
    assert tuple(row) == (1000, 1000)
