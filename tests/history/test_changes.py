"""What was changed, by whom and why: as frames."""

from __future__ import annotations

import asyncio
import contextvars
from datetime import UTC, datetime

import pandas as pd
import pytest

from workbench.entities import STORED
from workbench.errors import InvalidDraft, NotFound
from workbench.history.verbs import CHANGES, CHANGESETS, DIFF, HISTORY, TRASH


async def test_the_history_of_a_record_has_a_row_for_each_changed_field(wb, denmark):
    changed = await wb.personas.update(denmark.hamlet, {"kind": "mad", "tags": []}, reason="act 2")
    await wb.personas.remove(changed)
    frame = await wb.history(denmark.hamlet)
    assert tuple(frame.columns) == HISTORY
    rows = frame[["operation", "column", "before", "after", "reason", "version"]]
    told = [tuple(None if pd.isna(v) else v for v in row) for row in rows.itertuples(index=False)]
    assert told[0][:2] == ("trash", "deleted_at")
    assert told[1:3] == [
        ("update", "kind", None, "mad", "act 2", 2),
        ("update", "tags", '["prince"]', "[]", "act 2", 2),
    ]
    first = {row[1]: row[3] for row in told[3:]}
    assert first.pop("ownerid") == str(denmark.hamlet.ownerid)
    assert first == {"name": "HAMLET", "tags": '["prince"]', "attributes": '{"age": 30}'}
    assert set(frame["by"]) == {"tester@localhost"}
    assert set(frame["source"]) == {"tests"}
    assert str(frame["at"].dtype) == "timestamp[us, tz=UTC][pyarrow]"


async def test_a_history_is_read_in_parts_and_by_id_and_after_a_purge(wb, denmark):
    one = denmark.hamlet
    for n in range(5):
        one = await wb.personas.update(one, kind=f"k{n}")
    await wb.personas.remove(one)
    await wb.personas.purge(one)
    whole = await wb.history(str(one.id), limit=100)
    assert list(whole["operation"].drop_duplicates()) == ["delete", "trash", "update", "insert"]
    first = await wb.history(one.id, limit=3)
    rest = await wb.history(one.id, limit=100, after=int(first["change"].iloc[-1]))
    assert [*first["change"], *rest["change"]] == list(whole["change"])


async def test_a_link_has_a_history_by_its_key(wb, denmark):
    await wb.scene_personas.update(denmark.cast, words=9)
    other = await wb.scene_personas.add(sceneid=denmark.scene.id, personaid=denmark.ophelia.id)
    frame = await wb.history(denmark.cast)
    assert list(frame["operation"]) == ["update", *["insert"] * (len(frame) - 1)]
    assert (frame.iloc[0]["before"], frame.iloc[0]["after"]) == ("7", "9")
    assert set((await wb.history(other))["operation"]) == {"insert"}
    assert "scene_persona" not in set((await wb.history(denmark.scene))["column"].dropna())


async def test_changesets_are_told_with_how_many_rows_each_changed(wb, denmark, now):
    then = await now()
    await wb.personas.add_many([{"name": f"p{n}", "world": "Denmark"} for n in range(3)])
    async with wb.transaction(reason="tidying"):
        await wb.personas.update(denmark.hamlet, kind="mad")
        await wb.scene_personas.update(denmark.cast, words=9)
        await wb.personas.remove(denmark.ophelia)
    norway = await wb.worlds.add(name="Norway")
    frame = await wb.changesets()
    assert tuple(frame.columns) == CHANGESETS
    assert frame["changeset"].is_unique
    told = ["reason", "inserted", "updated", "trashed", "restored", "deleted"]
    rows = [
        tuple(None if pd.isna(v) else v for v in row) for row in frame[told].itertuples(index=False)
    ]
    assert rows[:3] == [
        (None, 1, 0, 0, 0, 0),
        ("tidying", 0, 2, 1, 0, 0),
        (None, 3, 0, 0, 0, 0),
    ]
    assert rows[3][0] == "beginning"
    assert list(frame["entities"].iloc[1]) == ["persona", "scene_persona"]
    assert len(await wb.changesets(world=norway)) == 1
    assert len(await wb.changesets(world="Denmark", since=then)) == 2
    assert len(await wb.changesets(by="tester@localhost", limit=2)) == 2
    assert len(await wb.changesets(by="nobody@localhost")) == 0
    await wb.undo(frame["changeset"].iloc[1])
    assert (await wb.personas.get(denmark.ophelia.id)).deleted_at is None


async def test_changesets_that_ran_at_the_same_time_are_each_told_once(wb, denmark, database):
    other = type(wb)(database)
    async with wb.transaction(reason="long"):
        await wb.personas.add(name="First", worldid=denmark.world.id)
        await asyncio.create_task(short(other, denmark), context=contextvars.Context())
        await wb.personas.add(name="Last", worldid=denmark.world.id)
    frame = await wb.changesets(world=denmark.world)
    assert list(zip(frame["reason"], frame["inserted"], strict=True))[:2] == [
        ("long", 2),
        ("short", 1),
    ]


async def short(wb, denmark):
    await wb.personas.add(name="Between", worldid=denmark.world.id, reason="short")


