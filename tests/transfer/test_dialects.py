"""CSV files as they are met: encodings, delimiters, and what is wrong with their form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import BadSettings
from workbench.transfer import csv_form, dialect
from workbench.transfer.options import Reading

Rows = Callable[..., Any]

RUSSIAN = (
    "world,name,description\n"
    "Ревизор,Хлестаков,чиновник из Петербурга\n"
    "Ревизор,Осип,слуга его\n"
    "Ревизор,Анна Андреевна,жена городничего\n"
    "Ревизор,Бобчинский,городской помещик\n"
)
NAMES = ["Хлестаков", "Осип", "Анна Андреевна", "Бобчинский"]


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


@pytest.mark.parametrize(
    ("encoding", "guessed"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("utf-32", None),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32-le", "utf-32-le"),
        ("utf-32-be", "utf-32-be"),
        ("cp1251", "windows-1251"),
        ("koi8-r", "koi8-r"),
    ],
)
def test_an_encoding_is_marked_or_guessed(
    tmp_path: Path, rows_of: Rows, encoding: str, guessed: str | None
) -> None:
    path = tmp_path / "personas.csv"
    path.write_bytes(RUSSIAN.encode(encoding))
    rows, findings, _ = rows_of(path)
    assert names(rows) == NAMES
    assert list(rows[0]) == ["world", "name", "description"]
    told = [note for note in findings.notes if "a guess that is" in note]
    assert [f"read as {guessed}," in note for note in told] == ([True] if guessed else [])


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "utf-16-be", "mac-cyrillic", "utf-8"])
def test_an_encoding_that_is_given_is_not_guessed(
    tmp_path: Path, rows_of: Rows, encoding: str
) -> None:
    path = tmp_path / "personas.csv"
    path.write_bytes(RUSSIAN.encode(encoding))
    rows, findings, _ = rows_of(path, Reading(encoding=encoding))
    assert names(rows) == NAMES
    assert findings.notes == []


def test_an_encoding_that_is_given_and_wrong_is_refused_by_place(
    tmp_path: Path, rows_of: Rows
) -> None:
    path = tmp_path / "personas.csv"
    path.write_bytes(RUSSIAN.encode("cp1251"))
    rows, findings, _ = rows_of(path, Reading(encoding="utf-8"))
    assert rows == []
    assert findings.problems[0].message.startswith(
        "This is not UTF-8: byte 0xd0 at offset 23, on line 2."
    )


@pytest.mark.parametrize("encoding", ["latin", "rot13", "nonsense"])
def test_an_encoding_must_be_one_of_text(encoding: str) -> None:
    if encoding == "latin":
        assert Reading(encoding=encoding).encoding == encoding
    else:
        with pytest.raises(BadSettings, match="There is no encoding"):
            Reading(encoding=encoding)


def test_the_first_letter_that_is_not_ascii_may_come_late(tmp_path: Path, rows_of: Rows) -> None:
    path = tmp_path / "personas.csv"
    plain = b"".join(b"Elsinore,Persona %d\n" % n for n in range(60_000))
    assert len(plain) > dialect.HEAD_BYTES
    path.write_bytes(
        b"world,name\n" + plain + "Elsinore,Kämmerer\nElsinore,Türhüter\n".encode("cp1252")
    )
    rows, findings, _ = rows_of(path)
    assert names(rows)[-2:] == ["Kämmerer", "Türhüter"]
    assert len(rows) == 60_002
    assert "read as windows-1252" in findings.notes[0]


def test_utf8_with_a_damaged_letter_is_no_other_encoding(tmp_path: Path, rows_of: Rows) -> None:
    path = tmp_path / "personas.csv"
    path.write_bytes("world,name\nElsinore,Kämmerer\n".encode() + b"Elsinore,T\xfcr\n")
    _, findings, _ = rows_of(path)
    assert "This is not UTF-8: byte 0xfc at offset 40, on line 3." in findings.problems[0].message


def test_noise_is_no_text(tmp_path: Path, rows_of: Rows) -> None:
    path = tmp_path / "personas.csv"
    path.write_bytes(b"world,name\n" + bytes(range(128, 256)) * 50)
    _, findings, _ = rows_of(path)
    assert "This is not UTF-8" in findings.problems[0].message


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", ["csv", "txt"])
def test_a_delimiter_is_guessed(tmp_path: Path, rows_of: Rows, delimiter: str, suffix: str) -> None:
    path = tmp_path / f"personas.{suffix}"
    lines = [
        ["world", "name", "description"],
        ["Elsinore", "Osric", "a, b; c"],
        ["Elsinore", "Yorick", ""],
    ]
    path.write_text("\n".join(delimiter.join(f'"{cell}"' for cell in line) for line in lines))
    rows, _, _ = rows_of(path)
    assert names(rows) == ["Osric", "Yorick"]
    assert rows[0]["description"] == "a, b; c"


def test_a_delimiter_is_told_by_the_columns_that_are_known(tmp_path: Path, rows_of: Rows) -> None:
    path = tmp_path / "personas.csv"
    path.write_text("world;name;a,b,c,d,e\nElsinore;Osric;1,2,3,4,5\n")
    rows, _, _ = rows_of(path)
    assert rows == [{"world": "Elsinore", "name": "Osric", "a,b,c,d,e": "1,2,3,4,5"}]


def test_a_delimiter_may_be_given_or_stand_above_the_header(tmp_path: Path, rows_of: Rows) -> None:
    path = tmp_path / "personas.csv"
    path.write_text("world:name\nElsinore:Osric\n")
    assert names(rows_of(path, Reading(delimiter=":"))[0]) == ["Osric"]
    path.write_text("sep=^\r\nworld^name\r\nElsinore^Osric\r\n")
    rows, _, labels = rows_of(path)
    assert (names(rows), labels) == (["Osric"], [1])
    with pytest.raises(BadSettings, match="A delimiter is one character"):
        Reading(delimiter="::")
    assert Reading(delimiter="tab").delimiter == "\t"


def test_a_tsv_file_is_separated_by_tabs(tmp_path: Path, rows_of: Rows) -> None:
    path = tmp_path / "personas.tsv"
    path.write_text("name,world\tname\nElsinore\tOsric\n")
    assert rows_of(path)[0] == [{"name,world": "Elsinore", "name": "Osric"}]


TRICKY = (
    '\n\nworld,name,description\r\nElsinore,"A, ""first""","one\ntwo\r\nthree"\n\n'
    'Elsinore,5" gun,x\rElsinore\n,,\nElsinore,B,"",more,"m\nn"\nElsinore,"quo"ted,\n'
    f'Elsinore,huge,"{"long, " * 500}"\nElsinore,Ünïcode,""""\n'
)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_a_file_reads_the_same_in_pieces_of_any_size(
    tmp_path: Path, rows_of: Rows, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    path = tmp_path / "personas.csv"
    path.write_bytes(TRICKY.encode())
    whole = rows_of(path)
    monkeypatch.setattr(dialect, "BLOCK_BYTES", block)
    rows, findings, labels = rows_of(path)
    assert rows == whole[0]
    assert labels == whole[2] == [1, 2, 5, 6, 7]
    assert findings.problems == whole[1].problems
    assert findings.notes == whole[1].notes
    assert [(p.row, p.message) for p in findings.problems] == [
        (3, "This row has 1 cells; the header has 3."),
        (
            4,
            "This row has 5 cells; the header has 3. "
            "It goes over 2 lines: one of its quotes may not be closed.",
        ),
    ]


def test_no_cell_grows_without_end(
    tmp_path: Path, rows_of: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "BLOCK_BYTES", 2**10)
    monkeypatch.setattr(csv_form, "LARGEST_ROW_BYTES", 2**20)
    path = tmp_path / "personas.csv"
    path.write_text('world,name\nElsinore,Osric\nElsinore,"' + "x" * 2**21)
    rows, findings, _ = rows_of(path)
    assert names(rows) == ["Osric"]
    assert findings.problems[0].message == (
        "A quote opens on line 3 and never closes for 1 MB, so what follows is not read. "
        "Close it, or take it out."
    )


def test_a_quote_that_opens_in_the_header_is_said(tmp_path: Path, rows_of: Rows) -> None:
    path = tmp_path / "personas.csv"
    path.write_text('world,"name\nElsinore,Osric\n')
    _, findings, _ = rows_of(path)
    assert "a quote opens in it and never closes" in findings.problems[0].message


def test_a_column_without_a_name_whose_values_come_late_is_said(
    tmp_path: Path, rows_of: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "BLOCK_BYTES", 2**20)
    path = tmp_path / "personas.csv"
    path.write_text("world,name,\n" + "Elsinore,Osric,\n" * 80_000 + "Elsinore,Yorick,alas\n")
    _, findings, _ = rows_of(path)
    assert [p.message.partition(" below")[0] for p in findings.problems] == [
        "Column 3 has no name, but it has values"
    ]
