"""What cannot be imported: every reason is said, and nothing is written."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow as pa
import pytest

from tests.transfer.held import held_up, import_elsewhere
from workbench.database.engine import Database
from workbench.errors import StoreUnavailable
from workbench.transfer import stage
from workbench.transfer.load import load
from workbench.transfer.report import LoadReport

Write = Callable[..., Path]

WORLDS = "name\nElsinore\nThebes\n"
STORIES = "world,name\nElsinore,Hamlet\nThebes,Oedipus\n"
ACTS = "world,story,name\nElsinore,Hamlet,Act I\nThebes,Oedipus,Prologue\n"


@pytest.fixture
async def worlds(database: Database, write: Write) -> Path:
    """Two worlds with a story and an act each; the folder for more files."""
    folder = write(worlds=WORLDS, stories=STORIES, acts=ACTS)
    (await load(database, folder)).raise_for_problems()
    for path in folder.iterdir():
        path.unlink()
    return folder


def told(report: LoadReport) -> list[tuple[object, str | None, str]]:
    assert not report.written
    return [(p.row, p.column, p.message) for p in report.problems]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 256, "This has 256 characters; at most 255 fit."),
        ("", "This must not be empty."),
        ("   ", "This must not be blank."),
        ("\u00a0\u3000", "This must not be blank."),
        ("Mac\x00beth", "This holds a NUL character, which PostgreSQL cannot store. Take it out."),
        (
            "bell\x07",
            "This holds a control character such as a line break or a tab. Take it out.",
        ),
    ],
)
async def test_a_name_that_breaks_a_rule_is_refused(
    database: Database,
    sql: asyncpg.Connection,
    worlds: Path,
    write: Write,
    name: str,
    message: str,
) -> None:
    folder = write(personas=f"world,name,kind\nElsinore,good,\nElsinore,{name},x\n")
    report = await load(database, folder)
    assert told(report) == [(2, "name", message)]
    assert report.tables["personas"].rejected == 1
    assert report.tables["personas"].inserted == 0
    assert await sql.fetchval("SELECT count(*) FROM persona") == 0


async def test_255_characters_outside_the_basic_plane_fit(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    (await load(database, write(personas=f"world,name\nElsinore,{'𝔐' * 255}\n")))
    assert await sql.fetchval("SELECT length(name) FROM persona") == 255


async def test_names_that_mean_nothing_are_explained(
    database: Database, worlds: Path, write: Write
) -> None:
    folder = write(
        scenes="world,story,act,name,location\n"
        "Elsinore,Hamlett,Act I,1,\n"
        "Elsinore,Hamlet,Act II,2,\n"
        "Elsinore,Oedipus,Prologue,3,\n"
        "Elsinor,Hamlet,Act I,4,\n"
        "Elsinore,Hamlet,Act I,5,Atlantis\n"
        "Elsinore,Hamlet,,6,\n"
        "Elsinore,HAMLET,Act I,7,\n"
    )
    assert sorted(told(await load(database, folder)), key=lambda p: p[0]) == [
        (1, "story", "There is no story 'Hamlett' in the world 'Elsinore'. Did you mean 'Hamlet'?"),
        (
            2,
            "act",
            "There is no act 'Act II' in the story 'Hamlet', the world 'Elsinore'. "
            "Did you mean 'Act I'?",
        ),
        (
            3,
            "story",
            "There is no story 'Oedipus' in the world 'Elsinore'. The world 'Thebes' has one, "
            "but a row refers only to records of its own world.",
        ),
        (4, "world", "There is no world 'Elsinor'. Did you mean 'Elsinore'?"),
        (5, "location", "There is no location 'Atlantis' in the world 'Elsinore'."),
        (6, "act", "This must not be empty."),
        (7, "story", "There is no story 'HAMLET' in the world 'Elsinore'. Did you mean 'Hamlet'?"),
    ]


async def test_a_parent_in_the_trash_is_no_parent(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    await sql.execute("UPDATE story SET deleted_at = now() WHERE name = 'Hamlet'")
    report = await load(database, write(acts="world,story,name\nElsinore,Hamlet,Act II\n"))
    assert told(report) == [
        (
            1,
            "story",
            "There is no story 'Hamlet' in the world 'Elsinore'. "
            "One of that name is in the trash: restore it first.",
        )
    ]


async def test_two_rows_with_one_key_are_refused(
    database: Database, worlds: Path, write: Write
) -> None:
    folder = write(
        personas_a="world,name,kind\nElsinore,Osric,a\nThebes,Osric,a\nElsinore, Osric ,b\n",
        personas_b="world,name\nElsinore,Osric\n",
    )
    report = await load(database, folder)
    assert [(p.file, p.row, p.column, p.value) for p in report.problems] == [
        ("personas_a.csv", 3, "name", "Osric"),
        ("personas_b.csv", 1, "name", "Osric"),
    ]
    assert report.problems[0].message.startswith("Row 1 has the same key.")
    assert report.problems[1].message.startswith("Row 1 of personas_a.csv has the same key.")


async def test_copies_of_a_row_do_no_harm(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    folder = write(
        personas="world,name,age\nElsinore,Osric,30\nElsinore,Osric ,30\nElsinore,Yorick,30\n"
        "Elsinore,Osric,30\n",
    )
    report = await load(database, folder)
    report.raise_for_problems()
    assert await sql.fetchval("SELECT count(*) FROM persona") == 2
    counts = report.tables["personas"]
    assert (counts.read, counts.inserted, counts.unchanged) == (4, 2, 2)
    assert [note for note in report.notes if "left out" in note] == [
        "personas.csv: row 2 is left out; row 1 says the same.",
        "personas.csv: row 4 is left out; row 1 says the same.",
    ]


async def test_copies_that_differ_in_a_column_of_their_own_are_refused(
    database: Database, worlds: Path, write: Write
) -> None:
    report = await load(
        database, write(personas="world,name,age\nElsinore,Osric,30\nElsinore,Osric,31\n")
    )
    assert [(p.row, p.column) for p in report.problems] == [(2, "name")]


async def test_breaks_in_names_are_made_blanks_and_said(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    folder = write(
        personas='world,name,description\n\ufeffElsinore,"\ufeffTwo\r\nlines","a\nb"\n',
        things='world,name,persona\nElsinore,Cup,"Two\nlines"\n',
    )
    report = await load(database, folder)
    report.raise_for_problems()
    row = await sql.fetchrow(
        "SELECT p.name, p.description FROM thing AS t JOIN persona AS p ON p.id = t.personaid"
    )
    assert tuple(row) == ("Two lines", "a\nb")
    assert "personas.csv: line breaks and tabs in name are made blanks (row 1)." in report.notes


@pytest.mark.parametrize(
    "value", ["1801?", "31.12.1801", "1999-02-31", "0000-00-00", "10000-01-01"]
)
async def test_what_is_called_a_date_must_be_one(
    database: Database, worlds: Path, write: Write, value: str
) -> None:
    lines = f"Elsinore,A,1801-06-14T20:00:00+02:00\nElsinore,B,1801\nElsinore,C,{value}\n"
    report = await load(database, write(personas=f"world,name,date_of_birth\n{lines}"))
    assert told(report) == [
        (3, "date_of_birth", "This is no date. Write it as 1801-06-14, 1801-06 or 1801.")
    ]


SELF_LYING = "A location cannot lie in itself, however far up. Choose another parent."
CIRCLE = "world,name,parent\nElsinore,LA,LB\nElsinore,LB,LC\nElsinore,LC,LA\nElsinore,LD,LA\n"
BAD = {
    "a circle of new locations": (
        {"locations": CIRCLE},
        [(1, "parent", "LB"), (2, "parent", "LC"), (3, "parent", "LA")],
    ),
    "a location moved under its child's child": (
        {"locations": "parent,name,world\nCastle,Yard,Elsinore\nTower,Castle,Elsinore\n"},
        [(2, "parent", "Tower")],
    ),
    "a location that is its own parent": (
        {"locations": "world,name,title,parent\nElsinore,Castle,,Castle\n"},
        [(1, "parent", "Castle")],
    ),
    "a circle over two files of which one names no parent": (
        {
            "locations_a": "world,name\nElsinore,Tower\n",
            "locations_b": "world,name,parent\nElsinore,Castle,Tower\n",
        },
        [(1, "parent", "Tower")],
    ),
    "a persona related to itself": (
        {
            "persona_relations": "world,persona,other,relation\n"
            "Elsinore,Osric,Yorick,friend\nElsinore,Yorick,Yorick,friend\n"
        },
        [(2, "other", "Yorick")],
    ),
    "both, and more": (
        {
            "locations": CIRCLE + "Elsinore,,\n",
            "persona_relations": "world,persona,other,relation\nElsinore,Osric,Osric,\n",
            "things": "world,name,persona\nElsinore,Cup,Nobody\n",
        },
        [
            (1, "parent", "LB"),
            (2, "parent", "LC"),
            (3, "parent", "LA"),
            (5, "name", None),
            (1, "other", "Osric"),
            (1, "relation", None),
            (1, "persona", "Nobody"),
        ],
    ),
    "one key twice": (
        {"personas": "world,name,kind\nElsinore,Osric,a\nElsinore,Osric,b\n"},
        [(2, "name", "Osric")],
    ),
    "a parent elsewhere": (
        {"acts": "world,story,name\nElsinore,Oedipus,Act I\n"},
        [(1, "story", "Oedipus")],
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_dry_run_has_the_verdicts_of_an_import(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write, name: str
) -> None:
    folder = write(
        locations="world,name,parent\nElsinore,Castle,\nElsinore,Yard,Castle\n"
        "Elsinore,Tower,Yard\n",
        personas="world,name\nElsinore,Osric\nElsinore,Yorick\n",
    )
    (await load(database, folder)).raise_for_problems()
    for path in folder.iterdir():
        path.unlink()
    files, places = BAD[name]
    folder = write(**files)
    before = await sql.fetchval("SELECT count(*) FROM history.change")
    dry = await load(database, folder, dry_run=True)
    real = await load(database, folder)
    assert dry.problems == real.problems
    assert dry.tables == real.tables
    assert [(p.row, p.column, p.value) for p in real.problems] == places
    assert sum(c.rejected for c in real.tables.values()) == len(
        {(p.file, p.row) for p in real.problems}
    )
    assert not real.written
    assert await sql.fetchval("SELECT count(*) FROM history.change") == before


async def test_what_lies_in_itself_or_is_related_to_itself_is_said(
    database: Database, worlds: Path, write: Write
) -> None:
    folder = write(
        locations="world,name,parent\nElsinore,LA,LA\n",
        personas="world,name\nElsinore,Osric\n",
        persona_relations="world,persona,other,relation\nElsinore,Osric,Osric,twin\n",
    )
    assert told(await load(database, folder)) == [
        (1, "parent", SELF_LYING),
        (1, "other", "A persona cannot be related to itself. Name another."),
    ]


async def test_locations_may_change_places(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    first = write(locations="world,name,parent\nElsinore,Castle,\nElsinore,Yard,Castle\n")
    (await load(database, first)).raise_for_problems()
    second = write(locations="world,name,parent\nElsinore,Castle,Yard\nElsinore,Yard,\n")
    (await load(database, second)).raise_for_problems()
    up = "SELECT p.name FROM location AS l JOIN location AS p ON p.id = l.parentid"
    assert await sql.fetchval(up) == "Yard"


async def test_a_rule_that_no_plan_foresees_is_told_in_the_words_of_the_file(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    rule = "CONSTRAINT ck_persona_display_name"
    await sql.execute(f"ALTER TABLE persona DROP {rule}, ADD {rule} CHECK (false)")
    report = await load(database, write(personas="world,name,title\nElsinore,Osric,Lord\n"))
    assert told(report) == [(1, "title", "This breaks a rule of the field.")]


async def test_links_that_differ_only_in_other_columns_keep_what_both_say(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    one = "Elsinore,Hamlet,Act I,1,Osric"
    header = "world,story,act,scene,persona"
    folder = write(
        personas="world,name\nElsinore,Osric\n",
        scenes="world,story,act,name\nElsinore,Hamlet,Act I,1\n",
        scene_personas=f"{header},costume,hat\n{one},red,\n{one},blue,\n{one},red,top\n",
    )
    for _ in range(2):  # and nothing changes when it is imported again
        report = await load(database, folder)
        report.raise_for_problems()
        assert any(
            "row 2 is left out; row 1 relates the same records in the same way, and keeps its "
            "costume too." in note
            for note in report.notes
        )
        stored = json.loads(await sql.fetchval("SELECT attributes FROM scene_persona"))
        assert stored == {"costume": ["red", "blue"], "hat": "top"}
    assert report.tables["scene_personas"].updated == 0


async def test_links_that_differ_in_lists_of_their_own_are_refused(
    database: Database, worlds: Path, write: Write
) -> None:
    rows = "".join(f'Elsinore,Osric,Yorick,friend,"{{""in"": [{n}]}}"\n' for n in (1, 2))
    folder = write(
        personas="world,name\nElsinore,Osric\nElsinore,Yorick\n",
        persona_relations=f"world,persona,other,relation,attributes\n{rows}",
    )
    report = await load(database, folder)
    assert [(p.row, p.column, p.value) for p in report.problems] == [(2, "relation", "friend")]


async def test_all_problems_are_told_however_many(
    database: Database, worlds: Path, write: Write
) -> None:
    rows = "".join(f"Nowhere,{n}\n" for n in range(12_000))
    report = await load(database, write(personas=f"world,name\n{rows}"))
    assert [p.row for p in report.problems] == list(range(1, 12_001))


async def test_links_that_differ_in_a_field_name_their_key(
    database: Database, worlds: Path, write: Write
) -> None:
    folder = write(
        personas="world,name\nElsinore,Osric\nElsinore,Yorick\n",
        persona_relations="world,persona,other,relation,mutual\n"
        "Elsinore,Osric,Yorick,friend,yes\nElsinore,Osric,Yorick,friend,no\n",
    )
    report = await load(database, folder)
    assert [(p.row, p.column, p.value) for p in report.problems] == [(2, "relation", "friend")]
    assert "(world 'Elsinore', persona 'Osric', other 'Yorick', relation 'friend')" in str(report)


async def test_blank_names_are_a_problem_once(
    database: Database, worlds: Path, write: Write
) -> None:
    report = await load(database, write(personas="world,name\nElsinore,\nElsinore, \nElsinore,\n"))
    assert [(p.row, p.column) for p in report.problems] == [(n, "name") for n in (1, 2, 3)]
    assert report.tables["personas"].rejected == 3


async def test_a_missing_column_is_named_once_and_does_not_spread(
    database: Database, worlds: Path, write: Write
) -> None:
    folder = write(
        scenes="world,act,name\nElsinore,Act I,1\n",
        personas="name\nOsric\n",
        scene_personas="world,story,act,scene,persona\nElsinore,Hamlet,Act I,1,Osric\n",
    )
    report = await load(database, folder)
    assert [(p.file, p.row, p.column) for p in report.problems] == [
        ("personas.csv", None, "world"),
        ("scenes.csv", None, "story"),
    ]
    assert report.tables["scenes"].rejected == 1


async def test_all_problems_of_all_files_come_at_once(
    database: Database, worlds: Path, write: Write
) -> None:
    folder = write(
        acts="world,story,name,position\nElsinore,Hamlet,Act II,zero\nElsinore,Lear,Act I,1\n",
        personas="world,name\nElsinore,\n",
        books=b"",
        nonsense="a,b\n1,2\n",
        things="world,name,persona\nElsinore,Cup,Nobody\n",
    )
    report = await load(database, folder)
    assert sorted((p.file or "", str(p.row), p.column) for p in report.problems) == [
        ("acts.csv", "1", "position"),
        ("acts.csv", "2", "story"),
        ("books.csv", "None", None),
        ("nonsense.csv", "None", None),
        ("personas.csv", "1", "name"),
        ("things.csv", "1", "persona"),
    ]


async def test_problems_come_as_the_files_their_rows_and_columns_read(
    database: Database, worlds: Path, write: Write
) -> None:
    folder = write(
        personas="world,name,attributes\nElsinor,,x\nElsinore,Osric,[]\nElsinore\n",
        acts="story,world,position,name\nLear,Elsinore,0,Act I\nHamlet,Nowhere,1,\n",
        books=b"",
    )
    report = await load(database, [folder / "personas.csv", folder, folder / "nowhere.csv"])
    assert [(p.file, p.row, p.column) for p in report.problems] == [
        ("personas.csv", 1, "world"),
        ("personas.csv", 1, "name"),
        ("personas.csv", 1, "attributes"),
        ("personas.csv", 2, "attributes"),
        ("personas.csv", 3, None),
        ("acts.csv", 1, "story"),
        ("acts.csv", 1, "position"),
        ("acts.csv", 2, "world"),
        ("acts.csv", 2, "name"),
        ("books.csv", None, None),
        (str(folder / "nowhere.csv"), None, None),
    ]
    assert report.problems[6].message == "This must be at least 1."


async def test_problems_of_a_frame_come_as_its_rows_stand(database: Database, worlds: Path) -> None:
    table = {"__row__": ["last", "first"], "name": [None, ""], "world": ["Elsinor", "Elsinore"]}
    report = await load(database, {"personas": pa.table(table)})
    assert [(p.row, p.column) for p in report.problems] == [
        ("last", "name"),
        ("last", "world"),
        ("first", "name"),
    ]


async def test_a_table_whose_file_is_unreadable_has_no_counts(
    database: Database, worlds: Path, write: Write
) -> None:
    report = await load(database, write(personas=b"PK\x03\x04", books="world,name\nElsinore,A\n"))
    assert set(report.tables) == {"books"}
    assert report.unreadable == {"personas": 1}
    assert "personas: 1 file unreadable" in str(report)
    assert "personas: 1 file unreadable" in report._repr_html_()
    assert "personas: 0 read" not in str(report)


async def test_files_of_one_name_are_told_apart(
    database: Database, worlds: Path, write: Write
) -> None:
    folder = write(personas="world,name\nElsinore,\n")
    (folder / "more").mkdir()
    (folder / "more" / "personas.csv").write_text("world,name\nElsinore,\n")
    report = await load(database, [folder, folder / "more"])
    assert [p.file for p in report.problems] == [
        str(folder / "personas.csv"),
        str(folder / "more" / "personas.csv"),
    ]
    assert report.tables["personas"].rejected == 2


@pytest.mark.parametrize("levels", [101, 991, 3_000, 100_000])
async def test_json_that_is_nested_too_deep_is_refused(
    database: Database, worlds: Path, write: Write, levels: int
) -> None:
    deep = '"' + '{""a"":' * levels + "1" + "}" * levels + '"'
    folder = write(personas=f"world,name,attributes\nElsinore,A,{{}}\nElsinore,B,{deep}\n")
    assert told(await load(database, folder)) == [
        (2, "attributes", "This is nested too deep: at most 100 levels fit.")
    ]


async def test_100_levels_of_json_fit(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    deep = '"' + '{""a"":' * 50 + "[" * 50 + "]" * 50 + "}" * 50 + '"'
    (await load(database, write(personas=f"world,name,attributes\nElsinore,A,{deep}\n")))
    assert await sql.fetchval("SELECT length(attributes::text) FROM persona") == 450


async def test_only_regular_files_are_opened(
    database: Database, worlds: Path, write: Write
) -> None:
    os.mkfifo(worlds / "pipe.png")
    os.mkfifo(worlds / "things.csv")
    os.mkfifo(worlds / "personas.csv")
    (worlds / "folder.png").mkdir()
    (worlds / "circle.png").symlink_to("circle.png")
    lines = "".join(f"Elsinore,{n},{n}\n" for n in ("pipe.png", "folder.png", "circle.png"))
    folder = write(images=f"world,name,file\n{lines}")
    report = await load(database, [folder, folder / "personas.csv"])
    assert told(report) == [
        (1, "file", "This picture cannot be read (it is a folder, a pipe or a device)."),
        (2, "file", "This picture cannot be read (it is a folder, a pipe or a device)."),
        (3, "file", "This picture cannot be read (Too many levels of symbolic links)."),
        (None, None, "This cannot be read (it is a folder, a pipe or a device)."),
    ]
    assert report.notes == [f"{folder}: ignored personas.csv, things.csv (no tables)."]


async def test_a_folder_of_other_things_is_refused(database: Database, tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("")
    (tmp_path / "face.png").write_bytes(b"")
    assert told(await load(database, tmp_path)) == [
        (None, None, "There are no tables in this folder, such as CSV files.")
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "This file is empty."),
        (b"\n\r\n\n", "This file has only blank lines: there is no header."),
        (b",,\n1,2,3\n", "The first line has no column names: there is no header."),
        (
            b"world,name\nElsinore,K\xc3\xa4mmerer\nElsinore,K\xe4mmerer\n",
            "This is not UTF-8: byte 0xe4 at offset 40, on line 3. "
            "Give its encoding, or save it with the encoding UTF-8.",
        ),
        (
            b"PK\x03\x04rest",
            "This is an Excel workbook or another zip file, not a CSV file. "
            "Save it as CSV (UTF-8).",
        ),
        (b"PAR1rest", "This is a Parquet file, not a CSV file. Save it as CSV (UTF-8)."),
    ],
)
async def test_an_unreadable_file_is_refused(
    database: Database, worlds: Path, write: Write, data: bytes, message: str
) -> None:
    assert told(await load(database, write(personas=data))) == [(None, None, message)]


async def test_a_file_that_is_not_there_is_refused(database: Database, tmp_path: Path) -> None:
    report = await load(database, [tmp_path / "personas.csv", str(tmp_path / "acts.csv")])
    assert told(report) == [(None, None, "There is no such file.")] * 2


async def test_an_empty_folder_is_refused(database: Database, tmp_path: Path) -> None:
    assert told(await load(database, tmp_path)) == [
        (None, None, "There are no tables in this folder, such as CSV files.")
    ]


async def test_a_header_without_rows_is_accepted_and_said(
    database: Database, worlds: Path, write: Write
) -> None:
    report = await load(database, write(personas="world,name\n"))
    assert report.problems == []
    assert report.tables["personas"].read == 0
    assert "personas.csv: there is a header and no rows." in report.notes


async def test_rows_of_a_wrong_width_are_refused_by_number(
    database: Database, worlds: Path, write: Write
) -> None:
    folder = write(
        personas="world,name,kind\nElsinore,A,\n\nElsinore\n,,\nElsinore,B,,more\nElsinore,,x\n"
    )
    report = await load(database, folder)
    assert sorted(told(report), key=lambda p: p[0]) == [
        (2, None, "This row has 1 cells; the header has 3."),
        (3, None, "This row has 4 cells; the header has 3."),
        (4, "name", "This must not be empty."),
    ]
    assert report.tables["personas"].read == 4


async def test_a_quote_that_never_closes_is_found(
    database: Database, worlds: Path, write: Write
) -> None:
    folder = write(personas='world,name\nElsinore,A\n\nElsinore,"B\nElsinore,C\nElsinore,D\n')
    report = await load(database, folder)
    assert [(p.row, p.value) for p in report.problems] == [
        (2, '"B'),
        (3, "Elsinore,C"),
        (4, "Elsinore,D"),
    ]
    assert report.tables["personas"].read == 4
    assert "opens on line 4 and never closes" in report.problems[0].message


async def test_a_quote_within_a_cell_is_a_character(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    folder = write(things='world,name,note\nElsinore,5" gun,\nElsinore,"say ""ho""",a\n')
    (await load(database, folder)).raise_for_problems()
    rows = await sql.fetch("SELECT name FROM thing ORDER BY id")
    assert [row["name"] for row in rows] == ['5" gun', 'say "ho"']


