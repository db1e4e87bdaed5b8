"""Imports a piece at a time: what pieces must not change, and what becomes of one that stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow as pa
import pytest

from workbench.database.engine import Database
from workbench.errors import Conflict
from workbench.transfer import apply, dialect, findings, intake, readers, stream
from workbench.transfer.load import load
from workbench.transfer.report import LoadReport

Write = Callable[..., Path]

PERSONAS = "world,name\n" + "".join(f"Elsinore,Persona {n}\n" for n in range(1, 101))


@pytest.fixture
async def elsinore(database: Database, write: Write) -> Path:
    """A world with a story, an act and two locations; the folder for more files."""
    folder = write(
        worlds="name\nElsinore\n",
        stories="world,name\nElsinore,Hamlet\n",
        acts="world,story,name\nElsinore,Hamlet,Act I\n",
        locations="world,name\nElsinore,Gate\nElsinore,Hall\n",
    )
    (await load(database, folder)).raise_for_problems()
    for path in folder.iterdir():
        path.unlink()
    return folder


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files come a few rows at a time, tables in memory too."""
    monkeypatch.setattr(dialect, "BLOCK_BYTES", 64)
    monkeypatch.setattr(readers, "_PIECE_ROWS", 3)


def told(report: LoadReport) -> list[tuple[object, str | None, str]]:
    assert not report.written
    return [(p.row, p.column, p.message) for p in report.problems]


def readers_at_work() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("workbench-import")]


async def test_an_import_in_small_pieces_is_the_same(
    database: Database, sql: asyncpg.Connection, elsinore: Path, write: Write, small_pieces: None
) -> None:
    report = await load(database, write(personas=PERSONAS))
    assert report.written
    assert report.tables["personas"].inserted == 100
    names = [row["name"] for row in await sql.fetch("SELECT name FROM persona ORDER BY id")]
    assert names == [f"Persona {n}" for n in range(1, 101)]
    again = await load(database, write(personas=PERSONAS))
    assert again.tables["personas"].unchanged == 100


async def test_rows_of_any_piece_are_named_as_they_are_called(
    database: Database, elsinore: Path, write: Write, small_pieces: None
) -> None:
    lines = [f"Elsinore,Hamlet,Act I,{n},Gate\n" for n in range(1, 31)]
    lines[6] = "Elsinore,Hamlet,Act I,7\n"
    lines[13] = "Elsinore,Hamlet,Act I,14,Gatte\n"
    lines[20] = "Elsinore,Hamlet,Act I,1,Hall\n"
    lines[27] = "Elsinore,Hamlet,Act I,,Gate\n"
    report = await load(database, write(scenes="world,story,act,name,location\n" + "".join(lines)))
    assert told(report) == [
        (7, None, "This row has 4 cells; the header has 5."),
        (
            14,
            "location",
            "There is no location 'Gatte' in the world 'Elsinore'. Did you mean 'Gate'?",
        ),
        (
            21,
            "name",
            "Row 1 has the same key. Give this one another name, or take one of them out.",
        ),
        (28, "name", "This must not be empty."),
    ]
    assert report.tables["scenes"].rejected == 4


@pytest.mark.parametrize(
    "labels",
    [[3, 4, 5, 6, 7, 8, 9], [70, 60, 50, 40, 30, 20, 10], ["a", "b", "c", "d", "e", "f", "g"]],
)
async def test_rows_of_a_frame_keep_their_labels(
    database: Database, elsinore: Path, labels: list[Any], small_pieces: None
) -> None:
    stories = ["Hamlet", "Hamlett", "Hamlet", "Hamlet", "Hamlet", "Macbeth", "Hamlet"]
    table = pa.table(
        {
            "world": ["Elsinore"] * 7,
            "story": stories,
            "name": [f"Act {n}" for n in range(7)],
            "__row__": labels,
        }
    )
    report = await load(database, {"acts": table})
    assert [p.row for p in report.problems] == [labels[1], labels[5]]


async def test_a_file_that_changes_while_it_is_read_is_refused(
    database: Database,
    sql: asyncpg.Connection,
    elsinore: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    small_pieces: None,
) -> None:
    path = write(personas=PERSONAS) / "personas.csv"
    send = intake.send

    async def meanwhile(*arguments: Any) -> None:
        await send(*arguments)
        path.write_text(PERSONAS + "Elsinore,Yorick\n")

    monkeypatch.setattr(intake, "send", meanwhile)
    report = await load(database, path)
    message = "This file was changed while it was read. Import it again when it is whole."
    assert told(report) == [(None, None, message)]
    assert await sql.fetchval("SELECT count(*) FROM persona") == 0


