"""An imported record tells from which row of which file it came."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

PERSONAS = """world,name,kind
Denmark,YORICK,jester

Denmark,OSRIC,courtier
Denmark,HAMLET,prince
"""


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    path = tmp_path / "personas.csv"
    path.write_text(PERSONAS)
    return path


async def whence(wb, record) -> list[str | None]:
    frame = await wb.history(record)
    return list(frame.drop_duplicates("change")["source"])


async def test_imported_records_tell_their_file_and_row(wb, denmark, personas):
    await wb.load(personas)
    by_name = {one.name: one for one in await wb.personas.find(worldid=denmark.world.id)}
    assert await whence(wb, by_name["YORICK"]) == ["tests: personas.csv, row 1"]
    assert await whence(wb, by_name["OSRIC"]) == ["tests: personas.csv, row 2"]
    assert await whence(wb, by_name["HAMLET"]) == ["tests: personas.csv, row 3", "tests"]
    assert await whence(wb, by_name["OPHELIA"]) == ["tests"]


async def test_a_later_change_is_not_told_to_be_of_the_file(wb, denmark, personas):
    await wb.load(personas)
    [osric] = (await wb.personas.find(name="OSRIC")).records
    await wb.personas.update(osric, kind="fop")
    assert await whence(wb, osric) == ["tests", "tests: personas.csv, row 2"]


async def test_an_import_again_notes_no_row_of_what_it_left_as_it_was(wb, sql, personas, denmark):
    await wb.load(personas)
    noted = await sql.fetchval("SELECT count(*) FROM history.origin")
    await wb.load(personas)
    assert await sql.fetchval("SELECT count(*) FROM history.origin") == noted == 1


async def test_changes_of_a_world_tell_the_rows_too(wb, denmark, personas):
    await wb.load(personas)
    told = await wb.changes(world=denmark.world, limit=3)
    assert list(told["source"]) == [f"tests: personas.csv, row {n}" for n in (3, 2, 1)]


async def test_links_tell_their_file_and_row(wb, denmark, tmp_path):
    async with wb.transaction():
        for name in ("YORICK", "OSRIC"):
            await wb.personas.add(name=name, worldid=denmark.world.id)
    path = tmp_path / "scene_personas.csv"
    head = "world,story,act,scene,persona,words\n"
    lines = [f"Denmark,Hamlet,Act I,Scene 1,{name},{n}\n" for name, n in (
        ("HAMLET", 7), ("OSRIC", 1), ("YORICK", 2), ("OPHELIA", 3))]  # fmt: skip
    path.write_text(head + "".join(lines))
    await wb.load(path)
    links = {one.words: one for one in await wb.scene_personas.find(worldid=denmark.world.id)}
    assert {n: (await whence(wb, links[n]))[0] for n in links} == {
        7: "tests",
        1: "tests: scene_personas.csv, row 2",
        2: "tests: scene_personas.csv, row 3",
        3: "tests: scene_personas.csv, row 4",
    }
    path.write_text(head + "".join(lines[::-1]).replace("HAMLET,7", "HAMLET,70"))
    await wb.load(path)
    [link] = (await wb.scene_personas.find(words=70)).records
    assert await whence(wb, link) == ["tests: scene_personas.csv, row 4", "tests"]
    path = tmp_path / "persona_relations.csv"
    path.write_text(
        "world,persona,other,kind,description\n"
        "Denmark,HAMLET,OPHELIA,leaves,new\nDenmark,HAMLET,OPHELIA,loves,changed\n"
    )
    await wb.load(path)
    for one in await wb.persona_relations.find(worldid=denmark.world.id):
        row = {"leaves": 1, "loves": 2}[one.kind]
        assert (await whence(wb, one))[0] == f"tests: persona_relations.csv, row {row}"


async def test_changes_of_somebody_else_in_between_do_not_shift_the_rows(
    wb, denmark, tmp_path, sql
):
    """Numbers of changes are taken by all at once."""
    await sql.execute("ALTER SEQUENCE history.change_id_seq INCREMENT BY 3")
    (tmp_path / "one_personas.csv").write_text(
        "world,name,kind\n" + "".join(
            f"Denmark,{'HAMLET' if n == 5 else f'P{n}'},new\n" for n in range(1, 10))
    )  # fmt: skip
    (tmp_path / "two_personas.csv").write_text(
        "world,name,kind\nDenmark,OPHELIA,new\nNorway,HAMLET,new\nDenmark,OSRIC,new\n"
    )
    await wb.worlds.add(name="Norway")
    await wb.load([tmp_path / f"{name}_personas.csv" for name in ("one", "two")])
    expected = {f"P{n}": f"one_personas.csv, row {n}" for n in range(1, 10) if n != 5}
    expected |= {"HAMLET": "one_personas.csv, row 5", "OPHELIA": "two_personas.csv, row 1"}
    for one in await wb.personas.find(worldid=denmark.world.id):
        place = expected.get(one.name, "two_personas.csv, row 3")
        assert (await whence(wb, one))[0] == f"tests: {place}", one.name
    norway = (await wb.worlds.find(name="Norway")).records[0]
    told = await wb.changes(world=norway, entity="personas")
    assert list(told["source"]) == ["tests: two_personas.csv, row 2"]


async def test_the_rows_of_many_records_are_noted_in_parts(wb, denmark, tmp_path):
    path = tmp_path / "personas.csv"
    path.write_text("world,name\n" + "".join(f"Denmark,P{n}\n" for n in range(1, 12_001)))
    await wb.load(path)
    for n in (1, 5_000, 5_001, 12_000):
        [one] = (await wb.personas.find(name=f"P{n}")).records
        assert await whence(wb, one) == [f"tests: personas.csv, row {n}"]


async def test_where_a_member_came_from_is_told_to_members_alone(wb, sign_in, denmark, tmp_path):
    reader = await sign_in("rosencrantz")
    path = tmp_path / "world_members.csv"
    path.write_text("world,user,role\nDenmark,rosencrantz@example.org,editor\n")
    await wb.share("Denmark", "rosencrantz@example.org", role="viewer")
    await wb.worlds.update(await wb.worlds.get(denmark.world.id), is_public=True)
    report = await wb.load(path)
    assert report.tables["world_members"].updated == 1
    stranger = await sign_in("fortinbras")
    await stranger.worlds.find()
    asked = "SELECT count(*) FROM history.origin"
    for who, count in ((wb, 1), (reader, 1), (stranger, 0)):
        raw = await who.database.connect()
        try:
            assert await raw.fetchval(asked) == count
        finally:
            await raw.close()
    told = await reader.changes(world=denmark.world.id, entity="world_member", limit=1)
    assert list(told["source"]) == ["tests: world_members.csv, row 1"]


async def test_only_who_changed_a_record_may_note_where_it_came_from(wb, denmark, sql):
    raw = await wb.database.connect()
    note = "SELECT history.note_rows($1, 'persona', 'forged.csv', $2, $3, $4)"
    hamlet = denmark.hamlet
    newest = "SELECT max(id) FROM history.change"
    before = await sql.fetchval(newest)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await raw.execute(note, hamlet.worldid, [before], [1], [1])
        async with raw.transaction():
            await raw.execute("UPDATE persona SET kind = 'x' WHERE id = $1", hamlet.id)
            done = await raw.fetchval(newest)
            for stretches, counts, rows in (
                ([], [], []),
                ([done], [1], [1, 2]),
                ([done], [None], [1]),
                ([done], [1], [None]),
                ([None, done], [1, 1], [1, 1]),
                ([done, before], [1, 1], [1, 1]),
                ([done, done], [1, 1], [1, 1]),
                ([done], [0], [1]),
            ):
                with pytest.raises(asyncpg.DataError):
                    async with raw.transaction():
                        await raw.execute(note, hamlet.worldid, stretches, counts, rows)
            for stretches, counts in (([before, done], [1, 1]), ([done], [2])):
                numbers = [1] * len(stretches)
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with raw.transaction():
                        await raw.execute(note, hamlet.worldid, stretches, counts, numbers)
            await raw.execute(note, hamlet.worldid, [done], [1], [1])
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await raw.execute("UPDATE history.origin SET file = 'another.csv'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await raw.execute("DELETE FROM history.origin")
    finally:
        await raw.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sql.execute("DELETE FROM history.origin")
