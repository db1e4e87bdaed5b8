"""Rights: which rows a user may see, add and change, in every table, whatever asks.

A user reads the worlds that are public, their own, and those they are a member of. An editor of
a world writes all of its rows; a manager, such as its owner, also trashes, publishes, shares and
purges. Only a login that belongs to `workbench_editor` writes at all.

* Every policy compares `worldid` with an array that is computed once for a statement. One that
  calls a function for each row, or looks into another table, costs up to 600 times as much, and
  EXPLAIN tells what it hides. For the same reason every index leads with the world: rows that
  are rejected after an index was searched by name are counted there.
* Columns that are not the client's to write (`version`, times, the world and the owner of a row
  that is there) are not granted.
* Nobody holds DELETE or UPDATE on a whole table, which would allow LOCK TABLE: rows are removed
  by `rules.purge` and `rules.unlink`.
* What finds rows by a part of a name (`rules.found`, `rules.near`) is a function that checks by
  itself: under row rights no index serves ILIKE, which may tell what it saw in an error.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

IN_WORLD = ("image", "book", "story", "act", "location", "persona", "thing", "scene")
LINKS = {
    "world_member": ("worldid", "userid"),
    "scene_persona": ("worldid", "sceneid", "personaid"),
    "scene_thing": ("worldid", "sceneid", "thingid"),
    "persona_relation": ("worldid", "personaid", "otherid", "kind"),
}
TABLES = (*IN_WORLD, *LINKS, "world", '"user"')

# The owner is a manager without being listed as a member; what is public has everybody as viewer.
WORLDS = """
CREATE FUNCTION rules.worlds(level member_role) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me uuid := rules.acting_user();
BEGIN
  IF me IS NULL THEN
    RETURN '{}';
  END IF;
  RETURN ARRAY(
    SELECT worldid FROM public.world_member WHERE userid = me AND role >= level
    UNION ALL SELECT id FROM public.world WHERE ownerid = me
    UNION ALL SELECT id FROM public.world WHERE is_public AND level = 'viewer'
  );
END $$;
"""

# PostgreSQL looks at the cheapest condition of a row first, and counts a comparison of a query,
# which cannot leak by itself, among the cheap ones. Then EXPLAIN tells whether the array of
# worlds was ever asked for, that is, whether any row of anybody fits: a hidden text is found
# letter by letter. So what is asked first must cost nothing: a gate before the condition proper,
# which is there for the index. Only a superuser may give a price to a function of C; elsewhere
# the gate is one of plpgsql, which takes longer.
GATE = (
    "CREATE FUNCTION rules.same(uuid, uuid) RETURNS boolean "
    "LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE COST 0.0001 AS 'uuid_eq'",
    "CREATE OPERATOR rules.=== (FUNCTION = rules.same, LEFTARG = uuid, RIGHTARG = uuid)",
    "ALTER FUNCTION rules.same(uuid, uuid) OWNER TO {owner}",
    "ALTER OPERATOR rules.=== (uuid, uuid) OWNER TO {owner}",
)
GATE_OF_OTHERS = """
CREATE FUNCTION rules.among(worlds uuid[], world uuid) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 0.0001
SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN world = ANY (worlds); END $$;
"""

# As the gate, for worlds. One's own are seen whether or not they are in the array: a world that
# was added by this very statement is not in it yet.
GATE_OF_WORLDS = """
CREATE FUNCTION rules.sees_world(worlds uuid[], world uuid, me uuid, ownerid uuid) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 0.0001 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN world = ANY (worlds) OR coalesce(ownerid = me, false);
END $$;
"""

# Whom a user knows: themselves, the owners of worlds they may read, members of worlds they share.
FELLOWS = """
CREATE FUNCTION rules.fellows() RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me uuid := rules.acting_user();
BEGIN
  IF me IS NULL THEN
    RETURN '{}';
  END IF;
  RETURN ARRAY(
    SELECT me
    UNION SELECT ownerid FROM public.world WHERE id = ANY (rules.worlds('viewer'))
    UNION SELECT m.userid FROM public.world_member AS m WHERE m.worldid = ANY (rules.shared())
  );
