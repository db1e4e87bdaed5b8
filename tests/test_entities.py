"""Table, draft, record, grid and workspace agree about every entity and link."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from sqlalchemy import Double, Enum, Integer, LargeBinary, String
from sqlalchemy.dialects.postgresql import dialect

from workbench.editing.columns import columns_of
from workbench.entities import ENTITIES, LINKS, STORED, Entity, Stored
from workbench.entities.base import STAMPS
from workbench.entities.composite import Attributes, Labels
from workbench.entities.fields import (
    Bytes,
    Choice,
    Digest,
    Flag,
    Kind,
    Number,
    Reference,
    Text,
    Whole,
)
from workbench.entities.rows import Row
from workbench.workspace import Collection, LinkCollection, Workspace

BY_SERVER = {"id", "deleted_at", *STAMPS}
"""Columns of the ten that nobody writes; `last_login_at` is the sign-in's."""

each = pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
each_entity = pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
each_link = pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)


def sql_type(column: Any) -> str:
    return str(column.type.compile(dialect()))


SQL_TYPES: dict[type[Kind], set[str]] = {
    Whole: {"INTEGER"},
    Number: {"DOUBLE PRECISION"},
    Flag: {"BOOLEAN"},
    Reference: {"UUID"},
    Labels: {"TEXT[]"},
    Attributes: {"JSONB"},
    Bytes: {"BYTEA"},
    Digest: {"VARCHAR(64)"},
}


def test_ten_entities_and_four_links_and_no_other_table():
    assert (len(ENTITIES), len(LINKS), len(STORED)) == (10, 4, 14)
    tables = {name for name, table in Row.metadata.tables.items() if table.schema is None}
    assert tables == set(STORED)
    names = [word for stored in STORED.values() for word in (stored.name, stored.plural)]
    assert len(set(names)) == len(names), "no name is another one's plural"


def test_parents_and_references_come_before_what_refers_to_them():
    order = list(STORED)
    for stored in STORED.values():
        for column, target in stored.references.items():
            itself = target == stored.name
            picture_of_world = (stored.name, column) == ("world", "imageid")
            assert itself or picture_of_world or order.index(target) < order.index(stored.name)


@each
def test_every_field_of_the_draft_is_a_column_and_every_column_has_its_writer(stored):
    columns = set(stored.table.columns.keys())
    fields = set(stored.draft.model_fields)
    assert fields <= columns
    assert columns - fields <= BY_SERVER | {"last_login_at"}
    assert not fields & BY_SERVER


@each
def test_a_field_is_required_just_when_its_column_may_neither_be_null_nor_be_left_out(stored):
    told_by_parent = {"worldid"} if stored.name in TELLS_WORLD else set()
    needed = {
        column.name
        for column in stored.table.columns
        if not column.nullable and column.server_default is None
    }
    assert stored.required == needed - told_by_parent


TELLS_WORLD = {"act", "scene", "scene_persona", "scene_thing", "persona_relation"}
"""Their trigger fills `worldid` from the parent."""


@each
def test_a_field_allows_none_just_when_its_column_allows_null_or_fills_itself(stored):
    for name, info in stored.draft.model_fields.items():
        column = stored.table.columns[name]
        allows_none = type(None) in get_args(info.annotation)
        fills_itself = name == "ownerid" or (name == "worldid" and stored.name in TELLS_WORLD)
        assert allows_none == (bool(column.nullable) or fills_itself), name


@each
def test_kinds_are_the_types_of_the_columns(stored):
    for name, kind in stored.kinds.items():
        column = stored.table.columns[name]
        if isinstance(kind, Text):
            assert isinstance(column.type, String), name
            assert column.type.length == kind.max_length, name
            assert kind.one_line == (column.type.length is not None), name
        elif isinstance(kind, Choice):
            assert isinstance(column.type, Enum), name
            assert tuple(column.type.enums) == kind.options
        else:
            assert sql_type(column) in SQL_TYPES[type(kind)], name
        assert kind.word


@each
def test_defaults_of_draft_and_column_are_the_same(stored):
    for name, info in stored.draft.model_fields.items():
        column = stored.table.columns[name]
        if info.is_required() or name in ("ownerid", "worldid"):
            continue
        default = "" if column.server_default is None else str(column.server_default.arg.text)
        expected = {
            "": None,
            "'{}'::text[]": [],
            "'{}'::jsonb": {},
            "true": True,
            "false": False,
        }.get(default, default.partition("::")[0].strip("'"))
        assert info.default == expected, name


@each
def test_references_of_draft_and_table_are_the_same(stored):
    kinds = {n: kind.target for n, kind in stored.kinds.items() if isinstance(kind, Reference)}
    assert kinds == stored.references
    assert set(kinds.values()) <= set(ENTITIES)
    constrained = {
        next(reversed(key.column_keys)): key.referred_table.name
        for key in stored.table.foreign_key_constraints
    }
    without_key = set(kinds) - set(constrained)
    assert without_key <= {"worldid"}, "proved by the key to the parent"
    assert {name: kinds[name] for name in constrained} == constrained


@each
def test_every_reference_within_a_world_is_composite(stored):
    for key in stored.table.foreign_key_constraints:
        if key.referred_table.name in ("user", "world"):
            continue
        assert len(key.column_keys) == 2
        assert [element.column.name for element in key.elements] == ["worldid", "id"]


