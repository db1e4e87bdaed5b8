"""What a frame says: which records, as of which version, and the value of every cell.

Rows are told by the primary key alone, wherever it is: in columns or in the index. So it does
not matter how a frame was sorted, filtered, indexed, copied or stored since it was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workbench.entities import Entity, Stored
from workbench.entities.fields import Kind, Reference, Whole
from workbench.errors import InvalidDraft, InvalidRows, Problem, UnknownField
from workbench.frames.values import differs, plain
from workbench.frames.write import array, arrow_from_frame
from workbench.store.columns import Column, chosen
from workbench.transfer.checks import check

__all__ = ["Given", "flat", "given", "key_columns", "key_index", "key_of", "versions_of"]

_CANONICAL_ID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_NO_ID = "This row has no id. To add it, say add=True; if it is not to be stored, drop it."
_NO_VERSION = (
    "This row has no version, so nobody can tell what was read. Keep that column, or give the "
    "frame as it was read: based_on=…"
)
_TWICE = "This record is in the frame twice, with another {} in row {}. Keep one of them."


@dataclass
class Given:
    """The rows of a frame that have a key, each record once.

    Attributes
    ----------
    keys
        The key of each record, as text: `id`, or the key of a link.
    versions
        The version of each that was read.
    labels
        The label of each row in the index of the frame.
    cells
        The other columns that may be saved or looked at, by name; of values that are compared
        and checked as they are.
    new
        The rows without a key, to be added.
    partial
        Whether the frame has columns that are not looked at.
    """

    stored: Stored[Any, Any]
    keys: dict[str, pa.Array]
    versions: pa.Array
    labels: pa.Array
    cells: dict[str, pa.Array]
    columns: dict[str, Column]
    new: pd.DataFrame | None = None
    partial: bool = False
    problems: list[Problem] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many records there are."""
        return len(self.versions)

    def problem(
        self,
        n: int,
        column: str | None,
        message: str,
        value: object = None,
        *,
        refused: bool = False,
    ) -> None:
        """Note what is wrong with a cell or a row, or that a right to it is missing."""
        found, label = None if value is None else str(value), self.labels[n].as_py()
        self.problems.append(Problem(None, label, column, found, message, refused=refused))


def key_of(stored: Stored[Any, Any]) -> tuple[str, ...]:
    """Return the columns of the primary key."""
    return ("id",) if isinstance(stored, Entity) else stored.key


