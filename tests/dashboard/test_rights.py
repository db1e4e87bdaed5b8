"""The dashboard offers what its user may do, and says whom to ask for the rest."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from workbench.dashboard import Dashboard, Place
from workbench.dashboard.members import MembersView
from workbench.editing import RepositorySource
from workbench.errors import NotAllowed
from workbench.store.sharing import Member
from workbench.widgets.content import Content
from workbench.widgets.editor import Editor


@pytest.fixture
async def denmark(wb):
    world = await wb.worlds.add(name="Denmark")
    await wb.personas.add(name="HAMLET", worldid=world.id)
    return world


class Page:
    """A page of the dashboard as somebody is shown it."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    def one(self, kind):
        (found,) = [part for part in self.dashboard.page.children if isinstance(part, kind)]
        return found

    @property
    def words(self) -> str:
        parts = [part for part in self.dashboard.page.children if isinstance(part, Content)]
        return json.dumps([part.nodes for part in parts])

    @property
    def nav(self) -> str:
        return json.dumps(self.dashboard.nav.nodes)

    async def settled(self) -> None:
        await self.dashboard.tasks.settled()


async def open_page(workspace, world=None, entity=None) -> Page:
    made = Dashboard(workspace, Place(world.id if world else None, entity))
    await made.show()
    assert made.state.problem == ""
    return Page(made)


async def test_a_viewer_is_shown_rows_without_anything_that_changes_them(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org")
    page = await open_page(eve, denmark, "persona")
    grid = page.one(Editor).grid
    assert (grid.can_add, grid.can_remove) == (False, False)
    assert not any(column["editable"] for column in grid.columns)
    assert "You may read this world. Ask tester@localhost to edit." in page.words


async def test_all_managers_are_named(wb, sign_in, denmark):
    eve, _ = await sign_in("eve"), await sign_in("max")
    await wb.share(denmark, "eve@example.org")
    await wb.share(denmark, "max@example.org", role="manager")
    for entity in (None, "scene", "members"):
        page = await open_page(eve, denmark, entity)
        assert "Ask max@example.org or tester@localhost to edit." in page.words


@pytest.mark.parametrize("role", ["editor", "manager"])
async def test_an_editor_is_shown_the_editing_face_and_no_line(wb, sign_in, denmark, role):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role=role)
    page = await open_page(eve, denmark, "persona")
    grid = page.one(Editor).grid
    assert (grid.can_add, grid.can_remove) == (True, True)
    assert "You may read" not in page.words


async def test_an_account_that_may_only_read_is_told_so_and_offered_no_new_world(
    wb, sign_in, denmark
):
    ivo = await sign_in("ivo", "viewer")
    page = await open_page(ivo)
    assert "There is no world that you may read yet." in page.words
    await wb.share(denmark, "ivo@example.org", role="editor")
    for world, entity in ((None, None), (denmark, "persona")):
        page = await open_page(ivo, world, entity)
        grid = page.one(Editor).grid
        assert (grid.can_add, grid.can_remove) == (False, False)
        assert "Your account may read, not edit." in page.words
    page = await open_page(await sign_in("eve"))
    assert page.one(Editor).grid.can_add
    assert "Add one below" in page.words


