"""The page on which a signed-in person lets a program in: RFC 8628, section 3.3.

Opening the link of a program only fills in its code. What the code stands for is shown, and
decided, by forms of this page, so that no other site can guess, approve or lock out in somebody's
name.
"""

from __future__ import annotations

from collections.abc import Callable

from workbench.auth.device import Devices
from workbench.auth.tokens import SCOPES
from workbench.errors import SignInRefused
from workbench.server.pages import PersonHandler

_STATUS = {"locked": 429}
_LONGEST_CODE = 64


class DevicePageHandler(PersonHandler):
    """Asks for a code, shows who waits with it, and takes the answer."""

    def get(self) -> None:
        self.show_form(self.get_query_argument("user_code", "")[:_LONGEST_CODE])

    async def post(self) -> None:
        code = self.get_body_argument("user_code", "")[:_LONGEST_CODE]
        decision = self.get_body_argument("decision", "")
        try:
            if decision in ("approve", "deny"):
                await self.decide(code, approved=decision == "approve")
            else:
                await self.show_request(code)
        except SignInRefused as refused:
            self.set_status(_STATUS.get(refused.code, 404))
            self.show_form("" if refused.code == "locked" else code, str(refused))

    @property
    def devices(self) -> Devices:
        """The programs that wait."""
        return Devices(self.doors.database)

    def show_form(self, code: str, problem: str = "") -> None:
        self.finish(self.rendered("device.html", code=code, problem=problem))

    async def show_request(self, code: str) -> None:
        asking = await self.devices.find(code, self.person.userid, self.caller)
        self.finish(
            self.rendered(
                "device_request.html",
                asking=asking,
                may=SCOPES[asking.scope],
                mail=self.person.email,
                here=asking.address == self.caller.address,
            )
        )

    async def decide(self, code: str, *, approved: bool) -> None:
        asking = await self.devices.decide(code, self.person.userid, self.caller, approved=approved)
        if approved:
            title, message = "Approved", f"“{asking.client}” is signed in as you in a moment."
        else:
            title, message = "Denied", f"“{asking.client}” gets nothing."
        self.show_message(title, f"{message} You can close this page.", 200)


def handlers(at: Callable[[str], str]) -> list[tuple[str, type[PersonHandler]]]:
    """Return what is served; `at` gives the pattern of a path."""
    return [(at("/device"), DevicePageHandler)]
