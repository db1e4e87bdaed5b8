"""The links: who appears where, what appears where, who is what to whom, who may do what."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import Enum, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from workbench.entities.base import Draft, Link, Record
from workbench.entities.fields import Reference
from workbench.entities.rows import LinkRow, checked, end
from workbench.entities.types import (
    Boolean,
    Count,
    JsonObject,
    LongText,
    MemberRole,
    MemberRoleWord,
    Name,
    ShortText,
)

MEMBER_ROLE = Enum(
    MemberRole, name="member_role", values_callable=lambda roles: [r.value for r in roles]
)


class LinkDraft(Draft):
    """What may be written of any link; the world is told by the records it relates."""

    worldid: Annotated[UUID, Reference("world")] | None = None
    attributes: JsonObject = Field(default={}, description="Further fields, free.")


class LinkRecord(Record):
    """A link as stored."""

    worldid: UUID


class ScenePersonaRow(LinkRow):
    __tablename__ = "scene_persona"

    sceneid: Mapped[UUID] = end("scene")
    personaid: Mapped[UUID] = end("persona")
    role: Mapped[str | None] = checked("rules.is_name(role)", String(255))
    speeches: Mapped[int | None] = checked("speeches >= 0")
    words: Mapped[int | None] = checked("words >= 0")


class ScenePersonaDraft(LinkDraft):
    """What may be written of a persona's appearance in a scene."""

    sceneid: Annotated[UUID, Reference("scene")]
    personaid: Annotated[UUID, Reference("persona")]
    role: ShortText | None = None
    speeches: Count | None = None
    words: Count | None = None


class ScenePersona(LinkRecord, ScenePersonaDraft):
    """A persona's appearance in a scene, as stored."""

    worldid: UUID


class SceneThingRow(LinkRow):
    __tablename__ = "scene_thing"

    sceneid: Mapped[UUID] = end("scene")
    thingid: Mapped[UUID] = end("thing")
    mentions: Mapped[int | None] = checked("mentions >= 0")
    note: Mapped[str | None] = mapped_column(Text)


class SceneThingDraft(LinkDraft):
    """What may be written of a thing's appearance in a scene."""

    sceneid: Annotated[UUID, Reference("scene")]
    thingid: Annotated[UUID, Reference("thing")]
    mentions: Count | None = None
    note: LongText | None = None


class SceneThing(LinkRecord, SceneThingDraft):
    """A thing's appearance in a scene, as stored."""

    worldid: UUID


class PersonaRelationRow(LinkRow):
    __tablename__ = "persona_relation"

    personaid: Mapped[UUID] = end("persona")
    otherid: Mapped[UUID] = mapped_column(
        primary_key=True,
        info={"reference": "persona", "parent": True, "check": "otherid <> personaid"},
    )
    kind: Mapped[str] = mapped_column(
        String(255), primary_key=True, info={"check": "rules.is_name(kind)"}
    )
    description: Mapped[str | None] = mapped_column(Text)
    mutual: Mapped[bool] = mapped_column(server_default=text("false"))


class PersonaRelationDraft(LinkDraft):
    """What may be written of a relation between two personae."""

    personaid: Annotated[UUID, Reference("persona")]
    otherid: Annotated[UUID, Reference("persona")]
    kind: Name = Field(description="What `persona` is to `other`: parent, friend, foe.")
    description: LongText | None = None
    mutual: Boolean = Field(default=False, description="Whether it holds both ways.")


class PersonaRelation(LinkRecord, PersonaRelationDraft):
    """A relation between two personae, as stored."""

    worldid: UUID


class WorldMemberRow(LinkRow):
    __tablename__ = "world_member"

    userid: Mapped[UUID] = end("user")
    role: Mapped[MemberRole] = mapped_column(
        MEMBER_ROLE, server_default=text("'viewer'::member_role")
    )


class WorldMemberDraft(LinkDraft):
    """What may be written of a user's membership in a world."""

    worldid: Annotated[UUID, Reference("world")]
    userid: Annotated[UUID, Reference("user")]
    role: MemberRoleWord = "viewer"


class WorldMember(LinkRecord, WorldMemberDraft):
    """A user's membership in a world, as stored."""

    worldid: UUID


for _row, _column in (
    (ScenePersonaRow, "personaid"),
    (SceneThingRow, "thingid"),
    (PersonaRelationRow, "otherid"),
):
    Index(f"ix_{_row.__tablename__}_{_column}", _row.worldid, getattr(_row, _column))
Index("ix_world_member_userid", WorldMemberRow.userid, WorldMemberRow.worldid)

SCENE_PERSONA = Link(
    "scene_persona",
    "scene_personas",
    ScenePersonaRow,
    ScenePersonaDraft,
    ScenePersona,
    key=("worldid", "sceneid", "personaid"),
    home="sceneid",
)
SCENE_THING = Link(
    "scene_thing",
    "scene_things",
    SceneThingRow,
    SceneThingDraft,
    SceneThing,
    key=("worldid", "sceneid", "thingid"),
    home="sceneid",
)
PERSONA_RELATION = Link(
    "persona_relation",
    "persona_relations",
    PersonaRelationRow,
    PersonaRelationDraft,
    PersonaRelation,
    key=("worldid", "personaid", "otherid", "kind"),
    aliases={"relation": "kind"},
    home="personaid",
)
WORLD_MEMBER = Link(
    "world_member",
    "world_members",
    WorldMemberRow,
    WorldMemberDraft,
    WorldMember,
    key=("worldid", "userid"),
    home="worldid",
    managed=True,
)
