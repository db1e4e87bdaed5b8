"""Rows of a query on another database, read as those of a file are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from workbench.database.elsewhere import Elsewhere
from workbench.entities import Stored
from workbench.errors import StoreUnavailable, UnreadableFile
from workbench.transfer.findings import Findings
from workbench.transfer.headers import named
from workbench.transfer.options import Reading
from workbench.transfer.source import Feed, Rows

_PIECE_ROWS = 20_000


def open_query(
    query: Elsewhere, stored: Stored[Any, Any], findings: Findings, reading: Reading
) -> Feed:
    """Return a query, open; UnreadableFile if that database does not answer or refuses it."""
    file = f"{stored.plural} (query)"
    try:
        columns = query.columns()
    except StoreUnavailable as error:
        raise UnreadableFile(file, str(error)) from None
    said = [_said(name, as_text=as_text) for name, as_text in columns]
    statement = f"SELECT {', '.join(said)} FROM ({query.statement}) AS q"
    names = named([name for name, _ in columns], (), file, findings)

    def rows(_: Findings) -> Iterator[Rows]:
        done = 0
        try:
            for batch in query.batches(statement):
                for start in range(0, batch.num_rows, _PIECE_ROWS):
                    part = batch.slice(start, _PIECE_ROWS)
                    labels = pa.array(range(done + 1, done + part.num_rows + 1), pa.int64())
                    done += part.num_rows
                    kept = {n: c for n, c in zip(names, part.columns, strict=True) if n}
                    yield Rows(pa.table(kept), labels, part.num_rows)
        except StoreUnavailable as error:
            raise UnreadableFile(file, str(error)) from None
        except pa.ArrowException as error:  # as the rows come, it is Arrow that tells of it
            said = str(error).splitlines()[0].partition("ERROR:")[2].strip() or "it ended"
            shown = query.address.shown
            raise UnreadableFile(file, f"{shown} refuses the query: {said}.") from None

    headers = [name for name in names if name is not None]
    return Feed(file, stored, headers, rows, reading, written=False)


def _said(name: str, *, as_text: bool) -> str:
    """Return a column as it is asked for: as text where Arrow has no plain type."""
    name = '"' + name.replace('"', '""') + '"'
    return f"{name}::text AS {name}" if as_text else name
