"""Names must show something, and scenes and acts of a whole world are sorted and found by name.

The index by name leads with the world, as all do; that of the rule leads with the parent. What
was stored with a name that shows nothing stays until it is changed: then it needs another.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INNER = ("act", "scene")

BLANKS = (
    r"\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    r"\u2028\u2029\u202f\u205f\u3000"
)

# Unicode's Default_Ignorable_Code_Point: joiners, marks of direction, fillers, selectors, tags.
INVISIBLE = (
    r"\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)

BEFORE = f"""
CREATE OR REPLACE FUNCTION rules.is_name(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
  value IS NFC NORMALIZED
  AND value <> ''
  AND value = btrim(value, E' {BLANKS}')
  AND value !~ '[\\u0001-\\u001f\\u007f-\\u009f]';
"""

# The second pattern: some character is neither a blank nor invisible.
IS_NAME = f"""
CREATE OR REPLACE FUNCTION rules.is_name(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
  value IS NFC NORMALIZED
  AND value = btrim(value, E' {BLANKS}')
  AND value !~ '[\\u0001-\\u001f\\u007f-\\u009f]'
  AND value ~ '[^ {BLANKS}{INVISIBLE}]';
"""


def upgrade() -> None:
    op.execute(IS_NAME)
    for table in INNER:
        op.execute(
            f"CREATE INDEX ix_{table}_name ON {table} (worldid, name, id) WHERE deleted_at IS NULL"
        )
        op.execute(
            f"CREATE INDEX ix_{table}_search ON {table} "
            "USING gin (worldid, name gin_trgm_ops, display_name gin_trgm_ops)"
        )


def downgrade() -> None:
    for table in INNER:
        op.execute(f"DROP INDEX ix_{table}_search")
        op.execute(f"DROP INDEX ix_{table}_name")
    op.execute(BEFORE)
