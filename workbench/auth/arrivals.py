"""Arrivals: which account somebody gets whom a provider signs in for the first time.

The key of an account is (issuer, subject), never an e-mail address: addresses change hands. One
leads to an account that is there only if the provider answers for it and the account's own
address has been proved too; all else takes an invitation's link, or somebody who is signed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NoReturn
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from workbench.auth.identity import Identity
from workbench.auth.invitations import (
    open_invitation_of_address,
    open_invitation_of_secret,
    spent,
    use_invitations,
)
from workbench.entities.user import USER
from workbench.errors import Conflict, SignInRefused

__all__ = [
    "SignUp",
    "account_for",
    "given_names",
    "known_account",
    "meanwhile",
    "proved_address",
    "taken",
    "verify",
]

_ACCOUNT = (
    "SELECT u.id, u.email, u.role::text, u.is_active, u.is_verified, u.deleted_at,"
    " EXISTS (SELECT FROM auth.identity AS i WHERE i.userid = u.id) AS entered"
    ' FROM "user" AS u'
)
_KNOWN = text(
    _ACCOUNT + " JOIN auth.identity AS k ON k.userid = u.id"
    " WHERE k.issuer = :issuer AND k.subject = :subject"
)
_OF_ADDRESS = text(_ACCOUNT + " WHERE lower(u.email) = lower(:email) FOR NO KEY UPDATE OF u")
_MAKE = text(
    'INSERT INTO "user" (email, role, is_verified)'
    " VALUES (:email, CAST(:role AS user_role), true)"
    " ON CONFLICT (lower(email)) DO NOTHING RETURNING id"
)
# An invitation never takes away: whoever invites an administrator as an editor forgot.
_VERIFY = text(
    'UPDATE "user" SET is_verified = true, role = greatest(role, CAST(:role AS user_role))'
    " WHERE id = :user AND (NOT is_verified OR role < CAST(:role AS user_role))"
)

_LABELS = {"github": "GitHub"}


@dataclass(frozen=True)
class SignUp:
    """Who gets an account at the first sign-in, if their provider answers for their e-mail."""

    kind: Literal["invitation", "domain", "open"] = "invitation"
    domains: tuple[str, ...] = ()
    role: str = "editor"

    def allows(self, email: str) -> bool:
        """Tell whether an address needs no invitation."""
        domain = email.rpartition("@")[2].lower()
        return self.kind == "open" or (self.kind == "domain" and domain in self.domains)


async def known_account(connection: AsyncConnection, identity: Identity) -> UUID | None:
    """Return the user of an identity that was here before."""
    key = {"issuer": identity.issuer, "subject": identity.subject}
    account = (await connection.execute(_KNOWN, key)).one_or_none()
    if account is None:
        return None
    _require_active(account)
    return UUID(str(account.id))


async def account_for(
    connection: AsyncConnection, identity: Identity, secret: bytes | None, policy: SignUp
) -> tuple[UUID, bool]:
    """Return the user that an unknown identity may be, and whether it was made for it.

    Raises
    ------
    SignInRefused
        There is none, and none may be made.
    Conflict
        Somebody else was first by a moment: look again.
    """
    invitation = None
    if secret is not None:
        invitation = await open_invitation_of_secret(connection, secret)
        if invitation is None:
            raise spent()
    email = invitation.email if invitation else proved_address(identity)
    if email is None:
        _refuse_unproved(identity)
    account = (await connection.execute(_OF_ADDRESS, {"email": email})).one_or_none()
    if account is not None:
        _require_active(account)
        if secret is not None and account.entered:
            raise spent("used")
    invitation = invitation or await open_invitation_of_address(connection, email)
    if account is None:
        if invitation is None and not policy.allows(email):
            _refuse_stranger(email, policy)
        values = {"email": email, "role": invitation.role if invitation else policy.role}
        user = await connection.scalar(_MAKE, values)
        if user is None:
            raise meanwhile()
    else:
        user = account.id
        if not account.is_verified and invitation is None:
            _refuse_unverified(identity, entered=account.entered)
        promised = invitation.role if invitation and not account.entered else None
        await verify(connection, user, promised)
    await use_invitations(connection, email, user)
    return user, account is None


async def verify(connection: AsyncConnection, user: UUID, role: str | None = None) -> None:
    """Note that an account's address is its user's, who may do at least what `role` may."""
    await connection.execute(_VERIFY, {"user": user, "role": role})


def proved_address(identity: Identity) -> str | None:
    """Return the address that the provider answers for, if it can be compared safely.

    Letters of other alphabets may be one to a database and two to a mail server: the Kelvin sign
    is a k in lower case. Such an address takes an invitation.
    """
    if not identity.email or not identity.email_verified or not identity.email.isascii():
        return None
    kind = USER.kinds["email"]
    address = kind.clean(identity.email)
    return None if kind.problem(address) else str(address)


def given_names(identity: Identity) -> dict[str, str | None]:
    """Return the names that a provider gave, without those that would break our rules."""
    names: dict[str, str | None] = {}
    for field in ("first_name", "last_name"):
        kind = USER.kinds[field]
        cleaned = kind.clean(getattr(identity, field))
        names[field] = None if kind.problem(cleaned) else cleaned
    return names


def _require_active(account: Row[tuple[object, ...]]) -> None:
    if account.deleted_at is not None:
        state, way_out = "was deleted", "restore it"
    elif not account.is_active:
        state, way_out = "may not sign in at the moment", "let it in again"
    else:
        return
    raise SignInRefused(
        f"This account {state}. Ask an administrator of this installation to {way_out}.",
        code="inactive",
        detail=f"user {account.id}",
    )


def _refuse_stranger(email: str, policy: SignUp) -> NoReturn:
    whose = (
        "accounts are for addresses at " + ", ".join(policy.domains)
        if policy.kind == "domain"
        else "new ones are by invitation"
    )
    raise SignInRefused(
        f"There is no account for {email} here, and {whose}. Ask an administrator of this "
        "installation to invite you.",
        code="no_account",
    )


def _refuse_unproved(identity: Identity) -> NoReturn:
    """Refuse in one sentence, whether or not the address has an account: it is nobody's proof."""
    label = _label(identity)
    raise SignInRefused(
        f"{label} does not answer for your e-mail address. If you have an account here, sign in "
        f"the way you did before and add {label} on your profile. If not, ask an administrator of "
        "this installation to invite you.",
        code="unverified" if identity.email else "no_email",
    )


def _refuse_unverified(identity: Identity, *, entered: bool) -> NoReturn:
    label = _label(identity)
    way_out = (
        f"Sign in the way you did before and add {label} on your profile."
        if entered
        else "Ask an administrator of this installation to invite you to it."
    )
    raise SignInRefused(
        "There is an account with your e-mail address, which nobody has proved to be theirs yet. "
        + way_out,
        code="link_first",
    )


def taken(identity: Identity) -> SignInRefused:
    """Return what to raise if an identity that is to be linked leads elsewhere."""
    return SignInRefused(
        f"This account at {_label(identity)} leads to another account here. Sign in with it and "
        "remove it there first, or delete that account if you have no use for it.",
        code="taken",
    )


def meanwhile() -> Conflict:
    """Return what makes `atomically` look again: somebody else was first by a moment."""
    return Conflict("Somebody signed in as the same person at the same moment. Sign in again.")


def _label(identity: Identity) -> str:
    return _LABELS.get(identity.provider, identity.provider.capitalize())
