"""JSON: a line or an element for each row, or records that lie in one another."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from workbench.entities import ENTITIES, STORED, Entity, Link, Stored
from workbench.errors import UnreadableFile, shown
from workbench.transfer import nested
from workbench.transfer.findings import Findings
from workbench.transfer.in_pieces import in_pieces
from workbench.transfer.json_long import LongList
from workbench.transfer.json_records import Damaged, Document, document_of
from workbench.transfer.source import Feed, Opening, Rows
from workbench.transfer.tables import TABLES

_HASH_BYTES = 16
_HALF_CHARACTER = "This holds half a character (a lone surrogate). Take it out."
_WHOLE_MAXIMUM = 2**63 - 1


def open_json(opening: Opening, told: Stored[Any, Any] | None) -> list[Feed]:
    """Return a file of JSON, open: one table, or several if its records hold others.

    Parameters
    ----------
    told
        The table that the file's name tells, or the caller; of records that hold others, and of
        lists that are called as tables are, the file itself tells.
    """
    document = document_of(opening)
    unread = Findings()
    any_record = next(document.records(unread), None)
    if any_record is None and not unread.any:
        opening.findings.note(f"{opening.file}: there are no rows.")
        return []
    first = next((r for _, r in document.records(Findings()) if isinstance(r, dict)), {})
    entity = ENTITIES.get(told.name) if told else nested.holder(first)
    if told is None and entity is None and nested.holds_tables(first):
        return _tables(opening, document)
    if entity is not None and nested.is_nested(first, entity):
        document.learn()
        return _nested(opening, document, entity)
    if told is None:
        raise UnreadableFile(opening.file, "Neither its name nor what is in it tells a table.")
    types, count = _types(record for _, record in document.values(Findings()))
    return [_feed(opening, types, document.values, count)]


def _feed(
    opening: Opening,
    types: dict[str, pa.DataType],
    records: Callable[[Findings], Iterator[tuple[object, object]]],
    count: int,
) -> Feed:
    for name in [name for name in types if not _storable(name)]:
        opening.findings.file(opening.file, f"The name {shown(name)} cannot be that of a column.")
        del types[name]

    def rows(findings: Findings) -> Iterator[Rows]:
        return _rows(opening.telling(findings), records(findings), types, count)

    return opening.feed(list(types) or ["name"], rows)


def _types(records: Iterable[object]) -> tuple[dict[str, pa.DataType], int]:
    """Return the columns of `records` and what they hold, and how many records there are.

    So all of a file is read before its first row is given: a name that only the last row has
    is a column too.
    """
    kinds: dict[str, set[type]] = {}
    count = 0
    for record in records:
        count += 1
        if isinstance(record, dict):
            for name, value in record.items():
                kinds.setdefault(name, set()).add(_kind(value))
    return _resolved(kinds), count


def _resolved(kinds: Mapping[str, set[type]]) -> dict[str, pa.DataType]:
    return {
        name: _TYPES.get(frozenset(kind - {type(None)}), pa.json_()) for name, kind in kinds.items()
    }


def _tables(opening: Opening, document: Document) -> list[Feed]:
    """Return the lists of one object, each of the table that it is called by."""
    feeds = []
    records = document.records(Findings())
    _, whole = next(records)
    for plural, elements in whole.items() if isinstance(whole, dict) else ():
        part = replace(opening, file=f"{opening.file}, {plural}", stored=TABLES[plural])
        types, count = _types(elements)
        # A long list is in no memory, but read from the file once more.
        values: Callable[[Findings], Iterator[tuple[object, object]]] = (
            partial(document.listed, plural)
            if isinstance(elements, LongList)
            else partial(_numbered, elements)
        )
        feeds.append(_feed(part, types, values, count))
    if next(records, None) is not None:
        raise UnreadableFile(opening.file, "It has more than one object whose lists are tables.")
    return feeds


def _numbered(elements: list[object], _: Findings) -> Iterator[tuple[object, object]]:
    yield from enumerate(elements, start=1)


def _nested(opening: Opening, document: Document, entity: Entity[Any, Any]) -> list[Feed]:
    """Return the tables of records that hold others; the file is read for each of them."""

    def of(
        stored: Stored[Any, Any], quiet: Findings | None, findings: Findings
    ) -> Iterator[tuple[object, object]]:
        with closing(_Seen()) as seen:
            for row in _flat(document, quiet or findings, entity):
                if row.stored is stored and seen.is_new(row):
                    yield row.place, row.values

    tables: dict[str, dict[str, set[type]]] = {}
    counts: Counter[str] = Counter()
    for row in _flat(document, Findings(), entity):
        kinds = tables.setdefault(row.stored.name, {})
        counts[row.stored.name] += 1
        for name, value in row.values.items():
            kinds.setdefault(name, set()).add(_kind(value))
    feeds = []
    for stored in (STORED[name] for name in STORED if name in tables):
        part = replace(opening, file=f"{opening.file}, {stored.plural}", stored=stored)
        # What is wrong with the file itself is said once, with the records that hold the rest.
        quiet = None if stored is entity else Findings()
        types = _resolved(tables[stored.name])
        count = counts[stored.name]
        feeds.append(_feed(part, types, partial(of, stored, quiet), count))
    return feeds


def _flat(document: Document, findings: Findings, entity: Entity[Any, Any]) -> Iterator[nested.Row]:
    for number, record in document.records(findings):
        if isinstance(record, dict):
            for row in nested.rows(record, entity, f"{number}"):
                if document.outline:
                    _refuse_long(document.opening, row)
                yield row


def _refuse_long(opening: Opening, row: nested.Row) -> None:
    if LongList not in map(type, row.values.values()):
        return
    for name, value in row.values.items():
        if isinstance(value, LongList):
            raise UnreadableFile(
                opening.file,
                f"{row.place}.{name} is a long list that does not lie in {row.stored.plural}. "
                "Take it out, or make it a file of its own.",
            )


class _Seen:
    """What rows have said; how many there are makes no difference to the memory it takes."""

    def __init__(self) -> None:
        self._known = sqlite3.connect("", check_same_thread=False)  # a file of SQLite's own
        self._known.execute("PRAGMA journal_mode = OFF")
        self._known.execute("CREATE TABLE known (hash BLOB PRIMARY KEY) WITHOUT ROWID")

    def is_new(self, row: nested.Row) -> bool:
        """Whether a row says what none before it has said: one persona is in many scenes."""
        if isinstance(row.stored, Link):
            return True
        said = json.dumps(row.values, sort_keys=True).encode()
        digest = blake2b(said, digest_size=_HASH_BYTES).digest()
        made = self._known.execute("INSERT OR IGNORE INTO known VALUES (?)", (digest,))
        return made.rowcount > 0

    def close(self) -> None:
        self._known.close()


_TYPES = {
    frozenset(): pa.null(),
    frozenset({str}): pa.string(),
    frozenset({bool}): pa.bool_(),
    frozenset({int}): pa.int64(),
    frozenset({float}): pa.float64(),
}


def _kind(value: object) -> type:
    """Return the type of `value`; a number that no column of numbers can hold is an object."""
    if type(value) is int and not -_WHOLE_MAXIMUM <= value <= _WHOLE_MAXIMUM:
        return object
    return type(value)


def _storable(name: str) -> bool:
    with suppress(UnicodeEncodeError):
        name.encode()
        return "\x00" not in name and bool(name.strip())
    return False


def _rows(
    opening: Opening,
    records: Iterator[tuple[object, object]],
    types: dict[str, pa.DataType],
    count: int,
) -> Iterator[Rows]:
    done = 0
    for piece in in_pieces(records, lambda numbered: _length(numbered[1])):
        for number, record in piece:
            if not isinstance(record, dict | Damaged):
                _refuse(opening, number, f"This is {_said(record)}, not an object.", record)
        done += len(piece)
        labels = [number for number, record in piece if isinstance(record, dict)]
        kept = [record for _, record in piece if isinstance(record, dict)]
        made = _piece(opening, kept, labels, len(piece), types)
        yield replace(made, share=done / max(done, count))
    if not done:
        yield _piece(opening, [], [], 0, types)


def _length(record: object) -> int:
    """Return about how many characters `record` takes."""
    if not isinstance(record, dict):
        return 0
    length = 0
    for value in record.values():
        if isinstance(value, str):
            length += len(value)
        elif isinstance(value, dict | list):
            length += len(repr(value))
    return length


def _refuse(opening: Opening, number: object, message: str, value: object) -> None:
    opening.findings.cell(opening.file, opening.stored.plural, number, message, value=value)


def _said(value: object) -> str:
    words = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return words.get(type(value), "a number")


def _piece(
    opening: Opening,
    records: list[dict[str, Any]],
    labels: list[object],
    read: int,
    types: dict[str, pa.DataType],
) -> Rows:
    columns = {}
    for name, kind in types.items():
        values = [record.get(name) for record in records]
        if kind == pa.json_():
            texts = [None if v is None else json.dumps(v) for v in values]
            columns[name] = pa.array(texts, pa.string()).cast(kind)
            continue
        try:
            columns[name] = pa.array(values, kind)
        except UnicodeEncodeError:
            columns[name] = pa.array(_whole_characters(opening, name, values, labels), kind)
    if not columns:
        columns["name"] = pa.nulls(len(records))
    return Rows(pa.table(columns), pa.array(labels), read)


def _whole_characters(
    opening: Opening, name: str, values: list[str | None], labels: list[object]
) -> list[str | None]:
    """Return `values` without halves of characters; rows that have one are refused."""
    whole = []
    for value, label in zip(values, labels, strict=True):
        clean = value and value.encode(errors="replace").decode()
        if clean != value:
            opening.findings.cell(
                opening.file,
                opening.stored.plural,
                label,
                _HALF_CHARACTER,
                column=name,
                value=clean,
            )
        whole.append(clean)
    return whole
