"""Two versions of one value made of a third: together, where they are not in each other's way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, TypeAlias

__all__ = ["COMBINED", "merged"]

COMBINED = ("text", "long", "tags", "json")
"""The kinds of columns whose values can hold two changes at once."""

_WORDS = re.compile(r"\s+|\S+")
_LINES = re.compile(r".*\n|.+")
_MOST_PARTS = 4_000  # comparing takes their square at worst; longer texts are taken line by line
_Edit: TypeAlias = tuple[int, int, tuple[str, ...]]


def merged(base: Any, mine: Any, theirs: Any) -> Any:
    """Return a value with what either did to `base`; None where they did it to the same part.

    >>> merged("a dark night", "a very dark night", "a dark and stormy night")
    'a very dark and stormy night'
    >>> merged(["night"], ["night", "storm"], ["night", "sea"])
    ['night', 'sea', 'storm']
    >>> merged("night", "day", "dusk")
    """
    if isinstance(mine, str) and isinstance(theirs, str):
        return _texts(base or "", mine, theirs)
    if isinstance(mine, list) and isinstance(theirs, list):
        before = base or []
        kept = [one for one in theirs if one in mine or one not in before]
        return [*kept, *(one for one in mine if one not in before and one not in kept)]
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        return _objects(base or {}, mine, theirs)
    return None


def _objects(base: Any, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Any:
    absent = object()
    found = dict(theirs)
    for key in {**base, **mine}:
        before, one, other = (value.get(key, absent) for value in (base, mine, theirs))
        if one in (before, other):
            continue
        if other != before:
            return None
        if one is absent:
            del found[key]
        else:
            found[key] = one
    return found


def _texts(base: str, mine: str, theirs: str) -> str | None:
    for parts in (_WORDS, _LINES):
        before, one, other = (parts.findall(text) for text in (base, mine, theirs))
        if max(map(len, (before, one, other))) <= _MOST_PARTS:
            break
    else:
        return None
    edits = sorted({*_edits(before, one), *_edits(before, other)})
    if any(later[0] < earlier[1] or later[0] == earlier[0] for earlier, later in pairwise(edits)):
        return None
    found: list[str] = []
    at = 0
    for start, end, words in edits:
        found += [*before[at:start], *words]
        at = end
    return "".join([*found, *before[at:]])


def _edits(before: Sequence[str], after: Sequence[str]) -> list[_Edit]:
    """Return what was done to `before`: from where to where, and what is there instead."""
    compared = SequenceMatcher(str.isspace, before, after, autojunk=False)
    return [
        (start, end, tuple(after[first:last]))
        for tag, start, end, first, last in compared.get_opcodes()
        if tag != "equal"
    ]
