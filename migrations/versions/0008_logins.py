"""The schema `auth`: logins, and the group roles that they belong to.

A user's code holds a login of its own: a role with a random name that lives for some hours and
belongs to one group role. `rules.acting_user()` knows whose it is by `session_user`, which
nothing in a session can change. Logins are issued, revoked and cleared away by functions of
`workbench_logins`, a role that nobody can sign in as; who may call them is a member of
`workbench_server`.

Roles belong to the server, not to one database: they are made when they are missing, and going
down leaves them. Making them takes CREATEROLE. The embedded server is migrated by its
administrator, who acts as the owner of the tables and steps out of that for this one thing.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from workbench.errors import NotAllowed

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MAKE_ROLES = (
    "CREATE ROLE workbench_viewer NOLOGIN",
    "CREATE ROLE workbench_editor NOLOGIN IN ROLE workbench_viewer",
    "CREATE ROLE workbench_server NOLOGIN NOINHERIT",
    "CREATE ROLE workbench_logins NOLOGIN CREATEROLE",
    "GRANT workbench_viewer, workbench_editor TO workbench_logins WITH ADMIN OPTION",
)

HAS_ROLE = text("SELECT pg_has_role(:owner, :role, :use)")

# What a superuser can do besides: advisory locks fill the lock table of all databases at once
# (one SELECT is enough), large objects belong to nobody's world, notices can be forged.
HARDEN = """
DO $$
DECLARE
  f regprocedure;
BEGIN
  FOR f IN SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
    AND (proname ~ '^pg_(try_)?advisory_(xact_)?lock' OR proname ~ '^(lo_|lowrite|loread)'
      OR proname IN ('pg_notify', 'pg_export_snapshot'))
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO {owner}', f);
  END LOOP;
END $$;
"""

LOGIN = """
CREATE TABLE auth.login (
    rolname NAME NOT NULL,
    userid UUID NOT NULL,
    purpose TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_login PRIMARY KEY (rolname),
    CONSTRAINT fk_login_userid FOREIGN KEY (userid) REFERENCES "user" (id)
)
"""

# plpgsql keeps its plan; as a SQL function it is planned anew for every statement before 18.
# Whoever is no login of a user's is trusted to say who acts: the owner, the dashboard's server.
ACTING_USER = """
CREATE OR REPLACE FUNCTION rules.acting_user() RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF session_user LIKE 'workbench\\_login\\_%' THEN
    RETURN (SELECT l.userid FROM auth.login AS l WHERE l.rolname = session_user
      AND l.revoked_at IS NULL AND l.expires_at > statement_timestamp());
  END IF;
  RETURN nullif(current_setting('workbench.userid', true), '')::uuid;
END $$;
"""

ACTING_USER_BEFORE = """
CREATE OR REPLACE FUNCTION rules.acting_user() RETURNS uuid
LANGUAGE sql STABLE SECURITY INVOKER PARALLEL SAFE AS $$
  SELECT nullif(current_setting('workbench.userid', true), '')::uuid
$$;
"""

# The verifier is what PostgreSQL stores of a password, so that no log ever holds the password.
# The functions' owner becomes a member of each login, which lets it end that login's sessions.
ISSUE_LOGIN = """
CREATE FUNCTION auth.issue_login(
  for_user uuid, verifier text, purpose text,
  lifetime interval DEFAULT '8 hours', connections integer DEFAULT 10,
  read_only boolean DEFAULT false,
  OUT rolname name, OUT expires_at timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  granted text;
  live integer;
BEGIN
  SELECT CASE WHEN u.role = 'viewer' OR read_only THEN 'workbench_viewer' ELSE 'workbench_editor' END
    INTO granted FROM public."user" AS u
    WHERE u.id = for_user AND u.is_active AND u.deleted_at IS NULL;
  IF granted IS NULL THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'this user is not active', CONSTRAINT = 'active_user', TABLE = 'user';
  END IF;
  IF verifier !~ '^SCRAM-SHA-256\\$[0-9]{{4,6}}:[A-Za-z0-9+/=]{{24}}\\$[A-Za-z0-9+/=]{{44}}:[A-Za-z0-9+/=]{{44}}$' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'a SCRAM-SHA-256 verifier is expected';
  END IF;
  PERFORM auth.clear_away(l.rolname) FROM auth.login AS l
    WHERE l.userid = for_user AND (l.revoked_at IS NOT NULL OR l.expires_at <= clock_timestamp()
      OR l.created_at < clock_timestamp() - interval '1 minute' AND NOT auth.in_use(l.rolname));
  SELECT count(*) INTO live FROM auth.login AS l
    WHERE l.userid = for_user AND l.revoked_at IS NULL AND l.expires_at > clock_timestamp();
  IF live >= 40 THEN
    RAISE configuration_limit_exceeded USING
      MESSAGE = format('this user has %s logins in use', live), CONSTRAINT = 'many_logins',
      TABLE = 'login';
  END IF;
  rolname := 'workbench_login_' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 24);
  expires_at := clock_timestamp() + least(lifetime, interval '8 hours');
  EXECUTE format(
    'CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS '
    'CONNECTION LIMIT %s PASSWORD %L VALID UNTIL %L IN ROLE %I',
    rolname, greatest(1, least(connections, 20)), verifier, expires_at, granted);
  EXECUTE format('GRANT %I TO workbench_logins{inherit}', rolname);
  EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''60s''', rolname);
  EXECUTE format('ALTER ROLE %I SET lock_timeout = ''30s''', rolname);
  INSERT INTO auth.login (rolname, userid, purpose, expires_at)
    VALUES (issue_login.rolname, for_user, issue_login.purpose, issue_login.expires_at);
