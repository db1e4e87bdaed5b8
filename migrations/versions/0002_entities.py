"""The ten entities.

Every constraint is named after its column (`fk_scene_actid`, `ck_scene_position`), so that an
error can name the field. Names are unique under their parent among live rows: rows in the
trash have a time in `deleted_at`, live ones have NULL, and NULLs count as equal here.
References are composite (`worldid`, id), so that nothing points into another world.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLE = "CREATE TYPE user_role AS ENUM ('viewer', 'editor', 'admin');"

USER = """
CREATE TABLE "user" (
    id UUID DEFAULT rules.new_id() NOT NULL,
    email VARCHAR(255) NOT NULL,
    first_name VARCHAR(255),
    last_name VARCHAR(255),
    display_name VARCHAR(255),
    phone VARCHAR(255),
    role user_role DEFAULT 'viewer'::user_role NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    is_verified BOOLEAN DEFAULT false NOT NULL,
    last_login_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_user PRIMARY KEY (id),
    CONSTRAINT ck_user_email CHECK (rules.is_email(email)),
    CONSTRAINT ck_user_first_name CHECK (rules.is_name(first_name)),
    CONSTRAINT ck_user_last_name CHECK (rules.is_name(last_name)),
    CONSTRAINT ck_user_display_name CHECK (rules.is_name(display_name)),
    CONSTRAINT ck_user_phone CHECK (rules.is_name(phone))
);
CREATE UNIQUE INDEX uq_user_email ON "user" (lower(email));
"""

WORLD = """
CREATE TABLE world (
    id UUID DEFAULT rules.new_id() NOT NULL,
    name VARCHAR(255) NOT NULL,
    display_name VARCHAR(255),
    description TEXT,
    imageid UUID,
    is_public BOOLEAN DEFAULT false NOT NULL,
    ownerid UUID DEFAULT rules.acting_user() NOT NULL,
    tags TEXT[] DEFAULT '{}'::text[] NOT NULL,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_world PRIMARY KEY (id),
    CONSTRAINT ck_world_name CHECK (rules.is_name(name)),
    CONSTRAINT ck_world_display_name CHECK (rules.is_name(display_name)),
    CONSTRAINT fk_world_ownerid FOREIGN KEY(ownerid) REFERENCES "user" (id),
    CONSTRAINT ck_world_tags CHECK (rules.are_labels(tags)),
    CONSTRAINT ck_world_attributes CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT uq_world_name UNIQUE NULLS NOT DISTINCT (ownerid, name, deleted_at)
);
CREATE INDEX ix_world_imageid ON world (id, imageid) WHERE imageid IS NOT NULL;
"""

IMAGE = """
CREATE TABLE image (
    id UUID DEFAULT rules.new_id() NOT NULL,
    worldid UUID NOT NULL,
    name VARCHAR(255) NOT NULL,
    display_name VARCHAR(255),
    description TEXT,
    kind VARCHAR(255),
    media_type VARCHAR(255),
    width INTEGER,
    height INTEGER,
    byte_size INTEGER,
    sha256 VARCHAR(64),
    content BYTEA,
    thumbnail BYTEA,
    source_url TEXT,
    ownerid UUID DEFAULT rules.acting_user() NOT NULL,
    tags TEXT[] DEFAULT '{}'::text[] NOT NULL,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_image PRIMARY KEY (id),
    CONSTRAINT fk_image_worldid FOREIGN KEY(worldid) REFERENCES world (id)
        ON DELETE CASCADE,
    CONSTRAINT ck_image_name CHECK (rules.is_name(name)),
    CONSTRAINT ck_image_display_name CHECK (rules.is_name(display_name)),
    CONSTRAINT ck_image_kind CHECK (rules.is_name(kind)),
    CONSTRAINT ck_image_media_type CHECK (rules.is_name(media_type)),
    CONSTRAINT ck_image_width CHECK (width >= 1),
    CONSTRAINT ck_image_height CHECK (height >= 1),
    CONSTRAINT ck_image_byte_size CHECK (byte_size >= 0),
    CONSTRAINT ck_image_sha256 CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT ck_image_content CHECK (octet_length(content) BETWEEN 1 AND 10485760),
    CONSTRAINT ck_image_thumbnail CHECK (octet_length(thumbnail) BETWEEN 1 AND 262144),
    CONSTRAINT fk_image_ownerid FOREIGN KEY(ownerid) REFERENCES "user" (id),
    CONSTRAINT ck_image_tags CHECK (rules.are_labels(tags)),
    CONSTRAINT ck_image_attributes CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT uq_image_id UNIQUE (worldid, id),
    CONSTRAINT uq_image_name UNIQUE NULLS NOT DISTINCT (worldid, name, deleted_at)
);
"""

BOOK = """
CREATE TABLE book (
    id UUID DEFAULT rules.new_id() NOT NULL,
    worldid UUID NOT NULL,
    name VARCHAR(255) NOT NULL,
    display_name VARCHAR(255),
    description TEXT,
    position INTEGER,
    imageid UUID,
    ownerid UUID DEFAULT rules.acting_user() NOT NULL,
    tags TEXT[] DEFAULT '{}'::text[] NOT NULL,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_book PRIMARY KEY (id),
    CONSTRAINT fk_book_worldid FOREIGN KEY(worldid) REFERENCES world (id)
        ON DELETE CASCADE,
    CONSTRAINT ck_book_name CHECK (rules.is_name(name)),
    CONSTRAINT ck_book_display_name CHECK (rules.is_name(display_name)),
    CONSTRAINT ck_book_position CHECK (position >= 1),
    CONSTRAINT fk_book_imageid FOREIGN KEY(worldid, imageid) REFERENCES image (worldid, id)
        ON DELETE SET NULL (imageid),
    CONSTRAINT fk_book_ownerid FOREIGN KEY(ownerid) REFERENCES "user" (id),
    CONSTRAINT ck_book_tags CHECK (rules.are_labels(tags)),
    CONSTRAINT ck_book_attributes CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT uq_book_id UNIQUE (worldid, id),
    CONSTRAINT uq_book_name UNIQUE NULLS NOT DISTINCT (worldid, name, deleted_at)
);
CREATE INDEX ix_book_imageid ON book (worldid, imageid) WHERE imageid IS NOT NULL;
"""

STORY = """
CREATE TABLE story (
    id UUID DEFAULT rules.new_id() NOT NULL,
    worldid UUID NOT NULL,
    name VARCHAR(255) NOT NULL,
    display_name VARCHAR(255),
    description TEXT,
    bookid UUID,
    position INTEGER,
    imageid UUID,
    ownerid UUID DEFAULT rules.acting_user() NOT NULL,
    tags TEXT[] DEFAULT '{}'::text[] NOT NULL,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_story PRIMARY KEY (id),
    CONSTRAINT fk_story_worldid FOREIGN KEY(worldid) REFERENCES world (id)
        ON DELETE CASCADE,
    CONSTRAINT ck_story_name CHECK (rules.is_name(name)),
    CONSTRAINT ck_story_display_name CHECK (rules.is_name(display_name)),
    CONSTRAINT fk_story_bookid FOREIGN KEY(worldid, bookid) REFERENCES book (worldid, id)
        ON DELETE SET NULL (bookid),
    CONSTRAINT ck_story_position CHECK (position >= 1),
    CONSTRAINT fk_story_imageid FOREIGN KEY(worldid, imageid) REFERENCES image (worldid, id)
        ON DELETE SET NULL (imageid),
    CONSTRAINT fk_story_ownerid FOREIGN KEY(ownerid) REFERENCES "user" (id),
    CONSTRAINT ck_story_tags CHECK (rules.are_labels(tags)),
    CONSTRAINT ck_story_attributes CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT uq_story_id UNIQUE (worldid, id),
    CONSTRAINT uq_story_name UNIQUE NULLS NOT DISTINCT (worldid, name, deleted_at)
);
CREATE INDEX ix_story_bookid ON story (worldid, bookid) WHERE bookid IS NOT NULL;
CREATE INDEX ix_story_imageid ON story (worldid, imageid) WHERE imageid IS NOT NULL;
"""

ACT = """
CREATE TABLE act (
    id UUID DEFAULT rules.new_id() NOT NULL,
    storyid UUID NOT NULL,
    worldid UUID NOT NULL,
    name VARCHAR(255) NOT NULL,
    display_name VARCHAR(255),
    description TEXT,
    position INTEGER,
    ownerid UUID DEFAULT rules.acting_user() NOT NULL,
    tags TEXT[] DEFAULT '{}'::text[] NOT NULL,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_act PRIMARY KEY (id),
    CONSTRAINT fk_act_storyid FOREIGN KEY(worldid, storyid) REFERENCES story (worldid, id)
        ON DELETE CASCADE,
    CONSTRAINT ck_act_name CHECK (rules.is_name(name)),
    CONSTRAINT ck_act_display_name CHECK (rules.is_name(display_name)),
    CONSTRAINT ck_act_position CHECK (position >= 1),
    CONSTRAINT fk_act_ownerid FOREIGN KEY(ownerid) REFERENCES "user" (id),
    CONSTRAINT ck_act_tags CHECK (rules.are_labels(tags)),
    CONSTRAINT ck_act_attributes CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT uq_act_id UNIQUE (worldid, id),
    CONSTRAINT uq_act_name UNIQUE NULLS NOT DISTINCT (worldid, storyid, name, deleted_at)
);
"""

LOCATION = """
CREATE TABLE location (
    id UUID DEFAULT rules.new_id() NOT NULL,
    worldid UUID NOT NULL,
    name VARCHAR(255) NOT NULL,
    display_name VARCHAR(255),
    description TEXT,
    kind VARCHAR(255),
    parentid UUID,
    x DOUBLE PRECISION,
    y DOUBLE PRECISION,
    imageid UUID,
    ownerid UUID DEFAULT rules.acting_user() NOT NULL,
    tags TEXT[] DEFAULT '{}'::text[] NOT NULL,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_location PRIMARY KEY (id),
    CONSTRAINT fk_location_worldid FOREIGN KEY(worldid) REFERENCES world (id)
        ON DELETE CASCADE,
    CONSTRAINT ck_location_name CHECK (rules.is_name(name)),
    CONSTRAINT ck_location_display_name CHECK (rules.is_name(display_name)),
    CONSTRAINT ck_location_kind CHECK (rules.is_name(kind)),
    CONSTRAINT fk_location_parentid FOREIGN KEY(worldid, parentid) REFERENCES location (worldid, id)
        ON DELETE SET NULL (parentid),
    CONSTRAINT ck_location_x CHECK (x BETWEEN 0 AND 1),
    CONSTRAINT ck_location_y CHECK (y BETWEEN 0 AND 1),
    CONSTRAINT fk_location_imageid FOREIGN KEY(worldid, imageid) REFERENCES image (worldid, id)
        ON DELETE SET NULL (imageid),
    CONSTRAINT fk_location_ownerid FOREIGN KEY(ownerid) REFERENCES "user" (id),
    CONSTRAINT ck_location_tags CHECK (rules.are_labels(tags)),
    CONSTRAINT ck_location_attributes CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT uq_location_id UNIQUE (worldid, id),
    CONSTRAINT uq_location_name UNIQUE NULLS NOT DISTINCT (worldid, name, deleted_at)
);
CREATE INDEX ix_location_imageid ON location (worldid, imageid) WHERE imageid IS NOT NULL;
CREATE INDEX ix_location_parentid ON location (worldid, parentid) WHERE parentid IS NOT NULL;
"""

PERSONA = """
CREATE TABLE persona (
    id UUID DEFAULT rules.new_id() NOT NULL,
    worldid UUID NOT NULL,
    name VARCHAR(255) NOT NULL,
    display_name VARCHAR(255),
    description TEXT,
    kind VARCHAR(255),
    aliases TEXT[] DEFAULT '{}'::text[] NOT NULL,
    imageid UUID,
    ownerid UUID DEFAULT rules.acting_user() NOT NULL,
    tags TEXT[] DEFAULT '{}'::text[] NOT NULL,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_persona PRIMARY KEY (id),
    CONSTRAINT fk_persona_worldid FOREIGN KEY(worldid) REFERENCES world (id)
        ON DELETE CASCADE,
    CONSTRAINT ck_persona_name CHECK (rules.is_name(name)),
    CONSTRAINT ck_persona_display_name CHECK (rules.is_name(display_name)),
    CONSTRAINT ck_persona_kind CHECK (rules.is_name(kind)),
    CONSTRAINT ck_persona_aliases CHECK (rules.are_labels(aliases)),
    CONSTRAINT fk_persona_imageid FOREIGN KEY(worldid, imageid) REFERENCES image (worldid, id)
        ON DELETE SET NULL (imageid),
    CONSTRAINT fk_persona_ownerid FOREIGN KEY(ownerid) REFERENCES "user" (id),
    CONSTRAINT ck_persona_tags CHECK (rules.are_labels(tags)),
    CONSTRAINT ck_persona_attributes CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT uq_persona_id UNIQUE (worldid, id),
    CONSTRAINT uq_persona_name UNIQUE NULLS NOT DISTINCT (worldid, name, deleted_at)
);
CREATE INDEX ix_persona_imageid ON persona (worldid, imageid) WHERE imageid IS NOT NULL;
"""

THING = """
CREATE TABLE thing (
    id UUID DEFAULT rules.new_id() NOT NULL,
    worldid UUID NOT NULL,
    name VARCHAR(255) NOT NULL,
    display_name VARCHAR(255),
    description TEXT,
    kind VARCHAR(255),
    personaid UUID,
    locationid UUID,
    imageid UUID,
    ownerid UUID DEFAULT rules.acting_user() NOT NULL,
    tags TEXT[] DEFAULT '{}'::text[] NOT NULL,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_thing PRIMARY KEY (id),
    CONSTRAINT fk_thing_worldid FOREIGN KEY(worldid) REFERENCES world (id)
        ON DELETE CASCADE,
    CONSTRAINT ck_thing_name CHECK (rules.is_name(name)),
    CONSTRAINT ck_thing_display_name CHECK (rules.is_name(display_name)),
    CONSTRAINT ck_thing_kind CHECK (rules.is_name(kind)),
    CONSTRAINT fk_thing_personaid FOREIGN KEY(worldid, personaid) REFERENCES persona (worldid, id)
        ON DELETE SET NULL (personaid),
    CONSTRAINT fk_thing_locationid FOREIGN KEY(worldid, locationid) REFERENCES location (worldid, id)
        ON DELETE SET NULL (locationid),
    CONSTRAINT fk_thing_imageid FOREIGN KEY(worldid, imageid) REFERENCES image (worldid, id)
        ON DELETE SET NULL (imageid),
    CONSTRAINT fk_thing_ownerid FOREIGN KEY(ownerid) REFERENCES "user" (id),
    CONSTRAINT ck_thing_tags CHECK (rules.are_labels(tags)),
    CONSTRAINT ck_thing_attributes CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT uq_thing_id UNIQUE (worldid, id),
    CONSTRAINT uq_thing_name UNIQUE NULLS NOT DISTINCT (worldid, name, deleted_at)
);
CREATE INDEX ix_thing_imageid ON thing (worldid, imageid) WHERE imageid IS NOT NULL;
CREATE INDEX ix_thing_locationid ON thing (worldid, locationid) WHERE locationid IS NOT NULL;
CREATE INDEX ix_thing_personaid ON thing (worldid, personaid) WHERE personaid IS NOT NULL;
"""

SCENE = """
CREATE TABLE scene (
    id UUID DEFAULT rules.new_id() NOT NULL,
    actid UUID NOT NULL,
    worldid UUID NOT NULL,
    name VARCHAR(255) NOT NULL,
    display_name VARCHAR(255),
    description TEXT,
    position INTEGER,
    locationid UUID,
    story_time DOUBLE PRECISION,
    text TEXT,
    imageid UUID,
    ownerid UUID DEFAULT rules.acting_user() NOT NULL,
    tags TEXT[] DEFAULT '{}'::text[] NOT NULL,
    attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_scene PRIMARY KEY (id),
    CONSTRAINT fk_scene_actid FOREIGN KEY(worldid, actid) REFERENCES act (worldid, id)
        ON DELETE CASCADE,
    CONSTRAINT ck_scene_name CHECK (rules.is_name(name)),
    CONSTRAINT ck_scene_display_name CHECK (rules.is_name(display_name)),
    CONSTRAINT ck_scene_position CHECK (position >= 1),
    CONSTRAINT fk_scene_locationid FOREIGN KEY(worldid, locationid) REFERENCES location (worldid, id)
        ON DELETE SET NULL (locationid),
    CONSTRAINT ck_scene_story_time CHECK (story_time > '-Infinity' AND story_time < 'Infinity'),
    CONSTRAINT fk_scene_imageid FOREIGN KEY(worldid, imageid) REFERENCES image (worldid, id)
        ON DELETE SET NULL (imageid),
    CONSTRAINT fk_scene_ownerid FOREIGN KEY(ownerid) REFERENCES "user" (id),
    CONSTRAINT ck_scene_tags CHECK (rules.are_labels(tags)),
    CONSTRAINT ck_scene_attributes CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT uq_scene_id UNIQUE (worldid, id),
    CONSTRAINT uq_scene_name UNIQUE NULLS NOT DISTINCT (worldid, actid, name, deleted_at)
);
CREATE INDEX ix_scene_imageid ON scene (worldid, imageid) WHERE imageid IS NOT NULL;
CREATE INDEX ix_scene_locationid ON scene (worldid, locationid) WHERE locationid IS NOT NULL;
"""

# The world's picture lies in the world itself: an import writes both, then checks.
WORLD_IMAGE = """
ALTER TABLE world ADD CONSTRAINT fk_world_imageid
    FOREIGN KEY (id, imageid) REFERENCES image (worldid, id)
    ON DELETE SET NULL (imageid) DEFERRABLE;
"""

TABLES = (USER, WORLD, IMAGE, BOOK, STORY, ACT, LOCATION, PERSONA, THING, SCENE)


def upgrade() -> None:
    op.execute(ROLE)
    for table in TABLES:
        for statement in table.strip().split(";\n"):
            op.execute(statement)
    op.execute(WORLD_IMAGE)


def downgrade() -> None:
    op.execute("ALTER TABLE world DROP CONSTRAINT fk_world_imageid")
    for name in (
        "scene",
        "thing",
        "persona",
        "location",
        "act",
        "story",
        "book",
        "image",
        "world",
        '"user"',
    ):
        op.execute(f"DROP TABLE {name}")
    op.execute("DROP TYPE user_role")
