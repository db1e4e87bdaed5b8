"""Frames as rows to be written: pandas' many dtypes become few Arrow types."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from workbench.database.engine import Database
from workbench.entities import STORED
from workbench.errors import InvalidRows
from workbench.frames import ROW, arrow_from_frame, frame, table
from workbench.workspace import Workspace

SCENE = STORED["scene"]
ID = UUID("0198f3a2-1c5b-7c2e-9c55-3f1d2a7b8c90")


def column(name: str, values: Any) -> pa.ChunkedArray:
    return arrow_from_frame(SCENE, pd.DataFrame({name: values})).column(name)


@pytest.mark.parametrize(
    ("name", "values", "type", "expected"),
    [
        ("name", ["a", None, np.nan, pd.NA], pa.string(), ["a", None, None, None]),
        ("name", pd.Series(["a", "b"], dtype="category"), pa.string(), ["a", "b"]),
        ("name", pd.Series(["a"], dtype=pd.ArrowDtype(pa.large_string())), pa.string(), ["a"]),
        ("name", ["a", 1, 2.5, True], pa.string(), ["a", "1", "2.5", "true"]),
        ("position", [1, None, 3], pa.int64(), [1, None, 3]),
        ("position", pd.Series([1, None], dtype="Int32"), pa.int64(), [1, None]),
        ("position", [1, "two"], pa.string(), ["1", "two"]),
        ("position", [1.5, np.nan], pa.float64(), [1.5, None]),
        ("position", [10**30, 1], pa.string(), [str(10**30), "1"]),
        ("story_time", [1, 2], pa.int64(), [1, 2]),
        ("story_time", [1.0, np.nan], pa.float64(), [1.0, None]),
        ("actid", [ID, None], pa.string(), [str(ID), None]),
        ("actid", [ID.bytes, str(ID)], pa.string(), [str(ID), str(ID)]),
        ("actid", [ID.bytes], pa.string(), [str(ID)]),
        ("tags", [["a", "b"], (), None], pa.list_(pa.string()), [["a", "b"], [], None]),
        ("tags", [np.array(["a"]), None], pa.list_(pa.string()), [["a"], None]),
        ("tags", ["a; b", None], pa.string(), ["a; b", None]),
        ("tags", [["a", 1]], pa.string(), ['["a", 1]']),
        ("attributes", [{"a": 1}, None], pa.string(), ['{"a": 1}', None]),
        ("attributes", [{"a": 1}, {"a": "x"}], pa.string(), ['{"a": 1}', '{"a": "x"}']),
        ("attributes", ['{"a": 1}'], pa.string(), ['{"a": 1}']),
        ("free", [True, None], pa.bool_(), [True, None]),
        ("free", [None, None], pa.string(), [None, None]),
        (
            "created_at",
            [pd.Timestamp("2026-01-02", tz="Europe/Oslo"), pd.NaT],
            pa.timestamp("us", tz="UTC"),
            [datetime(2026, 1, 1, 23, tzinfo=UTC), None],
        ),
    ],
)
def test_every_dtype_becomes_one_of_few_types(
    name: str, values: Any, type: pa.DataType, expected: list[Any]
) -> None:
    found = column(name, values)
    assert found.type.equals(type)
    assert found.to_pylist() == expected


def test_pictures_stay_bytes() -> None:
    found = arrow_from_frame(STORED["image"], pd.DataFrame({"content": [b"\x89PNG", None]}))
    assert found.schema.field("content").type == pa.binary()
    assert found["content"].to_pylist() == [b"\x89PNG", None]


def test_row_labels_are_kept() -> None:
    numbers = pd.DataFrame({"name": ["a", "b"]}, index=[7, 3])
    assert arrow_from_frame(SCENE, numbers)[ROW].to_pylist() == [7, 3]
    words = pd.DataFrame({"name": ["a", "b"]}, index=["x", "y"])
    assert arrow_from_frame(SCENE, words)[ROW].to_pylist() == ["x", "y"]
    pairs = words.set_index(pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]))
    assert arrow_from_frame(SCENE, pairs)[ROW].to_pylist() == ["('a', 1)", "('b', 2)"]


def test_columns_that_cannot_be_told_apart_are_refused() -> None:
    twice = pd.DataFrame([["a", "b"]], columns=["name", "name"])
    with pytest.raises(InvalidRows, match="Two columns"):
        arrow_from_frame(SCENE, twice)
    with pytest.raises(InvalidRows, match="must be text"):
        arrow_from_frame(SCENE, pd.DataFrame([["a"]], columns=[0]))


async def test_a_frame_as_read_says_the_same_when_written(
    database: Database, wb: Workspace
) -> None:
    world = await wb.worlds.add(name="Elsinore")
    await wb.personas.add(worldid=world.id, name="Ophelia", aliases=["a"], attributes={"x": 1})
    persona = STORED["persona"]
    read = await table(database, persona)
    again = arrow_from_frame(persona, await frame(database, persona)).drop_columns([ROW])
    for name in read.column_names:
        assert again[name].to_pylist() == read[name].to_pylist()
        assert again[name].type in (read[name].type, pa.int64())


async def test_a_frame_can_be_added(database: Database, wb: Workspace) -> None:
    world = await wb.worlds.add(name="Elsinore")
    people = pd.DataFrame(
        {"name": ["A", "B"], "kind": ["x", None], "aliases": [["a"], []], "age": [3, 4]}
    ).assign(world="Elsinore")
    assert await wb.personas.add_many(people) == 2
    found = await frame(database, STORED["persona"], world=world.id, order=["name"])
    assert found["name"].tolist() == ["A", "B"]
    assert found["kind"].tolist() == ["x", pd.NA]
    with pytest.raises(InvalidRows):
        await wb.personas.add_many(people.set_index(pd.Index(["r1", "r2"])))
