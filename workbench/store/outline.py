"""A world's outline: book → story → act → scene."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, cast, func, literal, null, select, union_all

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.act import ACT
from workbench.entities.book import BOOK
from workbench.entities.scene import SCENE
from workbench.entities.story import STORY

OUTLINE_MAXIMUM_SCENES = 5_000


@dataclass(frozen=True)
class Node:
    """A book, story, act or scene, with what it contains in order."""

    entity: str
    id: UUID
    label: str
    position: int | None
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class Outline:
    """The tops of the tree: books, and stories that are in no book.

    `left_out` counts scenes that are not shown because the world has too many.
    """

    roots: list[Node]
    left_out: int = 0

    def __str__(self) -> str:
        lines = [line for root in self.roots for line in _lines(root, 0)]
        if self.left_out:
            lines.append(f"… and {self.left_out:,} more scenes.")
        return "\n".join(lines)


async def outline(
    database: Database, world: UUID, *, scenes: int = OUTLINE_MAXIMUM_SCENES
) -> Outline:
    """Return the outline of `world`, siblings by position, then name.

    One statement for books, stories and acts, one for the first `scenes` scenes.
    """
    tables = (
        _level(BOOK.table, null()),
        _level(STORY.table, STORY.table.c.bookid),
        _level(ACT.table, ACT.table.c.storyid),
    )
    upper = union_all(*(level.where(t.c.worldid == world) for level, t in tables))
    scene_level, scene = _level(SCENE.table, SCENE.table.c.actid)
    lower = scene_level.where(scene.c.worldid == world).order_by(scene.c.id).limit(scenes + 1)
    async with database.reading() as connection:
        with translated():
            rows = list(await connection.execute(upper))
            shown = list(await connection.execute(lower))
            left_out = 0
            if len(shown) > scenes:
                counted = select(func.count()).where(
                    SCENE.table.c.worldid == world, SCENE.table.c.deleted_at.is_(None)
                )
                left_out = int(await connection.scalar(counted) or 0) - scenes
    return Outline(_tree([*rows, *shown[:scenes]]), left_out)


def _lines(node: Node, depth: int) -> list[str]:
    below = [line for child in node.children for line in _lines(child, depth + 1)]
    return [f"{'    ' * depth}{node.label}", *below]


def _level(table: Any, parent: Any) -> tuple[Select[Any], Any]:
    statement = select(
        literal(table.name).label("entity"),
        table.c.id,
        cast(parent, Uuid).label("parentid"),
        func.coalesce(table.c.display_name, table.c.name).label("label"),
        table.c.position,
    ).where(table.c.deleted_at.is_(None))
    return statement, table


def _tree(rows: list[Any]) -> list[Node]:
    nodes = {row.id: Node(row.entity, row.id, row.label, row.position) for row in rows}
    children: dict[UUID | None, list[Node]] = defaultdict(list)
    for row in rows:
        # A story whose book is in the trash stands at the top.
        children[row.parentid if row.parentid in nodes else None].append(nodes[row.id])
    for parent, siblings in children.items():
        siblings.sort(key=lambda n: (n.position is None, n.position or 0, n.label))
        if parent is not None:
            nodes[parent].children.extend(siblings)
    return [n for n in children[None] if n.entity in ("book", "story")]
