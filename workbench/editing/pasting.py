"""Pasted cells as the changes and the new rows that they would make of an entity's rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from workbench.database.engine import Database
from workbench.entities.base import Entity
from workbench.errors import InvalidDraft, Problem
from workbench.transfer.pasted import header_of, plan_of
from workbench.transfer.proposal import Plan
from workbench.widgets.source import Column, Pasted, Row

_SHOWN = 20
_PROBLEMS = 8


class PastedRows(Pasted):
    """What pasted cells would do, as an import shows it."""

    def __init__(self, plan: Plan, plural: str, wrote: Callable[[], object]) -> None:
        self._plan, self._wrote = plan, wrote
        counts = plan.report.tables[plural]
        updates = plan.updates
        self.ids = list(dict.fromkeys(updates.column("id").to_pylist()))
        self.added, self.changed, self.unchanged = counts.inserted, counts.updated, counts.unchanged
        self.cells = updates.num_rows
        self.shown = [
            [row["name"] or "", row["column"], row["old"] or "", row["new"] or ""]
            for row in updates.slice(0, _SHOWN).to_pylist()
        ]
        self.names = [name or "" for name in plan.inserts.slice(0, _SHOWN)["name"].to_pylist()]
        self.problems = [_said(problem) for problem in plan.problems[:_PROBLEMS]]
        self.more_problems = max(0, len(plan.problems) - _PROBLEMS)

    async def apply(self) -> None:
        """Do what is shown, or nothing."""
        await self._plan.apply(reason="pasted from a spreadsheet")
        self._wrote()


async def pasted(
    database: Database,
    entity: Entity[Any, Any],
    columns: Sequence[Column],
    world: str | None,
    *,
    cells: Sequence[Sequence[str]],
    fields: Sequence[str],
    rows: Sequence[Row],
    wrote: Callable[[], object],
) -> PastedRows:
    """Work out what pasting `cells` would do.

    Parameters
    ----------
    world
        The world of rows that are new.
    fields
        The columns that the cells lie over, if their first line names none.
    rows
        The rows that they lie over then; cells below the last of them make new rows.
    wrote
        Called when it is done.

    Raises
    ------
    InvalidDraft
        The cells do not fit over the columns.
    """
    titles = {column.title.casefold(): _header(entity, column.field) for column in columns}
    header = header_of(entity, cells[0], titles) if len(cells) > 1 else None
    given: dict[str, list[str | None]] = {}
    if header is not None:
        fixed = [_header(entity, column.field) for column in columns if not column.editable]
        for place, name in enumerate(header):
            if name not in fixed:
                given[name] = [line[place] or None for line in cells[1:]]
        below: Sequence[Row] = ()
        count = len(cells) - 1
    else:
        below, count = rows[: len(cells)], len(cells)
        for place, column in enumerate(_over(columns, fields, len(cells[0]))):
            given[_header(entity, column.field)] = [line[place] or None for line in cells]
        given["id"] = [*(row["id"] for row in below), *[None] * (count - len(below))]
        if entity.label not in given:
            given[entity.label] = [str(row[entity.label]) for row in below]
        parent = entity.parent_column
        if parent is not None and parent != "worldid":
            given[parent] = [row[parent] for row in below]
        _complete(given, count)
    for column in columns:
        if column.kind == "tags" and column.field in given:
            given[column.field] = [_tags(cell) for cell in given[column.field]]
    if entity.in_world:
        worlds = [row["worldid"] for row in below]
        given["worldid"] = [*worlds, *[world] * (count - len(below))]
    return PastedRows(await plan_of(database, entity, given), entity.plural, wrote)


def _complete(given: dict[str, list[str | None]], count: int) -> None:
    for cells in given.values():
        cells += [None] * (count - len(cells))


def _over(columns: Sequence[Column], fields: Sequence[str], width: int) -> list[Column]:
    by_field = {column.field: column for column in columns}
    over = [by_field[field] for field in fields if field in by_field][:width]
    if len(over) < width:
        raise InvalidDraft(
            {
                "*": f"These cells are {width} columns wide; there are {len(over)} from here to "
                "the right. Begin further left, or paste them with the columns' names above."
            }
        )
    for column in over:
        if not column.editable:
            raise InvalidDraft({column.field: f"{column.title} cannot be edited here."})
    return over


def _tags(cell: str | None) -> str | None:
    """Return tags as files have them: in a grid there may be commas between them."""
    return cell if cell is None or cell.lstrip().startswith("[") else cell.replace(",", ";")


def _header(entity: Entity[Any, Any], field: str) -> str:
    """Return what a file calls the column `field`: the name of what it refers to, not its id."""
    return entity.twin(field) if field in entity.references else field


def _said(problem: Problem) -> str:
    where = f"Line {problem.row}" if problem.row is not None else ""
    where = ", ".join(part for part in (where, problem.column) if part)
    return f"{where}: {problem.message}" if where else problem.message
