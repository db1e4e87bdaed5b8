"""People with logins of their own, and a world that some of them may see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.logins import Login, issue_login
from workbench.database.users import acting_user

IN_WORLD = ("image", "book", "story", "act", "location", "persona", "thing", "scene")
LINKS = ("scene_persona", "scene_thing", "persona_relation")
NAMES = {
    # name: (role in the installation, role in Ann's world)
    "ann": ("editor", None),  # owns the world
    "max": ("editor", "manager"),
    "bob": ("editor", "editor"),
    "vera": ("editor", "viewer"),
    "ivo": ("viewer", "editor"),
    "eve": ("editor", None),
    "ada": ("admin", None),
}


@dataclass
class People:
    """Users, a session of each, and Ann's world with one row of everything."""

    owner: Database
    url: str
    ids: dict[str, UUID] = field(default_factory=dict)
    logins: dict[str, Login] = field(default_factory=dict)
    sessions: dict[str, asyncpg.Connection] = field(default_factory=dict)
    rows: dict[str, UUID] = field(default_factory=dict)

    async def login(self, name: str, **options: object) -> Login:
        return await issue_login(self.owner, self.ids[name], "tests", **options)

    async def connect(self, login: Login) -> asyncpg.Connection:
        return await asyncpg.connect(self.url, user=login.role, password=login.password)

    def __getitem__(self, name: str) -> asyncpg.Connection:
        return self.sessions[name]

    @property
    def world(self) -> UUID:
        return self.rows["world"]

    async def make_world(self) -> None:
        ann = self["ann"]
        self.rows["world"] = world = await ann.fetchval(
            "INSERT INTO world (name) VALUES ('Nightfall') RETURNING id"
        )
        for table in IN_WORLD:
            parent = {"act": "story", "scene": "act"}.get(table)
            columns = f"worldid, name{f', {parent}id' if parent else ''}"
            values = f"$1, 'one {table}'{', $2' if parent else ''}"
            given = [world, *([self.rows[parent]] if parent else [])]
            self.rows[table] = await ann.fetchval(
                f"INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING id", *given
            )
        other = await ann.fetchval(
            "INSERT INTO persona (worldid, name) VALUES ($1, 'another') RETURNING id", world
        )
        r = self.rows
        for link, columns, values in (
            ("scene_persona", "sceneid, personaid", (r["scene"], r["persona"])),
            ("scene_thing", "sceneid, thingid", (r["scene"], r["thing"])),
            ("persona_relation", "personaid, otherid, kind", (r["persona"], other, "foe")),
        ):
            holes = ", ".join(f"${n}" for n in range(1, len(values) + 1))
            await ann.execute(f"INSERT INTO {link} ({columns}) VALUES ({holes})", *values)
        for name, (_, role) in NAMES.items():
            if role is not None:
                await ann.execute(
                    "INSERT INTO world_member (worldid, userid, role) VALUES ($1, $2, $3)",
                    world,
                    self.ids[name],
                    role,
                )


@asynccontextmanager
async def signed_in(database_url: str) -> AsyncIterator[People]:
    """Give everybody, with a session each, and Ann's world."""
    owner = Database(Address.parse(database_url))
    made = People(owner, database_url)
    for name, (role, _) in NAMES.items():
        made.ids[name] = await acting_user(owner, f"{name}@example.org", role=role)
        made.logins[name] = await made.login(name)
        made.sessions[name] = await made.connect(made.logins[name])
    await made.make_world()
    yield made
    for session in made.sessions.values():
        await session.close()
    await owner.close()
