"""The types of the drafts' fields: a Python type with its kind."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from workbench.entities.composite import Attributes, Labels
from workbench.entities.fields import (
    NAME_CHARACTERS,
    Address,
    Choice,
    Digest,
    Flag,
    Number,
    Text,
    Whole,
)


class Role(StrEnum):
    """What a user may do in the whole installation."""

    viewer = "viewer"
    editor = "editor"
    admin = "admin"


class MemberRole(StrEnum):
    """What a user may do in one world."""

    viewer = "viewer"
    editor = "editor"
    manager = "manager"


RoleWord = Annotated[str, Choice(tuple(Role))]
MemberRoleWord = Annotated[str, Choice(tuple(MemberRole))]
Name = Annotated[str, Text(max_length=NAME_CHARACTERS, blank=False)]
ShortText = Annotated[str, Text(max_length=NAME_CHARACTERS)]
LongText = Annotated[str, Text(one_line=False)]
Email = Annotated[str, Address(max_length=NAME_CHARACTERS, blank=False)]
Sha256 = Annotated[str, Digest()]
Position = Annotated[int, Whole(minimum=1)]
Count = Annotated[int, Whole(minimum=0)]
Days = Annotated[float, Number()]
Fraction = Annotated[float, Number(minimum=0, maximum=1)]
Boolean = Annotated[bool, Flag()]
Tags = Annotated[list[str], Labels()]
JsonObject = Annotated[dict[str, Any], Attributes()]