async def test_text_is_stored_as_it_is_written(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    names = [
        "NULL", "None", "nan", "00123", "true", "=1+1", "\\N", "\\.", "'; DROP TABLE persona;--",
        "<script>alert(1)</script>", "{{7*7}}", "%s %d {0}", "1/2", "-", "{}", "[]",
    ]  # fmt: skip
    lines = "".join(f"Elsinore,{n},{n},line one\\r\\{n}\n" for n in names)
    folder = write(personas=f"world,name,description,motto\n{lines}")
    (await load(database, folder)).raise_for_problems()
    rows = await sql.fetch(
        "SELECT name, description, attributes ->> 'motto' AS motto FROM persona ORDER BY id"
    )
    assert [row["name"] for row in rows] == names
    assert [row["description"] for row in rows] == names
    assert [row["motto"] for row in rows] == [f"line one\\r\\{n}" for n in names]


async def test_headers_are_recognised_in_any_case_and_doubled_ones_pointed_out(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    folder = write(
        personas="\ufeff World , NAME,Title,notes,notes,,\nElsinore,A,B,c,d,e,\n",
    )
    report = await load(database, folder)
    report.raise_for_problems()
    row = await sql.fetchrow("SELECT display_name, attributes::text FROM persona")
    assert row["display_name"] == "B"
    assert row["attributes"] == '{"notes": "c", "column 6": "e", "notes (5)": "d"}'
    assert any("'notes' is there twice" in note for note in report.notes)


async def test_columns_of_the_database_are_not_written(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    folder = write(
        personas="id,world,name,version,created_at,deleted_at\n"
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301,Elsinore,A,7,1999-01-01,1999-01-01\n"
    )
    report = await load(database, folder)
    row = await sql.fetchrow("SELECT id::text, version, deleted_at FROM persona")
    assert row["id"] != "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
    assert (row["version"], row["deleted_at"]) == (1, None)
    assert (
        "personas.csv: ignored, set by the database: version, created_at, deleted_at."
        in report.notes
    )


async def test_a_huge_cell_comes_whole(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write
) -> None:
    folder = write(personas=f'world,name,description\nElsinore,A,"{"word " * 1_000_000}"\n')
    (await load(database, folder)).raise_for_problems()
    assert await sql.fetchval("SELECT length(description) FROM persona") == 5_000_000


async def test_pictures_must_be_pictures_in_the_folder(
    database: Database, sql: asyncpg.Connection, worlds: Path, write: Write, shared: Path
) -> None:
    (worlds / "page.png").write_text("<html></html>")
    (worlds / "empty.png").write_bytes(b"")
    names = ["page.png", "empty.png", "missing.png", "../outside.png", "/etc/hostname"]
    bomb = shared / "messy" / "27_pictures" / "bomb_30000x30000.png"
    (worlds / "bomb.png").write_bytes(bomb.read_bytes())
    (worlds / "cut.jpg").write_bytes(
        (shared / "messy" / "27_pictures" / "truncated.jpg").read_bytes()
    )
    names += ["bomb.png", "cut.jpg"]
    lines = "".join(f"Elsinore,{n},{n}\n" for n in names)
    report = await load(database, write(images=f"world,name,file\n{lines}"))
    assert [(p.row, p.column) for p in report.problems] == [(i, "file") for i in range(1, 8)]
    messages = [p.message for p in report.problems]
    assert messages[0] == "This is not a PNG, JPEG, GIF or WebP picture."
    assert messages[1] == "This picture is empty: it has 0 bytes."
    assert messages[2] == "This picture cannot be read (No such file or directory)."
    assert (
        messages[3]
        == messages[4]
        == ("A picture must lie in the folder of the file that names it.")
    )
    assert messages[5] == "This picture has far more than the 25,000,000 pixels that fit."
    assert messages[6] == "This picture is damaged: it cannot be decoded to its end."


async def test_a_server_that_goes_away_is_said(
    database: Database, superuser: asyncpg.Connection, shared: Path
) -> None:
    async with superuser.transaction(), asyncio.timeout(60):
        await superuser.execute("LOCK TABLE scene IN SHARE MODE")
        work = asyncio.create_task(load(database, shared / "shakespeare"))
        pid = await held_up(superuser, work.done)
        await superuser.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(StoreUnavailable):
            await work
    assert await superuser.fetchval("SELECT count(*) FROM world") == 0


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be halted there")
async def test_a_server_that_goes_away_during_a_copy_is_said(
    database: Database,
    superuser: asyncpg.Connection,
    worlds: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy = asyncpg.Connection.copy_to_table
    ending: list[asyncio.Task[None]] = []

    async def halted(connection: asyncpg.Connection, name: str, **options: Any) -> str:
        if name == "load_persona":  # the server reads no more, so that writing is paused
            os.kill(pid := connection.get_server_pid(), signal.SIGSTOP)
            ending.append(asyncio.create_task(end(pid)))
        return str(await copy(connection, name, **options))

    async def end(pid: int) -> None:
        try:
            for _ in range(100):  # turns of the loop: as much is written as can be
                await asyncio.sleep(0)
            await superuser.execute("SELECT pg_terminate_backend($1)", pid)
        finally:
            os.kill(pid, signal.SIGCONT)

    unheard: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unheard.append(context))
    monkeypatch.setattr(asyncpg.Connection, "copy_to_table", halted)
    monkeypatch.setattr(stage, "_CHUNK_ROWS", 1)
    lines = "".join(f"Elsinore,{n},{'words ' * 16_000}\n" for n in range(50))
    folder = write(personas=f"world,name,description\n{lines}")
    try:
        async with asyncio.timeout(10) as limit:
            with pytest.raises(StoreUnavailable):
                await load(database, folder)
        await asyncio.gather(*ending)
        gc.collect()
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(None)
    assert not limit.expired()  # asyncpg would wait for ever
    assert len(ending) == 1
    assert unheard == []
    assert await superuser.fetchval("SELECT count(*) FROM persona") == 0


async def test_a_killed_import_leaves_nothing(
    database: Database, database_url: str, sql: asyncpg.Connection, shared: Path
) -> None:
    # The rows of scenes wait for a lock of ours, so that the kill comes in their midst.
    before = await sql.fetchval("SELECT count(*) FROM history.change")
    async with sql.transaction():
        await sql.execute("LOCK TABLE scene IN SHARE MODE")
        plays = shared / "shakespeare"
        process, pid = await import_elsewhere(sql, database_url, database, plays)
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    async with asyncio.timeout(60):
        while True:
            if not await sql.fetchval("SELECT true FROM pg_stat_activity WHERE pid = $1", pid):
                break
            await asyncio.sleep(0.02)
    for table in ("world", "act", "persona", "scene"):
        assert await sql.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await sql.fetchval("SELECT count(*) FROM history.change") == before
    (await load(database, plays)).raise_for_problems()
    assert await sql.fetchval("SELECT count(*) FROM scene") == 771


async def test_a_link_that_leads_nowhere_is_a_problem_in_a_folder_too(
    database: Database, write: Write
) -> None:
    folder = write(worlds="name\nElsinore\n")
    (folder / "personas.csv").symlink_to("moved.csv")
    report = await load(database, folder)
    assert not report.written
    assert [(p.file, p.message) for p in report.problems] == [
        (str(folder / "personas.csv"), "There is no such file.")
    ]
