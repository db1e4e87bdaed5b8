"""Frames that save back: the changed cells, and no others, whatever became of the frame."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.entities.world import World
from workbench.errors import InvalidDraft, InvalidRows, NotAllowed, NotFound, UnknownField
from workbench.workspace import Workspace


def put(frame: pd.DataFrame, name: str, **values: Any) -> None:
    """Change cells of the row of this name."""
    for column, value in values.items():
        place = int(np.flatnonzero((frame["name"] == name).to_numpy(bool, na_value=False))[0])
        cells = frame[column].astype(object)
        cells.iloc[place] = value
        frame[column] = cells


async def one(wb: Workspace, name: str) -> Any:
    return await wb.personas.get(name=name, world="Denmark")


async def test_only_changed_cells_are_written(wb: Workspace, denmark: World) -> None:
    frame = await wb.personas.frame(world=denmark)
    frame.loc[frame["name"] == "Ophelia", "kind"] = "ghost"
    frame.loc[frame["name"] == "Yorick", "description"] = "A fellow of infinite jest."
    result = await wb.personas.save(frame, reason="casting notes")
    assert (result.changed, result.cells, result.unchanged) == (2, 2, 3)
    assert len(result.conflicts) == 0
    assert (await one(wb, "Ophelia")).kind == "ghost"
    assert (await one(wb, "Yorick")).description == "A fellow of infinite jest."
    assert (await one(wb, "Hamlet")).version == 1


async def test_a_save_is_one_changeset_with_its_reason(
    wb: Workspace, denmark: World, sql: Any
) -> None:
    frame = await wb.personas.frame(world=denmark)
    frame["kind"] = "dead"
    await wb.personas.save(frame, reason="the rest is silence")
    rows = await sql.fetch(
        "SELECT e.reason, e.new FROM history.change AS c JOIN history.changeset AS e0 "
        "ON e0.id = c.changesetid JOIN history.entry AS e ON e.id = c.id WHERE c.operation = 'update'"
    )
    assert [row["reason"] for row in rows] == ["the rest is silence"] * 5
    assert {row["new"] for row in rows} == {'{"kind": "dead"}'}


async def test_a_frame_as_it_was_read_changes_nothing(wb: Workspace, denmark: World) -> None:
    for plural in ("personas", "scenes", "acts", "stories", "locations", "worlds"):
        collection = wb.collection(plural)
        for names in (False, True):
            result = await collection.save(await collection.frame(names=names))
            assert (result.changed, len(result.conflicts)) == (0, 0), plural
            assert result.unchanged == await collection.count()


def to_parquet(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    frame.to_parquet(folder / "frame.parquet")
    return pd.read_parquet(folder / "frame.parquet")


def to_feather(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    frame.reset_index(drop=True).to_feather(folder / "frame.feather")
    return pd.read_feather(folder / "frame.feather", dtype_backend="pyarrow")


SHAPES: dict[str, Callable[[pd.DataFrame, Path], pd.DataFrame]] = {
    "sorted": lambda f, _: f.sort_values("name", ascending=False),
    "filtered": lambda f, _: f[f["name"].str.contains("a")],
    "reset": lambda f, _: f.sort_values("name").reset_index(drop=True),
    "id in the index": lambda f, _: f.set_index("id"),
    "id and name in the index": lambda f, _: f.set_index(["id", "name"]),
    "copied": lambda f, _: f.copy(),
    "in parts": lambda f, _: pd.concat([f[3:], f[:3]]),
    "with doubles": lambda f, _: pd.concat([f, f[:2]]),
    "shuffled columns": lambda f, _: f[sorted(f.columns)],
    "some columns": lambda f, _: f[["id", "version", "name", "kind", "tags"]],
    "objects": lambda f, _: f.astype(object),
    "converted": lambda f, _: f.convert_dtypes(),
    "numpy": lambda f, _: pd.DataFrame(
        {c: f[c].to_numpy(object) for c in f.columns}, columns=list(f.columns)
    ),
    "categories": lambda f, _: f.astype({"kind": "category", "name": "category"}),
    "version as float": lambda f, _: f.astype({"version": float}),
    "version as text": lambda f, _: f.astype({"version": str}),
    "merged": lambda f, _: f.merge(
        f[["id"]].assign(seen=1), on="id", how="left"
    ).drop(columns="seen"),
    "pickled": lambda f, _: pickle.loads(pickle.dumps(f)),
    "parquet": to_parquet,
    "feather": to_feather,
}


@pytest.mark.parametrize("shape", list(SHAPES))
async def test_a_save_does_not_mind_what_became_of_the_frame(
    wb: Workspace, denmark: World, shape: str, tmp_path: Path
) -> None:
    frame = await wb.personas.frame(world=denmark)
    frame = SHAPES[shape](frame, tmp_path)
    flat = frame.reset_index() if frame.index.names != [None] else frame
    named = (flat["name"] == "Hamlet").to_numpy(bool)
    if isinstance(frame["kind"].dtype, pd.CategoricalDtype):
        frame["kind"] = frame["kind"].cat.add_categories("ghost")
    frame.loc[named, "kind"] = "ghost"
    result = await wb.personas.save(frame)
    assert (result.changed, result.cells) == (1, 1)
    assert (await one(wb, "Hamlet")).kind == "ghost"
    assert (await one(wb, "Hamlet")).tags == ["black", "sad"]
    assert await wb.personas.count() == 5
