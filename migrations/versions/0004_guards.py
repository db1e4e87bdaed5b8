"""Triggers that keep the rules of the tables, whatever writes.

* `stamp`: version and times are the database's; a record keeps its id and its world.
* `fill_world`: a parent tells the world.
* `trash`, `restore`: what is contained goes along, in the same statement.
* `live_parent`: nothing lives inside something that is in the trash.
* `tree`: a location does not lie in itself, however far up.
* `keep`: rows are purged only from the trash, and never by TRUNCATE, which the history misses.
* `picture`: size and hash of a picture come from its bytes.

Errors carry a constraint's name (`live_scene_actid`), like those of constraints proper.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STAMP_NEW = """
CREATE FUNCTION rules.stamp_new() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.version := 1;
  NEW.created_at := now();
  NEW.updated_at := now();
  RETURN NEW;
END $$;
"""

STAMP_NEW_LINK = STAMP_NEW.replace("stamp_new()", "stamp_new_link()")
STAMP_NEW = STAMP_NEW.replace(
    "  RETURN NEW;",
    """  IF NEW.deleted_at IS NOT NULL THEN
    NEW.deleted_at := clock_timestamp();
  END IF;
  RETURN NEW;""",
)

# A row of an entity: the time of trashing is the server's too, but what is trashed along
# with its parent takes the parent's, which tells later what to restore along with it.
STAMP = """
CREATE FUNCTION rules.stamp() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.version := OLD.version;
  NEW.created_at := OLD.created_at;
  NEW.updated_at := OLD.updated_at;
  IF NEW.deleted_at IS NOT NULL THEN
    IF OLD.deleted_at IS NOT NULL THEN
      NEW.deleted_at := OLD.deleted_at;
    ELSIF pg_trigger_depth() = 1 THEN
      NEW.deleted_at := clock_timestamp();
    END IF;
  END IF;
  IF NEW IS DISTINCT FROM OLD THEN
    NEW.version := OLD.version + 1;
    NEW.updated_at := clock_timestamp();
  END IF;
  RETURN NEW;
END $$;
"""

STAMP_LINK = """
CREATE FUNCTION rules.stamp_link() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.version := OLD.version;
  NEW.created_at := OLD.created_at;
  NEW.updated_at := OLD.updated_at;
  IF NEW IS DISTINCT FROM OLD THEN
    NEW.version := OLD.version + 1;
    NEW.updated_at := clock_timestamp();
  END IF;
  RETURN NEW;
END $$;
"""

STAY = """
CREATE FUNCTION rules.stay() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE check_violation USING
    MESSAGE = format('a row of %s keeps its %s', TG_TABLE_NAME, TG_ARGV[0]),
    CONSTRAINT = format('fixed_%s_%s', TG_TABLE_NAME, TG_ARGV[0]),
    TABLE = TG_TABLE_NAME, COLUMN = TG_ARGV[0];
END $$;
"""

FILL_WORLD = """
CREATE FUNCTION rules.fill_world() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  parent uuid := (to_jsonb(NEW) ->> TG_ARGV[1])::uuid;
BEGIN
  EXECUTE format('SELECT worldid FROM %I.%I WHERE id = $1', TG_TABLE_SCHEMA, TG_ARGV[0])
    INTO NEW.worldid USING parent;
  IF NEW.worldid IS NULL THEN
    RAISE foreign_key_violation USING
      MESSAGE = format('no %s with id %s', TG_ARGV[0], parent),
      CONSTRAINT = format('fk_%s_%s', TG_TABLE_NAME, TG_ARGV[1]),
      TABLE = TG_TABLE_NAME, COLUMN = TG_ARGV[1];
  END IF;
  RETURN NEW;
END $$;
"""

# Some rules look at what others have committed meanwhile, which a transaction that keeps to the
# snapshot it began with cannot see.
FRESH = """
CREATE FUNCTION rules.need_fresh_sight() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
    RAISE feature_not_supported USING
      MESSAGE = format('rows are not trashed or moved at isolation level %s',
        current_setting('transaction_isolation')),
      HINT = 'Use READ COMMITTED: others may have added rows that this transaction cannot see.';
  END IF;