async def test_changes_are_told_by_world_author_time_table_and_changeset(wb, denmark, now):
    then = await now()
    await wb.personas.update(denmark.hamlet, kind="mad", reason="casting")
    await wb.scene_personas.update(denmark.cast, words=9)
    await wb.worlds.add(name="Norway")
    frame = await wb.changes(since=then)
    assert tuple(frame.columns) == CHANGES
    assert list(frame["entity"]) == ["world", "scene_persona", "persona"]
    row = (await wb.changes(world="Denmark", since=then, entity="personas")).iloc[0]
    assert (row["name"], row["operation"], list(row["columns"]), row["reason"], row["record"]) == (
        "HAMLET",
        "update",
        ["kind"],
        "casting",
        str(denmark.hamlet.id),
    )
    assert len(await wb.changes(world="Denmark", until=then)) == 10
    assert len(await wb.changes(by="TESTER@localhost", since=then)) == 3
    assert len(await wb.changes(by="nobody@example.org")) == 0
    assert len(await wb.changes(changeset=row["changeset"])) == 1
    pages = [await wb.changes(limit=8)]
    while len(pages[-1]):
        pages.append(await wb.changes(limit=8, after=int(pages[-1]["change"].iloc[-1])))
    assert sum(len(page) for page in pages) == 13
    assert pages[-1].dtypes.equals(pages[0].dtypes)


@pytest.mark.parametrize(
    "asked",
    [{"entity": "dragon"}, {"since": "yesterday"}, {"limit": 0}, {"since": pd.NaT}],
)
async def test_what_cannot_be_asked_is_said(wb, asked):
    with pytest.raises(InvalidDraft, match=next(iter(asked))):
        await wb.changes(**asked)
    with pytest.raises(NotFound):
        await wb.changes(world="Nowhere")


async def test_the_difference_of_two_moments_is_what_is_left_of_it(wb, denmark, now):
    then = await now()
    one = await wb.personas.update(denmark.hamlet, kind="mad")
    one = await wb.personas.update(one, kind="sane", name="GHOST")
    await wb.personas.update(one, kind=None)
    await wb.personas.remove(denmark.ophelia)
    fleeting = await wb.personas.add(name="BRIEF", worldid=denmark.world.id)
    await wb.personas.remove(fleeting)
    await wb.personas.purge(fleeting)
    await wb.personas.remove(await wb.personas.add(name="SHORT", worldid=denmark.world.id))
    again = await wb.personas.add(name="LONG", worldid=denmark.world.id)
    await wb.personas.restore(await wb.personas.remove(again))
    await wb.things.add(name="Skull", worldid=denmark.world.id, kind="bone")
    await wb.scene_personas.remove(denmark.cast)
    frame = await wb.diff(then, datetime.now(UTC), world="Denmark")
    assert tuple(frame.columns) == DIFF
    told = {
        (r.entity, r.column): (r.operation, r.before, r.after)
        for r in frame.itertuples()
        if r.column not in ("ownerid", "deleted_at", "sceneid", "personaid") and r.name != "LONG"
    }
    told = {k: tuple(None if pd.isna(v) else v for v in values) for k, values in told.items()}
    assert told == {
        ("persona", "name"): ("update", "HAMLET", "GHOST"),
        ("scene_persona", "words"): ("delete", "7", None),
        ("thing", "name"): ("insert", None, "Skull"),
        ("thing", "kind"): ("insert", None, "bone"),
    }
    assert set(frame.loc[frame["name"] == "LONG", "operation"]) == {"insert"}
    trashed = frame[frame["column"] == "deleted_at"]
    assert list(trashed["operation"]) == ["trash"]
    assert list(trashed["name"]) == ["OPHELIA"]
    assert len(await wb.diff(then, then, world="Denmark")) == 0
    with pytest.raises(InvalidDraft):
        await wb.diff(datetime.now(UTC), then, world="Denmark")


async def test_the_trash_says_what_is_in_it_and_who_put_it_there(wb, denmark, now):
    await wb.stories.remove(denmark.story, reason="cut")
    then = await now()
    frame = await wb.trash("Denmark")
    assert tuple(frame.columns) == TRASH
    assert sorted(frame["entity"]) == ["act", "scene", "story"]
    assert set(frame["by"]) == {"tester@localhost"}
    assert set(frame["reason"]) == {"cut"}
    assert frame["changeset"].nunique() == 1
    await wb.undo(frame["changeset"].iloc[0])
    assert len(await wb.trash("Denmark")) == 0
    assert len(await wb.as_of(then).trash("Denmark")) == 3
    assert len(await wb.trash("Denmark")) == 0


async def test_a_past_tells_what_was_done_until_then(wb, denmark, now):
    then = await now()
    await wb.personas.update(denmark.hamlet, kind="mad")
    past = wb.as_of(then)
    assert "update" not in set((await past.history(denmark.hamlet))["operation"])
    assert len(await past.changes(entity="persona")) == 2
    assert len(await wb.changes(entity="persona")) == 3
    assert {c.operation for c in await past.latest_changes("Denmark")} == {"insert"}


async def test_the_latest_changes_name_records_and_not_links(wb, denmark):
    await wb.scene_personas.update(denmark.cast, words=9)
    await wb.scenes.update(denmark.scene, text="Nay, answer me.")
    told = {(c.entity, c.operation): c.names for c in await wb.latest_changes("Denmark")}
    assert told["scene", "update"] == ("Scene 1",)
    assert told["scene_persona", "update"] == ()


async def test_every_column_that_can_change_is_logged(sql):
    for stored in STORED.values():
        source = await sql.fetchval(
            "SELECT prosrc FROM pg_proc WHERE proname = $1", f"log_{stored.name}"
        )
        fixed = {"id", "worldid", "created_at", "updated_at", "version", "content"}
        fixed |= {c.name for c in stored.table.primary_key.columns}
        missing = [
            c.name
            for c in stored.table.columns
            if c.name not in fixed and f"o.{c.name} IS DISTINCT FROM" not in source
        ]
        assert missing == [], stored.name
