"""Frames that save back: the changed cells alone, checked against what others did meanwhile.

A frame carries nothing but the key and the version of its rows. What was read is what the
history says of that version, so it does not matter what became of the frame in between. A
record is written whole or not at all: if one of its cells is in conflict, none is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from workbench.database.engine import Database
from workbench.entities import Entity, Stored
from workbench.errors import InvalidDraft
from workbench.frames.attempt import Attempt, Outcome
from workbench.frames.changes import editable
from workbench.frames.conflicts import Clash, Decisions, as_frame, decisions
from workbench.frames.given import Given, given, key_index, key_of, versions_of
from workbench.frames.look import Look
from workbench.frames.result import SaveResult
from workbench.frames.values import told

__all__ = ["OnConflict", "save"]

OnConflict = Literal["report", "stop"]


async def save(
    database: Database,
    stored: Stored[Any, Any],
    frame: pd.DataFrame,
    *,
    reason: str | None = None,
    add: bool = False,
    trash: bool = False,
    on_conflict: OnConflict = "report",
    columns: Sequence[str] | None = None,
    based_on: pd.DataFrame | None = None,
) -> SaveResult:
    """Write what was changed in `frame`; `Frames.save` of the workspace tells how."""
    if on_conflict not in ("report", "stop"):
        raise InvalidDraft({"on_conflict": 'This is "report" or "stop".'})
    if trash and based_on is None:
        raise InvalidDraft(
            {
                "trash": "A frame does not tell which rows it had: one that was filtered would "
                "empty its world. Give the frame as it was read too: based_on=…"
            }
        )
    if trash and not isinstance(stored, Entity):
        raise InvalidDraft({"trash": "Links have no trash; `remove` takes out single ones."})
    found = await asyncio.to_thread(
        given, stored, frame, columns=columns, based_on=based_on, add=add
    )
    doomed: dict[str, int] = {}
    if trash and based_on is not None:
        kept = set(key_index(found.keys))
        read = versions_of(stored, based_on)
        doomed = {key: version for key, version in read.items() if key not in kept}
    frames = [frame] if based_on is None else [frame, based_on]
    stop = on_conflict == "stop"
    attempt = Attempt(database, stored, found, found.new, doomed, stop, frames, found.columns)
    return await _run(attempt, reason, [])


async def _run(attempt: Attempt, reason: str | None, left: list[_Open]) -> SaveResult:
    """Return the result of an attempt; `left` is what earlier ones have left open."""
    outcome = await attempt.run(reason)
    result = outcome.result
    parts = list(left)
    if outcome.clashes:
        parts.append(_Open(attempt, outcome, outcome.clashes, stopped=not result.written))
    if parts:
        result.conflicts = as_frame([clash for part in parts for clash in part.clashes])
        asked = {name for part in parts for name in part.outcome.result.managers}
        result.managers = tuple(sorted(asked))

        async def settle(keep: Decisions, why: str | None) -> SaveResult:
            return await _settle(parts, keep, reason if why is None else why)

        result._settle = settle
    return result


@dataclass
class _Open:
    """Conflicts that nobody has decided yet, and the attempt that met them.

    `stopped` says that they kept all else of the attempt from being written.
    """

    attempt: Attempt
    outcome: Outcome
    clashes: list[Clash]
    stopped: bool

    @property
    def look(self) -> Look:
        return self.outcome.look


async def _settle(parts: list[_Open], keep: Decisions, reason: str | None) -> SaveResult:
    """Save what was decided, with what was left unwritten because of it."""
    attempt = parts[0].attempt
    stored = attempt.stored
    every = [clash for part in parts for clash in part.clashes]
    decided = decisions(stored, as_frame(every), keep)
    undecided = {
        clash.record
        for place, clash in enumerate(every)
        if place not in decided or clash.why != "changed"
    }
    if attempt.stop and any(c.record in undecided and c.why == "changed" for c in every):
        raise InvalidDraft({"keep": "This save stops at conflicts: decide all of them."})
    words = {(every[place].record, every[place].column): say for place, say in decided.items()}
    frames, left = [], []
    doomed: dict[str, int] = {}
    new: pd.DataFrame | None = None
    for part in parts:
        frames.append(_pending(part, undecided, words))
        doomed |= _doomed(part, undecided, words)
        new = part.attempt.new if part.stopped else new
        rest = [clash for clash in part.clashes if clash.record in undecided]
        left += [replace(part, clashes=rest, stopped=False)] if rest else []
    found = given(
        stored, pd.concat(frames, ignore_index=True), columns=None, based_on=None, add=False
    )
    # What others changed is not in a frame of which only a part was looked at.
    shown = [] if attempt.found.partial else attempt.frames
    again = replace(attempt, found=found, new=new, doomed=doomed, frames=shown)
    return await _run(again, reason, left)


Words = dict[tuple[Any, str | None], tuple[str, Any]]


def _doomed(part: _Open, undecided: set[Any], words: Words) -> dict[str, int]:
    """Return the records that are to be trashed after all."""
    made = {}
    for clash in part.clashes:
        if clash.column != "deleted_at" or clash.record in undecided:
            continue
        word = words[clash.record, clash.column][0]
        if word == "value":
            raise InvalidDraft({"keep": "A record goes to the trash or not: mine or theirs."})
        if word == "mine":
            made[clash.record] = part.outcome.versions[clash.record]
    if part.stopped:  # then nothing else was trashed either
        held_up = {clash.record for clash in part.clashes}
        made |= {k: v for k, v in part.attempt.doomed.items() if k not in held_up}
    return made


def _pending(part: _Open, undecided: set[Any], words: Words) -> pd.DataFrame:
    """Return what is to be saved: the stored records, with my cells, and what was decided."""
    look = part.look
    found: Given = look.found
    keys = key_index(found.keys)
    blocked = {clash.record for clash in part.clashes}
    rows = [
        n
        for n in look.mine.tolist()
        if keys[n] not in undecided and (keys[n] in blocked or (part.stopped and n not in look.why))
    ]
    made: dict[str, Any] = {
        name: found.keys[name].take(pa.array(rows, pa.int64())).to_pylist()
        for name in key_of(found.stored)
    }
    made["version"] = [int(look.now.versions[n]) for n in rows]
    mine = {one.column: set(one.rows.tolist()) for one in look.cells}
    for name in editable(found.stored):
        if name not in found.cells:
            continue
        stored = look.now.cells[name].take(pa.array(rows, pa.int64()))
        values = told(found.columns[name].type, stored).to_pylist()
        for place, n in enumerate(rows):
            word, value = words.get((keys[n], name), ("mine", None))
            if word == "value":
                values[place] = value
            elif word == "mine" and n in mine.get(name, ()):
                values[place] = found.cells[name][n].as_py()
        made[name] = pd.Series(values, dtype=object)
    return pd.DataFrame(made)
