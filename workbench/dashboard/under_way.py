"""Something that takes a while: one at a time, told step by step, and cancelled at will."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import monotonic
from typing import Any

import traitlets

from workbench.errors import Refused, WorkbenchError
from workbench.widgets.content import Content, Element, element
from workbench.widgets.download import Download
from workbench.widgets.panel import Panel

_EACH_SECONDS = 0.2


class UnderWay(traitlets.HasTraits):
    """Base of models whose work takes a while.

    Attributes
    ----------
    step
        How far the work is, once that is known.
    problem, said
        What went wrong last, and what else there is to say.
    """

    step = traitlets.Any(None, allow_none=True)
    problem = traitlets.Unicode("")
    said = traitlets.Unicode("")

    def __init__(self) -> None:
        super().__init__()
        self._task: asyncio.Task[None] | None = None
        self._step_at = 0.0

    @property
    def running(self) -> bool:
        """Whether something is under way."""
        return self._task is not None

    def cancel(self) -> None:
        """End what is under way; nothing of it stays."""
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        """End what is under way, and remove all files."""
        raise NotImplementedError

    def _when_over(self, do: Callable[[], None]) -> None:
        """Do something when what is under way has ended, at once if nothing is."""
        if self._task is None:
            do()
        else:
            self._task.add_done_callback(lambda _: do())

    def _require_rest(self) -> None:
        if self.running:
            raise Refused("Something is under way here. Wait for its end, or cancel it.")

    async def _work(self, work: Coroutine[Any, Any, None], *, cancelled: str) -> bool:
        """Run something; return whether it came to its end, else `problem` or `said` tells."""
        self._task = task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task})
        finally:
            self._task = None
            task.cancel()
        if task.cancelled():
            self.said = self.said or cancelled
            return False
        error = task.exception()
        if isinstance(error, WorkbenchError):
            self.problem = str(error)
        elif error is not None:
            raise error
        return error is None

    def note(self, step: Any) -> None:
        """Show a step, unless another one was shown just now."""
        now, before = monotonic(), self.step
        same = before is not None and (before.stage, before.table) == (step.stage, step.table)
        if not same or now - self._step_at >= _EACH_SECONDS:
            self._step_at, self.step = now, step


class WorkView(Panel):
    """What such a model is and does, drawn anew at each change of it; it ends with this view."""

    def __init__(self, model: UnderWay, *above: Any, below: Any) -> None:
        self._drawn = model
        self.body = Content(on_action=self.act)
        super().__init__([*above, self.body, below], "wb-import")
        model.observe(lambda _: self.show(), traitlets.All)
        self.show()

    async def act(self, action: str) -> None:
        """Answer a click."""
        raise NotImplementedError

    def show(self) -> None:
        """Draw it as it is now."""
        raise NotImplementedError

    def close(self) -> None:
        """End what is under way, and remove its files."""
        self._drawn.unobserve_all()
        self._drawn.close()
        super().close()


def to_save(path: Path, name: str, *, primary: bool = False) -> Download | Content:
    """Return what saves a file, or says why it cannot be saved."""
    try:
        return Download(path, name, primary=primary)
    except WorkbenchError as error:
        return Content(element("p", str(error), kind="wb-notice"))


def under_way(what: str, step: Any) -> Element:
    """Describe how far `what` is; `step` is its last one, if there was any yet."""
    share = {} if step is None or not step.total else {"value": str(step.done)}
    if share:
        share["max"] = str(step.total)
    return element(
        "section",
        element("div", element("h2", f"{what} …", data_next=""), role="status"),
        element("progress", aria_label=what, **share),
        element("p", "" if step is None else str(step), kind="wb-soft wb-step"),
        element("p", element("button", "Cancel", kind="wb-button", action="cancel")),
        kind="wb-under-way",
    )


def troubles(model: UnderWay) -> list[Element]:
    """Describe what went wrong, and what else there is to say."""
    parts: list[Element] = []
    if model.problem:
        lines = [element("p", line) for line in model.problem.split("\n") if line]
        parts.append(element("div", *lines, kind="wb-notice", role="alert"))
    if model.said:
        parts.append(element("div", model.said, kind="wb-said", role="status"))
    return parts


def choice(words: str, about: str, action: str, *, on: bool) -> Element:
    """Describe a card that can be chosen."""
    return element(
        "button",
        element("strong", words),
        element("span", about),
        kind="wb-choice",
        action=action,
        aria_pressed=str(on).lower(),
    )
