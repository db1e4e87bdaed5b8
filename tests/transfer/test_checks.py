"""A column gets the verdicts that its cells would get one by one, and the same values."""

from __future__ import annotations

import json
import random
import re
from typing import Annotated, Any

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from workbench.entities import STORED
from workbench.entities.fields import Kind, Whole
from workbench.transfer.checks import array_literal, check, clean_names, verdict

NASTY = [
    None,
    "",
    " ",
    "\u3000 ",
    "\x00",
    "Mac\x00beth",
    "tab\there",
    "line\nbreak",
    "\x85",
    "\x1c edge \x1f",
    "a" * 255,
    "a" * 256,
    "é" * 255,
    "e\u0301" * 255,
    "𝔐" * 256,
    " padded ",
    "\u00a0padded\u200b",
    "\u202eevil",
    "\ufeffMünzer",
    "NULL",
    "None",
    "nan",
    "NaN",
    "inf",
    "-Infinity",
    "00123",
    "-0",
    "+5",
    "7",
    " 7 ",
    "７",
    "1e3",
    "1E-3",
    "1.5",
    ".5",
    "5.",
    "1,5",
    "1_000",
    "0x1F",
    "2147483647",
    "2147483648",
    "-2147483648",
    "99999999999999999999999999",
    "0" * 40 + "5",
    "9" * 5_000,
    "0.1234567890123456789",
    "1e308",
    "1e309",
    "-1e-400",
    "123456789012345678901234567890.5",
    "true",
    "YES",
    "0",
    "No",
    "viewer",
    "Viewer",
    "manager",
    "a; b ;; c",
    '["a", "b;c"]',
    '["a", 1]',
    '["a", null]',
    "[",
    '{"a": 1}',
    '{"a": {"b": [1, "\\u0000"]}}',
    '{"a": NaN}',
    '{"a": "\\ud800"}',
    "[1]",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "3F2504E04F8911D39A0C0305E82C3301",
    "{3f2504e0-4f89-11d3-9a0c-0305e82c3301}",
    "someone@example.org",
    "some one@example.org",
]
ALPHABET = "aZé\u0301 \t\n\x00\x7f\u00a0\u2003\u3000Ж諸0123456789.,;-+eE[]{}\"'\\@Åﬁ가"
KINDS = sorted({kind for stored in STORED.values() for kind in stored.kinds.values()}, key=repr)


def words(seed: int, count: int) -> list[str | None]:
    chance = random.Random(seed)
    made: list[str | None] = []
    for _ in range(count):
        length = chance.choice((1, 2, 3, 5, 8, 40, 260))
        made.append("".join(chance.choice(ALPHABET) for _ in range(length)))
    numbers = [f"{chance.uniform(-3, 3):.{chance.randrange(18)}f}" for _ in range(count)]
    wholes = [str(chance.randrange(-(2**33), 2**33)) for _ in range(count)]
    return made + numbers + wholes


def as_stored(kind: Kind, value: Any) -> Any:
    """Return a cleaned value as the column for the database holds it."""
    if value is None:
        return None
    if kind.word == "tags":
        return array_literal(value)
    if kind.word == "json":
        return json.dumps(value, ensure_ascii=False)
    if kind.word == "bytes":
        return "\\x" + value.hex()
    if kind.word == "reference":
        return str(value)
    return value


def agree(kind: Kind, cells: list[Any], column: pa.Array) -> None:
    checked = check(kind, column)
    found = checked.column.to_pylist()
    assert len(found) == len(cells)
    for place, cell in enumerate(cells):
        value, message = verdict(kind, cell)
        assert checked.problems.get(place) == message, (kind, cell)
        if message is None:
            assert found[place] == as_stored(kind, value), (kind, cell)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_a_column_of_a_file_is_judged_as_its_cells_are(kind: Kind) -> None:
    for cells in (NASTY, words(1, 300), words(2, 300), [None] * 3, []):
        agree(kind, cells, pa.array(cells, pa.string()))


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_a_column_without_surprises_is_judged_as_its_cells_are(kind: Kind) -> None:
    agree(kind, ["one", "two", "three"], pa.array(["one", "two", "three"]))
    agree(kind, ["1", "2", None], pa.array(["1", "2", None]))


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@pytest.mark.parametrize(
    "cells",
    [
        pa.array([0, 1, -1, 2**31 - 1, 2**31, -(2**40), None], pa.int64()),
        pa.array([0, 2**63], pa.uint64()),
        pa.array([0.0, 1.5, 2.0, 1e300, float("nan"), float("inf"), None], pa.float64()),
        pa.array([True, False, None]),
        pa.array([["a", "b"], ["e\u0301 "], [], None, [""], ["x" * 256]]),
        pa.array([b"abc", b"", None, b"0123456789abcdef"]),
        pa.array(["a", None, "a"]).dictionary_encode(),
        pa.nulls(2),
    ],
    ids=lambda cells: str(cells.type),
)
def test_a_column_of_a_frame_is_judged_as_its_values_are(kind: Kind, cells: pa.Array) -> None:
    agree(kind, cells.to_pylist(), cells)


def test_the_row_verdict_is_that_of_a_draft() -> None:
    """`verdict` is what the columns are compared with, so it must be pydantic's own."""
    for kind in KINDS:
        adapter = TypeAdapter(Annotated[Any, kind])
        for cell in NASTY:
            if cell is None:
                continue  # `| None` in a draft decides
            try:
                read = kind.read(cell)
            except ValueError:
                continue
            value, message = verdict(kind, cell)
            if message is None:
                assert adapter.validate_python(read) == value
            else:
                with pytest.raises(ValidationError, match=re.escape(message)):
                    adapter.validate_python(read)


def test_a_name_to_be_found_is_composed_and_trimmed() -> None:
    found = clean_names(pa.array([" Mu\u0308nzer\u00a0", "", "  ", None, "a\x00"]))
    assert found.column.to_pylist() == ["Münzer", None, None, None, None]
    assert list(found.problems) == [4]


def test_a_column_without_values_is_judged_as_each_of_its_cells_is() -> None:
    kinds = [kind for stored in STORED.values() for kind in stored.kinds.values()]
    for kind in kinds:
        for form in (pa.string(), pa.large_string(), pa.int64(), pa.list_(pa.string()), pa.null()):
            found = check(kind, pa.nulls(2, form))
            _, message = verdict(kind, None)
            assert found.problems == ({0: message, 1: message} if message else {})
            assert found.column.null_count == 2
            assert not check(kind, pa.nulls(0, form)).problems
    assert check(Whole(), pa.nulls(0, pa.int64())).column.type == pa.int64()
