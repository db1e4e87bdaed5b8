"""Filters: by what lies above a row, by what is empty, by what the server writes."""

from __future__ import annotations

from datetime import datetime

import pytest

from workbench.errors import InvalidDraft, UnknownField
from workbench.workspace import Workspace


async def two_stories(wb: Workspace) -> None:
    world = await wb.worlds.add(name="W")
    persona = await wb.personas.add(name="P", world=world)
    for title in ("One", "Two"):
        story = await wb.stories.add(name=title, world=world)
        act = await wb.acts.add(name="Act I", story=story)
        scene = await wb.scenes.add(name=f"Scene of {title}", act=act)
        await wb.scene_personas.add(sceneid=scene.id, personaid=persona.id)


async def test_scenes_and_their_cast_are_found_by_the_story(wb: Workspace):
    await two_stories(wb)
    assert [s.name for s in await wb.scenes.find(story="Two", act="Act I")] == ["Scene of Two"]
    assert await wb.scene_personas.count(story="One") == 1
    assert await wb.scene_personas.count(story__ne="Three") == 2
    assert len(await wb.scene_personas.frame(world="W", story="Two", act="Act I")) == 1


async def test_a_story_in_the_trash_finds_nothing(wb: Workspace):
    await two_stories(wb)
    await wb.stories.remove(await wb.stories.get(name="Two", world="W"))
    assert await wb.scenes.count(story="Two") == 0


async def test_a_persona_lies_in_no_story(wb: Workspace):
    with pytest.raises(UnknownField):
        await wb.personas.count(story="One")


@pytest.mark.parametrize("field", ["kind", "tags", "aliases", "attributes"])
async def test_what_is_empty_is_found_whatever_its_type(wb: Workspace, field: str):
    world = await wb.worlds.add(name="W")
    full = {"kind": "k", "tags": ["t"], "aliases": ["a"], "attributes": {"a": None}}
    await wb.personas.add(name="Full", world=world, **full)
    await wb.personas.add(name="Empty", world=world)
    for empty in ({field: None}, {f"{field}__empty": True}):
        assert [p.name for p in await wb.personas.find(**empty)] == ["Empty"]
        assert list((await wb.personas.frame(**empty))["name"]) == ["Empty"]
    for filled in ({f"{field}__ne": None}, {f"{field}__empty": False}):
        assert [p.name for p in await wb.personas.find(**filled)] == ["Full"]


async def test_a_list_with_none_in_it_finds_empty_fields_too(wb: Workspace):
    world = await wb.worlds.add(name="W")
    for position in (1, 2, None):
        await wb.books.add(name=f"B{position}", world=world, position=position)
    assert await wb.books.count(position=[1, None]) == 2
    assert await wb.books.count(position=[]) == 0


async def test_rows_are_found_by_what_the_server_writes(wb: Workspace):
    world = await wb.worlds.add(name="W")
    assert await wb.worlds.count(id=str(world.id), version=1) == 1
    for time in ("2020-01-01", datetime(2020, 1, 1), world.created_at):
        assert await wb.worlds.count(created_at__ge=time) == 1
        assert await wb.worlds.count(created_at__lt=time) == 0
        assert len(await wb.worlds.frame(created_at__ge=time)) == 1


@pytest.mark.parametrize(
    "said",
    [
        {"created_at__ge": "yesterday"},
        {"created_at": 5},
        {"version": "first"},
        {"id": "abc"},
        {"name__has": "x"},
        {"tags__has": 5},
        {"is_public__ge": True},
        {"attributes__lt": {}},
        {"created_at__lt": None},
        {"version__ge": None},
        {"name": "HAM\ud800"},
        {"name": ["HAM\x00"]},
        {"name__contains": "\x00"},
        {"tags__has": "\ud800"},
        {"search": "HAM\x00"},
        {"search": "\ud800"},
    ],
)
async def test_a_filter_that_cannot_be_is_refused_by_its_field(wb: Workspace, said):
    with pytest.raises(InvalidDraft) as error:
        await wb.worlds.count(**said)
    assert list(error.value.problems) == [next(iter(said)).partition("__")[0]]


@pytest.mark.parametrize("name", ["HAM\x00", "HAM\ud800"])
async def test_a_name_that_cannot_be_stored_is_refused_as_a_name(wb: Workspace, name: str):
    """However it is asked for: there is no record of the name, nor one that is like it."""
    world = await wb.worlds.add(name="W")
    for ask, said in (
        (wb.things.get, {"name": name}),
        (wb.things.find, {"location": name}),
        (wb.things.count, {"world": name}),
        (wb.things.add, {"name": "Skull", "world": world, "location": name}),
        (wb.outline, {"world": name}),
    ):
        with pytest.raises(InvalidDraft) as error:
            await ask(**said)
        assert list(error.value.problems) == ["name"]
    assert await wb.near_names("persona", name) == []
