"""Whoever deletes their account hands over their worlds in the trash too, where there are heirs.

Members would wait for such a world in vain: its owner alone, or a manager, takes it out of the
trash. One that nobody else is a member of stays with the account, and comes back with it.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WORLDS = "FROM public.world WHERE ownerid = of_user AND deleted_at IS NULL ORDER BY name FOR UPDATE"
ALL_WORLDS = """FROM public.world AS w
    WHERE w.ownerid = of_user AND (w.deleted_at IS NULL OR EXISTS (
      SELECT FROM public.world_member AS m JOIN public."user" AS u ON u.id = m.userid
      WHERE m.worldid = w.id AND u.id <> of_user AND u.is_active AND u.deleted_at IS NULL
        AND u.role <> 'viewer'
    )) ORDER BY w.name FOR UPDATE OF w"""


def delete_account() -> str:
    source: str = op.get_context().script.get_revision("0010").module.DELETE_ACCOUNT
    assert WORLDS in source
    return source.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


def upgrade() -> None:
    op.execute(delete_account().replace(WORLDS, ALL_WORLDS))


def downgrade() -> None:
    op.execute(delete_account())
