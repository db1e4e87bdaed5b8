"""A frame after its save: the rows that were written as they are stored now, in place.

Without this, going on to edit a frame that was just saved would look like a conflict with one's
own save, and putting a value back like no change at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from workbench.entities import Stored
from workbench.errors import InvalidRows
from workbench.frames.given import flat, key_columns, key_index
from workbench.frames.values import differs, plain
from workbench.frames.write import array

__all__ = ["Fresh", "refresh"]


@dataclass
class Fresh:
    """Rows as they are stored now.

    Attributes
    ----------
    keys
        The key of each.
    cells
        Their columns, as a frame has them.
    new
        Whether they are new: the frame has rows without a key for these, in the same order.
    """

    keys: list[Any]
    cells: dict[str, pa.Array]
    new: bool = False


def refresh(stored: Stored[Any, Any], frame: pd.DataFrame, fresh: Fresh) -> None:
    """Put what is stored into the rows of `frame` that were written."""
    try:
        keys = key_index(key_columns(stored, flat(stored, frame)))
    except InvalidRows:  # somebody wrote into the frame meanwhile
        return
    lacking = [key is None or (isinstance(key, tuple) and None in key) for key in keys]
    if fresh.new:
        at = np.full(len(keys), -1)
        if sum(lacking) == len(fresh.keys):
            at[lacking] = np.arange(len(fresh.keys))
    else:
        places = {key: n for n, key in enumerate(fresh.keys)}
        at = np.array([places.get(key, -1) for key in keys], np.int64)
    rows = np.flatnonzero(at >= 0)
    if not len(rows):
        return
    chosen = pa.array(at[rows])
    for name, column in fresh.cells.items():
        place = frame.columns.get_loc(name) if name in frame.columns else None
        if isinstance(place, int):
            cells = column.take(chosen)
            series = frame.iloc[:, place]
            if _unlike(stored, name, series.iloc[rows], cells):
                frame.isetitem(place, _filled(series, rows, cells))


def _unlike(stored: Stored[Any, Any], name: str, series: pd.Series[Any], cells: pa.Array) -> bool:
    """Whether the cells of a frame are not those that are stored."""
    kind = stored.kinds.get(name)
    type_ = "number" if pa.types.is_floating(cells.type) else "text"
    return bool(differs(plain(type_, array(kind, series)), cells, type_).any())


def _filled(series: pd.Series[Any], rows: Any, cells: pa.Array) -> Any:
    """Return the values of `series` with `cells` at `rows`, of its dtype if that can hold them."""
    values = pd.Series(pd.arrays.ArrowExtensionArray(cells))
    kept: pd.Series[Any] = series.reset_index(drop=True)
    dtype: Any = series.dtype
    try:
        if isinstance(dtype, pd.CategoricalDtype):
            words = values.dropna().astype(dtype.categories.dtype).unique()
            kept = kept.cat.add_categories([w for w in words if w not in dtype.categories])
            dtype = kept.dtype
        values = values.astype(dtype)
    except (TypeError, ValueError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
        kept, values = kept.astype(object), values.astype(object)
    order = np.arange(len(kept))
    order[rows] = len(kept) + np.arange(len(rows))
    return pd.concat([kept, values], ignore_index=True).take(order).array
