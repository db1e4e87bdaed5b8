"""A source in memory with as many rows as wanted: for tests and for looking at the widgets."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from workbench.errors import (
    DuplicateName,
    InvalidDraft,
    NotFound,
    Refused,
    StaleRecord,
    StoreUnavailable,
)
from workbench.widgets.source import Choice, Column, Edit, Filter, Page, Row, Sort, StoredRow

PLACES = {f"p{n}": f"{name} {n}" for n, name in enumerate(["Elsinore", "Dunsinane", "Verona"] * 20)}


class FakeSource:
    columns = (
        Column("name", "Name", required=True, max_length=255, help="Unique within the act."),
        Column("kind", "Kind", "choice", options=("indoors", "outdoors", "dream")),
        Column("locationid", "Location", "reference", reference="location"),
        Column("position", "Position", "integer", minimum=1),
        Column("open", "Open", "boolean"),
        Column("tags", "Tags", "tags"),
        Column("description", "Description", "long", section="Words"),
        Column("attributes", "Attributes", "json", section="More"),
        Column("updated_at", "Changed", "time", editable=False, section="More"),
    )

    def __init__(self, count: int = 100_000) -> None:
        self.rows = {row["id"]: row for row in map(self.row, range(count))}
        self.trash: dict[str, list[StoredRow]] = {}
        self.down = False

    def row(self, n: int) -> StoredRow:
        place = f"p{n % 60}"
        return StoredRow(
            id=f"r{n}", version=1, name=f"Scene {n}", kind=("indoors", "outdoors", None)[n % 3],
            locationid=place, locationid__label=PLACES[place], locationid__trashed=n % 7 == 3,
            position=n + 1, open=n % 2 == 0, tags=["night", "storm"][: n % 3], attributes={},
            description=f"What happens in scene {n}.", updated_at="2026-11-21T08:00:00+00:00",
        )  # fmt: skip

    async def page(self, start: int, count: int, *, sort: Sequence[Sort],
                   filters: Sequence[Filter], search: str | None,
                   total: bool = True) -> Page:  # fmt: skip
        self.check()
        rows = self.matching(filters, search)
        for s in reversed(sort):
            empty = [r for r in rows if r[s.field] is None]
            full = [r for r in rows if r[s.field] is not None]
            rows = sorted(full, key=lambda r: str(r[s.field]), reverse=s.descending) + empty
        block = [dict(r) for r in rows[start : start + count]]
        return Page(block, total=len(rows) if total or len(block) < count else None)

    async def total(self, *, filters: Sequence[Filter], search: str | None) -> int:
        self.check()
        return len(self.matching(filters, search))

    def matching(self, filters: Sequence[Filter], search: str | None) -> list[StoredRow]:
        rows = [r for r in self.rows.values() if all(self.meets(r, f) for f in filters)]
        return [r for r in rows if search is None or search.lower() in r["name"].lower()]

    def meets(self, row: Row, f: Filter) -> bool:
        value = row[f.field]
        if f.test in ("empty", "not_empty"):
            return (value in (None, "", [], {})) == (f.test == "empty")
        if f.test == "between":
            low, high = f.value
            return value is not None and (low or value) <= value <= (high or value)
        return value == f.value if f.test == "equals" else f.value.lower() in str(value).lower()

    async def lookup(self, field: str, term: str, row: Mapping[str, Any] | None) -> list[Choice]:
        found = [Choice(k, v, "a place") for k, v in PLACES.items() if term.lower() in v.lower()]
        return found[:20]

    async def save(self, id: str, version: int, changes: Mapping[str, object]) -> Row:
        self.check(changes, id)
        if id not in self.rows:
            raise NotFound("scene", id, "Somebody purged it.")
        if self.rows[id].version != version:
            raise StaleRecord("scene", StoredRow(self.rows[id]), expected_version=version)
        label = {"locationid__label": PLACES.get(str(changes.get("locationid")), "")}
        shown = label if "locationid" in changes else {}
        self.rows[id] = StoredRow({**self.rows[id], **changes, **shown, "version": version + 1})
        return dict(self.rows[id])

    async def stored(self, ids: Sequence[str]) -> list[Row]:
        return [dict(self.rows[id]) for id in ids if id in self.rows]

    async def save_all(self, edits: Sequence[Edit], *, reason: str) -> None:
        self.reasons = [reason]
        for edit in edits:
            if self.rows[edit.id].version != edit.version:
                raise Refused(f"“{self.rows[edit.id]['name']}” was changed by somebody else.")
        for edit in edits:
            await self.save(edit.id, edit.version, edit.changes)

    def check(self, values: Mapping[str, object] | None = None, id: str = "") -> None:
        if self.down:
            raise StoreUnavailable("The database does not answer. Try again in a moment.")
        if values is not None and not str(values.get("name", "x") or "").strip():
            raise InvalidDraft({"name": "must not be blank"}, entity="scene")
        if (values or {}).get("name") == "Scene 0" and id != "r0":
            raise DuplicateName("Another scene is named 'Scene 0'.", field="name")

    async def add(self, values: Mapping[str, object]) -> Row:
        self.check({"name": "", **values})
        empty = dict.fromkeys(c.field for c in self.columns)
        row = StoredRow(
            {**empty, "open": False, "tags": [], **values, "id": str(uuid4()), "version": 1}
        )
        row["locationid__label"] = PLACES.get(str(row["locationid"]), "")
        self.rows = {row["id"]: row, **self.rows}
        return dict(row)

    async def remove(self, ids: Sequence[str]) -> str:
        self.check()
        token = str(uuid4())
        self.trash[token] = [self.rows.pop(id) for id in ids]
        return token

    async def restore(self, token: str) -> None:
        self.rows |= {row["id"]: row for row in self.trash.pop(token)}
