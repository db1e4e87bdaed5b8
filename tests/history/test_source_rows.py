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


async def test_the_rows_of_many_records_are_noted_in_parts(wb, denmark, tmp_path):
    path = tmp_path / "personas.csv"
    path.write_text("world,name\n" + "".join(f"Denmark,P{n}\n" for n in range(1, 12_001)))
    await wb.load(path)
    for n in (1, 5_000, 5_001, 12_000):
        [one] = (await wb.personas.find(name=f"P{n}")).records
        assert await whence(wb, one) == [f"tests: personas.csv, row {n}"]


async def test_only_who_changed_a_record_may_note_where_it_came_from(wb, denmark, sql):
    raw = await wb.database.connect()
    note = "SELECT history.note_rows($1, 'persona', 'forged.csv', $2, $3)"
    hamlet = denmark.hamlet
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await raw.execute(note, hamlet.worldid, [hamlet.id], ["1"])
        async with raw.transaction():
            await raw.execute("UPDATE persona SET kind = 'x' WHERE id = $1", hamlet.id)
            with pytest.raises(asyncpg.DataError):
                async with raw.transaction():
                    await raw.execute(note, hamlet.worldid, [hamlet.id], ["1", "2"])
            await raw.execute(note, hamlet.worldid, [hamlet.id], ["1"])
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await raw.execute("UPDATE history.origin SET file = 'another.csv'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await raw.execute("DELETE FROM history.origin")
    finally:
        await raw.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sql.execute("DELETE FROM history.origin")
