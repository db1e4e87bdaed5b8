"""What somebody may not change is refused by every verb, and never an update of no rows."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pandas as pd
import pytest
from people import IN_WORLD, LINKS, NAMES

from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.editing import RepositorySource
from workbench.entities import STORED
from workbench.errors import (
    InvalidRows,
    MissingReference,
    NotAllowed,
    NotFound,
    WorkbenchError,
)
from workbench.frames.result import SaveResult
from workbench.transfer.report import LoadReport
from workbench.workspace import Workspace

READING = ("vera", "ivo", "token")  # a viewer; an account that may only read; a token that may
PARENTS = {"act": "story", "scene": "act"}
CHANGED = dict.fromkeys(LINKS, "attributes") | {"world_member": "role"}

Verbs = dict[str, Callable[[], Awaitable[object]]]
Opened = Callable[[str], Awaitable[Workspace]]


@pytest.fixture
async def opened(people: Any) -> AsyncIterator[Opened]:
    """Open a workspace of somebody by name; "token" is Bob's, with a token that may only read."""
    made = []

    async def opened(name: str) -> Workspace:
        who = "bob" if name == "token" else name
        read_only = name == "token"
        login = await people.login(who, read_only=True) if read_only else people.logins[who]
        address = Address.parse(people.url).signed_in(login.role, login.password)
        made.append(Workspace(Database(address, userid=people.ids[who], source="tests")))
        return made[-1]

    yield opened
    for workspace in made:
        await workspace.close()


async def stored(sql: Any) -> str:
    """Return a hash of all that is stored, the history too."""
    names = [*(f'"{name}"' for name in STORED), "history.change", "auth.share"]
    rows = [await sql.fetch(f"SELECT t::text FROM {name} AS t ORDER BY 1") for name in names]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def refused(result: object) -> bool:
    """Whether a verb says that its user may not: by an error, or in its report."""
    match result:
        case NotAllowed():
            return True
        case SaveResult(conflicts=conflicts):
            return set(conflicts["why"]) == {"rights"} and not result.changed
        case InvalidRows(problems=problems) | LoadReport(problems=problems):
            return all("You may" in problem.message for problem in problems) and bool(problems)
    return False


async def let_through(verbs: Verbs, *allowed: type[Exception]) -> dict[str, object]:
    """Return what the verbs returned or raised that do not say that their user may not."""
    found: dict[str, object] = {}
    for verb, run in verbs.items():
        try:
            found[verb] = await run()
        except (*allowed, NotAllowed, InvalidRows) as error:
            found[verb] = NotAllowed("") if isinstance(error, allowed) else error
    return {verb: result for verb, result in found.items() if not refused(result)}


