"""Parquet and Arrow files: values as they are, batch by batch; damaged ones are refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow as pa
import pytest
from pyarrow import parquet

from workbench.database.engine import Database
from workbench.transfer import arrow_file
from workbench.transfer.load import load

Rows = Callable[..., Any]


def written(path: Path, table: pa.Table) -> Path:
    if path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=4)
    else:
        new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
        with new(path, table.schema) as out:
            out.write_table(table, max_chunksize=4)
    return path


KINDS = pytest.mark.parametrize("suffix", ["parquet", "arrow", "feather", "arrows"])


@KINDS
def test_rows_come_batch_by_batch(
    tmp_path: Path, rows_of: Rows, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(arrow_file, "_PIECE_ROWS", 3)
    table = pa.table({"name": [f"Osric {n}" for n in range(10)], "age": list(range(10))})
    rows, findings, labels = rows_of(written(tmp_path / f"personas.{suffix}", table))
    assert rows == table.to_pylist()
    assert labels == list(range(1, 11))
    assert findings.problems == []


async def test_values_keep_their_types(
    database: Database, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    written(tmp_path / "worlds.arrow", pa.table({"name": ["Elsinore"], "born": [date(1600, 1, 2)]}))
    table = pa.table(
        {
            "world": pa.array(["Elsinore"] * 2).dictionary_encode(),
            "name": pa.array(["A", "B"], pa.string_view()),
            "aliases": [["x", "y"], None],
            "age": [7, None],
            "__index_level_0__": [1, 2],
        }
    )
    written(tmp_path / "personas.parquet", table)
    (await load(database, tmp_path)).raise_for_problems()
    rows = await sql.fetch("SELECT name, aliases, attributes::text FROM persona ORDER BY name")
    assert [tuple(row) for row in rows] == [("A", ["x", "y"], '{"age": 7}'), ("B", [], "{}")]
    assert await sql.fetchval("SELECT attributes ->> 'born' FROM world") == "1600-01-02"


@KINDS
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_cut_off_file_is_refused(tmp_path: Path, rows_of: Rows, suffix: str, part: float) -> None:
    table = pa.table({"name": [f"Osric {n}" for n in range(100)]})
    path = written(tmp_path / f"personas.{suffix}", table)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    rows, findings, _ = rows_of(path)
    assert rows == []
    assert "or not all of one" in findings.problems[0].message


@KINDS
def test_another_file_is_refused(tmp_path: Path, rows_of: Rows, suffix: str) -> None:
    path = tmp_path / f"personas.{suffix}"
    path.write_text("name\nOsric\n" * 20)
    _, findings, _ = rows_of(path)
    assert "or not all of one" in findings.problems[0].message


def test_an_arrow_file_that_lies_about_itself_is_refused(tmp_path: Path, rows_of: Rows) -> None:
    path = written(tmp_path / "personas.arrow", pa.table({"name": ["Osric" * 200]}))
    offsets = b"\x00\x00\x00\x00\xe8\x03\x00\x00"
    data = path.read_bytes()
    before, found, after = data.rpartition(offsets)  # earlier ones are in the metadata
    assert found
    path.write_bytes(before + b"\x00\x00\x00\x00\xff\xff\xff\x7f" + after)  # 2 GB of text
    rows, findings, _ = rows_of(path)
    assert rows == []
    assert "or not all of one" in findings.problems[0].message


def test_a_column_twice_is_pointed_out(tmp_path: Path, rows_of: Rows) -> None:
    table = pa.Table.from_arrays([pa.array(["A"]), pa.array(["B"])], names=["name", "name"])
    rows, findings, _ = rows_of(written(tmp_path / "personas.arrow", table))
    assert rows == [{"name": "A", "name (2)": "B"}]
    assert "there twice" in findings.notes[0]


def test_a_real_parquet_file_reads_as_its_csv_file(rows_of: Rows, shared: Path) -> None:
    rows, findings, _ = rows_of(shared / "formats" / "personas.parquet")
    plain, _, _ = rows_of(shared / "shakespeare" / "personas.csv")
    assert findings.problems == []
    assert [row["name"] for row in rows] == [row["name"] for row in plain]
