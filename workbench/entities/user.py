"""A user: somebody who signs in, and owns what they write."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Enum, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from workbench.entities.base import Draft, Entity, EntityRecord
from workbench.entities.rows import EntityRow
from workbench.entities.types import Boolean, Email, Role, RoleWord, ShortText

ROLE = Enum(Role, name="user_role", values_callable=lambda roles: [r.value for r in roles])


class UserRow(EntityRow):
    __tablename__ = "user"

    email: Mapped[str] = mapped_column(String(255), info={"check": "rules.is_email(email)"})
    first_name: Mapped[str | None] = mapped_column(
        String(255), info={"check": "rules.is_name(first_name)"}
    )
    last_name: Mapped[str | None] = mapped_column(
        String(255), info={"check": "rules.is_name(last_name)"}
    )
    display_name: Mapped[str | None] = mapped_column(
        String(255), info={"check": "rules.is_name(display_name)"}
    )
    phone: Mapped[str | None] = mapped_column(String(255), info={"check": "rules.is_name(phone)"})
    role: Mapped[Role] = mapped_column(ROLE, server_default=text("'viewer'::user_role"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    is_verified: Mapped[bool] = mapped_column(server_default=text("false"))
    last_login_at: Mapped[datetime | None]


Index("uq_user_email", func.lower(UserRow.email), unique=True)


class UserDraft(Draft):
    """What may be written of a user."""

    email: Email
    first_name: ShortText | None = None
    last_name: ShortText | None = None
    display_name: ShortText | None = None
    phone: ShortText | None = None
    role: RoleWord = "viewer"
    is_active: Boolean = True
    is_verified: Boolean = False


class User(EntityRecord, UserDraft):
    """A user as stored."""

    last_login_at: datetime | None

    @property
    def label(self) -> str:
        """What a page shows."""
        names = " ".join(part for part in (self.first_name, self.last_name) if part)
        return self.display_name or names or self.email


USER = Entity("user", "users", UserRow, UserDraft, User, key=("email",), label="email")
