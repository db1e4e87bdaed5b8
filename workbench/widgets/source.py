"""What a grid, a form and an editor ask of whoever keeps the rows: small and free of any engine.

A row is a dict of JSON values: `id` (text), `version` (integer), every column's field, and for a
reference also `<field>__label`, the words that people read, and `<field>__trashed`, true
if the record it points to is in the trash. What the person may not do with this row is said by
`__fixed`, the fields they may not change, or true for all, and by `__kept`, true if they may not
remove it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

__all__ = [
    "Choice",
    "Column",
    "Edit",
    "Filter",
    "Kind",
    "Page",
    "Question",
    "Row",
    "Sort",
    "Source",
    "StoredRow",
]

Row: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal[
    "text",
    "long",
    "integer",
    "number",
    "boolean",
    "choice",
    "reference",
    "tags",
    "json",
    "time",
    "picture",
]
Test: TypeAlias = Literal["contains", "equals", "between", "empty", "not_empty"]


@dataclass(frozen=True)
class Column:
    """One field of a row as people see and edit it.

    `width` is the most a column of a grid takes by itself, in pixels; where its content is
    narrower, so is the column. None lets the grid decide. `reference` names the entity that a
    reference points to. `section` is the heading a form shows it under. `marked_up` says that the
    text is Markdown.
    """

    field: str
    title: str
    kind: Kind = "text"
    editable: bool = True
    required: bool = False
    help: str = ""
    options: Sequence[str] = ()
    reference: str | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    width: int | None = None
    sortable: bool = True
    filterable: bool = True
    hidden: bool = False
    section: str = ""
    marked_up: bool = False

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "options": list(self.options)}


@dataclass(frozen=True)
class Sort:
    field: str
    descending: bool = False


@dataclass(frozen=True)
class Filter:
    """One condition on a column; a row must meet all conditions.

    `value` is text for `contains`; a JSON value for `equals` (an id for a reference); a pair
    (lowest, highest) for `between`, both included, None for an open end; unused for
    `empty` and `not_empty`. Beside the columns, `id` can be asked for with `equals`.
    """

    field: str
    test: Test
    value: Any = None


@dataclass(frozen=True)
class Question:
    """What decides which rows a grid shows, and in which order."""

    sort: Sequence[Sort] = ()
    filters: Sequence[Filter] = ()
    search: str | None = None


@dataclass(frozen=True)
class Page:
    """Rows of one block. `total` counts all rows that match, None if not counted.

    `last` says where the rows end (their number) when that is known without a total.
    """

    rows: Sequence[Mapping[str, Any]]
    total: int | None = None
    last: int | None = None


@dataclass(frozen=True)
class Choice:
    """A record that a reference may point to: its id, its words, and what tells it from others."""

    value: str
    label: str
    detail: str = ""


@dataclass(frozen=True)
class Edit:
    """Changes of one row, of the version that they were made for."""

    id: str
    version: int
    changes: Mapping[str, object]


class StoredRow(dict[str, Any]):
    """A row as it is stored now: what a source hands to `StaleRecord` as `current`."""

    @property
    def version(self) -> int:
        return int(self["version"])


class Pasted(Protocol):
    """What pasted cells would do; nothing of it is done yet.

    `ids` are those of the rows that change, `cells` counts what changes in them, `shown` has the
    first few as [row, column, before, after], `names` the first few new rows.
    """

    ids: list[str]
    added: int
    changed: int
    unchanged: int
    cells: int
    shown: list[list[str]]
    names: list[str]
    problems: list[str]
    more_problems: int

    async def apply(self) -> None:
        """Do all of it or nothing, and nothing else than what was shown."""
        ...


@runtime_checkable
class Pastes(Protocol):
    """A source that takes cells of a spreadsheet."""

    async def paste(
        self, cells: Sequence[Sequence[str]], *, fields: Sequence[str], rows: Sequence[Row]
    ) -> Pasted:
        """Return what `cells` would do: with names of columns above them, or over `rows`."""
        ...


class Source(Protocol):
    """Where rows come from and go to. Errors are those of `workbench.errors`.

    `save` with an old version raises `StaleRecord` whose `current` is a `StoredRow`.
    """

    @property
    def columns(self) -> Sequence[Column]: ...

    async def page(
        self,
        start: int,
        count: int,
        *,
        sort: Sequence[Sort],
        filters: Sequence[Filter],
        search: str | None,
        total: bool = True,
    ) -> Page:
        """Return rows `start` to `start + count`; without `total` they wait for no counting."""
        ...

    async def total(self, *, filters: Sequence[Filter], search: str | None) -> int:
        """Return how many rows match."""
        ...

    async def lookup(self, field: str, term: str, row: Mapping[str, Any] | None) -> list[Choice]:
        """Return the records that a reference may point to, best first, a few dozen at most."""
        ...

    async def save(self, id: str, version: int, changes: Mapping[str, object]) -> Row:
        """Store the changes and return the row as stored."""
        ...

    async def stored(self, ids: Sequence[str]) -> list[Row]:
        """Return these rows as they are stored now; those that are gone are left out."""
        ...

    async def save_all(self, edits: Sequence[Edit], *, reason: str) -> None:
        """Store the changes of many rows as one change, all or none.

        Refused, with the row named, if one of them was changed meanwhile.
        """
        ...

    async def add(self, values: Mapping[str, object]) -> Row: ...

    async def remove(self, ids: Sequence[str]) -> str:
        """Put rows into the trash and return what `restore` needs to bring them back."""
        ...

    async def restore(self, token: str) -> None: ...
