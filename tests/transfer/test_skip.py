"""Bad rows left out: the good ones are written, the others wait in a file to be mended."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from typing import Any

import asyncpg
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from workbench.database.engine import Database
from workbench.errors import BadSettings, Conflict, UnreadableFile
from workbench.transfer.load import load
from workbench.transfer.options import Reading
from workbench.transfer.readers import open_all
from workbench.transfer.rejects import Rejects
from workbench.transfer.report import LoadReport
from workbench.workspace import Workspace

Write = Callable[..., Path]

WORLD = "name\nElsinore\n"
STORIES = "world,name,position\nElsinore,Hamlet,1\nElsinore,Amleth,first\n"
ACTS = (
    "world,story,name,position\nElsinore,Hamlet,Act I,1\nElsinore,Amleth,Act I,1\n"
    "Elsinore,Hamlet,Act II,2\n"
)
SCENES = (
    "world,story,act,name\nElsinore,Hamlet,Act I,Scene I\nElsinore,Amleth,Act I,Scene I\n"
    "Elsinore,Hamlet,Act II,Scene I\n"
)
PERSONAS = "world,name,birth_date\nElsinore,Osric,1580\nElsinore,Yorick,long ago\n"


async def names(sql: asyncpg.Connection, table: str) -> list[str]:
    return [row[0] for row in await sql.fetch(f"SELECT name FROM {table} ORDER BY name")]


def text(where: Path) -> str:
    return where.read_text(encoding="utf-8")


def recoded(where: Path, encoding: str, *changes: tuple[str, str]) -> str:
    """Change a text of any encoding; return what it was."""
    before = after = where.read_bytes().decode(encoding)
    for old, new in changes:
        after = after.replace(old, new)
    where.write_bytes(after.encode(encoding))
    return before


def replace(where: Path, old: str, new: str) -> None:
    where.write_text(text(where).replace(old, new), encoding="utf-8")


def counts(report: LoadReport, plural: str) -> tuple[int, int, int, int, int]:
    c = report.tables[plural]
    return (c.read, c.inserted, c.updated, c.unchanged, c.rejected)


async def test_good_rows_are_written_and_rows_that_wait_for_bad_ones_are_told(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(worlds=WORLD, stories=STORIES, acts=ACTS, scenes=SCENES)
    report = await load(database, folder, on_problem="skip")
    assert report.written
    assert not report.failed
    assert [counts(report, plural) for plural in ("worlds", "stories", "acts", "scenes")] == [
        (1, 1, 0, 0, 0),
        (2, 1, 0, 0, 1),
        (3, 2, 0, 0, 1),
        (3, 2, 0, 0, 1),
    ]
    assert await names(sql, "act") == ["Act I", "Act II"]
    waits = "This waits for row 2 of"
    assert [(p.file, p.row, p.column, p.value, p.message) for p in report.problems[:2]] == [
        ("acts.csv", 2, "story", "Amleth", f"{waits} stories.csv, which is rejected."),
        ("scenes.csv", 2, "act", "Act I", f"{waits} acts.csv, which is rejected."),
    ]
    assert "What has no problem is written." in str(report)
    assert f"acts.csv: the rejected rows, with their problems, are in {folder}" in str(report)


async def test_rejects_are_mended_and_imported_again(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(worlds=WORLD, stories=STORIES, acts=ACTS, scenes=SCENES)
    report = await load(database, folder, on_problem="skip")
    rejects = {file: Path(where) for file, where in report.rejects.items()}
    assert rejects == {
        f"{table}.csv": folder / f"{table}.rejects.csv" for table in ("stories", "acts", "scenes")
    }
    problem, row = rejects["stories.csv"].read_text().splitlines()
    assert problem == "problem,world,name,position"
    assert row.endswith(",Elsinore,Amleth,first")
    rejects["stories.csv"].write_text(rejects["stories.csv"].read_text().replace("first", "2"))
    again = await load(database, list(rejects.values()))
    assert (again.problems, again.written) == ([], True)
    assert await names(sql, "scene") == ["Scene I"] * 3
    assert await sql.fetchval("SELECT count(*) FROM story WHERE attributes <> '{}'") == 0
    assert "stories.rejects.csv: its first column, problem, is not looked at." in again.notes
    whole = await load(database, folder, on_problem="skip")  # the folder, with rejects in it
    assert {c.inserted + c.updated for c in whole.tables.values()} == {0}


async def test_nothing_is_skipped_unless_asked_for(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(worlds=WORLD, personas=PERSONAS)
    report = await load(database, folder)
    assert (report.written, report.failed, report.rejects) == (False, True, {})
    assert await names(sql, "world") == []
    assert sorted(path.name for path in folder.iterdir()) == ["personas.csv", "worlds.csv"]
    with pytest.raises(BadSettings, match="on_problem is 'stop' or 'skip'; 'ignore' is neither"):
        await load(database, folder, on_problem="ignore")  # type: ignore[arg-type]  # the point


async def test_a_dry_run_counts_what_would_be_skipped_and_writes_no_file(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(worlds=WORLD, personas=PERSONAS)
    report = await load(database, folder, on_problem="skip", dry_run=True)
    assert counts(report, "personas") == (2, 1, 0, 0, 1)
    assert (report.written, report.rejects) == (False, {})
    assert len(list(folder.iterdir())) == 2
    assert await names(sql, "world") == []


async def test_a_row_of_a_bad_parent_that_is_there_already_is_written(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(worlds=WORLD, stories="world,name\nElsinore,Amleth\n")
    (await load(database, folder)).raise_for_problems()
    folder = write(worlds=WORLD, stories=STORIES, acts=ACTS)
    report = await load(database, folder, on_problem="skip")
    assert counts(report, "stories") == (2, 1, 0, 0, 1)
    assert counts(report, "acts") == (3, 3, 0, 0, 0)


async def test_places_in_a_bad_place_wait_however_deep(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    places = (
        "world,name,parent,x\nElsinore,Room,Tower,\nElsinore,Tower,Castle,\n"
        "Elsinore,Castle,,north\nElsinore,Harbour,,0.5\n"
    )
    report = await load(database, write(worlds=WORLD, locations=places), on_problem="skip")
    assert counts(report, "locations") == (4, 1, 0, 0, 3)
    assert [(p.row, p.column, p.message) for p in report.problems][:2] == [
        (1, "parent", "This waits for row 2 of locations.csv, which is rejected."),
        (2, "parent", "This waits for row 3 of locations.csv, which is rejected."),
    ]


async def test_all_rows_of_a_bad_world_wait_for_it(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(
        worlds="name,is_public\nElsinore,perhaps\nLaputa,yes\n",
        personas="world,name\nElsinore,Osric\nLaputa,Munodi\n",
    )
    report = await load(database, folder, on_problem="skip")
    assert await names(sql, "persona") == ["Munodi"]
    assert report.problems[0].message == "This waits for row 1 of worlds.csv, which is rejected."


async def test_a_copy_of_a_row_that_waits_waits_too(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(
        worlds=WORLD,
        personas=PERSONAS,
        things="world,name\nElsinore,Skull\n",
        stories="world,name\nElsinore,Hamlet\n",
        acts="world,story,name\nElsinore,Hamlet,Act V\n",
        scenes="world,story,act,name\nElsinore,Hamlet,Act V,Scene I\n",
        scene_personas=(
            "world,story,act,scene,persona,mood\n"
            "Elsinore,Hamlet,Act V,Scene I,Yorick,dead\n"
            "Elsinore,Hamlet,Act V,Scene I,Yorick,merry\n"
        ),
    )
    report = await load(database, folder, on_problem="skip")
    assert counts(report, "scene_personas") == (2, 0, 0, 0, 2)
    rows = text(report.rejects["scene_personas.csv"]).splitlines()
    assert [row.rpartition(",")[2] for row in rows] == ["mood", "dead", "merry"]


async def test_a_file_that_cannot_be_read_is_told_and_what_needs_it_is_rejected(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(worlds=WORLD, stories=b"\n\n", acts=ACTS, personas="world,name\nElsinore,Osric")
    report = await load(database, folder, on_problem="skip")
    assert (report.written, report.failed) == (True, True)
    assert await names(sql, "persona") == ["Osric"]
    assert counts(report, "acts") == (3, 0, 0, 0, 3)
    assert "There is no story 'Hamlet'" in str(report)
    assert [p.file for p in report.problems if p.row is None] == ["stories.csv"]


async def test_a_file_with_a_problem_of_its_own_is_rejected_whole_and_is_its_own_file_of_rejects(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(
        worlds=WORLD, personas="world,name,who\nElsinore,Osric,\nElsinore,Yorick,Yorick\n"
    )
    reading = Reading(columns={"who": "name"})
    report = await load(database, folder, reading=reading, on_problem="skip")
    assert (await names(sql, "world"), await names(sql, "persona")) == (["Elsinore"], [])
    assert counts(report, "personas") == (2, 0, 0, 0, 2)
    assert (report.failed, report.rejects) == (True, {})


async def test_files_of_rejects_never_replace_others(database: Database, write: Write) -> None:
    folder = write(worlds=WORLD, personas=PERSONAS)
    (folder / "personas.rejects.csv").write_text("mine")
    (folder / "personas.rejects-2.csv.toml").write_text("")
    report = await load(database, folder, on_problem="skip")
    assert report.rejects["personas.csv"] == folder / "personas.rejects-3.csv"
    assert (folder / "personas.rejects.csv").read_text() == "mine"
    again = await load(database, report.rejects["personas.csv"], on_problem="skip")
    assert again.rejects == {"personas.rejects-3.csv": folder / "personas.rejects-4.csv"}
    one, other = (
        (folder / f"personas.rejects-{number}.csv").read_text().splitlines() for number in (3, 4)
    )
    assert one == other


async def test_rejects_go_to_the_folder_that_is_given(
    database: Database, write: Write, tmp_path: Path
) -> None:
    where = tmp_path / "bad" / "rows"
    report = await load(
        database, write(worlds=WORLD, personas=PERSONAS), on_problem="skip", rejects=where
    )
    assert report.rejects == {"personas.csv": where / "personas.rejects.csv"}


async def test_rejects_that_cannot_be_written_stop_the_import(
    database: Database, sql: asyncpg.Connection, write: Write, tmp_path: Path
) -> None:
    folder = write(worlds=WORLD, personas=PERSONAS)
    (tmp_path / "taken").write_text("")
    with pytest.raises(UnreadableFile, match="cannot be written there"):
        await load(database, folder, on_problem="skip", rejects=tmp_path / "taken")
    assert await names(sql, "world") == []


async def test_rejects_of_an_import_that_fails_are_removed(
    database: Database, sql: asyncpg.Connection, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(worlds=WORLD, personas=PERSONAS)
    before = set(folder.iterdir())
    real = Rejects.write

    def fails(self: Rejects, *args: Any) -> None:
        real(self, *args)
        assert set(folder.iterdir()) - before == {folder / "personas.rejects.csv"}
        raise Conflict("Somebody was faster.")

    monkeypatch.setattr(Rejects, "write", fails)
    with pytest.raises(Conflict):
        await load(database, folder, on_problem="skip")
    assert set(folder.iterdir()) == before
    assert await names(sql, "world") == []


async def test_an_import_that_runs_again_has_one_file_of_rejects(
    database: Database, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(worlds=WORLD, personas=PERSONAS)
    real, times = Rejects.write, []

    def once(self: Rejects, *args: Any) -> None:
        real(self, *args)
        times.append(1)
        if len(times) == 1:
            raise ZeroDivisionError

    async def again(work: Any, **_: Any) -> Any:
        with pytest.raises(ZeroDivisionError):
            async with database.transaction():
                await work()
        async with database.transaction():
            return await work()

    monkeypatch.setattr(Rejects, "write", once)
    monkeypatch.setattr(database, "atomically", again)
    report = await load(database, folder, on_problem="skip")
    assert report.rejects == {"personas.csv": folder / "personas.rejects.csv"}
    assert sorted(path.name for path in folder.iterdir() if "rejects" in path.name) == [
        "personas.rejects.csv"
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "windows-1252"])
async def test_rejected_rows_of_a_csv_file_stand_as_they_were(
    database: Database, sql: asyncpg.Connection, tmp_path: Path, encoding: str
) -> None:
    rows = [
        "world;name;birth_date;notes",
        'Elsinore;"Fréd; the ""Bold""";never;" a\r\nb "',
        "",
        ";;;",
        "Elsinore;Osric;1580;",
        "Elsinore; Yorick ;00long ago;=1+1",
        "Elsinore;Too;1580;many;cells",
        "Elsinore;Too few",
    ]
    file = tmp_path / "personas.csv"
    file.write_bytes("\r\n".join(rows).encode(encoding))
    (tmp_path / "worlds.csv").write_text(WORLD)
    report = await load(database, tmp_path, on_problem="skip")
    assert counts(report, "personas") == (5, 1, 0, 0, 4)
    where = report.rejects["personas.csv"]
    mends = [("never", "1500"), ("00long ago", "1500"), (";many;cells", ";many")]
    made = recoded(where, encoding, *mends, ("few", "few;;"))
    assert made.startswith(f"problem;{rows[0]}\r\n")
    assert [f";{rows[place]}" in made for place in (1, 5, 6, 7)] == [True] * 4
    report = await load(database, where)
    assert report.problems == []
    assert await names(sql, "persona") == ['Fréd; the "Bold"', "Osric", "Too", "Too few", "Yorick"]