END $$;
"""

# Writers of contents hold their parent's key share lock until they commit. Waiting for them
# here means that none can slip a live row under a parent that is on its way to the trash.
LOCK_CONTENTS = """
CREATE FUNCTION rules.lock_contents() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM rules.need_fresh_sight();
  EXECUTE format('SELECT FROM %I.%I WHERE id = $1 FOR UPDATE', TG_TABLE_SCHEMA, TG_TABLE_NAME)
    USING OLD.id;
  RETURN NEW;
END $$;
"""

# Arguments: pairs of a contained table and its column that refers to this one, leaves first:
# the trash takes leaves first, so that what is contained twice is done when its parent's turn
# comes; restoring takes them last, for nothing may live in what is still in the trash.
TRASH_CONTENTS = """
CREATE FUNCTION rules.trash_contents() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  world uuid := coalesce((to_jsonb(NEW) ->> 'worldid')::uuid, NEW.id);
BEGIN
  IF NEW.deleted_at IS NOT NULL THEN
    FOR i IN 0 .. TG_NARGS / 2 - 1 LOOP
      EXECUTE format(
        'UPDATE %I.%I SET deleted_at = $1 WHERE worldid = $2 AND %I = $3 AND deleted_at IS NULL',
        TG_TABLE_SCHEMA, TG_ARGV[2 * i], TG_ARGV[2 * i + 1]
      ) USING NEW.deleted_at, world, NEW.id;
    END LOOP;
  ELSE
    FOR i IN REVERSE TG_NARGS / 2 - 1 .. 0 LOOP
      EXECUTE format(
        'UPDATE %I.%I SET deleted_at = NULL WHERE worldid = $2 AND %I = $3 AND deleted_at = $1',
        TG_TABLE_SCHEMA, TG_ARGV[2 * i], TG_ARGV[2 * i + 1]
      ) USING OLD.deleted_at, world, NEW.id;
    END LOOP;
  END IF;
  RETURN NULL;
END $$;
"""

# One function for each kind of parent, so that PostgreSQL keeps its plan. New rows are
# looked at as a set; changed ones one by one, and only if the trigger's condition holds.
LIVE_PARENT = """
CREATE FUNCTION rules.live_{parent}() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  trashed text;
BEGIN
  IF TG_LEVEL = 'STATEMENT' THEN
    SELECT p.name INTO trashed
      FROM (SELECT DISTINCT {parent}id AS id FROM new_rows WHERE deleted_at IS NULL) AS n
      JOIN public.{parent} AS p USING (id)
      WHERE p.deleted_at IS NOT NULL LIMIT 1;
  ELSE
    SELECT p.name INTO trashed FROM public.{parent} AS p
      WHERE p.id = NEW.{parent}id AND p.deleted_at IS NOT NULL;
  END IF;
  IF trashed IS NOT NULL THEN
    RAISE check_violation USING
      MESSAGE = format('the {parent} %L is in the trash', trashed),
      CONSTRAINT = format('live_%s_{parent}id', TG_TABLE_NAME),
      TABLE = TG_TABLE_NAME, COLUMN = '{parent}id';
  END IF;
  RETURN NULL;
