"""Cells that were copied from a spreadsheet: what they mean, and what importing them would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from workbench.database.engine import Database
from workbench.entities import Stored
from workbench.transfer.formulas import rearmed
from workbench.transfer.headers import known_columns, meaning
from workbench.transfer.proposal import Plan, make_plan


def header_of(
    stored: Stored[Any, Any], cells: Sequence[str], titles: Mapping[str, str]
) -> list[str] | None:
    """Return the columns that a line of cells names, or None if it is no line of names.

    Parameters
    ----------
    titles
        What else columns are called: the field by the title, in small letters.
    """
    known = known_columns(stored)
    named = [titles.get(cell.strip().casefold()) or meaning(cell, known) for cell in cells]
    return named if all(name in known or name in titles.values() for name in named) else None


async def plan_of(
    database: Database, stored: Stored[Any, Any], columns: Mapping[str, Sequence[str | None]]
) -> Plan:
    """Return what an import of texts would do, by the columns of their table.

    An apostrophe that keeps a text from being a formula is taken off, as of a file's.
    """
    texts = {name: pa.array(cells, pa.string()) for name, cells in columns.items()}
    table = pa.table({name: rearmed(cells) for name, cells in texts.items()})
    return await make_plan(database, {stored.plural: table})
