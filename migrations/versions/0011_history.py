"""History that one can use: what was there at a moment, and undoing.

* `past.scene` and its like stand for the tables as they were at `workbench.moment`, a setting of
  the connection: with `past` before `public` in its search path, every statement that reads the
  tables reads the past. A row is the stored one, with what was changed since taken back; a row
  that is gone is what its removal has kept. Rights are those of now: the views ask the tables.
* A change counts from the beginning of its transaction, so the past has all or nothing of one.
* A link's changes stand under its home: the scene of a cast entry.
* Who was made a member of a world is told to its members alone, in the history too.
* `history.revive` brings back what was purged, into the trash, for managers.
* `history.forget` removes details before a moment, for the owner of the tables alone; who made
  the changes, when and why, stays. There is no past before that moment.
"""

from __future__ import annotations

from types import ModuleType

from alembic import op
from sqlalchemy import text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ENTITIES = ("world", "image", "book", "story", "act", "location", "persona", "thing", "scene")
LINKS = {
    # table: (the columns of its key, its home)
    "world_member": (("worldid", "userid"), "worldid"),
    "scene_persona": (("sceneid", "personaid"), "sceneid"),
    "scene_thing": (("sceneid", "thingid"), "sceneid"),
    "persona_relation": (("personaid", "otherid", "kind"), "personaid"),
}

NAMED = "name display_name description"
OWNED = "ownerid tags attributes deleted_at"
LOGGED = {
    # table: the columns that can change
    "user": "email first_name last_name display_name phone role is_active is_verified "
    "last_login_at deleted_at",
    "world": f"{NAMED} imageid is_public {OWNED}",
    "image": f"{NAMED} kind media_type width height byte_size sha256 thumbnail source_url {OWNED}",
    "book": f"{NAMED} position imageid {OWNED}",
    "story": f"{NAMED} bookid position imageid {OWNED}",
    "act": f"{NAMED} storyid position {OWNED}",
    "location": f"{NAMED} kind parentid x y imageid {OWNED}",
    "persona": f"{NAMED} kind aliases imageid {OWNED}",
    "thing": f"{NAMED} kind personaid locationid imageid {OWNED}",
    "scene": f"{NAMED} actid position locationid story_time text imageid {OWNED}",
    "world_member": "role attributes",
    "scene_persona": "role speeches words attributes",
    "scene_thing": "mentions note attributes",
    "persona_relation": "description mutual attributes",
}

# In place of what step 0005 has there.
UPDATED = """      FROM (
        SELECT {id} AS recordid, {key} AS key, {world} AS worldid, r.version,
          {old} AS old, {new} AS new
        FROM new_rows AS r JOIN old_rows AS o ON {same} AND o.version = r.version - 1
        OFFSET 0
      ) AS d
"""

INDEXES = (
    "CREATE INDEX ix_change_recordid ON history.change (worldid, recordid, changed_at)",
    # What is gone has no row to be found by.
    "CREATE INDEX ix_change_gone ON history.change (worldid, entity, recordid) "
    "WHERE operation = 'delete'",
)
OLD_INDEX = "CREATE INDEX ix_change_recordid ON history.change (worldid, recordid, id)"

FORGOTTEN = """
CREATE TABLE history.forgotten (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    before TIMESTAMP WITH TIME ZONE NOT NULL,
    forgotten_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    login TEXT DEFAULT SESSION_USER NOT NULL,
    changes BIGINT NOT NULL,
    CONSTRAINT pk_forgotten PRIMARY KEY (id)
)
"""

# DELETE is granted to nobody, so the setting lets nobody in; it keeps the owner from an accident.
APPEND_ONLY = """
CREATE OR REPLACE FUNCTION history.append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'change'
    AND current_setting('workbench.forgetting', true) = 'on' THEN
    RETURN NULL;
  END IF;
  RAISE insufficient_privilege USING MESSAGE = 'history is only added to, never changed';
END $$;
"""

FORGET = """
CREATE FUNCTION history.forget(moment timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  count bigint;
BEGIN
  PERFORM set_config('workbench.forgetting', 'on', true);
  DELETE FROM history.change WHERE changed_at < least(moment, now());
  GET DIAGNOSTICS count = ROW_COUNT;
  PERFORM set_config('workbench.forgetting', '', true);
  IF count > 0 THEN
    INSERT INTO history.forgotten (before, changes) VALUES (least(moment, now()), count);
  END IF;
  RETURN count;
END $$;
"""

