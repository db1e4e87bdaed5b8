"""A source made ready for the database: every column known, cleaned and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from workbench.transfer.checks import Checked, check, clean_names
from workbench.transfer.columns import Columns, columns, missing
from workbench.transfer.lookups import lookups, outside
from workbench.transfer.pictures import attach
from workbench.transfer.readers import Source
from workbench.transfer.report import Findings

_REQUIRED = "This must not be empty."
_OTHER_WORLD = "This row names another world than the one to import into."
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass
class Prepared:
    """The rows of one source.

    Attributes
    ----------
    fields
        Fields by name, ids of other records among them.
    names
        Names of other records in a world, by the level of their lookup.
    outside
        Names of worlds and e-mail addresses of users, by the foreign key they stand for.
    given
        The columns of the table that the source says something about.
    keys
        The keys of `attributes` that have a column.
    kept
        The columns in which an empty cell leaves what is there.
    """

    source: Source
    columns: Columns
    fields: dict[str, pa.Array] = field(default_factory=dict)
    names: dict[str, pa.Array] = field(default_factory=dict)
    outside: dict[str, pa.Array] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.source.cells.num_rows)


def prepare(source: Source, findings: Findings, *, world: str | None) -> Prepared | None:
    """Return `source` cleaned and checked, or None if a column is missing that all rows need."""
    found = columns(source, findings)
    lacking = missing(source, found, world_given=world is not None)
    for column in lacking:
        hint = " Add it, or say the world to import into." if column == "world" else ""
        findings.file(source.file, f"There is no column {column!r}.{hint}", column=column)
    if lacking:
        findings.broken.add(source.stored.plural)
        return None
    ready = Prepared(source, found)
    for name, header in (*found.values.items(), *found.ids.items()):
        ready.fields[name] = _checked(ready, name, header, findings)
        ready.given.add(name)
    by_twin = {source.stored.twin(column): column for column in outside(source.stored)}
    for name, header in found.names.items():
        checked = clean_names(_cells(source, header))
        _report(ready, header, checked, findings)
        if name in by_twin:
            ready.outside[by_twin[name]] = checked.column
            ready.given.add(by_twin[name])
        else:
            ready.names[name] = checked.column
    ready.given |= {k.column for k in lookups(source.stored.name) if k.level in ready.names} - {
        None
    }
    _attributes(ready, findings)
    _world(ready, world, findings)
    _require(ready, findings)
    if found.file is not None:
        ready.kept = attach(source, found.file, ready.fields, findings)
        ready.given |= ready.kept
    return ready


def _cells(source: Source, header: str) -> pa.Array:
    column = source.cells.column(header)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _checked(ready: Prepared, name: str, header: str, findings: Findings) -> pa.Array:
    source = ready.source
    kind = source.stored.kinds[name]
    checked = check(kind, _cells(source, header), written=source.written)
    _report(ready, header, checked, findings)
    return checked.column


def _report(ready: Prepared, header: str, checked: Checked, findings: Findings) -> None:
    if not checked.problems:
        return
    source = ready.source
    at = pa.array(checked.problems, pa.int64())
    labels = source.labels.take(at).to_pylist()
    values = source.cells.column(header).take(at).to_pylist()
    for label, value, message in zip(labels, values, checked.problems.values(), strict=True):
        findings.cell(source.file, source.stored.plural, label, message, column=header, value=value)


def _attributes(ready: Prepared, findings: Findings) -> None:
    """Put the columns that no table has into `attributes`, as they were found."""
    source, extra = ready.source, ready.columns.extra
    if not extra or "attributes" not in source.stored.kinds:
        return
    own = ready.fields.get("attributes")
    pieces = [] if own is None else [_without_braces(own)]
    for header in extra:
        cells = _cells(source, header)
        if not source.written:
            values = [None if v is None else json.dumps(v, default=str) for v in cells.to_pylist()]
            pieces.append(_keyed(header, pa.array(values, pa.large_string())))
            continue
        nul = pc.fill_null(pc.match_substring(cells, "\x00"), False)
        if pc.any(nul).as_py():
            message = "This holds a NUL character, which PostgreSQL cannot store. Take it out."
            at = pc.indices_nonzero(nul).to_pylist()
            _report(ready, header, Checked(cells, dict.fromkeys(at, message)), findings)
            cells = pc.if_else(nul, None, cells)
        pieces.append(_keyed(header, _quoted(cells)))
    # Joining with null_handling="skip" drops rows whose pieces are all null (pyarrow 26.0.1).
    ended = [
        pc.fill_null(pc.binary_join_element_wise(p, _large(","), _large("")), "") for p in pieces
    ]
    inner = pc.utf8_slice_codeunits(pc.binary_join_element_wise(*ended, _large("")), 0, -1)
    ready.fields["attributes"] = pc.binary_join_element_wise(
        _large("{"), inner, _large("}"), _large("")
    )
    ready.given.add("attributes")
    ready.keys = list(extra)


def _large(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


def _keyed(header: str, values: pa.Array) -> pa.Array:
    key = _large(json.dumps(header, ensure_ascii=False) + ":")
    return pc.binary_join_element_wise(key, values, _large(""))


def _quoted(cells: pa.Array) -> pa.Array:
    """Return each text as JSON writes it."""
    text = cells.cast(pa.large_string())
    for character, escape in _ESCAPES.items():
        text = pc.replace_substring(text, character, escape)
    if pc.any(pc.match_substring_regex(text, r"[\x00-\x1f]")).as_py():
        for code in range(1, 32):
            text = pc.replace_substring(text, chr(code), f"\\u{code:04x}")
    return pc.binary_join_element_wise(_large('"'), text, _large('"'), _large(""))


def _without_braces(objects: pa.Array) -> pa.Array:
    inner = pc.utf8_slice_codeunits(objects.cast(pa.large_string()), 1, -1)
    return pc.if_else(pc.equal(inner, ""), None, inner)


def _world(ready: Prepared, world: str | None, findings: Findings) -> None:
    """Fill in the world to import into, and point out rows that name another."""
    source = ready.source
    if world is None:
        return
    if source.stored.name == "world":
        own = ready.fields["name"]
        other = pc.invert(pc.is_in(own, value_set=pa.array([world, world.partition("/")[2]])))
        header = ready.columns.values["name"]
    else:
        given = ready.outside.get("worldid")
        ready.outside["worldid"] = pa.array([world] * ready.rows, pa.string())
        if given is None:
            return
        other = pc.fill_null(pc.not_equal(given, world), False)
        header = ready.columns.names["world"]
    if pc.any(other).as_py():
        at = dict.fromkeys(pc.indices_nonzero(other).to_pylist(), _OTHER_WORLD)
        _report(ready, header, Checked(other, at), findings)


def _require(ready: Prepared, findings: Findings) -> None:
    """Point out empty cells where a row must name its parents."""
    stored = ready.source.stored
    by_id: pa.Array | None = None
    for lookup in lookups(stored.name):
        if lookup.column not in stored.required:
            continue
        ids = ready.fields.get(lookup.column or "")
        by_id = ids if by_id is None else by_id
        for step in lookup.path:
            _refuse_empty(ready, step.level, ready.names.get(step.level), ids, findings)
    for column in outside(stored):
        if column != "worldid" and column not in stored.required:
            continue
        ids = ready.fields.get(column)
        if column == "worldid" and ids is None:
            ids = by_id
        _refuse_empty(ready, stored.twin(column), ready.outside.get(column), ids, findings)


def _refuse_empty(
    ready: Prepared, name: str, names: pa.Array | None, ids: pa.Array | None, findings: Findings
) -> None:
    if names is None and ids is None:
        return
    empty: Any = pa.scalar(True)
    for cells in (names, ids):
        if cells is not None:
            empty = pc.and_(empty, pc.is_null(cells))
    if pc.any(empty).as_py():
        header = ready.columns.header(name, f"{name}id")
        at = dict.fromkeys(pc.indices_nonzero(empty).to_pylist(), _REQUIRED)
        _report(ready, header, Checked(empty, at), findings)