def put(frame: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    changed = frame.copy()
    changed[column] = pd.Series([value] * len(frame), index=frame.index, dtype=object)
    return changed


def another(people: Any, entity: str) -> dict[str, Any]:
    """Return the fields of one more record of an entity in Ann's world."""
    if entity in PARENTS:
        return {"name": "new", f"{PARENTS[entity]}id": people.rows[PARENTS[entity]]}
    return {"name": "new"} | ({} if entity == "world" else {"worldid": people.world})


async def trashed(ann: Workspace, people: Any, entity: str) -> Any:
    """Return a record in the trash; of a world, one that the same people may read."""
    records = ann.collection(entity)
    record = await records.add(**another(people, entity) | {"name": "gone"})
    if entity == "world":
        for name, (_, role) in NAMES.items():
            if role is not None:
                await ann.share(record, f"{name}@example.org", role=role)
    return await records.remove(record)


def verbs_of_records(
    workspace: Workspace, people: Any, entity: str, live: Any, gone: Any, frame: pd.DataFrame
) -> Verbs:
    known, new = workspace.collection(entity), another(people, entity)
    changed, plural = put(frame, "description", "x"), STORED[entity].plural
    source = RepositorySource(known)
    return {
        "add": lambda: known.add(**new),
        "add_many": lambda: known.add_many([new]),
        "add_many of a frame": lambda: known.add_many(pd.DataFrame([new])),
        "add in the grid": lambda: source.add({k: str(v) for k, v in new.items()}),
        "update": lambda: known.update(live, description="x"),
        "update by id": lambda: known.update(live.id, version=live.version, description="x"),
        "remove": lambda: known.remove(live),
        "remove by id": lambda: known.remove(live.id),
        "restore": lambda: known.restore(gone),
        "purge": lambda: known.purge(gone),
        "save": lambda: known.save(changed.copy()),
        "save or stop": lambda: known.save(changed.copy(), on_conflict="stop"),
        "save of less": lambda: known.save(frame.iloc[:0].copy(), based_on=frame, trash=True),
        "save of more": lambda: known.save(
            pd.DataFrame([new | {"id": None, "version": None}]), add=True
        ),
        "load": lambda: workspace.load({plural: changed}),
        "save in the grid": lambda: source.save(str(live.id), live.version, {"description": "x"}),
        "remove in the grid": lambda: source.remove([str(live.id)]),
    }


@pytest.mark.parametrize(
    ("name", "entity"),
    [
        *(("vera", entity) for entity in ("world", *IN_WORLD)),
        *((name, entity) for name in ("ivo", "token") for entity in ("world", "scene")),
    ],
)
async def test_whoever_may_only_read_is_refused_by_every_verb(people, opened, sql, name, entity):
    ann, theirs = await opened("ann"), await opened(name)
    gone = await trashed(ann, people, entity)
    known = theirs.collection(entity)
    live = await known.get(people.rows[entity])
    verbs = verbs_of_records(theirs, people, entity, live, gone, await known.frame())
    if (name, entity) == ("vera", "world"):  # who may make worlds of her own
        verbs = {
            verb: run for verb, run in verbs.items() if not verb.startswith(("add", "save of more"))
        }
    before = await stored(sql)
    assert await let_through(verbs) == {}
    assert await stored(sql) == before


@pytest.mark.parametrize("entity", ["world", *IN_WORLD])
async def test_what_one_may_not_read_is_not_there_for_any_verb(people, opened, sql, entity):
    """By every id, and by records and frames that somebody passed on."""
    ann, theirs = await opened("ann"), await opened("eve")
    gone = await trashed(ann, people, entity)
    live = await ann.collection(entity).get(people.rows[entity])
    frame = await ann.collection(entity).frame()
    verbs = verbs_of_records(theirs, people, entity, live, gone, frame)
    known = theirs.collection(entity)
    verbs |= {
        "get": lambda: known.get(live.id),
        "get by name": lambda: known.get(name=live.name),
        "get from the trash": lambda: known.get(gone.id, trashed=True),
        "row of the grid": lambda: RepositorySource(known).row(str(live.id)),
    }
    if entity == "world":
        verbs |= {
            "export": lambda: theirs.export("nowhere", world=live.id),
        }
        own = ("add", "save of more", "load")  # worlds of their own
        verbs = {verb: run for verb, run in verbs.items() if not verb.startswith(own)}
    before = await stored(sql)
    found = await let_through(verbs, NotFound, MissingReference)
    assert {verb: result for verb, result in found.items() if not not_there(result)} == {}
    assert await stored(sql) == before


def not_there(result: object) -> bool:
    """Whether a report says of its rows that what they name is not there."""
    match result:
        case SaveResult(conflicts=conflicts):  # to trash what is not there is done already
            return set(conflicts["why"]) <= {"gone"} and result.changed == result.trashed == 0
        case InvalidRows(problems=problems) | LoadReport(problems=problems):
            return bool(problems)
    return False


@pytest.mark.parametrize("link", [*LINKS, "world_member"])
@pytest.mark.parametrize("name", READING)
async def test_links_and_members_are_refused_too(people, opened, sql, name, link):
    theirs = await opened(name)
    known = getattr(theirs, STORED[link].plural)
    live = (await known.find())[0]
    frame = await known.frame()
    key = {column: getattr(live, column) for column in STORED[link].key}
    new = (
        {**key, "userid": people.ids["eve"]}
        if link == "world_member"
        else key | ({"kind": "friend"} if link == "persona_relation" else {})
    )
    value = {"role": "manager"} if link == "world_member" else {"attributes": {"x": 1}}
    column, other = next(iter(value.items()))
    changed = put(frame, column, other)
    verbs: Verbs = {
        "add": lambda: known.add(**new),
        "add_many": lambda: known.add_many([new]),
        "update": lambda: known.update(live, **value),
        "remove": lambda: known.remove(live),
        "save": lambda: known.save(changed.copy()),
        "load": lambda: theirs.load({STORED[link].plural: changed}),
    }
    before = await stored(sql)
    assert await let_through(verbs) == {}
    assert await stored(sql) == before


@pytest.mark.parametrize("name", READING)
async def test_sharing_undoing_and_users_are_refused_too(people, opened, sql, name):
    theirs = await opened(name)
    done = (await theirs.changes(entity="scene"))["changeset"].iloc[0]
    ann = await theirs.users.get(people.ids["ann"])
    frame = await theirs.users.frame()
    others = frame[frame["id"] == str(ann.id)]
    verbs: Verbs = {
        "share": lambda: theirs.share(people.world, "eve@example.org", role="editor"),
        "unshare": lambda: theirs.unshare(people.world, "max@example.org"),
        "hand over": lambda: theirs.hand_over(people.world, "bob@example.org"),
        "undo": lambda: theirs.undo(done),
        "add a user": lambda: theirs.users.add(email="new@example.org"),
        "update a user": lambda: theirs.users.update(ann, first_name="x"),
        "raise oneself": lambda: theirs.users.update(
            theirs.database.userid, version=1, role="admin"
        ),
        "remove a user": lambda: theirs.users.remove(ann),
        "save a user": lambda: theirs.users.save(put(others, "first_name", "x")),
        "load a user": lambda: theirs.load({"users": put(others, "first_name", "x")}),
    }
    before = await stored(sql)
    assert await let_through(verbs) == {}
    assert await stored(sql) == before


async def test_more_fields_than_a_form_has_change_no_more(people, opened, sql):
    """Mass assignment, by an editor of the world."""
    ann, bob = await opened("ann"), await opened("bob")
    elsewhere = await bob.worlds.add(name="Elsewhere")
    persona = await bob.personas.get(people.rows["persona"])
    source = RepositorySource(bob.personas)
    before = await stored(sql)
    forged = {
        "id": elsewhere.id,
        "worldid": elsewhere.id,
        "ownerid": people.ids["eve"],
        "version": 7,
        "created_at": "2000-01-01T00:00:00+00:00",
        "updated_at": "2000-01-01T00:00:00+00:00",
        "deleted_at": "2000-01-01T00:00:00+00:00",
    }
    found: dict[str, object] = {}
    for field, value in forged.items():
        for way, changing in (
            ("update", lambda f=field, v=value: bob.personas.update(persona, {f: v})),
            (
                "grid",
                lambda f=field, v=value: source.save(str(persona.id), persona.version, {f: str(v)}),
            ),
            (
                "add",
                lambda f=field, v=value: bob.personas.add(
                    **{"name": "new", "worldid": people.world, f: v}
                ),
            ),
        ):
            if (field, way) == ("worldid", "add"):
                continue  # in a world of one's own anybody adds
            try:
                found[f"{way} of {field}"] = await changing()
            except WorkbenchError:
                continue
    assert found == {}
    assert await stored(sql) == before
    assert await ann.personas.count() == 2
