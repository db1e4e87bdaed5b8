"""A list that is read further on request, each line with what can be done about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

from workbench.dashboard.standing import reading_note
from workbench.entities.world import World
from workbench.store.rights import Standing
from workbench.widgets.content import Content, Element, element
from workbench.widgets.dialog import Messages
from workbench.workspace import Workspace

Done: TypeAlias = Callable[[str], object]
Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], object]


@dataclass(frozen=True)
class Within:
    """Where a page of a world is shown, and to whom.

    Attributes
    ----------
    done
        Tells the reader, and whatever else shows the world, what was done.
    run
        Runs what may fail, and tells the reader why it did.
    """

    wb: Workspace
    world: World
    standing: Standing
    done: Done
    run: Run


class Listing(ABC):
    """The lines of a page; `content` shows them.

    `done` and `run` are those of `Within`.

    Attributes
    ----------
    messages
        Asks before what is hard to undo; there on a page of the listing's own only, which shows it.
    """

    messages: Messages

    def __init__(self, done: Done, run: Run) -> None:
        self._done, self._run = done, run
        self.more = False
        self.content = Content(on_action=self.act)

    @abstractmethod
    async def load(self, *, further: bool = False) -> None:
        """Read the lines again; `further`, more of them."""

    @abstractmethod
    def lines(self) -> list[Element]:
        """Describe the lines."""

    @abstractmethod
    async def do(self, verb: str, which: str) -> str:
        """Do what a button says; return what was done, "" if nothing was."""

    empty = "There is nothing here."

    def show(self) -> None:
        """Draw the lines as they are now."""
        lines = self.lines()
        if not lines:
            self.content.show(element("p", self.empty, kind="wb-soft"))
            return
        more = element("button", "Show more", kind="wb-button", action="more")
        self.content.show(element("ul", *lines, kind="wb-list"), more if self.more else None)

    async def act(self, action: str) -> None:
        """Answer a click."""
        self._run(self._act(action))

    async def _act(self, action: str) -> None:
        verb, _, which = action.partition("/")
        said = ""
        try:
            if verb == "more":
                await self.load(further=True)
            else:
                said = await self.do(verb, which)
        finally:
            self.show()
        if said:
            self._done(said)


async def listing_page(listing: Listing, heading: str, what: str, standing: Standing) -> list[Any]:
    """Return the widgets of a page that shows nothing else; `what` says what it lists."""
    await listing.load()
    listing.show()
    listing.messages = Messages()
    words = element("p", what, kind="wb-soft")
    head = Content(element("h1", heading), words, reading_note(standing))
    return [head, listing.content, listing.messages]


def button(words: str, label: str, action: str) -> Element:
    """Describe a small button of a line; `label` is its name for who does not see the line."""
    return element("button", words, kind="wb-button wb-small", action=action, aria_label=label)
