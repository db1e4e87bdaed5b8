"""The schema `rules`: functions that defaults, checks and triggers of the tables call.

Also pg_trgm, for finding names that are nearly the same, and btree_gin, so that its index
can lead with the world.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Time-ordered ids keep inserts at the end of every index. PostgreSQL 18 has uuidv7(); for
# older ones the same layout (RFC 9562, section 5.7): 48 bits of milliseconds, then random.
# The choice is made when this step runs: a dump of 18 needs 18, one of an older server fits all.
NEW_ID = """
CREATE FUNCTION rules.new_id() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE AS $$ SELECT uuidv7() $$;
"""
NEW_ID_BEFORE_18 = """
CREATE FUNCTION rules.new_id() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6
      ), 52, 1), 53, 1),
    'hex')::uuid
$$;
"""

# Who is writing. The connection says so; rights and logins are a later step's.
ACTING_USER = """
CREATE FUNCTION rules.acting_user() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT nullif(current_setting('workbench.userid', true), '')::uuid
$$;
"""

# One line of text that shows: composed (NFC), not blank, no blanks around, no control
# characters. Blanks are listed by code point, so that the verdict does not hang on a locale.
IS_NAME = """
CREATE FUNCTION rules.is_name(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
  value IS NFC NORMALIZED
  AND value <> ''
  AND value = btrim(value, E' \\u00a0\\u1680\\u2000\\u2001\\u2002\\u2003\\u2004\\u2005\\u2006\\u2007\\u2008\\u2009\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000')
  AND value !~ '[\\u0001-\\u001f\\u007f-\\u009f]';
"""

IS_EMAIL = """
CREATE FUNCTION rules.is_email(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
  rules.is_name(value) AND value ~ '^[^@[:space:]]+@[^@[:space:]]+$';
"""

# A flat list of names. The empty list is by far the most frequent one.
ARE_LABELS = """
CREATE FUNCTION rules.are_labels(value text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
  CASE WHEN cardinality(value) = 0 THEN true
  ELSE array_ndims(value) = 1
    AND (SELECT bool_and(coalesce(rules.is_name(label) AND length(label) <= 255, false))
         FROM unnest(value) AS label)
  END;
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gin")
    op.execute("CREATE SCHEMA rules")
    version = op.get_bind().dialect.server_version_info if not op.get_context().as_sql else (15,)
    op.execute(NEW_ID if version >= (18,) else NEW_ID_BEFORE_18)
    for function in (ACTING_USER, IS_NAME, IS_EMAIL, ARE_LABELS):
        op.execute(function)


def downgrade() -> None:
    op.execute("DROP SCHEMA rules CASCADE")
    op.execute("DROP EXTENSION btree_gin")
    op.execute("DROP EXTENSION pg_trgm")
