"""One's own account: names, ways to sign in, sessions, tokens, and leaving."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from tornado.web import HTTPError

from workbench.auth.tokens import SCOPES
from workbench.errors import (
    InvalidDraft,
    NotFound,
    Refused,
    SignInRefused,
    WorkbenchError,
)
from workbench.server.pages import PersonHandler
from workbench.server.records import device_of, happenings
from workbench.server.sign_in import local_path

__all__ = ["handlers", "status_of", "uuid_of"]

_EVENTS = 20
_TOKEN_DAYS = (7, 30, 90, 365)
_NAMES = ("first_name", "last_name", "display_name", "phone")
_NO_SESSION = "You have no such session. It may have ended meanwhile."
_DONE = {
    "named": "Your names are saved.",
    "linked": "You can sign in that way too, from now on. Your other sessions have ended.",
    "known": "You could sign in that way already.",
    "unlinked": "That way to sign in is gone. Your other sessions have ended.",
    "ended": "The session has ended, and the pages open in it are closed.",
    "others-ended": "All your other sessions have ended.",
    "revoked": "The token is revoked; what it was used for has no access any more.",
}


def uuid_of(text: str) -> UUID:
    """Return the id in a form's field; one that is none is answered as one that does not exist."""
    try:
        return UUID(text)
    except ValueError:
        raise HTTPError(404) from None


def status_of(error: WorkbenchError) -> int:
    """Return the HTTP status of a refusal."""
    match error:
        case NotFound():
            return HTTPStatus.NOT_FOUND
        case InvalidDraft():
            return HTTPStatus.BAD_REQUEST
        case _:
            return HTTPStatus.CONFLICT


def problems_of(error: WorkbenchError) -> Mapping[str, str]:
    """Return what to show by field; `*` is the whole form."""
    return error.problems if isinstance(error, InvalidDraft) else {"*": str(error)}


class AccountForm(PersonHandler):
    """Base of what a form on the page of one's own account asks."""

    async def show(
        self,
        form: str = "",
        problems: Mapping[str, str] | None = None,
        typed: Mapping[str, str] | None = None,
        **values: Any,
    ) -> None:
        """Answer with the page.

        Parameters
        ----------
        form, problems, typed
            Which form was refused, why, by field, and what was typed into it.
        """
        doors, user = self.doors, self.person.userid
        labels = dict(doors.flow.offered())
        sessions = await doors.sessions.of_user(user)
        self.finish(
            self.rendered(
                "account.html",
                form=form,
                problems=problems or {},
                typed=typed or {},
                done=_DONE.get(self.get_query_argument("done", "")),
                person=self.person,
                profile=await doors.accounts.profile(user),
                identities=await doors.accounts.identities(user),
                providers=labels.items(),
                labels=labels,
                sessions=sorted(sessions, key=lambda one: one.id != self.person.session),
                tokens=await doors.tokens.of_user(user),
                scopes=SCOPES,
                day_words=[(days, f"{days} days") for days in _TOKEN_DAYS],
                happenings=happenings(await doors.events.latest(user, _EVENTS), labels),
                device_of=device_of,
                **values,
            )
        )

    async def attempt(
        self,
        work: Awaitable[object],
        *,
        form: str,
        done: str,
        typed: Mapping[str, str] | None = None,
    ) -> None:
        """Do what a form asks and lead back to the page, or show it with what is wrong."""
        try:
            await work
        except (Refused, NotFound, SignInRefused) as error:
            self.set_status(status_of(error))
            await self.show(form, problems_of(error), typed)
        else:
            self.redirect(f"{self.base_url}account?{urlencode({'done': done})}")


class AccountHandler(AccountForm):
    """Shows the page."""

    async def get(self) -> None:
        await self.show()


class NameHandler(AccountForm):
    """Changes one's names and phone, and nothing else of the account."""

    async def post(self) -> None:
        typed = {name: self.get_body_argument(name, "") for name in _NAMES}
        work = self.doors.accounts.name(self.person, *(typed[name] for name in _NAMES))
        await self.attempt(work, form="names", done="named", typed=typed)


class WelcomeHandler(PersonHandler):
    """Asks for the names that a provider left out, once."""

    async def get(self) -> None:
        person = self.person
        self.show({"first_name": person.first_name or "", "last_name": person.last_name or ""}, {})

    async def post(self) -> None:
        typed = {name: self.get_body_argument(name, "") for name in ("first_name", "last_name")}
        problems = {name: "This is required." for name, text in typed.items() if not text}
        if not problems:
            profile = await self.doors.accounts.profile(self.person.userid)
            try:
                await self.doors.accounts.name(
                    self.person,
                    typed["first_name"],
                    typed["last_name"],
                    profile.display_name,
                    profile.phone,
                )
            except InvalidDraft as error:
                problems = dict(error.problems)
        if problems:
            self.set_status(HTTPStatus.BAD_REQUEST)
            self.show(typed, problems)
        else:
            self.redirect(self.wanted)

    def show(self, typed: Mapping[str, str], problems: Mapping[str, str]) -> None:
        self.finish(
            self.rendered(
                "account_welcome.html",
                typed=typed,
                problems=problems,
                form="names",
                wanted=self.wanted,
                email=self.person.email,
            )
        )

    @property
    def wanted(self) -> str:
        """Where to go afterwards."""
        return local_path(self.get_argument("next", self.base_url), self.base_url)


