"""What had to be in memory as a whole once: it is read in pieces, and says the same."""

from __future__ import annotations

import json
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.transfer.reading import read
from tests.transfer.test_workbooks import MAIN, book, row
from workbench.errors import UnreadableFile
from workbench.transfer import (
    arrow_file,
    dialect,
    in_pieces,
    json_long,
    json_text,
    rejects,
    shared_texts,
)
from workbench.transfer.findings import Findings
from workbench.transfer.readers import open_all
from workbench.transfer.rejects import Rejects
from workbench.transfer.rejects_text import Problems
from workbench.transfer.shared_texts import SharedTexts
from workbench.transfer.spool import spool

Found = list[tuple[str, list[dict[str, Any]], list[Any]]]


def told(path: Path) -> Found:
    """Return what a file says: of each table its rows, and what messages call them."""
    sources, findings = read(path)
    assert findings.problems == []
    found: dict[str, tuple[list[dict[str, Any]], list[Any]]] = {}
    for source in sources:
        rows, labels = found.setdefault(source.file, ([], []))
        rows += source.cells.to_pylist()
        labels += source.labels.to_pylist()
    return [(file, *both) for file, both in found.items()]


def play(scenes: int) -> dict[str, Any]:
    """Return a story in whose acts names come after the scenes."""
    cast = [{"name": f"P {n % 3}", "words": n} for n in range(2)]
    listed = [{"name": f"Scene {n}", "personas": cast, "note": "x" * 50} for n in range(scenes)]
    acts = [{"scenes": listed, "name": f"Act {n}"} for n in range(3)]
    return {"acts": [*acts, {"name": "Act IV"}], "personas": cast, "world": "W", "name": "S"}


@pytest.fixture
def nothing_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """No value of JSON that has more than some thousand characters may be in memory."""
    monkeypatch.setattr(dialect, "BLOCK_BYTES", 500)
    monkeypatch.setattr(json_long, "LONG_CHARACTERS", 1_000)
    monkeypatch.setattr(json_text, "LARGEST_BYTES", 2_000)
    monkeypatch.setattr(in_pieces, "_ROWS", 7)


DOCUMENTS = pytest.mark.parametrize(
    "document",
    [
        play(40),
        [play(30), {"world": "W", "name": "T"}, play(20)],
        {"personas": [{"name": f"P {n}"} for n in range(400)], "worlds": [{"name": "W"}],
         "locations": [{"world": "W", "name": f"L {n}"} for n in range(300)]},
    ],
    ids=["story", "stories", "tables"],
)  # fmt: skip


@DOCUMENTS
def test_a_large_object_of_json_is_read_by_its_lists(
    tmp_path: Path, request: pytest.FixtureRequest, document: object
) -> None:
    path = tmp_path / "elsinore.json"
    path.write_text(json.dumps(document, indent=1))
    whole = told(path)
    assert len(whole) > 1
    request.getfixturevalue("nothing_large")
    assert told(path) == whole


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"acts": [' + '{"name": "A"},' * 300 + '{"name" "B"}]}', "expecting ':' delimiter"),
        ('{"acts": [' + '{"name": "A"},' * 300 + "3]}", "`acts` has an element that is no record"),
        ('{"acts": [' + '{"name": "A"},' * 300, "This is not JSON"),
        (json.dumps(play(20))[:-1], "A comma is missing"),
        (json.dumps(play(20))[:-1] + "x}", "A comma is missing"),
        (json.dumps(play(20))[:-1] + ', "acts": []}', "`acts` is there twice"),
        (json.dumps(play(20) | {"note": "x" * 3_000}), "This is not JSON"),
        (json.dumps({"worlds": play(20)["acts"], **play(20)}), "does not lie in stories"),
    ],
)
def test_what_is_wrong_in_a_large_object_is_told(
    tmp_path: Path, nothing_large: None, text: str, words: str
) -> None:
    path = tmp_path / "stories.json"
    path.write_text(text)
    _, findings = read(path)
    assert [words in problem.message for problem in findings.problems][:1] == [True]


