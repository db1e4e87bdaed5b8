"""Who changed which cell: what was read, beside what the frame has and what is stored now.

A cell is mine if it differs from what was read by the rules of its field, so that other ways to
write the same value, such as NaN for nothing or 3.0 for 3, are no change. It is in conflict if
somebody else has changed it meanwhile, to something else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workbench.entities import Entity, Stored
from workbench.entities.fields import Text
from workbench.frames.given import Given
from workbench.frames.stored import Now
from workbench.frames.values import differs, told
from workbench.transfer.checks import check, is_text

__all__ = ["Cells", "compare", "editable", "refuse_fixed"]

_EMPTY = {"tags": "{}", "json": "{}"}
_FIXED = {
    "created_at": "This is not when the record was made: either the cell was changed, which only "
    "the database does, or the frame was read from another database, or before this record was "
    "purged and brought back.",
    "updated_at": "The database sets this. Leave it as it was read.",
    "deleted_at": "Rows go to the trash by trash=True or `remove`, and come back by `restore`.",
    "worldid": "A record keeps its world. Add a new one there instead.",
    "ownerid": "The owner of a record does not change.",
}
_KEPT = "This cannot be changed. Leave it as it was read."


@dataclass
class Cells:
    """The cells of one column that are mine.

    Attributes
    ----------
    rows
        The numbers of their rows.
    values
        What they are to become, as PostgreSQL reads it.
    clash
        Which of them somebody else has changed to something else.
    same
        Which of them somebody else has changed to the very same.
    """

    column: str
    rows: npt.NDArray[np.int64]
    values: pa.Array
    clash: npt.NDArray[np.bool_]
    same: npt.NDArray[np.bool_]


def editable(stored: Stored[Any, Any]) -> list[str]:
    """Return the columns of `stored` that a frame may change."""
    key = () if isinstance(stored, Entity) else stored.key
    fixed = {*key, "worldid", "ownerid"}
    return [name for name in stored.kinds if name not in fixed]


def compare(found: Given, now: Now) -> list[Cells]:
    """Return the cells that are mine, by column; what breaks a rule is noted as a problem."""
    made = []
    for name in editable(found.stored):
        if name in found.cells:
            cells = _column(found, now, name)
            if cells is not None:
                made.append(cells)
    return made


def _column(found: Given, now: Now, name: str) -> Cells | None:
    kind = found.columns[name].type
    mine, theirs, base = found.cells[name], now.cells[name], now.base(name)
    known = now.there | np.isin(np.arange(found.rows), list(now.since.get(name, ())))
    unlike = differs(mine, base, kind) & known
    unlike[sorted(now.lost)] = False
    lost = [n for n in now.lost if now.versions[n]]
    if lost:  # all that is not as stored counts as mine, and as changed by somebody
        unlike[lost] = differs(mine, theirs, kind)[lost]
    rows = np.flatnonzero(unlike)
    if not len(rows):
        return None
    at = pa.array(rows)
    wanted, problems = _ruled(found, name, mine.take(at))
    was, _ = _ruled(found, name, told(kind, base.take(at)))
    is_, _ = _ruled(found, name, told(kind, theirs.take(at)))
    word = found.stored.kinds[name].word
    bad = np.zeros(len(rows), bool)
    for place, message in problems.items():
        bad[place] = True
        found.problem(int(rows[place]), name, message, mine[int(rows[place])].as_py())
    real = (_unlike(wanted, was, word) | bad | np.isin(rows, lost)) & ~bad
    moved = _unlike(is_, was, word) | np.isin(rows, lost)
    same = ~_unlike(wanted, is_, word) & now.there[rows]
    clash = moved & ~same & now.there[rows]
    keep = pa.array(real)
    return Cells(name, rows[real], wanted.filter(keep), clash[real], (same & moved)[real])


def _ruled(found: Given, name: str, cells: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    """Return cells by the rules of their field, and what is wrong with which."""
    stored = found.stored
    kind, column = stored.kinds[name], stored.table.columns[name]
    if is_text(cells) and not isinstance(kind, Text):  # which knows by itself what is blank
        cells = pc.if_else(pc.equal(pc.utf8_trim_whitespace(cells), ""), None, cells)
    checked = check(kind, cells)
    values, problems = checked.column, dict(checked.problems)
    if column.nullable or not values.null_count:
        return values, problems
    default = _EMPTY.get(kind.word)
    if kind.word == "boolean":
        default_text = str(getattr(column.server_default, "arg", "false"))
        return pc.fill_null(values, "true" in default_text), problems
    if default is not None:
        return pc.fill_null(values, pa.scalar(default, values.type)), problems
    for place in pc.indices_nonzero(pc.is_null(values)).to_pylist():
        problems.setdefault(place, "This must not be empty.")
    return values, problems


def _unlike(one: pa.Array, other: pa.Array, word: str) -> npt.NDArray[np.bool_]:
    if word == "json":
        one, other = _sorted(one), _sorted(other)
    if is_text(one) or is_text(other):
        one, other = one.cast(pa.large_string()), other.cast(pa.large_string())
    return differs(one, other, "text")


def _sorted(cells: pa.Array) -> pa.Array:
    texts = [
        None if text is None else json.dumps(json.loads(text), sort_keys=True)
        for text in cells.to_pylist()
    ]
    return pa.array(texts, pa.large_string())


def refuse_fixed(found: Given, now: Now) -> None:
    """Note cells that were changed where the database alone writes; nothing says nothing."""
    may = {*editable(found.stored)}
    current = now.versions == np.asarray(found.versions.fill_null(0))
    told: set[int] = set()
    for name, mine in sorted(found.cells.items(), key=lambda cell: cell[0] != "created_at"):
        if name in may or found.columns[name].twin:
            continue
        kind = found.columns[name].type
        unlike = differs(mine, now.base(name), kind) & now.there
        if name != "deleted_at":
            unlike &= np.asarray(mine.is_valid())
        if name not in ("created_at", "ownerid", "worldid"):
            unlike &= current
        if name == "ownerid" or found.columns[name].source in found.stored.references:
            unlike &= _other_id(mine, now.base(name), unlike)
        for n in sorted({*np.flatnonzero(unlike).tolist()} - told):
            told |= {n} if name == "created_at" else set()
            found.problem(n, name, _FIXED.get(name, _KEPT), mine[n].as_py())


def _other_id(
    mine: pa.Array, base: pa.Array, where: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Return where two ids differ that may be written in two ways."""
    other = where.copy()
    for n in np.flatnonzero(where):
        other[n] = str(mine[int(n)].as_py()).strip().lower() != base[int(n)].as_py()
    return other
