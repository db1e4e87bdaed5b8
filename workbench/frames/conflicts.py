"""What a save left unwritten, as a frame, and how people settle it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import Any, Literal, TypeAlias

import pandas as pd

from workbench.entities import Link, Stored
from workbench.errors import InvalidDraft, shown
from workbench.frames.given import Given
from workbench.frames.stored import entries
from workbench.history.changes_sql import AUTHOR
from workbench.transfer.stage import quoted

__all__ = ["KEEP", "Clash", "Decisions", "Why", "as_frame", "authors", "decisions", "whom_to_ask"]

Why: TypeAlias = Literal["changed", "trashed", "gone", "rights"]
Decisions: TypeAlias = "str | Mapping[tuple[Any, str], Any] | pd.DataFrame"

KEEP = ("mine", "theirs", "value")


@dataclass(frozen=True)
class Clash:
    """One cell that was not written, and why.

    Attributes
    ----------
    record
        The id of the record; for a link the ids that make its key.
    column
        None if it is not known which cells were changed.
    base, mine, theirs
        The value that was read, the frame's, and the one stored now.
    author, at
        Who changed it last, and when: an e-mail address, or a login.
    why
        `changed` by somebody else meanwhile; `trashed`; `gone`: purged, or no longer readable;
        `rights`: one may read, but not change it.
    """

    record: Any
    name: str | None
    column: str | None
    base: Any
    mine: Any
    theirs: Any
    author: str | None
    at: datetime | None
    why: Why


def as_frame(clashes: list[Clash]) -> pd.DataFrame:
    """Return conflicts as a frame, one row for each cell; its values are those of the columns."""
    names = [field.name for field in fields(Clash)]
    rows = [astuple(clash) for clash in clashes]
    columns = {
        name: pd.Series([row[place] for row in rows], dtype=object)
        for place, name in enumerate(names)
    }
    made = pd.DataFrame(columns, columns=names)
    made["at"] = pd.to_datetime(made["at"], utc=True)
    return made


async def authors(
    connection: Any, found: Given, rows: list[int]
) -> dict[int, list[tuple[set[str], str | None, datetime]]]:
    """Return for rows who changed which columns since they were read, the last one first."""
    some, same = entries(found.stored)
    changes = await connection.fetch(
        f"WITH r AS ({some.there}) SELECT r.n, h.id, h.changesetid, h.changed_at, "
        "(SELECT array_agg(k) FROM jsonb_object_keys(h.new) AS k) AS columns "
        "FROM r JOIN history.change AS h ON h.worldid = r.world AND h.recordid = r.home "
        f"AND h.entity = '{found.stored.name}'{same} "
        "WHERE h.new IS NOT NULL AND h.version > r.was ORDER BY r.n, h.id DESC",
        rows,
    )
    # One change tells the author of its changeset; joined to all of them that view is dear.
    of_changeset = {row["changesetid"]: row["id"] for row in changes}
    who = await connection.fetch(
        f"SELECT e.changesetid, {AUTHOR} FROM history.entry AS e "
        'LEFT JOIN "user" AS u ON u.id = e.userid WHERE e.id = ANY ($1::bigint[])',
        list(of_changeset.values()),
    )
    names = dict(who)
    told: dict[int, list[tuple[set[str], str | None, datetime]]] = {}
    for n, _, changeset, at, columns in changes:
        told.setdefault(n, []).append((set(columns), names.get(changeset), at))
    return told


async def whom_to_ask(
    connection: Any, stored: Stored[Any, Any], clashes: list[Clash]
) -> tuple[str, ...]:
    """Return who manages the worlds of records that are left unwritten for want of a right."""
    keys = {clash.record for clash in clashes if clash.why == "rights"}
    if not keys:
        return ()
    worlds = list(keys)
    if isinstance(stored, Link):
        worlds = [key[stored.key.index("worldid")] for key in keys]
    elif "worldid" in stored.table.columns:
        rows = await connection.fetch(
            f"SELECT DISTINCT worldid FROM {quoted(stored.name)} WHERE id = ANY ($1::uuid[])",
            list(keys),
        )
        worlds = [row["worldid"] for row in rows]
    managers = await connection.fetch(
        "SELECT DISTINCT m FROM unnest($1::uuid[]) AS w, unnest(rules.managers(w)) AS m ORDER BY m",
        worlds,
    )
    return tuple(row["m"] for row in managers)


def decisions(
    stored: Stored[Any, Any], conflicts: pd.DataFrame, keep: Decisions
) -> dict[int, tuple[str, Any]]:
    """Return what to keep of each conflict that is decided, by its place: mine, theirs, or a value.

    Raises
    ------
    InvalidDraft
        `keep` decides something that is no conflict, or in no known word.
    """
    if isinstance(keep, str):
        _word(keep, ("mine", "theirs"))
        return dict.fromkeys(range(len(conflicts)), (keep, None))
    if isinstance(keep, pd.DataFrame):
        return _from_frame(conflicts, keep)
    places = {
        (record, column): place
        for place, (record, column) in enumerate(
            zip(conflicts["record"], conflicts["column"], strict=True)
        )
    }
    made: dict[int, tuple[str, Any]] = {}
    if not isinstance(keep, Mapping):
        raise InvalidDraft({"keep": 'Say "mine", "theirs", {(record, column): value}, or a frame.'})
    for key, value in keep.items():
        known = _cell(key)
        if known not in places:
            raise InvalidDraft({"keep": f"{shown(key)} is no conflict of these {stored.plural}."})
        made[places[known]] = ("value", value)
    return made


def _cell(key: object) -> tuple[Any, Any] | None:
    """Return the record and the column that a key of `keep` names; ids may be UUIDs."""
    if not isinstance(key, tuple) or len(key) != 2:
        return None
    record, column = key
    if isinstance(record, tuple):
        return tuple(str(part) for part in record), column
    return str(record), column


def _from_frame(conflicts: pd.DataFrame, keep: pd.DataFrame) -> dict[int, tuple[str, Any]]:
    missing = [name for name in ("record", "column", "keep") if name not in keep]
    if missing:
        raise InvalidDraft({"keep": f"The frame has no column {missing[0]!r}."})
    told = {}
    for row in keep.to_dict("records"):
        word = row["keep"]
        if not isinstance(word, str) and pd.isna(word):
            continue
        _word(word, KEEP)
        if word == "value" and "value" not in keep:
            raise InvalidDraft({"keep": "The frame has no column 'value'."})
        told[(row["record"], row["column"])] = (word, row.get("value"))
    made = {}
    for place, key in enumerate(zip(conflicts["record"], conflicts["column"], strict=True)):
        if key in told:
            made[place] = told.pop(key)
    if told:
        raise InvalidDraft({"keep": f"{shown(next(iter(told)))} is no conflict of this save."})
    return made


def _word(word: object, known: tuple[str, ...]) -> None:
    if word not in known:
        options = ", ".join(map(repr, known))
        raise InvalidDraft({"keep": f"This is one of {options}, not {shown(word)}."})