END $$;
"""

# A cycle of new rows closes within one statement. One made by changes may be closed by two
# transactions that do not see each other, so changes within a world take turns.
TREE = """
CREATE FUNCTION rules.location_tree() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  looped boolean;
BEGIN
  IF TG_LEVEL = 'STATEMENT' THEN
    WITH RECURSIVE up(start, reached) AS (
      SELECT id, parentid FROM new_rows WHERE parentid IS NOT NULL
      UNION
      SELECT up.start, l.parentid FROM up JOIN public.location AS l ON l.id = up.reached
        WHERE l.parentid IS NOT NULL AND up.reached <> up.start
    )
    SELECT EXISTS (SELECT FROM up WHERE start = reached) INTO looped;
  ELSE
    PERFORM rules.need_fresh_sight();
    PERFORM pg_advisory_xact_lock(hashtextextended('location_tree' || NEW.worldid, 0));
    WITH RECURSIVE up(reached) AS (
      SELECT NEW.parentid
      UNION
      SELECT l.parentid FROM up JOIN public.location AS l ON l.id = up.reached
        WHERE l.parentid IS NOT NULL
    )
    SELECT EXISTS (SELECT FROM up WHERE reached = NEW.id) INTO looped;
  END IF;
  IF looped THEN
    RAISE check_violation USING
      MESSAGE = 'a location cannot lie in itself',
      CONSTRAINT = 'tree_location_parentid', TABLE = 'location', COLUMN = 'parentid';
  END IF;
  RETURN NULL;
END $$;
"""

KEEP = """
CREATE FUNCTION rules.keep() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    RAISE check_violation USING
      MESSAGE = format('%s is not truncated, which would leave nothing in the history', TG_TABLE_NAME),
      HINT = 'Use DELETE.',
      CONSTRAINT = format('keep_%s', TG_TABLE_NAME), TABLE = TG_TABLE_NAME;
  END IF;
  RAISE check_violation USING
    MESSAGE = format('rows of %s are purged only from the trash', TG_TABLE_NAME),
    HINT = format('First: UPDATE %I SET deleted_at = now() WHERE ...', TG_TABLE_NAME),
    CONSTRAINT = format('keep_%s_deleted_at', TG_TABLE_NAME),
    TABLE = TG_TABLE_NAME, COLUMN = 'deleted_at';
END $$;
"""

PICTURE = """
CREATE FUNCTION rules.picture() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.byte_size := octet_length(NEW.content);
  NEW.sha256 := encode(sha256(NEW.content), 'hex');
  RETURN NEW;
