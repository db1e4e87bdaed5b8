"""What is said of how to read files: by the caller, by TOML beside them; and suggestions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pandas as pd
import pytest

from workbench.transfer.findings import Findings
from workbench.transfer.load import load
from workbench.transfer.options import Reading, remember, said
from workbench.transfer.prepare import shape_of
from workbench.transfer.readers import open_all
from workbench.workspace import Workspace

Rows = Callable[..., Any]

ROLES = "Welt;Figur;Beschreibung\nElsinore;Osric;Höfling\n"
COLUMNS = {"welt": "world", "Figur": "name", "Beschreibung": "description"}


@pytest.fixture
async def wb(wb: Workspace, tmp_path: Path) -> Workspace:
    (tmp_path / "worlds.csv").write_text("name\nElsinore\n")
    (await wb.load(tmp_path)).raise_for_problems()
    (tmp_path / "worlds.csv").unlink()
    return wb


async def stored(sql: asyncpg.Connection) -> list[tuple[str, str]]:
    return [tuple(row) for row in await sql.fetch("SELECT name, description FROM persona")]


async def test_columns_and_table_may_be_given(
    wb: Workspace, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "rollen.csv").write_bytes(ROLES.encode("cp1252"))
    report = await wb.load(
        tmp_path / "rollen.csv", table="persona", columns=COLUMNS, encoding="windows-1252"
    )
    report.raise_for_problems()
    assert await stored(sql) == [("Osric", "Höfling")]
    assert report.notes == []


async def test_columns_of_frames_may_be_given(wb: Workspace, sql: asyncpg.Connection) -> None:
    frame = pd.DataFrame({"world": ["Elsinore"], "Figur": ["Osric"], "Display Name": ["Lord"]})
    (await wb.load({"personas": frame}, columns={"Figur": "name"})).raise_for_problems()
    row = await sql.fetchrow("SELECT name, display_name FROM persona")
    assert tuple(row) == ("Osric", "Lord")


async def test_what_is_remembered_is_used_the_next_time(
    wb: Workspace, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "rollen.csv"
    path.write_bytes(ROLES.encode("cp1252"))
    first = await wb.load(path, table="personas", columns=COLUMNS, remember=True, dry_run=True)
    assert f"{path}.toml says how rollen.csv was read, for the next time." in first.notes
    assert (tmp_path / "rollen.csv.toml").read_text(encoding="utf-8") == (
        'table = "personas"\nencoding = "windows-1252"\ndelimiter = ";"\n\n[columns]\n'
        '"welt" = "world"\n"Figur" = "name"\n"Beschreibung" = "description"\n'
    )
    second = await wb.load(path)
    second.raise_for_problems()
    assert second.notes == []
    assert await stored(sql) == [("Osric", "Höfling")]


async def test_options_beside_the_data_are_no_data(
    wb: Workspace, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "personas.csv").write_bytes(ROLES.encode("cp1252"))
    remember(tmp_path / "personas.csv", Reading(columns=COLUMNS))
    (tmp_path / "workbench.toml").write_text(
        'encoding = "windows-1252"\n[files."personas.csv"]\ndelimiter = ";"\n'
        '[files."others.csv"]\ntable = "acts"\n'
    )
    report = await wb.load(tmp_path)
    report.raise_for_problems()
    assert await stored(sql) == [("Osric", "Höfling")]
    assert report.notes == []


def test_the_nearest_word_counts(tmp_path: Path) -> None:
    path = tmp_path / "personas.csv"
    (tmp_path / "workbench.toml").write_text(
        'encoding = "utf-16"\ntable = "acts"\nsheet = "A"\ncolumns = {a = "x", b = "y"}\n'
        '[files."personas.csv"]\ntable = "things"\nsheet = "B"\n'
    )
    remember(path, Reading(sheet="C", columns={"b": "z"}))
    assert said(path, Reading(header_row=3)) == Reading(
        table="things", encoding="utf-16", sheet="C", header_row=3, columns={"a": "x", "b": "z"}
    )
    assert said(tmp_path / "other.csv", Reading(table="books")).table == "books"


def test_what_is_remembered_is_kept_with_what_was(tmp_path: Path) -> None:
    path = tmp_path / "personas.csv"
    remember(path, Reading(sheet='say "ho"\\', columns={"Ünïcode\n": "name"}))
    remember(path, Reading(header_row=2, columns={"b": "kind"}))
    assert said(path, Reading()) == Reading(
        sheet='say "ho"\\', header_row=2, columns={"Ünïcode\n": "name", "b": "kind"}
    )


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("table = ", "workbench.toml: This is no TOML"),
        ("tables = 'personas'", "'tables' is not known here. There are table, encoding"),
        ("header_row = '3'", "`header_row` must be a whole number."),
        ("header_row = 0", "Rows of a sheet are numbered from 1"),
        ("columns = {a = 1}", "`columns` maps texts to texts"),
        ("encoding = 'klingon'", "There is no encoding 'klingon'"),
        ("files = 3", "`files` is a table"),
        ("table = 'people'", "There is no table 'people' to import into"),
    ],
)
def test_options_that_cannot_be_used_are_refused(
    tmp_path: Path, rows_of: Rows, toml: str, words: str
) -> None:
    (tmp_path / "personas.csv").write_text("world,name\nElsinore,Osric\n")
    (tmp_path / "workbench.toml").write_text(toml)
    rows, findings, _ = rows_of(tmp_path / "personas.csv")
    assert rows == []
    assert words in findings.problems[0].message


def prepared(path: Path, reading: Reading) -> Findings:
    opened = open_all(path, reading)
    for feed in opened.feeds:
        shape_of(feed, opened.findings, world="Elsinore")
    return opened.findings


def test_similar_names_of_columns_are_suggested(tmp_path: Path) -> None:
    path = tmp_path / "personas.csv"
    path.write_text("name,descripton,mood\nOsric,a courtier,grey\n")
    notes = prepared(path, Reading()).notes
    assert "personas.csv: column 'descripton': did you mean 'description'?" in notes
    assert not any("'mood': did" in note for note in notes)


def test_a_similar_name_is_suggested_for_a_column_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "personas.csv"
    path.write_text("Nmae,mood\nOsric,grey\n")
    findings = prepared(path, Reading())
    assert [p.message for p in findings.problems] == [
        "There is no column 'name'. Does 'Nmae' stand for it? Then say so: "
        "--column 'Nmae=name', or columns={'Nmae': 'name'}."
    ]
    assert prepared(path, Reading(columns={"nmae": "Name"})).problems == []


def test_a_mapping_to_no_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "personas.csv"
    path.write_text("name,mood\nOsric,grey\n")
    findings = prepared(path, Reading(columns={"mood": "descripton", "nowhere": "kind"}))
    assert [(p.column, p.message) for p in findings.problems] == [
        (
            "mood",
            "It cannot stand for 'descripton': personas have no such column. "
            "Did you mean 'description'?",
        )
    ]
    assert "There is no column 'nowhere' in what was read." in findings.notes


def test_two_columns_cannot_stand_for_one(tmp_path: Path) -> None:
    path = tmp_path / "personas.csv"
    path.write_text("name,Display Name,display_name\nOsric,a,b\n")
    assert [p.message for p in prepared(path, Reading()).problems] == [
        "The columns 'Display Name' and 'display_name' both stand for 'display_name'. "
        "Take one of them out."
    ]


async def test_a_table_that_is_not_there_is_said(wb: Workspace, tmp_path: Path) -> None:
    (tmp_path / "rollen.csv").write_text("name\nOsric\n")
    report = await load(wb.database, tmp_path / "rollen.csv", reading=Reading(table="people"))
    assert "There is no table 'people' to import into." in report.problems[0].message