MOMENT = """
CREATE FUNCTION history.moment() RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  said timestamptz := nullif(current_setting('workbench.moment', true), '')::timestamptz;
BEGIN
  IF EXISTS (SELECT FROM history.forgotten WHERE before > said) THEN
    RAISE check_violation USING
      MESSAGE = 'the details of that time were forgotten', CONSTRAINT = 'forgotten_history';
  END IF;
  RETURN coalesce(said, 'infinity');
END $$;
"""

# Objects on top of each other: of a key that several have, the value of the last one counts.
MERGED = """
CREATE AGGREGATE history.merged(jsonb) (
  SFUNC = pg_catalog.jsonb_concat, STYPE = jsonb, PARALLEL = SAFE
)
"""

# Makes the views anew; a step that changes columns of a table calls it again at its end. The
# empty key of what is taken back holds what was done first after the moment. Both parts of
# UNION ALL are tables without conditions, which stand further out: then PostgreSQL goes through
# the two by index, in order, from a join too; a row of the second is gone if nothing came after.
LOOK_BACK = """
CREATE FUNCTION history.look_back() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $look$
DECLARE
  one record;
  told text;
  stored text;
  gone text;
  keys text;
  same text;
  home text;
  world text;
BEGIN
  FOR one IN
    SELECT c.oid, c.relname AS name, k.columns AS key FROM pg_class AS c JOIN (VALUES
      {tables}
    ) AS k (name, columns) ON k.name = c.relname
    WHERE c.relnamespace = 'public'::regnamespace
  LOOP
    home := CASE WHEN cardinality(one.key) = 0 THEN 'id' ELSE one.key[1] END;
    world := CASE one.name WHEN 'world' THEN 'id' ELSE 'worldid' END;
    SELECT ' AND h.key = jsonb_build_object(' || string_agg(format('%L, d.%I', k, k), ', ') || ')'
      INTO keys FROM unnest(one.key) AS k;
    same := format('h.worldid = d.%I AND h.recordid = d.%I AND h.entity = %L%s',
      world, home, one.name, coalesce(keys, ''));
    WITH columns AS (
      SELECT a.attnum, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
      FROM pg_attribute AS a WHERE a.attrelid = one.oid AND a.attnum > 0 AND NOT a.attisdropped
    ), read AS (
      SELECT *, name IN ('id', 'worldid') OR name = ANY (one.key) AS fixed,
        CASE type WHEN 'bytea' THEN 'NULL::bytea'
          WHEN 'jsonb' THEN format('%%1$s -> %L', name)
          WHEN 'text[]' THEN format('history.labels(%%1$s -> %L)', name)
          ELSE format('(%%1$s ->> %L)::%s', name, type) END AS value
      FROM columns
    )
    SELECT
      string_agg(CASE
        WHEN fixed THEN format('d.%I', name)
        WHEN name = 'updated_at' THEN format(
          'CASE WHEN c.old IS NULL THEN d.updated_at WHEN c.old ? ''updated_at'' THEN '
          '(c.old ->> ''updated_at'')::timestamptz ELSE coalesce((SELECT max(h.changed_at) '
          'FROM history.change AS h WHERE %s AND h.changed_at <= (SELECT history.moment())), '
          'd.created_at) END AS updated_at', same)
        ELSE format('CASE WHEN c.old ? %L THEN %s ELSE d.%I END AS %3$I',
          CASE WHEN type <> 'bytea' THEN name WHEN name = 'content' THEN 'sha256'
            ELSE name || '_md5' END,
          format(value, 'c.old'), name)
        END, ', ' ORDER BY attnum),
      string_agg(format('t.%I', name), ', ' ORDER BY attnum),
      string_agg(CASE WHEN name = world THEN 'g.worldid' WHEN name = home THEN 'g.recordid'
        ELSE format(value, 'g.old') END, ', ' ORDER BY attnum)
      INTO told, stored, gone FROM read;
    EXECUTE format('DROP VIEW IF EXISTS past.%I', one.name);
    EXECUTE format($view$
      CREATE VIEW past.%1$I WITH (security_invoker = true) AS
      SELECT %2$s FROM (
        SELECT %3$s, %5$L AS of_entity, 'delete' AS fate, NULL::bigint AS changeid,
          NULL::jsonb AS key, NULL::timestamptz AS changed_at FROM public.%1$I AS t
        UNION ALL
        SELECT %4$s, g.entity, g.operation, g.id, g.key, g.changed_at FROM history.change AS g
      ) AS d LEFT JOIN LATERAL (
        SELECT m.old, (m.old ->> '' = 'insert') IS NOT TRUE AS was_there FROM (
          SELECT history.merged(coalesce(h.old, '{{}}') || jsonb_build_object('', h.operation,
            'version', h.version - CASE h.operation WHEN 'delete' THEN 0 ELSE 1 END)
            ORDER BY h.id DESC) AS old
          FROM history.change AS h WHERE d.updated_at > (SELECT history.moment())
            AND %6$s AND h.changed_at > (SELECT history.moment())
        ) AS m
      ) AS c ON true
      WHERE d.of_entity = %5$L AND d.fate = 'delete'
        AND (d.changeid IS NULL OR d.changed_at > (SELECT history.moment())
          AND NOT EXISTS (SELECT FROM history.change AS h WHERE %6$s AND h.id > d.changeid))
        AND c.was_there
      $view$, one.name, told, stored, gone, one.name, same);
    EXECUTE format('GRANT SELECT ON past.%I TO workbench_viewer', one.name);
  END LOOP;
END $look$;
"""

