"""What a form knows: the stored row, what was typed, what is wrong. No widgets here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import traitlets

from workbench.widgets.entry import complaint, from_text
from workbench.widgets.merging import COMBINED, merged
from workbench.widgets.source import Column, Row, Source
from workbench.widgets.wire import failure

__all__ = ["FormModel"]


class FormModel(traitlets.HasTraits):
    """State and rules of a form over one row.

    `values` is what the fields hold, `stored` the row as last read (empty where none is).
    `fixed` is what the person may not change in this row, as `__fixed` said when it was loaded: who
    loses a right while typing is told by the refused save, and nothing typed is taken away.
    `conflicts` holds, by field, the stored value where it and the typed one both changed, and
    `combined` what has both changes, where they are not in each other's way.
    `newer` is the row as somebody else, `by`, stored it since; what is shown stays until it is
    asked for. `gone` tells that somebody removed it.
    """

    stored = traitlets.Dict()
    values = traitlets.Dict()
    problems = traitlets.Dict()
    conflicts = traitlets.Dict()
    newer = traitlets.Dict()
    by = traitlets.Unicode("")
    gone = traitlets.Bool(False)
    fixed = traitlets.Union([traitlets.Bool(), traitlets.List()], default_value=False)
    message = traitlets.Unicode("")
    status = traitlets.Enum(["empty", "clean", "dirty", "saving", "saved", "refused"], "empty")

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self._by_field = {column.field: column for column in columns}
        self.combined: Row = {}
        self._bases: Row = {}  # of each conflict, the value that both began with

    @property
    def dirty(self) -> bool:
        return bool(self.changes())

    @property
    def read_only(self) -> bool:
        """Whether nothing of this row can be changed."""
        return not any(self.may_change(column) for column in self.columns)

    def may_change(self, column: Column) -> bool:
        fixed = self.fixed
        return column.editable and not (fixed is True or (fixed and column.field in fixed))

    def changes(self) -> Row:
        """Return the editable fields whose value differs from the stored one."""
        return {
            column.field: self.values.get(column.field)
            for column in self.columns
            if column.editable and self.values.get(column.field) != self.stored.get(column.field)
        }

    def load(self, row: Mapping[str, Any] | None) -> None:
        """Show `row`, or an empty form for None; whatever was typed is forgotten."""
        with self.hold_trait_notifications():
            self.fixed = (row or {}).get("__fixed", False)
            self._set(dict(row or {}), status="clean" if row else "empty")

    def enter(self, field: str, value: Any, label: str | None = None) -> None:
        """Take a value as typed: text for kinds that are typed, else the value itself."""
        column = self._by_field[field]
        problem = ""
        if isinstance(value, str) and column.kind not in ("reference", "choice"):
            try:
                value = from_text(column, value)
            except ValueError as error:
                problem = str(error)
        values = {**self.values, field: value}
        if label is not None:
            values |= {f"{field}__label": label, f"{field}__trashed": False}
        self.values = values
        problem = problem or complaint(column, value)
        others = {name: text for name, text in self.problems.items() if name != field}
        self.problems = {**others, field: problem} if problem else others
        self.status = "dirty" if self.dirty else "clean"
        self.message = ""

    def revert(self) -> None:
        self.load(self.stored or None)

    def resolve(self, field: str, *, mine: bool) -> None:
        """Settle a conflict: keep the typed value, or take the stored one."""
        if not mine:
            names = self._with_words([field])
            taken = {name: self.stored[name] for name in names if name in self.stored}
            self.values = {**self.values, **taken}
        self._close(field)

    def combine(self, field: str) -> None:
        """Settle a conflict by a value with both changes, which can be edited on."""
        self.values = {**self.values, field: self.combined[field]}
        self._close(field)

    def _close(self, field: str) -> None:
        self.conflicts = {name: row for name, row in self.conflicts.items() if name != field}
        if not self.conflicts:
            self.message = "Settled. Save to store your values." if self.dirty else ""
            self.status = "dirty" if self.dirty else "clean"

    def changed_elsewhere(self, row: Mapping[str, Any] | None, by: str = "") -> None:
        """Note a row that somebody else stored, None if they removed it; nothing shown changes."""
        if not self.stored:
            return
        with self.hold_trait_notifications():
            self.gone = row is None
            self.by = by
            if row is not None and row["version"] > self.stored["version"]:
                self.newer = dict(row)

    def reword(self, current: Mapping[str, Any]) -> None:
        """Take in the words for what the row refers to: nothing else differs in a version."""
        typed = self._with_words(self.changes())
        kept = {name: self.values[name] for name in typed if name in self.values}
        with self.hold_trait_notifications():
            self.stored = dict(current)
            self.values = {**current, **kept}

    @property
    def changed_columns(self) -> list[Column]:
        """The columns that somebody else changed since."""
        return [
            column
            for column in self.columns
            if column.editable
            and self.newer
            and self.newer.get(column.field) != self.stored.get(column.field)
        ]

    def show_newer(self) -> None:
        """Show what somebody else stored; where it and what was typed clash, a conflict opens."""
        if self.newer:
            self.merge(self.newer)

    def _settle_newer(self) -> None:
        """Forget of somebody else's row what is shown by now."""
        if self.newer and self.newer["version"] <= self.stored.get("version", 0):
            self.newer = {}

    def merge(self, current: Mapping[str, Any]) -> None:
        """Take in what somebody else stored; where both changed a field, a conflict opens."""
        typed = self.changes()
        clashing = {
            field: current.get(field)
            for field in typed
            if current.get(field) != typed[field]
            and (field in self.conflicts or current.get(field) != self.stored.get(field))
        }
        open_still = {f: base for f, base in self._bases.items() if f in self.conflicts}
        self._bases = {f: open_still.get(f, self.stored.get(f)) for f in clashing}
        self.combined = {
            field: both
            for field, theirs in clashing.items()
            if self._by_field[field].kind in COMBINED
            and (both := merged(self._bases[field], typed[field], theirs)) is not None
            and both not in (typed[field], theirs)
        }
        kept = {n: self.values[n] for n in self._with_words(typed) if n in self.values}
        self.stored = dict(current)
        self._settle_newer()
        self.values = {**current, **kept}
        self.conflicts = clashing
        self.status = "refused" if clashing else "dirty" if self.dirty else "clean"
        self.message = ""

    async def save(self, source: Source) -> Row | None:
        """Store what changed; return the row as stored, None if it was refused.

        What is typed while the store is at work stays, as a change of its own.
        """
        if self.status == "saving":
            return None
        wrong = {column.field: complaint(column, self.values.get(column.field))
                 for column in self.columns if column.editable}  # fmt: skip
        self.problems = {**self.problems, **{k: text for k, text in wrong.items() if text}}
        if self.problems or self.conflicts:
            self._refuse("Not saved: see the fields that are marked.")
            return None
        if not self.dirty:
            return dict(self.stored)
        sent = self.changes()
        self.status, self.message = "saving", ""
        try:
            row = await source.save(self.stored["id"], self.stored["version"], sent)
        except Exception as error:  # whatever it is: say it, and keep what was typed
            self._failed(error)
            return None
        since = [name for name, value in self.changes().items() if value != sent.get(name)]
        later = {name: self.values[name] for name in self._with_words(since) if name in self.values}
        self._set(dict(row), values={**row, **later}, status="dirty" if later else "saved")
        self.message = "Saved."
        return row

    @staticmethod
    def _with_words(fields: Iterable[str]) -> list[str]:
        return [name + end for name in fields for end in ("", "__label", "__trashed")]

    def _failed(self, error: Exception) -> None:
        answer = failure(error)
        if answer["kind"] == "stale":
            self.merge(answer["current"])
            self._refuse(
                "Somebody else changed this meanwhile; nothing was overwritten. "
                + ("Choose which values stay." if self.conflicts else "Look, and save again.")
            )
            return
        told = answer.get("problems") or (
            {answer["field"]: answer["message"]} if answer["field"] else {}
        )
        self.problems = {name: text for name, text in told.items() if name in self._by_field}
        self._refuse(
            "Not saved: see the fields that are marked."
            if self.problems and len(self.problems) == len(told)
            else answer["message"]
        )

    def _refuse(self, message: str) -> None:
        self.status, self.message = "refused", message

    def _set(self, stored: Row, *, status: str, values: Row | None = None) -> None:
        with self.hold_trait_notifications():
            if stored.get("id") != self.stored.get("id"):
                self.newer, self.gone = {}, False
            self.stored = stored
            self._settle_newer()
            self.values = dict(stored) if values is None else values
            self.problems, self.conflicts, self.message = {}, {}, ""
            self.status = status
