"""Frames as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from workbench.entities.composite import Labels
from workbench.entities.fields import Bytes, Kind, Number
from workbench.errors import Refused, shown
from workbench.frames.write import array
from workbench.transfer.export_rows import write_table
from workbench.transfer.report import Watcher

__all__ = ["write"]


async def write(
    frame: pd.DataFrame, path: Path, *, overwrite: bool = False, progress: Watcher | None = None
) -> int:
    """Write any frame to the file at `path`, whose name tells the format; return its rows.

    An index that has a name is written too, first.
    """
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Refused(f"Two columns are called {shown(twice)}. Rename one.", field=twice)
    arrays = [array(_kind(frame.iloc[:, n]), frame.iloc[:, n]) for n in range(len(names))]
    table = pa.table(arrays, names=names)
    return await write_table(path, table, overwrite=overwrite, progress=progress)


def _kind(series: pd.Series[Any]) -> Kind | None:
    """Return what the values of a column are, where text will not do."""
    if pd.api.types.is_float_dtype(series.dtype):
        return Number()
    if isinstance(series.dtype, pd.ArrowDtype):
        inside = series.dtype.pyarrow_dtype
        if pa.types.is_list(inside):
            return Labels()
        if pa.types.is_binary(inside):
            return Bytes(2**31)
    return None
