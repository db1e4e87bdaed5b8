import asyncio
import gc
import math
from datetime import UTC, datetime
from uuid import UUID

import pytest

from workbench.errors import WorkbenchError
from workbench.widgets import Choice, Node, OutlineTree, ReferencePicker, assets
from workbench.widgets.tasks import TaskSet
from workbench.widgets.wire import json_safe


def test_what_json_lacks_becomes_text_or_null():
    id = UUID(int=7)
    value = {"id": id, "at": datetime(2026, 1, 2, tzinfo=UTC), "x": math.nan, "tags": {"a"}}
    assert json_safe(value) == {
        "id": str(id),
        "at": "2026-01-02T00:00:00+00:00",
        "x": None,
        "tags": ["a"],
    }


async def test_a_task_lives_until_it_ends_though_nobody_holds_it():
    tasks, gate, ended = TaskSet(), asyncio.Event(), []

    async def work():
        await gate.wait()
        ended.append(True)

    tasks.start(work())
    gc.collect()
    gate.set()
    await tasks.settled()
    assert ended == [True]


async def test_a_failing_task_is_reported(caplog):
    async def work():
        raise RuntimeError("broken wheel")

    seen = []
    await asyncio.gather(TaskSet(seen.append).start(work()), return_exceptions=True)
    tasks = TaskSet()
    tasks.start(work())
    await tasks.settled()
    await asyncio.sleep(0)
    assert str(seen[0]) == "broken wheel"
    assert "broken wheel" in caplog.text


async def test_the_picker_asks_for_choices_with_what_was_typed(browse):
    async def lookup(term):
        return [Choice("1", term.upper(), "a place")]

    answer = await browse(ReferencePicker(lookup)).ask("lookup", term="elsinore")
    assert answer["data"] == [{"value": "1", "label": "ELSINORE", "detail": "a place"}]


async def test_children_left_out_of_a_tree_are_loaded_when_asked_for(browse):
    async def load(id):
        return [Node(f"{id}.1", "Act 1", "act")]

    tree = OutlineTree([Node("s1", "Hamlet", "story", children=None)], load=load)
    assert tree.nodes[0]["children"] is None
    answer = await browse(tree).ask("children", id="s1")
    assert answer["data"][0]["id"] == "s1.1"


def test_a_checkout_without_a_build_says_how_to_build(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    with pytest.raises(WorkbenchError, match=r"python hatch_build\.py"):
        assets.version()
