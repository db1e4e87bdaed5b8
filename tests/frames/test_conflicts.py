"""What others have changed meanwhile: told cell by cell, never lost, settled on request."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pandas as pd
import pytest

from tests.frames.conftest import SignIn
from tests.frames.test_save import one, put
from workbench.entities.world import World
from workbench.errors import InvalidDraft, InvalidRows, NotFound
from workbench.workspace import Workspace

WAITING = """
SELECT a.usename FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid)
WHERE a.datname = current_database() AND NOT l.granted
"""


async def test_a_cell_that_somebody_else_changed_is_in_conflict(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = await wb.personas.frame(world=denmark)
    changed = await eve.personas.update(await one(eve, "Hamlet"), kind="spy", tags=["x"])
    put(frame, "Hamlet", kind="ghost", description="Not written either.")
    put(frame, "Ophelia", kind="ghost")
    result = await wb.personas.save(frame)
    assert (result.changed, result.unchanged) == (1, 3)
    assert (await one(wb, "Hamlet")) == changed
    (row,) = result.conflicts.to_dict("records")
    assert row["record"] == str(changed.id)
    assert (row["name"], row["column"], row["why"]) == ("Hamlet", "kind", "changed")
    assert (row["base"], row["mine"], row["theirs"]) == ("prince", "ghost", "spy")
    assert row["author"] == "eve@example.org"
    assert abs(row["at"] - pd.Timestamp(changed.updated_at)) < pd.Timedelta("1s")


async def test_what_others_changed_and_i_did_not_stays_theirs(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = await wb.personas.frame(world=denmark)
    hamlet = await one(eve, "Hamlet")
    hamlet = await eve.personas.update(hamlet, kind="spy", description="Hers.")
    await eve.personas.update(hamlet, tags=["hers"], attributes={"a": 1}, aliases=["H"])
    await eve.personas.update(await one(eve, "Ophelia"), description=None)
    put(frame, "Hamlet", name="HAMLET")
    result = await wb.personas.save(frame)
    assert (result.changed, result.cells, result.unchanged) == (1, 1, 4)
    assert len(result.conflicts) == 0
    hamlet = await one(wb, "HAMLET")
    assert (hamlet.kind, hamlet.description, hamlet.tags) == ("spy", "Hers.", ["hers"])
    assert (hamlet.attributes, hamlet.aliases) == ({"a": 1}, ["H"])
    assert (await one(wb, "Ophelia")).description is None


async def test_equal_changes_are_no_conflict(wb: Workspace, denmark: World, eve: Workspace) -> None:
    frame = await wb.personas.frame(world=denmark)
    hamlet = await eve.personas.update(await one(eve, "Hamlet"), kind="ghost", tags=["x"])
    put(frame, "Hamlet", kind="ghost", tags="x")
    result = await wb.personas.save(frame)
    assert (result.changed, len(result.conflicts), result.unchanged) == (0, 0, 5)
    assert await one(wb, "Hamlet") == hamlet


async def test_a_value_that_came_back_is_no_conflict(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = await wb.personas.frame(world=denmark)
    hamlet = await eve.personas.update(await one(eve, "Hamlet"), kind="spy")
    await eve.personas.update(hamlet, kind="prince")
    put(frame, "Hamlet", kind="ghost")
    assert (await wb.personas.save(frame)).changed == 1


async def test_one_conflict_can_stop_it_all(wb: Workspace, denmark: World, eve: Workspace) -> None:
    frame = await wb.personas.frame(world=denmark)
    await eve.personas.update(await one(eve, "Hamlet"), kind="spy")
    read = frame.copy()
    frame["kind"] = "ghost"
    frame = pd.concat([frame, pd.DataFrame({"name": ["Laertes"]})], ignore_index=True)
    gone = frame[frame["name"] != "Yorick"].copy()
    result = await wb.personas.save(gone, on_conflict="stop", add=True, trash=True, based_on=read)
    assert not result.written
    assert (result.changed, result.added, result.trashed) == (0, 0, 0)
    assert await wb.personas.count(kind="ghost") == 0
    assert await wb.personas.count() == 5
    assert "nothing was written, because of 1 record in conflict" in str(result)
    done = await result.resolve("mine")
    assert (done.changed, done.added, done.trashed) == (4, 1, 1)
    assert await wb.personas.count(kind="ghost") == 4
    assert await wb.personas.count(name="Laertes") == 1


async def test_what_was_stopped_is_saved_once_even_if_something_stays_open(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    read = await wb.personas.frame(world=denmark)
    await eve.personas.update(await one(eve, "Hamlet"), kind="spy")
    await eve.personas.remove(await one(eve, "Ophelia"))
    frame = pd.concat([read, pd.DataFrame({"name": ["Laertes"]})], ignore_index=True)
    frame["kind"] = "ghost"
    frame = frame[frame["name"] != "Yorick"]
    result = await wb.personas.save(
        frame, on_conflict="stop", add=True, trash=True, based_on=read.copy()
    )
    ids = {row["name"]: row["record"] for row in result.conflicts.to_dict("records")}
    with pytest.raises(InvalidDraft, match="decide all"):
        await result.resolve({(ids["Ophelia"], "kind"): "ghost"})
    done = await result.resolve("mine")
    assert (done.changed, done.added, done.trashed) == (3, 1, 1)
    assert list(done.conflicts["why"]) == ["trashed"]
    await wb.personas.restore(ids["Ophelia"])
    again = await done.resolve("mine")
    assert (again.added, again.trashed) == (0, 0)
    assert await wb.personas.count() == 5


@pytest.mark.parametrize(("keep", "kind"), [("mine", "ghost"), ("theirs", "spy")])
async def test_conflicts_are_settled_with_all_else_of_their_records(
    wb: Workspace, denmark: World, eve: Workspace, keep: str, kind: str
) -> None:
    frame = await wb.personas.frame(world=denmark)
    await eve.personas.update(await one(eve, "Hamlet"), kind="spy", aliases=["H"])
    put(frame, "Hamlet", kind="ghost", description="Mine.")
    result = await (await wb.personas.save(frame, reason="first")).resolve(keep)
    assert (result.changed, len(result.conflicts)) == (1, 0)
    hamlet = await one(wb, "Hamlet")
    assert (hamlet.kind, hamlet.description, hamlet.aliases) == (kind, "Mine.", ["H"])
    # And the frame can be edited on.
    put(frame, "Hamlet", kind="shade")
    assert (await wb.personas.save(frame)).cells == 1
    assert (await one(wb, "Hamlet")).aliases == ["H"]


async def test_conflicts_are_settled_one_by_one(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = await wb.personas.frame(world=denmark)
    for name in ("Hamlet", "Ophelia", "Yorick"):
        await eve.personas.update(await one(eve, name), kind="spy", tags=["hers"])
        put(frame, name, kind="ghost", tags=["mine"])
    result = await wb.personas.save(frame)
    assert len(result.conflicts) == 6
    hamlet = await one(wb, "Hamlet")
    part = await result.resolve(
        {(hamlet.id, "kind"): "shade", (str(hamlet.id), "tags"): ["a", "b"]}
    )
    assert part.changed == 1
    assert sorted(set(part.conflicts["name"])) == ["Ophelia", "Yorick"]
    hamlet = await one(wb, "Hamlet")
    assert (hamlet.kind, hamlet.tags) == ("shade", ["a", "b"])
    said = part.conflicts.assign(keep="mine")
    said.loc[said["column"] == "tags", "keep"] = "theirs"
    said.loc[(said["name"] == "Yorick") & (said["column"] == "kind"), "keep"] = "value"
    said["value"] = "jester"
    done = await part.resolve(said)
    assert (done.changed, len(done.conflicts)) == (2, 0)
    ophelia, yorick = await one(wb, "Ophelia"), await one(wb, "Yorick")
    assert (ophelia.kind, ophelia.tags) == ("ghost", ["hers"])
    assert (yorick.kind, yorick.tags) == ("jester", ["hers"])


async def test_a_settled_conflict_is_checked_against_what_is_current(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = await wb.personas.frame(world=denmark)
    hamlet = await eve.personas.update(await one(eve, "Hamlet"), kind="spy")
    put(frame, "Hamlet", kind="ghost")
    result = await wb.personas.save(frame)
    await eve.personas.update(hamlet, kind="king")
    again = await result.resolve("mine")
    assert again.changed == 0
    (row,) = again.conflicts.to_dict("records")
    assert (row["base"], row["mine"], row["theirs"]) == ("spy", "ghost", "king")
    assert (await again.resolve("mine")).changed == 1
    assert (await one(wb, "Hamlet")).kind == "ghost"


async def test_what_is_decided_must_be_a_conflict_and_a_known_word(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = await wb.locations.frame(world=denmark)
    castle = await eve.locations.get(name="Castle", world="Denmark")
    await eve.locations.update(castle, x=0.5)
    put(frame, "Castle", x=0.75)
    result = await wb.locations.save(frame)
    with pytest.raises(InvalidDraft, match="'mine', 'theirs'"):
        await result.resolve("ours")
    with pytest.raises(InvalidDraft, match="no conflict"):
        await result.resolve({(castle.id, "y"): 1})
    with pytest.raises(InvalidDraft, match="no column 'keep'"):
        await result.resolve(result.conflicts)
    with pytest.raises(InvalidDraft, match="'value'"):
        await result.resolve(result.conflicts.assign(keep="his"))
    with pytest.raises(InvalidRows, match="at most 1"):
        await result.resolve({(castle.id, "x"): 2})
    assert (await result.resolve({(castle.id, "x"): 1})).changed == 1
    assert (await wb.locations.get(castle.id)).x == 1


async def test_a_record_that_went_to_the_trash_is_told_with_what_was_to_be_written(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = await wb.personas.frame(world=denmark)
    await eve.personas.remove(await one(eve, "Hamlet"))
    await eve.personas.remove(await one(eve, "Yorick"))
    put(frame, "Hamlet", kind="ghost")
    put(frame, "Ophelia", kind="ghost")
    result = await wb.personas.save(frame)
    assert (result.changed, result.unchanged) == (1, 3)
    (row,) = result.conflicts.to_dict("records")
    assert (row["name"], row["why"], row["mine"]) == ("Hamlet", "trashed", "ghost")
    assert row["author"] == "eve@example.org"
    assert "in the trash" in str(result)


async def test_a_record_that_was_purged_is_told_if_it_was_edited(
    wb: Workspace, denmark: World
) -> None:
    frame = await wb.personas.frame(world=denmark)
    for name in ("Hamlet", "Yorick"):
        await wb.personas.update(await one(wb, name), description="Changed before.")
        await wb.personas.purge(await wb.personas.remove(await one(wb, name)))
    put(frame, "Hamlet", kind="ghost")
    put(frame, "Ophelia", kind="ghost")
    result = await wb.personas.save(frame)
    assert result.changed == 1
    (row,) = result.conflicts.to_dict("records")
    assert (row["name"], row["why"], row["column"]) == ("Hamlet", "gone", "kind")
    assert (row["base"], row["mine"], row["theirs"]) == ("prince", "ghost", None)


async def test_a_record_brought_back_after_a_purge_is_not_taken_for_the_one_that_was_read(
    wb: Workspace, denmark: World
) -> None:
    frame = await wb.personas.frame(world=denmark)
    await wb.personas.purge(await wb.personas.remove(await one(wb, "Hamlet")), reason="oops")
    changes = await wb.changes(world=denmark)
    await wb.undo(changes["changeset"].iloc[0])
    put(frame, "Hamlet", kind="ghost")
    with pytest.raises(InvalidRows, match="purged and brought back"):
        await wb.personas.save(frame)


async def test_a_row_that_one_may_no_longer_edit_is_told(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    own = await eve.worlds.add(name="Norway")
    await eve.personas.add(worldid=own.id, name="Fortinbras")
    frame = await eve.personas.frame()
    frame["kind"] = "ghost"
    await wb.share(denmark, "eve@example.org", role="viewer")
    result = await eve.personas.save(frame)
    assert result.changed == 1
    assert sorted(result.conflicts["name"]) == [
        "Claudius", "Gertrude", "Hamlet", "Ophelia", "Yorick",
    ]  # fmt: skip
    assert set(result.conflicts["why"]) == {"rights"}
    assert result.managers == ("tester@localhost",)
    assert str(result).endswith("What is not yours to change: Ask tester@localhost.")
    assert "Ask tester@localhost" in result._repr_html_()
    assert "resolve" not in str(result)
    assert await wb.personas.count(kind="ghost") == 0
    await wb.unshare(denmark, "eve@example.org")
    frame["kind"] = "shade"
    result = await eve.personas.save(frame)
    assert result.changed == 1
    assert set(result.conflicts["why"]) == {"gone"}
    assert len(result.conflicts) == 5


async def test_what_is_settled_after_a_right_was_lost_is_told_and_not_written(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = await eve.personas.frame(world=denmark)
    read = frame.copy()
    for name in ("Hamlet", "Yorick"):
        await wb.personas.update(await one(wb, name), kind="spy")
    put(frame, "Hamlet", kind="ghost")
    frame = frame[frame["name"] != "Yorick"].copy()
    result = await eve.personas.save(frame, trash=True, based_on=read)
    assert set(result.conflicts["why"]) == {"changed"}
    await wb.share(denmark, "eve@example.org", role="viewer")
    viewed = await result.resolve("mine")
    assert (viewed.changed, viewed.trashed) == (0, 0)
    assert list(viewed.conflicts["why"]) == ["rights", "rights"]
    assert viewed.managers == ("tester@localhost",)
    await wb.unshare(denmark, "eve@example.org")
    with pytest.raises(NotFound, match="no longer yours to read"):
        await result.resolve("mine")
    assert (await one(wb, "Hamlet")).kind == "spy"
    assert (await one(wb, "Yorick")).deleted_at is None


async def test_where_the_history_was_forgotten_nothing_is_written_over(
    wb: Workspace, denmark: World, eve: Workspace, sql: Any
) -> None:
    frame = await wb.personas.frame(world=denmark)
    await eve.personas.update(await one(eve, "Hamlet"), kind="spy", description="Hers.")
    await sql.execute("SELECT history.forget(now() + interval '1 hour')")
    put(frame, "Hamlet", tags=["mine"])
    put(frame, "Ophelia", kind="ghost")
    result = await wb.personas.save(frame)
    assert result.changed == 1
    told = result.conflicts.set_index("column")
    assert set(told.index) == {"kind", "description", "tags"}
    assert told["base"].isna().all()
    assert told.loc["kind", "theirs"] == "spy"


async def test_a_conflict_reads_well(wb: Workspace, denmark: World, eve: Workspace) -> None:
    frame = await wb.personas.frame(world=denmark)
    await eve.personas.update(await one(eve, "Hamlet"), kind="<b>spy</b>")
    frame["kind"] = "ghost"
    result = await wb.personas.save(frame)
    assert str(result) == (
        "personas: 4 changed (4 cells), 0 unchanged. Not written: 1 record in conflict.\n"
        "  Hamlet, kind: base 'prince', mine 'ghost', theirs '<b>spy</b>' (eve@example.org)\n"
        '`await result.resolve("mine")`, "theirs" or values settle them.'
    )
    html = result._repr_html_()
    assert "&lt;b&gt;spy" in html
    assert "<b>" not in html


COLUMNS = ("kind", "description", "tags", "display_name")


async def test_random_edits_of_two_people_end_as_a_model_says(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    """Each edits a copy that was read at some time; the model is three values for each cell."""
    rng = random.Random(1603)
    world = await wb.worlds.add(name="Model")
    await wb.share(world, "eve@example.org", role="editor")
    names = [f"p{n}" for n in range(12)]
    await wb.personas.add_many([{"worldid": world.id, "name": name} for name in names])
    model: dict[tuple[str, str], Any] = {
        (n, c): [] if c == "tags" else None for n in names for c in COLUMNS
    }
    people = {"tester@localhost": wb, "eve@example.org": eve}
    held: dict[
        str, tuple[pd.DataFrame, dict[tuple[str, str], Any], dict[tuple[str, str], Any]]
    ] = {}

    def value(column: str) -> Any:
        if column == "tags":
            return rng.choice([[], ["a"], ["a", "b"]])
        return rng.choice([None, "a", "b", "c"])

    for _ in range(60):
        who = rng.choice(list(people))
        if who not in held or rng.random() < 0.3:
            frame = await people[who].personas.frame(world=world)
            held[who] = (frame, dict(model), dict(model))
        frame, base, mine = held[who]
        if rng.random() < 0.3:
            frame = frame.sample(frac=0.7, random_state=rng.randrange(99)).reset_index(drop=True)
        for _ in range(rng.randrange(6)):
            name, column = rng.choice(list(frame["name"])), rng.choice(COLUMNS)
            mine[name, column] = value(column)
            put(frame, name, **{column: mine[name, column]})
        result = await people[who].personas.save(frame)
        listed = set(frame["name"])
        clashes = set()
        for name in listed:
            edited = {c for c in COLUMNS if mine[name, c] != base[name, c]}
            moved = {c for c in COLUMNS if model[name, c] != base[name, c]}
            clash = {c for c in edited & moved if mine[name, c] != model[name, c]}
            clashes |= {(name, c) for c in clash}
            if not clash and any(mine[name, c] != model[name, c] for c in edited):
                model |= {(name, c): mine[name, c] for c in edited}
                # The frame has what is stored now.
                for c in COLUMNS:
                    base[name, c] = mine[name, c] = model[name, c]
        told = set(zip(result.conflicts["name"], result.conflicts["column"], strict=True))
        assert told == clashes
        for (name, column), theirs in zip(
            zip(result.conflicts["name"], result.conflicts["column"], strict=True),
            result.conflicts["theirs"],
            strict=True,
        ):
            assert theirs == model[name, column]
        stored = {p.name: p for p in await wb.personas.find(worldid=world.id)}
        assert {(n, c): getattr(stored[n], c) for n in names for c in COLUMNS} == model
        held.pop(who)
        if set(names) == listed:
            held[who] = (frame, base, mine)


PEOPLE, WRITERS_EACH, RECORDS = 10, 5, 400


@pytest.fixture
async def crowd(wb: Workspace, denmark: World, sign_in: SignIn) -> tuple[World, list[Workspace]]:
    """A world of 400 personae, and ten editors of it, each with a login of their own."""
    world = await wb.worlds.add(name="Crowd")
    await wb.personas.add_many([{"worldid": world.id, "name": f"p{n}"} for n in range(RECORDS)])
    people = await asyncio.gather(*(sign_in(f"writer{n}") for n in range(PEOPLE)))
    for n in range(PEOPLE):
        await wb.share(world, f"writer{n}@example.org", role="editor")
    return world, list(people)


async def test_fifty_writers_at_once_with_clashing_edits_lose_none_silently(
    crowd: tuple[World, list[Workspace]], sql: Any
) -> None:
    """10,000 edits of 400 records: each is in the history, or in its writer's conflicts."""
    world, people = crowd
    read = await people[0].personas.frame(world=world)
    rng = random.Random(50)
    columns = ("kind", "display_name")
    made: list[set[tuple[str, str, str]]] = []

    def edited(number: int) -> pd.DataFrame:
        frame = read.copy()
        mine = {column: frame[column].astype(object) for column in columns}
        made.append(set())
        for place in rng.sample(range(RECORDS), 100):
            for column, cells in mine.items():
                cells.iloc[place] = f"{column} of {number}"
                made[number].add((frame["id"][place], column, cells.iloc[place]))
        return frame.assign(**mine)

    writers = range(PEOPLE * WRITERS_EACH)
    frames = [edited(number) for number in writers]
    async with sql.transaction():  # nobody writes before everybody is there
        await sql.execute("LOCK TABLE persona IN EXCLUSIVE MODE")
        saves = [
            asyncio.create_task(people[number % PEOPLE].personas.save(frames[number]))
            for number in writers
        ]
        async with asyncio.timeout(60):
            while True:
                waiting = await sql.fetch(WAITING)
                assert not any(save.done() for save in saves)
                if len(waiting) == len(writers):
                    break
                await asyncio.sleep(0.02)
        assert len({row["usename"] for row in waiting}) == PEOPLE
    results = await asyncio.gather(*saves)

    rows = await sql.fetch(
        "SELECT c.recordid::text AS record, e.key, e.value #>> '{}' AS value, u.email "
        "FROM history.change AS c CROSS JOIN jsonb_each(c.new) AS e "
        "JOIN history.changeset AS s ON s.id = c.changesetid "
        'JOIN "user" AS u ON u.id = s.userid '
        "WHERE c.operation = 'update' AND c.worldid = $1",
        world.id,
    )
    kept = {(row["record"], row["key"], row["value"]): row["email"] for row in rows}
    assert len(kept) == len(rows) == sum(result.cells for result in results)
    assert sum(map(len, made)) == len(set().union(*made)) == 10_000
    for number, result in enumerate(results):
        told = {
            (row["record"], row["column"], row["mine"])
            for row in result.conflicts.to_dict("records")
        }
        mine = made[number] & kept.keys()
        assert mine | told == made[number]
        assert mine & told == set()
        assert {kept[edit] for edit in mine} <= {f"writer{number % PEOPLE}@example.org"}
    assert sum(result.cells > 0 for result in results) > 1
    stored = await people[0].personas.frame(world=world)
    found = {
        (row["id"], column, row[column])
        for row in stored.to_dict("records")
        for column in columns
        if not pd.isna(row[column])
    }
    assert found == kept.keys()
