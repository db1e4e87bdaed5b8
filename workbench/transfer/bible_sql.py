"""What a world bible tells, as statements whose rows come in the order in which they are written.

What belongs to a row, such as the cast of a scene, comes along as JSON: lists of lists of texts.
"""

from __future__ import annotations

from uuid import UUID

__all__ = ["index", "locations", "outline", "personas", "pictures", "stories", "things", "world"]

SHOWN_SCENES = 12
"""Scenes of one persona, place or thing that are named; of the others there is a number."""

EXCERPT_CHARACTERS = 600
_SMALL_BYTES = 2**16  # of a picture that has no thumbnail

_LABEL = "coalesce({0}.display_name, {0}.name)"
_PICTURE = (
    "coalesce(i.thumbnail, CASE WHEN octet_length(i.content) <= "
    f"{_SMALL_BYTES} THEN i.content END) AS picture, coalesce(i.description, "
    "i.display_name, i.name) AS picture_text"
)
_OWN = (
    f"x.id::text AS id, {_LABEL.format('x')} AS label, x.name, x.description, "
    f"to_jsonb(x.tags)::text AS tags, x.attributes::text AS attributes, {_PICTURE}"
)
_SORTED = (
    "lower(normalize(regexp_replace(coalesce({0}.display_name, {0}.name), "
    "'^[^[:alnum:]]+', ''), NFD)) COLLATE \"C\""
)
"""Names by their letters: what is over or under one comes second, what is before it not at all."""

_IMAGE = "LEFT JOIN image AS i ON i.id = x.imageid AND i.deleted_at IS NULL"
_ORDER = ("position", "name", "id")


def world(world: UUID) -> str:
    """Return the statement for the world itself, one row."""
    return f"SELECT {_OWN} FROM world AS x {_IMAGE} WHERE {_live('x', world, 'id')}"


def stories(world: UUID) -> str:
    """Return the statement for books and stories, in order, by level, id and label."""
    levels = " UNION ALL ".join(
        f"SELECT '{level}' AS level, x.id::text AS id, {_LABEL.format('x')} AS label, "
        f"{_places(level)} FROM {_FROM[level]} WHERE {_live('x', world)}"
        for level in ("book", "story")
    )
    return f"SELECT level, id, label FROM ({levels}) AS found ORDER BY {_OUTLINE_ORDER}"


def outline(world: UUID) -> str:
    """Return the statement for books, stories, acts and scenes, each after what it lies in."""
    levels = " UNION ALL ".join(_level(level, world) for level in _FROM)
    return f"SELECT * FROM ({levels}) AS found ORDER BY {_OUTLINE_ORDER}"


def personas(world: UUID) -> str:
    """Return the statement for personae, with appearances and relations."""
    relation = (
        "SELECT r.kind, o.id, {label} AS label, r.description, {mutual} AS back "
        "FROM persona_relation AS r JOIN persona AS o ON o.id = r.{other} "
        "AND o.deleted_at IS NULL WHERE r.worldid = x.worldid AND r.{mine} = x.id"
    )
    label = _LABEL.format("o")
    there = relation.format(label=label, mutual="false", other="otherid", mine="personaid")
    back = relation.format(label=label, mutual="NOT r.mutual", other="personaid", mine="otherid")
    return (
        f"SELECT {_OWN}, x.kind, to_jsonb(x.aliases)::text AS aliases, "
        f"{_scenes('scene_persona', 'personaid')}, "
        "(SELECT jsonb_agg(jsonb_build_array(r.kind, r.id, r.label, r.description, r.back) "
        f"ORDER BY r.back, r.kind, r.label) FROM ({there} UNION ALL {back}) AS r)::text "
        "AS relations "
        f"FROM persona AS x {_IMAGE} WHERE {_live('x', world)} "
        f"ORDER BY {_SORTED.format('x')}, x.id"
    )


def locations(world: UUID) -> str:
    """Return the statement for places, each after what it lies in."""
    path = f'ARRAY[{_SORTED.format("l")}, l.id::text COLLATE "C"]'
    return (
        f"WITH RECURSIVE tree AS (SELECT l.id, 0 AS depth, {path} AS path FROM location AS l "
        "LEFT JOIN location AS u ON u.id = l.parentid AND u.deleted_at IS NULL "
        f"WHERE {_live('l', world)} AND u.id IS NULL UNION ALL "
        f"SELECT l.id, t.depth + 1, t.path || {path} FROM tree AS t "
        f"JOIN location AS l ON l.parentid = t.id WHERE {_live('l', world)}) "
        f"SELECT {_OWN}, x.kind, tree.depth, {_scenes('scene', 'locationid')} "
        f"FROM tree JOIN location AS x ON x.id = tree.id {_IMAGE} ORDER BY tree.path"
    )


def things(world: UUID) -> str:
    """Return the statement for things, with who has them and where they are."""
    return (
        f"SELECT {_OWN}, x.kind, "
        f"jsonb_build_array(p.id, {_LABEL.format('p')})::text AS holder, "
        f"jsonb_build_array(l.id, {_LABEL.format('l')})::text AS place, "
        f"{_scenes('scene_thing', 'thingid')} FROM thing AS x {_IMAGE} "
        "LEFT JOIN persona AS p ON p.id = x.personaid AND p.deleted_at IS NULL "
        "LEFT JOIN location AS l ON l.id = x.locationid AND l.deleted_at IS NULL "
        f"WHERE {_live('x', world)} ORDER BY {_SORTED.format('x')}, x.id"
    )


def pictures(world: UUID) -> str:
    """Return the statement for pictures, with what is known of them."""
    return (
        f"SELECT {_OWN}, x.kind, x.source_url, x.width, x.height "
        f"FROM image AS x JOIN image AS i ON i.id = x.id WHERE {_live('x', world)} "
        f"ORDER BY {_SORTED.format('x')}, x.id"
    )


