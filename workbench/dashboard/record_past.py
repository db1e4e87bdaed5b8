"""The history of one record beside its form: who changed what, and one change taken back."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Any
from uuid import UUID

from workbench.dashboard.changed import DONE, field, moment
from workbench.dashboard.listing import Listing, Within, button
from workbench.editing import RepositorySource
from workbench.history import changes as history
from workbench.widgets.content import Element, element

__all__ = ["RecordPast"]

_AT_ONCE = 5
_FURTHER = 20
_AS_TEXT = ("text", "reference")


class RecordPast(Listing):
    """The changes of a record, the latest first; `on_revert` is called after one was taken back."""

    empty = "Nothing is kept of what was changed."

    def __init__(
        self, within: Within, source: RepositorySource, on_revert: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(within.done, within.run)
        self._within, self._source, self._on_revert = within, source, on_revert
        self._titles = {column.field: column.title for column in source.columns}
        self._limit = _AT_ONCE
        self._names: dict[UUID, str] = {}
        self.record: UUID | None = None
        self.changes: dict[str, list[dict[str, Any]]] = {}

    async def of(self, record: UUID) -> None:
        """Show the changes of a record; of the same one, those that are there by now."""
        if record != self.record:
            self.record, self._limit = record, _AT_ONCE
        await self.load()
        self.show()

    async def load(self, *, further: bool = False) -> None:
        assert self.record is not None
        self._limit += _FURTHER * further
        database, record, limit = self._within.wb.database, self.record, self._limit
        rows = await history.history(database, record, limit=limit + 1)
        found = [(str(key), list(of)) for key, of in groupby(rows, key=lambda row: row["change"])]
        references = self._source.entity.references
        names = await history.names_of(
            database,
            {
                (references[row["column"]], UUID(row[side]))
                for row in rows
                if row["column"] in references
                for side in ("before", "after")
                if row[side]
            },
        )
        if record == self.record:  # else another one is to be shown by now
            self.changes, self._names = dict(found[:limit]), names
            self.more = len(found) > limit

    async def do(self, verb: str, which: str) -> str:
        """Take back what still stands of a change; what was changed since stays."""
        record = self.changes[which][0]["record"]  # by the next line, another one may be shown
        rows = [row for row in self.changes[which] if row["column"] in self._titles]
        now = await self._source.row(record)
        standing = [r for r in rows if now.get(r["column"]) == self._value(r, "after")]
        if not standing:
            return "All of it was changed again since: nothing was reverted."
        titles = ", ".join(self._titles[row["column"]].lower() for row in standing)
        await self._source.repository.update(
            record,
            {row["column"]: self._value(row, "before") for row in standing},
            version=now["version"],
            reason=f"reverted {titles}",
        )
        await self._on_revert()
        left = len(rows) - len(standing)
        return f"Reverted {titles}." + (" What was changed again since stays." if left else "")

    def lines(self) -> list[Element]:
        return [self._line(key, rows) for key, rows in self.changes.items()]

    def _line(self, key: str, rows: list[dict[str, Any]]) -> Element:
        first = rows[0]
        at, by, done = first["at"], first["by"], DONE[first["operation"]]
        shown = [row for row in rows if first["operation"] == "update" and row["column"]]
        fields = [row for row in shown if row["column"] in self._titles]
        titles = ", ".join(self._titles[row["column"]] for row in fields)
        mine = bool(fields) and self._within.standing.role != "viewer"
        said = f"Revert: {titles}, {at:%Y-%m-%d %H:%M} UTC, {by}"
        return element(
            "li",
            element(
                "div",
                *(self._field(row) for row in shown),
                element("p", done.capitalize()) if not shown else None,
                element(
                    "small",
                    moment(at),
                    element("span", by),
                    element("span", first["reason"]) if first["reason"] else None,
                ),
            ),
            element("div", button("Revert", said, f"revert/{key}"), kind="wb-doing")
            if mine
            else None,
        )

    def _field(self, row: dict[str, Any]) -> Element:
        title = self._titles.get(row["column"], row["column"])
        return field(title, self._words(row, "before"), self._words(row, "after"))

    def _words(self, row: dict[str, Any], side: str) -> object:
        value = row[side]
        if value and row["column"] in self._source.entity.references:
            return self._names.get(UUID(value), "something that is not to be seen")
        return value

    def _value(self, row: dict[str, Any], side: str) -> Any:
        """Return a value as a row of the grid holds it: the history has it as text."""
        text = row[side]
        kind = self._source.entity.kinds[row["column"]]
        if text is None or kind.word in (*_AS_TEXT, "choice"):
            return text
        return json.loads(text)
