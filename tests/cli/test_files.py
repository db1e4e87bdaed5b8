"""`workbench import` and `workbench export`, run as processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.transfer.held import held_up
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.users import acting_user
from workbench.demo import demo_folder

COUNTS = {"read", "inserted", "updated", "unchanged", "rejected"}
PROBLEM = {"file", "row", "column", "value", "message"}
SCENES = 20_000


def only_object(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the one JSON object that was printed, of the documented shape."""
    said = json.loads(done.stdout)  # fails where more than one was printed
    assert {"tables", "problems"} <= set(said)
    for counts in said["tables"].values():
        assert set(counts) == COUNTS
    for problem in said["problems"]:
        assert set(problem) == PROBLEM
        assert problem["message"]
    return said


def put(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return put(
        tmp_path / "good",
        worlds="name\nDenmark\n",
        stories="world,name\nDenmark,Hamlet\n",
        personas="world,name,kind,born\nDenmark,HAMLET,individual,1170\nDenmark,Ölaf,,\n",
    )


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return put(
        tmp_path / "bad",
        worlds="name\nNorway\n",
        personas="world,name\nNorway,\nNorway,FORTINBRAS\nNowhere,YORICK\n"
        + f"Norway,{'x' * 256}\n",
    )


async def test_an_import_prints_one_object_and_ends_well(workbench, good, sql):
    done = workbench("import", good, "--json", "--reason", "first draft")
    assert (done.returncode, done.stderr) == (0, "")
    said = only_object(done)
    assert said["problems"] == []
    assert said["tables"]["personas"] == {
        "read": 2,
        "inserted": 2,
        "updated": 0,
        "unchanged": 0,
        "rejected": 0,
    }
    assert await sql.fetchval("SELECT count(*) FROM persona") == 2
    source = "SELECT DISTINCT source, reason FROM history.changeset WHERE source LIKE '%import%'"
    assert tuple(await sql.fetchrow(source)) == ("workbench import", "first draft")


async def test_a_second_import_changes_nothing(workbench, good, sql):
    workbench("import", good)
    before = await sql.fetchval("SELECT count(*) FROM history.change")
    done = workbench("import", good, "--json")
    assert done.returncode == 0
    for counts in only_object(done)["tables"].values():
        assert counts["unchanged"] == counts["read"]
        assert counts["inserted"] == counts["updated"] == 0
    assert await sql.fetchval("SELECT count(*) FROM history.change") == before
    assert await sql.fetchval("SELECT max(version) FROM persona") == 1


async def test_a_dry_run_tells_and_writes_nothing(workbench, good, sql):
    done = workbench("import", good, "--dry-run", "--json")
    assert done.returncode == 0
    assert only_object(done)["tables"]["worlds"]["inserted"] == 1
    assert await sql.fetchval("SELECT count(*) FROM world") == 0
    assert await sql.fetchval("SELECT count(*) FROM history.change WHERE entity <> 'user'") == 0


def test_a_dry_run_says_what_would_be(workbench, good, tmp_path):
    workbench("import", good)
    more = put(
        tmp_path / "more",
        personas="world,name,kind\nDenmark,HAMLET,individual\nDenmark,Ölaf,group\n"
        "Denmark,OPHELIA,\n",
    )
    done = workbench("import", more, "--dry-run")
    assert done.stdout == (
        "personas: 3 read, 1 to insert, 1 to update, 1 unchanged\n"
        "This was a dry run. Nothing was written.\n"
    )
    done = workbench("import", more)
    assert "personas: 3 read, 1 inserted, 1 updated, 1 unchanged" in done.stdout


async def test_bad_rows_are_skipped_when_asked_for(workbench, bad, sql, tmp_path):
    done = workbench(
        "import", bad, "--on-problem", "skip", "--rejects", tmp_path / "rejects", "--json"
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = only_object(done)
    [(file, where)] = said["rejects"].items()
    assert (file, Path(where)) == ("personas.csv", tmp_path / "rejects" / "personas.rejects.csv")
    assert await sql.fetchval("SELECT array_agg(name) FROM persona") == ["FORTINBRAS"]


async def test_a_file_that_cannot_be_read_is_no_success_though_others_are_written(
    workbench, bad, sql
):
    (bad / "stories.csv").write_bytes(b"")
    done = workbench("import", bad, "--on-problem", "skip")
    assert done.returncode == 1
    assert "stories.csv: This file is empty." in done.stdout
    assert "What has no problem is written." in done.stdout
    assert await sql.fetchval("SELECT count(*) FROM persona") == 1


async def test_a_plan_is_saved_and_carried_out_later(workbench, good, sql, tmp_path):
    file = tmp_path / "good.plan"
    done = workbench("import", good, "--plan", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  personas: 'HAMLET'" in done.stdout.splitlines()
    assert done.stdout.endswith(f"`workbench apply {file}` does just this, or nothing.\n")
    assert await sql.fetchval("SELECT count(*) FROM world") == 0
    shown = workbench("apply", file, "--show")
    assert shown.stdout == done.stdout
    for path in good.iterdir():
        path.unlink()
    done = workbench("apply", file, "--reason", "as agreed")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Everything is written.\n")
    source = "SELECT DISTINCT source, reason FROM history.changeset WHERE source LIKE '%apply%'"
    assert tuple(await sql.fetchrow(source)) == ("workbench apply", "as agreed")
    again = workbench("apply", file)
    assert again.returncode == 1
    assert "The world has moved since this plan was made" in again.stderr


def test_a_plan_with_problems_ends_badly(workbench, bad, tmp_path):
    done = workbench("import", bad, "--plan", tmp_path / "bad.plan")
    assert done.returncode == 1
    assert "It has problems, so it cannot be applied." in done.stdout
    done = workbench("apply", tmp_path / "bad.plan")
    assert (done.returncode, "Nothing was written." in done.stderr) == (1, True)
    for option in ("--json", "--reason=later"):
        assert workbench("import", bad, "--plan", tmp_path / "x", option).returncode == 2


def test_rows_that_a_plan_leaves_out_lie_beside_it(workbench, bad, tmp_path):
    (tmp_path / "plans").mkdir()
    workbench("import", bad, "--plan", tmp_path / "plans" / "p", "--on-problem", "skip")
    done = workbench("apply", tmp_path / "plans" / "p")
    assert (done.returncode, done.stderr) == (0, "")
    place = tmp_path / "plans" / "personas.rejects.csv"
    assert f"are in {place}" in done.stdout
    assert "Nowhere,YORICK" in place.read_text()


async def test_problems_are_all_told_at_once_and_nothing_is_written(workbench, bad, sql):
    done = workbench("import", bad, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    said = only_object(done)
    places = {(p["file"].rpartition("/")[2], p["row"], p["column"]) for p in said["problems"]}
    assert places == {
        ("personas.csv", 1, "name"),
        ("personas.csv", 3, "world"),
        ("personas.csv", 4, "name"),
    }
    assert said["tables"]["personas"]["rejected"] == 3
    assert await sql.fetchval("SELECT count(*) FROM world") == 0
    done = workbench("import", bad, "--dry-run")
    assert done.returncode == 1
    assert all(f"row {row}" in done.stdout for row in (1, 3, 4))
    assert "Nothing was written." in done.stdout


async def test_a_right_that_is_missing_is_told_with_whom_to_ask(
    workbench, good, sql, database_url, tmp_path
):
    assert workbench("import", good).returncode == 0
    owner = Database(Address.parse(database_url))
    eve = await acting_user(owner, "eve@example.org", role="editor")
    await owner.close()
    world = await sql.fetchval("SELECT id FROM world")
    await sql.execute("INSERT INTO world_member VALUES ($1, $2)", world, eve)
    (good / "worlds.csv").unlink()
    (good / "personas.csv").write_text("world,name,kind\nDenmark,HAMLET,ghost\n")
    workbench.variables["WORKBENCH_USER"] = "eve@example.org"
    told = (
        "workbench: You may read the world 'Denmark', but not change its personas: that takes an "
        "editor's rights in it, and an account that may edit. Ask tester@localhost.\n"
    )
    for more in ((), ("--dry-run",), ("--plan", tmp_path / "eve.plan")):
        done = workbench("import", good, *more)
        assert (done.returncode, done.stderr) == (1, told)
        assert "0 to update" in done.stdout or "0 updated" in done.stdout
    done = workbench("apply", tmp_path / "eve.plan")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)
    said = only_object(workbench("import", good, "--json"))
    assert [problem["message"] for problem in said["problems"]] == [told[11:-1]]
    assert await sql.fetchval("SELECT kind FROM persona WHERE name = 'HAMLET'") == "individual"


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_a_path_that_is_not_there_is_told(workbench, good, arguments):
    done = workbench("import", good, "nowhere/personas.csv", *arguments)
    assert done.returncode == 1
    assert "nowhere/personas.csv: There is no such file." in done.stdout or arguments
    assert "Traceback" not in done.stderr
    if arguments:
        said = only_object(done)
        assert [(p["file"], p["message"]) for p in said["problems"]] == [
            ("nowhere/personas.csv", "There is no such file.")
        ]


def test_a_database_that_is_not_there_is_an_object_too(workbench, good):
    workbench.variables["WORKBENCH_DATABASE_URL"] = "postgresql://ada:s3cret@127.0.0.1:1/worlds"
    done = workbench("import", good, "--json")
    assert done.returncode == 1
    (problem,) = only_object(done)["problems"]
    assert "nothing answers there" in problem["message"]
    assert "s3cret" not in done.stdout + done.stderr


def test_an_object_is_readable_whatever_the_terminal_and_the_name_of_the_file(workbench, tmp_path):
    odd = os.fsdecode(bytes(tmp_path) + b"/personas-\xff.csv")
    Path(odd).write_text("world,name\nNirgendwo,Ölaf\n", encoding="utf-8")
    workbench.variables |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = workbench("import", odd, "--json")
    assert done.returncode == 1
    assert done.stderr == ""
    assert only_object(done)["problems"]


def test_the_world_of_rows_that_name_none_can_be_told(workbench, good, tmp_path):
    workbench("import", good)
    more = put(tmp_path / "more", personas="name\nOPHELIA\n")
    done = workbench("import", more, "--world", "tester@localhost/Denmark", "--json")
    assert (done.returncode, only_object(done)["tables"]["personas"]["inserted"]) == (0, 1)
    done = workbench("import", more, "--world", "Elsewhere", "--json")
    assert done.returncode == 1
    assert "Elsewhere" in done.stdout


def test_what_is_exported_imports_into_another_home_with_the_same_counts(
    workbench, at_home, tmp_path
):
    first = workbench("import", demo_folder(), "--json")
    counts = {t: c["inserted"] for t, c in only_object(first)["tables"].items()}
    done = workbench("export", tmp_path / "files", "--world", "Dracula")
    assert (done.returncode, done.stderr) == (0, "")
    again = workbench("export", tmp_path / "files", "--world", "Dracula")
    assert again.returncode == 1
    assert "overwrite" in again.stderr

    elsewhere = at_home()
    second = elsewhere("import", tmp_path / "files", "--json")
    assert (second.returncode, second.stderr) == (0, "")
    assert {t: c["inserted"] for t, c in only_object(second)["tables"].items()} == counts


def test_an_export_of_no_world_or_no_known_format_is_told(workbench, good, tmp_path):
    workbench("import", good)
    done = workbench("export", tmp_path / "files", "--world", "Denmork")
    assert done.returncode == 1
    assert "Denmork" in done.stderr
    done = workbench("export", tmp_path / "files", "--world", "Denmark", "--format", "pdf")
    assert done.returncode in (1, 2)
    assert "pdf" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "files").exists()


def test_ones_own_export_leaves_nothing_to_say(workbench, tmp_path):
    workbench("demo")
    workbench("export", tmp_path / "files", "--world", "Dracula")
    done = workbench("import", tmp_path / "files")
    assert done.returncode == 0
    assert "ignored" not in done.stdout
    (tmp_path / "files" / "sketches").mkdir()
    (tmp_path / "files" / "notes.txt").write_text("")
    done = workbench("import", tmp_path / "files")
    assert f"{tmp_path / 'files'}: ignored notes.txt, sketches (no tables)." in done.stdout


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An import that takes a second or more."""
    return put(
        tmp_path_factory.mktemp("large"),
        worlds="name\nLarge\n",
        stories="world,name\nLarge,Story\n",
        acts="world,story,name\nLarge,Story,Act\n",
        scenes="world,story,act,name,description\n"
        + "".join(f"Large,Story,Act,Scene {n},{'words ' * 20}\n" for n in range(SCENES)),
    )


WRITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_an_import_that_is_stopped_writes_nothing(workbench, large, sql, number):
    with workbench.start("import", large, "--json") as process:
        end = time.monotonic() + 30
        while not (pids := [r["pid"] for r in await sql.fetch(WRITING)]):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    said = "Stopped. What was under way is undone.\n" if number == signal.SIGINT else ""
    assert (out, err) == ("", said)
    end = time.monotonic() + 10
    while await sql.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1)", pids):
        assert time.monotonic() < end
    for table in ("world", "story", "act", "scene"):
        assert await sql.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await sql.fetchval("SELECT count(*) FROM history.change WHERE entity <> 'user'") == 0
    assert await left_behind(sql) == []


@pytest.mark.parametrize(
    "arguments",
    [("export", "files", "--world", "Denmark"), ("archive", "Denmark", "denmark.zip")],
)
async def test_writing_that_is_interrupted_leaves_no_file(workbench, good, sql, arguments):
    workbench("import", good)
    async with sql.transaction():
        await sql.execute("LOCK TABLE persona_relation IN ACCESS EXCLUSIVE MODE")
        with workbench.start(*arguments) as process:
            await held_up(sql, lambda: process.poll() is not None)
            assert os.listdir(workbench.folder)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == ("", "Stopped. What was under way is undone.\n")
    assert os.listdir(workbench.folder) == []


async def left_behind(sql: asyncpg.Connection) -> list[str]:
    """Return tables that an import made for itself."""
    rows = await sql.fetch(
        "SELECT relname FROM pg_class WHERE relpersistence <> 'p' AND relkind = 'r'"
    )
    return [row["relname"] for row in rows]


def test_how_to_read_a_file_is_said_and_remembered(workbench, tmp_path):
    (tmp_path / "worlds.csv").write_text("name\nElsinore\n")
    workbench("import", tmp_path / "worlds.csv")
    rows = "Welt;Figur\nElsinore;Kämmerer\n"
    path = tmp_path / "rollen.csv"
    path.write_bytes(rows.encode("cp1252"))
    said = ("--table", "personas", "--column", "Welt=world", "--column", "Figur=name")
    done = workbench(
        "import", path, *said, "--encoding", "cp1252", "--delimiter", ";", "--remember"
    )
    assert done.returncode == 0
    assert "personas: 1 read, 1 inserted" in done.stdout
    done = workbench("import", path)
    assert "personas: 1 read, 0 inserted, 0 updated, 1 unchanged" in done.stdout
    for wrong in (("--column", "Rolle"), ("--encoding", "klingon"), ("--delimiter", "::")):
        done = workbench("import", path, *wrong)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr


async def test_an_archive_is_restored_by_a_command(workbench, good, tmp_path, sql):
    workbench("import", good)
    file = tmp_path / "denmark.zip"
    done = workbench("archive", "Denmark", file, "--history")
    assert (done.returncode, done.stderr) == (0, "")
    assert "worlds: 1 row\n" in done.stdout
    assert "personas: 2 rows\n" in done.stdout
    assert "history: " in done.stdout
    done = workbench("archive", "Denmark", file)
    assert done.returncode == 1
    assert "--overwrite" in done.stderr
    done = workbench("restore", file)
    assert done.returncode == 1
    assert "--merge" in done.stderr
    await sql.execute("UPDATE world SET deleted_at = now()")
    done = workbench("restore", file, "--json", "--reason", "moved")
    assert done.returncode == 0
    source = "SELECT DISTINCT reason FROM history.changeset WHERE source LIKE '%restore%'"
    assert await sql.fetchval(source) == "moved"
    assert only_object(done)["tables"]["personas"]["inserted"] == 2
    done = workbench("restore", good / "worlds.csv")
    assert done.returncode == 1
    assert "This is no archive" in done.stderr


def test_a_world_is_exported_as_a_workbook(workbench, good, tmp_path):
    workbench("import", good)
    done = workbench("export", tmp_path / "out", "--world", "Denmark", "--format", "xlsx")
    assert (done.returncode, done.stderr) == (0, "")
    assert "personas: 2 rows" in done.stdout
    done = workbench("import", tmp_path / "out", "--json")
    assert only_object(done)["tables"]["personas"]["unchanged"] == 2


def test_a_world_bible_is_written_by_a_command(workbench, good, tmp_path):
    workbench("import", good)
    done = workbench("bible", "Denmark", tmp_path / "denmark.html")
    assert (done.returncode, done.stderr) == (0, "")
    assert "HAMLET" in (tmp_path / "denmark.html").read_text("utf-8")
    done = workbench("bible", "Denmark", tmp_path / "denmark.doc")
    assert done.returncode == 1
    assert "End it with .html or .md" in done.stderr
