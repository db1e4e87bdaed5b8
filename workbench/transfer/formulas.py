"""Texts that a spreadsheet would run as formulas: marked going out, as they were coming in.

A cell that begins with `=`, `+`, `-` or `@`, whatever blanks and invisible characters come first,
or with a tab or a line break, may be a formula to whoever opens the file. Out, such a text gets an
apostrophe in front, which spreadsheets take for "this is text"; in, one is taken off again. A text
that has the apostrophe already gets another one, so that every text comes back as it was. Numbers
are left alone: `-5` is no formula.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["disarmed", "is_formula", "rearmed", "texts_rearmed"]

_BLANK = "".join(
    [
        "\\x01-\\x20\\x7f\u0085\u00a0\u00ad\u034f\u061c\u1680\u180e",
        "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff",
    ]
)
_STARTS = f"(?:[{_BLANK}]*[=+@\uff1d\uff0b\uff20\u2212\uff0d-]|[\\t\\r\\n])"
_FORMULA = f"^{_STARTS}"
_MARKED_OR_FORMULA = f"^'*{_STARTS}"
_NUMBER = r"^[+-]?[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?%?$"


def is_formula(cells: pa.Array) -> pa.Array:
    """Return which texts a spreadsheet might run; null for null."""
    return pc.and_(
        pc.match_substring_regex(cells, _FORMULA),
        pc.invert(pc.match_substring_regex(cells, _NUMBER)),
    )


def disarmed(cells: pa.Array, *, marked_only: bool = False) -> pa.Array:
    """Return texts with an apostrophe in front of those that need one.

    Parameters
    ----------
    marked_only
        Whether only texts that have an apostrophe already get another one, as in files whose
        cells say by themselves that they hold text.

    Examples
    --------
    >>> disarmed(pa.array(["=1+1", " @x", "-5", "'=1", "It's"])).to_pylist()
    ["'=1+1", "' @x", '-5', "''=1", "It's"]
    """
    found = pc.match_substring_regex(cells, _MARKED_OR_FORMULA)
    if not pc.any(found).as_py():
        return cells
    if marked_only:
        found = pc.and_(found, pc.starts_with(cells, "'"))
    else:
        found = pc.and_(found, pc.invert(pc.match_substring_regex(cells, _NUMBER)))
    quote, nothing = pa.scalar("'", cells.type), pa.scalar("", cells.type)
    return pc.if_else(found, pc.binary_join_element_wise(quote, cells, nothing), cells)


def rearmed(cells: pa.Array) -> pa.Array:
    """Return texts as they were before `disarmed`.

    >>> rearmed(pa.array(["'=1+1", "' @x", "-5", "''=1", "It's", "'tis"])).to_pylist()
    ['=1+1', ' @x', '-5', "'=1", "It's", "'tis"]
    """
    if not pc.any(pc.starts_with(cells, "'")).as_py():
        return cells
    return pc.replace_substring_regex(cells, f"^'('*{_STARTS})", r"\1")


def texts_rearmed(texts: Iterable[str]) -> list[str]:
    """Return texts as they were before `disarmed`."""
    found: list[str] = rearmed(pa.array(texts, pa.string())).to_pylist()
    return found