END $$;
"""

# A process that was killed leaves its login behind; one that lives has a connection open, and
# is given another login if it has not.
IN_USE = """
CREATE FUNCTION auth.in_use(name name) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.usename = $1)
$$;
"""

REVOKE_LOGIN = """
CREATE FUNCTION auth.revoke_login(name name) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE auth.login AS l SET revoked_at = clock_timestamp()
    WHERE l.rolname = revoke_login.name AND l.revoked_at IS NULL;
  IF FOUND THEN
    EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', revoke_login.name);
    PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity AS a
      WHERE a.usename = revoke_login.name AND a.pid <> pg_backend_pid();
  END IF;
END $$;
"""

# A role that something still depends on stays, unable to sign in, and the row says why.
CLEAR_AWAY = """
CREATE FUNCTION auth.clear_away(name name) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE auth.login AS l SET revoked_at = coalesce(l.revoked_at, clock_timestamp())
    WHERE l.rolname = clear_away.name;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = clear_away.name AND rolcanlogin) THEN
    EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', clear_away.name);
  END IF;
  PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity AS a
    WHERE a.usename = clear_away.name AND a.pid <> pg_backend_pid();
  IF FOUND THEN
    RETURN false;  -- next time
  END IF;
  EXECUTE format('DROP ROLE IF EXISTS %I', clear_away.name);
  DELETE FROM auth.login AS l WHERE l.rolname = clear_away.name;
  RETURN true;
EXCEPTION WHEN dependent_objects_still_exist THEN
  RETURN false;
