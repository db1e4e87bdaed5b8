"""Rows on their way in: what a file or a frame says of one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.entities import Stored
from workbench.transfer.findings import Findings
from workbench.transfer.options import HOW_IT_IS, Reading


@dataclass
class Opening:
    """A file that is about to be opened, and the table its rows are to go to.

    Attributes
    ----------
    file
        What messages call it.
    reading
        What is said of how to read it.
    """

    path: Path
    file: str
    stored: Stored[Any, Any]
    reading: Reading
    findings: Findings

    def feed(
        self,
        headers: list[str],
        rows: Callable[[Findings], Iterator[Rows]],
        *,
        written: bool = True,
        found: Reading = HOW_IT_IS,
    ) -> Feed:
        """Return the file, open: its columns, what reads its rows, and what was found out."""
        how = self.reading.over(found)
        return Feed(self.file, self.stored, headers, rows, how, self.path, written)

    def telling(self, findings: Findings) -> Opening:
        """Return the same with other findings."""
        return replace(self, findings=findings)


@dataclass
class Rows:
    """Some rows of a file, in their order.

    Attributes
    ----------
    cells
        Columns by header.
    labels
        What messages call each row: its number, as a rule.
    read
        How many rows these are, with those that are refused and not among the cells.
    share
        How much of it all has been read with them, from 0 to 1; None where that is not known.
    """

    cells: pa.Table
    labels: pa.Array
    read: int
    share: float | None = None


@dataclass
class Source:
    """Rows of one table, from one file or frame: all of them, or a piece.

    Attributes
    ----------
    file
        What messages call it.
    cells
        Columns by header: texts as a file writes them, or values of any type.
    labels
        What messages call each row.
    written
        Whether it is a file that people write, whose cells hold no bytes but may name files.
    folder
        Where files that the cells name lie.
    meant
        The column of the table that a header stands for, where somebody has said so.
    """

    file: str
    stored: Stored[Any, Any]
    cells: pa.Table
    labels: pa.Array
    written: bool
    folder: Path | None = None
    meant: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Feed:
    """A file or frame that is open: its header is known, its rows come a few at a time.

    Attributes
    ----------
    headers
        The columns, which are the same in all pieces.
    rows
        Begins to read the rows. What is wrong with one goes to the findings as it is come upon;
        UnreadableFile where nothing can go on. Each call reads the file again.
    path
        Of a file; a frame has none.
    folder
        Where files that the cells name lie, if not beside it.
    stamp
        What tells the file, as it was opened, from what it may become.
    origin
        The file that the rows are from, where they are kept elsewhere by now.
    how
        How it is read: as was said, and as was found out.
    """

    file: str
    stored: Stored[Any, Any]
    headers: list[str]
    rows: Callable[[Findings], Iterator[Rows]]
    how: Reading
    path: Path | None = None
    written: bool = True
    stamp: tuple[int, ...] = ()
    folder: Path | None = None
    origin: Feed | None = None

    def source(self, cells: pa.Table, labels: pa.Array) -> Source:
        """Return rows of this file as a source."""
        folder = self.folder or (self.path and self.path.parent)
        meant = self.how.columns
        return Source(self.file, self.stored, cells, labels, self.written, folder, meant)