def test_texts_that_cells_share_are_read_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"Persona {n}, the Ünïcode of {'x' * (n % 7)}" for n in range(200)]
    order = [*range(200), *range(0, 200, 9), *reversed(range(200))]
    cells = [
        f'<row r="{n + 2}"><c r="A{n + 2}" t="s"><v>{i}</v></c></row>' for n, i in enumerate(order)
    ]
    texts = "".join(f"<si><t>{name}</t></si>" for name in names)
    path = book(
        tmp_path / "personas.xlsx",
        {"personas": row(1, "name") + "".join(cells)},
        texts=f"<sst {MAIN}>{texts}</sst>",
    )
    monkeypatch.setattr(shared_texts, "_KEPT_TEXTS", 3)
    monkeypatch.setattr(shared_texts, "_GROUPS", 1)
    monkeypatch.setattr(shared_texts, "_TOGETHER", 4)
    monkeypatch.setattr(shared_texts, "_TOGETHER_BYTES", 70)
    [(_, rows, _)] = told(path)
    assert [row["name"] for row in rows] == [names[i] for i in order]


@pytest.mark.parametrize("suffix", ["json", "jsonl", "xlsx"])
def test_rows_of_long_texts_are_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    names = [f"Persona {n} {'x' * 100 * (n % 3)}" for n in range(45)]
    path = tmp_path / f"personas.{suffix}"
    if suffix == "xlsx":
        rows = "".join(row(n, name) for n, name in enumerate(["name", *names], start=1))
        book(path, {"personas": rows})
    else:
        lines = [json.dumps({"name": name}) for name in names]
        path.write_text("\n".join(lines) if suffix == "jsonl" else f"[{','.join(lines)}]")
    monkeypatch.setattr(in_pieces, "_CHARACTERS", 1_000)
    [feed] = open_all(path).feeds
    pieces = [rows.cells.column("name").to_pylist() for rows in feed.rows(Findings())]
    assert [name for piece in pieces for name in piece] == names
    assert len(pieces) == 5
    assert max(sum(map(len, piece)) for piece in pieces) < 1_300


def test_texts_that_cells_share_take_no_more_memory_the_more_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_texts, "_KEPT_TEXTS", 100)
    texts = SharedTexts()
    tracemalloc.start()
    try:
        for n in range(20_000):
            texts.append(f"{n}" * 10)
        assert [texts[n] for n in range(0, 20_000, 100)] == [
            f"{n}" * 10 for n in range(0, 20_000, 100)
        ]
        assert tracemalloc.get_traced_memory()[1] < 2**20  # it would be 2 MB
    finally:
        tracemalloc.stop()
        texts.close()


def test_more_texts_than_the_disk_takes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = book(
        tmp_path / "personas.xlsx",
        {"personas": row(1, "name") + '<row r="2"><c r="A2" t="s"><v>0</v></c></row>'},
        texts=f"<sst {MAIN}><si><t>Osric</t></si></sst>",
    )

    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shared_texts, "_KEPT_TEXTS", 0)
    monkeypatch.setattr(shared_texts, "TemporaryFile", full)
    _, findings = read(path)
    assert "more texts than the folder for temporary files takes" in findings.problems[0].message


def arrow(path: Path, table: pa.Table, compression: str | None = None) -> Path:
    new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with new(path, table.schema, options=options) as out:
        out.write_table(table)
    return path


def resident_kilobytes(name: str) -> int:
    """Return how much of a mapped file is in memory."""
    found, mine = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first = line.split()[0]
        if not first.endswith(":"):
            mine = name in line
        elif mine and first == "Rss:":
            found += int(line.split()[1])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("suffix", ["arrow", "arrows"])
def test_of_a_large_batch_of_arrow_only_a_piece_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    names = [f"Persona {n} {'x' * 1_000}" for n in range(20_000)]
    kinds = pa.array(["a", "b"] * 10_000).dictionary_encode()
    path = arrow(tmp_path / f"personas.{suffix}", pa.table({"name": names, "note": kinds}))
    monkeypatch.setattr(arrow_file, "_LARGEST_BATCH_BYTES", 2**20)
    monkeypatch.setattr(arrow_file, "_PIECE_ROWS", 500)
    [feed] = open_all(path).feeds
    found: list[str] = []
    before, most = pa.total_allocated_bytes(), 0
    for rows in feed.rows(Findings()):
        found += rows.cells.column("name").to_pylist()
        most = max(most, pa.total_allocated_bytes() - before, resident_kilobytes("copy.arrow"))
    assert found == names
    assert 0 < most < 5 * 2**20  # all of it is 20 MB


