"""Records as DataFrames, and DataFrames as rows to be written.

`frame` gives one row per record, indexed from 0, with the columns and dtypes that
`workbench.frames.dtypes` lists.
"""

from __future__ import annotations

from workbench.database.columnar import close
from workbench.frames.attributes import expand_attributes
from workbench.frames.files import write
from workbench.frames.read import frame, table
from workbench.frames.write import ROW, arrow_from_frame, rejected_rows

__all__ = [
    "ROW",
    "arrow_from_frame",
    "close",
    "expand_attributes",
    "frame",
    "rejected_rows",
    "table",
    "write",
]