async def test_a_viewer_is_not_told_to_add_or_restore(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org")
    gone = await wb.books.add(name="Burnt", worldid=denmark.id)
    await wb.books.remove(gone)
    for workspace, told in ((eve, False), (wb, True)):
        made = Dashboard(workspace, Place(denmark.id, "book", gone.id))
        await made.show()
        assert "is in the trash." in made.state.problem
        assert ("The page Trash" in made.state.problem) == told
        overview = await open_page(workspace, denmark)
        tree = overview.dashboard.page.children[1].children[0].children[1]
        assert ("Add one" in tree.empty) == told


async def test_a_role_that_is_lost_while_typing_loses_nothing_typed(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="editor")
    page = await open_page(eve, denmark, "persona")
    form = page.one(Editor).form
    hamlet = await eve.personas.get(name="HAMLET")
    form.load(await page.one(Editor).grid.source.row(hamlet.id))
    form.fields["description"].control.value = "A prince."
    await wb.share(denmark, "eve@example.org")
    form.save_button.click()
    await form.tasks.settled()
    assert "Ask tester@localhost" in form.message.value
    assert form.fields["description"].control.value == "A prince."
    assert form.body.layout.display is None
    await wb.share(denmark, "eve@example.org", role="editor")
    form.save_button.click()
    await form.tasks.settled()
    assert (await wb.personas.get(hamlet.id)).description == "A prince."


async def refused(page: Page, operation: str, args: dict[str, object]) -> str:
    """Ask for something that is refused, as the grid in the browser does; return why."""
    editor = page.one(Editor)
    with pytest.raises(NotAllowed) as why:
        await editor.grid.operations()[operation](args)
    await editor.tasks.settled()
    return str(why.value)


async def test_whose_account_may_edit_no_more_is_told_so_and_offered_no_new_world(owned, sign_in):
    eve = await sign_in("eve")
    page = await open_page(eve)
    grid = page.one(Editor).grid
    account = await owned.users.get(eve.database.userid)
    await owned.users.update(account, role="viewer", version=account.version)
    why = await refused(page, "add", {"values": {"name": "Wessex"}})
    assert why.startswith("Your account may only read. An administrator")
    assert (grid.can_add, grid.can_remove) == (False, False)


async def test_who_edits_a_world_no_more_is_offered_no_new_rows_in_it(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="editor")
    page = await open_page(eve, denmark, "persona")
    grid = page.one(Editor).grid
    await wb.share(denmark, "eve@example.org")
    await refused(page, "add", {"values": {"name": "YORICK"}})
    assert (grid.can_add, grid.can_remove) == (False, False)


async def test_one_thing_that_is_refused_takes_nothing_else_away(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="editor")
    page = await open_page(eve)
    grid = page.one(Editor).grid
    await refused(page, "remove", {"ids": [str(denmark.id)]})
    assert (grid.can_add, grid.can_remove) == (True, True)


async def test_a_world_that_may_be_read_no_more_is_not_shown_as_an_empty_one(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org")
    source = (await open_page(eve, denmark, "location")).one(Editor).grid.source
    asked = {"sort": [], "filters": [], "search": None}
    assert (await source.page(0, 10, **asked)).total == 0
    await wb.unshare(denmark, "eve@example.org")
    with pytest.raises(NotAllowed, match="may not read this world any more"):
        await source.page(0, 10, **asked)


async def test_the_card_of_a_world_says_whose_it_is_if_it_is_somebody_elses(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org")
    await eve.worlds.add(name="Wessex")
    hers = (await open_page(eve)).words
    assert '"of tester"' in hers
    assert '"of eve"' not in hers
    assert '"of ' not in (await open_page(wb)).words


async def test_a_name_cannot_turn_what_stands_beside_it(wb):
    world = await wb.worlds.add(name="Den\u202emark\u2069")
    page = await open_page(wb, world, "members")
    assert "Denmark" in page.nav
    assert "\\u202e" not in page.nav
    view = page.one(MembersView)
    view.model.members = [Member(uuid4(), "eve@example.org", "\u2066Eve\u202e", "viewer", False)]
    (row,) = view.rows.values()
    assert (row.name.value, row.remove_button.tooltip) == ("Eve", "Remove Eve")


async def test_whoever_has_no_world_is_told_how_to_get_one_in_plain_words(sign_in):
    page = await open_page(await sign_in("eve"))
    assert "its page Import takes files" in page.words
    assert "`" not in page.words


async def test_members_are_a_page_for_members(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.worlds.update(denmark, is_public=True)
    assert '"Members"' not in (await open_page(eve, denmark)).nav
    await wb.share(denmark, "eve@example.org")
    page = await open_page(eve, denmark, "members")
    assert '"Members"' in page.nav
    assert '"owner"' in page.words
    assert '"viewer"' in page.words
    assert "(you)" in page.words
    assert not [p for p in page.dashboard.page.children if isinstance(p, MembersView)]


async def test_a_world_without_a_card_is_opened_from_the_table(wb, denmark):
    await wb.worlds.add_many({"name": f"World {number}"} for number in range(12))
    page = await open_page(wb)
    assert "Denmark" not in page.words
    editor = page.one(Editor)
    way = editor.form.children[0]
    assert way.nodes == []
    other = await wb.worlds.get(name="World 3")
    editor.form.load(await editor.form.source.row(other.id))
    editor.form.load(None)
    assert way.nodes == []
    row = await editor.form.source.row(denmark.id)
    editor.form.load(row)
    [button] = way.nodes
    assert button["text"] == "Open Denmark"
    await way.operations()["act"]({"action": button["action"]})
    await page.settled()
    assert page.dashboard.state.place == Place(denmark.id)


async def test_who_is_hidden_from_a_reader_is_told_so_and_no_login_or_id(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.worlds.update(denmark, is_public=True)
    assert {change.author for change in await eve.latest_changes(denmark)} == {"somebody"}
    source = RepositorySource(eve.personas, denmark.id, role="viewer")
    [row] = (await source.page(0, 10, sort=(), filters=(), search=None)).rows
    assert row["ownerid__label"] == "not to be seen"


@pytest.fixture
async def view(wb, sign_in, denmark):
    """The members' page of Denmark as its owner sees it; its questions are answered with yes."""
    await sign_in("eve")
    page = await open_page(wb, denmark, "members")
    view = page.one(MembersView)
    view.page, view.asked = page, []

    async def confirm(title, text, **_more):
        view.asked.append(title)
        view.told = text
        return view.agree

    view.agree, view.messages.confirm = True, confirm
    return view


def listed(view):
    return [(row.name.value, row.member.role) for row in view.rows.values()]


async def share(view, email, role):
    view.email.value, view.role.value = email, role
    view.share_button.click()
    await view.tasks.settled()


async def test_a_manager_shares_by_e_mail_and_is_answered_the_same_for_whomever(view):
    await share(view, "eve@example.org", "editor")
    known = view.message.value
    assert (view.email.value, view.problem.value) == ("", "")
    await share(view, "later@example.org", "editor")
    assert view.message.value.replace("later", "eve") == known
    assert listed(view) == [
        ("tester@localhost (you)", "owner"),
        ("eve@example.org", "editor"),
        ("later@example.org", "editor"),
    ]


async def test_what_is_no_address_is_refused_and_stays_for_mending(view):
    await share(view, "eve at example", "editor")
    assert view.problem.value == "This is not an e-mail address."
    assert view.email.value == "eve at example"
    assert len(view.rows) == 1


async def test_a_role_is_changed_by_choosing_another(view, wb, denmark):
    await share(view, "eve@example.org", "viewer")
    row = list(view.rows.values())[1]
    row.role.value = "manager"
    await view.tasks.settled()
    assert [m.role for m in await wb.members(denmark)] == ["owner", "manager"]
    assert view.message.value == "eve@example.org is manager now."
    assert list(view.rows.values())[1] is row  # so the focus stays


async def test_a_member_is_removed_after_a_question(view):
    await share(view, "eve@example.org", "viewer")
    view.agree = False
    for _ in range(2):
        list(view.rows.values())[1].remove_button.click()
        await view.tasks.settled()
        assert view.asked[-1] == "Remove eve@example.org?"
        assert "only if somebody shares" in view.told
        assert len(view.rows) == (1 if view.agree else 2)
        view.agree = True


async def test_who_is_removed_from_a_public_world_may_still_read_it(wb, sign_in, denmark):
    await sign_in("eve")
    await wb.share(denmark, "eve@example.org")
    public = await wb.worlds.update(denmark, is_public=True)
    view = (await open_page(wb, public, "members")).one(MembersView)
    told = []

    async def confirm(_title, text, **_more):
        told.append(text)
        return False

    view.messages.confirm = confirm
    list(view.rows.values())[1].remove_button.click()
    await view.tasks.settled()
    assert told == ["They may still read the world, which is public."]


async def test_a_world_is_handed_over_after_a_question_and_stays_in_reach(view):
    await share(view, "eve@example.org", "viewer")
    list(view.rows.values())[1].give_button.click()
    await view.tasks.settled()
    assert view.asked == ["Hand “Denmark” over to eve@example.org?"]
    assert sorted(listed(view)) == [
        ("eve@example.org", "owner"),
        ("tester@localhost (you)", "manager"),
    ]


async def test_whose_account_may_only_read_is_not_made_owner_and_why_is_said_at_the_list(
    view, sign_in
):
    await sign_in("rose", role="viewer")
    await share(view, "rose@example.org", "viewer")
    list(view.rows.values())[1].give_button.click()
    await view.tasks.settled()
    assert "may only read cannot own a world" in view.refusal.value
    assert (view.problem.value, view.message.value) == ("", "")
    assert next(iter(view.rows.values())).member.role == "owner"
    await share(view, "max@example.org", "viewer")
    assert view.refusal.value == ""


async def test_who_waits_to_sign_in_cannot_be_made_owner(view):
    await share(view, "later@example.org", "viewer")
    row = list(view.rows.values())[1]
    assert row.email.value == "has not signed in yet"
    assert row.give_button not in row.box.children[1].children


async def test_a_manager_is_not_offered_to_take_the_world(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await sign_in("max")
    await wb.share(denmark, "eve@example.org", role="manager")
    await wb.share(denmark, "max@example.org")
    hers = (await open_page(eve, denmark, "members")).one(MembersView)
    offered = {
        row.member.email: row.give_button in row.box.children[1].children
        for row in hers.rows.values()
    }
    assert offered == {
        "tester@localhost": False,
        "eve@example.org": False,
        "max@example.org": True,
    }


async def test_a_manager_who_steps_down_is_shown_the_page_anew(view, wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="manager")
    page = await open_page(eve, denmark, "members")
    hers = page.one(MembersView)
    mine = next(row for row in hers.rows.values() if "(you)" in row.name.value)
    mine.role.value = "viewer"
    await hers.tasks.settled()
    await page.settled()
    assert page.dashboard.state.problem == "eve@example.org is viewer now."
    assert not [p for p in page.dashboard.page.children if isinstance(p, MembersView)]


async def test_a_manager_who_is_one_no_more_is_told_and_shown_the_page_anew(wb, sign_in, denmark):
    eve = await sign_in("eve")
    await wb.share(denmark, "eve@example.org", role="manager")
    page = await open_page(eve, denmark, "members")
    await wb.share(denmark, "eve@example.org", role="viewer")
    await share(page.one(MembersView), "max@example.org", "editor")
    await page.settled()
    assert "takes a manager" in page.dashboard.state.problem
    assert not [p for p in page.dashboard.page.children if isinstance(p, MembersView)]
    assert [m.email for m in await wb.members(denmark)] == ["tester@localhost", "eve@example.org"]
