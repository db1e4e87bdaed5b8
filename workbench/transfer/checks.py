"""The rules of the fields, applied to whole columns.

What most cells look like is cleaned and checked by Arrow; the few that look otherwise are
handed to the field's own `Kind`, each distinct one once. So a column gets the verdicts that
its cells would get one by one, which a test proves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from workbench.entities.characters import BLANKS, INVISIBLE
from workbench.entities.composite import Attributes
from workbench.entities.fields import Address, Kind, Number, Text, Whole

_NO_LINE = rf"[\x00-\x1f\x7f-\x{{9f}}]|^[{BLANKS}{INVISIBLE}]*$"  # controls, or nothing that shows
_PLAIN_WHOLE = r"^(0|-?[1-9][0-9]{0,8})$"
_PLAIN_NUMBER = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?$"

SQL_TYPES = {
    "text": "text",
    "choice": "text",
    "integer": "integer",
    "number": "double precision",
    "boolean": "boolean",
    "reference": "uuid",
    "tags": "text[]",
    "json": "jsonb",
    "bytes": "bytea",
}
"""The type in PostgreSQL of a checked column, by the word of its kind."""


@dataclass
class Checked:
    """A column as it goes to the database, and the cells (by index) that break a rule.

    Numbers and truth values are such; all else is text as PostgreSQL reads it. A cell that
    breaks a rule is empty here, unless it can still serve as a name to be found.
    """

    column: pa.Array
    problems: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Anything(Attributes):
    """Any value that JSON can write, for `attributes` to hold."""

    def read(self, text: str) -> Any:
        return text

    def problem(self, value: Any) -> str | None:
        return None if value is None else super().problem({"": value})


def check(kind: Kind, cells: pa.Array) -> Checked:
    """Return `cells` cleaned, and what is wrong with them, by the rules of `kind`.

    Texts are read as those in a file are; other types hold values, and `pa.json_()` any.
    """
    cells = _plain_type(cells)
    if cells.null_count == len(cells):  # as many columns are
        empty = kind.problem(None)
        problems = dict.fromkeys(range(len(cells)), empty) if empty else {}
        kept = cells.type if is_text(cells) else pa.large_string()
        if isinstance(kind, Whole | Number):
            kept = pa.int64() if isinstance(kind, Whole) else pa.float64()
        return Checked(pa.nulls(len(cells), kept), problems)
    if isinstance(kind, Text) and not isinstance(kind, Address) and is_text(cells):
        return _text(kind, cells)
    if isinstance(kind, Whole | Number):
        target = pa.int64() if isinstance(kind, Whole) else pa.float64()
        if is_text(cells):
            shape = _PLAIN_WHOLE if isinstance(kind, Whole) else _PLAIN_NUMBER
            return _numbers(kind, cells, pc.match_substring_regex(cells, shape), target)
        if pa.types.is_integer(cells.type) and not pa.types.is_uint64(cells.type):
            return _numbers(kind, cells, pc.is_valid(cells), target)
        if pa.types.is_floating(cells.type) and isinstance(kind, Number):
            return _numbers(kind, cells, pc.is_finite(cells), target)
    return _one_by_one(kind, cells)


def is_text(cells: pa.Array) -> bool:
    """Whether `cells` are texts."""
    return bool(pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type))


def _plain_type(cells: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(cells.type):
        return cells.dictionary_decode()
    return cells.cast(pa.string()) if pa.types.is_null(cells.type) else cells


def clean_names(cells: pa.Array) -> Checked:
    """Return names of other records as they are looked up: composed, trimmed, blank as empty."""
    cells = _plain_type(cells)
    if not is_text(cells):
        return _one_by_one(Text(), cells)
    if cells.null_count == len(cells):
        return Checked(cells)
    cleaned = _trimmed(_composed(cells))
    cleaned = pc.if_else(pc.equal(cleaned, ""), None, cleaned)
    problems: dict[int, str] = {}
    nul = pc.fill_null(pc.match_substring(cleaned, "\x00"), False)
    if pc.any(nul).as_py():
        problems = _worded(Text(), cleaned, nul)
        cleaned = pc.if_else(nul, None, cleaned)
    return Checked(cleaned, problems)


def _text(kind: Text, cells: pa.Array) -> Checked:
    cleaned = _composed(cells)
    if kind.one_line:
        cleaned = _trimmed(cleaned)
    if kind.blank:
        cleaned = pc.if_else(pc.equal(cleaned, ""), None, cleaned)
    wrong = [pc.match_substring_regex(cleaned, _NO_LINE if kind.one_line else r"\x00")]
    if kind.max_length is not None:
        wrong.append(pc.greater(pc.utf8_length(cleaned), kind.max_length))
    if not kind.blank:
        wrong.append(pc.is_null(cleaned))
        wrong.append(pc.equal(_trimmed(cleaned), ""))
    bad = pc.fill_null(wrong[0], False)
    for mask in wrong[1:]:
        bad = pc.or_(bad, pc.fill_null(mask, False))
    if not pc.any(bad).as_py():
        return Checked(cleaned)
    problems = _worded(kind, cleaned, bad)
    nul = pc.fill_null(pc.match_substring(cleaned, "\x00"), False)
    return Checked(pc.if_else(nul, None, cleaned), problems)


def _composed(cells: pa.Array) -> pa.Array:
    """Return `cells` in Unicode's normal form C, of which ASCII is a part."""
    ascii_only = pc.string_is_ascii(cells)
    if pc.all(ascii_only).as_py() is not False:
        return cells
    return pc.utf8_normalize(cells, form="NFC")


