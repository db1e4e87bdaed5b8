"""Pages of administrators, and what an invitation leads to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from jupyter_server.auth.decorator import allow_unauthenticated

from workbench.auth.invitations import DAYS, Invited
from workbench.errors import NotAllowed, NotFound, Refused, SignInRefused
from workbench.server.account_pages import problems_of, status_of, uuid_of
from workbench.server.identity import SignedIn
from workbench.server.pages import PersonHandler
from workbench.server.records import happenings

__all__ = ["handlers"]

_EVENTS = 50
_ROLES = {
    "viewer": "viewer: reads what is shared",
    "editor": "editor: makes and edits worlds",
    "admin": "admin: an editor who also looks after people",
}
_INVITED = {
    "viewer": "to read what is shared with them",
    "editor": "to make and edit worlds",
    "admin": "to make and edit worlds, and to look after people",
}
_INVITATION_SECONDS = 3600
_LONGEST_WORDS = 200
_NO_LINK = "Open the link of your invitation again, the whole of it, as you were given it."
_DONE = {
    "changed": "Saved. It counts at once.",
    "signed-out": "They are signed out everywhere.",
    "restored": "The account is back. Worlds that it gave away stay where they are.",
    "revoked": "The invitation is taken back; its link works no more.",
}


class PeopleForm(PersonHandler):
    """Base of what a form on the page of all people asks."""

    async def show(
        self,
        form: str = "",
        problems: Mapping[str, str] | None = None,
        typed: Mapping[str, str] | None = None,
        **values: Any,
    ) -> None:
        """Answer with the page; see `AccountForm.show`."""
        by, doors = self.person.userid, self.doors
        labels = dict(doors.flow.offered())
        self.finish(
            self.rendered(
                "people.html",
                form=form,
                problems=problems or {},
                typed=typed or {},
                done=_DONE.get(self.get_query_argument("done", "")),
                words=self.words,
                after=self.after,
                matches=await doors.people.find(by, self.words, after=self.after),
                me=by,
                role_words=_ROLES.items(),
                labels=labels,
                days=DAYS,
                invitations=await doors.invitations.latest(by),
                happenings=happenings(await doors.events.latest(most=_EVENTS), labels, whose=True),
                **values,
            )
        )

    def show_refusal(self, error: NotAllowed) -> None:
        self.show_message("Not for you", str(error), HTTPStatus.FORBIDDEN)

    async def attempt(
        self,
        work: Awaitable[object],
        *,
        done: str,
        form: str = "",
        typed: Mapping[str, str] | None = None,
    ) -> None:
        """Do what a form asks and lead back to the same part of the list, or say what is wrong."""
        try:
            await work
        except NotAllowed as error:
            self.show_refusal(error)
        except (Refused, NotFound) as error:
            self.set_status(status_of(error))
            await self.show(form, problems_of(error), typed)
        else:
            given = {"words": self.words, "after": self.after, "done": done}
            query = urlencode({name: value for name, value in given.items() if value})
            self.redirect(f"{self.base_url}people?{query}")

    @property
    def words(self) -> str:
        """What is searched for."""
        return self.get_argument("words", "")[:_LONGEST_WORDS]

    @property
    def after(self) -> str:
        """After which address the list goes on."""
        return self.get_argument("after", "")[:_LONGEST_WORDS]


class PeopleHandler(PeopleForm):
    """Shows all accounts, invitations, and what happened lately."""

    async def get(self) -> None:
        try:
            await self.show()
        except NotAllowed as error:
            self.show_refusal(error)


class ChangeHandler(PeopleForm):
    """Changes somebody's role, or whether they may sign in."""

    async def post(self) -> None:
        user = uuid_of(self.get_body_argument("user"))
        active = {"yes": True, "no": False}.get(self.get_body_argument("active", ""))
        work = self.doors.people.change(
            self.person.userid,
            user,
            role=self.get_body_argument("role", "") or None,
            active=active,
            caller=self.caller,
        )
        await self.attempt(work, done="changed", form=str(user))


class SignOutEverywhereHandler(PeopleForm):
    """Ends all sessions of somebody."""

    async def post(self) -> None:
        user = uuid_of(self.get_body_argument("user"))
        work = self.doors.people.end_sessions(self.person.userid, user, self.caller)
        await self.attempt(work, done="signed-out", form=str(user))