def flat(stored: Stored[Any, Any], frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with those levels of its index that are columns of the table as such."""
    levels = {
        name: frame.index.get_level_values(place).array
        for place, name in enumerate(frame.index.names)
        if isinstance(name, str) and name in stored.table.columns and name not in frame.columns
    }
    return frame.assign(**levels) if levels else frame


def given(
    stored: Stored[Any, Any],
    frame: pd.DataFrame,
    *,
    columns: Sequence[str] | None,
    based_on: pd.DataFrame | None,
    add: bool,
) -> Given:
    """Return what `frame` says.

    Raises
    ------
    InvalidDraft
        It is no frame, or has no column that tells its rows or what was read.
    InvalidRows
        Columns or rows of it cannot be used; `problems` of the result has what is wrong besides.
    UnknownField
        `columns` names one that the frame does not have.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InvalidDraft({"frame": f"Give a DataFrame; {type(frame).__name__} is none."})
    frame = flat(stored, frame)
    key = key_of(stored)
    _need_columns(stored, frame, key, versions="version" in frame or based_on is not None)
    known = _known(stored)
    wanted = _wanted(stored, frame, columns, known)
    arrow_from_frame(stored, frame.iloc[:0])  # which refuses columns of one name
    labels = arrow_from_frame(stored, frame[[]]).column(0).combine_chunks()
    found = Given(stored, {}, pa.nulls(0), labels, {}, {name: known[name] for name in wanted})
    found.partial = columns is not None
    for name in key:
        found.keys[name] = _ids(found, name, array(_kind(stored, name), frame[name]))
    without = np.zeros(len(frame), bool)
    for cells in found.keys.values():
        without |= np.asarray(pc.is_null(cells))
    if not isinstance(stored, Entity) and based_on is None:
        # Who adds a link knows its key; what was read has a version.
        without |= np.asarray(frame["version"].isna())
    if found.problems:
        raise InvalidRows(found.problems)
    if without.any():
        if not add:
            for n in np.flatnonzero(without):
                found.problem(int(n), key[-1], _NO_ID)
        found.new = frame.loc[without]
    rows = np.flatnonzero(~without)
    _take(found, rows)
    found.versions = _versions(found, frame.iloc[rows], based_on)
    for name in wanted:
        column = known[name]
        kind = stored.kinds.get(name) if not column.twin else None
        cells = array(kind or _kind(stored, name), frame[name].iloc[rows])
        found.cells[name] = plain(column.type, cells)
    _once(found)
    return found


def _need_columns(
    stored: Stored[Any, Any], frame: pd.DataFrame, key: tuple[str, ...], *, versions: bool
) -> None:
    missing = [name for name in key if name not in frame]
    if missing:
        raise InvalidDraft(
            {
                missing[0]: f"The frame has no column {missing[0]!r}, which tells its rows. Rows "
                "from elsewhere are told by their names by an import, which adds those that are "
                f'not there: `await wb.load({{"{stored.plural}": frame}})`.'
            },
            entity=stored.name,
        )
    if not versions:
        raise InvalidDraft(
            {
                "version": "The frame has no column 'version', so nobody can tell what was read, "
                "and what others have changed since. Keep that column, or give the frame as it "
                "was read: based_on=…"
            },
            entity=stored.name,
        )


def _known(stored: Stored[Any, Any]) -> dict[str, Column]:
    """Return the columns that a frame of `stored` may have, readable twins among them."""
    found = chosen(stored, [column.name for column in stored.table.columns], names=True)[1]
    return {column.name: column for column in found}


def _wanted(
    stored: Stored[Any, Any],
    frame: pd.DataFrame,
    columns: Sequence[str] | None,
    known: dict[str, Column],
) -> list[str]:
    """Return the columns to look at; refuse what nobody could save."""
    if columns is not None:
        columns = [columns] if isinstance(columns, str) else list(columns)
        for name in columns:
            if name not in frame:
                raise UnknownField(f"frame of {stored.plural}", str(name), map(str, frame.columns))
    problems = []
    names = list(frame.columns if columns is None else columns)
    for name in names:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            problems.append(
                f"A {stored.name} has no such field.{hint} Drop the column, or say which ones to "
                "save: columns=[…]"
            )
        elif known[name].type == "bytes":
            problems.append(
                "Pictures are not saved from a frame: use `images.update(image, content=…)`, and "
                "say which columns to save: columns=[…]"
            )
        else:
            problems.append("")
    found = [
        Problem(None, None, str(name), None, message)
        for name, message in zip(names, problems, strict=True)
        if message
    ]
    if found:
        raise InvalidRows(found)
    skipped = {*key_of(stored), "version"}
    stamps = [n for n in ("created_at", "updated_at") if n in frame and n not in names]
    return [name for name in (*names, *stamps) if name not in skipped]


def _kind(stored: Stored[Any, Any], name: str) -> Kind | None:
    if name == "id":
        return Reference(stored.name)
    return stored.kinds.get(name) or (
        Reference(stored.references[name]) if name in stored.references else None
    )


def _ids(found: Given, name: str, cells: pa.Array) -> pa.Array:
    """Return a column of the key as PostgreSQL writes it."""
    kind = _kind(found.stored, name) or Kind()
    if pa.types.is_string(cells.type) and isinstance(kind, Reference):
        usual = pc.fill_null(pc.match_substring_regex(cells, _CANONICAL_ID), True)
        if pc.all(usual).as_py() is not False:
            return cells
    checked = check(kind, cells)
    for n, message in checked.problems.items():
        found.problem(n, name, message, cells[n].as_py())
    return checked.column.cast(pa.string())


def _take(found: Given, rows: npt.NDArray[Any]) -> None:
    at = pa.array(rows)
    found.keys = {name: cells.take(at) for name, cells in found.keys.items()}
    found.labels = found.labels.take(at)
    found.cells = {name: cells.take(at) for name, cells in found.cells.items()}
    if len(found.versions):
        found.versions = found.versions.take(at)


def _versions(found: Given, frame: pd.DataFrame, based_on: pd.DataFrame | None) -> pa.Array:
    """Return the version of each row: its own, or else that of its record in `based_on`."""
    empty = pa.nulls(len(frame), pa.int64())
    versions = _whole(found, frame["version"]) if "version" in frame else empty
    if versions.null_count and based_on is not None:
        read = versions_of(found.stored, based_on)
        theirs = pd.Series(key_index(found.keys)).map(read)
        versions = pc.coalesce(versions, pa.array(theirs, pa.int64(), from_pandas=True))
    for n in pc.indices_nonzero(pc.is_null(versions)).to_pylist():
        found.problem(n, "version", _NO_VERSION)
    return versions


def _whole(found: Given, series: pd.Series[Any]) -> pa.Array:
    cells = array(Whole(), series)
    checked = check(Whole(minimum=1), cells)
    for n, message in checked.problems.items():
        found.problem(n, "version", message, cells[n].as_py())
    return checked.column


def key_columns(stored: Stored[Any, Any], frame: pd.DataFrame) -> dict[str, pa.Array]:
    """Return the columns of the key as PostgreSQL writes them; InvalidRows if one is none."""
    labels = pa.array(range(len(frame)))
    about = Given(stored, {}, pa.nulls(0), labels, {}, {})
    made = {n: _ids(about, n, array(_kind(stored, n), frame[n])) for n in key_of(stored)}
    if about.problems:
        raise InvalidRows(about.problems)
    return made


def key_index(keys: dict[str, pa.Array]) -> Any:
    """Return the key of each row as one value, to be compared and looked up."""
    columns = [cells.to_pylist() for cells in keys.values()]
    if len(columns) == 1:
        return columns[0]
    return list(zip(*columns, strict=True))


def versions_of(stored: Stored[Any, Any], based_on: pd.DataFrame) -> dict[Any, int]:
    """Return the versions of the records that were read, by their key."""
    if not isinstance(based_on, pd.DataFrame):
        raise InvalidDraft({"based_on": "Give the frame as it was read."})
    read = flat(stored, based_on)
    for name in (*key_of(stored), "version"):
        if name not in read:
            raise InvalidDraft({"based_on": f"The frame that was read has no column {name!r}."})
    keys = key_columns(stored, read)
    about = Given(stored, keys, pa.nulls(0), pa.array(range(len(read))), {}, {})
    versions = _whole(about, read["version"])
    if about.problems:
        raise InvalidRows(about.problems)
    pairs = zip(key_index(keys), versions.to_pylist(), strict=True)
    return {key: version for key, version in pairs if version is not None}


def _once(found: Given) -> None:
    """Leave one row of each record; rows of one that differ are a problem."""
    keys = pd.Series(key_index(found.keys), dtype=object)
    again = np.flatnonzero(keys.duplicated())
    if not len(again):
        return
    places: dict[Any, int] = {}
    for n, key in enumerate(keys):
        places.setdefault(key, n)
    first = np.array([places[keys[n]] for n in again])
    columns: dict[str, tuple[str, pa.Array]] = {
        name: (found.columns[name].type, cells) for name, cells in found.cells.items()
    }
    columns["version"] = ("integer", found.versions)
    told: set[int] = set()
    for name, (type_, cells) in columns.items():
        unlike = differs(cells.take(pa.array(again)), cells.take(pa.array(first)), type_)
        for place in np.flatnonzero(unlike):
            n = int(again[place])
            if n not in told:
                told.add(n)
                other = found.labels[int(first[place])].as_py()
                found.problem(n, name, _TWICE.format(name, other), cells[n].as_py())
    _take(found, np.setdiff1d(np.arange(len(keys)), again))
