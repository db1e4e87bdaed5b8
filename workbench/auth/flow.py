"""Signing in with a provider: to its page, and back with an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from workbench.auth.identity import Client, Identity, Pending
from workbench.auth.logout_token import LogoutNotice
from workbench.auth.providers import Provider, provider_of
from workbench.errors import NotFound


class Flow:
    """All ways to sign in that are set up here.

    Parameters
    ----------
    callback_url
        Gives for a provider's name the address to which its answers come: made of the public URL,
        never of a request's own Host.
    make
        Gives the provider of a registration.

    Raises
    ------
    BadSettings
        If a registration cannot be used; it names the variable.
    """

    def __init__(
        self,
        clients: Sequence[Client],
        callback_url: Callable[[str], str],
        make: Callable[[Client, str], Provider] = provider_of,
    ) -> None:
        self._providers = {
            client.name: make(client, callback_url(client.name)) for client in clients
        }

    def offered(self) -> list[tuple[str, str]]:
        """Return the name and the label of each, for buttons."""
        return [(name, provider.refusals.label) for name, provider in self._providers.items()]

    async def begin(self, name: str) -> tuple[str, Pending]:
        """Return where to send the browser, and what to keep for it alone until it is back."""
        return await self._provider(name).begin()

    async def finish(self, name: str, pending: Pending, answer: Mapping[str, str]) -> Identity:
        """Return who has signed in.

        Parameters
        ----------
        pending
            What `begin` returned. It counts once: whoever keeps it has forgotten it by now.
        answer
            The query with which the browser came back; a name that was given twice is no answer.

        Raises
        ------
        SignInRefused
            In all other cases, with a sentence for whoever wanted to sign in.
        """
        return await self._provider(name).finish(pending, answer)

    async def ended(self, name: str, logout_token: str) -> LogoutNotice:
        """Return which sessions a provider has ended; raises SignInRefused for a bad token."""
        return await self._provider(name).ended(logout_token)

    async def close(self) -> None:
        for provider in self._providers.values():
            await provider.close()

    def _provider(self, name: str) -> Provider:
        try:
            return self._providers[name]
        except KeyError:
            raise NotFound("way to sign in", name) from None