END $$;
"""

SHARED = """
CREATE FUNCTION rules.shared() RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me uuid := rules.acting_user();
BEGIN
  RETURN ARRAY(
    SELECT worldid FROM public.world_member WHERE userid = me
    UNION ALL SELECT id FROM public.world WHERE ownerid = me
  );
END $$;
"""

# Who could do what was refused: for the message.
MANAGERS = """
CREATE FUNCTION rules.managers(of_world uuid) RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF of_world <> ALL (rules.worlds('viewer')) THEN
    RETURN '{}';
  END IF;
  RETURN ARRAY(
    SELECT coalesce(u.display_name, nullif(concat_ws(' ', u.first_name, u.last_name), ''), u.email)
    FROM public."user" AS u
    WHERE u.deleted_at IS NULL AND u.is_active AND (
      u.id IN (SELECT ownerid FROM public.world WHERE id = of_world)
      OR u.id IN (SELECT userid FROM public.world_member WHERE worldid = of_world AND role = 'manager'))
    ORDER BY 1 LIMIT 5
  );
END $$;
"""

# Row security does not tell which column changed; a trigger does. Owners of the table pass.
GUARD_WORLD = """
CREATE FUNCTION rules.guard_world() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF row_security_active('public.world') AND OLD.id <> ALL (rules.worlds('manager')) THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'only a manager of this world may do this', TABLE = 'world',
      COLUMN = CASE WHEN OLD.is_public <> NEW.is_public THEN 'is_public' ELSE 'deleted_at' END;
  END IF;
  RETURN NEW;
