"""Worlds and users by their names: few in one import, so each distinct one is looked up once."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import pyarrow as pa
import pyarrow.compute as pc

from workbench.transfer.findings import Findings
from workbench.transfer.prepare import Prepared

_USERS = """
SELECT id, lower(email) AS email FROM "user"
WHERE lower(email) = ANY($1) AND deleted_at IS NULL
"""
_USER_IDS = 'SELECT id FROM "user" WHERE id = ANY($1) AND deleted_at IS NULL'
_WORLDS = """
SELECT w.id, w.name, w.ownerid, lower(u.email) AS email,
  w.id = ANY ((SELECT rules.shared())::uuid[]) AS mine
FROM world AS w LEFT JOIN "user" AS u ON u.id = w.ownerid
WHERE w.deleted_at IS NULL AND (w.name = ANY($1) OR w.id = ANY($2))
"""
_NEAR_WORLDS = """
SELECT name FROM world WHERE deleted_at IS NULL AND similarity(name, $1) > 0.3
ORDER BY similarity(name, $1) DESC, name LIMIT 1
"""
_HINTS = 100  # for so many names that mean nothing another is looked for


@dataclass(frozen=True)
class World:
    """A world that rows may name."""

    id: UUID
    name: str
    ownerid: UUID
    email: str | None
    """None for an owner whom one does not know, of a world that is public and no more."""
    mine: bool = True
    """Whether it is one's own or shared with one."""