async def test_an_import_that_is_tried_again_reads_again_and_tells_everything_once(
    database: Database,
    sql: asyncpg.Connection,
    elsinore: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = 0
    insert = apply.insert

    async def overtaken(*arguments: Any) -> None:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise Conflict("Somebody was first.")
        await insert(*arguments)

    monkeypatch.setattr(apply, "insert", overtaken)
    folder = write(personas='world,name,mood\nElsinore,"Os\nric",grey\n,,\n')
    report = await load(database, folder)
    assert tried == 2
    assert report.tables["personas"].read == 1
    assert report.notes == [
        "personas.csv: line breaks and tabs in name are made blanks (row 1).",
        "personas.csv: kept in attributes: mood.",
        "personas.csv: rows without any value are skipped (1).",
    ]
    assert await sql.fetchval("SELECT name FROM persona") == "Os ric"


async def test_a_file_that_changed_before_it_is_tried_again_is_refused(
    database: Database,
    sql: asyncpg.Connection,
    elsinore: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write(personas=PERSONAS) / "personas.csv"

    async def overtaken(*_: Any) -> None:
        path.write_text("world,name\nElsinore,Yorick\n")
        raise Conflict("Somebody was first.")

    monkeypatch.setattr(apply, "insert", overtaken)
    report = await load(database, path)
    assert [p.message.split(".")[0] for p in report.problems] == [
        "This file was changed while it was read"
    ]
    assert await sql.fetchval("SELECT count(*) FROM persona") == 0


async def test_of_a_file_that_cannot_be_read_to_its_end_no_row_counts(
    database: Database, elsinore: Path, write: Write, small_pieces: None
) -> None:
    folder = write(
        personas=f"world,name\nElsinore,Ödipus\n{PERSONAS[11:]}".encode() + b"Elsinore,\xff\n",
        persona_relations="world,persona,other,relation\nElsinore,Persona 1,Persona 2,friend\n",
    )
    report = await load(database, folder)
    assert [(p.file, p.row) for p in report.problems] == [("personas.csv", None)]
    assert "personas" not in report.tables
    assert report.unreadable == {"personas": 1}


async def test_copies_that_name_other_records_are_refused(
    database: Database, elsinore: Path, write: Write
) -> None:
    folder = write(
        scenes="world,story,act,name,location\n"
        "Elsinore,Hamlet,Act I,1,Gate\n"
        "Elsinore,Hamlet,Act I,1,Hall\n"
        "Elsinore,Hamlet,Act I,1,Gate\n"
    )
    report = await load(database, folder)
    assert [(row, column) for row, column, _ in told(report)] == [(2, "name")]


async def test_problems_are_bounded_and_rows_that_have_one_are_counted(
    database: Database, elsinore: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "_KEPT_PROBLEMS", 10)
    head = "world,story,act,name,location\n"
    nameless = "Elsinore,Hamlet,Act I,,Gate\n" * 50
    nowhere = "".join(f"Elsinore,Hamlet,Act I,{n},Nowhere {n}\n" for n in range(50))
    for rows in (nameless, nowhere):
        found = await load(database, write(scenes=head + rows))
        assert len(found.problems) == 10
        assert all(problem.message for problem in found.problems)
        assert found.tables["scenes"].rejected == 50
        assert found.notes == ["There are 40 more problems than the ones listed."]


async def test_nothing_is_left_of_an_import_that_is_cancelled(
    database: Database,
    sql: asyncpg.Connection,
    elsinore: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    small_pieces: None,
) -> None:
    under_way = asyncio.Event()
    send = intake.send

    async def told_of(*arguments: Any) -> None:
        await send(*arguments)
        under_way.set()

    monkeypatch.setattr(intake, "send", told_of)
    work = asyncio.create_task(load(database, write(personas=PERSONAS)))
    await under_way.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert readers_at_work() == []
    assert await sql.fetchval("SELECT count(*) FROM persona") == 0
    staged = "SELECT count(*) FROM pg_class WHERE relname LIKE 'load\\_%' AND relpersistence = 't'"
    assert await sql.fetchval(staged) == 0
    report = await load(database, write(personas=PERSONAS))
    assert report.tables["personas"].inserted == 100
    assert readers_at_work() == []


async def test_a_piece_that_takes_long_lets_the_transaction_not_lie_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "_IDLE_SECONDS", 0.001)
    waited_for = threading.Event()

    def slow() -> Iterator[int]:
        waited_for.wait(30)
        yield 1

    async def idle() -> None:
        waited_for.set()

    async with stream.Ahead(slow(), idle) as pieces:
        assert [piece async for piece in pieces] == [1]
    assert waited_for.is_set()
    assert readers_at_work() == []