END $$;
"""

ENTITIES = (
    '"user"',
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
    "scene_persona": ("worldid", "sceneid", "personaid"),
    "scene_thing": ("worldid", "sceneid", "thingid"),
    "persona_relation": ("worldid", "personaid", "otherid", "kind"),
}
PARENTS = {
    "image": "world",
    "book": "world",
    "story": "world",
    "location": "world",
    "persona": "world",
    "thing": "world",
    "act": "story",
    "scene": "act",
}
TELLS_WORLD = {
    "act": ("story", "storyid"),
    "scene": ("act", "actid"),
    "scene_persona": ("scene", "sceneid"),
    "scene_thing": ("scene", "sceneid"),
    "persona_relation": ("persona", "personaid"),
}
CONTENTS = {
    "world": [
        (t, "worldid")
        for t in (
            "scene",
            "act",
            "story",
            "book",
            "persona",
            "thing",
            "location",
            "image",
        )
    ],
    "story": [("act", "storyid")],
    "act": [("scene", "actid")],
}


def trigger(name: str, table: str, when: str, condition: str, function: str) -> str:
    level = "STATEMENT" if "TABLE" in when or "TRUNCATE" in when else "ROW"
    condition = f"WHEN ({condition}) " if condition else ""
    return f"CREATE TRIGGER {name} {when.format(table=table)} FOR EACH {level} {condition}EXECUTE FUNCTION rules.{function}"


AFTER_INSERT = "AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows"


def triggers() -> list[str]:
    made = []
    for table in (*ENTITIES, *LINKS):
        link = table in LINKS
        made.append(
            trigger(
                "stamp_new",
                table,
                "BEFORE INSERT ON {table}",
                "NEW.version <> 1 OR NEW.created_at <> now() OR NEW.updated_at <> now()"
                + ("" if link else " OR NEW.deleted_at IS NOT NULL"),
                "stamp_new_link()" if link else "stamp_new()",
            )
        )
        made.append(
            trigger(
                "stamp",
                table,
                "BEFORE UPDATE ON {table}",
                "",
                "stamp_link()" if link else "stamp()",
            )
        )
        fixed = LINKS.get(table, ("id",) if table in ('"user"', "world") else ("id", "worldid"))
        for column in fixed:
            made.append(
                trigger(
                    f"fixed_{column}",
                    table,
                    f"BEFORE UPDATE OF {column} ON {{table}}",
                    f"OLD.{column} <> NEW.{column}",
                    f"stay('{column}')",
                )
            )
        if not link:
            made.append(
                trigger(
                    "keep",
                    table,
                    "BEFORE DELETE ON {table}",
                    "OLD.deleted_at IS NULL AND pg_trigger_depth() = 0",
                    "keep()",
                )
            )
        made.append(trigger("keep_all", table, "BEFORE TRUNCATE ON {table}", "", "keep()"))
    for table, (parent, column) in TELLS_WORLD.items():
        made.append(
            trigger(
                "fill_world",
                table,
                "BEFORE INSERT ON {table}",
                f"NEW.worldid IS NULL AND NEW.{column} IS NOT NULL",
                f"fill_world('{parent}', '{column}')",
            )
        )
    for table, contents in CONTENTS.items():
        arguments = ", ".join(f"'{t}', '{c}'" for t, c in contents)
        made.append(
            trigger(
                "lock_contents",
                table,
                "BEFORE UPDATE OF deleted_at ON {table}",
                "OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL",
                "lock_contents()",
            )
        )
        made.append(
            trigger(
                "trash_contents",
                table,
                "AFTER UPDATE ON {table}",
                "OLD.deleted_at IS DISTINCT FROM NEW.deleted_at",
                f"trash_contents({arguments})",
            )
        )
    for table, parent in PARENTS.items():
        made.append(trigger("live_parent_of_new", table, AFTER_INSERT, "", f"live_{parent}()"))
        made.append(
            trigger(
                "live_parent",
                table,
                "AFTER UPDATE ON {table}",
                f"NEW.deleted_at IS NULL AND (OLD.deleted_at IS NOT NULL OR OLD.{parent}id <> NEW.{parent}id)",
                f"live_{parent}()",
            )
        )
    made.append(trigger("tree_of_new", "location", AFTER_INSERT, "", "location_tree()"))
    made.append(
        trigger(
            "tree",
            "location",
            "AFTER UPDATE ON {table}",
            "NEW.parentid IS NOT NULL AND OLD.parentid IS DISTINCT FROM NEW.parentid",
            "location_tree()",
        )
    )
    made.append(
        trigger(
            "picture",
            "image",
            "BEFORE INSERT OR UPDATE OF content, byte_size, sha256 ON {table}",
            "NEW.content IS NOT NULL",
            "picture()",
        )
    )
    made.append(
        trigger(
            "picture_gone",
            "image",
            "BEFORE UPDATE OF content ON {table}",
            "OLD.content IS NOT NULL AND NEW.content IS NULL",
            "picture()",
        )
    )
    return made


def upgrade() -> None:
    for function in (
        STAMP_NEW,
        STAMP_NEW_LINK,
        STAMP,
        STAMP_LINK,
        STAY,
        FILL_WORLD,
        FRESH,
        LOCK_CONTENTS,
        TRASH_CONTENTS,
        *(LIVE_PARENT.format(parent=parent) for parent in ("world", "story", "act")),
        TREE,
        KEEP,
        PICTURE,
    ):
        op.execute(function)
    for statement in triggers():
        op.execute(statement)


def downgrade() -> None:
    for function in (
        "stamp_new",
        "stamp_new_link",
        "stamp",
        "stamp_link",
        "stay",
        "fill_world",
        "need_fresh_sight",
        "lock_contents",
        "trash_contents",
        "live_world",
        "live_story",
        "live_act",
        "location_tree",
        "keep",
        "picture",
    ):
        op.execute(f"DROP FUNCTION rules.{function}() CASCADE")  # and its triggers
