"""JSON and JSON lines: values as they are, nested records as tables, damage by its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.transfer.reading import read
from workbench.database.engine import Database
from workbench.errors import Problem
from workbench.transfer import dialect, in_pieces
from workbench.transfer.load import load
from workbench.transfer.options import Reading

Rows = Callable[..., Any]


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "json"])
async def test_values_keep_their_types(
    database: Database, sql: asyncpg.Connection, tmp_path: Path, suffix: str
) -> None:
    (tmp_path / "worlds.csv").write_text("name\nElsinore\n")
    records = [
        {"world": "Elsinore", "name": "Osric", "aliases": ["Water-fly", "b; c"], "age": 30},
        {"name": "Yorick", "world": "Elsinore", "age": None, "dead": True, "in": {"act": [5]}},
        {"name": "00123", "world": "Elsinore", "age": 1.5, "dead": False, "late": "x\ny"},
        {"name": "Ophelia", "world": "Elsinore", "dead": "drowned", "in": "null"},
    ]
    lines = [json.dumps(record) for record in records]
    text = f"[{', '.join(lines)}]" if suffix == "json" else "\n".join(lines) + "\n"
    (tmp_path / f"personas.{suffix}").write_text(text)
    (await load(database, tmp_path)).raise_for_problems()
    rows = await sql.fetch("SELECT name, aliases, attributes FROM persona ORDER BY id")
    assert [(r["name"], r["aliases"], json.loads(r["attributes"])) for r in rows] == [
        ("Osric", ["Water-fly", "b; c"], {"age": 30}),
        ("Yorick", [], {"dead": True, "in": {"act": [5]}}),
        ("00123", [], {"age": 1.5, "dead": False, "late": "x\ny"}),
        ("Ophelia", [], {"dead": "drowned", "in": "null"}),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"name": NaN}', "This is not JSON: NaN is no number of JSON."),
        ('{"name": -Infinity}', "-Infinity is no number of JSON"),
        ('{"name": 1' + "0" * 5_000 + "}", "This has a number of too many digits."),
        ("[" * 200_000, "This is nested too deep."),
        ('{"name": "Osr', "This is not JSON: unterminated string starting at, at character 10."),
        ('{"name": "a"} {"name": "b"}', "This is not JSON: extra data, at character 15."),
        ("[1]", "This is a list, not an object."),
        ("3", "This is a number, not an object."),
        ('{"name": "\\ud800x"}', "This holds half a character (a lone surrogate). Take it out."),
    ],
)
def test_what_is_wrong_with_a_line_is_told_by_its_number(
    tmp_path: Path, rows_of: Rows, line: str, words: str
) -> None:
    path = tmp_path / "personas.jsonl"
    path.write_text('{"name": "A"}\n\n' + line + '\n{"name": "B"}')
    rows, findings, _ = rows_of(path)
    assert [(p.row, words in p.message) for p in findings.problems] == [(3, True)]
    assert {"name": "A"} in rows
    assert {"name": "B"} in rows


@pytest.mark.parametrize(
    ("value", "column", "words"),
    [
        (["a"], "name", "This must be text, not list."),
        (1984, "name", "This must be text, not int."),
        ("a\x00b", "name", "This holds a NUL character"),
        ({"deep": ["a\x00b"]}, "extra", "This holds a NUL character"),
        ({"deep": "\ud800"}, "extra", "This holds half a character"),
        (json.loads("[" * 150 + "]" * 150), "extra", "This is nested too deep"),
        (10**400, "description", "This must be text, not int."),
    ],
)
async def test_what_is_wrong_with_a_value_is_told_by_row_and_column(
    database: Database, tmp_path: Path, value: object, column: str, words: str
) -> None:
    (tmp_path / "worlds.csv").write_text("name\nElsinore\n")
    good = {"world": "Elsinore", "name": "Osric"}
    lines = [json.dumps(good), json.dumps({**good, "name": "Yorick", column: value})]
    (tmp_path / "personas.jsonl").write_text("\n".join(lines))
    report = await load(database, tmp_path)
    assert [(p.row, p.column, words in p.message) for p in report.problems] == [(2, column, True)]


async def test_a_number_of_any_size_is_kept_in_attributes(
    database: Database, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "worlds.jsonl").write_text('{"name": "Elsinore", "stars": 1' + "0" * 400 + "}")
    (await load(database, tmp_path)).raise_for_problems()
    stored = await sql.fetchval("SELECT attributes ->> 'stars' FROM world")
    assert stored == "1" + "0" * 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"name": "A"} {"name": "B"}]', "A comma is missing, in what begins on line 1."),
        ('[{"name": "A"},\n\n{"name": "B]', "unterminated string starting at"),
        ('[{"name": "A"}, NaN]', "NaN is no number of JSON"),
        ('[{"name": "A"}] x', "There is more after the end of the list"),
        ('[{"name": "A"}', "A comma is missing"),
        ("  ", "This file is empty."),
    ],
)
def test_a_damaged_list_is_refused_by_line(
    tmp_path: Path, rows_of: Rows, text: str, words: str
) -> None:
    path = tmp_path / "personas.json"
    path.write_text(text)
    rows, findings, _ = rows_of(path)
    assert rows == []
    assert words in findings.problems[0].message


@pytest.mark.parametrize("block", [1, 5, 64])
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_json_reads_the_same_in_pieces_of_any_size(
    tmp_path: Path, rows_of: Rows, monkeypatch: pytest.MonkeyPatch, block: int, suffix: str
) -> None:
    path = tmp_path / f"personas.{suffix}"
    records = [{"name": f"Ünïcode {n}", "age": n * 111} for n in range(20)]
    if suffix == "json":
        path.write_text(json.dumps(records, indent=2, ensure_ascii=False))
    else:
        path.write_text("\r\n".join(json.dumps(r, ensure_ascii=False) for r in records))
    monkeypatch.setattr(dialect, "BLOCK_BYTES", block)
    monkeypatch.setattr(in_pieces, "_ROWS", 7)
    rows, findings, labels = rows_of(path)
    assert rows == records
    assert labels == list(range(1, 21))
    assert findings.problems == []


def test_lines_may_be_called_json(tmp_path: Path, rows_of: Rows) -> None:
    path = tmp_path / "personas.json"
    path.write_text('{"name": "A"}\n{"name": "B"}\n')
    assert rows_of(path)[0] == [{"name": "A"}, {"name": "B"}]


def test_json_may_be_utf16(tmp_path: Path, rows_of: Rows) -> None:
    path = tmp_path / "personas.jsonl"
    path.write_bytes('{"name": "Осип"}'.encode("utf-16"))
    assert rows_of(path)[0] == [{"name": "Осип"}]


def test_an_object_of_lists_is_like_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "elsinore.json"
    path.write_text(json.dumps({"worlds": [{"name": "W"}], "personas": [{"name": "A"}, "b"]}))
    found, findings = read(path)
    assert [(s.file, s.stored.plural, s.cells.to_pylist()) for s in found] == [
        ("elsinore.json, worlds", "worlds", [{"name": "W"}]),
        ("elsinore.json, personas", "personas", [{"name": "A"}]),
    ]
    assert [(p.row, p.message) for p in findings.problems] == [
        (2, "This is a text, not an object.")
    ]


def test_json_that_tells_no_table_is_refused(tmp_path: Path, rows_of: Rows) -> None:
    path = tmp_path / "facts.json"
    path.write_text('{"name": "A"}')
    _, findings, _ = rows_of(path)
    assert "tells a table" in findings.problems[0].message
    assert rows_of(path, Reading(table="personas"))[0] == [{"name": "A"}]


async def test_a_nested_story_becomes_rows_of_its_tables(
    database: Database, sql: asyncpg.Connection, tmp_path: Path, shared: Path
) -> None:
    (tmp_path / "worlds.csv").write_text("name\nThe Tragedies\n")
    nested = json.loads((shared / "formats" / "hamlet_nested.json").read_text(encoding="utf-8"))
    places = {s["location"] for act in nested["acts"] for s in act["scenes"]}
    lines = "".join(f'The Tragedies,"{place}"\n' for place in sorted(places))
    (tmp_path / "locations.csv").write_text(f"world,name\n{lines}")
    (await load(database, tmp_path)).raise_for_problems()
    hamlet = shared / "formats" / "hamlet_nested.json"
    report = await load(database, hamlet)
    report.raise_for_problems()
    scenes = [scene for act in nested["acts"] for scene in act["scenes"]]
    cast = [(scene["name"], p["name"]) for scene in scenes for p in scene["personas"]]
    assert {plural: c.inserted for plural, c in report.tables.items()} == {
        "stories": 1,
        "acts": 5,
        "scenes": len(scenes),
        "personas": len({name for _, name in cast}),
        "scene_personas": len(cast),
    }
    row = await sql.fetchrow(
        "SELECT a.name AS act, a.position, s.name, s.position AS place, l.name AS location, "
        "c.speeches, c.words FROM scene_persona AS c JOIN scene AS s ON s.id = c.sceneid "
        "JOIN act AS a ON a.id = s.actid JOIN persona AS p ON p.id = c.personaid "
        "JOIN location AS l ON l.id = s.locationid WHERE p.name = 'BERNARDO' ORDER BY a.position"
    )
    assert tuple(row) == (
        "Act I", 1, "Scene I", 1, "Elsinore. A platform before the castle", 19, 205,
    )  # fmt: skip
    again = await load(database, hamlet)
    assert sum(c.updated + c.inserted for c in again.tables.values()) == 0


def test_nested_stories_may_be_lines_and_rows_say_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "stories.jsonl"
    story = {"world": "W", "name": "S", "acts": [{"name": "A", "scenes": [{"name": "1"}]}, "B"]}
    path.write_text(json.dumps(story) + "\n" + '{"world": "W", "name": "T"}\n{"cut')
    sources, findings = read(path)
    found = {s.stored.plural: s for s in sources}
    assert found["acts"].cells.select(["world", "story", "name"]).to_pylist() == [
        {"world": "W", "story": "S", "name": "A"},
        {"world": "W", "story": "S", "name": "B"},
    ]
    assert found["scenes"].labels.to_pylist() == ["1.acts[0].scenes[0]"]
    assert [(p.file, p.row) for p in findings.problems] == [("stories.jsonl", 3)]


def test_what_is_wrong_with_the_one_object_of_a_file_names_no_row_of_it():
    problem = Problem("hamlet.json", "$", "name", None, "This must not be empty.")
    assert str(problem) == "hamlet.json, name: This must not be empty."
