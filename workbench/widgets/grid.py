"""The grid: rows of a `Source` in a table that fetches, sorts, filters and edits in place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import traitlets

from workbench.errors import InvalidDraft, NotAllowed
from workbench.widgets.bulk import Bulk, outcome, verbs
from workbench.widgets.merging import COMBINED, merged
from workbench.widgets.pasting import SHOWN, lines_of, rows_under
from workbench.widgets.place import fits, index_of
from workbench.widgets.rpc import Handler, Rpc
from workbench.widgets.source import (
    Edit,
    Filter,
    Page,
    Pasted,
    Pastes,
    Question,
    Row,
    Sort,
    Source,
)
from workbench.widgets.wire import json_safe

__all__ = ["Grid"]

# A request names its own block; a hostile or mistaken one must not read the whole table.
_MOST_ROWS_A_BLOCK = 1_000
_ROWS_REMEMBERED = 4_000
_MOST_ROWS_A_CHANGE = 5_000


class Grid(Rpc):
    """A table of a source's rows, in blocks of `page_size` as they scroll into view.

    `selected` holds the ids of the ticked rows, `active` the id of the row with the focus.
    `first` holds the first block until a browser has taken it, or a row was changed.
    `preset` holds values that a new row starts with, and `<field>__label` for references.
    `changed` is set to each row that was saved or added here, `removed` to the ids of each removal;
    `query` is that of the address of the grid's own page: while the browser is there, its address
    tells filters, search and order;
    `can_paste` says whether the source takes cells of a spreadsheet;
    `can_open` says whether rows have a page: Ctrl-Enter asks `on_open` for the one of a row.
    `question` is what was asked last: which rows are shown, and in which order.
    `refused` counts what was not allowed: rights may change while the grid is in sight.
    """

    bundle = "grid"

    columns = traitlets.List(traitlets.Dict()).tag(sync=True)
    noun = traitlets.Unicode("row").tag(sync=True)
    plural = traitlets.Unicode("rows").tag(sync=True)
    height = traitlets.Unicode("480px").tag(sync=True)
    page_size = traitlets.Int(100, min=1, max=_MOST_ROWS_A_BLOCK).tag(sync=True)
    can_add = traitlets.Bool(True).tag(sync=True)
    can_remove = traitlets.Bool(True).tag(sync=True)
    can_open = traitlets.Bool(False).tag(sync=True)
    query = traitlets.Unicode("").tag(sync=True)
    can_paste = traitlets.Bool(False).tag(sync=True)
    preset = traitlets.Dict().tag(sync=True)
    selected = traitlets.List(traitlets.Unicode()).tag(sync=True)
    active = traitlets.Unicode("").tag(sync=True)
    first = traitlets.Dict().tag(sync=True)

    changed = traitlets.Dict()
    removed = traitlets.List(traitlets.Unicode())
    refused = traitlets.Int(0)

    def __init__(self, source: Source, **traits: object) -> None:
        self.source = source
        self._seen: dict[str, Row] = {}
        self.question = Question()
        self.on_open: Callable[[str], Awaitable[None]] | None = None
        self._planned: tuple[list[Edit], str] = ([], "")
        self._pasted: Pasted | None = None
        self._pastes = 0
        columns = [{**column.as_json(), "verbs": verbs(column)} for column in source.columns]
        super().__init__(columns=columns, **{"can_paste": isinstance(source, Pastes), **traits})

    def operations(self) -> Mapping[str, Handler]:
        return {
            "page": self._page,
            "open": self._open,
            "total": self._total,
            "place": self._place,
            "lookup": self._lookup,
            "save": self._save,
            "combine": self._combine,
            "plan": self._plan,
            "apply": self._apply,
            "paste": self._paste,
            "paste_now": self._paste_now,
            "add": self._add,
            "remove": self._remove,
            "restore": self._restore,
        }

    async def prefetch(self) -> None:
        """Read the first block, so that it travels with the grid, which then asks for none."""
        self.first = json_safe(await self._page({"start": 0, "count": self.page_size}))

    def refresh(self) -> None:
        """Fetch the rows on screen again, keeping place, selection and unsaved edits."""
        self.first = {}
        self.tell("refresh")

    def show(self, row: Mapping[str, Any]) -> None:
        """Show `row` as stored now, if it is on screen."""
        self.first = {}
        self._see(row)
        self.tell("row", row=row)

    async def changed_elsewhere(self, ids: Collection[str]) -> None:
        """Show those of these rows that are on screen as they are stored now."""
        seen = [id for id in ids if id in self._seen]
        for row in await self.source.stored(seen) if seen else ():
            if row["version"] > self._seen.get(row["id"], row)["version"]:
                self.show(row)

    def row(self, id: str) -> Row | None:
        """Return a row as last seen, if it was on screen lately."""
        return self._seen.get(id)

    def _see(self, row: Mapping[str, Any]) -> None:
        self._seen.pop(row["id"], None)
        self._seen[row["id"]] = dict(row)
        while len(self._seen) > _ROWS_REMEMBERED:
            del self._seen[next(iter(self._seen))]

    async def _page(self, args: Mapping[str, Any]) -> object:
        asked, page = await self._block(args)
        self.question = asked
        for row in page.rows:
            self._see(row)
        return {"rows": page.rows, "total": page.total, "last": page.last}

    async def _block(self, args: Mapping[str, Any]) -> tuple[Question, Page]:
        asked = Question(_sort(args), _filters(args), args.get("search") or None)
        page = await self.source.page(
            max(0, int(args["start"])),
            min(int(args["count"]), _MOST_ROWS_A_BLOCK),
            sort=asked.sort,
            filters=asked.filters,
            search=asked.search,
            total=False,
        )
        return asked, page

    async def _open(self, args: Mapping[str, Any]) -> None:
        if self.on_open is not None:
            await self.on_open(str(args["id"]))

    async def _total(self, args: Mapping[str, Any]) -> int:
        return await self.source.total(filters=_filters(args), search=args.get("search") or None)

    async def _place(self, args: Mapping[str, Any]) -> object:
        """Answer where a row lies: `index` is None if it lies far off, or does not fit at all."""
        id, filters, search = str(args["id"]), _filters(args), args.get("search") or None
        if not await fits(self.source, id, filters, search):
            return {"fits": False, "index": None}
        index = await index_of(self.source, id, sort=_sort(args), filters=filters, search=search)
        return {"fits": True, "index": index}

    async def _lookup(self, args: Mapping[str, Any]) -> object:
        found = await self.source.lookup(args["field"], args.get("term", ""), args.get("row"))
        return [asdict(choice) for choice in found]

    async def _save(self, args: Mapping[str, Any]) -> Row:
        with self._counting_refusals():
            row = await self.source.save(args["id"], int(args["version"]), dict(args["changes"]))
        self.first = {}
        self._see(row)
        self.changed = row
        return row

    async def _combine(self, args: Mapping[str, Any]) -> object:
        """Answer what has both changes of a cell; None where they are in each other's way."""
        kinds = {column.field: column.kind for column in self.source.columns}
        if kinds.get(str(args["field"])) not in COMBINED:
            return None
        mine, theirs = args.get("mine"), args.get("theirs")
        both = merged(args.get("base"), mine, theirs)
        return None if both in (mine, theirs) else both

    async def _plan(self, args: Mapping[str, Any]) -> object:
        """Answer what a change of one column would do to rows; `_apply` does exactly that."""
        bulk = Bulk(
            str(args["field"]),
            str(args["verb"]),
            args.get("value"),
            str(args.get("find", "")),
            str(args.get("label", "")),
        )
        column = next((c for c in self.source.columns if c.field == bulk.field), None)
        if column is None:
            raise InvalidDraft({bulk.field: "There is no such column."})
        ids = {str(id) for id in args["ids"]}
        if len(ids) > _MOST_ROWS_A_CHANGE:
            most = f"At most {_MOST_ROWS_A_CHANGE:,} rows are changed at once. Tick fewer."
            raise InvalidDraft({bulk.field: most})
        rows = await self.source.stored(list(ids))
        found = outcome(column, bulk, rows)
        if gone := len(ids) - len(rows):
            found.problems["Somebody removed it."] = gone
        count = len(found.edits)
        noun = self.noun if count == 1 else self.plural
        self._planned = found.edits, f"{column.title.lower()} of {count:,} {noun}"
        return {**asdict(found), "edits": None, "count": count}

    async def _apply(self, _args: Mapping[str, Any]) -> int:
        edits, reason = self._planned
        with self._counting_refusals():
            await self.source.save_all(edits, reason=reason)
        self._planned = ([], "")
        self.first = {}
        for row in await self.source.stored([edit.id for edit in edits]):
            self.show(row)
            self.changed = row
        return len(edits)

    async def _paste(self, args: Mapping[str, Any]) -> object:
        """Answer what pasted cells would do; `_paste_now` does exactly that."""
        if not isinstance(self.source, Pastes):
            raise InvalidDraft({"*": f"{self.plural.capitalize()} cannot be pasted."})
        cells, start, ids = lines_of(args["cells"]), int(args["start"]), list(args["ids"])

        async def following(place: int, count: int) -> Sequence[Row]:
            block = {**args, "start": start + place, "count": count - place}
            return [dict(row) for row in (await self._block(block))[1].rows]

        rows = await rows_under(self.source, ids, len(cells), following) if start >= 0 else []
        self._pasted = await self.source.paste(cells, fields=list(args["fields"]), rows=rows)
        self._pastes += 1
        return {"number": self._pastes, **{name: getattr(self._pasted, name) for name in SHOWN}}

    async def _paste_now(self, args: Mapping[str, Any]) -> None:
        if self._pasted is None or args["number"] != self._pastes:
            raise InvalidDraft({"*": "Something else was pasted meanwhile. Paste again."})
        done, self._pasted = self._pasted, None
        with self._counting_refusals():
            await done.apply()
        self.first = {}
        for row in await self.source.stored(done.ids[:_MOST_ROWS_A_BLOCK]):
            self._see(row)
            self.changed = row
        self.refresh()

    async def _add(self, args: Mapping[str, Any]) -> Row:
        preset = {k: value for k, value in self.preset.items() if not k.endswith("__label")}
        with self._counting_refusals():
            row = await self.source.add({**preset, **args["values"]})
        self._see(row)
        self.changed = row
        return row

    async def _remove(self, args: Mapping[str, Any]) -> str:
        ids: Sequence[str] = [str(id) for id in args["ids"]]
        with self._counting_refusals():
            token = await self.source.remove(ids)
        self.removed = list(ids)
        return token

    async def _restore(self, args: Mapping[str, Any]) -> None:
        await self.source.restore(str(args["token"]))

    @contextmanager
    def _counting_refusals(self) -> Iterator[None]:
        try:
            yield
        except NotAllowed:
            self.refused += 1
            raise


def _sort(args: Mapping[str, Any]) -> list[Sort]:
    return [Sort(str(s["field"]), bool(s["descending"])) for s in args.get("sort", ())]


def _filters(args: Mapping[str, Any]) -> list[Filter]:
    return [Filter(str(f["field"]), f["test"], f.get("value")) for f in args.get("filters", ())]