@each
def test_constraints_are_named_after_the_field(stored):
    """So that an error of the database can name it."""
    prefixes = ("pk_", "uq_", "fk_", "ck_")
    for constraint in stored.table.constraints:
        name = str(constraint.name)
        assert name.startswith(prefixes), name
        rest = name[3:].removeprefix(stored.name).removeprefix("_")
        assert rest in {"", "id", *stored.table.columns.keys()}, name
        assert len(name) < 64


@each
def test_every_key_and_index_of_a_world_leads_with_the_world(stored):
    if "worldid" not in stored.table.columns:
        return
    for index in stored.table.indexes:
        leading = next(iter(index.columns)).name
        assert leading == "worldid" or index.name == "ix_world_member_userid"


@each
def test_twins_and_aliases_never_clash_with_columns(stored):
    columns = set(stored.table.columns.keys())
    twins = {stored.twin(column) for column in stored.references}
    assert len(twins) == len(stored.references)
    assert not twins & columns
    assert not set(stored.aliases) & (columns | twins)
    assert set(stored.aliases.values()) <= set(stored.draft.model_fields)
    assert not twins & set(STAMPS)


@each
def test_the_natural_key_is_of_columns_and_unique_in_the_database(stored):
    assert set(stored.key) <= set(stored.table.columns.keys())
    keys = [
        {column.name for column in constraint.columns} - {"deleted_at"}
        for constraint in stored.table.constraints
        if str(constraint.name).startswith(("uq_", "pk_"))
    ]
    by_index = stored.name in ("user", "world")  # lower(email), a hash of the name
    assert by_index or set(stored.key) in keys


@each
def test_a_record_has_the_shown_columns_and_no_other(stored):
    shown = {column.name for column in stored.shown}
    assert set(stored.record.model_fields) == shown
    heavy = set(stored.table.columns.keys()) - shown
    assert all(isinstance(stored.table.columns[n].type, LargeBinary) for n in heavy)
    assert heavy == ({"content", "thumbnail"} if stored.name == "image" else set())
    assert all(info.is_required() or not info.default for info in fields_by_server(stored))


def fields_by_server(stored: Stored[Any, Any]) -> list[Any]:
    return [info for name, info in stored.record.model_fields.items() if name in BY_SERVER]


@each
def test_numbers_keep_to_the_checks_of_the_table(stored):
    for name, kind in stored.kinds.items():
        column = stored.table.columns[name]
        if isinstance(kind, Whole):
            assert isinstance(column.type, Integer)
            assert column.info["check"] == f"{name} >= {kind.minimum}"
        elif isinstance(kind, Number) and kind.minimum is not None:
            assert isinstance(column.type, Double)
            assert column.info["check"] == f"{name} BETWEEN {kind.minimum} AND {kind.maximum}"


@each_entity
def test_the_grid_shows_what_a_person_may_write(entity: Entity[Any, Any]):
    columns = {column.field: column for column in columns_of(entity)}
    fields = set(entity.draft.model_fields)
    assert fields - set(columns) <= {"worldid", "content", "thumbnail"}
    assert set(columns) - fields == {"updated_at"}
    for name, column in columns.items():
        assert column.title
        if name == "updated_at":
            assert not column.editable
            continue
        kind = entity.kinds[name]
        assert column.required == (name in entity.required)
        assert column.reference == entity.references.get(name)
        assert column.help == (entity.draft.model_fields[name].description or "")
        if isinstance(kind, Text):
            assert column.max_length == kind.max_length
        if isinstance(kind, Choice):
            assert tuple(column.options) == kind.options
        if isinstance(kind, Whole | Number):
            assert (column.minimum, column.maximum) == (kind.minimum, kind.maximum)
    titles = [column.title for column in columns.values()]
    assert len(set(titles)) == len(titles), "two columns of one title"


@each_entity
def test_parent_and_contents_are_each_other(entity: Entity[Any, Any]):
    for name in entity.contains:
        inner = ENTITIES[name]
        column = "worldid" if entity.name == "world" else inner.parent_column
        assert inner.references[column] == entity.name
    if entity.parent not in (None, "user"):
        assert entity.name in ENTITIES[entity.parent].contains
        assert entity.parent_column in entity.key


async def test_every_entity_and_link_has_its_collection_in_the_workspace(wb: Workspace):
    for name, entity in ENTITIES.items():
        collection = getattr(wb, entity.plural)
        assert isinstance(collection, Collection)
        assert collection.stored is entity
        assert wb.collection(name) is wb.collection(entity.plural) is collection
    for link in LINKS.values():
        collection = getattr(wb, link.plural)
        assert isinstance(collection, LinkCollection)
        assert collection.stored is link


async def test_every_entity_and_link_has_a_frame_of_its_columns(wb: Workspace):
    for stored in STORED.values():
        frame = await getattr(wb, stored.plural).frame(limit=0)
        assert set(frame.columns) == {column.name for column in stored.shown}
        named = await getattr(wb, stored.plural).frame(limit=0, names=True)
        twins = {stored.twin(column) for column in stored.references}
        assert set(named.columns) >= set(frame.columns) | twins
        above = set(named.columns) - set(frame.columns) - twins  # a scene's story
        assert above <= {"story", "act"}


@each_link
def test_a_link_belongs_to_one_of_the_records_it_relates(link):
    assert link.home in link.references
    assert link.home in link.key