class RestoreHandler(PeopleForm):
    """Brings a deleted account back."""

    async def post(self) -> None:
        user = uuid_of(self.get_body_argument("user"))
        work = self.doors.people.restore(self.person.userid, user, self.caller)
        await self.attempt(work, done="restored", form=str(user))


class InviteHandler(PeopleForm):
    """Makes an invitation, and shows its link this once."""

    async def post(self) -> None:
        typed = {name: self.get_body_argument(name, "") for name in ("email", "role")}
        try:
            invited = await self.doors.invitations.invite(
                self.person.userid, typed["email"], typed["role"], caller=self.caller
            )
        except NotAllowed as error:
            self.show_refusal(error)
        except Refused as error:
            self.set_status(status_of(error))
            await self.show("invite", problems_of(error), typed)
        else:
            link = self.link(invited)
            await self.show(invited=invited, link=link, letter=letter(invited, link))

    def link(self, invited: Invited) -> str:
        """Return the whole link; never by the request's own Host."""
        site = self.doors.public_url or self.settings["workbench"].site_url.rstrip("/")
        return f"{site}{invited.path}"


def letter(invited: Invited, link: str) -> dict[str, str]:
    """Return what to send along: its text, and an address that opens a mail program with it."""
    text = (
        f"Hello,\n\nyou are invited to Workbench, as {invited.role}. This link lets you in, once, "
        f"until {invited.expires_at:%Y-%m-%d}:\n\n{link}\n\nIt is for you alone.\n"
    )
    query = urlencode({"subject": "Invitation to Workbench", "body": text}, quote_via=quote)
    return {"text": text, "mailto": f"mailto:{quote(invited.email, safe='@')}?{query}"}


class RevokeHandler(PeopleForm):
    """Takes an invitation back."""

    async def post(self) -> None:
        invitation = uuid_of(self.get_body_argument("invitation"))
        work = self.doors.invitations.revoke(self.person.userid, invitation, self.caller)
        await self.attempt(work, done="revoked", form="invite")


class OpenInvitationHandler(PersonHandler):
    """Takes the secret out of a link, and the link out of sight."""

    def initialize(self) -> None:
        """Leave the secret out of what is logged of the request."""
        self.request.path = f"{self.base_url}invitation/…"

    @allow_unauthenticated
    async def get(self, secret: str) -> None:
        self.set_cookie(
            self.invitation_cookie,
            secret,
            httponly=True,
            samesite="Lax",
            secure=self.identity.secure,
            path=self.base_url,
            max_age=_INVITATION_SECONDS,
        )
        self.redirect(f"{self.base_url}invitation")


class InvitationHandler(PersonHandler):
    """Says who invites to what, and offers the ways to sign in."""

    @allow_unauthenticated
    async def get(self) -> None:
        secret = self.get_cookie(self.invitation_cookie)
        if not secret:
            self.show_message("No invitation", _NO_LINK, HTTPStatus.NOT_FOUND)
            return
        try:
            invitation = await self.doors.invitations.find(secret, self.caller)
        except SignInRefused as refused:
            self.clear_cookie(
                self.invitation_cookie, path=self.base_url, secure=self.identity.secure
            )
            locked = refused.code == "locked"
            status = HTTPStatus.TOO_MANY_REQUESTS if locked else HTTPStatus.NOT_FOUND
            self.show_message("No invitation", str(refused), status)
            return
        here = self.current_user.person if isinstance(self.current_user, SignedIn) else None
        self.finish(
            self.rendered(
                "people_invitation.html",
                invitation=invitation,
                providers=self.doors.flow.offered(),
                here=here,
                role_words=_INVITED,
            )
        )


def handlers(at: Callable[[str], str]) -> list[tuple[str, type[PersonHandler]]]:
    """Return what is served; `at` gives the pattern of a path."""
    return [
        (at("/people"), PeopleHandler),
        (at("/people/change"), ChangeHandler),
        (at("/people/sign-out"), SignOutEverywhereHandler),
        (at("/people/restore"), RestoreHandler),
        (at("/people/invite"), InviteHandler),
        (at("/people/revoke"), RevokeHandler),
        (at("/invitation"), InvitationHandler),
        (at(r"/invitation/(?P<secret>[A-Za-z0-9_-]{8,128})"), OpenInvitationHandler),
    ]