LABELS = """
CREATE FUNCTION history.labels(list jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT ARRAY(SELECT jsonb_array_elements_text(list)) $$;
"""

# As it was when it was purged: in the trash, its owner's, with its id; not a picture's bytes,
# which no history holds. Only what was gone with this changeset and is still gone.
REVIVE = """
CREATE FUNCTION history.revive(changeset uuid, of_entity text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  worlds uuid[] := rules.worlds('manager');
  added text;
  given text;
  parents text;
  count bigint;
BEGIN
  IF of_entity <> ALL (ARRAY[{entities}]) THEN
    RAISE insufficient_privilege USING MESSAGE = format('no %s is revived', of_entity);
  END IF;
  SELECT string_agg(format('%I', a.attname), ', ' ORDER BY a.attnum),
    string_agg(CASE
      WHEN a.attname = 'ownerid' THEN
        'coalesce((SELECT u.id FROM public."user" AS u WHERE u.id = p.ownerid), rules.acting_user())'
      WHEN a.attname = 'deleted_at' THEN 'coalesce(p.deleted_at, clock_timestamp())'
      WHEN a.attname IN ('created_at', 'updated_at') THEN 'now()'
      WHEN a.attname = 'version' THEN '1'
      WHEN k.there IS NOT NULL AND NOT a.attnotnull THEN format(
        '(SELECT r.id FROM %s AS r WHERE r.worldid = p.worldid AND r.id = p.%I)', k.there, a.attname)
      ELSE format('p.%I', a.attname) END, ', ' ORDER BY a.attnum),
    coalesce(string_agg(format(
      ' AND EXISTS (SELECT FROM %s AS r WHERE r.worldid = p.worldid AND r.id = p.%I)',
      k.there, a.attname), '') FILTER (WHERE k.there IS NOT NULL AND a.attnotnull), '')
    INTO added, given, parents
    FROM pg_attribute AS a LEFT JOIN LATERAL (
      SELECT f.confrelid::regclass AS there FROM pg_constraint AS f
      WHERE f.conrelid = a.attrelid AND f.contype = 'f' AND cardinality(f.conkey) = 2
        AND f.conkey[2] = a.attnum
    ) AS k ON true
    WHERE a.attrelid = format('public.%I', of_entity)::regclass
      AND a.attnum > 0 AND NOT a.attisdropped;
  PERFORM set_config('workbench.reviving', 'on', true);
  EXECUTE format(
    'INSERT INTO public.%1$I (%2$s) SELECT %3$s FROM ('
    '  SELECT worldid, recordid, max(id) AS id, history.merged(old ORDER BY id DESC) AS old '
    '  FROM history.change WHERE changesetid = $1 AND entity = %1$L AND worldid = ANY ($2) '
    '  GROUP BY worldid, recordid HAVING (array_agg(operation ORDER BY id DESC))[1] = ''delete'' '
    '  AND (array_agg(operation ORDER BY id))[1] <> ''insert'''
    ') AS c, LATERAL jsonb_populate_record(NULL::public.%1$I, c.old) AS p '
    'WHERE EXISTS (SELECT FROM public.world AS w WHERE w.id = c.worldid) '
    'AND NOT EXISTS (SELECT FROM public.%1$I AS t WHERE t.id = c.recordid)%4$s ORDER BY c.id',
    of_entity, added, given, parents) USING changeset, worlds;
  GET DIAGNOSTICS count = ROW_COUNT;
  PERFORM set_config('workbench.reviving', '', true);
  IF of_entity = 'location' AND count > 0 THEN -- which may lie in each other
    UPDATE public.location AS t SET parentid = p.id FROM (
        SELECT worldid, recordid, history.merged(old ORDER BY id DESC) AS old
        FROM history.change WHERE changesetid = changeset AND entity = 'location'
        AND worldid = ANY (worlds) GROUP BY worldid, recordid
        HAVING (array_agg(operation ORDER BY id DESC))[1] = 'delete'
      ) AS c, public.location AS p
      WHERE t.worldid = c.worldid AND t.id = c.recordid AND t.parentid IS NULL
        AND t.created_at = now()
        AND p.worldid = c.worldid AND p.id = (c.old ->> 'parentid')::uuid;
  END IF;
  RETURN count;
END $$;
"""

