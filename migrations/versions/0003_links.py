"""The links: casts, props, relations between personae, members of a world."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROLE = "CREATE TYPE member_role AS ENUM ('viewer', 'editor', 'manager');"

WORLD_MEMBER = """
CREATE TABLE world_member (
    worldid UUID NOT NULL,
    userid UUID NOT NULL,
    role member_role DEFAULT 'viewer'::member_role NOT NULL,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_world_member PRIMARY KEY (worldid, userid),
    CONSTRAINT fk_world_member_worldid FOREIGN KEY(worldid) REFERENCES world (id)
        ON DELETE CASCADE,
    CONSTRAINT fk_world_member_userid FOREIGN KEY(userid) REFERENCES "user" (id)
        ON DELETE CASCADE,
    CONSTRAINT ck_world_member_attributes CHECK (jsonb_typeof(attributes) = 'object')
);
CREATE INDEX ix_world_member_userid ON world_member (userid, worldid);
"""

SCENE_PERSONA = """
CREATE TABLE scene_persona (
    worldid UUID NOT NULL,
    sceneid UUID NOT NULL,
    personaid UUID NOT NULL,
    role VARCHAR(255),
    speeches INTEGER,
    words INTEGER,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_scene_persona PRIMARY KEY (worldid, sceneid, personaid),
    CONSTRAINT fk_scene_persona_sceneid FOREIGN KEY(worldid, sceneid) REFERENCES scene (worldid, id)
        ON DELETE CASCADE,
    CONSTRAINT fk_scene_persona_personaid FOREIGN KEY(worldid, personaid) REFERENCES persona (worldid, id)
        ON DELETE CASCADE,
    CONSTRAINT ck_scene_persona_role CHECK (rules.is_name(role)),
    CONSTRAINT ck_scene_persona_speeches CHECK (speeches >= 0),
    CONSTRAINT ck_scene_persona_words CHECK (words >= 0),
    CONSTRAINT ck_scene_persona_attributes CHECK (jsonb_typeof(attributes) = 'object')
);
CREATE INDEX ix_scene_persona_personaid ON scene_persona (worldid, personaid);
"""

SCENE_THING = """
CREATE TABLE scene_thing (
    worldid UUID NOT NULL,
    sceneid UUID NOT NULL,
    thingid UUID NOT NULL,
    mentions INTEGER,
    note TEXT,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_scene_thing PRIMARY KEY (worldid, sceneid, thingid),
    CONSTRAINT fk_scene_thing_sceneid FOREIGN KEY(worldid, sceneid) REFERENCES scene (worldid, id)
        ON DELETE CASCADE,
    CONSTRAINT fk_scene_thing_thingid FOREIGN KEY(worldid, thingid) REFERENCES thing (worldid, id)
        ON DELETE CASCADE,
    CONSTRAINT ck_scene_thing_mentions CHECK (mentions >= 0),
    CONSTRAINT ck_scene_thing_attributes CHECK (jsonb_typeof(attributes) = 'object')
);
CREATE INDEX ix_scene_thing_thingid ON scene_thing (worldid, thingid);
"""

PERSONA_RELATION = """
CREATE TABLE persona_relation (
    worldid UUID NOT NULL,
    personaid UUID NOT NULL,
    otherid UUID NOT NULL,
    kind VARCHAR(255) NOT NULL,
    description TEXT,
    mutual BOOLEAN DEFAULT false NOT NULL,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_persona_relation PRIMARY KEY (worldid, personaid, otherid, kind),
    CONSTRAINT fk_persona_relation_personaid FOREIGN KEY(worldid, personaid) REFERENCES persona (worldid, id)
        ON DELETE CASCADE,
    CONSTRAINT ck_persona_relation_otherid CHECK (otherid <> personaid),
    CONSTRAINT fk_persona_relation_otherid FOREIGN KEY(worldid, otherid) REFERENCES persona (worldid, id)
        ON DELETE CASCADE,
    CONSTRAINT ck_persona_relation_kind CHECK (rules.is_name(kind)),
    CONSTRAINT ck_persona_relation_attributes CHECK (jsonb_typeof(attributes) = 'object')
);
CREATE INDEX ix_persona_relation_otherid ON persona_relation (worldid, otherid);
"""

TABLES = (WORLD_MEMBER, SCENE_PERSONA, SCENE_THING, PERSONA_RELATION)


def upgrade() -> None:
    op.execute(ROLE)
    for table in TABLES:
        for statement in table.strip().split(";\n"):
            op.execute(statement)


def downgrade() -> None:
    for name in ("persona_relation", "scene_thing", "scene_persona", "world_member"):
        op.execute(f"DROP TABLE {name}")
    op.execute("DROP TYPE member_role")
