"""Rejected rows of CSV and JSON files, written as they stand there."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.transfer.columns import REJECTED_FOR
from workbench.transfer.csv_form import Form, form_of
from workbench.transfer.dialect import utf8_blocks
from workbench.transfer.findings import Findings
from workbench.transfer.json_records import document_of
from workbench.transfer.json_text import raw_lines
from workbench.transfer.source import Feed, Opening

_NOT_LISTED = "This row has a problem; too many were found to list them all."
_SWALLOWED = "This lies in a quote that opens above and never closes."


@dataclass(frozen=True)
class Problems:
    """What is wrong with rows, by what messages call them.

    There may be millions of them, so they are not listed with what is wrong: `told` may have
    that of some only.
    """

    labels: Collection[object]
    told: Mapping[object, str]

    def of(self, label: object) -> str | None:
        """Return what is wrong with a row, if anything is."""
        return self.told.get(label, _NOT_LISTED) if label in self.labels else None


def write_csv(opening: Opening, _feed: Feed, problems: Problems, place: Path) -> None:
    """Write rejected rows with the encoding, the delimiter and the line ends of their file.

    The problem stands in front, where a row of too few or too many cells has it too.
    """
    form, head, _ = form_of(opening)
    header, _ = form.header(head, opening.file)
    again = header[0].strip().casefold() == REJECTED_FOR
    stop = form.delimiter
    first = next(form.rows(head[form.start :] + b"\n"))
    end = "\r\n" if first.endswith(b"\r\n") else "\n"
    with _Out(place, form.encoding.name) as out:
        out.write(head[: form.start].decode())
        out.write(REJECTED_FOR + stop + _row(form, first, end, again=again))
        for number, row in _numbered(opening, form, len(header)):
            problem = problems.of(number) if number else _SWALLOWED
            if problem is not None:
                out.write(_cell(problem, stop) + stop + _row(form, row, end, again=again))


def _row(form: Form, row: bytes, end: str, *, again: bool) -> str:
    """Return a row as it is written, without the problem that it had in an earlier import."""
    text = row[form.first_cell(row) :] if again else row
    return text.decode().rstrip("\r\n") + end


def _cell(text: str, delimiter: str) -> str:
    """Return the problem as a cell; without quotes where it can be, as they would close others."""
    text = " ".join(text.split())
    if text.startswith(("=", "+", "-", "@")):  # a column may be called like a formula
        text = f"'{text}"
    if delimiter in text or '"' in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _numbered(opening: Opening, form: Form, width: int) -> Iterator[tuple[int, bytes]]:
    """Give the rows of a file by the numbers that messages have for them.

    0 for what lies in a quote that never closes.
    """
    number = -1  # the header comes first
    with opening.path.open("rb") as handle:
        blocks = utf8_blocks(handle, form.encoding, opening.file, Findings())
        for whole, rest in form.pieces(blocks):
            for row in form.rows(whole):
                if not _blank(row, form.delimiter, width):
                    number += 1
                    if number:
                        yield number, row
            if rest:
                at = form.whole_cells(rest)
                line = rest.find(b"\n", at) + 1 or len(rest)
                yield number + 1, rest[:line]
                yield from ((0, part) for part in rest[line:].splitlines() if part.strip())


def _blank(row: bytes, delimiter: str, width: int) -> bool:
    """Whether a row counts for none: it is empty, or has all its cells, and they are."""
    if not row.strip(b"\r\n"):
        return True
    text = row.decode()
    if text.strip(f'{delimiter}"\r\n'):
        return False
    cells = next(csv.reader([text], delimiter=delimiter), [])
    return len(cells) == width and not any(cells)


class _Out:
    """A file of text in any encoding; what it cannot write of a problem becomes `?`."""

    def __init__(self, place: Path, encoding: str) -> None:
        self._file = place.open("wb")
        self._encoder = codecs.getincrementalencoder(encoding)(errors="replace")

    def __enter__(self) -> _Out:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def write(self, text: str) -> None:
        self._file.write(self._encoder.encode(text))


def write_json(opening: Opening, _feed: Feed, problems: Problems, place: Path) -> None:
    """Write rejected records as a file of lines, or as a list, whichever theirs is.

    What is no record, or no JSON at all, stands in one as `record`.
    """
    with _Out(place, "utf-8") as out:
        document = document_of(opening)
        if document.form == "lines":
            for line_number, line in raw_lines(opening, Findings()):
                if (problem := problems.of(line_number)) is not None:
                    out.write(_line(line.decode(), problem) + "\n")
            return
        before = "["
        for number, record in document.values(Findings()):
            if (problem := problems.of(number)) is not None:
                said = json.dumps(_with_problem(record, problem), ensure_ascii=False, indent=1)
                out.write(before + "\n " + said.replace("\n", "\n "))
                before = ","
        out.write("\n]\n" if before == "," else "[]\n")


def _line(line: str, problem: str) -> str:
    """Return a line with the problem put in front of all that stands in it."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return json.dumps({REJECTED_FOR: problem, "record": line.strip()}, ensure_ascii=False)
    if not isinstance(record, dict) or not record or REJECTED_FOR in record:
        return json.dumps(_with_problem(record, problem), ensure_ascii=False)
    said = json.dumps({REJECTED_FOR: problem}, ensure_ascii=False)
    return f"{said[:-1]}, {line.strip().removeprefix('{').lstrip()}"


def _with_problem(record: object, problem: str) -> dict[str, object]:
    if not isinstance(record, dict):
        return {REJECTED_FOR: problem, "record": record}
    rest = {name: value for name, value in record.items() if name != REJECTED_FOR}
    return {REJECTED_FOR: problem, **rest}
