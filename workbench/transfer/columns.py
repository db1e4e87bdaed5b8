"""What the columns of a file stand for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from workbench.entities import Stored
from workbench.entities.fields import Bytes, Reference
from workbench.transfer.findings import Findings
from workbench.transfer.headers import known_columns, meaning, near
from workbench.transfer.lookups import lookups, outside, references
from workbench.transfer.readers import names_pictures
from workbench.transfer.source import Source

REJECTED_FOR = "problem"
"""The column, the first of all, in which a file of rejected rows says what is wrong with them."""


class Part(Enum):
    """What a column is of a row."""

    VALUE = auto()  # a field
    OWN = auto()  # the id of the record itself
    ID = auto()  # the id of another record
    NAME = auto()  # the name of another record, or of what contains it
    FILE = auto()  # the name of a file whose bytes belong to the row
    EXTRA = auto()  # a key of `attributes`
    NOTHING = auto()  # what only the database writes


@dataclass
class Columns:
    """The columns of a source by what they stand for; each maps to the header in the source."""

    values: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    own: str | None = None
    file: str | None = None
    extra: list[str] = field(default_factory=list)

    def header(self, *columns: str) -> str:
        """Return how the file calls the first of `columns` that it has."""
        for column in columns:
            for known in (self.values, self.ids, self.names):
                if column in known:
                    return known[column]
        return columns[0]


def columns(source: Source, findings: Findings) -> Columns:
    """Return what the columns of `source` stand for, and note what is kept or left out."""
    stored, found = source.stored, Columns()
    ignored = []
    by_part = {Part.VALUE: found.values, Part.ID: found.ids, Part.NAME: found.names}
    meant = _meant(source, findings)
    told = set(meant.values())
    if source.cells.column_names[:1] == [REJECTED_FOR] and meant[REJECTED_FOR] == REJECTED_FOR:
        del meant[REJECTED_FOR]
        findings.note(f"{source.file}: its first column, {REJECTED_FOR}, is not looked at.")
    for header, name in meant.items():
        in_file = source.folder is not None
        part, name = _part(stored, name, told, written=source.written, in_file=in_file)
        if part in by_part:
            other = by_part[part].setdefault(name, header)
            if other != header:
                message = f"The columns {other!r} and {header!r} both stand for {name!r}."
                findings.file(source.file, f"{message} Take one of them out.", column=header)
        elif part is Part.OWN:
            found.own = header
        elif part is Part.FILE:
            found.file = header
        elif part is Part.EXTRA:
            found.extra.append(header)
        else:
            ignored.append(header)
    for lookup in lookups(stored.name):
        whole = all(step.level in found.names for step in lookup.path)
        if lookup.column in found.ids and not whole and lookup.level in found.names:
            beside = found.names.pop(lookup.level)
            findings.note(f"{source.file}: {beside} is not looked at beside {lookup.column}.")
    if found.extra:
        findings.note(f"{source.file}: kept in attributes: {', '.join(found.extra)}.")
        _suggest(source, found, told, findings)
    if ignored:
        findings.note(f"{source.file}: ignored, set by the database: {', '.join(ignored)}.")
    return found


def _meant(source: Source, findings: Findings) -> dict[str, str]:
    """Return for each header of `source` what it says it is, by itself or by what is given."""
    known = known_columns(source.stored)
    given = {header.strip().casefold(): name for header, name in source.meant.items()}
    meant = {}
    for header in source.cells.column_names:
        name = given.get(header.strip().casefold())
        meant[header] = meaning(header if name is None else name, known)
        if name is not None and meant[header] not in known:
            there = near(name, known)
            hint = f"Did you mean {there!r}?" if there else f"There are {', '.join(sorted(known))}."
            message = f"It cannot stand for {name!r}: {source.stored.plural} have no such column."
            findings.file(source.file, f"{message} {hint}", column=header)
    return meant


def _suggest(source: Source, found: Columns, told: set[str], findings: Findings) -> None:
    """Note the columns that are likely to be meant for one that is not there."""
    known = known_columns(source.stored) - told
    for header in found.extra:
        name = near(header, known)
        if name is not None:
            findings.note(f"{source.file}: column {header!r}: did you mean {name!r}?")


def _part(
    stored: Stored[Any, Any], header: str, told: set[str], *, written: bool, in_file: bool
) -> tuple[Part, str]:
    alias = stored.aliases.get(header)
    if alias is not None and alias not in told:
        header = alias
    kind = stored.kinds.get(header)
    twins = {stored.twin(column): column for column in outside(stored)}
    levels = {lookup.level for lookup in lookups(stored.name)}
    if isinstance(kind, Reference):
        return Part.ID, header
    if kind is not None and not (written and isinstance(kind, Bytes)):
        return Part.VALUE, header
    if header in twins or header in levels:
        return Part.NAME, header
    if in_file and names_pictures(stored, header):
        return Part.FILE, header
    if header == "id" and (stored.name == "world" or "worldid" in stored.table.columns):
        return Part.OWN, header
    if header in stored.table.columns:
        return Part.NOTHING, header
    return Part.EXTRA, header


def missing(source: Source, found: Columns, *, world_given: bool) -> list[str]:
    """Return the columns that every row needs and that `source` lacks."""
    stored = source.stored
    lacking: list[str] = []
    in_world = "worldid" in stored.table.columns
    parents = [column for column in references(stored) if column in stored.required]
    by_id = any(column in found.ids for column in parents)
    if in_world and not (world_given or by_id or "worldid" in found.ids or "world" in found.names):
        lacking.append("world")
    for column, target in outside(stored).items():
        required = column in stored.required and target != "world"
        if required and column not in found.ids and stored.twin(column) not in found.names:
            lacking.append(stored.twin(column))
    for lookup in lookups(stored.name):
        needed = lookup.column in stored.required and lookup.column not in found.ids
        if needed or (lookup.level in found.names and lookup.within is not None):
            lacking += [step.level for step in lookup.path if step.level not in found.names]
    values = stored.required - set(stored.references)
    lacking += [name for name in stored.kinds if name in values and name not in found.values]
    return list(dict.fromkeys(lacking))