def test_a_large_batch_of_arrow_that_is_packed_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_file, "_LARGEST_UNPACKED_BYTES", 2**20)
    path = arrow(tmp_path / "personas.arrow", pa.table({"name": ["x" * 2**22]}), "zstd")
    assert path.stat().st_size < 2**14
    [feed] = open_all(path).feeds
    monkeypatch.delattr(pa.ipc, "open_file")
    with pytest.raises(UnreadableFile, match=r"takes 4 MB at once, unpacked\. Write it with"):
        list(feed.rows(Findings()))


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
@pytest.mark.parametrize("suffix", ["arrow", "arrows"])
def test_what_metadata_say_of_a_batch_is_what_it_takes(
    tmp_path: Path, suffix: str, compression: str | None
) -> None:
    from workbench.transfer.arrow_parts import parts_of

    shared = pa.array(["Osric", "Yorick"] * 2_000).dictionary_encode()
    table = pa.table({"name": ["Persona" * 9] * 4_000, "age": [1, 2] * 2_000, "note": shared})
    path = arrow(tmp_path / f"personas.{suffix}", table, compression)
    parts = list(parts_of(path))
    assert [part.shared for part in parts] == [True, False]
    assert [part.packed for part in parts] == [compression is not None] * 2
    whole = table.to_batches()[0].get_total_buffer_size()
    assert abs(sum(part.size_bytes for part in parts) - whole) < 1_000


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_rejected_rows_are_written_a_piece_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    table = pa.table({"name": [f"Persona {n}" for n in range(100)], "age": list(range(100))})
    path = tmp_path / f"personas.{ending}"
    parquet.write_table(table, path) if ending == "parquet" else arrow(path, table)
    monkeypatch.setattr(arrow_file, "_PIECE_ROWS", 7)
    monkeypatch.setattr(rejects, "_AT_ONCE_ROWS", 5)
    opened = open_all(path)
    findings = opened.findings
    for number in range(2, 101, 2):
        findings.cell(path.name, "personas", number, "This is wrong.", column="name")
    made = Rejects(None)
    made.write(opened.feeds, findings)
    place = made.written[path.name]
    if ending == "parquet":
        assert parquet.ParquetFile(place).num_row_groups > 5
        found = parquet.read_table(place)
    else:
        with pa.OSFile(str(place)) as source:
            file = pa.ipc.open_file(source)
            assert file.num_record_batches > 5
            found = file.read_all()
    assert found.column("problem").unique().to_pylist() == ["name: This is wrong."]
    assert found.drop_columns(["problem"]).to_pylist() == table.to_pylist()[1::2]


@pytest.mark.parametrize(("age", "ending"), [("old", ".csv"), (30, ".jsonl")])
def test_rejected_rows_of_a_plan_are_written_a_piece_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: object, ending: str
) -> None:
    path = tmp_path / "personas.jsonl"
    path.write_text("".join(json.dumps({"name": f"P {n}", "age": age}) + "\n" for n in range(60)))
    monkeypatch.setattr(in_pieces, "_ROWS", 7)
    monkeypatch.setattr(rejects, "_AT_ONCE_ROWS", 5)
    opened = spool(open_all(path), tmp_path / "plan").open()
    for number in range(1, 61, 2):
        opened.findings.cell(path.name, "personas", number, "This is wrong.")
    held = []
    tables = rejects._tables

    def watched(*given: Any) -> Any:
        for table in tables(*given):
            held.append(table.num_rows)
            yield table

    monkeypatch.setattr(rejects, "_tables", watched)
    made = Rejects(tmp_path / "out")
    for feed in opened.feeds:
        feed.written = True
    path.unlink()  # what the plan kept is left
    made.write(opened.feeds, opened.findings)
    place = made.written[path.name]
    assert place.suffix == ending
    assert place.read_text().count("This is wrong.") == 30
    assert max(held) < 10


def test_problems_are_asked_for_and_not_listed() -> None:
    findings = Findings()
    for number in range(1, 5_000):
        findings.reject("personas.csv", "personas", number)
    problems = Problems(findings.rejects("personas.csv", "personas"), {3: "This is wrong."})
    assert problems.of(3) == "This is wrong."
    assert problems.of(4_999) == ("This row has a problem; too many were found to list them all.")
    assert problems.of(5_000) is None
