"""What the acting user is in a world, and who else is in it."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.logins import issue_login
from workbench.editing import RepositorySource
from workbench.errors import Ambiguous, InvalidDraft, NotAllowed, NotFound
from workbench.store.names import world_id
from workbench.store.rights import may_write, standing
from workbench.store.sharing import Member
from workbench.workspace import Workspace


@pytest.fixture
async def denmark(wb):
    return await wb.worlds.add(name="Denmark")


@pytest.mark.parametrize("role", ["viewer", "editor", "manager"])
async def test_a_role_is_what_the_world_was_shared_as(wb, denmark, sign_in, role):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role=role)
    assert await eve.role_in("Denmark") == role
    assert await wb.role_in(denmark) == "manager"


async def test_a_change_of_role_is_told_at_once(wb, denmark, sign_in):
    eve = await sign_in("eve")
    for role in ("editor", "viewer", "manager"):
        await wb.share(denmark, "eve@example.org", role=role)
        assert await eve.role_in(denmark) == role


async def test_an_account_that_may_not_write_is_a_viewer_everywhere(wb, denmark, sign_in):
    ivo = await sign_in("ivo", "viewer")
    await wb.share(denmark, "ivo@example.org", role="editor")
    assert await ivo.role_in(denmark) == "viewer"
    assert not (await standing(ivo.database, denmark.id)).writes
    assert not await may_write(ivo.database)
    assert await may_write(wb.database)


async def test_who_reads_a_public_world_is_a_viewer_but_no_member(wb, denmark, sign_in):
    eve = await sign_in("eve")
    await wb.worlds.update(denmark, is_public=True)
    found = await standing(eve.database, denmark.id)
    assert (found.role, found.writes, found.member) == ("viewer", True, False)
    assert found.managers == ("tester",)
    await wb.share(denmark, "eve@example.org")
    assert (await standing(eve.database, denmark.id)).member


async def test_why_nothing_may_be_written_is_told(wb, denmark, sign_in, database_url):
    ivo = await sign_in("ivo", "viewer")
    await wb.share(denmark, "ivo@example.org", role="manager")
    for refused in (
        ivo.worlds.add(name="Norway"),
        ivo.worlds.update(denmark, description="x"),
        ivo.hand_over(denmark, "tester@localhost"),
    ):
        with pytest.raises(NotAllowed, match=r"Your account may only read\. An administrator"):
            await refused
    owner = Database(Address.parse(database_url))
    login = await issue_login(owner, wb.database.userid, "tests", read_only=True)
    await owner.close()
    reading = Workspace(
        Database(owner.address.signed_in(login.role, login.password), userid=wb.database.userid)
    )
    with pytest.raises(NotAllowed, match="This token may only read"):
        await reading.worlds.update(denmark, description="x")
    async with reading.transaction():
        assert (await reading.worlds.get(denmark.id)).name == "Denmark"
    with pytest.raises(NotAllowed, match="This token may only read"):
        async with reading.transaction():
            await reading.worlds.add(name="Norway")
    await reading.close()


async def test_whatever_is_refused_names_whom_to_ask(wb, denmark, sign_in):
    story = await wb.stories.add(name="Hamlet", worldid=denmark.id)
    act = await wb.acts.add(name="Act I", storyid=story.id)
    scene = await wb.scenes.add(name="Scene I", actid=act.id)
    one, other = await wb.personas.add_many(
        [{"name": name, "worldid": denmark.id} for name in ("Hamlet", "Yorick")]
    )
    cast = await wb.scene_personas.add(sceneid=scene.id, personaid=one.id)
    gone = await wb.personas.remove(other)
    eve, ed, bob = [await sign_in(name) for name in ("eve", "ed", "bob")]
    await wb.share(denmark, "eve@example.org", role="viewer")
    await wb.share(denmark, "ed@example.org", role="editor")
    eves = {"worldid": denmark.id, "userid": eve.database.userid}
    verbs = [
        (eve, lambda wb: wb.personas.add(name="C", worldid=denmark.id)),
        (eve, lambda wb: wb.personas.add_many([{"name": "C", "worldid": denmark.id}])),
        (eve, lambda wb: wb.acts.add(name="Act II", storyid=story.id)),
        (eve, lambda wb: wb.scenes.add(name="Scene II", actid=act.id, reason="more")),
        (eve, lambda wb: wb.scene_personas.add(sceneid=scene.id, personaid=other.id)),
        (eve, lambda wb: wb.scene_personas.remove(cast)),
        (ed, lambda wb: wb.personas.purge(gone)),
        (ed, lambda wb: wb.worlds.update(denmark, is_public=True)),
        (ed, lambda wb: wb.worlds.remove(denmark.id)),
        (ed, lambda wb: wb.world_members.add(**eves, role="manager")),
        (ed, lambda wb: wb.share(denmark, "bob@example.org")),
        (ed, lambda wb: wb.unshare(denmark, "eve@example.org")),
        (ed, lambda wb: wb.hand_over(denmark, "eve@example.org")),
    ]
    for who, refused in verbs:
        with pytest.raises(NotAllowed, match=r"^You may not do this .* Ask tester@localhost\.$"):
            await refused(who)
        with pytest.raises(NotAllowed, match=r"Ask one, or an administrator\."):
            async with who.transaction():
                await refused(who)
    for leave in (
        lambda wb: wb.personas.update(one, kind="x"),
        lambda wb: wb.personas.remove(one),
        lambda wb: wb.scene_personas.update(cast, words=1),
        lambda wb: RepositorySource(wb.personas).remove([str(one.id)]),
    ):
        async with eve.transaction():
            with pytest.raises(NotAllowed, match=r"but not .* Ask tester@localhost\.$"):
                await leave(eve)
    for refused in (bob.share(denmark, "bob@example.org"), verbs[0][1](bob)):
        with pytest.raises(NotAllowed) as why:
            await refused
        assert "tester" not in str(why.value)


async def test_a_manager_does_not_take_a_world_from_its_owner(wb, denmark, sign_in):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="manager")
    with pytest.raises(NotAllowed, match="Ask its owner to hand it to you"):
        await eve.hand_over(denmark, "eve@example.org")


async def test_what_others_publish_does_not_change_what_a_name_means(
    wb, denmark, sign_in, tmp_path
):
    eve, bob = await sign_in("eve"), await sign_in("bob")
    for other in (eve, bob):
        made = await other.worlds.add(name="Denmark")
        await other.worlds.update(made, is_public=True)
    elsewhere = await eve.worlds.add(name="Norway")
    await eve.worlds.update(elsewhere, is_public=True)
    assert await world_id(wb.database, "Denmark") == denmark.id
    assert await world_id(wb.database, "Norway") == elsewhere.id
    ivo = await sign_in("ivo")
    with pytest.raises(Ambiguous, match="or give its id"):
        await world_id(ivo.database, "Denmark")
    await wb.share(denmark, "ivo@example.org", role="editor")
    assert await world_id(ivo.database, "Denmark") == denmark.id
    (tmp_path / "personas.csv").write_text("world,name\nDenmark,Hamlet\n")
    assert (await ivo.load(tmp_path)).problems == []
    assert [persona.worldid for persona in await wb.personas.find()] == [denmark.id]


async def test_an_owner_who_is_not_known_is_blank(wb, denmark, sign_in, tmp_path):
    eve = await sign_in("eve")
    await wb.worlds.update(denmark, is_public=True)
    await wb.personas.add(name="Hamlet", worldid=denmark.id)
    for frame in (await eve.worlds.frame(names=True), await eve.personas.frame(names=True)):
        assert frame["owner"].isna().all()
        assert len(frame) == 1
    await eve.export(tmp_path / "files", world="Denmark")
    assert (await eve.load(tmp_path / "files")).problems == []


async def test_a_world_of_others_is_none_to_anybody(wb, denmark, sign_in):
    eve = await sign_in("eve")
    found = await standing(eve.database, denmark.id)
    assert (found.role, found.member, found.managers) == ("viewer", False, ())


async def test_the_owner_of_the_tables_is_bound_by_nothing(owned, denmark, sign_in):
    eve = await sign_in("eve")
    hers = await eve.worlds.add(name="Elsewhere")
    assert await owned.role_in(hers.id) == "manager"


async def test_the_standing_takes_one_statement(wb, denmark):
    said = []
    engine = wb.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *a: said.append(a[2]))
    await standing(wb.database, denmark.id)
    assert len(said) == 1


async def test_members_are_listed_to_managers_with_addresses_and_to_others_by_name(
    wb, denmark, sign_in
):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="editor")
    await wb.share(denmark, "Later@example.org")
    owner, member, later = await wb.members("Denmark")
    assert (owner.userid, owner.email, owner.role) == (
        wb.database.userid, "tester@localhost", "owner"
    )  # fmt: skip
    assert (member.email, member.role, member.pending) == ("eve@example.org", "editor", False)
    assert later == Member(None, "later@example.org", "later@example.org", "viewer", True)
    assert [(m.email, m.role) for m in await eve.members(denmark)] == [
        (None, "owner"),
        (None, "editor"),
    ]
    assert await (await sign_in("bob")).members(denmark.id) == []


async def test_a_world_is_taken_back_from_members_and_from_addresses_nobody_has(
    wb, denmark, sign_in
):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="editor")
    await wb.share(denmark, "later@example.org")
    with pytest.raises(NotAllowed):
        await eve.unshare(denmark, "later@example.org")
    await wb.unshare(denmark, " Eve@example.org")
    await wb.unshare(denmark, "later@example.org")
    assert [m.role for m in await wb.members(denmark)] == ["owner"]
    with pytest.raises(NotFound):
        await eve.role_in("Denmark")
    with pytest.raises(NotFound, match="eve@example"):
        await wb.unshare(denmark, "eve@example.org")


async def test_a_world_is_handed_over_and_the_former_owner_stays_manager(wb, denmark, sign_in):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org")
    with pytest.raises(NotAllowed):
        await eve.hand_over(denmark, "eve@example.org")
    await wb.hand_over(denmark, "eve@example.org")
    assert [(m.email, m.role) for m in await eve.members(denmark)] == [
        ("eve@example.org", "owner"),
        ("tester@localhost", "manager"),
    ]
    assert await wb.role_in(denmark) == "manager"


async def test_a_world_is_handed_over_to_users_only(wb, denmark):
    with pytest.raises(NotFound, match="nobody@"):
        await wb.hand_over(denmark, "nobody@example.org")
    assert [m.role for m in await wb.members(denmark)] == ["owner"]


async def test_a_role_and_an_address_that_are_none_are_refused(wb, denmark):
    with pytest.raises(InvalidDraft) as refused:
        await wb.share(denmark, "eve at example", role="king")
    assert set(refused.value.problems) == {"email", "role"}
    assert [m.role for m in await wb.members(denmark)] == ["owner"]
