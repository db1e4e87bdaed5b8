"""The schema `history`: every change, whatever made it, and the changeset it belongs to.

A changeset is what one transaction did; its author is the acting user of the connection,
its reason and source are what the connection said (`workbench.reason`, `workbench.source`).
One statement-level trigger on each table writes one row for each changed row, in one insert.
An insert keeps all values, an update the old and new ones of the changed columns, a delete
all old ones; never the bytes of a picture (their hash is among the values).
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A transaction is known by its id and its start: ids alone begin anew in a restored cluster.
CHANGESET = """
CREATE TABLE history.changeset (
    id UUID DEFAULT rules.new_id() NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    txid XID8 DEFAULT pg_current_xact_id() NOT NULL,
    userid UUID DEFAULT rules.acting_user(),
    login TEXT DEFAULT SESSION_USER NOT NULL,
    reason TEXT DEFAULT nullif(current_setting('workbench.reason', true), ''),
    source TEXT DEFAULT nullif(current_setting('workbench.source', true), ''),
    CONSTRAINT pk_changeset PRIMARY KEY (id),
    CONSTRAINT uq_changeset_txid UNIQUE (started_at, txid)
)
"""

CHANGE = """
CREATE TABLE history.change (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    changesetid UUID NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    entity TEXT NOT NULL,
    recordid UUID,
    key JSONB,
    worldid UUID,
    operation TEXT NOT NULL,
    version INTEGER NOT NULL,
    old JSONB,
    new JSONB,
    CONSTRAINT pk_change PRIMARY KEY (id),
    CONSTRAINT ck_change_operation
        CHECK (operation IN ('insert', 'update', 'trash', 'restore', 'delete'))
)
"""

INDEXES = (
    "CREATE INDEX ix_change_worldid ON history.change (worldid, id)",
    "CREATE INDEX ix_change_recordid ON history.change (worldid, recordid, id)",
    # Changes come in the order of their changesets, so a few bytes for many pages do.
    "CREATE INDEX ix_change_changesetid ON history.change USING brin (changesetid)",
)

CURRENT_CHANGESET = """
CREATE FUNCTION history.current_changeset() RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  current uuid;
BEGIN
  SELECT id INTO current FROM history.changeset
    WHERE started_at = now() AND txid = pg_current_xact_id();
  IF current IS NULL THEN
    INSERT INTO history.changeset DEFAULT VALUES RETURNING id INTO current;
  END IF;
  RETURN current;
END $$;
"""

# {row} of the image leaves out its bytes; {same} tells that two rows are the same record. What
# foreign keys do to a row is one statement to PostgreSQL, even where it changes the row twice,
# so each row is matched with the version before it; one that has the same is no change.
LOG = """
CREATE FUNCTION history.log_{table}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  changeset uuid;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF EXISTS (SELECT FROM new_rows) THEN
      changeset := history.current_changeset();
      INSERT INTO history.change
        (changesetid, entity, recordid, key, worldid, operation, version, new)
      SELECT changeset, TG_TABLE_NAME, {id}, {key}, {world}, 'insert', r.version,
        {row} - '{{version,created_at,updated_at,deleted_at}}'::text[]
      FROM new_rows AS r;
    END IF;
  ELSIF TG_OP = 'UPDATE' THEN
    IF EXISTS (SELECT FROM new_rows) THEN
      changeset := history.current_changeset();
      INSERT INTO history.change
        (changesetid, entity, recordid, key, worldid, operation, version, old, new)
      SELECT changeset, TG_TABLE_NAME, recordid, key, worldid,
        CASE WHEN d.new ? 'deleted_at' THEN
          CASE WHEN d.new -> 'deleted_at' = 'null' THEN 'restore' ELSE 'trash' END
        ELSE 'update' END,
        version, d.old, d.new
      FROM (
        SELECT {id} AS recordid, {key} AS key, {world} AS worldid, r.version,
          {old_row} AS was, {row} AS became
        FROM new_rows AS r JOIN old_rows AS o ON {same} AND o.version = r.version - 1
      ) AS both_rows,
      LATERAL (
        SELECT jsonb_object_agg(e.key, was -> e.key) AS old, jsonb_object_agg(e.key, e.value) AS new
        FROM jsonb_each(became) AS e
        WHERE was -> e.key IS DISTINCT FROM e.value AND e.key NOT IN ('version', 'updated_at')
      ) AS d
      WHERE d.new IS NOT NULL;
    END IF;
  ELSIF EXISTS (SELECT FROM old_rows) THEN
    changeset := history.current_changeset();
    INSERT INTO history.change
      (changesetid, entity, recordid, key, worldid, operation, version, old)
    SELECT changeset, TG_TABLE_NAME, {id}, {key}, {world}, 'delete', r.version, {row}
    FROM old_rows AS r;
  END IF;
  RETURN NULL;
END $$;
"""

APPEND_ONLY = """
CREATE FUNCTION history.append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE insufficient_privilege USING MESSAGE = 'history is only added to, never changed';
END $$;
"""

IMAGE_COLUMNS = (
    "id",
    "worldid",
    "name",
    "display_name",
    "description",
    "kind",
    "media_type",
    "width",
    "height",
    "byte_size",
    "sha256",
    "source_url",
    "ownerid",
    "tags",
    "attributes",
    "created_at",
    "updated_at",
    "deleted_at",
    "version",
)
ENTITIES = (
    "user",
    "world",
    "image",
    "book",
    "story",
    "act",
    "location",
    "persona",
    "thing",
    "scene",
)
LINKS = {
    "world_member": ("worldid", "userid"),
    "scene_persona": ("sceneid", "personaid"),
    "scene_thing": ("sceneid", "thingid"),
    "persona_relation": ("personaid", "otherid", "kind"),
}


def row(table: str, alias: str) -> str:
    if table != "image":
        return f"to_jsonb({alias})"
    columns = ", ".join(f"{alias}.{column}" for column in IMAGE_COLUMNS)
    columns += f", md5({alias}.thumbnail) AS thumbnail_md5"  # the content has its SHA-256
    return f"(SELECT to_jsonb(facts) FROM (SELECT {columns}) AS facts)"


def log(table: str) -> str:
    key = LINKS.get(table, ())
    pairs = ", ".join(f"'{column}', r.{column}" for column in key)
    return LOG.format(
        table=table,
        id="NULL::uuid" if key else "r.id",
        key=f"jsonb_build_object({pairs})" if key else "NULL::jsonb",
        world={"user": "NULL::uuid", "world": "r.id"}.get(table, "r.worldid"),
        row=row(table, "r"),
        old_row=row(table, "o"),
        same=" AND ".join(f"o.{column} = r.{column}" for column in key or ("id",)),
    )


def upgrade() -> None:
    op.execute("CREATE SCHEMA history")
    for statement in (CHANGESET, CHANGE, *INDEXES, CURRENT_CHANGESET, APPEND_ONLY):
        op.execute(statement)
    for table in ("changeset", "change"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON history.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION history.append_only()"
        )
    for table in (*ENTITIES, *LINKS):
        op.execute(log(table))
        for event, rows in (
            ("INSERT", "NEW TABLE AS new_rows"),
            ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
            ("DELETE", "OLD TABLE AS old_rows"),
        ):
            op.execute(
                f'CREATE TRIGGER log_{event.lower()} AFTER {event} ON "{table}" '
                f"REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION history.log_{table}()"
            )


def downgrade() -> None:
    op.execute("DROP SCHEMA history CASCADE")  # the triggers go with their functions
