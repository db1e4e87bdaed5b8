"""The names of the columns of a file, as people write them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any

from workbench.entities import Stored
from workbench.errors import shown
from workbench.transfer.findings import Findings
from workbench.transfer.lookups import lookups, outside


def known_columns(stored: Stored[Any, Any]) -> frozenset[str]:
    """Return what columns of a file may be called so that they mean something to the table."""
    names = {*stored.kinds, *stored.aliases}
    names |= {stored.twin(column) for column in outside(stored)}
    names |= {lookup.level for lookup in lookups(stored.name)}
    return frozenset(names)


def meaning(header: str, known: Collection[str]) -> str:
    """Return `header` as columns are called: `Display Name` is `display_name`.

    What is not `known` stays as it is but for the case of its letters.
    """
    folded = header.strip().casefold()
    plain = re.sub(r"[\s\-_]+", "_", folded)
    return plain if plain in known else folded


def near(header: str, known: Collection[str]) -> str | None:
    """Return the column that `header` is likely to be a slip of the pen for."""
    found = get_close_matches(meaning(header, known), list(known), n=1, cutoff=0.7)
    return found[0] if found else None


def named(
    header: Sequence[str], empty: Collection[int], file: str, findings: Findings
) -> list[str | None]:
    """Return the names of the columns, trimmed and each only once; None for a column to drop.

    The same name again, or none, is pointed out; its cells are kept under a name of its own.
    Columns without a name are dropped if they are among those that are `empty`, by place.
    """
    names: list[str | None] = []
    seen: set[str] = set()
    for place, cell in enumerate(header):
        name, number = cell.strip(), place + 1
        if "\x00" in name:
            findings.file(file, f"The name of column {number} holds a NUL character.")
            names.append(None)
            continue
        if not name:
            if place in empty:
                names.append(None)
                continue
            name = f"column {number}"
            findings.note(f"{file}: column {number} has no name and is kept as {shown(name)}.")
        if name.casefold() in seen:
            again = f"{name} ({number})"
            findings.note(
                f"{file}: the column {shown(name)} is there twice; the second one is kept as "
                f"{shown(again)}."
            )
            name = again
        seen.add(name.casefold())
        names.append(name)
    return names
