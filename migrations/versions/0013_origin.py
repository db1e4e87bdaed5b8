"""From which row of which file an imported record came.

A changeset tells who imported what and why; its rows are told here, thousands at a time: the ids
of records, in order, beside what their rows are called. Of links, which have no id, the changeset
alone tells. Whoever imports notes it himself, for worlds in which the same transaction has changed
something; whoever reads the changes of a world reads this too.
"""

from __future__ import annotations

from types import ModuleType

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ORIGIN = (
    """
    CREATE TABLE history.origin (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        changesetid UUID NOT NULL,
        noted_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        worldid UUID NOT NULL,
        entity TEXT NOT NULL,
        file TEXT NOT NULL,
        first UUID NOT NULL,
        last UUID NOT NULL,
        ids UUID[] NOT NULL,
        rows TEXT[] NOT NULL,
        CONSTRAINT pk_origin PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_origin_worldid ON history.origin (worldid, changesetid, entity, last)",
    "ALTER TABLE history.origin ENABLE ROW LEVEL SECURITY",
    "GRANT SELECT ON history.origin TO workbench_viewer",
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON history.origin "
    "FOR EACH STATEMENT EXECUTE FUNCTION history.append_only()",
)
# What is forgotten of changes, is of their rows too.
FORGOTTEN = (
    "  DELETE FROM history.change WHERE",
    "  DELETE FROM history.origin WHERE noted_at < least(moment, now());\n"
    "  DELETE FROM history.change WHERE",
)
NOTE_ROWS = """
CREATE FUNCTION history.note_rows(
  world uuid, of_entity text, of_file text, records uuid[], labels text[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  current uuid;
BEGIN
  SELECT id INTO current FROM history.changeset
    WHERE started_at = now() AND txid = pg_current_xact_id();
  IF NOT EXISTS (
    SELECT FROM history.change AS c
    WHERE c.worldid = world AND c.recordid = records[1] AND c.changed_at = now()
      AND c.changesetid = current AND c.entity = of_entity
  ) THEN
    RAISE insufficient_privilege USING MESSAGE = 'nothing of this was changed in the transaction';
  END IF;
  IF cardinality(records) <> cardinality(labels) OR cardinality(records) > 10000 THEN
    RAISE data_exception USING MESSAGE = 'each of at most 10,000 records has one label';
  END IF;
  INSERT INTO history.origin (changesetid, worldid, entity, file, first, last, ids, rows)
  VALUES (current, world, of_entity, left(of_file, 1000), records[1],
    records[cardinality(records)], records, labels);
END $$;
"""
KEPT = ("TG_TABLE_NAME = 'change'", "TG_TABLE_NAME IN ('change', 'origin')")
SIGNATURE = "history.note_rows(uuid, text, text, uuid[], text[])"


def module(step: str) -> ModuleType:
    found: ModuleType = op.get_context().script.get_revision(step).module
    return found


def forget() -> str:
    source: str = module("0011").FORGET
    return source.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


def upgrade() -> None:
    for statement in (*ORIGIN, NOTE_ROWS):
        op.execute(statement)
    op.execute(module("0011").APPEND_ONLY.replace(*KEPT))
    op.execute(forget().replace(*FORGOTTEN))
    rights = module("0011").rights_of_here()
    op.execute(
        "CREATE POLICY reading ON history.origin FOR SELECT TO workbench_viewer "
        f"USING ({rights.within('viewer')})"
    )
    op.execute(f"REVOKE EXECUTE ON FUNCTION {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO workbench_editor")


def downgrade() -> None:
    op.execute(forget())
    op.execute(module("0011").APPEND_ONLY)
    op.execute(f"DROP FUNCTION {SIGNATURE}")
    op.execute("DROP TABLE history.origin")
