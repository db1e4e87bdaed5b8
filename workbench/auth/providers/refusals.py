"""What people read when signing in does not work, and what the log says besides."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.auth.identity import Client
from workbench.errors import SignInRefused

_WORD = re.compile(r"[A-Za-z_]{1,64}")


def word(value: object) -> str:
    """Return an error's code as a provider gave it, if it is a word: it may be anybody's text."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else "no known error code"


@dataclass(frozen=True)
class Refusals:
    """One sentence for each thing that can go wrong with one provider.

    None holds anything that a provider or a visitor sent: an `error_description` is text that
    whoever makes the link can choose.
    """

    client: Client
    label: str

    def variable(self, ending: str) -> str:
        """Return the name of a setting of this provider."""
        return f"WORKBENCH_OAUTH_{self.client.name.upper()}_{ending}"

    def denied(self) -> SignInRefused:
        return SignInRefused(
            f"{self.label} was not allowed to say who you are, so you are not signed in. "
            "Sign in again and allow it, or choose another way to sign in.",
            code="denied",
        )

    def mismatch(self, detail: str) -> SignInRefused:
        return SignInRefused(
            f"This answer of {self.label} does not belong to a sign-in that was begun here. "
            "Start signing in again, in one tab only.",
            code="mismatch",
            detail=detail,
        )

    def expired(self, detail: str) -> SignInRefused:
        return SignInRefused(
            f"This sign-in with {self.label} took too long or was used already. "
            "Start signing in again.",
            code="expired",
            detail=detail,
        )

    def unreachable(self, detail: str) -> SignInRefused:
        return SignInRefused(
            f"{self.label} does not answer at the moment. Try again in a few minutes, "
            "or choose another way to sign in.",
            code="unreachable",
            detail=detail,
        )

    def misconfigured(self, detail: str) -> SignInRefused:
        return SignInRefused(
            f"Signing in with {self.label} is not set up correctly on this server. "
            "Tell whoever runs it: its log says what to change.",
            code="misconfigured",
            detail=detail,
        )

    def garbled(self, detail: str) -> SignInRefused:
        return SignInRefused(
            f"{self.label} gave an answer that could not be understood, so you are not signed in. "
            "Try again; if it happens again, tell whoever runs this server.",
            code="garbled",
            detail=detail,
        )

    def untrusted(self, detail: str) -> SignInRefused:
        return SignInRefused(
            f"The answer of {self.label} could not be trusted, so you are not signed in. "
            "Try again; if it happens again, tell whoever runs this server.",
            code="untrusted",
            detail=detail,
        )

    def clock(self, seconds_apart: int) -> SignInRefused:
        return SignInRefused(
            f"The clocks of this server and of {self.label} are {_duration(seconds_apart)} apart, "
            "so its answer cannot be trusted. Tell whoever runs this server to set its clock.",
            code="clock",
            detail=f"the provider's time less ours: {seconds_apart:+d} s",
        )

    def no_email(self, way_out: str) -> SignInRefused:
        return SignInRefused(
            f"{self.label} did not give an e-mail address for you, which a new account needs. "
            f"{way_out}",
            code="no_email",
        )

    def of_code(self, error: object, said: str | None = None) -> SignInRefused:
        """Translate an error code of the standards: RFC 6749 (4.1.2.1, 5.2) and OpenID Connect.

        Parameters
        ----------
        said
            What the provider says for it in words or numbers of its own.
        """
        said = f"the provider said: {said or word(error)}"
        match error:
            case "access_denied" | "consent_required" | "interaction_required" | "login_required":
                return self.denied()
            case "invalid_grant":
                return self.expired(said)
            case "server_error" | "temporarily_unavailable":
                return self.unreachable(said)
            case "invalid_client":
                variables = f"{self.variable('CLIENT_ID')} and {self.variable('CLIENT_SECRET')}"
                return self.misconfigured(f"{said}: wrong id or secret; check {variables}")
            case "redirect_uri_mismatch" | "invalid_request" | "unauthorized_client":
                return self.misconfigured(
                    f"{said}; check that the provider knows this server's callback, "
                    "with the address of WORKBENCH_PUBLIC_URL"
                )
            case _:
                return self.misconfigured(said)


def _duration(seconds: int) -> str:
    minutes = round(abs(seconds) / 60)
    if minutes < 2:
        return f"{abs(seconds)} seconds"
    return f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"
