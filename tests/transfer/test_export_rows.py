"""Any query and any frame as one file: whole or not at all, in the format its name tells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from workbench.errors import InvalidDraft, Refused, UnknownField, WorkbenchError
from workbench.transfer.export_file import whole_file
from workbench.workspace import Workspace

SUFFIXES = ["csv", "xlsx", "json", "jsonl", "parquet", "arrow"]


@pytest.fixture
async def plays(wb: Workspace) -> Workspace:
    world = await wb.worlds.add(name="Elsinore")
    for number, name in enumerate(["Ophelia", "=Hamlet", "Osric"]):
        await wb.personas.add(
            worldid=world.id,
            name=name,
            kind="minor" if number else "major",
            tags=["a", "b;c"],
            attributes={"age": number, "motto": "-to be"},
        )
    return wb


@pytest.mark.parametrize("suffix", SUFFIXES)
async def test_a_query_goes_to_a_file_that_imports_again(
    suffix: str, plays: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / f"personas.{suffix}"
    assert await plays.personas.export(path, kind="minor", order=["-name"]) == 2
    report = await plays.load(path)
    assert not report.problems
    assert report.tables["personas"].unchanged == 2
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
async def test_a_frame_goes_to_a_file(suffix: str, plays: Workspace, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "name": ["Ophelia", "=Hamlet", None],
            "born": [date(1170, 1, 2), date(2020, 1, 2), None],
            "seen": pd.array([1, None, 2**60], "Int64"),
            "share": [0.1, float("nan"), -1e300],
            "at": [
                datetime(1850, 1, 1, tzinfo=UTC),
                datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC),
                None,
            ],
            "known": [True, False, None],
            "places": [["a", "=b"], [], None],
            "=more": [{"a": 1}, None, "x"],
        }
    )
    path = tmp_path / f"personas.{suffix}"
    assert await plays.write(frame, path) == 3
    if suffix == "csv":
        lines = path.read_text("utf-8").splitlines()
        assert lines[0].endswith(",'=more")
        assert lines[2].startswith("'=Hamlet,2020-01-02,,,2020-02-03T04:05:06Z,false,")
    report = await plays.load(path, world="Elsinore", dry_run=True)
    told = [problem.message for problem in report.problems]
    assert told == ["This must not be empty."]  # the one without a name


async def test_what_a_frame_had_as_an_index_is_written(plays: Workspace, tmp_path: Path) -> None:
    frame = (await plays.personas.frame(columns=["name", "kind"])).set_index("name")
    await plays.write(frame, tmp_path / "personas.csv")
    assert (tmp_path / "personas.csv").read_text("utf-8").startswith("name,kind\n")


async def test_a_file_is_replaced_only_when_asked(plays: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "personas.csv"
    path.write_text("mine")
    with pytest.raises(Refused, match="overwrite=True"):
        await plays.personas.export(path)
    with pytest.raises(Refused, match="overwrite=True"):
        await plays.write(pd.DataFrame({"a": [1]}), path)
    assert path.read_text() == "mine"
    await plays.personas.export(path, overwrite=True)
    assert "Ophelia" in path.read_text("utf-8")


async def test_what_cannot_be_written_leaves_nothing(plays: Workspace, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"\.csv, \.xlsx"):
        await plays.personas.export(tmp_path / "personas.docx")
    with pytest.raises(UnknownField):
        await plays.personas.export(tmp_path / "personas.csv", colour="red")
    with pytest.raises(InvalidDraft):
        await plays.personas.export(tmp_path / "personas.csv", limit=-1)
    with pytest.raises(Refused, match="holds bytes"):
        await plays.images.export(tmp_path / "images.csv", columns=["name", "content"])
    with pytest.raises(Refused, match="characters; a cell of Excel"):
        await plays.write(pd.DataFrame({"a": ["x" * 40_000]}), tmp_path / "a.xlsx")
    with pytest.raises(Refused, match="Two columns"):
        await plays.write(pd.DataFrame([[1, 2]], columns=["a", "a"]), tmp_path / "a.csv")
    with pytest.raises(WorkbenchError, match="cannot be written"):
        await plays.personas.export(tmp_path / "nowhere" / "personas.csv")
    async with plays.transaction():
        with pytest.raises(Refused, match="transaction"):
            await plays.personas.export(tmp_path / "personas.csv")
    assert os.listdir(tmp_path) == []


async def test_an_export_reads_only_what_its_user_may(
    plays: Workspace, owned: Workspace, tmp_path: Path
) -> None:
    other = await owned.users.add(email="other@example.org", role="editor")
    foreign = await owned.worlds.add(name="Foreign", ownerid=other.id)
    await owned.personas.add(worldid=foreign.id, name="Secret", ownerid=other.id)
    assert await plays.personas.export(tmp_path / "personas.csv") == 3
    assert "Secret" not in (tmp_path / "personas.csv").read_text("utf-8")


KILLED = """
import os, signal, sys
from pathlib import Path
from workbench.transfer.export_file import whole_file
with whole_file(Path(sys.argv[1]), overwrite=False) as unfinished:
    unfinished.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no locks of this kind")
def test_what_a_killed_export_has_left_goes_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "all [of] them.csv"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    with whole_file(path, overwrite=False) as mine:
        assert not left.exists()
        with whole_file(path, overwrite=False) as other:
            other.write_text("other")
        assert mine.exists()  # somebody is at work there
        path.unlink()
        mine.write_text("mine")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
