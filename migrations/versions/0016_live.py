"""Open pages are told what was changed elsewhere: a notification for each changeset.

A notification is read, and may be forged, by every login of the database, so it says nothing:
the changeset, and the number from which on its changes lie. Whoever hears it has to ask. The
server asks `auth.news` for its pages, which answers with what their readers may read alone.

One notification for each transaction, however many rows it changes. A queue that somebody fills
up would in the end refuse every transaction that notifies, so above half of it nothing is said.
What is changed then, open pages are not told of later either: they show it once they read those
rows again. Nothing else depends on it.
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# The changeset is noted before its first change is.
TELL = """
CREATE FUNCTION history.tell() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF pg_notification_queue_usage() < 0.5 THEN
    PERFORM pg_notify(
      'workbench_changed', format('%s %s', NEW.id, (SELECT last_value FROM history.change_id_seq))
    );
  END IF;
  RETURN NULL;
END $$;
"""
TRIGGER = """
CREATE TRIGGER tell AFTER INSERT ON history.changeset
FOR EACH ROW EXECUTE FUNCTION history.tell()
"""

# The changes of a world since a number are few, unless an import is under way: more than 1,000 are
# not looked at, and told as "anything" (no entity). More than 100 records are told as "many" (none).
# No world at all stands for the list of worlds that a reader has. However much is heard, each world
# is looked through once: from the lowest number, and one that lies far back is "anything" at once.
NEWS = """
CREATE FUNCTION auth.news(changesets uuid[], starts bigint[], readers uuid[], watched uuid[])
RETURNS TABLE (reader uuid, worldid uuid, entity text, records uuid[], came boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH heard AS MATERIALIZED (
    SELECT min(h.start) FILTER (WHERE NOT h.far) AS start, coalesce(bool_or(h.far), false) AS far
    FROM (
      SELECT s.start, s.start < q.last_value - 10000 AS far
      FROM unnest(changesets, starts) AS s (changesetid, start)
      JOIN history.changeset AS known ON known.id = s.changesetid
      CROSS JOIN history.change_id_seq AS q
    ) AS h
  ), looking AS MATERIALIZED (
    SELECT DISTINCT l.reader, l.worldid FROM unnest(readers, watched) AS l (reader, worldid)
  ), pages AS MATERIALIZED (
    SELECT l.reader, l.worldid, w.ownerid = l.reader OR m.userid IS NOT NULL AS shares
    FROM looking AS l JOIN public.world AS w ON w.id = l.worldid
    LEFT JOIN public.world_member AS m ON m.worldid = w.id AND m.userid = l.reader
    WHERE w.is_public OR w.ownerid = l.reader OR m.userid IS NOT NULL
  ), seen AS MATERIALIZED (
    SELECT p.worldid, c.* FROM (SELECT DISTINCT o.worldid FROM pages AS o) AS p, heard AS h,
    LATERAL (
      SELECT c.entity, c.recordid, c.operation <> 'update' AS came,
        c.changesetid = ANY(changesets) AS heard, row_number() OVER (ORDER BY c.id) > 1000 AS beyond
      FROM history.change AS c WHERE c.worldid = p.worldid AND c.id >= h.start
      ORDER BY c.id LIMIT 1001
    ) AS c
  ), told AS (
    SELECT s.worldid, s.entity, array_agg(DISTINCT s.recordid) AS records, bool_or(s.came) AS came
    FROM seen AS s WHERE s.heard GROUP BY s.worldid, s.entity
    UNION ALL
    SELECT DISTINCT p.worldid, NULL, NULL::uuid[], true FROM pages AS p, heard AS h
    WHERE h.far OR EXISTS (SELECT FROM seen AS s WHERE s.worldid = p.worldid AND s.beyond)
  ), lists AS MATERIALIZED (
    SELECT l.reader FROM looking AS l WHERE l.worldid IS NULL
  ), listed AS MATERIALIZED (
    SELECT c.* FROM heard AS h, LATERAL (
      SELECT c.worldid, c.entity, c.key ->> 'userid' AS userid, c.operation <> 'update' AS came,
        c.changesetid = ANY(changesets) AS heard, row_number() OVER (ORDER BY c.id) > 1000 AS beyond
      FROM history.change AS c WHERE c.id >= h.start AND EXISTS (SELECT FROM lists)
      ORDER BY c.id LIMIT 1001
    ) AS c
    WHERE c.beyond OR c.heard AND c.entity IN ('world', 'world_member')
    UNION ALL
    SELECT NULL, NULL, NULL, true, false, true FROM heard AS h WHERE h.far
  )
  SELECT p.reader, p.worldid, t.entity,
    CASE WHEN cardinality(t.records) <= 100 THEN t.records END, t.came
  FROM pages AS p JOIN told AS t ON t.worldid = p.worldid
  WHERE t.entity IS DISTINCT FROM 'world_member' OR p.shares
  UNION ALL
  SELECT l.reader, NULL, 'world', CASE WHEN count(DISTINCT c.worldid) <= 100
    AND NOT bool_or(c.beyond) THEN array_agg(DISTINCT c.worldid) END, bool_or(c.came OR c.beyond)
  FROM lists AS l, listed AS c
  WHERE c.beyond OR c.entity = 'world_member' AND c.userid = l.reader::text
    OR c.entity = 'world' AND EXISTS (
      SELECT FROM public.world AS w WHERE w.id = c.worldid AND (
        w.is_public OR w.ownerid = l.reader OR EXISTS (
          SELECT FROM public.world_member AS m WHERE m.worldid = w.id AND m.userid = l.reader)))
  GROUP BY l.reader
$$;
"""
SIGNATURE = "auth.news(uuid[], bigint[], uuid[], uuid[])"


def upgrade() -> None:
    op.execute(TELL)
    op.execute(TRIGGER)
    op.execute(NEWS)
    op.execute(f"REVOKE EXECUTE ON FUNCTION history.tell(), {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO workbench_server")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {SIGNATURE}")
    op.execute("DROP TRIGGER tell ON history.changeset")
    op.execute("DROP FUNCTION history.tell()")
