"""Every damaged file of ../shared/data/messy comes out, row by row, as its EXPECTED.csv states."""

from __future__ import annotations

import asyncio
import csv
import re
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.logins import OwnLogin
from workbench.database.users import acting_user
from workbench.transfer.load import load
from workbench.transfer.options import Reading
from workbench.transfer.report import LoadReport

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
MESSY = SHARED / "messy"
CORPORA = ("shakespeare", "gerdracor", "rusdracor")
FIRST = ("worlds", "books", "stories", "acts", "locations")
NAMED = ("personas", "scenes", "books", "stories")

# What a row of EXPECTED allows, in the words of a report.
ALLOWED = {
    "import": "import",
    "import without location": "import",
    "reject": "reject",
    "conflict": "reject",
    "ask": "reject",
    "skip": "skip",
}


def expected() -> dict[str, list[dict[str, str]]]:
    """Return the rows of EXPECTED by file; of files without one, nothing."""
    files: dict[str, list[dict[str, str]]] = {
        path.name: []
        for path in (sorted(MESSY.iterdir()) if MESSY.is_dir() else ())
        if path.is_file() and path.name not in ("README.md", "EXPECTED.csv")
    }
    if not files:
        return {}
    with (MESSY / "EXPECTED.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if not row["file"].startswith("27_pictures/"):
                files[row["file"]].append(row)
    return files


EXPECTED = expected()


@pytest.fixture(scope="module")
async def clean(postgres: Any, home: Path) -> AsyncIterator[dict[str, str]]:
    """Databases to copy: with the first five clean tables, and with what file 21 needs too."""
    if not MESSY.is_dir():
        pytest.skip("needs ../shared/data")
    folder = home / "clean"
    names = {}
    for corpora, tables in ((CORPORA, FIRST), (("shakespeare",), ("personas", "scenes"))):
        template = names.get("few", "template_workbench")
        name = await asyncio.to_thread(postgres.new_database, template)
        owner = Database(Address.parse(postgres.url(name)))
        database = Database(owner.address, userid=await acting_user(owner, "tester@localhost"))
        for corpus in corpora:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for table in tables:
                shutil.copy(SHARED / corpus / f"{table}.csv", folder)
            (await load(database, folder)).raise_for_problems()
        await database.close()
        await owner.close()
        names["more" if "few" in names else "few"] = name
    yield names
    for name in names.values():
        await asyncio.to_thread(postgres.drop, name)


@pytest.fixture
async def begun(
    clean: dict[str, str], postgres: Any, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Database, asyncpg.Connection]]:
    """A copy of the clean database, as tester@localhost, and a plain connection to it."""
    which = "more" if request.node.callspec.params["file"].startswith("21") else "few"
    name = await asyncio.to_thread(postgres.new_database, clean[which])
    url = postgres.url(name)
    owner = Database(Address.parse(url))
    user = await acting_user(owner, "tester@localhost")
    login = OwnLogin(owner, user, "tests")
    database = Database(await login.address(), userid=user, source="tests", login=login)
    connection = await asyncpg.connect(url, server_settings={"workbench.userid": str(user)})
    yield database, connection
    await connection.close()
    await database.close()
    await login.close()
    await asyncio.to_thread(postgres.drop, name)


def reading_of(file: str) -> Reading:
    """Return what must be said of a file whose name tells no table."""
    tells = any(table in file for table in ("personas", "scenes", "books", "stories"))
    return Reading() if tells else Reading(table="personas")


def outcome(report: LoadReport, row: int) -> str:
    """Return what becomes of a row, or would if bad rows were skipped."""
    if any(problem.row in (None, row) for problem in report.problems):
        return "reject"
    left_out = rf"row {row} is left out|blank lines are skipped \(line {row}\)"
    if any(re.search(left_out, note) for note in report.notes):
        return "skip"
    return "import"


@pytest.mark.parametrize("file", EXPECTED)
async def test_a_damaged_file_comes_out_as_expected(
    begun: tuple[Database, asyncpg.Connection], file: str, tmp_path: Path
) -> None:
    database, sql = begun
    report = await load(
        database, MESSY / file, reading=reading_of(file), on_problem="skip", rejects=tmp_path
    )
    found = {row["row"]: outcome(report, int(row["row"])) for row in EXPECTED[file]}
    wrong = {
        row["row"]: (row["expected"], found[row["row"]], row["reason"])
        for row in EXPECTED[file]
        if found[row["row"]] not in {ALLOWED[word] for word in row["expected"].split(" or ")}
    }
    assert wrong == {}
    rejected = [row for row, became in found.items() if became == "reject"]
    imported = [row for row, became in found.items() if became == "import"]
    extra = 1 if file.startswith("23") else 0  # the line of totals is no row of EXPECTED
    assert report.written == (not report.problems or bool(imported))
    for counts in report.tables.values():
        assert counts.read == counts.good + counts.rejected
    if EXPECTED[file]:
        [counts] = report.tables.values()
        assert counts.inserted == len(imported)
        assert counts.rejected == len(rejected) + extra
    if report.written:
        await names_are_stored(sql, file, report)
    if rejected and report.written:
        [where] = report.rejects.values()
        await rejects_come_again(database, where, report)