class UnlinkHandler(AccountForm):
    """Takes away a way to sign in."""

    async def post(self) -> None:
        work = self.doors.accounts.unlink(
            self.person,
            self.get_body_argument("issuer"),
            self.get_body_argument("subject"),
            self.caller,
        )
        await self.attempt(work, form="identities", done="unlinked")


class SessionHandler(AccountForm):
    """Ends one of one's sessions, or all others."""

    async def post(self) -> None:
        named, own = self.get_body_argument("session"), self.person
        if named == "others":
            ended = await self.doors.sessions.end_others(own.userid, own.session)
        else:
            ended = await self.doors.sessions.end(uuid_of(named), own.userid)
            if not ended:
                self.set_status(HTTPStatus.NOT_FOUND)
                await self.show("sessions", {"*": _NO_SESSION})
                return
        for session in ended:
            self.identity.session_ended(str(session))
            await self.doors.events.record(
                "signed_out", self.caller, user=own.userid, detail="a session of the list"
            )
        done = "others-ended" if named == "others" else "ended"
        self.redirect(f"{self.base_url}account?{urlencode({'done': done})}")


class TokenHandler(AccountForm):
    """Makes a token, and shows it this once."""

    async def post(self) -> None:
        typed = {name: self.get_body_argument(name, "") for name in ("name", "scope", "days")}
        try:
            secret, _ = await self.doors.tokens.make(
                self.person.userid,
                typed["name"],
                typed["scope"],
                timedelta(days=int(typed["days"]) if typed["days"] in map(str, _TOKEN_DAYS) else 0),
                self.caller,
            )
        except InvalidDraft as error:
            self.set_status(status_of(error))
            await self.show("tokens", error.problems, typed)
        else:
            await self.show(secret=secret)


class RevokeTokenHandler(AccountForm):
    """Revokes one of one's tokens."""

    async def post(self) -> None:
        token = uuid_of(self.get_body_argument("token"))
        work = self.doors.tokens.revoke(token, self.person.userid, self.caller)
        await self.attempt(work, form="tokens", done="revoked")


class DeleteHandler(PersonHandler):
    """Deletes one's own account, once its worlds have heirs."""

    async def get(self) -> None:
        await self.show()

    async def post(self) -> None:
        worlds = await self.doors.accounts.worlds_to_hand_over(self.person.userid)
        typed = {str(one.id): self.get_body_argument(f"heir-{one.id}", "") for one in worlds}
        confirmed = self.get_body_argument("confirm", "")
        if confirmed.lower() != self.person.email.lower():
            self.set_status(HTTPStatus.BAD_REQUEST)
            await self.show({"confirm": "This is not the address of your account."}, typed)
            return
        heirs = {UUID(world): uuid_of(heir) for world, heir in typed.items() if heir}
        try:
            await self.doors.accounts.delete(self.person, heirs, self.caller)
        except Refused as error:
            self.set_status(status_of(error))
            await self.show({"*": str(error)}, typed)
            return
        await self.identity.sign_out(self)
        self.current_user = None
        self.show_message(
            "Your account is deleted",
            "You are signed out everywhere. An administrator of this installation can bring the "
            "account back; your worlds stay with whom you gave them to.",
            HTTPStatus.OK,
        )

    async def show(
        self, problems: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None
    ) -> None:
        self.finish(
            self.rendered(
                "account_delete.html",
                form="delete",
                problems=problems or {},
                typed=typed or {},
                email=self.person.email,
                worlds=await self.doors.accounts.worlds_to_hand_over(self.person.userid),
            )
        )


def handlers(at: Callable[[str], str]) -> list[tuple[str, type[PersonHandler]]]:
    """Return what is served; `at` gives the pattern of a path."""
    return [
        (at("/account"), AccountHandler),
        (at("/account/welcome"), WelcomeHandler),
        (at("/account/name"), NameHandler),
        (at("/account/unlink"), UnlinkHandler),
        (at("/account/session"), SessionHandler),
        (at("/account/token"), TokenHandler),
        (at("/account/token/revoke"), RevokeTokenHandler),
        (at("/account/delete"), DeleteHandler),
    ]