@dataclass
class Outside:
    """Who and which worlds there are, for one import.

    Attributes
    ----------
    acting
        The acting user: owner of what names no other, and first choice among worlds.
    made
        Worlds that this import itself brings; rows mean these first.
    live
        Worlds that were there before.
    """

    connection: asyncpg.Connection
    acting: UUID | None
    findings: Findings
    made: list[World] = field(default_factory=list)
    live: dict[UUID, World] = field(default_factory=dict)
    fresh: set[UUID] = field(default_factory=set)
    """Ids of the worlds that are not there yet."""
    used: set[UUID] = field(default_factory=set)
    """Ids of the worlds that rows name."""
    _told: dict[str, dict[str, UUID]] = field(default_factory=dict)
    _known_ids: dict[str, set[UUID]] = field(default_factory=dict)
    _hints: int = 0

    def named(self, target: str, id: UUID) -> str | None:
        """Return the name by which rows have named a world or a user, if any did."""
        names = self._told.get(target, {})
        return next((name for name, found in names.items() if found == id), None)

    @property
    def only_fresh(self) -> bool:
        """Whether all rows go to worlds that are not there yet."""
        return bool(self.used) and self.used <= self.fresh

    async def ids(self, source: Prepared) -> dict[str, pa.Array]:
        """Return the ids of what rows name outside their worlds, by foreign key."""
        found = {}
        stored = source.source.stored
        for column, names in source.outside.items():
            target = stored.references[column]
            distinct = [n for n in pc.unique(names).to_pylist() if n is not None]
            lookup = self._worlds if target == "world" else self._users
            known = self._told.setdefault(target, {})
            told = await lookup([name for name in distinct if name not in known])
            known |= {name: id for name, id in told.items() if isinstance(id, UUID)}
            good = {name: known[name] for name in distinct if name in known}
            bad = {name: message for name, message in told.items() if isinstance(message, str)}
            if bad and not (target == "world" and self.findings.excuses("worlds")):
                self._report(source, column, names, bad)
            if target == "world":
                self.used |= set(good.values())
            keys = pa.array(list(good), pa.string())
            values = pa.array([str(id) for id in good.values()], pa.string())
            named = values.take(pc.index_in(names, value_set=keys))
            ids = source.fields.get(column)
            if ids is not None:
                ids = ids.cast(pa.string())
                other = pc.fill_null(pc.not_equal(ids, named), False)
                messages = dict.fromkeys(
                    pc.unique(names.filter(other)).to_pylist(), disagreement(column)
                )
                self._report(source, column, pc.if_else(other, names, None), messages)
                named = pc.coalesce(ids, named)
            found[column] = named
        await self._known(source)
        return found

    async def _users(self, emails: list[str]) -> dict[str, UUID | str]:
        if not emails:
            return {}
        rows = await self.connection.fetch(_USERS, [email.lower() for email in emails])
        found = {row["email"]: row["id"] for row in rows}
        return {email: found.get(email.lower(), f"There is no user {email!r}.") for email in emails}

    async def _worlds(self, names: list[str]) -> dict[str, UUID | str]:
        if not names:
            return {}
        plain = {part for name in names for part in (name, name.partition("/")[2])}
        rows = await self.connection.fetch(_WORLDS, list(plain), [])
        self.live |= {row["id"]: World(*row) for row in rows}
        return {name: await self._world(name) for name in names}

    async def _world(self, name: str) -> UUID | str:
        owner, slash, rest = name.partition("/")
        for worlds in (self.made, list(self.live.values())):
            for fits in (
                [w for w in worlds if w.name == name and w.ownerid == self.acting],
                [w for w in worlds if w.name == name and w.mine],
                [w for w in worlds if w.name == name],
                [w for w in worlds if slash and w.name == rest and w.email == owner.lower()],
            ):
                if len(fits) == 1:
                    return fits[0].id
                if fits:
                    told = (w.email and f"{w.email}/{w.name}" for w in fits)
                    owners = ", ".join(sorted(filter(None, told))) or "their ids as worldid"
                    return f"Several worlds are named {name!r}. Write one of {owners}."
        self._hints += 1
        if self._hints > _HINTS:
            return f"There is no world {name!r}."
        near = [w.name for w in self.made] + [
            row["name"] for row in await self.connection.fetch(_NEAR_WORLDS, name)
        ]
        hint = suggestion(name, near) or " A row in worlds.csv would make it."
        return f"There is no world {name!r}.{hint}"

    async def _known(self, source: Prepared) -> None:
        """Look at ids that were given as such, and are not among those found by name."""
        for column, target in source.source.stored.references.items():
            ids = source.fields.get(column)
            if ids is None or target not in ("world", "user"):
                continue
            given = {UUID(v) for v in pc.unique(ids).to_pylist() if v is not None}
            known = self._known_ids.setdefault(target, set())
            distinct = list(given - known)
            if not distinct:
                continue
            if target == "world":
                rows = await self.connection.fetch(_WORLDS, [], distinct)
                self.live |= {row["id"]: World(*row) for row in rows}
                self.used |= {row["id"] for row in rows}
            else:
                rows = await self.connection.fetch(_USER_IDS, distinct)
            known |= {row["id"] for row in rows}
            gone = {str(id) for id in distinct} - {str(row["id"]) for row in rows}
            message = f"There is no {target} with this id."
            self._report(source, column, ids, dict.fromkeys(gone, message))

    def _report(
        self, source: Prepared, column: str, cells: pa.Array, messages: dict[str, str]
    ) -> None:
        stored, file = source.source.stored, source.source.file
        bad = pc.fill_null(pc.is_in(cells, value_set=pa.array(messages, cells.type)), False)
        at = pc.indices_nonzero(bad)
        header = source.columns.header(stored.twin(column), column)
        for label, value in zip(
            source.source.labels.take(at).to_pylist(), cells.take(at).to_pylist(), strict=True
        ):
            self.findings.cell(
                file, stored.plural, label, messages[value], column=header, value=value
            )


def disagreement(column: str) -> str:
    """Return what is said of a name that stands beside the id of another record."""
    return f"This names another record than {column} does. Leave one of the two columns out."


def suggestion(name: str, known: list[str]) -> str:
    """Return a question that names the nearest of `known`, or nothing."""
    from difflib import get_close_matches

    by_fold = {other.casefold(): other for other in known}
    near = get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
    return f" Did you mean {by_fold[near[0]]!r}?" if near else ""
