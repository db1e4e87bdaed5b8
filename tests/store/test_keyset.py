"""What a page costs: an index gives its rows in order, from where the page before ended."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import select

from workbench.entities import ENTITIES
from workbench.store.columns import literal
from workbench.store.keyset import after, cursor, steps

IN_WORLD = [name for name, entity in ENTITIES.items() if entity.in_world]


async def plan(sql, statement) -> str:
    """Return how PostgreSQL runs `statement` where tables are too large to be read whole."""
    await sql.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    return "\n".join(row[0] for row in await sql.fetch(f"EXPLAIN {literal(statement)}"))


@pytest.mark.parametrize("entity", IN_WORLD)
@pytest.mark.parametrize("order", ["name", "-name"])
async def test_an_index_gives_the_rows_of_a_world_by_name(sql, entity, order):
    stored = ENTITIES[entity]
    table, by = stored.table, steps(stored, [order])
    token = cursor(by, {"name": "M", "id": uuid4()})
    page = (
        select(table)
        .where(table.c.worldid == uuid4(), table.c.deleted_at.is_(None))
        .order_by(*(step.clause for step in by))
        .limit(50)
    )
    for statement in (page, page.where(after(by, token))):
        text = await plan(sql, statement)
        assert "Presorted Key: name" in text or "Sort" not in text, text


@pytest.mark.parametrize(
    ("order", "last", "start"),
    [
        (["actid", "position"], {"position": 3}, "scene.actid >= "),
        (["-actid", "position"], {"position": None}, "scene.actid <= "),
        (["-position"], {"position": 3}, "scene.position <= "),
        (["position", "-name"], {"position": None}, "scene.position IS NULL AND "),
        (["position", "-name"], {"position": 3}, "scene.position > "),  # or null: no one range
    ],
)
def test_a_page_begins_where_an_index_can_begin(order, last, start):
    by = steps(ENTITIES["scene"], order)
    row = {"actid": uuid4(), "id": uuid4(), "name": "x", **last}
    assert str(after(by, cursor(by, row))).startswith(start)