async def rejects_come_again(database: Database, where: Path, report: LoadReport) -> None:
    """A file of rejects is read as its source was, and has the same problems still."""
    again = await load(database, where, on_problem="skip", rejects=where.parent)
    [before], [after] = report.tables.values(), again.tables.values()
    assert after.read == before.rejected
    if not where.name.startswith("06"):  # a row alone has the key of no other
        assert (again.written, after.rejected) == (False, before.rejected)


async def names_are_stored(sql: asyncpg.Connection, file: str, report: LoadReport) -> None:
    [table] = report.tables
    if table not in NAMED:
        return
    entity = {"personas": "persona", "scenes": "scene", "books": "book", "stories": "story"}[table]
    column = "name"
    if file.startswith("13"):
        column = "coalesce(attributes ->> 'date_premiered', '')"
    stored = [row[0] for row in await sql.fetch(f"SELECT {column} FROM {entity}")]
    for row in EXPECTED[file]:
        name = row["name_or_value"]
        if outcome(report, int(row["row"])) == "import" and name:
            assert any(one.startswith(spelled(name)) for one in stored)  # EXPECTED cuts long ones


def spelled(name: str) -> str:
    """Return a name of EXPECTED as it is stored: on one line, and not cut."""
    return name.removesuffix("…").replace("\\n", " ").replace("\\t", " ").replace("\t", " ")


async def test_hostile_pictures_come_out_as_expected(
    database: Database, sql: asyncpg.Connection, tmp_path: Path, shared: Path
) -> None:
    with (shared / "messy" / "EXPECTED.csv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["file"].startswith("27_pictures/")]
    names = [row["file"].removeprefix("27_pictures/") for row in rows]
    for name in names:
        shutil.copy(shared / "messy" / "27_pictures" / name, tmp_path)
    (tmp_path / "worlds.csv").write_text("name\nElsinore\n")
    with (tmp_path / "images.csv").open("w", newline="") as made:
        out = csv.writer(made)
        out.writerow(["world", "name", "file"])
        out.writerows(["Elsinore", name, name] for name in names)
    report = await load(database, tmp_path)
    refused = {problem.value for problem in report.problems}
    for row, name in zip(rows, names, strict=True):
        assert (name in refused) == row["expected"].startswith("reject")
    assert len(names) == 7
    with (tmp_path / "images.csv").open("w", newline="") as made:
        out = csv.writer(made)
        out.writerow(["world", "name", "file"])
        out.writerows(["Elsinore", name, name] for name in names if name not in refused)
    (await load(database, tmp_path)).raise_for_problems()
    stored = await sql.fetch("SELECT name, media_type FROM image ORDER BY name")
    assert [(row["name"], row["media_type"]) for row in stored] == [
        ("png_called.jpg", "image/png"),
        ("Ümläut & spaces (1) %2e%2e.png", "image/png"),
    ]


def message(report: LoadReport) -> str:
    [problem] = report.problems
    return str(problem)


def test_every_file_and_row_is_walked() -> None:
    if not EXPECTED:
        pytest.skip("needs ../shared/data")
    with (MESSY / "EXPECTED.csv").open(encoding="utf-8", newline="") as lines:
        rows = sum(1 for _ in csv.DictReader(lines))
    pictures = len(list((MESSY / "27_pictures").iterdir()))
    assert (len(EXPECTED), sum(map(len, EXPECTED.values()))) == (29, rows - pictures)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("10_zero_bytes.csv", "This file is empty."),
        ("10b_only_newlines.csv", "only blank lines: there is no header"),
        ("05_scenes_no_story_column.csv", "There is no column 'story'."),
        ("24_not_really.xlsx", "This is not an Excel file, whatever its name says."),
        ("25_truncated.parquet", "This is not a Parquet file, or not all of one"),
    ],
)
async def test_a_file_that_cannot_be_read_says_why(
    begun: tuple[Database, asyncpg.Connection], file: str, words: str
) -> None:
    report = await load(begun[0], MESSY / file, reading=reading_of(file))
    assert words in message(report)
    assert not report.written


def rows_of(report: LoadReport) -> Iterator[tuple[object, str | None, str]]:
    yield from ((p.row, p.column, p.message) for p in report.problems)


@pytest.mark.parametrize("file", ["18b_personas_open_quote.csv"])
async def test_an_open_quote_is_named_by_its_line(
    begun: tuple[Database, asyncpg.Connection], file: str
) -> None:
    report = await load(begun[0], MESSY / file)
    said = defaultdict(str, {row: text for row, _, text in rows_of(report)})
    assert said[4].startswith("A quote opens on line 5 and never closes.")
    assert said[5] == said[6] == "This lies in a quote that opens on line 5 and never closes."


@pytest.mark.parametrize("file", ["11_personas_extra_columns.csv"])
async def test_extra_columns_are_listed(
    begun: tuple[Database, asyncpg.Connection], file: str
) -> None:
    report = await load(begun[0], MESSY / file)
    assert f"{file}: the column 'notes' is there twice; the second one is kept as 'notes (9)'." in (
        report.notes
    )
    assert any("shoe_size" in note for note in report.notes)


@pytest.mark.parametrize("file", ["01_personas_latin1.csv"])
async def test_a_guessed_encoding_says_how_sure_it_is(
    begun: tuple[Database, asyncpg.Connection], file: str
) -> None:
    report = await load(begun[0], MESSY / file)
    assert f"{file}: read as windows-1252, a guess that is 85% sure. " in report.notes[0]
