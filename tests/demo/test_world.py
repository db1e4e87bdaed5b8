"""The demo's files hold together by themselves, before any database sees them."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from workbench.demo import demo_folder

Row = dict[str, str]

# Under which columns a name is unique, by DATA_MODEL.md.
KEYS = {
    "worlds": ("name",),
    "images": ("world", "name"),
    "books": ("world", "name"),
    "stories": ("world", "name"),
    "acts": ("world", "story", "name"),
    "locations": ("world", "name"),
    "personas": ("world", "name"),
    "things": ("world", "name"),
    "scenes": ("world", "story", "act", "name"),
    "scene_personas": ("world", "story", "act", "scene", "persona"),
    "scene_things": ("world", "story", "act", "scene", "thing"),
    "persona_relations": ("world", "persona", "other", "kind"),
}

# Every column a person may fill, with foreign keys by their readable twins. Not here: the owner
# (the demo belongs to whoever loads it), what the server stamps, and what a picture itself tells.
COMMON = {"name", "display_name", "description", "tags"}
FILLABLE = {
    "worlds": COMMON | {"image", "is_public"},
    "books": COMMON | {"world", "position", "image"},
    "stories": COMMON | {"world", "book", "position", "image"},
    "acts": COMMON | {"world", "story", "position"},
    "scenes": COMMON
    | {"world", "story", "act", "position", "location", "story_time", "text", "image"},
    "personas": COMMON | {"world", "kind", "aliases", "image"},
    "locations": COMMON | {"world", "kind", "parent", "x", "y", "image"},
    "things": COMMON | {"world", "kind", "persona", "location", "image"},
    "images": COMMON | {"world", "kind", "source_url", "file"},
    "scene_personas": {"world", "story", "act", "scene", "persona", "role", "speeches", "words"},
    "scene_things": {"world", "story", "act", "scene", "thing", "mentions", "note"},
    "persona_relations": {"world", "persona", "other", "kind", "mutual", "description"},
}

# Which columns name a row of which table; a tuple of columns is a path of names.
REFERENCES: dict[tuple[str, ...], str] = {
    ("world",): "worlds",
    ("world", "image"): "images",
    ("world", "book"): "books",
    ("world", "story"): "stories",
    ("world", "story", "act"): "acts",
    ("world", "story", "act", "scene"): "scenes",
    ("world", "location"): "locations",
    ("world", "parent"): "locations",
    ("world", "persona"): "personas",
    ("world", "other"): "personas",
    ("world", "thing"): "things",
}


def read(table: str) -> list[Row]:
    with (demo_folder() / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.fixture(scope="module")
def world() -> dict[str, list[Row]]:
    return {table: read(table) for table in KEYS}


def test_the_folder_holds_one_file_for_each_table() -> None:
    assert {path.stem for path in demo_folder().glob("*.csv")} == set(KEYS)


def test_there_are_fewer_than_300_rows(world: dict[str, list[Row]]) -> None:
    assert 200 < sum(len(rows) for rows in world.values()) < 300


@pytest.mark.parametrize("table", KEYS)
def test_every_column_that_a_person_may_fill_is_used(
    world: dict[str, list[Row]], table: str
) -> None:
    used = {column for row in world[table] for column, value in row.items() if value}
    assert used >= FILLABLE[table]


@pytest.mark.parametrize("table", KEYS)
def test_every_table_has_a_column_of_its_own_for_the_attributes(
    world: dict[str, list[Row]], table: str
) -> None:
    assert set(world[table][0]) - FILLABLE[table]


@pytest.mark.parametrize("table", ["books", "stories", "scenes", "personas", "locations", "things"])
def test_optional_references_are_empty_somewhere(world: dict[str, list[Row]], table: str) -> None:
    assert any(not row["image"] for row in world[table])
    assert any(row["image"] for row in world[table])


@pytest.mark.parametrize("table", KEYS)
def test_names_are_unique_under_their_parent(world: dict[str, list[Row]], table: str) -> None:
    keys = Counter(tuple(row[column] for column in KEYS[table]) for row in world[table])
    assert [key for key, times in keys.items() if times > 1] == []


@pytest.mark.parametrize("table", KEYS)
def test_every_reference_resolves(world: dict[str, list[Row]], table: str) -> None:
    for columns, target in REFERENCES.items():
        if columns[-1] not in world[table][0]:
            continue
        known = {tuple(row[column] for column in KEYS[target]) for row in world[target]}
        for row in world[table]:
            # A world names its own picture, and stands for itself.
            path = tuple(
                row["name"] if (table, column) == ("worlds", "world") else row[column]
                for column in columns
            )
            assert not path[-1] or path in known, f"{table}: {columns} = {path}"


@pytest.mark.parametrize("table", KEYS)
def test_names_fit_and_cells_are_trimmed(world: dict[str, list[Row]], table: str) -> None:
    for row in world[table]:
        assert None not in row, f"{table}: a row is longer than the header: {row}"
        for column, value in row.items():
            assert value == value.strip(), f"{table}: {column} = {value!r}"
            assert len(value) <= 255 or column in ("description", "text", "note")


def test_locations_form_a_tree_with_one_root(world: dict[str, list[Row]]) -> None:
    parents = {row["name"]: row["parent"] for row in world["locations"]}
    assert [name for name, parent in parents.items() if not parent] == ["Europe"]
    for name in parents:
        seen = {name}
        while name := parents[name]:
            assert name not in seen, f"{name} lies in itself"
            seen.add(name)


def test_places_have_a_position_exactly_where_their_parent_has_a_map(
    world: dict[str, list[Row]],
) -> None:
    maps = {row["name"] for row in world["images"] if row["kind"] == "map"}
    mapped = {row["name"] for row in world["locations"] if row["image"] in maps}
    for row in world["locations"]:
        assert (row["x"] != "", row["y"] != "") == (row["parent"] in mapped,) * 2, row["name"]
        for axis in ("x", "y"):
            assert not row[axis] or 0 <= float(row[axis]) <= 1


def test_scenes_of_an_act_stand_in_order_of_time(world: dict[str, list[Row]]) -> None:
    acts: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in world["scenes"]:
        acts[row["story"], row["act"]].append(row)
    for scenes in acts.values():
        scenes.sort(key=lambda row: int(row["position"]))
        assert [int(row["position"]) for row in scenes] == list(range(1, len(scenes) + 1))
        times = [float(row["story_time"]) for row in scenes if row["story_time"]]
        assert all(before < after for before, after in pairwise(times))


def test_story_times_are_negative_fractional_and_unknown_somewhere(
    world: dict[str, list[Row]],
) -> None:
    times = [row["story_time"] for row in world["scenes"]]
    assert "" in times
    known = [float(time) for time in times if time]
    assert min(known) < 0 < max(known)
    assert any(time % 1 for time in known)


def test_every_act_has_scenes_and_every_persona_and_thing_appears(
    world: dict[str, list[Row]],
) -> None:
    assert {row["name"] for row in world["acts"]} == {row["act"] for row in world["scenes"]}
    related = {row[end] for row in world["persona_relations"] for end in ("persona", "other")}
    present = {row["persona"] for row in world["scene_personas"]}
    assert {row["name"] for row in world["personas"]} == related | present
    assert {row["name"] for row in world["things"]} == {
        row["thing"] for row in world["scene_things"]
    }


def test_relations_of_both_kinds_occur(world: dict[str, list[Row]]) -> None:
    assert {row["mutual"] for row in world["persona_relations"]} == {"true", "false"}


def test_some_names_are_not_ascii(world: dict[str, list[Row]]) -> None:
    assert not all(row["name"].isascii() for row in world["personas"] + world["things"])
    assert not all(row["display_name"].isascii() for row in world["locations"])
