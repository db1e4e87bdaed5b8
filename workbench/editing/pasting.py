"""Pasted cells as the changes and the new rows that they would make of an entity's rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from workbench.database.engine import Database
from workbench.editing.choices import shown_as
from workbench.entities import ENTITIES
from workbench.entities.base import Entity
from workbench.errors import InvalidDraft, Problem
from workbench.transfer.lookups import lookups
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
    world: UUID | None,
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
        The world of rows that are new, and of what rows refer to.
    fields
        The columns that the cells lie over, if their first line names none.
    rows
        The rows that they lie over then; cells below the last of them make new rows.
    wrote
        Called when it is done.

    Raises
    ------
    InvalidDraft
        The cells do not fit over the columns, or it is not clear what they refer to.
    """
    titles = {column.title.casefold(): _header(entity, column.field) for column in columns}
    header = header_of(entity, cells[0], titles) if len(cells) > 1 else None
    if header is not None:
        if twice := {name for name in header if header.count(name) > 1}:
            raise InvalidDraft({"*": f"Two columns are called {' and '.join(sorted(twice))}."})
        fixed = [_header(entity, column.field) for column in columns if not column.editable]
        given = {
            name: [line[place] or None for line in cells[1:]]
            for place, name in enumerate(header)
            if name not in fixed
        }
    else:
        given = _over(entity, columns, cells, fields, rows)
    for column in columns:
        name = _header(entity, column.field)
        if column.kind == "tags" and name in given:
            given[name] = [_tags(cell) for cell in given[name]]
        if column.kind == "reference" and name in given and name != column.field:
            await _refer(database, entity, column, world, given)
    if entity.in_world:
        count = len(next(iter(given.values())))
        below = rows if header is None else ()
        worlds = [row["worldid"] for row in below[:count]]
        new = None if world is None else str(world)
        given["worldid"] = [*worlds, *[new] * (count - len(worlds))]
    return PastedRows(await plan_of(database, entity, given), entity.plural, wrote)


def _over(
    entity: Entity[Any, Any],
    columns: Sequence[Column],
    cells: Sequence[Sequence[str]],
    fields: Sequence[str],
    rows: Sequence[Row],
) -> dict[str, list[str | None]]:
    """Return the columns of an import that puts `cells` over `rows`."""
    below = rows[: len(cells)]
    given: dict[str, list[str | None]] = {
        "id": [row["id"] for row in below],
        entity.label: [str(row[entity.label]) for row in below],
    }
    parent = entity.parent_column
    if parent is not None and parent != "worldid":
        given[parent] = [row[parent] for row in below]
    for known in given.values():
        known += [None] * (len(cells) - len(known))
    for place, column in enumerate(_under(columns, fields, len(cells[0]))):
        given[_header(entity, column.field)] = [line[place] or None for line in cells]
    return given


async def _refer(
    database: Database,
    entity: Entity[Any, Any],
    column: Column,
    world: UUID | None,
    given: dict[str, list[str | None]],
) -> None:
    """Put ids in place of the words by which a grid shows records.

    What no record is shown by is left to the import, which knows records by name; but not where
    it needs to be told what contains them, as of an act its story.
    """
    name = _header(entity, column.field)
    target = ENTITIES[entity.references[column.field]]
    above = [step.level for lookup in lookups(entity.name) if lookup.level == name
             for step in lookup.path[:-1]]  # fmt: skip
    if world is None or not target.in_world or any(level in given for level in above):
        return
    words = given.pop(name)
    found = await shown_as(database, target, {word for word in words if word}, world)
    for word, meant in found.items():
        if len(meant) > 1 or (above and not meant):
            how = f"{len(meant)} {target.plural} are" if meant else f"no {target.name} is"
            way = f" Paste it with columns for {' and '.join([*above, name])}." if above else ""
            raise InvalidDraft({column.field: f"In this world {how} called “{word}”.{way}"})
    ids: list[str | None] = [
        str(found[word][0]) if word and found[word] else None for word in words
    ]
    if any(ids) or above:
        given[column.field] = ids
    left = [None if one else word for word, one in zip(words, ids, strict=True)]
    if not above and (any(left) or not any(ids)):
        given[name] = left


def _under(columns: Sequence[Column], fields: Sequence[str], width: int) -> list[Column]:
    """Return the `width` columns that cells lie over."""
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