def index(world: UUID) -> str:
    """Return the statement for all names but those of acts and scenes, by entity, id and label."""
    every = " UNION ALL ".join(
        f"SELECT '{entity}' AS entity, x.id::text AS id, {_LABEL.format('x')} AS label, "
        f"{_SORTED.format('x')} AS sorted "
        f"FROM {entity} AS x WHERE {_live('x', world)}"
        for entity in ("book", "story", "persona", "location", "thing")
    )
    return f"SELECT entity, id, label FROM ({every}) AS found ORDER BY sorted, id"


def _live(alias: str, world: UUID, column: str = "worldid") -> str:
    return f"{alias}.{column} = '{world}'::uuid AND {alias}.deleted_at IS NULL"


_BOOK = "LEFT JOIN book AS b ON b.id = {}.bookid AND b.deleted_at IS NULL"
_FROM = {
    "book": "book AS x",
    "story": f"story AS x {_BOOK.format('x')}",
    "act": f"act AS x JOIN story AS s ON s.id = x.storyid {_BOOK.format('s')}",
    "scene": "scene AS x JOIN act AS a ON a.id = x.actid JOIN story AS s ON s.id = a.storyid "
    f"{_BOOK.format('s')}",
}
_ALIASES = {"book": "b", "story": "s", "act": "a", "scene": "c"}
_TYPES = {"position": "integer", "name": "text", "id": "uuid"}
_OUTLINE_ORDER = "b_id IS NULL, " + ", ".join(
    f"{alias}_id IS NOT NULL, {alias}_position NULLS LAST, {alias}_name, {alias}_id"
    for alias in _ALIASES.values()
)


def _places(level: str) -> str:
    """Return the columns that tell where a row of `level` stands in the outline."""
    columns = []
    levels = list(_ALIASES)
    for other, alias in _ALIASES.items():
        below = levels.index(other) > levels.index(level)
        source = "x" if other == level else alias
        columns += [
            f"{f'NULL::{_TYPES[c]}' if below else f'{source}.{c}'} AS {alias}_{c}" for c in _ORDER
        ]
    return ", ".join(columns)


def _level(level: str, world: UUID) -> str:
    excerpt = place = time = cast = things = "NULL"
    at = ""
    image = "LEFT JOIN image AS i ON false" if level == "act" else _IMAGE  # acts have none
    if level == "scene":
        excerpt = f"left(x.text, {EXCERPT_CHARACTERS + 1})"
        place = f"jsonb_build_array(l.id, {_LABEL.format('l')})::text"
        time = "x.story_time"
        cast = (
            f"(SELECT jsonb_agg(jsonb_build_array(p.id, {_LABEL.format('p')}, k.role) "
            "ORDER BY coalesce(k.words, k.speeches, 0) DESC, p.name) FROM scene_persona AS k "
            "JOIN persona AS p ON p.id = k.personaid AND p.deleted_at IS NULL "
            "WHERE k.worldid = x.worldid AND k.sceneid = x.id)::text"
        )
        things = (
            f"(SELECT jsonb_agg(jsonb_build_array(t.id, {_LABEL.format('t')}, k.note) "
            "ORDER BY t.name) FROM scene_thing AS k "
            "JOIN thing AS t ON t.id = k.thingid AND t.deleted_at IS NULL "
            "WHERE k.worldid = x.worldid AND k.sceneid = x.id)::text"
        )
        at = "LEFT JOIN location AS l ON l.id = x.locationid AND l.deleted_at IS NULL"
    return (
        f"SELECT '{level}' AS level, {_OWN}, {_places(level)}, {excerpt}::text AS excerpt, "
        f"{place}::text AS place, {time}::double precision AS story_time, "
        f'{cast}::text AS "cast", {things}::text AS things '
        f"FROM {_FROM[level]} {image} {at} WHERE {_live('x', world)}"
    )


def _scenes(table: str, column: str) -> str:
    """Return how many scenes refer to the row, the first of them, and how many in each story."""
    if table == "scene":
        source = "scene AS c"
    else:
        source = f"{table} AS k JOIN scene AS c ON c.id = k.sceneid"
    holder = "c" if table == "scene" else "k"
    joined = (
        f"FROM {source} JOIN act AS a ON a.id = c.actid JOIN story AS s ON s.id = a.storyid "
        f"WHERE {holder}.worldid = x.worldid AND {holder}.{column} = x.id AND c.deleted_at IS NULL"
    )
    order = "s.position NULLS LAST, s.name, a.position NULLS LAST, a.name, c.position NULLS LAST"
    first = (
        f"SELECT c.id, {_LABEL.format('c')} AS label, {_LABEL.format('s')} AS story, "
        f"row_number() OVER (ORDER BY {order}, c.name) AS n {joined} "
        f"ORDER BY n LIMIT {SHOWN_SCENES}"
    )
    by_story = (
        f"SELECT s.id, {_LABEL.format('s')} AS label, count(*) AS scenes, "
        f"min(s.position) AS place {joined} GROUP BY s.id, s.display_name, s.name"
    )
    return (
        f"(SELECT count(*) {joined}) AS scene_count, "
        f"(SELECT jsonb_agg(jsonb_build_array(f.id, f.label, f.story) ORDER BY f.n) "
        f"FROM ({first}) AS f)::text AS scenes, "
        "(SELECT jsonb_agg(jsonb_build_array(g.id, g.label, g.scenes) "
        f"ORDER BY g.place NULLS LAST, g.label) FROM ({by_story}) AS g)::text AS by_story"
    )
