"""Signing in: identities, sessions, invitations, tokens, and a record of it all.

Whoever runs the dashboard's server is a member of `workbench_server`, and runs no user's code.
It reads and writes the tables of `auth` and the accounts, and nothing of any world; what its
pages show is read by kernels, with logins that it issues. Secrets (cookies, codes, tokens, links)
are kept as SHA-256 alone: they hold 256 random bits, which need no salt.

A login now says for which session or token it was issued, and ends with it. A change of a user's
role regrants the logins that live, so that it counts at once and nobody has to sign in again.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = {
    "identity": """
CREATE TABLE auth.identity (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    userid UUID NOT NULL,
    provider TEXT NOT NULL,
    email TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_identity PRIMARY KEY (issuer, subject),
    CONSTRAINT fk_identity_userid FOREIGN KEY (userid) REFERENCES "user" (id) ON DELETE CASCADE
);
CREATE INDEX ix_identity_userid ON auth.identity (userid)
""",
    "session": """
CREATE TABLE auth.session (
    id UUID DEFAULT rules.new_id() NOT NULL,
    digest BYTEA NOT NULL,
    userid UUID NOT NULL,
    provider TEXT NOT NULL,
    issuer TEXT,
    subject TEXT,
    provider_session TEXT,
    agent TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    idle INTERVAL NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_session PRIMARY KEY (id),
    CONSTRAINT uq_session_digest UNIQUE (digest),
    CONSTRAINT fk_session_userid FOREIGN KEY (userid) REFERENCES "user" (id) ON DELETE CASCADE
);
CREATE INDEX ix_session_userid ON auth.session (userid);
CREATE INDEX ix_session_subject ON auth.session (issuer, subject)
""",
    "pending": """
CREATE TABLE auth.pending (
    digest BYTEA NOT NULL,
    provider TEXT NOT NULL,
    kept JSONB NOT NULL,
    wanted TEXT NOT NULL,
    invitation BYTEA,
    sessionid UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_pending PRIMARY KEY (digest),
    CONSTRAINT fk_pending_sessionid FOREIGN KEY (sessionid) REFERENCES auth.session (id) ON DELETE CASCADE
);
CREATE INDEX ix_pending_created_at ON auth.pending (created_at)
""",
    "invitation": """
CREATE TABLE auth.invitation (
    id UUID DEFAULT rules.new_id() NOT NULL,
    digest BYTEA NOT NULL,
    email TEXT NOT NULL CONSTRAINT ck_invitation_email CHECK (rules.is_email(email)),
    role user_role NOT NULL,
    invited_by UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    used_by UUID,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_invitation PRIMARY KEY (id),
    CONSTRAINT uq_invitation_digest UNIQUE (digest),
    CONSTRAINT fk_invitation_invited_by FOREIGN KEY (invited_by) REFERENCES "user" (id) ON DELETE SET NULL,
    CONSTRAINT fk_invitation_used_by FOREIGN KEY (used_by) REFERENCES "user" (id) ON DELETE SET NULL
);
CREATE INDEX ix_invitation_email ON auth.invitation (lower(email))
""",
    "share": """
CREATE TABLE auth.share (
    worldid UUID NOT NULL,
    email TEXT NOT NULL CONSTRAINT ck_share_email CHECK (rules.is_email(email)),
    role member_role NOT NULL,
    shared_by UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_share PRIMARY KEY (worldid, email),
    CONSTRAINT fk_share_worldid FOREIGN KEY (worldid) REFERENCES world (id) ON DELETE CASCADE,
    CONSTRAINT fk_share_shared_by FOREIGN KEY (shared_by) REFERENCES "user" (id) ON DELETE SET NULL
);
CREATE INDEX ix_share_email ON auth.share (lower(email))
""",
    "device": """
CREATE TABLE auth.device (
    digest BYTEA NOT NULL,
    user_code TEXT NOT NULL,
    client TEXT NOT NULL,
    scope TEXT NOT NULL CONSTRAINT ck_device_scope CHECK (scope IN ('read', 'write')),
    address TEXT NOT NULL,
    pause INTERVAL DEFAULT '5 seconds' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    polled_at TIMESTAMP WITH TIME ZONE,
    userid UUID,
    approved_at TIMESTAMP WITH TIME ZONE,
    denied_at TIMESTAMP WITH TIME ZONE,
    tokenid UUID,
    CONSTRAINT pk_device PRIMARY KEY (digest),
    CONSTRAINT uq_device_user_code UNIQUE (user_code),
    CONSTRAINT fk_device_userid FOREIGN KEY (userid) REFERENCES "user" (id) ON DELETE CASCADE
)
""",
    "token": """
