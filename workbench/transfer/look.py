"""What files are taken for before they are imported: their tables, and what columns stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from workbench.entities import Stored
from workbench.entities.fields import Bytes, Reference
from workbench.transfer.columns import REJECTED_FOR, Columns, columns, missing
from workbench.transfer.findings import Findings
from workbench.transfer.headers import near
from workbench.transfer.lookups import lookups, outside
from workbench.transfer.options import Handed
from workbench.transfer.readers import open_named
from workbench.transfer.source import Feed

__all__ = ["Look", "LookedAt", "look_at", "meanings"]


@dataclass(frozen=True)
class LookedAt:
    """A column of a file.

    Attributes
    ----------
    means
        The column of the table that it stands for. "": it is kept as an attribute; None: it is
        not looked at.
    near
        What it is likely to be meant for, if it is not known.
    """

    header: str
    means: str | None
    near: str | None = None


@dataclass
class Look:
    """A file, or a sheet or table in one.

    Attributes
    ----------
    file
        The number of the file among those that were looked at.
    table
        By its plural; None if it is not known, and `problems` says why.
    problems
        What stands in the way of all its rows.
    """

    file: int
    name: str
    table: str | None = None
    columns: list[LookedAt] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def look_at(files: Sequence[Handed], *, world: str | None) -> list[Look]:
    """Return what is in files, as far as their beginnings tell."""
    found: list[Look] = []
    for number, handed in enumerate(files):
        opened = open_named([handed])
        said = [problem.message for problem in opened.findings.problems]
        notes = list(opened.findings.notes)
        if not opened.feeds:
            found.append(Look(number, handed.name, problems=said, notes=notes))
        for feed in opened.feeds:
            look = _look(number, feed, world_given=world is not None)
            look.problems[:0] = said
            look.notes[:0] = notes
            said, notes = [], []
            found.append(look)
    return found


def _look(number: int, feed: Feed, *, world_given: bool) -> Look:
    findings = Findings()
    cells = pa.table({name: pa.array([], pa.string()) for name in feed.headers})
    source = feed.source(cells, pa.array([], pa.int64()))
    known = columns(source, findings)
    means = _by_header(known)
    choices = meanings(feed.stored)
    free = [name for name in choices if name not in means.values()]
    look = Look(number, feed.file, feed.stored.plural)
    for header in feed.headers:
        extra = header in known.extra
        mean = means.get(header, "" if extra else None)
        look.columns.append(LookedAt(header, mean, near(header, free) if extra else None))
    lacking = missing(source, known, world_given=world_given)
    look.problems += [problem.message for problem in findings.problems]
    look.problems += [f"There is no column {name!r}, which every row needs." for name in lacking]
    return look


def _by_header(known: Columns) -> dict[str, str]:
    """Return what each column stands for."""
    found = {
        header: name
        for part in (known.values, known.ids, known.names)
        for name, header in part.items()
    }
    if known.own is not None:
        found[known.own] = "id"
    if known.file is not None:
        found[known.file] = "file"
    return found


def meanings(stored: Stored[Any, Any]) -> list[str]:
    """Return what a column may stand for: the key first, then what else there is of a record."""
    names = [lookup.level for lookup in lookups(stored.name)]
    names += [stored.twin(column) for column in outside(stored)]
    names += [
        name for name, kind in stored.kinds.items() if not isinstance(kind, Reference | Bytes)
    ]
    return [name for name in dict.fromkeys(names) if name != REJECTED_FOR]
