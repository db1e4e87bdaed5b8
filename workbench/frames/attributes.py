"""The free fields of a frame as columns of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

__all__ = ["expand_attributes"]


def expand_attributes(
    frame: pd.DataFrame, keys: Sequence[str] | None = None, *, prefix: str = ""
) -> pd.DataFrame:
    """Return `frame` with one column for each key of `attributes`, instead of that column.

    A key whose values are all text, all whole numbers, all numbers or all true and false has
    that dtype; any other holds JSON text. Rows without the key hold NA.

    Parameters
    ----------
    keys
        Only these keys; None for all there are, in the order of the alphabet.
    prefix
        Put before each key. A key named like a column of the frame gets `attributes.` there.

    Examples
    --------
    >>> frame = pd.DataFrame({"name": ["Ann", "Bo"], "attributes": ['{"age": 14}', "{}"]})
    >>> expand_attributes(frame)
      name   age
    0  Ann    14
    1   Bo  <NA>
    """
    given = [json.loads(text) if isinstance(text, str) else {} for text in frame["attributes"]]
    wanted = sorted({key for row in given for key in row}) if keys is None else list(keys)
    rest = frame.drop(columns="attributes")
    made: dict[str, Any] = {}
    for key in wanted:
        name = f"{prefix}{key}"
        if name in rest.columns:
            name = f"attributes.{key}"
        made[name] = pd.Series(_typed([row.get(key) for row in given]), index=frame.index)
    return pd.concat([rest, pd.DataFrame(made, index=frame.index)], axis=1)


def _typed(values: list[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {str}:
        dtype = pa.string()
    elif kinds == {bool}:
        dtype = pa.bool_()
    elif kinds == {int} and all(v is None or abs(v) < 2**63 for v in values):
        dtype = pa.int64()
    elif kinds <= {int, float}:
        dtype = pa.float64()
        values = [None if v is None else float(v) for v in values]
    else:
        dtype = pa.string()
        values = [None if v is None else json.dumps(v, ensure_ascii=False) for v in values]
    return pd.arrays.ArrowExtensionArray(pa.array(values, type=dtype))