END $$;
"""

# Limits of time that a session sets for itself, it can lift. These it cannot.
REAP = """
CREATE FUNCTION auth.reap(
  longest_transaction interval DEFAULT '1 hour', longest_idle interval DEFAULT '2 minutes',
  longest_unused interval DEFAULT '1 minute',
  OUT cleared integer, OUT ended integer
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  SELECT count(*) FILTER (WHERE auth.clear_away(l.rolname)) INTO cleared FROM auth.login AS l
    WHERE l.revoked_at IS NOT NULL OR l.expires_at <= clock_timestamp()
      OR l.created_at < clock_timestamp() - longest_unused AND NOT auth.in_use(l.rolname);
  SELECT count(pg_terminate_backend(a.pid)) INTO ended
    FROM pg_stat_activity AS a JOIN auth.login AS l ON l.rolname = a.usename
    WHERE a.xact_start < clock_timestamp() - longest_transaction
      OR (a.state LIKE 'idle in transaction%' AND a.state_change < clock_timestamp() - longest_idle);
END $$;
"""

# A user who is put to rest, or gets another role, has no login from that moment on.
USER_CHANGED = """
CREATE FUNCTION auth.user_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM auth.revoke_login(l.rolname) FROM auth.login AS l
    WHERE l.userid = NEW.id AND l.revoked_at IS NULL;
  RETURN NULL;
END $$;
"""

FUNCTIONS = {
    "in_use(name)": IN_USE,
    "clear_away(name)": CLEAR_AWAY,
    "issue_login(uuid, text, text, interval, integer, boolean)": ISSUE_LOGIN,
    "revoke_login(name)": REVOKE_LOGIN,
    "reap(interval, interval, interval)": REAP,
}


def upgrade() -> None:
    bind = op.get_bind()
    version = bind.dialect.server_version_info if not op.get_context().as_sql else (15,)
    owner = (
        "workbench"
        if op.get_context().as_sql
        else bind.scalar(text("SELECT quote_ident(current_user)"))
    )
    make_roles(version, owner)
    op.execute("CREATE SCHEMA auth")
    op.execute(LOGIN)
    op.execute("CREATE INDEX ix_login_userid ON auth.login (userid)")
    op.execute(ACTING_USER)
    op.execute("GRANT USAGE, CREATE ON SCHEMA auth TO workbench_logins")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON auth.login TO workbench_logins")
    op.execute("GRANT USAGE ON SCHEMA public TO workbench_logins")
    op.execute('GRANT SELECT (id, role, is_active, deleted_at) ON "user" TO workbench_logins')
    inherit = " WITH INHERIT TRUE, SET FALSE" if version >= (16,) else ""
    for name, function in FUNCTIONS.items():
        op.execute(function.format(inherit=inherit) if "{inherit}" in function else function)
        op.execute(f"REVOKE EXECUTE ON FUNCTION auth.{name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION auth.{name} TO workbench_server")
        op.execute(f"ALTER FUNCTION auth.{name} OWNER TO workbench_logins")
    op.execute("REVOKE CREATE ON SCHEMA auth FROM workbench_logins")
    op.execute("GRANT USAGE ON SCHEMA auth TO workbench_server")
    op.execute(USER_CHANGED)
    op.execute("REVOKE EXECUTE ON FUNCTION auth.user_changed() FROM PUBLIC")
    op.execute(
        'CREATE TRIGGER logins_end AFTER UPDATE OF role, is_active, deleted_at ON "user" FOR EACH ROW '
        "WHEN (OLD.role <> NEW.role OR OLD.is_active <> NEW.is_active OR "
        "OLD.deleted_at IS DISTINCT FROM NEW.deleted_at) EXECUTE FUNCTION auth.user_changed()"
    )


def make_roles(version: tuple[int, ...], owner: str) -> None:
    if op.get_context().as_sql:
        for statement in MAKE_ROLES:
            op.execute(statement)
        op.execute(f"GRANT workbench_logins TO {owner}")
        return
    bind = op.get_bind()
    bind.execute(text("SET ROLE NONE"))
    try:
        names = [s.split()[2] for s in MAKE_ROLES if s.startswith("CREATE")]
        there = set(
            bind.scalars(text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:n)"), {"n": names})
        )
        if there != set(names):
            for statement in MAKE_ROLES:
                if statement.startswith("GRANT") or statement.split()[2] not in there:
                    bind.execute(text(statement))
        # The owner hands functions over to the one, and calls them as a member of the other.
        # From 16 on, who makes a role may give it away, and no more than that.
        apart = (" WITH INHERIT FALSE, SET TRUE", "SET") if version >= (16,) else ("", "MEMBER")
        for role, (how, use) in {
            "workbench_logins": apart,
            "workbench_server": ("", "USAGE"),
        }.items():
            given = {"owner": owner.strip('"'), "role": role, "use": use}
            if not bind.scalar(HAS_ROLE, given):
                bind.execute(text(f"GRANT {role} TO {owner}{how}"))
        if bind.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
            bind.exec_driver_sql(HARDEN.replace("{owner}", owner))
    except DBAPIError as error:
        raise NotAllowed(
            "This login may not make the roles that workbench needs. Migrate as an administrator "
            "who has CREATEROLE: ALTER ROLE … CREATEROLE."
        ) from error
    bind.execute(text(f"SET ROLE {owner}"))


def downgrade() -> None:
    op.execute('DROP TRIGGER logins_end ON "user"')
    op.execute(ACTING_USER_BEFORE)
    op.execute('REVOKE ALL ON "user" FROM workbench_logins')
    op.execute("REVOKE ALL ON SCHEMA public FROM workbench_logins")
    op.execute("DROP FUNCTION auth.user_changed()")
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION auth.{name}")
    op.execute("DROP SCHEMA auth CASCADE")