async def test_how_a_file_was_read_is_kept_beside_its_rejects(
    database: Database, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "rollen.csv"
    file.write_text("Welt|Rolle|birth_date\nElsinore|Osric|never\nElsinore|Yorick|1500\n")
    (tmp_path / "worlds.csv").write_text(WORLD)
    (await load(database, tmp_path / "worlds.csv")).raise_for_problems()
    reading = Reading(table="personas", columns={"Rolle": "name", "Welt": "world"})
    report = await load(database, file, reading=reading, on_problem="skip")
    where = report.rejects["rollen.csv"]
    replace(where, "never", "1490")
    (await load(database, where)).raise_for_problems()
    assert await names(sql, "persona") == ["Osric", "Yorick"]


async def test_rejected_lines_and_elements_of_json_stand_as_they_were(
    database: Database, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "worlds.csv").write_text(WORLD)
    bad = '{"world":  "Elsinore", "name": "Yorick", "birth_date": "once", "height": 1.10}'
    good = '{"world": "Elsinore", "name": "Osric", "height": null}'
    file = tmp_path / "personas.jsonl"
    file.write_text(f'{good}\n{bad}\n{{"world": "Els\n[1]\n')
    report = await load(database, tmp_path, on_problem="skip")
    assert counts(report, "personas") == (4, 1, 0, 0, 3)
    one, cut, other = text(report.rejects["personas.jsonl"]).splitlines()
    assert one.endswith(f", {bad[1:]}")
    assert json.loads(one)["problem"].startswith("birth_date: ")
    assert json.loads(cut)["record"] == '{"world": "Els'
    assert json.loads(other)["record"] == [1]
    file.unlink()

    (tmp_path / "personas.json").write_text(f"[{good}, {bad}, 7]")
    report = await load(database, tmp_path, on_problem="skip")
    where = report.rejects["personas.json"]
    made = json.loads(text(where))
    assert [next(iter(record)) for record in made] == ["problem"] * 2
    assert (made[0]["height"], made[1]["record"]) == (1.1, 7)
    replace(where, text(where), json.dumps([{**made[0], "birth_date": "1500"}]))
    (await load(database, where)).raise_for_problems()
    assert await names(sql, "persona") == ["Osric", "Yorick"]


async def test_rejected_rows_of_nested_json_become_lines_for_each_table(
    database: Database, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    stories = [
        {
            "world": "Elsinore",
            "name": "Hamlet",
            "acts": [{"name": "Act I", "position": "?"}, {"name": "Act II", "position": 2}],
        }
    ]
    (tmp_path / "stories.json").write_text(json.dumps(stories))
    (tmp_path / "worlds.csv").write_text(WORLD)
    report = await load(database, tmp_path, on_problem="skip")
    assert await names(sql, "act") == ["Act II"]
    where = report.rejects["stories.json, acts"]
    assert where.name == "stories.acts.rejects.jsonl"
    replace(where, '"?"', "1")
    (await load(database, where)).raise_for_problems()
    assert await names(sql, "act") == ["Act I", "Act II"]


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
async def test_rejected_rows_of_columns_keep_their_types(
    database: Database, sql: asyncpg.Connection, tmp_path: Path, ending: str
) -> None:
    (tmp_path / "worlds.csv").write_text(WORLD)
    table = pa.table(
        {
            "world": ["Elsinore"] * 3,
            "name": ["Osric", "", "Yorick"],
            "tags": [["a"], ["b", "c"], None],
            "height": pa.array([1.5, 1.6, None], pa.float32()),
        }
    )
    file = tmp_path / f"personas.{ending}"
    if ending == "parquet":
        parquet.write_table(table, file)
    else:
        with pa.OSFile(str(file), "wb") as out, pa.ipc.new_file(out, table.schema) as made:
            made.write_table(table)
    report = await load(database, tmp_path, on_problem="skip")
    where = report.rejects[file.name]
    assert where.name == f"personas.rejects.{ending}"
    if ending == "parquet":
        rejected = parquet.read_table(where)
    else:
        rejected = pa.ipc.open_file(where).read_all()
    assert rejected.column_names[0] == "problem"
    assert rejected.drop_columns("problem").equals(table.slice(1, 1))


async def test_rejected_rows_of_frames_are_frames(wb: Workspace, sql: asyncpg.Connection) -> None:
    await wb.worlds.add(name="Elsinore")
    frame = pd.DataFrame({"world": "Elsinore", "name": ["Osric", ""]}, index=["a", "b"])
    report = await wb.load({"personas": frame}, on_problem="skip")
    rejected = report.rejects["personas"]
    assert list(rejected.columns) == ["problem", "world", "name"]
    assert rejected.index.tolist() == ["b"]
    assert "personas: the rejected rows, with their problems, are in `.rejects`." in str(report)
    again = await wb.load({"personas": rejected}, on_problem="skip")
    assert list(again.rejects["personas"].columns) == list(rejected.columns)
    rejected["name"] = "Yorick"
    (await wb.load({"personas": rejected})).raise_for_problems()
    assert await names(sql, "persona") == ["Osric", "Yorick"]


async def test_a_first_column_called_problem_can_be_mapped(
    database: Database, sql: asyncpg.Connection, write: Write
) -> None:
    folder = write(worlds=WORLD, personas="problem,world,name\nindecision,Elsinore,Hamlet\n")
    reading = Reading(columns={"problem": "description"})
    (await load(database, folder, reading=reading)).raise_for_problems()
    assert await sql.fetchval("SELECT description FROM persona") == "indecision"


def drawn(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (3, 2), shade).save(out, "PNG")
    return out.getvalue()


def bring(folder: Path, shade: int, images: str) -> Path:
    """Write a file of images, and their pictures in a folder beside it."""
    (folder / "drawn").mkdir(parents=True)
    for name in ("ghost", "skull"):
        (folder / "drawn" / f"{name}.png").write_bytes(drawn(shade))
    (folder / "images.csv").write_text(images)
    return folder / "images.csv"


IMAGES = (
    "world,name,file,width\nElsinore,Ghost,drawn/ghost.png,wide\nElsinore,Skull,drawn/skull.png,\n"
    "Elsinore,Out,../other/skull.png,\nElsinore,Away,drawn/away.png,\n"
)


async def test_pictures_go_along_with_the_rejected_rows_that_name_them(
    database: Database, wb: Workspace, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    await wb.worlds.add(name="Elsinore")
    bring(tmp_path / "other", 9, "")
    for number, inside in ((1, ""), (2, "2")):  # the second time with other pictures
        file = bring(tmp_path / str(number), number, IMAGES)
        out = tmp_path / "out"
        report = await load(database, file, on_problem="skip", rejects=out)
        [where] = report.rejects.values()
        assert where == out / inside / "images.rejects.csv"
        told = {(p.row, p.column) for p in report.problems}
        assert told == {(1, "width"), (3, "file"), (4, "file")}
        pictures = [p for p in (out / inside).rglob("*.png") if inside or "2" not in p.parts[-3:]]
        assert [p.relative_to(out / inside).as_posix() for p in pictures] == ["drawn/ghost.png"]
        rmtree(tmp_path / str(number))
        lines = text(where).splitlines()[:2]
        where.write_text("\n".join(lines).replace(",wide", ",") + "\n")
        (await load(database, where)).raise_for_problems()
        stored = await sql.fetchval("SELECT content FROM image WHERE name = 'Ghost'")
        assert stored == drawn(number)


def test_pictures_of_rejected_rows_go_again_when_the_import_is_undone(
    tmp_path: Path,
) -> None:
    file = bring(tmp_path / "here", 1, IMAGES)
    rejects = Rejects(tmp_path / "again")
    opened = open_all(file, Reading(), keep=False)
    findings = opened.findings
    findings.cell("images.csv", "images", 1, "No.")
    rejects.write(opened.feeds, findings)
    assert list((tmp_path / "again").rglob("*.png"))
    rejects.discard()
    assert list((tmp_path / "again").iterdir()) == []
