"""Rows as a DataFrame, or as the Arrow table that it is built on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import pandas as pd
import pyarrow as pa

from workbench.database import columnar
from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities import Stored
from workbench.frames.dtypes import schema
from workbench.store.columns import Which, chosen, literal, selection

__all__ = ["frame", "table"]


async def frame(
    database: Database,
    stored: Stored[Any, Any],
    *,
    columns: Sequence[str] | None = None,
    names: bool = False,
    **which: Unpack[Which],
) -> pd.DataFrame:
    """Return the rows that fit as a frame, indexed from 0.

    Columns come in the order of the table, or as `columns` says; their dtypes are Arrow's
    (`workbench.frames.dtypes` has the list), times in UTC. No rows give the same columns and
    dtypes. Without `order` the rows come by id, in order of making; links by their key.

    Parameters
    ----------
    columns
        Only these, in this order; readable twins too. Pictures' bytes (`content`,
        `thumbnail`) come only if named here.
    names
        Whether each foreign key is followed by its readable twin: `story` after `storyid`,
        `owner` (an e-mail) after `ownerid`, and by the path to it where a name alone says
        little: `story`, `act` and `scene` after `sceneid`. What is in the trash is named too.
    which
        Which rows, in which order: `workbench.store.columns.Which`.

    Raises
    ------
    UnknownField
        A column, a filter or the order names a field that does not exist.
    InvalidDraft
        A filter's value, `search` or `limit` cannot be used.
    """
    arrow = await table(database, stored, columns=columns, names=names, **which)
    made: pd.DataFrame = arrow.to_pandas(types_mapper=pd.ArrowDtype)
    return made


async def table(
    database: Database,
    stored: Stored[Any, Any],
    *,
    columns: Sequence[str] | None = None,
    names: bool = False,
    **which: Unpack[Which],
) -> pa.Table:
    """Return what `frame` returns, as an Arrow table."""
    tables, wanted = chosen(stored, columns, names=names)
    statement = selection(tables, wanted, **which)
    text = literal(statement)
    with translated(stored.name):
        if not database.in_transaction:
            found = await columnar.columns(database, text)
            return found.cast(schema(wanted))
        # Only the transaction's own connection sees what it has written.
        async with database.reading() as connection:
            rows = (await connection.execute(statement)).all()
    return pa.table(
        [
            pa.array([row[place] for row in rows], type=field.type)
            for place, field in enumerate(schema(wanted))
        ],
        schema=schema(wanted),
    )
