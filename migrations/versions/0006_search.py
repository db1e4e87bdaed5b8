"""Indexes for finding by any part of a name, and by names that are nearly the same.

They lead with the world, so that a search costs what its world costs.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SEARCHED = ("image", "book", "story", "location", "persona", "thing")


def upgrade() -> None:
    for table in SEARCHED:
        op.execute(
            f"CREATE INDEX ix_{table}_search ON {table} "
            "USING gin (worldid, name gin_trgm_ops, display_name gin_trgm_ops)"
        )


def downgrade() -> None:
    for table in SEARCHED:
        op.execute(f"DROP INDEX ix_{table}_search")