CREATE TABLE auth.token (
    id UUID DEFAULT rules.new_id() NOT NULL,
    digest BYTEA NOT NULL,
    userid UUID NOT NULL,
    kind TEXT NOT NULL CONSTRAINT ck_token_kind CHECK (kind IN ('personal', 'device')),
    name TEXT NOT NULL,
    scope TEXT NOT NULL CONSTRAINT ck_token_scope CHECK (scope IN ('read', 'write')),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    idle INTERVAL,
    used_at TIMESTAMP WITH TIME ZONE,
    used_from TEXT,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_token PRIMARY KEY (id),
    CONSTRAINT uq_token_digest UNIQUE (digest),
    CONSTRAINT fk_token_userid FOREIGN KEY (userid) REFERENCES "user" (id) ON DELETE CASCADE
);
CREATE INDEX ix_token_userid ON auth.token (userid)
""",
    "event": """
CREATE TABLE auth.event (
    id BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    kind TEXT NOT NULL,
    userid UUID,
    by_user UUID,
    provider TEXT,
    account TEXT,
    address TEXT,
    agent TEXT,
    detail TEXT,
    CONSTRAINT pk_event PRIMARY KEY (id)
);
CREATE INDEX ix_event_address ON auth.event (address, at);
CREATE INDEX ix_event_account ON auth.event (account, at);
CREATE INDEX ix_event_userid ON auth.event (userid, at)
""",
}

LOGIN_COLUMNS = (
    "ALTER TABLE auth.login ADD COLUMN read_only BOOLEAN DEFAULT false NOT NULL",
    "ALTER TABLE auth.login ADD COLUMN kept BOOLEAN DEFAULT false NOT NULL",
    "ALTER TABLE auth.login ADD COLUMN sessionid UUID",
    "ALTER TABLE auth.login ADD COLUMN tokenid UUID",
    "CREATE INDEX ix_login_sessionid ON auth.login (sessionid)",
)

# As in 0008, with what it is for. A login that is kept does not end when it is unused: whoever
# holds it cannot ask for another one. All logins of a user together open no more connections than
# 40 % of what the server has, so that nobody keeps everybody else out.
ISSUE_LOGIN = """
CREATE FUNCTION auth.issue_login(
  for_user uuid, verifier text, purpose text,
  lifetime interval DEFAULT '8 hours', connections integer DEFAULT 10,
  read_only boolean DEFAULT false, session uuid DEFAULT NULL, token uuid DEFAULT NULL, kept boolean DEFAULT false,
  OUT rolname name, OUT expires_at timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  granted text;
  live integer;
  taken integer;
  share integer := least(100, current_setting('max_connections')::integer * 2 / 5);
BEGIN
  -- One after the other for each user, so that together they take no more than is theirs.
  SELECT CASE WHEN u.role = 'viewer' OR read_only THEN 'workbench_viewer' ELSE 'workbench_editor' END
    INTO granted FROM public."user" AS u
    WHERE u.id = for_user AND u.is_active AND u.deleted_at IS NULL FOR NO KEY UPDATE;
  IF granted IS NULL THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'this user is not active', CONSTRAINT = 'active_user', TABLE = 'user';
  END IF;
  IF session IS NOT NULL AND NOT EXISTS (
    SELECT FROM auth.session AS s WHERE s.id = session AND s.userid = for_user AND s.ended_at IS NULL
    FOR SHARE
  ) THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'this session has ended', CONSTRAINT = 'live_session', TABLE = 'login';
  END IF;
  IF token IS NOT NULL AND NOT EXISTS (
    SELECT FROM auth.token AS t WHERE t.id = token AND t.userid = for_user AND t.revoked_at IS NULL
    FOR SHARE
  ) THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'this token was revoked', CONSTRAINT = 'live_token', TABLE = 'login';
  END IF;
  IF verifier !~ '^SCRAM-SHA-256\\$[0-9]{{4,6}}:[A-Za-z0-9+/=]{{24}}\\$[A-Za-z0-9+/=]{{44}}:[A-Za-z0-9+/=]{{44}}$' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'a SCRAM-SHA-256 verifier is expected';
  END IF;
  PERFORM auth.clear_away(l.rolname) FROM auth.login AS l
    WHERE l.userid = for_user AND (l.revoked_at IS NOT NULL OR l.expires_at <= clock_timestamp()
      OR NOT l.kept AND l.created_at < clock_timestamp() - interval '1 minute'
        AND NOT auth.in_use(l.rolname));
  SELECT count(*), coalesce(sum(r.rolconnlimit), 0) INTO live, taken
    FROM auth.login AS l JOIN pg_roles AS r ON r.rolname = l.rolname
    WHERE l.userid = for_user AND l.revoked_at IS NULL AND l.expires_at > clock_timestamp();
  IF live >= 40 OR taken >= share THEN
    RAISE configuration_limit_exceeded USING
      MESSAGE = format('this user has %s logins in use', live), CONSTRAINT = 'many_logins',
      TABLE = 'login';
  END IF;
  rolname := 'workbench_login_' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 24);
  expires_at := clock_timestamp() + least(lifetime, interval '8 hours');
  EXECUTE format(
    'CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS '
    'CONNECTION LIMIT %s PASSWORD %L VALID UNTIL %L IN ROLE %I',
    rolname, greatest(1, least(connections, 60, share - taken)), verifier, expires_at, granted);
  EXECUTE format('GRANT %I TO workbench_logins{inherit}', rolname);
  EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''60s''', rolname);
  EXECUTE format('ALTER ROLE %I SET lock_timeout = ''30s''', rolname);
  INSERT INTO auth.login (rolname, userid, purpose, expires_at, read_only, sessionid, tokenid, kept)
    VALUES (issue_login.rolname, for_user, issue_login.purpose, issue_login.expires_at,
      issue_login.read_only, session, token, issue_login.kept);