END $$;
"""

# Run as the owner of the tables, for those who are granted to call it: editors.
PURGE = """
CREATE FUNCTION rules.purge(entity text, key uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  world uuid := key;
  count bigint;
BEGIN
  IF entity <> ALL (ARRAY[{entities}]) THEN
    RAISE insufficient_privilege USING MESSAGE = format('no %s is purged', entity);
  END IF;
  IF entity <> 'world' THEN
    EXECUTE format('SELECT worldid FROM public.%I WHERE id = $1', entity) INTO world USING key;
  END IF;
  IF world = ANY (rules.worlds('viewer')) AND world <> ALL (rules.worlds('manager')) THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'only a manager of this world may do this', TABLE = entity;
  END IF;
  EXECUTE format(
    'DELETE FROM public.%I WHERE id = $1 AND deleted_at IS NOT NULL AND $2 = ANY ($3)', entity
  ) USING key, world, rules.worlds('manager');
  GET DIAGNOSTICS count = ROW_COUNT;
  RETURN count > 0;
END $$;
"""

UNLINK = """
CREATE FUNCTION rules.unlink_{link}({parameters}) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM public.{link} AS t
    WHERE {same} AND t.worldid = ANY (rules.worlds('{least}'));
  IF NOT FOUND AND EXISTS (
    SELECT FROM public.{link} AS t WHERE {same} AND t.worldid = ANY (rules.worlds('viewer'))
  ) THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'only {least}s of this world may do this', TABLE = '{link}';
  END IF;
  RETURN FOUND;
END $$;
"""

# The same answer whether or not somebody has the address: managers do not find out who is here.
SHARE = """
CREATE FUNCTION rules.share(of_world uuid, mail text, as_role member_role) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF of_world <> ALL (rules.worlds('manager')) THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'only a manager of this world may do this', TABLE = 'world_member';
  END IF;
  INSERT INTO public.world_member AS m (worldid, userid, role)
    SELECT of_world, u.id, as_role FROM public."user" AS u
    WHERE lower(u.email) = lower(mail) AND u.deleted_at IS NULL
  ON CONFLICT (worldid, userid) DO UPDATE SET role = as_role WHERE m.role <> as_role;
END $$;
"""

# `patterns` are of ILIKE: a row is found if each fits its name or its display name. At most
# `most` ids: what is found more often is quicker read in order, row by row. Planned with its
# values each time, for the index serves rare words and not common ones.
FOUND = """
CREATE FUNCTION rules.found_{table}(patterns text[], world uuid, most integer) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  worlds uuid[] := rules.worlds('viewer');
  found uuid[];
BEGIN
  IF world IS NOT NULL THEN
    worlds := CASE WHEN world = ANY (worlds) THEN ARRAY[world] ELSE '{{}}' END;
  END IF;
  EXECUTE format(
    'SELECT array_agg(id) FROM (SELECT id FROM public.{table} WHERE worldid = ANY (%L) AND %s LIMIT %s) AS t',
    worlds,
    (SELECT string_agg(format('(name ILIKE %L OR display_name ILIKE %1$L)', p), ' AND ')
      FROM unnest(patterns) AS p),
    most) INTO found;
  RETURN coalesce(found, '{{}}');
END $$;
"""

NEAR = """
CREATE FUNCTION rules.near_{table}(said text, world uuid DEFAULT NULL, most integer DEFAULT 5)
RETURNS TABLE (id uuid, name text, likeness real)
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  worlds uuid[] := rules.worlds('viewer');
BEGIN
  IF world IS NOT NULL THEN
    worlds := CASE WHEN world = ANY (worlds) THEN ARRAY[world] ELSE '{{}}' END;
  END IF;
  RETURN QUERY SELECT t.id, t.name::text, similarity(t.name, said) FROM public.{table} AS t
    WHERE t.worldid = ANY (worlds) AND t.deleted_at IS NULL AND t.name % said
    ORDER BY 3 DESC, 2 LIMIT most;
END $$;
"""

# Names of its own would let one letter after another of a hidden name be asked for by EXPLAIN,
# for this index leads with the owner; their hashes do not. Equal hashes are equal names.
WORLD_NAME = (
    "ALTER TABLE world DROP CONSTRAINT uq_world_name",
    "CREATE UNIQUE INDEX uq_world_name ON world (ownerid, hashtextextended(name, 0), deleted_at) "
    "NULLS NOT DISTINCT",
)

# Changes with the author and the reason of their changeset, which are seen through changes
# only: OFFSET 0 keeps conditions of a query away from changesets of others.
ENTRY = """
CREATE VIEW history.entry WITH (security_barrier) AS
SELECT c.*, s.userid, s.login, s.reason, s.source
FROM history.change AS c, LATERAL (
  SELECT t.userid, t.login, t.reason, t.source FROM history.changeset AS t
  WHERE t.id = c.changesetid OFFSET 0
) AS s
WHERE {readable}
"""

# Whoever has written many rows has them counted, which takes the owner, so that the next
# statements are planned well.
COUNT_ANEW = """
CREATE FUNCTION rules.count_anew(tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  one text;
BEGIN
  FOREACH one IN ARRAY tables LOOP
    EXECUTE format('ANALYZE (SKIP_LOCKED) public.%I', one);
  END LOOP;
END $$;
"""

# One column list for each table: what is not said here is the database's to write.
GRANT_COLUMNS = """
DO $$
DECLARE
  wanted record;
BEGIN
  FOR wanted IN
    SELECT c.relname,
      string_agg(quote_ident(a.attname), ', ') FILTER (WHERE a.attname <> 'deleted_at') AS added,
      string_agg(quote_ident(a.attname), ', ')
        FILTER (WHERE a.attname <> ALL (ARRAY['id', 'worldid', 'ownerid'])) AS changed
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (ARRAY[{tables}])
      AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attname <> ALL (ARRAY['created_at', 'updated_at', 'version'])
    GROUP BY c.relname
  LOOP
    EXECUTE format('GRANT INSERT (%s) ON public.%I TO workbench_editor', wanted.added, wanted.relname);
    EXECUTE format('GRANT UPDATE (%s) ON public.%I TO workbench_editor', wanted.changed, wanted.relname);
  END LOOP;
END $$;
"""

TO_ALL = (
    "rules.sees_world(uuid[], uuid, uuid, uuid)",
    "rules.acting_user()",
    "rules.worlds(member_role)",
    "rules.fellows()",
    "rules.shared()",
    "rules.managers(uuid)",
    "rules.is_name(text)",
    "rules.is_email(text)",
    "rules.are_labels(text[])",
    "rules.new_id()",
    "rules.need_fresh_sight()",
    *(f"rules.found_{table}(text[], uuid, integer)" for table in IN_WORLD),
    *(f"rules.near_{table}(text, uuid, integer)" for table in IN_WORLD),
)


def key_types(key: tuple[str, ...]) -> str:
    return ", ".join("text" if column == "kind" else "uuid" for column in key)


class Rights:
    """What policies say, with the gate that fits the server."""

    def __init__(self, *, internal: bool) -> None:
        self.internal = internal

    def gate(self, ids: str, column: str) -> str:
        if self.internal:
            return f"{column} OPERATOR(rules.===) ANY (({ids})::uuid[])"
        return f"rules.among(({ids}), {column})"

    def allowed(self, ids: str, column: str = "worldid") -> str:
        """Return a condition twice: for free, so that it comes first, and for the index."""
        return f"{self.gate(f'SELECT {ids}', column)} AND {column} = ANY ((SELECT {ids})::uuid[])"

    def within(self, level: str, column: str = "worldid") -> str:
        return self.allowed(f"rules.worlds('{level}')", column)


ME = "(SELECT rules.acting_user())"


def policies(rights: Rights) -> list[str]:
    made = []
    for table in (*IN_WORLD, *LINKS):
        level = "manager" if table == "world_member" else "editor"
        owned = f" AND ownerid = {ME}" if table in IN_WORLD else ""
        seen = rights.within("viewer")
        if table == "world_member":  # of what is public, everybody is a viewer, but no member
            seen = rights.allowed("rules.shared()")
        made += [
            f"CREATE POLICY reading ON {table} FOR SELECT TO workbench_viewer USING ({seen})",
            f"CREATE POLICY adding ON {table} FOR INSERT TO workbench_editor "
            f"WITH CHECK ({rights.within(level)}{owned})",
            f"CREATE POLICY changing ON {table} FOR UPDATE TO workbench_editor USING ({rights.within(level)})",
        ]
    made += [
        "CREATE POLICY reading ON world FOR SELECT TO workbench_viewer "
        f"USING (rules.sees_world((SELECT rules.worlds('viewer')), id, {ME}, ownerid))",
        f"CREATE POLICY adding ON world FOR INSERT TO workbench_editor WITH CHECK (ownerid = {ME})",
        f"CREATE POLICY changing ON world FOR UPDATE TO workbench_editor USING ({rights.within('editor', 'id')})",
        'CREATE POLICY reading ON "user" FOR SELECT TO workbench_viewer '
        f"USING ({rights.allowed('rules.fellows()', 'id')})",
        f'CREATE POLICY changing ON "user" FOR UPDATE TO workbench_viewer USING (id = {ME})',
        "CREATE POLICY reading ON history.change FOR SELECT TO workbench_viewer "
        f"USING ({rights.within('viewer')})",
        'CREATE POLICY issuing ON "user" FOR SELECT TO workbench_logins USING (true)',
        "CREATE POLICY issuing ON auth.login TO workbench_logins USING (true)",
        "CREATE POLICY reading ON history.changeset FOR SELECT TO workbench_viewer "
        f"USING ({rights.gate(f'SELECT ARRAY[{ME}]', 'userid')})",
    ]
    return made


def upgrade() -> None:
    connection = op.get_context().connection
    superuser = connection is not None and connection.scalar(
        text("SELECT rolsuper FROM pg_roles WHERE rolname = session_user")
    )
    rights = Rights(internal=bool(superuser))
    if superuser:
        owner = connection.scalar(text("SELECT quote_ident(current_user)"))
        op.execute("SET ROLE NONE")
        for statement in GATE:
            op.execute(statement.format(owner=owner))
        op.execute(f"SET ROLE {owner}")
    else:
        op.execute(GATE_OF_OTHERS)
    for statement in (*WORLD_NAME, GATE_OF_WORLDS, WORLDS, SHARED, FELLOWS, MANAGERS, GUARD_WORLD):
        op.execute(statement)
    names = ", ".join(f"'{table}'" for table in ("world", *IN_WORLD))
    op.execute(PURGE.format(entities=names))
    for link, key in LINKS.items():
        op.execute(
            UNLINK.format(
                link=link,
                parameters=key_types(key),
                same=" AND ".join(f"t.{column} = ${n}" for n, column in enumerate(key, 1)),
                least="manager" if link == "world_member" else "editor",
            )
        )
    for table in IN_WORLD:
        op.execute(FOUND.format(table=table))
        op.execute(NEAR.format(table=table))
    op.execute(
        "CREATE TRIGGER guard BEFORE UPDATE ON world FOR EACH ROW WHEN "
        "(OLD.is_public <> NEW.is_public OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at) "
        "EXECUTE FUNCTION rules.guard_world()"
    )
    # It takes an advisory lock, which users may not do by themselves.
    op.execute("ALTER FUNCTION rules.location_tree() SECURITY DEFINER")
    op.execute(COUNT_ANEW)
    op.execute(SHARE)
    op.execute(ENTRY.format(readable=rights.within("viewer", "c.worldid")))
    op.execute(DATABASE)
    op.execute("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA rules, history FROM PUBLIC")
    op.execute("GRANT USAGE ON SCHEMA public, rules, history TO workbench_viewer")
    op.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public, history TO workbench_viewer")
    gate = "rules.same(uuid, uuid)" if rights.internal else "rules.among(uuid[], uuid)"
    op.execute(f"GRANT EXECUTE ON FUNCTION {', '.join((gate, *TO_ALL))} TO workbench_viewer")
    editors = ["rules.purge(text, uuid)", "rules.count_anew(text[])"]
    editors.append("rules.share(uuid, text, member_role)")
    editors += [f"rules.unlink_{link}({key_types(key)})" for link, key in LINKS.items()]
    op.execute(f"GRANT EXECUTE ON FUNCTION {', '.join(editors)} TO workbench_editor")
    op.execute(
        GRANT_COLUMNS.format(tables=", ".join(f"'{t}'" for t in ("world", *IN_WORLD, *LINKS)))
    )
    op.execute(
        'GRANT UPDATE (first_name, last_name, display_name, phone) ON "user" TO workbench_viewer'
    )
    for table in (*TABLES, "history.change", "history.changeset", "auth.login"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    for policy in policies(rights):
        op.execute(policy)


# Of the database itself: everybody may connect to it and make temporary tables until told not to.
DATABASE = """
DO $$
BEGIN
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO workbench_viewer, workbench_server', current_database());
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO workbench_editor', current_database());
END $$;
"""


def downgrade() -> None:
    for policy in policies(Rights(internal=False)):
        name, _, table = policy.removeprefix("CREATE POLICY ").partition(" ON ")
        op.execute(f"DROP POLICY {name} ON {table.split()[0]}")
    for table in (*TABLES, "history.change", "history.changeset", "auth.login"):
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute("DROP VIEW history.entry")
    op.execute("DROP OPERATOR IF EXISTS rules.=== (uuid, uuid)")
    op.execute("DROP FUNCTION IF EXISTS rules.same(uuid, uuid)")
    op.execute("DROP FUNCTION IF EXISTS rules.among(uuid[], uuid)")
    op.execute(
        "REVOKE ALL ON ALL TABLES IN SCHEMA public, history FROM workbench_viewer, workbench_editor"
    )
    op.execute("REVOKE ALL ON SCHEMA public, rules, history FROM workbench_viewer")
    op.execute("ALTER FUNCTION rules.location_tree() SECURITY INVOKER")
    op.execute("DROP TRIGGER guard ON world")
    for function in (
        "sees_world(uuid[], uuid, uuid, uuid)",
        "guard_world()",
        "purge(text, uuid)",
        "count_anew(text[])",
        "share(uuid, text, member_role)",
        "managers(uuid)",
        "fellows()",
        "shared()",
        "worlds(member_role)",
        *(f"unlink_{link}({key_types(key)})" for link, key in LINKS.items()),
        *(f"found_{table}(text[], uuid, integer)" for table in IN_WORLD),
        *(f"near_{table}(text, uuid, integer)" for table in IN_WORLD),
    ):
        op.execute(f"DROP FUNCTION rules.{function}")
    op.execute("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA rules, history FROM workbench_viewer")
    op.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA rules, history TO PUBLIC")
    op.execute("DROP INDEX uq_world_name")
    op.execute(
        "ALTER TABLE world ADD CONSTRAINT uq_world_name "
        "UNIQUE NULLS NOT DISTINCT (ownerid, name, deleted_at)"
    )
