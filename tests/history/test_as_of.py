"""What was there at a moment: every verb that reads, on the past."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from workbench.editing import RepositorySource
from workbench.entities import STORED
from workbench.errors import NotAllowed, NotFound, Refused
from workbench.history.retention import forget
from workbench.store.overview import numbers


async def test_a_past_reads_as_the_workspace_did_then(wb, denmark, now):
    def plain(page):
        return [record.model_dump() for record in page]

    collections = [n for n, v in vars(wb).items() if hasattr(v, "stored") and n != "users"]
    assert len(collections) == len(STORED) - 1
    kept = {name: plain(await getattr(wb, name).find()) for name in collections}
    frames = {name: await getattr(wb, name).frame(names=True) for name in collections}
    tree = str(await wb.outline(denmark.world))
    then = await now()
    await wb.scenes.update(denmark.scene, name="Scene 2", text=None, locationid=denmark.hall.id)
    await wb.personas.update(denmark.hamlet, tags=[], attributes={}, kind="mad")
    await wb.stories.update(denmark.story, name="Hamlet II")
    await wb.locations.remove(denmark.hall)
    await wb.locations.purge(denmark.hall)
    await wb.scene_personas.update(denmark.cast, words=9)
    await wb.persona_relations.remove(denmark.relation)
    await wb.personas.add(name="YORICK", world="Denmark")
    await wb.worlds.update(denmark.world, name="Norway")
    past = wb.as_of(then)
    for name in collections:
        told = plain(await getattr(past, name).find())
        for before, after in zip(kept[name], told, strict=True):
            before.pop("updated_at"), after.pop("updated_at")
            assert before == after, name
        frame = await getattr(past, name).frame(names=True)
        columns = [c for c in frame.columns if c != "updated_at"]
        assert frame[columns].equals(frames[name][columns]), name
    assert str(await past.outline("Denmark")) == tree


async def test_numbers_appearances_and_places_are_those_of_the_moment(wb, denmark, now):
    then = await now()
    before = await numbers(wb.database, denmark.world.id)
    await wb.personas.update(denmark.hamlet, name="GHOST")
    await wb.scene_personas.remove(denmark.cast)
    await wb.locations.update(denmark.hall, parentid=None)
    await wb.stories.remove(denmark.story)
    past = wb.as_of(then)
    assert await numbers(past.database, denmark.world.id) == before
    assert await numbers(wb.database, denmark.world.id) != before
    (appearance,) = await past.appearances(scene=denmark.scene)
    assert (appearance.persona, appearance.story, appearance.words) == ("HAMLET", "Hamlet", 7)
    assert [p.path for p in await past.subtree(denmark.castle)] == [
        ("Elsinore",),
        ("Elsinore", "Hall"),
    ]
    assert [p.name for p in await wb.subtree(denmark.castle)] == ["Elsinore"]


async def test_a_row_of_many_lives_is_what_it_was_in_each(wb, denmark, now):
    times = []
    for kind in ("prince", "ghost"):
        one = await wb.personas.get(denmark.ophelia.id)
        await wb.personas.update(one, kind=kind)
        times.append(await now())
        await wb.personas.remove(one.id)
        await wb.personas.purge(one.id)
        gone = await wb.changes(limit=1)
        await wb.undo(gone["changeset"].iloc[0])
        await wb.personas.restore(one.id)
    for moment, kind in zip(times, ("prince", "ghost"), strict=True):
        told = await wb.as_of(moment).personas.get(denmark.ophelia.id)
        assert (told.kind, told.deleted_at) == (kind, None)
        assert await wb.as_of(moment).personas.count() == 2


async def test_updated_at_of_a_row_is_that_of_its_last_change_until_then(wb, denmark, now):
    first = await wb.personas.update(denmark.hamlet, kind="prince")
    then = await now()
    await wb.personas.update(first, kind="king")
    told = await wb.as_of(then).personas.get(denmark.hamlet.id)
    assert (told.kind, told.version) == ("prince", 2)
    assert denmark.hamlet.updated_at < told.updated_at <= first.updated_at


async def test_names_are_those_of_the_moment(wb, denmark, now):
    then = await now()
    await wb.worlds.update(denmark.world, name="Norway")
    await wb.personas.update(denmark.ophelia, name="GERTRUDE")
    past = wb.as_of(then)
    assert (await past.personas.get(name="OPHELIA", world="Denmark")).id == denmark.ophelia.id
    assert len(await past.personas.find(search="phel", world="Denmark")) == 1
    assert await past.personas.count(search="gert", world="Denmark") == 0
    with pytest.raises(NotFound, match="Did you mean 'OPHELIA'"):
        await past.personas.get(name="OFELIA", world="Denmark")
    assert [n.name for n in await past.near_names("persona", "OFELIA", world="Denmark")] == [
        "OPHELIA"
    ]


async def test_pages_of_the_past_go_on_where_the_last_ended(wb, denmark, now):
    await wb.personas.add_many([{"name": f"p{n}", "world": "Denmark"} for n in range(30)])
    kept = [p.name for p in await wb.personas.find(world="Denmark", order=["name"], limit=100)]
    then = await now()
    for one in (await wb.personas.find(world="Denmark", limit=20)).records:
        await wb.personas.remove(one)
        await wb.personas.purge(one)
    past, names, after = wb.as_of(then), [], None
    while True:
        page = await past.personas.find(world="Denmark", order=["name"], limit=7, after=after)
        names += [p.name for p in page]
        if (after := page.next) is None:
            break
    assert names == kept


async def test_what_is_in_the_trash_was_not_there_then(wb, denmark, now):
    before = await now()
    await wb.stories.remove(denmark.story)
    trashed = await now()
    await wb.stories.restore(denmark.story)
    assert await wb.as_of(before).scenes.count() == 1
    assert await wb.as_of(trashed).scenes.count() == 0
    assert await wb.as_of(trashed).scenes.count(trashed=True) == 1
    assert await wb.as_of(await now()).scenes.count() == 1


async def test_nothing_was_there_before_it_was_made(wb, denmark):
    past = wb.as_of("2020-01-01")
    assert await past.worlds.count() == await past.scene_personas.count() == 0
    with pytest.raises(NotFound):
        await past.personas.get(denmark.hamlet.id)


async def test_a_transaction_is_there_whole_or_not_at_all(wb, denmark, now):
    async with wb.transaction():
        inside = await now()
        await wb.personas.add(name="YORICK", worldid=denmark.world.id)
        await wb.personas.update(denmark.hamlet, kind="prince")
    assert await wb.as_of(inside).personas.count() == 3
    begun = (await wb.history(denmark.hamlet))["at"].max().to_pydatetime()
    assert await wb.as_of(begun).personas.count() == 3
    assert await wb.as_of(begun - timedelta(microseconds=1)).personas.count() == 2


async def test_a_past_is_not_written(wb, denmark, now):
    past = wb.as_of(await now())
    hamlet = await past.personas.get(denmark.hamlet.id)
    for writing in (
        past.personas.add(name="YORICK", worldid=denmark.world.id),
        past.personas.add_many([{"name": "YORICK", "worldid": denmark.world.id}]),
        past.personas.update(hamlet, kind="mad"),
        past.personas.update(hamlet, kind="mad", reason="why"),
        past.personas.remove(hamlet),
        past.stories.restore(denmark.story),
        past.scene_personas.remove(denmark.cast),
        past.share(denmark.world, "eve@example.org"),
        past.users.update(await past.users.get(hamlet.ownerid), first_name="X"),
        past.atomically(lambda: past.personas.count()),
        past.undo(denmark.world.id),
    ):
        with pytest.raises(NotAllowed, match=r"This workspace shows 20\d\d-.* and only reads"):
            await writing
    assert await wb.personas.count() == 2


async def test_a_grid_of_the_past_is_read_only(wb, denmark, now):
    then = await now()
    await wb.personas.update(denmark.hamlet, name="GHOST")
    source = RepositorySource(wb.as_of(then).personas, "Denmark")
    page = await source.page(0, 10, sort=[], filters=[], search=None)
    assert [row["name"] for row in page.rows] == ["HAMLET", "OPHELIA"]
    assert all(row["__fixed"] is True and row["__kept"] for row in page.rows)
    assert await wb.as_of(then).role_in(denmark.world) == "viewer"
    shown = wb.as_of(then).personas.editor(world="Denmark")
    assert not shown.grid.can_add
    assert not any(column.editable for column in shown.grid.source.columns)
    live = await RepositorySource(wb.personas, "Denmark").page(
        0, 10, sort=[], filters=[], search=None
    )
    assert "__fixed" not in live.rows[0]


async def test_a_picture_of_the_past_has_its_hash_and_not_its_bytes(wb, denmark, now):
    image = await wb.images.add(name="Castle", worldid=denmark.world.id, content=b"old bytes")
    other = await wb.images.add(name="Moat", worldid=denmark.world.id, content=b"kept")
    then = await now()
    changed = await wb.images.update(image, content=b"new")
    await wb.images.update(other, description="deep")
    past = wb.as_of(then)
    told = await past.images.get(image.id)
    assert (told.sha256, told.byte_size) == (image.sha256, 9) != (changed.sha256, 3)
    assert await past.picture(image.id) is None
    assert await past.picture(other.id) == b"kept"


async def test_a_past_is_exported(wb, denmark, now, tmp_path):
    then = await now()
    await wb.personas.update(denmark.hamlet, name="GHOST")
    await wb.as_of(then).export(tmp_path / "out", world="Denmark")
    written = "".join(p.read_text() for p in (tmp_path / "out").rglob("*.csv"))
    assert "HAMLET" in written
    assert "GHOST" not in written


async def test_a_world_that_was_purged_is_gone_from_its_past(wb, denmark, now):
    then = await now()
    await wb.worlds.remove(denmark.world)
    assert await wb.as_of(then).personas.count() == 2
    await wb.worlds.purge(denmark.world)
    assert await wb.as_of(then).personas.count() == await wb.as_of(then).worlds.count() == 0


async def test_there_is_no_past_before_what_was_forgotten(wb, denmark, owned, now):
    then = await now()
    await wb.personas.update(denmark.hamlet, kind="mad")
    assert await forget(owned.database, keep_days=1) == 0
    assert await wb.as_of(then).personas.count() == 2
    assert await forget(owned.database, keep_days=0) > 10
    with pytest.raises(Refused, match="kept no more"):
        await wb.as_of(then).personas.count()
    later = await now()
    await wb.personas.update(await wb.personas.get(denmark.hamlet.id), kind="sane")
    assert (await wb.as_of(later).personas.get(denmark.hamlet.id)).kind == "mad"
    async with wb.database.reading() as connection:
        kept = await connection.scalar(text("SELECT count(*) FROM history.changeset"))
    assert kept >= 3


async def test_the_views_of_the_past_have_the_columns_of_the_tables(sql):
    def shape(schema: str) -> str:
        return (
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class AS c"
            " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT attisdropped"
            f" WHERE relnamespace = '{schema}'::regnamespace AND relkind IN ('r', 'v')"
            " AND relname NOT IN ('user', 'alembic_version') ORDER BY 1, a.attnum"
        )

    def columns(rows):
        return [(r[0], r[1], r[2].removesuffix("(255)").removesuffix("(64)")) for r in rows]

    there, then = await sql.fetch(shape("public")), await sql.fetch(shape("past"))
    assert columns(then) == columns(there)
