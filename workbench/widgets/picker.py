"""A field that picks a record by searching for it: an ARIA combobox with remote choices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import traitlets

from workbench.widgets.rpc import Handler, Rpc
from workbench.widgets.source import Choice

__all__ = ["ReferencePicker"]


class ReferencePicker(Rpc):
    """`value` is the id of the picked record or None, `label` its words.

    `lookup` is asked with what was typed and returns the choices, best first.
    """

    bundle = "picker"

    value = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    description = traitlets.Unicode("").tag(sync=True)
    placeholder = traitlets.Unicode("Search…").tag(sync=True)
    help = traitlets.Unicode("").tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)
    required = traitlets.Bool(False).tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)
    trashed = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, lookup: Callable[[str], Awaitable[Sequence[Choice]]], **traits: object
    ) -> None:
        self._find = lookup
        super().__init__(**traits)

    def operations(self) -> Mapping[str, Handler]:
        return {"lookup": self._lookup}

    async def _lookup(self, args: Mapping[str, Any]) -> object:
        return [asdict(choice) for choice in await self._find(str(args.get("term", "")))]
