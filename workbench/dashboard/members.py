"""The page of a world's members: who they are, and for managers how to share the world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import ipywidgets
import traitlets

from workbench.dashboard.standing import reading_note
from workbench.entities.characters import unturned
from workbench.entities.types import MemberRole
from workbench.entities.world import World
from workbench.errors import InvalidDraft, WorkbenchError
from workbench.store.rights import Standing
from workbench.store.sharing import Member
from workbench.widgets.content import Content, Element, element
from workbench.widgets.dialog import Messages
from workbench.widgets.panel import Panel
from workbench.widgets.tasks import TaskSet
from workbench.workspace import Workspace

_ROLES = [role.value for role in MemberRole]
_WHAT = (
    "A viewer reads. An editor changes everything in the world. A manager also publishes it, "
    "shares it and hands it over."
)


async def members_page(
    wb: Workspace, world: World, standing: Standing, again: Callable[[str], object]
) -> list[Any]:
    """Return the widgets of the page.

    Parameters
    ----------
    again
        Shows the page anew with some words, when one may do less on it than before.
    """
    head = Content(
        element("h1", "Members"), element("p", _WHAT, kind="wb-soft"), reading_note(standing)
    )
    model = MembersModel(wb, world.id, again)
    await model.load()
    if standing.role != "manager":
        listed = [_listed(member, me=model.is_me(member)) for member in model.members]
        return [head, Content(element("ul", *listed, kind="wb-people"))]
    return [head, MembersView(model, world)]


def _listed(member: Member, *, me: bool) -> Element:
    name = f"{member.label} (you)" if me else member.label
    return element("li", element("strong", name), element("span", member.role))


class MembersModel(traitlets.HasTraits):
    """Who the members are, and what managers do about them. No widgets here.

    `message` says what was done last, `problem` what is wrong with an address to share with,
    `refusal` why something else was not done.
    """

    members: traitlets.List[Member] = traitlets.List()
    message = traitlets.Unicode("")
    problem = traitlets.Unicode("")
    refusal = traitlets.Unicode("")

    def __init__(self, wb: Workspace, world: UUID, again: Callable[[str], object]) -> None:
        super().__init__()
        self._wb, self._world, self._again = wb, world, again

    async def load(self) -> None:
        """Ask who the members are now."""
        self.members = await self._wb.members(self._world)

    def is_me(self, member: Member) -> bool:
        return member.userid is not None and member.userid == self._wb.database.userid

    async def add(self, email: str, role: str) -> bool:
        """Share the world with an address; return whether that was done."""
        said = f"Shared with {email.strip()} as {role}. Tell them: no e-mail is sent."
        return await self._do(self._wb.share(self._world, email, role=role), said, of="problem")

    async def change(self, member: Member, role: str) -> None:
        """Give a member another role."""
        said = f"{member.label} is {role} now."
        await self._do(self._wb.share(self._world, member.email or "", role=role), said)

    async def remove(self, member: Member) -> None:
        """Take the world away from a member."""
        said = f"{member.label} is no member any more."
        await self._do(self._wb.unshare(self._world, member.email or ""), said)

    async def hand_over(self, member: Member) -> None:
        """Make a member the owner."""
        said = f"The world belongs to {member.label} now."
        await self._do(self._wb.hand_over(self._world, member.email or ""), said)

    async def _do(self, work: Awaitable[None], said: str, *, of: str = "refusal") -> bool:
        self.message = self.problem = self.refusal = wrong = ""
        try:
            await work
        except InvalidDraft as error:
            wrong = " ".join(error.problems.values())
        except WorkbenchError as error:
            wrong = str(error)
        else:
            self.message = said
        self.set_trait(of, wrong)
        if await self._wb.role_in(self._world) == "manager":
            await self.load()
        else:  # a manager changed their own role, or somebody did meanwhile
            self._again(wrong or said)
        return not wrong


class MembersView(Panel):
    """A line to share with somebody, and one for each member."""

    def __init__(self, model: MembersModel, world: World) -> None:
        self.model, self._world = model, world
        self.tasks = TaskSet()
        self.messages = Messages()
        self.email = ipywidgets.Text(description="E-mail", placeholder="name@example.org")
        self.role = ipywidgets.Dropdown(description="Role", options=_ROLES)
        self.share_button = ipywidgets.Button(description="Share", button_style="primary")
        self.share_button.on_click(lambda _: self.tasks.start(self._share()))
        self.message = _label("wb-form-message")
        self.problem, self.refusal = _label("wb-problem"), _label("wb-problem")
        line = ipywidgets.HBox([self.email, self.role, self.share_button])
        line.add_class("wb-share")
        asked = ipywidgets.VBox([line, self.problem])
        asked.add_class("wb-row")  # ties the problem to the field, for screen readers
        self.list = ipywidgets.VBox()
        self.list.add_class("wb-people")
        self.rows: dict[str, MemberRow] = {}
        parts = [asked, self.message, self.refusal, self.list, self.messages]
        super().__init__(parts, "wb-form", "wb-members")
        model.observe(lambda _: self._show(), traitlets.All)
        self._show()

    def _show(self) -> None:
        model = self.model
        for name in ("message", "problem", "refusal"):
            getattr(self, name).value = unturned(getattr(model, name))
        old, self.rows = self.rows, {}
        for member in model.members:
            key = str(member.userid or member.email)
            row = old.pop(key, None)
            if row is None or not row.fits(member):
                row = MemberRow(self, member)
            row.show(member)
            self.rows[key] = row
        self.list.children = [row.box for row in self.rows.values()]

    async def _share(self) -> None:
        if await self.model.add(self.email.value, self.role.value):
            self.email.value = ""

    async def remove(self, member: Member) -> None:
        """Ask, and take the world away from a member."""
        who = "yourself" if self.model.is_me(member) else member.label
        text = "They may come back only if somebody shares the world again."
        if self._world.is_public:
            text = "They may still read the world, which is public."
        if await self._sure(f"Remove {who}?", text, "Remove"):
            await self.model.remove(member)

    async def hand_over(self, member: Member) -> None:
        """Ask, and make a member the owner."""
        text = "The owner of now stays as a manager. Only the new owner cannot be removed."
        title = f"Hand “{self._world.label}” over to {member.label}?"
        if await self._sure(title, text, "Hand over"):
            await self.model.hand_over(member)

    async def _sure(self, title: str, text: str, agree: str) -> bool:
        return await self.messages.confirm(title, text, agree=agree, danger=True)


class MemberRow:
    """The line of one member: the name, the role to choose, and what can be done."""

    def __init__(self, view: MembersView, member: Member) -> None:
        self.member, self._view = member, view
        self._showing = False
        self.name, self.email = _label("wb-person"), _label("wb-help")
        words = ipywidgets.VBox([self.name, self.email])
        label = unturned(member.label)
        self.role = ipywidgets.Dropdown(description=f"Role of {label}", options=_ROLES)
        self.role.observe(self._chosen, "value")
        self.give_button = _button("Make owner", f"Hand the world over to {label}")
        self.remove_button = _button("Remove", f"Remove {label}")
        self.give_button.on_click(lambda _: self._start(view.hand_over))
        self.remove_button.on_click(lambda _: self._start(view.remove))
        self._owns = member.role == "owner"
        parts = [_label("wb-owner", "owner")] if self._owns else [self.role, self.give_button]
        if member.pending or (view.model.is_me(member) and not self._owns):
            parts.remove(self.give_button)  # nobody takes a world from its owner
        doing = ipywidgets.HBox(parts if self._owns else [*parts, self.remove_button])
        self.box = ipywidgets.HBox([words, doing])
        self.box.add_class("wb-member")

    def fits(self, member: Member) -> bool:
        """Return whether this line has what one for `member` needs."""
        was = self.member
        return (self._owns, was.pending) == (member.role == "owner", member.pending)

    def show(self, member: Member) -> None:
        """Bring the line in line with the member as they are now."""
        self.member = member
        me = " (you)" if self._view.model.is_me(member) else ""
        self.name.value = f"{unturned(member.label)}{me}"
        self.email.value = "has not signed in yet" if member.pending else _other(member)
        self._showing = True
        try:
            self.role.value = member.role if member.role in _ROLES else None
        finally:
            self._showing = False

    def _chosen(self, change: dict[str, Any]) -> None:
        if not self._showing:
            self._view.tasks.start(self._view.model.change(self.member, change["new"]))

    def _start(self, doing: Callable[[Member], Any]) -> None:
        self._view.tasks.start(doing(self.member))


def _other(member: Member) -> str:
    return member.email if member.email and member.email != member.label else ""


def _label(name: str, text: str = "") -> ipywidgets.Label:
    label = ipywidgets.Label(text)
    label.add_class(name)
    return label


def _button(words: str, tooltip: str) -> ipywidgets.Button:
    return ipywidgets.Button(description=words, tooltip=tooltip)
