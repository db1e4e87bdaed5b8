"""Rows made ready for the database: every column known, cleaned and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from workbench.entities.characters import BLANKS
from workbench.entities.fields import Text
from workbench.errors import shown
from workbench.transfer.checks import Anything, Checked, check, clean_names, is_text
from workbench.transfer.columns import Columns, columns, missing
from workbench.transfer.dates import tells_dates, wrong_dates
from workbench.transfer.findings import Findings
from workbench.transfer.headers import near
from workbench.transfer.lookups import lookups, outside
from workbench.transfer.pictures import attach
from workbench.transfer.source import Feed, Source

_REQUIRED = "This must not be empty."
_ID = r"^(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_BREAK = r"[\t\r\n]+"
_OTHER_WORLD = "This row names another world than the one to import into."
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass
class Prepared:
    """The rows of one source, or a piece of them, or none: what its columns make of any row.

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
    own
        Ids of the records themselves, where the cells hold any.
    """

    source: Source
    columns: Columns
    fields: dict[str, pa.Array] = field(default_factory=dict)
    names: dict[str, pa.Array] = field(default_factory=dict)
    outside: dict[str, pa.Array] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    own: pa.Array | None = None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.source.cells.num_rows)

    def place(self, *about: str) -> tuple[str, str]:
        """Return how the file calls the first of the columns `about` that it has, and how the
        table does in which its cells are staged: there, names of other records have an @.
        """
        found = self.columns
        for column in about:
            for known, staged in ((found.values, column), (found.ids, column)):
                if column in known:
                    return known[column], staged
            if column in found.names:
                return found.names[column], f"@{column}"
        return about[0], about[0]


def shape_of(feed: Feed, findings: Findings, *, world: str | None) -> Prepared | None:
    """Return what `feed` is without any of its rows, or None if a column that all need is missing.

    What all rows have in common is said here, once.
    """
    source = feed.source(
        pa.table({name: pa.array([], pa.string()) for name in feed.headers}),
        pa.array([], pa.int64()),
    )
    found = columns(source, findings)
    lacking = missing(source, found, world_given=world is not None)
    for column in lacking:
        hint = " Add it, or say the world to import into." if column == "world" else ""
        meant = [header for header in found.extra if near(header, {column})]
        if meant:
            said = (
                f"--column {shown(f'{meant[0]}={column}')}, or columns={{{meant[0]!r}: {column!r}}}"
            )
            hint = f" Does {meant[0]!r} stand for it? Then say so: {said}."
        findings.file(source.file, f"There is no column {column!r}.{hint}", column=column)
    if lacking:
        findings.broken.add(source.stored.plural)
        return None
    return prepare(source, found, findings, world=world)


def prepare(source: Source, found: Columns, findings: Findings, *, world: str | None) -> Prepared:
    """Return rows cleaned and checked; `found` tells what their columns stand for."""
    ready = Prepared(source, found)
    for name, header in (*found.values.items(), *found.ids.items()):
        ready.fields[name] = _checked(ready, name, header, findings)
        ready.given.add(name)
    by_twin = {source.stored.twin(column): column for column in outside(source.stored)}
    for name, header in found.names.items():
        checked = clean_names(_on_one_line(ready, header, findings))
        _report(ready, header, checked, findings)
        if name in by_twin:
            ready.outside[by_twin[name]] = checked.column
            ready.given.add(by_twin[name])
        else:
            ready.names[name] = checked.column
    for lookup in lookups(source.stored.name):
        if lookup.column is not None and lookup.level in ready.names:
            ready.given.add(lookup.column)
    _attributes(ready, findings)
    _world(ready, world, findings)
    _require(ready, findings)
    if found.own is not None:
        ready.own = _own(source, found.own, findings)
    if found.file is not None:
        ready.kept = attach(source, found.file, ready.fields, findings)
        ready.given |= ready.kept
    return ready


def _own(source: Source, header: str, findings: Findings) -> pa.Array:
    """Return what may be an id of ours; what others number their rows by is none."""
    cells = _cells(source, header)
    own = pa.nulls(len(cells), pa.string())
    if is_text(cells):
        ours = pc.fill_null(pc.match_substring_regex(cells, _ID), False)
        own = pc.if_else(ours, cells, None)
        cells = pc.if_else(pc.equal(cells, ""), None, cells)
    others = pc.and_(pc.is_valid(cells), pc.is_null(own))
    if pc.any(others).as_py():
        text = f"{source.file}: what {header!r} holds is no id of ours, and is not kept"
        findings.note(text, source.labels.filter(others).to_pylist())
    return own


def _cells(source: Source, header: str) -> pa.Array:
    column = source.cells.column(header)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _checked(ready: Prepared, name: str, header: str, findings: Findings) -> pa.Array:
    source = ready.source
    kind = source.stored.kinds[name]
    one_line = isinstance(kind, Text) and kind.one_line
    cells = _on_one_line(ready, header, findings) if one_line else _cells(source, header)
    checked = check(kind, cells)
    _report(ready, header, checked, findings)
    return checked.column


def _on_one_line(ready: Prepared, header: str, findings: Findings) -> pa.Array:
    """Return texts of a file that stand on one line, and note those that had to be made so.

    A spreadsheet lets people break the line in a cell, and joining files leaves marks of their
    beginnings in front of names: nobody means them to be a part of a name.
    """
    source, cells = ready.source, _cells(ready.source, header)
    if not source.written or not is_text(cells) or cells.null_count == len(cells):
        return cells
    cells = pc.utf8_trim(cells, characters=f"{BLANKS}\ufeff")
    broken = pc.fill_null(pc.match_substring_regex(cells, _BREAK), False)
    if not pc.any(broken).as_py():
        return cells
    findings.note(
        f"{source.file}: line breaks and tabs in {header} are made blanks",
        source.labels.filter(broken).to_pylist(),
    )
    return pc.replace_substring_regex(cells, _BREAK, " ")


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
        values = _json(_cells(source, header))
        if tells_dates(header) and source.written:
            values.problems |= wrong_dates(_cells(source, header))
        _report(ready, header, values, findings)
        pieces.append(_keyed(header, values.column))
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


def _json(cells: pa.Array) -> Checked:
    """Return each value as JSON writes it; text stays text, whatever it looks like."""
    kind = cells.type
    if kind == pa.json_():
        return check(Anything(), cells)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        bad = pc.fill_null(pc.match_substring(cells, "\x00"), False)
        message = "This holds a NUL character, which PostgreSQL cannot store. Take it out."
        column = _quoted(pc.if_else(bad, None, cells))
    elif pa.types.is_floating(kind):
        bad = pc.fill_null(pc.invert(pc.is_finite(cells)), False)
        message = "This must be a finite number."
        column = pc.cast(pc.if_else(bad, None, cells), pa.large_string())
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return Checked(pc.cast(cells, pa.large_string()))
    else:
        texts = [None if v is None else json.dumps(v, default=str) for v in cells.to_pylist()]
        return Checked(pa.array(texts, pa.large_string()))
    at = pc.indices_nonzero(bad).to_pylist()
    return Checked(column, dict.fromkeys(at, message))


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
    owner, _, name = world.partition("/")
    fits = pa.array([world, name] if "@" in owner else [world], pa.string())
    if source.stored.name == "world":
        given, header = ready.fields["name"], ready.columns.values["name"]
    else:
        given = ready.outside.get("worldid")
        ready.outside["worldid"] = pa.repeat(pa.scalar(world, pa.string()), ready.rows)
        if given is None:
            return
        header = ready.columns.names["world"]
    same = pc.or_(pc.is_in(given, value_set=fits), pc.ends_with(given, f"/{world}"))
    other = pc.fill_null(pc.invert(same), False)
    at = dict.fromkeys(pc.indices_nonzero(other).to_pylist(), _OTHER_WORLD)
    _report(ready, header, Checked(other, at), findings)


def _require(ready: Prepared, findings: Findings) -> None:
    """Point out empty cells where a row must name its parents."""
    stored = ready.source.stored
    parents: list[pa.Array] = []
    for lookup in lookups(stored.name):
        if lookup.column not in stored.required:
            continue
        ids = ready.fields.get(lookup.column or "")
        parents += [] if ids is None else [ids]
        for step in lookup.path:
            names = ready.names.get(step.level)
            if names is not None or step is lookup:
                header = ready.columns.header(step.level, lookup.column or "")
                _refuse_empty(ready, header, [names, ids], findings)
    for column in outside(stored):
        names, ids = ready.outside.get(column), ready.fields.get(column)
        if column == "worldid" and (names is not None or ids is not None):
            header = ready.columns.header("world", "worldid")
            _refuse_empty(ready, header, [names, ids, *parents], findings)
        elif column in stored.required and column != "worldid":
            header = ready.columns.header(stored.twin(column), column)
            _refuse_empty(ready, header, [names, ids], findings)


def _refuse_empty(
    ready: Prepared, header: str, cells: list[pa.Array | None], findings: Findings
) -> None:
    """Point out rows in which all of `cells` are empty."""
    empty: Any = pa.scalar(True)
    for column in cells:
        if column is not None:
            empty = pc.and_(empty, pc.is_null(column))
    if pc.any(empty).as_py():
        at = dict.fromkeys(pc.indices_nonzero(empty).to_pylist(), _REQUIRED)
        _report(ready, header, Checked(empty, at), findings)
