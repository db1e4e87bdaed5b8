"""However large a file is, no more of it is in memory than a few megabytes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

READ = """
import sys
from pathlib import Path
from workbench.transfer.intake import shapes
from workbench.transfer.readers import open_all
from workbench.transfer.stream import checked

def peak():  # the most this process ever had, in kilobytes; not what it inherited
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    return int(line.split()[1])

opened, rows = open_all(Path(sys.argv[1])), 0
for shape in shapes(opened, None):
    for piece in checked(shape.feed, shape.columns, world=None):
        assert not piece.findings.any, piece.findings.problems[:1]
        rows += 0 if piece.rows is None else piece.rows.rows
print(rows, peak())
"""


def line_of_csv(n: int) -> str:
    return f'Elsinore,Persona {n},"a description, number {n}, of ""some"" length",to be {n}\n'


def line_of_json(n: int) -> str:
    return json.dumps({"world": "Elsinore", "name": f"Persona {n}", "motto": f"to be {n}"}) + "\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("suffix", "header", "line", "counts"),
    [
        ("csv", "world,name,description,motto\n", line_of_csv, (800_000, 2_400_000)),
        ("jsonl", "", line_of_json, (400_000, 1_000_000)),
    ],
)
def test_memory_does_not_grow_with_the_file(
    tmp_path: Path,
    suffix: str,
    header: str,
    line: Callable[[int], str],
    counts: tuple[int, int],  # the smaller is past where the pieces in work are at their most
) -> None:
    peaks = []
    for count in counts:
        path = tmp_path / f"personas.{suffix}"
        with path.open("w") as out:
            out.write(header)
            out.writelines(line(n) for n in range(count))
        done = subprocess.run(
            [sys.executable, "-c", READ, str(path)],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        rows, peak = map(int, done.stdout.split())
        assert rows == count
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 60 * 1024  # all at once, it would be 85 MB and 420 MB
    assert peaks[1] < 600 * 1024


WRITE = """
import sys
from pathlib import Path
import pyarrow as pa
from workbench.transfer.export_columns import Written
from workbench.transfer.export_formats import FORMATS, writer_of

COLUMNS = [Written("name", "text"), Written("number", "integer"), Written("tags", "labels")]
PIECE = 10_000

def batches(rows):
    for start in range(0, rows, PIECE):
        numbers = range(start, start + PIECE)
        names = [f"Persona {n}, of some length: {'x' * 200}" for n in numbers]
        columns = [pa.array(names), pa.array(numbers), pa.array([["a", "b"]] * PIECE)]
        yield pa.record_batch(columns, names=[column.name for column in COLUMNS])

for format in FORMATS:
    writer_of(format)(Path(sys.argv[1]) / f"all.{format}", COLUMNS, batches(int(sys.argv[2])))
[line] = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
print(int(line.split()[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_what_is_written(tmp_path: Path) -> None:
    peaks = []
    for count in (40_000, 200_000):
        done = subprocess.run(
            [sys.executable, "-c", WRITE, str(tmp_path), str(count)],
            capture_output=True,
            text=True,
            check=True,
            timeout=240,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 60 * 1024  # all at once, it would be over 200 MB
