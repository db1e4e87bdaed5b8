"""From which row of which file a change came, for links too, which have no id to note it by.

What is noted is of changes, by their numbers. An import's changes follow each other, and so do
the rows of its file: a stretch of both takes a few bytes, however many they are. Whoever is
told of a change by the history is told its row, and nobody else: of members, members alone.
"""

from __future__ import annotations

from types import ModuleType

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# The stretch that begins with changes[i] has counts[i] numbers; the first came from rows[i].
ORIGIN = """
CREATE TABLE history.origin (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    changesetid UUID NOT NULL,
    noted_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    worldid UUID NOT NULL,
    entity TEXT NOT NULL,
    file TEXT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    changes BIGINT[] NOT NULL,
    counts INTEGER[] NOT NULL,
    rows INTEGER[] NOT NULL,
    CONSTRAINT pk_origin PRIMARY KEY (id)
)
"""
NOTED = """
INSERT INTO history.origin
  (changesetid, noted_at, worldid, entity, file, first, last, changes, counts, rows)
SELECT b.changesetid, b.noted_at, b.worldid, b.entity, b.file, min(c.id), max(c.id),
  array_agg(c.id ORDER BY c.id), array_agg(1 ORDER BY c.id), array_agg(n.row::int ORDER BY c.id)
FROM pg_temp.before AS b, unnest(b.ids, b.rows) AS n (record, row), LATERAL (
  SELECT max(c.id) AS id FROM history.change AS c
  WHERE c.worldid = b.worldid AND c.recordid = n.record AND c.changed_at = b.noted_at
    AND c.changesetid = b.changesetid AND c.entity = b.entity AND c.key IS NULL
) AS c WHERE c.id IS NOT NULL
GROUP BY b.id, b.changesetid, b.noted_at, b.worldid, b.entity, b.file ORDER BY b.id
"""
# What readers of the world go through must not fail them, whoever notes it.
NOTE_ROWS = """
CREATE FUNCTION history.note_rows(
  world uuid, of_entity text, of_file text, stretches bigint[], lengths integer[],
  numbers integer[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  current uuid;
  most integer := cardinality(stretches);
  final bigint := stretches[most] + lengths[most] - 1;
BEGIN
  IF most NOT BETWEEN 1 AND 10000 OR cardinality(lengths) <> most OR cardinality(numbers) <> most
    OR array_position(lengths, NULL) > 0 OR array_position(numbers, NULL) > 0
    OR stretches IS DISTINCT FROM ARRAY(SELECT DISTINCT unnest(stretches) ORDER BY 1)
    OR array_position(stretches, NULL) > 0 OR (final < stretches[1]) IS NOT FALSE
  THEN
    RAISE data_exception USING
      MESSAGE = 'at most 10,000 stretches, in order, have a length and a row each';
  END IF;
  SELECT id INTO current FROM history.changeset
    WHERE started_at = now() AND txid = pg_current_xact_id();
  IF (
    SELECT count(*) FROM history.change AS c
    WHERE c.id IN (stretches[1], final) AND c.worldid = world AND c.changesetid = current
      AND c.entity = of_entity
  ) <> 1 + (final > stretches[1])::integer THEN
    RAISE insufficient_privilege USING MESSAGE = 'nothing of this was changed in the transaction';
  END IF;
  INSERT INTO history.origin
    (changesetid, worldid, entity, file, first, last, changes, counts, rows)
  VALUES (current, world, of_entity, left(of_file, 1000), stretches[1], final, stretches, lengths,
    numbers);
END $$;
"""
OLD = "history.note_rows(uuid, text, text, uuid[], text[])"
NEW = "history.note_rows(uuid, text, text, bigint[], integer[], integer[])"


def module(step: str) -> ModuleType:
    found: ModuleType = op.get_context().script.get_revision(step).module
    return found


def make(table: str, note_rows: str, signature: str, readable: str) -> None:
    """Make the table and what notes in it; the rest of step 0013 stays as it is."""
    before = module("0013")
    for statement in (table, *before.ORIGIN[1:], note_rows):
        op.execute(statement)
    op.execute(
        f"CREATE POLICY reading ON history.origin FOR SELECT TO workbench_viewer USING ({readable})"
    )
    op.execute(f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO workbench_editor")


def upgrade() -> None:
    op.execute("CREATE TEMP TABLE before AS SELECT * FROM history.origin")
    op.execute("DROP TABLE history.origin")
    op.execute(f"DROP FUNCTION {OLD}")
    history = module("0011")
    make(ORIGIN, NOTE_ROWS, NEW, history.readable(history.rights_of_here()))
    op.execute(NOTED)
    op.execute("DROP TABLE pg_temp.before")


def downgrade() -> None:
    """Go back; from which rows records came, is forgotten."""
    op.execute("DROP TABLE history.origin")
    op.execute(f"DROP FUNCTION {NEW}")
    before = module("0013")
    rights = module("0011").rights_of_here()
    make(before.ORIGIN[0], before.NOTE_ROWS, OLD, rights.within("viewer"))