# Only the owner may give a new row a time of trashing at all, so the setting lets nobody in.
STAMP_NEW = """
CREATE OR REPLACE FUNCTION rules.stamp_new() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.version := 1;
  NEW.created_at := now();
  NEW.updated_at := now();
  IF NEW.deleted_at IS NOT NULL
    AND current_setting('workbench.reviving', true) IS DISTINCT FROM 'on' THEN
    NEW.deleted_at := clock_timestamp();
  END IF;
  RETURN NEW;
END $$;
"""

# Whoever says so has what one transaction trashes stand there together, to be restored so.
TOGETHER = (
    "NEW.deleted_at := clock_timestamp();",
    """NEW.deleted_at := CASE current_setting('workbench.together', true) WHEN 'on' THEN now()
        ELSE clock_timestamp() END;""",
)

FOR_ALL = ("history.moment()", "history.merged(jsonb)", "history.labels(jsonb)")
FOR_EDITORS = ("history.revive(uuid, text)",)
FOR_THE_OWNER = ("history.forget(timestamptz)", "history.look_back()")


def module(step: str) -> ModuleType:
    found: ModuleType = op.get_context().script.get_revision(step).module
    return found


def readable(rights: object, prefix: str = "") -> str:
    """Return which changes may be read: of worlds, and of members among members alone."""
    known: str = rights.within("viewer", f"{prefix}worldid")  # type: ignore[attr-defined]
    return (
        f"{known} AND ({prefix}entity <> 'world_member' "
        f"OR {prefix}worldid = ANY ((SELECT rules.shared())::uuid[]))"
    )


def rights_of_here() -> object:
    connection = op.get_context().connection
    internal = connection is not None and connection.scalar(
        text("SELECT to_regprocedure('rules.same(uuid, uuid)') IS NOT NULL")
    )
    return module("0009").Rights(internal=bool(internal))


def log(table: str, columns: str) -> str:
    """Return the function that logs a table; one of step 0005, with a quicker way to compare.

    A step that adds a column to a table makes its function anew, with the columns that can change.
    """
    before = module("0005")
    key, home = LINKS.get(table, ((), "id"))
    pairs = ", ".join(f"'{column}', r.{column}" for column in key)
    # Half the time of an update went into turning whole rows into objects, to compare those.
    old, new = (
        " || ".join(
            f"CASE WHEN o.{column} IS DISTINCT FROM r.{column} "
            f"THEN jsonb_build_object({told(row, column)}) ELSE '{{}}' END"
            for column in columns.split()
        )
        for row in "or"
    )
    source: str = before.LOG
    start, end = source.index("      FROM (\n"), source.index("      WHERE d.new IS NOT NULL")
    source = source[:start] + UPDATED + source[end:]
    source = source.replace("WHERE d.new IS NOT NULL", "WHERE d.new <> '{{}}'")
    source = source.replace(
        "SELECT changeset, TG_TABLE_NAME, recordid, key, worldid,",
        ("SELECT changeset, TG_TABLE_NAME, d.recordid, d.key, d.worldid,"),
    ).replace("        version, d.old, d.new\n", "        d.version, d.old, d.new\n")
    return source.format(
        table=table,
        id=f"r.{home}",
        key=f"jsonb_build_object({pairs})" if key else "NULL::jsonb",
        world={"user": "NULL::uuid", "world": "r.id"}.get(table, "r.worldid"),
        row=before.row(table, "r"),
        old=old,
        new=new,
        same=" AND ".join(f"o.{column} = r.{column}" for column in key or ("id",)),
    ).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


def told(row: str, column: str) -> str:
    if column == "thumbnail":  # the content has its SHA-256
        return f"'thumbnail_md5', md5({row}.thumbnail)"
    return f"'{column}', {row}.{column}"


def rewrite(*assignments: str) -> None:
    """Change what is in the history, which nothing else may do."""
    op.execute("ALTER TABLE history.change DISABLE TRIGGER append_only")
    for assignment in assignments:
        op.execute(f"UPDATE history.change AS c SET {assignment}")
    op.execute("ALTER TABLE history.change ENABLE TRIGGER append_only")


