"""Sharing a world: who may do what in it, and the verbs that change that."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import TextClause, text

from workbench.database.engine import Database
from workbench.database.translate import translated
from workbench.entities.links import WORLD_MEMBER
from workbench.entities.user import USER
from workbench.entities.world import WORLD
from workbench.errors import InvalidDraft, NotFound
from workbench.store.names import WorldKey, world_id
from workbench.store.rights import RoleInWorld, standing, telling_whom_to_ask

__all__ = ["Member", "Sharing"]

_MEMBERS = text(
    "SELECT userid, email, name, role, pending FROM rules.members(:world)"
    " ORDER BY role <> 'owner', pending, lower(coalesce(name, email))"
)
_SHARE = text("SELECT rules.share(:world, :email, CAST(:role AS member_role))")
_UNSHARE = text("SELECT rules.unshare(:world, :email)")
_HAND_OVER = text("SELECT rules.hand_over(:world, :email)")


@dataclass(frozen=True)
class Member:
    """Somebody who may read a world, or more.

    Attributes
    ----------
    userid, name
        None for an address that nobody has signed in with yet.
    email
        Told to managers only; to others None.
    role
        owner, manager, editor or viewer.
    pending
        Whether the role waits until somebody signs in with the address.
    """

    userid: UUID | None
    email: str | None
    name: str | None
    role: str
    pending: bool = False

    @property
    def label(self) -> str:
        """What a page calls them."""
        return self.name or self.email or "somebody"


class Sharing:
    """What a workspace does about the members of worlds."""

    database: Database

    async def role_in(self, world: WorldKey) -> RoleInWorld:
        """Return what you may do in a world now: as manager, editor or viewer.

        A viewer is also whose account may not write at all, and whoever reads a public world.
        """
        return (await standing(self.database, await world_id(self.database, world))).role

    async def members(self, world: WorldKey) -> list[Member]:
        """Return the owner of a world, then its members by name.

        Only managers are told e-mails, and addresses that the world waits for.
        """
        where = await world_id(self.database, world)
        async with self.database.reading() as connection:
            with translated("world_member"):
                rows = (await connection.execute(_MEMBERS, {"world": where})).all()
        return [Member(*row) for row in rows]

    async def share(self, world: WorldKey, email: str, *, role: str = "viewer") -> None:
        """Make somebody a member of a world that you manage, or change their role there.

        Nothing tells whether the address belongs to a user: if it does, they are a member from
        now on; if not, as soon as somebody signs in with it.

        Parameters
        ----------
        role
            viewer, editor or manager.

        Raises
        ------
        NotAllowed
            You are no manager of the world.
        InvalidDraft
            The address is none, or the role.
        """
        said = {"email": email.strip(), "role": role}
        kinds = {"email": USER.kinds["email"], "role": WORLD_MEMBER.kinds["role"]}
        problems = {name: kind.problem(said[name]) for name, kind in kinds.items()}
        if any(problems.values()):
            raise InvalidDraft({name: text for name, text in problems.items() if text})
        await self._run(_SHARE, world, email, role=role)

    async def unshare(self, world: WorldKey, email: str) -> None:
        """Take a world that you manage away from a member; or forget an address it waits for.

        Raises
        ------
        NotAllowed
            You are no manager of the world.
        NotFound
            The world is not shared with this address.
        """
        if not await self._run(_UNSHARE, world, email):
            raise NotFound("world_member", email, "`members` lists those there are.")

    async def hand_over(self, world: WorldKey, email: str) -> None:
        """Make another user the owner of a world that you manage; the owner becomes a manager.

        Raises
        ------
        NotAllowed
            You are no manager of the world.
        NotFound
            No active user has the address.
        """
        await self._run(_HAND_OVER, world, email)

    async def _run(self, verb: TextClause, world: WorldKey, email: str, **more: str) -> object:
        where = await world_id(self.database, world)
        said = {"world": where, "email": email.strip(), **more}
        async with (
            telling_whom_to_ask(self.database, WORLD, {"worldid": where}),
            self.database.reading() as connection,
        ):
            with translated("world", {"email": email}):
                return await connection.scalar(verb, said)