def _trimmed(cells: pa.Array) -> pa.Array:
    return pc.utf8_trim(cells, characters=BLANKS)


def _worded(kind: Kind, cleaned: pa.Array, bad: pa.Array) -> dict[int, str]:
    """Return the kind's own words about the cells where `bad` is true."""
    indices = pc.indices_nonzero(bad)
    return {
        index: kind.problem(value) or "This breaks a rule of the field."
        for index, value in zip(indices.to_pylist(), cleaned.take(indices).to_pylist(), strict=True)
    }


def _numbers(
    kind: Whole | Number, cells: pa.Array, plain: pa.Array, target: pa.DataType
) -> Checked:
    """Convert the `plain` cells by Arrow and the rest one by one; then look at the range."""
    plain = pc.fill_null(plain, False)
    column = pc.cast(pc.if_else(plain, cells, pa.scalar(None, cells.type)), target)
    wrong = pa.scalar(False)
    if kind.minimum is not None:
        wrong = pc.or_(wrong, pc.fill_null(pc.less(column, kind.minimum), False))
    if kind.maximum is not None:
        wrong = pc.or_(wrong, pc.fill_null(pc.greater(column, kind.maximum), False))
    odd = pc.and_(pc.is_valid(cells), pc.or_(pc.invert(plain), wrong))
    if not pc.any(odd).as_py():
        return Checked(column)
    indices = pc.indices_nonzero(odd)
    rest = _one_by_one(kind, cells.take(indices))
    where = indices.to_pylist()
    mask = pa.array(odd)
    column = pc.replace_with_mask(column, mask, rest.column.cast(target))
    return Checked(column, {where[i]: message for i, message in rest.problems.items()})


def _one_by_one(kind: Kind, cells: pa.Array) -> Checked:
    """Read, clean and check each distinct cell as a draft would."""
    encode = _ENCODE.get(kind.word, str)
    mixed = cells.type == pa.json_()  # values of more than one type, each as JSON writes it
    cells = cells.storage if mixed else cells
    try:
        encoded = cells.dictionary_encode()
        distinct, indices = encoded.dictionary.to_pylist(), encoded.indices
    except pa.ArrowNotImplementedError:  # lists and structs
        distinct, indices = cells.to_pylist(), pa.array(range(len(cells)), pa.int32())
    values: list[Any] = []
    messages: dict[int, str] = {}
    for number, cell in enumerate(distinct):
        value, message = verdict(kind, json.loads(cell) if mixed and cell else cell)
        values.append(None if message or value is None else encode(value))
        if message:
            messages[number] = message
    types = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    column = pa.array(values, types.get(kind.word, pa.large_string())).take(indices)
    problems: dict[int, str] = {}
    if messages:
        bad = pc.fill_null(pc.is_in(indices, value_set=pa.array(list(messages), pa.int32())), False)
        at = pc.indices_nonzero(bad)
        problems = {
            index: messages[number]
            for index, number in zip(at.to_pylist(), indices.take(at).to_pylist(), strict=True)
        }
    empty = kind.problem(None)
    if empty and cells.null_count:
        problems |= dict.fromkeys(pc.indices_nonzero(pc.is_null(cells)).to_pylist(), empty)
    return Checked(column, problems)


def verdict(kind: Kind, cell: Any) -> tuple[Any, str | None]:
    """Return the value of one cell and what is wrong with it, exactly as a draft has it."""
    try:
        value = kind.clean(kind.read(cell) if isinstance(cell, str) else cell)
    except ValueError as error:
        return None, str(error)
    return value, kind.problem(value)


def array_literal(labels: Sequence[str]) -> str:
    r"""Return a list of texts as PostgreSQL writes an array.

    >>> print(array_literal(["a b", 'say "hi"']))
    {"a b","say \"hi\""}
    """
    quoted = (label.replace("\\", "\\\\").replace('"', '\\"') for label in labels)
    return "{" + ",".join(f'"{label}"' for label in quoted) + "}"


def _same(value: Any) -> Any:
    return value


def _bytes_literal(value: bytes) -> str:
    return "\\x" + value.hex()


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


_ENCODE: dict[str, Callable[[Any], Any]] = {
    "integer": _same,
    "number": _same,
    "boolean": _same,
    "tags": array_literal,
    "json": _json_text,
    "bytes": _bytes_literal,
}