END $$;
"""

# A server that was killed stops doing this, and its pages' logins expire by themselves.
EXTEND_LOGINS = """
CREATE FUNCTION auth.extend_logins(names name[], lifetime interval) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  until timestamptz := clock_timestamp() + least(lifetime, interval '8 hours');
  one name;
  extended integer := 0;
BEGIN
  FOR one IN UPDATE auth.login AS l SET expires_at = until
    WHERE l.rolname = ANY (names) AND l.revoked_at IS NULL AND l.expires_at > clock_timestamp()
    RETURNING l.rolname
  LOOP
    EXECUTE format('ALTER ROLE %I VALID UNTIL %L', one, until);
    extended := extended + 1;
  END LOOP;
  RETURN extended;
END $$;
"""

REGRANT_LOGIN = """
CREATE FUNCTION auth.regrant_login(name name, edits boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF edits THEN
    EXECUTE format('GRANT workbench_editor TO %I', name);
  ELSE
    EXECUTE format('GRANT workbench_viewer TO %I', name);
    EXECUTE format('REVOKE workbench_editor FROM %I', name);
  END IF;
END $$;
"""

REAP = """
CREATE FUNCTION auth.reap(
  longest_transaction interval DEFAULT '1 hour', longest_idle interval DEFAULT '2 minutes',
  longest_unused interval DEFAULT '1 minute',
  OUT cleared integer, OUT ended integer
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  SELECT count(*) FILTER (WHERE auth.clear_away(l.rolname)) INTO cleared FROM auth.login AS l
    WHERE l.revoked_at IS NOT NULL OR l.expires_at <= clock_timestamp()
      OR NOT l.kept AND l.created_at < clock_timestamp() - longest_unused AND NOT auth.in_use(l.rolname);
  SELECT count(pg_terminate_backend(a.pid)) INTO ended
    FROM pg_stat_activity AS a JOIN auth.login AS l ON l.rolname = a.usename
    WHERE a.xact_start < clock_timestamp() - longest_transaction
      OR (a.state LIKE 'idle in transaction%' AND a.state_change < clock_timestamp() - longest_idle);
END $$;
"""

USER_CHANGED = """
CREATE OR REPLACE FUNCTION auth.user_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.is_active AND NEW.deleted_at IS NULL THEN
    PERFORM auth.regrant_login(l.rolname, NEW.role <> 'viewer' AND NOT l.read_only)
      FROM auth.login AS l WHERE l.userid = NEW.id AND l.revoked_at IS NULL;
  ELSE
    UPDATE auth.session SET ended_at = clock_timestamp() WHERE userid = NEW.id AND ended_at IS NULL;
    PERFORM auth.revoke_login(l.rolname) FROM auth.login AS l
      WHERE l.userid = NEW.id AND l.revoked_at IS NULL;
  END IF;
  RETURN NULL;
END $$;
"""

SESSION_ENDED = """
CREATE FUNCTION auth.session_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM auth.revoke_login(l.rolname) FROM auth.login AS l
    WHERE l.sessionid = NEW.id AND l.revoked_at IS NULL;
  RETURN NULL;
END $$;
"""

TOKEN_REVOKED = """
CREATE FUNCTION auth.token_revoked() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM auth.revoke_login(l.rolname) FROM auth.login AS l
    WHERE l.tokenid = NEW.id AND l.revoked_at IS NULL;
  RETURN NULL;
END $$;
"""

TRIGGERS = (
    "CREATE TRIGGER logins_end AFTER UPDATE OF ended_at ON auth.session FOR EACH ROW "
    "WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION auth.session_ended()",
    "CREATE TRIGGER logins_end AFTER UPDATE OF revoked_at ON auth.token FOR EACH ROW "
    "WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION auth.token_revoked()",
)

# Who is signed in: in this one place is said which sessions stand.
LIVE_SESSION = """
CREATE VIEW auth.live_session AS
SELECT s.id, s.digest, s.userid, s.provider, s.agent, s.address, s.created_at, s.seen_at, s.expires_at,
  u.email, u.role, u.first_name, u.last_name, u.display_name
FROM auth.session AS s JOIN "user" AS u ON u.id = s.userid
WHERE s.ended_at IS NULL AND s.expires_at > clock_timestamp() AND s.seen_at + s.idle > clock_timestamp()
  AND u.is_active AND u.deleted_at IS NULL
"""

# Administrators, and whether they can come in: by an identity, or, while nobody at all signs in by
# one, by the link of the machine.
ADMINISTRATOR = """
CREATE VIEW auth.administrator AS
SELECT u.id, EXISTS (SELECT FROM auth.identity AS i WHERE i.userid = u.id)
  OR NOT EXISTS (SELECT FROM auth.identity) AS comes_in
FROM "user" AS u WHERE u.role = 'admin' AND u.is_active AND u.deleted_at IS NULL
"""

# Ends what has run out, so that its logins end too, and forgets what nobody asks for any more.
TIDY = """
CREATE FUNCTION auth.tidy() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE auth.session SET ended_at = clock_timestamp()
    WHERE ended_at IS NULL AND (expires_at <= clock_timestamp() OR seen_at + idle <= clock_timestamp());
  UPDATE auth.token SET revoked_at = clock_timestamp()
    WHERE revoked_at IS NULL
      AND (expires_at <= clock_timestamp() OR coalesce(used_at, created_at) + idle <= clock_timestamp());
  DELETE FROM auth.pending WHERE created_at < clock_timestamp() - interval '10 minutes';
  DELETE FROM auth.device WHERE expires_at < clock_timestamp()
    - CASE WHEN tokenid IS NULL THEN interval '1 hour' ELSE interval '1 day' END;
  DELETE FROM auth.session WHERE ended_at < clock_timestamp() - interval '90 days';
  DELETE FROM auth.event WHERE at < clock_timestamp() - interval '400 days';
END $$;
"""

# What was shared with an address before somebody had it.
TAKE_SHARES = """
CREATE FUNCTION auth.take_shares(of_user uuid) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  taken integer;
BEGIN
  INSERT INTO public.world_member AS m (worldid, userid, role)
    SELECT s.worldid, u.id, s.role FROM auth.share AS s
    JOIN public."user" AS u ON lower(u.email) = lower(s.email)
    JOIN public.world AS w ON w.id = s.worldid AND w.ownerid <> u.id
    WHERE u.id = of_user AND u.is_verified
  ON CONFLICT (worldid, userid) DO NOTHING;
  GET DIAGNOSTICS taken = ROW_COUNT;
  DELETE FROM auth.share AS s USING public."user" AS u
    WHERE u.id = of_user AND u.is_verified AND lower(u.email) = lower(s.email);
  RETURN taken;
END $$;
"""

# Worlds do not vanish with an account: each goes to an heir, or the account stays.
DELETE_ACCOUNT = """
CREATE FUNCTION auth.delete_account(of_user uuid, heirs jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  one record;
  heir uuid;
BEGIN
  PERFORM FROM public."user" WHERE id = of_user AND deleted_at IS NULL FOR UPDATE;
  IF NOT FOUND THEN
    RAISE no_data_found USING MESSAGE = 'there is no such account', CONSTRAINT = 'there_user', TABLE = 'user';
  END IF;
  IF EXISTS (SELECT FROM auth.administrator WHERE id = of_user)
    AND NOT EXISTS (SELECT FROM auth.administrator WHERE id <> of_user AND comes_in)
  THEN
    RAISE restrict_violation USING
      MESSAGE = 'the last administrator stays', CONSTRAINT = 'last_user', TABLE = 'user';
  END IF;
  FOR one IN SELECT id, name FROM public.world WHERE ownerid = of_user AND deleted_at IS NULL ORDER BY name FOR UPDATE LOOP
    heir := (heirs ->> one.id::text)::uuid;
    IF heir IS NULL OR heir = of_user OR NOT EXISTS (
      SELECT FROM public.world_member AS m JOIN public."user" AS u ON u.id = m.userid
      WHERE m.worldid = one.id AND m.userid = heir AND u.is_active AND u.deleted_at IS NULL
        AND u.role <> 'viewer'
    ) THEN
      RAISE restrict_violation USING
        MESSAGE = 'a world has no heir', CONSTRAINT = 'heir_world', TABLE = 'world', DETAIL = one.name;
    END IF;
    PERFORM auth.give_world(one.id, heir);
  END LOOP;
  DELETE FROM public.world_member WHERE userid = of_user;
  DELETE FROM auth.identity WHERE userid = of_user;
  UPDATE auth.token SET revoked_at = clock_timestamp() WHERE userid = of_user AND revoked_at IS NULL;
  UPDATE public."user" SET deleted_at = clock_timestamp(), is_active = false WHERE id = of_user;
END $$;
"""

# The heir is the owner, and no member any more: an owner is a manager without being listed.
GIVE_WORLD = """
CREATE FUNCTION auth.give_world(of_world uuid, heir uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM public.world_member WHERE worldid = of_world AND userid = heir;
  UPDATE public.world SET ownerid = heir WHERE id = of_world;
END $$;
"""

HAND_OVER = """
CREATE FUNCTION rules.hand_over(of_world uuid, mail text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  former uuid;
  heir uuid;
BEGIN
  IF of_world <> ALL (rules.worlds('manager')) THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'only a manager of this world may do this', TABLE = 'world';
  END IF;
  SELECT ownerid INTO former FROM public.world WHERE id = of_world FOR UPDATE;
  SELECT u.id INTO heir FROM public."user" AS u
    WHERE lower(u.email) = lower(mail) AND u.is_active AND u.deleted_at IS NULL;
  IF heir IS NULL THEN
    RAISE no_data_found USING
      MESSAGE = 'nobody who may sign in has this address', CONSTRAINT = 'there_user', TABLE = 'user';
  END IF;
  IF EXISTS (SELECT FROM public."user" AS u WHERE u.id = heir AND u.role = 'viewer') THEN
    RAISE restrict_violation USING
      MESSAGE = 'this account may only read', CONSTRAINT = 'edits_user', TABLE = 'user';
  END IF;
  -- Nobody takes a world from its owner, unless that one is gone.
  IF heir = rules.acting_user() AND EXISTS (
    SELECT FROM public."user" AS u WHERE u.id = former AND u.is_active AND u.deleted_at IS NULL
  ) AND heir <> former THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'a world is handed to somebody else', TABLE = 'world', CONSTRAINT = 'own_world';
  END IF;
  IF heir <> former THEN
    PERFORM auth.give_world(of_world, heir);
    INSERT INTO public.world_member (worldid, userid, role) VALUES (of_world, former, 'manager');
  END IF;
END $$;
"""

SHARE = """
CREATE OR REPLACE FUNCTION rules.share(of_world uuid, mail text, as_role member_role) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF of_world <> ALL (rules.worlds('manager')) THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'only a manager of this world may do this', TABLE = 'world_member';
  END IF;
  INSERT INTO public.world_member AS m (worldid, userid, role)
    SELECT of_world, u.id, as_role FROM public."user" AS u
    WHERE lower(u.email) = lower(mail) AND u.deleted_at IS NULL
      AND u.id <> (SELECT ownerid FROM public.world WHERE id = of_world)
  ON CONFLICT (worldid, userid) DO UPDATE SET role = as_role WHERE m.role <> as_role;
  DELETE FROM auth.share AS s WHERE s.worldid = of_world AND lower(s.email) = lower(mail);
  IF NOT EXISTS (SELECT FROM public."user" AS u WHERE lower(u.email) = lower(mail) AND u.deleted_at IS NULL) THEN
    INSERT INTO auth.share (worldid, email, role, shared_by)
      VALUES (of_world, lower(mail), as_role, rules.acting_user());
  END IF;
END $$;
"""

# Whoever was made a member may leave, too.
UNSHARE = """
CREATE FUNCTION rules.unshare(of_world uuid, mail text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  count integer;
  more integer;
BEGIN
  IF of_world <> ALL (rules.worlds('manager')) AND NOT EXISTS (
    SELECT FROM public."user" AS u WHERE u.id = rules.acting_user() AND lower(u.email) = lower(mail)
  ) THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'only a manager of this world may do this', TABLE = 'world_member';
  END IF;
  DELETE FROM public.world_member AS m USING public."user" AS u
    WHERE m.worldid = of_world AND m.userid = u.id AND lower(u.email) = lower(mail);
  GET DIAGNOSTICS count = ROW_COUNT;
  DELETE FROM auth.share AS s WHERE s.worldid = of_world AND lower(s.email) = lower(mail);
  GET DIAGNOSTICS more = ROW_COUNT;
  RETURN count + more > 0;
END $$;
"""

# Addresses are for managers, who wrote them; other members see names, where there are any.
MEMBERS = """
CREATE FUNCTION rules.members(of_world uuid)
RETURNS TABLE (userid uuid, email text, name text, role text, pending boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  manages boolean := of_world = ANY (rules.worlds('manager'));
BEGIN
  IF of_world <> ALL (rules.shared()) THEN
    RETURN;
  END IF;
  RETURN QUERY
    SELECT u.id, CASE WHEN manages THEN u.email::text END,
      coalesce(u.display_name, nullif(concat_ws(' ', u.first_name, u.last_name), ''), u.email)::text,
      t.role, false
    FROM (
      SELECT w.ownerid AS id, 'owner' AS role FROM public.world AS w WHERE w.id = of_world
      UNION ALL SELECT m.userid, m.role::text FROM public.world_member AS m WHERE m.worldid = of_world
    ) AS t JOIN public."user" AS u ON u.id = t.id
    UNION ALL
    SELECT NULL, s.email, s.email, s.role::text, true FROM auth.share AS s
      WHERE s.worldid = of_world AND manages
    ORDER BY 5, 3;
END $$;
"""

# As in 0009, without the owners of worlds that are public, and no more: those are told by name only.
FELLOWS = """
CREATE OR REPLACE FUNCTION rules.fellows() RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me uuid := rules.acting_user();
BEGIN
  IF me IS NULL THEN
    RETURN '{}';
  END IF;
  RETURN ARRAY(
    SELECT me
    UNION SELECT ownerid FROM public.world WHERE id = ANY (rules.shared())
    UNION SELECT m.userid FROM public.world_member AS m WHERE m.worldid = ANY (rules.shared())
  );
END $$;
"""

OWNERS = """
CREATE FUNCTION rules.owners(worlds uuid[]) RETURNS TABLE (worldid uuid, name text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  readable uuid[] := rules.worlds('viewer');
BEGIN
  RETURN QUERY
    SELECT w.id, coalesce(u.display_name, nullif(concat_ws(' ', u.first_name, u.last_name), ''),
      nullif(split_part(u.email, '@', 1), ''), 'somebody')::text
    FROM public.world AS w JOIN public."user" AS u ON u.id = w.ownerid
    WHERE w.id = ANY (worlds) AND w.id = ANY (readable);
END $$;
"""

# As in 0009; of those who may change something.
MANAGERS = """
CREATE OR REPLACE FUNCTION rules.managers(of_world uuid) RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF of_world <> ALL (rules.worlds('viewer')) THEN
    RETURN '{}';
  END IF;
  RETURN ARRAY(
    SELECT coalesce(u.display_name, nullif(concat_ws(' ', u.first_name, u.last_name), ''),
      CASE WHEN of_world = ANY (rules.shared()) THEN u.email ELSE split_part(u.email, '@', 1) END)
    FROM public."user" AS u
    WHERE u.deleted_at IS NULL AND u.is_active AND u.role <> 'viewer' AND (
      u.id IN (SELECT ownerid FROM public.world WHERE id = of_world)
      OR u.id IN (SELECT userid FROM public.world_member WHERE worldid = of_world AND role = 'manager'))
    ORDER BY 1 LIMIT 5
  );
END $$;
"""

OF_LOGINS = {
    "issue_login(uuid, text, text, interval, integer, boolean, uuid, uuid, boolean)": ISSUE_LOGIN,
    "extend_logins(name[], interval)": EXTEND_LOGINS,
    "regrant_login(name, boolean)": REGRANT_LOGIN,
    "reap(interval, interval, interval)": REAP,
}
OF_SERVER = {
    "tidy()": TIDY,
    "take_shares(uuid)": TAKE_SHARES,
    "delete_account(uuid, jsonb)": DELETE_ACCOUNT,
}
OF_MEMBERS = {
    "members(uuid)": (MEMBERS, "workbench_viewer"),
    "owners(uuid[])": (OWNERS, "workbench_viewer"),
    "unshare(uuid, text)": (UNSHARE, "workbench_viewer"),
    "hand_over(uuid, text)": (HAND_OVER, "workbench_editor"),
}

# What the server may do with accounts: all but forging who made them, and removing them for good.
SERVER_MAY = (
    "GRANT USAGE ON SCHEMA public, rules TO workbench_server",
    "GRANT SELECT, INSERT (email, first_name, last_name, display_name, role, is_verified), "
    "UPDATE (email, first_name, last_name, display_name, phone, role, is_active, is_verified, "
    'last_login_at, deleted_at) ON "user" TO workbench_server',
    "GRANT SELECT (id, name, display_name, ownerid, deleted_at) ON world TO workbench_server",
    "GRANT SELECT ON world_member TO workbench_server",
    "GRANT SELECT (rolname, userid, purpose, created_at, expires_at, revoked_at, sessionid, tokenid) "
    "ON auth.login TO workbench_server",
    "GRANT EXECUTE ON FUNCTION rules.acting_user(), rules.new_id(), rules.is_name(text), "
    "rules.is_email(text), rules.need_fresh_sight() TO workbench_server",
    "GRANT SELECT ON public.alembic_version TO workbench_server",
    *(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON auth.{table} TO workbench_server"
        for table in ("identity", "session", "pending", "invitation", "device", "token")
    ),
    "GRANT SELECT, INSERT ON auth.event TO workbench_server",
    "GRANT SELECT ON auth.live_session, auth.administrator TO workbench_server",
)

POLICIES = (
    *(
        f"CREATE POLICY serving ON auth.{table} TO workbench_server USING (true)"
        for table in TABLES
    ),
    'CREATE POLICY serving ON "user" TO workbench_server USING (true)',
    "CREATE POLICY serving ON world FOR SELECT TO workbench_server USING (true)",
    "CREATE POLICY serving ON world_member FOR SELECT TO workbench_server USING (true)",
    "CREATE POLICY serving ON auth.login FOR SELECT TO workbench_server USING (true)",
    "CREATE POLICY issuing ON auth.session TO workbench_logins USING (true)",
    "CREATE POLICY issuing ON auth.token TO workbench_logins USING (true)",
    'CREATE POLICY locking ON "user" FOR UPDATE TO workbench_logins USING (true)',
)


# Where a superuser acts as the owner, as in the embedded server: connections are kept back for the
# owner. It stays on the way back, for other databases of the server may need it.
RESERVED = """
DO $$
DECLARE
  owner name := current_user;
BEGIN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) AND owner <> session_user
    AND current_setting('server_version_num')::integer >= 160000
  THEN
    SET LOCAL ROLE NONE;
    EXECUTE format('GRANT pg_use_reserved_connections TO %I', owner);
    EXECUTE format('SET LOCAL ROLE %I', owner);
  END IF;
END $$;
"""


def upgrade() -> None:
    bind = op.get_bind()
    offline = op.get_context().as_sql
    version = (15,) if offline else bind.dialect.server_version_info
    op.execute(RESERVED)
    for statements in TABLES.values():
        for statement in statements.split(";"):
            op.execute(statement)
    for statement in LOGIN_COLUMNS:
        op.execute(statement)
    op.execute(LIVE_SESSION)
    op.execute(ADMINISTRATOR)
    op.execute("DROP FUNCTION auth.issue_login(uuid, text, text, interval, integer, boolean)")
    op.execute("DROP FUNCTION auth.reap(interval, interval, interval)")
    op.execute("GRANT CREATE ON SCHEMA auth TO workbench_logins")
    op.execute("GRANT SELECT, UPDATE ON auth.session, auth.token TO workbench_logins")
    # FOR SHARE takes the right to change something.
    op.execute('GRANT UPDATE (last_login_at) ON "user" TO workbench_logins')
    inherit = " WITH INHERIT TRUE, SET FALSE" if version >= (16,) else ""
    for name, function in OF_LOGINS.items():
        op.execute(function.format(inherit=inherit) if "{inherit}" in function else function)
        serving(name)
        op.execute(f"ALTER FUNCTION auth.{name} OWNER TO workbench_logins")
    op.execute("REVOKE CREATE ON SCHEMA auth FROM workbench_logins")
    for statement in (USER_CHANGED, GIVE_WORLD, SESSION_ENDED, TOKEN_REVOKED, *TRIGGERS):
        op.execute(statement)
    op.execute(
        "REVOKE EXECUTE ON FUNCTION auth.give_world(uuid, uuid), auth.session_ended(), "
        "auth.token_revoked() FROM PUBLIC"
    )
    for name, function in OF_SERVER.items():
        op.execute(function)
        serving(name)
    for name, (function, group) in OF_MEMBERS.items():
        op.execute(function)
        op.execute(f"REVOKE EXECUTE ON FUNCTION rules.{name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION rules.{name} TO {group}")
    for function in (SHARE, FELLOWS, MANAGERS):
        op.execute(function)
    for statement in SERVER_MAY:
        op.execute(statement)
    for table in TABLES:
        op.execute(f"ALTER TABLE auth.{table} ENABLE ROW LEVEL SECURITY")
    for policy in POLICIES:
        op.execute(policy)


def serving(name: str) -> None:
    op.execute(f"REVOKE EXECUTE ON FUNCTION auth.{name} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION auth.{name} TO workbench_server")


def downgrade() -> None:
    """Go back to logins that know no session; whoever is signed in is signed out."""
    logins, rights = (
        op.get_context().script.get_revision(step).module for step in ("0008", "0009")
    )
    bind = op.get_bind()
    offline = op.get_context().as_sql
    version = (15,) if offline else bind.dialect.server_version_info
    inherit = " WITH INHERIT TRUE, SET FALSE" if version >= (16,) else ""
    for policy in POLICIES:
        name, _, rest = policy.removeprefix("CREATE POLICY ").partition(" ON ")
        op.execute(f"DROP POLICY {name} ON {rest.split()[0]}")
    for name in OF_MEMBERS:
        op.execute(f"DROP FUNCTION rules.{name}")
    for name in (*OF_LOGINS, *OF_SERVER, "give_world(uuid, uuid)"):
        op.execute(f"DROP FUNCTION auth.{name}")
    for function in (rights.SHARE, rights.FELLOWS, rights.MANAGERS):
        op.execute(function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    op.execute(logins.USER_CHANGED.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    op.execute("GRANT CREATE ON SCHEMA auth TO workbench_logins")
    for name, function in logins.FUNCTIONS.items():
        if name.startswith(("issue_login", "reap")):
            op.execute(function.format(inherit=inherit) if "{inherit}" in function else function)
            serving(name)
            op.execute(f"ALTER FUNCTION auth.{name} OWNER TO workbench_logins")
    op.execute("REVOKE CREATE ON SCHEMA auth FROM workbench_logins")
    op.execute("DROP VIEW auth.live_session, auth.administrator")
    for column in ("read_only", "kept", "sessionid", "tokenid"):
        op.execute(f"ALTER TABLE auth.login DROP COLUMN {column}")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE auth.{table} CASCADE")
    op.execute("DROP FUNCTION auth.session_ended()")
    op.execute("DROP FUNCTION auth.token_revoked()")
    op.execute('REVOKE UPDATE (last_login_at) ON "user" FROM workbench_logins')
    op.execute("REVOKE SELECT ON auth.login, public.alembic_version FROM workbench_server")
    for what in ('"user"', "world", "world_member"):
        op.execute(f"REVOKE ALL ON {what} FROM workbench_server")
    op.execute("REVOKE ALL ON SCHEMA public, rules FROM workbench_server")
    op.execute("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA rules FROM workbench_server")
