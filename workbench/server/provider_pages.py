"""To a provider, and back with its answer: to sign in, or to link an identity to an account."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.web import HTTPError

from workbench.auth.pending import PENDING_SECONDS, Attempt
from workbench.auth.secrets import digest
from workbench.auth.words import plain
from workbench.errors import SignInRefused
from workbench.server.pages import PersonHandler
from workbench.server.sign_in import local_path

_ELSEWHERE = (
    "This sign-in was not begun in this browser, has been used, or took longer than ten minutes. "
    "Start again here."
)
_STATUS = {"locked": 429, "unreachable": 502, "misconfigured": 500}
# Failures of a provider, or of how it is set up, are nobody's guesses: they lock nobody out.
_KINDS = {
    "state": "wrong_state",
    **dict.fromkeys(("unreachable", "misconfigured", "garbled", "clock"), "failed"),
}


class ProviderHandler(PersonHandler):
    """Base of what leads to a provider and back.

    Each attempt has a cookie of its own, so that two tabs do not take each other's.
    """

    def attempt_cookie(self, state: str) -> str:
        """Name the cookie of the attempt with a state."""
        return self.identity.own_name(f"workbench-attempt-{digest(state).hex()[:12]}")

    def require_provider(self, name: str) -> None:
        """Answer 404 for a provider that is not set up."""
        if name not in dict(self.doors.flow.offered()):
            raise HTTPError(404)

    async def begin(self, name: str, wanted: str, linking_in: UUID | None = None) -> str | None:
        """Return the address of a provider's page, or answer why there is none.

        Parameters
        ----------
        linking_in
            The session to whose account an identity is to be linked.
        """
        try:
            await self.doors.events.check(self.caller)
            url, kept = await self.doors.flow.begin(name)
        except SignInRefused as refused:
            self.refuse(name, refused)
            return None
        invitation = self.get_cookie(self.invitation_cookie)
        attempt = Attempt(
            kept,
            wanted,
            invitation=digest(invitation) if invitation else None,
            session=linking_in,
        )
        self.set_cookie(
            self.attempt_cookie(kept["state"]),
            await self.doors.attempts.put(attempt),
            httponly=True,
            samesite="Lax",
            secure=self.identity.secure,
            path=self.base_url,
            max_age=PENDING_SECONDS,
        )
        return url

    def refuse(self, name: str, refused: SignInRefused) -> None:
        """Say why somebody was not signed in; the log says more, without a secret."""
        self.log.warning("Sign-in by %s refused (%s): %s", name, refused.code, refused.detail)
        if self.current_user is not None:  # who wanted another way in, and has one
            self.show_message("Nothing has changed", str(refused), _STATUS.get(refused.code, 403))
            return
        self.set_status(_STATUS.get(refused.code, 403))
        self.finish(
            self.rendered(
                "sign_in.html",
                problem=str(refused),
                signed_out=False,
                wanted=self.base_url,
                by_link=self.doors.by_link,
                providers=self.doors.flow.offered(),
            )
        )


class LeaveHandler(ProviderHandler):
    """Sends the browser to a provider."""

    @allow_unauthenticated
    async def get(self, name: str) -> None:
        self.require_provider(name)
        wanted = self.get_query_argument("next", self.base_url)
        if url := await self.begin(name, local_path(wanted, self.base_url)):
            self.redirect(url)


class LinkHandler(ProviderHandler):
    """Leads a signed-in browser to a provider, to link an identity there to the account.

    By a page of ours: browsers let no form lead to another site, not even by a redirect, where
    `form-action` says so.
    """

    async def post(self, name: str) -> None:
        self.require_provider(name)
        url = await self.begin(name, f"{self.base_url}account", linking_in=self.person.session)
        if url is not None:
            label = dict(self.doors.flow.offered())[name]
            self.finish(self.rendered("account_leave.html", url=url, label=label))


class ComeBackHandler(ProviderHandler):
    """Takes the answer of a provider."""

    account: str | None = None
    email: str | None = None

    @property
    def address(self) -> str:
        """Where the page says that it is: what the provider sent is spent, and stays nowhere."""
        return f"{self.base_url}{'sign-in' if self.current_user is None else 'account'}"

    @allow_unauthenticated
    async def get(self, name: str) -> None:
        self.require_provider(name)
        given = self.request.query_arguments
        answer = {key: self.get_query_argument(key) for key in given if len(given[key]) == 1}
        try:
            await self.doors.events.check(self.caller)
            await self.come_in(name, answer)
        except SignInRefused as refused:
            if refused.code == "invitation":  # which would be in the way of the next attempt
                self.clear_cookie(
                    self.invitation_cookie, path=self.base_url, secure=self.identity.secure
                )
            if refused.code != "locked":
                await self.doors.events.record(
                    _KINDS.get(refused.code, "refused"),
                    self.caller,
                    provider=name,
                    account=self.account,
                    detail=" ".join(filter(None, (refused.code, self.email))),
                )
            self.refuse(name, refused)

    async def come_in(self, name: str, answer: dict[str, str]) -> None:
        """Sign in whoever the provider says it is, or link them to the account."""
        state = answer.get("state", "")
        cookie = self.attempt_cookie(state)
        secret = self.get_cookie(cookie)
        attempt = await self.doors.attempts.take(secret, name, state) if secret else None
        if attempt is None:
            raise SignInRefused(_ELSEWHERE, code="state")
        self.clear_cookie(cookie, path=self.base_url, secure=self.identity.secure)
        identity = await self.doors.flow.finish(name, attempt.kept, answer)
        self.account = f"{identity.issuer} {identity.subject}"
        self.email = identity.email and plain(identity.email)
        await self.doors.events.check(self.caller, self.account)
        if attempt.session is not None:
            if self.current_user is None or self.person.session != attempt.session:
                raise SignInRefused(_ELSEWHERE, code="state")
            before = await self.doors.accounts.identities(self.person.userid)
            told = (identity.issuer, identity.subject)
            known = told in [(one.issuer, one.subject) for one in before]
            await self.doors.accounts.link(identity, self.person, self.caller)
            self.redirect(f"{attempt.wanted}?done={'known' if known else 'linked'}")
            return
        user = await self.doors.accounts.enter(identity, self.caller, attempt.invitation)
        await self.identity.start_session(self, user, name, identity)
        self.clear_cookie(self.invitation_cookie, path=self.base_url, secure=self.identity.secure)
        await self.doors.events.record(
            "signed_in", self.caller, user=user, provider=name, account=self.account
        )
        self.redirect(attempt.wanted)


class BackChannelHandler(ProviderHandler):
    """Ends sessions because a provider says that they have ended there."""

    def check_xsrf_cookie(self) -> None:
        """No browser sends this: the signature of the token says who does."""

    @allow_unauthenticated
    async def post(self, name: str) -> None:
        self.require_provider(name)
        try:
            await self.doors.events.check(self.caller)
            notice = await self.doors.flow.ended(name, self.get_body_argument("logout_token", ""))
        except SignInRefused as refused:
            await self.doors.events.record(
                "refused", self.caller, provider=name, detail="logout token"
            )
            self.log.warning("Logout token of %s refused: %s", name, refused.detail)
            self.set_status(400)
            self.finish({"error": "invalid_request"})
            return
        if not self.settings["workbench"].first_use(f"{notice.issuer} {notice.token_id}"):
            self.set_status(400)
            self.finish({"error": "invalid_request"})
            return
        for session in await self.doors.sessions.end_of_provider(
            notice.issuer, notice.session, notice.subject
        ):
            self.identity.session_ended(str(session))
        self.set_status(200)
        self.finish()


def handlers(at: Callable[[str], str]) -> list[tuple[str, type[PersonHandler]]]:
    """Return what is served; `at` gives the pattern of a path."""
    name = r"(?P<name>[a-z][a-z0-9]*)"
    return [
        (at(f"/sign-in/{name}"), LeaveHandler),
        (at(f"/sign-in/{name}/callback"), ComeBackHandler),
        (at(f"/sign-in/{name}/ended"), BackChannelHandler),
        (at(f"/account/link/{name}"), LinkHandler),
    ]
