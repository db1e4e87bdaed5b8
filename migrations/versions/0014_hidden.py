"""How much of one's own changeset one may no longer read, so that its undo does not pass over it.

A number alone, and of one's own changesets alone: who undoes what somebody else did is told of
nothing beyond the worlds that he reads.
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

HIDDEN = """
CREATE FUNCTION history.hidden(changeset uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  seen uuid[] := rules.worlds('viewer');
  shared uuid[] := rules.shared();
BEGIN
  IF NOT EXISTS (
    SELECT FROM history.changeset AS s
    WHERE s.id = changeset AND s.userid = rules.acting_user()
  ) THEN
    RETURN 0;
  END IF;
  RETURN (
    SELECT count(DISTINCT (c.entity, c.recordid, c.key)) FROM history.change AS c
    WHERE c.changesetid = changeset AND (c.worldid <> ALL (seen)
      OR c.entity = 'world_member' AND c.worldid <> ALL (shared))
  );
END $$;
"""


def upgrade() -> None:
    op.execute(HIDDEN)
    op.execute("REVOKE EXECUTE ON FUNCTION history.hidden(uuid) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION history.hidden(uuid) TO workbench_viewer")


def downgrade() -> None:
    op.execute("DROP FUNCTION history.hidden(uuid)")
