"""Which table a name tells: that of a file, a sheet, or one that somebody gives."""

from __future__ import annotations

import re
from typing import Any

from workbench.entities import STORED, Stored
from workbench.errors import BadSettings

TABLES = {
    stored.plural: stored
    for stored in STORED.values()
    if stored.name == "world" or "worldid" in stored.table.columns
}
"""What can be imported: worlds and all that lies in one. Users are not made by files."""


def table_of(stem: str) -> Stored[Any, Any] | None:
    """Return the table that the name of a file tells, `01_personas_old` for example."""
    words = "_".join(re.findall(r"[^\W_]+", stem.casefold()))
    for stored in TABLES.values():
        if words in (stored.plural, stored.name):
            return stored
    told = [plural for plural in TABLES if f"_{plural}_" in f"_{words}_"]
    return TABLES[max(told, key=len)] if told else None


def given_table(name: str) -> Stored[Any, Any]:
    """Return the table that is called `name`: `personas`, or `persona`."""
    for stored in TABLES.values():
        if name.casefold() in (stored.plural, stored.name):
            return stored
    raise BadSettings(f"There is no table {name!r} to import into. There are {', '.join(TABLES)}.")
