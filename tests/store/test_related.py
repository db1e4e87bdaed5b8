"""What is related to a record, in the order of the stories."""

from __future__ import annotations

import pytest

from workbench.entities import ENTITIES
from workbench.store.related import related, relations


@pytest.fixture
async def denmark(wb):
    world = await wb.worlds.add(name="Denmark")
    story = await wb.stories.add(name="Hamlet", worldid=world.id)
    acts = [await wb.acts.add(name=f"Act {n}", position=n, storyid=story.id) for n in (2, 1)]
    scenes = [
        await wb.scenes.add(name=f"Scene {n}", position=n, actid=act.id)
        for act in acts
        for n in (2, 1)
    ]
    hamlet = await wb.personas.add(name="HAMLET", display_name="Hamlet", worldid=world.id)
    for words, scene in enumerate(scenes):
        await wb.scene_personas.add(sceneid=scene.id, personaid=hamlet.id, words=words)
    await wb.things.add(name="Skull", personaid=hamlet.id, worldid=world.id)
    return world


async def listed(wb, name, record, limit=10):
    (relation,) = [one for one in relations(name.split(":")[0]) if one.name == name.split(":")[1]]
    return await related(wb.database, relation, record.worldid, record.id, limit=limit)


async def test_every_reference_between_records_of_a_world_is_a_relation():
    names = {relation.name for entity in ENTITIES for relation in relations(entity)}
    for stored in ENTITIES.values():
        for column, target in stored.references.items():
            if target not in ("world", "user") and stored.in_world:
                assert f"{stored.name}.{column}" in names
    assert {"persona_relation.personaid", "persona_relation.otherid"} <= names
    assert not any("world_member" in name for name in names)


async def test_scenes_of_a_persona_stand_in_the_order_of_the_story(wb, denmark):
    hamlet = await wb.personas.get(name="HAMLET", world="Denmark")
    found = await listed(wb, "persona:scene_persona.personaid", hamlet)
    assert [(one.label, *one.within) for one in found] == [
        ("Scene 1", "Act 1", "Hamlet"),
        ("Scene 2", "Act 1", "Hamlet"),
        ("Scene 1", "Act 2", "Hamlet"),
        ("Scene 2", "Act 2", "Hamlet"),
    ]
    assert found[0].values == {"role": None, "speeches": None, "words": 3}
    assert len(await listed(wb, "persona:scene_persona.personaid", hamlet, limit=3)) == 3


async def test_what_lies_in_the_record_does_not_repeat_where_it_lies(wb, denmark):
    act = await wb.acts.get(name="Act 1", world="Denmark")
    found = await listed(wb, "act:scene.actid", act)
    assert [(one.label, one.within) for one in found] == [("Scene 1", ()), ("Scene 2", ())]


async def test_both_ends_of_a_relation_tell_of_it(wb, denmark):
    hamlet = await wb.personas.get(name="HAMLET", world="Denmark")
    ghost = await wb.personas.add(name="GHOST", worldid=denmark.id)
    for kind in ("father", "doom"):
        await wb.persona_relations.add(personaid=ghost.id, otherid=hamlet.id, kind=kind)
    out = await listed(wb, "persona:persona_relation.personaid", ghost)
    assert [(one.label, one.values["kind"]) for one in out] == [
        ("Hamlet", "doom"),
        ("Hamlet", "father"),
    ]
    into = await listed(wb, "persona:persona_relation.otherid", hamlet)
    assert [one.label for one in into] == ["GHOST", "GHOST"]


async def test_what_is_in_the_trash_is_left_out(wb, denmark):
    hamlet = await wb.personas.get(name="HAMLET", world="Denmark")
    await wb.things.remove(await wb.things.get(name="Skull", world="Denmark"))
    assert await listed(wb, "persona:thing.personaid", hamlet) == []
    await wb.acts.remove(await wb.acts.get(name="Act 1", world="Denmark"))
    assert len(await listed(wb, "persona:scene_persona.personaid", hamlet)) == 2


async def test_a_stranger_is_told_of_nothing(wb, sign_in, denmark):
    hamlet = await wb.personas.get(name="HAMLET", world="Denmark")
    eve = await sign_in("eve")
    for relation in relations("persona"):
        assert await related(eve.database, relation, denmark.id, hamlet.id, limit=9) == []


def test_every_relation_is_served_by_an_index_that_leads_with_the_world():
    """So what a page costs is what the record's own rows cost, however large the world."""
    for relation in (one for entity in ENTITIES for one in relations(entity)):
        table = relation.stored.table
        keys = [tuple(c.name for c in key.columns) for key in table.indexes]
        keys += [
            tuple(c.name for c in k.columns) for k in table.constraints if hasattr(k, "columns")
        ]
        assert ("worldid", relation.column) in {key[:2] for key in keys}, relation.name