def bound(default: str) -> None:
    for name in ("reason", "source"):
        value = default.replace("{name}", name)
        op.execute(f"ALTER TABLE history.changeset ALTER COLUMN {name} SET DEFAULT {value}")


def upgrade() -> None:
    op.execute("DROP INDEX history.ix_change_recordid")
    homes = " ".join(f"WHEN '{t}' THEN c.key ->> '{home}'" for t, (_, home) in LINKS.items())
    rewrite(
        "changed_at = s.started_at FROM history.changeset AS s WHERE s.id = c.changesetid",
        f"recordid = (CASE c.entity {homes} END)::uuid WHERE c.key IS NOT NULL",
    )
    op.execute("ALTER TABLE history.change ALTER COLUMN changed_at SET DEFAULT now()")
    for statement in (*INDEXES, FORGOTTEN, APPEND_ONLY, FORGET, MOMENT, MERGED, LABELS, STAMP_NEW):
        op.execute(statement)
    stamp = module("0004").STAMP.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    op.execute(stamp.replace(*TOGETHER))
    for table, columns in LOGGED.items():
        op.execute(log(table, columns))
    op.execute(REVIVE.format(entities=", ".join(f"'{t}'" for t in ENTITIES if t != "world")))
    rights = rights_of_here()
    op.execute("DROP POLICY reading ON history.change")
    op.execute(
        "CREATE POLICY reading ON history.change FOR SELECT TO workbench_viewer "
        f"USING ({readable(rights)})"
    )
    entry = module("0009").ENTRY.format(readable=readable(rights, "c."))
    op.execute(entry.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"))
    op.execute("ALTER TABLE history.forgotten ENABLE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY reading ON history.forgotten FOR SELECT TO workbench_viewer USING (true)"
    )
    op.execute("GRANT SELECT ON history.forgotten TO workbench_viewer")
    bound("left(nullif(current_setting('workbench.{name}', true), ''), 1000)")
    op.execute("CREATE SCHEMA past")
    op.execute("GRANT USAGE ON SCHEMA past TO workbench_viewer")
    keys = {**dict.fromkeys(ENTITIES, ()), **{t: key for t, (key, _) in LINKS.items()}}
    tables = ", ".join(f"('{t}', '{{{', '.join(key)}}}'::text[])" for t, key in keys.items())
    op.execute(LOOK_BACK.format(tables=tables))
    op.execute("SELECT history.look_back()")
    every = (*FOR_ALL, *FOR_EDITORS, *FOR_THE_OWNER)
    op.execute(f"REVOKE EXECUTE ON FUNCTION {', '.join(every)} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {', '.join(FOR_ALL)} TO workbench_viewer")
    op.execute(f"GRANT EXECUTE ON FUNCTION {', '.join(FOR_EDITORS)} TO workbench_editor")


def downgrade() -> None:
    """Go back; what was forgotten stays so."""
    op.execute("DROP SCHEMA past CASCADE")
    bound("nullif(current_setting('workbench.{name}', true), '')")
    rights = rights_of_here()
    op.execute("DROP POLICY reading ON history.change")
    op.execute(
        "CREATE POLICY reading ON history.change FOR SELECT TO workbench_viewer "
        f"USING ({rights.within('viewer')})"  # type: ignore[attr-defined]
    )
    entry = module("0009").ENTRY.format(readable=rights.within("viewer", "c.worldid"))  # type: ignore[attr-defined]
    op.execute(entry.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"))
    for table in LOGGED:
        source = module("0005").log(table)
        op.execute(source.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
    for name in (
        "revive(uuid, text)",
        "look_back()",
        "moment()",
        "labels(jsonb)",
        "forget(timestamptz)",
    ):
        op.execute(f"DROP FUNCTION history.{name}")
    op.execute("DROP AGGREGATE history.merged(jsonb)")
    op.execute("DROP TABLE history.forgotten")
    guards = module("0004")
    for source in (module("0005").APPEND_ONLY, guards.STAMP_NEW, guards.STAMP):
        op.execute(source.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    op.execute("DROP INDEX history.ix_change_gone")
    op.execute("DROP INDEX history.ix_change_recordid")
    op.execute("ALTER TABLE history.change ALTER COLUMN changed_at SET DEFAULT clock_timestamp()")
    rewrite("recordid = NULL WHERE c.key IS NOT NULL")
    op.execute(OLD_INDEX)
