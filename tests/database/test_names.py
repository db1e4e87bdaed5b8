"""What a name is: the database, a draft and an import's columns say the same."""

from __future__ import annotations

import pyarrow as pa
import pytest

from workbench.entities.characters import BLANKS, INVISIBLE
from workbench.entities.composite import Labels
from workbench.entities.fields import Text
from workbench.entities.types import NAME_CHARACTERS
from workbench.transfer.checks import check

SHOWN = [
    "Hamlet",
    "-",
    "क्‍ष",  # a joiner asks for the half form
    "می‌خواهم",  # and a non-joiner keeps letters apart
    "👩‍👩‍👧",
    "❤️",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "\u200bA",
    "A\u2060",
    "soft\u00adhyphen",
    "two\u3000words",
]
UNSHOWN = [
    "\u200b",
    "\u200c",
    "\u200d",
    "\u200e\u200f",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u034f",
    "\u061c",
    "\u115f",
    "\u1160",
    "\u3164",
    "\uffa0",
    "\ufe0f",
    "\u2066\u2069",
    "\U000e0020\U000e007f",
    "\U0001d173",
    "\u200b \u200b",
    "\u200b\u00a0\u2060",
    "\u180e" * NAME_CHARACTERS,
]

names = pytest.mark.parametrize(
    ("name", "shows"), [(n, True) for n in SHOWN] + [(n, False) for n in UNSHOWN], ids=ascii
)


@names
async def test_a_name_shows_something(sql, name, shows):
    assert await sql.fetchval("SELECT rules.is_name($1)", name) is shows
    assert await sql.fetchval("SELECT rules.are_labels($1)", [name]) is shows


@names
def test_a_draft_takes_just_the_names_that_the_database_takes(name, shows):
    for kind in (Text(NAME_CHARACTERS, blank=False), Text(NAME_CHARACTERS)):
        assert kind.clean(name) == name
        assert (kind.problem(name) is None) is shows
    assert (Labels().problem([name]) is None) is shows


def test_a_column_of_an_import_gets_the_verdicts_of_a_draft():
    cells = pa.array([*SHOWN, *UNSHOWN, None, "", " "])
    for kind in (Text(NAME_CHARACTERS, blank=False), Text(NAME_CHARACTERS)):
        expected = {
            index: message
            for index, cell in enumerate(cells.to_pylist())
            if (message := kind.problem(kind.clean(cell)))
        }
        assert check(kind, cells).problems == expected
        assert set(range(len(SHOWN), len(SHOWN) + len(UNSHOWN))) <= set(expected)


def test_prose_may_hold_whatever_it_likes():
    assert Text(one_line=False).problem("\u200b") is None


async def test_the_database_calls_the_same_characters_invisible(sql):
    """Every character of the Basic Multilingual Plane, and the ranges beyond it."""
    codes = [c for c in (*range(0x20, 0xD800), *range(0xE000, 0x10000)) if chr(c) not in BLANKS]
    codes += [*range(0x1BC90, 0x1BCB0), *range(0x1D160, 0x1D180), *range(0xDFFF0, 0xE1010)]
    kind = Text()
    rows = await sql.fetch(
        "SELECT code, rules.is_name(normalize(chr(code), NFC)) AS shows"
        " FROM unnest($1::integer[]) AS code",
        codes,
    )
    differing = [
        hex(row["code"])
        for row in rows
        if row["shows"] is not (kind.problem(kind.clean(chr(row["code"]))) is None)
    ]
    assert differing == []
    assert "\u200b-\u200f" in INVISIBLE
